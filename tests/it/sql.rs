//! What a statement says, compared with DuckDB over the same Parquet files: equal, or refused.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use mfatrail::sql::{self, SqlError, Tables};
use mfatrail::store::Store;
use mfatrail::table::typed::{Answer, Format};
use polars_core::prelude::{Column, DataFrame, DataType, NamedFrom, Series, TimeUnit};
use polars_io::parquet::write::ParquetWriter;
use serde_json::Value;

use crate::support::run::{HANG, Ran, mfatrail, root};

/// Statements, and what is to be in their answers.
struct Compared {
    equal: usize,
    /// DuckDB finds no function for a NULL without a type.
    unclear: usize,
    refused: Vec<String>,
    wrong: Vec<String>,
}

/// A number of few digits: sums of doubles depend on their order.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => format!("{:.9e}", number.as_f64().unwrap()).replace("-0.0", "0.0"),
        Value::Number(number) => format!("{:.9e}", number.as_f64().unwrap()),
        other => other.to_string(),
    }
}

fn rows(frame: DataFrame) -> Vec<Vec<String>> {
    let names: Vec<String> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
    let mut out = Vec::new();
    Answer::from(frame).write(Format::NdJson, &[], &mut out).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        names.iter().map(|name| plain(&row[name])).collect()
    };
    String::from_utf8(out).unwrap().lines().map(row).collect()
}

/// Compares the answers to statements; those that end with `-- ordered` to the order.
fn compare(statements: &[String], theirs: &[Value], ours: impl Fn(&str) -> Result<DataFrame, SqlError>) -> Compared {
    let mut compared = Compared { equal: 0, unclear: 0, refused: Vec::new(), wrong: Vec::new() };
    assert_eq!(statements.len(), theirs.len());
    for (statement, theirs) in statements.iter().zip(theirs) {
        let ours = match ours(statement) {
            Ok(frame) => rows(frame),
            Err(
                error @ (SqlError::Unsupported { .. }
                | SqlError::Wrong(_)
                | SqlError::Syntax(_)
                | SqlError::NotAQuestion(_)
                | SqlError::Large(_)),
            ) => {
                compared.refused.push(format!("{statement}\n    {error}"));
                continue;
            }
            Err(error) => panic!("{statement}: {error}"),
        };
        if theirs.as_str().is_some_and(|error| error.starts_with("Binder Error: Could not choose")) {
            compared.unclear += 1;
            continue;
        }
        let Some(theirs) = theirs.as_array() else {
            compared.wrong.push(format!("{statement}\n    theirs: {theirs}"));
            continue;
        };
        let mut theirs: Vec<Vec<String>> =
            theirs.iter().map(|row| row.as_array().unwrap().iter().map(plain).collect()).collect();
        let mut sorted = ours.clone();
        if !statement.ends_with("-- ordered") {
            sorted.sort();
            theirs.sort();
        }
        if sorted == theirs {
            compared.equal += 1;
        } else {
            let only = |these: &[Vec<String>], those: &[Vec<String>]| {
                let lacking: Vec<_> = these.iter().filter(|row| !those.contains(row)).take(3).collect();
                format!("{} rows, {lacking:?}", these.len())
            };
            let (ours, theirs) = (only(&sorted, &theirs), only(&theirs, &sorted));
            compared.wrong.push(format!("{statement}\n    ours: {ours}\n    theirs: {theirs}"));
        }
    }
    compared
}

/// Three months of a scan of the fixtures.
fn fixtures() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let ran: Ran = mfatrail().args(["scan", "fixtures/archive", "--store"]).arg(home.path()).output().unwrap().into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    home
}

/// One statement a line; comments and empty lines are none.
fn listed(name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("tests/it/sql").join(name)).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).map(str::to_owned).collect()
}

fn views() -> Vec<String> {
    ["events", "calls", "sightings", "objects"]
        .iter()
        .map(|table| {
            format!(
                "CREATE VIEW {table} AS SELECT * FROM read_parquet('{table}/*/*/*.parquet', hive_partitioning = false)"
            )
        })
        .chain(["CREATE VIEW runs AS SELECT * FROM read_parquet('runs/*.parquet')".to_owned()])
        .collect()
}

#[test]
fn statements_that_are_refused_say_what_to_write() {
    let home = fixtures();
    let store = Store::open(home.path()).unwrap();
    let mut wrong = Vec::new();
    for statement in listed("refused.sql") {
        match store.sql(&statement).map(rows) {
            Ok(rows) => wrong.push(format!("{statement}\n    {rows:?}")),
            Err(error) => {
                let text = error.to_string();
                println!("{statement}\n    {text}");
                // What is wrong, and what to write: no word of the machinery.
                let raw =
                    ["panicked", "cannot be worked on", "polars", "is missing", "one is needed", "Some(", "Error"];
                if raw.iter().any(|word| text.contains(word)) || text.len() > 700 {
                    wrong.push(format!("{statement}\n    {text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A table with every type, many NULLs and texts that mean something in patterns.
struct Made(DataFrame);

impl Made {
    fn new(rows: u64, mut next: Random) -> Self {
        const TEXTS: [&str; 12] =
            ["", "a", "A", "b", "ab", "aB%", "a_b", "é", "É!", "x'y", "DeactivateMFADevice", " a "];
        let mut text = |_| next.maybe().then(|| TEXTS[next.below(12)]);
        let (s, u): (Vec<_>, Vec<_>) = ((0..rows).map(&mut text).collect(), (0..rows).map(&mut text).collect());
        let mut flag = |_| next.maybe().then(|| next.below(2) == 1);
        let (f, g): (Vec<_>, Vec<_>) = ((0..rows).map(&mut flag).collect(), (0..rows).map(&mut flag).collect());
        let mut number = |_| next.maybe().then(|| next.below(9) as i64 - 3);
        let (a, b): (Vec<_>, Vec<_>) = ((0..rows).map(&mut number).collect(), (0..rows).map(&mut number).collect());
        let mut moment = |_| {
            next.maybe().then(|| {
                1_790_000_000_000_000 + next.below(40) as i64 * 21_600_000_000 + 500_000 * next.below(2) as i64
            })
        };
        let (seen, until): (Vec<_>, Vec<_>) =
            ((0..rows).map(&mut moment).collect(), (0..rows).map(&mut moment).collect());
        let day: Vec<_> = (0..rows).map(|_| next.maybe().then(|| 20_700 + next.below(20) as i32)).collect();
        let time = |name: &str, times: Vec<Option<i64>>| {
            Series::new(name.into(), times).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().into()
        };
        let columns: Vec<Column> = vec![
            Series::new("id".into(), (0..rows as i64).collect::<Vec<_>>()).into(),
            Series::new("a".into(), a).into(),
            Series::new("b".into(), b).into(),
            Series::new("s".into(), s).into(),
            Series::new("u".into(), u).into(),
            Series::new("f".into(), f).into(),
            Series::new("g".into(), g).into(),
            time("seen", seen),
            time("until", until),
            Series::new("day".into(), day).cast(&DataType::Date).unwrap().into(),
        ];
        Self(DataFrame::new(rows as usize, columns).unwrap())
    }

    fn write(&self, path: &Path) {
        ParquetWriter::new(File::create(path).unwrap()).finish(&mut self.0.clone()).unwrap();
    }
}

impl Tables for Made {
    fn names(&self) -> Vec<&str> {
        vec!["t", "w", "none"]
    }

    fn columns(&self, _table: &str) -> Vec<&str> {
        self.0.get_column_names().into_iter().map(|name| name.as_str()).collect()
    }

    fn kind(&self, _table: &str, column: &str) -> &'static str {
        match self.0.column(column).unwrap().dtype() {
            DataType::String => "text",
            DataType::Int64 => "integer",
            DataType::Boolean => "boolean",
            DataType::Date => "date",
            _ => "timestamp",
        }
    }

    fn load(&self, table: &str, columns: &[&str]) -> Result<DataFrame, Box<dyn Error + Send + Sync>> {
        let frame = self.0.select(columns.iter().copied())?;
        Ok(match table {
            "w" => frame.head(Some(20)),
            "none" => frame.head(Some(0)),
            _ => frame,
        })
    }
}

/// Numbers by a seed (splitmix64).
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn maybe(&mut self) -> bool {
        self.below(3) > 0
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// Statements by a seed: expressions of every type, in every clause.
struct Generator(Random);

impl Generator {
    fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.0.one(&["a", "b", "id", "0", "1", "2", "-3", "NULL", "a", "b"]).to_owned();
        }
        let d = depth - 1;
        match self.0.below(16) {
            0 => format!("{} + {}", self.number(d), self.number(d)),
            1 => format!("{} - ({})", self.number(d), self.number(d)),
            2 => format!("({}) * {}", self.number(d), self.number(d)),
            3 => format!("({}) // NULLIF({}, 0)", self.number(d), self.number(d)),
            4 => format!("({}) % NULLIF({}, 0)", self.number(d), self.number(d)),
            5 => format!("COALESCE({}, {}, {})", self.number(d), self.number(d), self.number(d)),
            6 => format!("NULLIF({}, {})", self.number(d), self.number(d)),
            7 => format!(
                "CASE WHEN {} THEN {} WHEN {} THEN {} ELSE {} END",
                self.flag(d),
                self.number(d),
                self.flag(d),
                self.number(d),
                self.number(d)
            ),
            8 => format!("length({})", self.text(d)),
            9 => format!("abs({})", self.number(d)),
            10 => format!("greatest({}, {})", self.number(d), self.number(d)),
            11 => format!("least({}, {}, {})", self.number(d), self.number(d), self.number(d)),
            12 => format!("CASE {} WHEN {} THEN {} END", self.number(d), self.number(d), self.number(d)),
            13 => format!(
                "date_diff('{}', {}, {})",
                self.0.one(&["second", "minute", "hour", "day", "month", "quarter", "year"]),
                self.time(d),
                self.time(d)
            ),
            14 => format!(
                "extract({} FROM {})",
                self.0.one(&[
                    "year", "month", "day", "hour", "minute", "second", "dow", "isodow", "doy", "week", "quarter"
                ]),
                self.time(d)
            ),
            _ => format!("strpos({}, {})", self.text(d), self.text(d)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.0.one(&["s", "u", "'a'", "''", "'a_b'", "NULL", "s", "u", "'É!'"]).to_owned();
        }
        let d = depth - 1;
        match self.0.below(14) {
            0 => format!("lower({})", self.text(d)),
            1 => format!("upper({})", self.text(d)),
            2 => format!("{} || {}", self.text(d), self.text(d)),
            3 => format!("concat({}, {})", self.text(d), self.text(d)),
            4 => format!("COALESCE({}, {})", self.text(d), self.text(d)),
            5 => format!("NULLIF({}, {})", self.text(d), self.text(d)),
            6 => format!("trim({})", self.text(d)),
            7 => format!("substr({}, {}, 2)", self.text(d), self.0.one(&["1", "2", "3", "length(u)"])),
            8 => format!("left({}, {})", self.text(d), self.0.one(&["0", "1", "2", "b"])),
            9 => format!("right({}, {})", self.text(d), self.0.one(&["0", "1", "2", "-1"])),
            10 => format!("replace({}, {}, {})", self.text(d), self.text(0), self.text(0)),
            11 => format!("CASE WHEN {} THEN {} ELSE {} END", self.flag(d), self.text(d), self.text(d)),
            12 => format!("CAST({} AS TEXT)", self.number(d)),
            _ => format!("concat_ws('-', {}, {})", self.text(d), self.text(d)),
        }
    }

    fn time(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.0.one(&["seen", "until", "TIMESTAMP '2026-09-22T00:00:00Z'", "seen"]).to_owned();
        }
        let d = depth - 1;
        match self.0.below(6) {
            0 => format!(
                "date_trunc('{}', {})",
                self.0.one(&["second", "minute", "hour", "day", "week", "month", "quarter", "year"]),
                self.time(d)
            ),
            1 => format!(
                "{} + INTERVAL '{}'",
                self.time(d),
                self.0.one(&["1 day", "36 hours", "1 month", "2 weeks", "-90 minutes"])
            ),
            2 => format!("{} - INTERVAL {}", self.time(d), self.0.one(&["1 DAY", "'3' MONTH", "'1 year'"])),
            3 => format!("COALESCE({}, {})", self.time(d), self.time(d)),
            4 => format!("greatest({}, {})", self.time(d), self.time(d)),
            _ => format!("CASE WHEN {} THEN {} END", self.flag(d), self.time(d)),
        }
    }

    fn pair(&mut self, depth: usize) -> [String; 2] {
        match self.0.below(5) {
            0 => [self.number(depth), self.number(depth)],
            1 => [self.text(depth), self.text(depth)],
            2 => [
                self.time(depth),
                self.0.one(&["'2026-09-25T02:00:00Z'", "'2026-09-24'", "DATE '2026-09-23'", "until", "day"]).to_owned(),
            ],
            3 => ["day".to_owned(), self.0.one(&["'2026-09-08'", "DATE '2026-09-10'", "seen"]).to_owned()],
            _ => [format!("({})", self.flag(0)), format!("({})", self.flag(0))],
        }
    }

    fn flag(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.0.one(&["f", "g", "TRUE", "FALSE", "NULL", "f", "g", "f", "g"]).to_owned();
        }
        let d = depth - 1;
        match self.0.below(18) {
            0 => format!("{} AND {}", self.flag(d), self.flag(d)),
            1 => format!("({} OR {})", self.flag(d), self.flag(d)),
            2 => format!("NOT ({})", self.flag(d)),
            3 => format!("({}) IS {}{}", self.flag(d), self.0.one(&["", "NOT "]), self.0.one(&["TRUE", "FALSE"])),
            4 => format!("({}) IS {}NULL", self.flag(d), self.0.one(&["", "NOT "])),
            5..=7 => {
                let [a, b] = self.pair(d);
                format!("{a} {} {b}", self.0.one(&["=", "<>", "<", "<=", ">", ">=", "!="]))
            }
            8 => {
                let [a, b] = self.pair(d);
                format!("{a} IS {}DISTINCT FROM {b}", self.0.one(&["", "NOT "]))
            }
            9 => format!(
                "{} {}BETWEEN {} AND {}",
                self.number(d),
                self.0.one(&["", "NOT "]),
                self.number(0),
                self.number(0)
            ),
            10 => format!(
                "{} {}IN ({}, {})",
                self.number(d),
                self.0.one(&["", "NOT "]),
                self.0.one(&["1", "NULL", "a"]),
                self.0.one(&["2", "0", "b"])
            ),
            11 => {
                format!("{} {}IN ('a', {})", self.text(d), self.0.one(&["", "NOT "]), self.0.one(&["'b'", "NULL", "u"]))
            }
            12 => format!(
                "{} {}{} {}",
                self.text(d),
                self.0.one(&["", "NOT "]),
                self.0.one(&["LIKE", "ILIKE"]),
                self.0.one(&["'a%'", "'%b'", "'_'", "'%'", "NULL", "u", "'%É%'"])
            ),
            13 => format!("({}) IS {}NULL", self.text(d), self.0.one(&["", "NOT "])),
            14 => format!(
                "{} {}IN (SELECT {} FROM w WHERE {})",
                self.number(0),
                self.0.one(&["", "NOT "]),
                self.0.one(&["a", "b", "id"]),
                self.flag(d.min(1))
            ),
            15 => format!(
                "{}EXISTS (SELECT 1 FROM w WHERE w.a = t.b AND w.{})",
                self.0.one(&["", "NOT "]),
                self.0.one(&["f", "g", "id > t.id", "s IS NULL"])
            ),
            16 => {
                format!("{}({}, {})", self.0.one(&["starts_with", "ends_with", "contains"]), self.text(d), self.text(d))
            }
            _ => format!("COALESCE({}, {})", self.flag(d), self.flag(d)),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        match self.0.below(4) {
            0 => self.number(depth),
            1 => self.text(depth),
            2 => self.time(depth),
            _ => self.flag(depth),
        }
    }

    fn sum(&mut self) -> String {
        match self.0.below(10) {
            0 => "count(*)".to_owned(),
            1 => format!("count({})", self.any(1)),
            2 => format!("count(DISTINCT {})", self.any(1)),
            3 => format!("sum({})", self.number(1)),
            4 => format!("avg({})", self.number(1)),
            5 => format!("min({})", self.any(1)),
            6 => format!("max({})", self.any(1)),
            7 => format!("count(*) FILTER (WHERE {})", self.flag(1)),
            8 => "count(DISTINCT (s, f))".to_owned(),
            _ => format!("{}({})", self.0.one(&["bool_and", "bool_or"]), self.flag(1)),
        }
    }

    fn statement(&mut self) -> String {
        match self.0.below(14) {
            0 | 1 => format!("SELECT id, {} AS x FROM t WHERE {}", self.any(2), self.flag(2)),
            2 => format!("SELECT {} AS x, {} AS y, {} AS z FROM t", self.any(3), self.any(2), self.flag(3)),
            3 => format!("SELECT count(*) AS n FROM t WHERE {}", self.flag(3)),
            4 => format!(
                "SELECT {} AS k, {} AS x, {} AS y FROM t WHERE {} GROUP BY 1",
                self.any(1),
                self.sum(),
                self.sum(),
                self.flag(1)
            ),
            5 => format!(
                "SELECT {} AS k, {} AS x FROM t GROUP BY k HAVING {} > 2",
                self.any(1),
                self.sum(),
                self.0.one(&["count(*)", "sum(a)", "count(b)", "max(a)"])
            ),
            6 => format!("SELECT {} AS x, {} AS y FROM {}", self.sum(), self.sum(), self.0.one(&["t", "none", "w"])),
            7 => format!("SELECT DISTINCT {} AS x, {} AS y FROM t", self.any(1), self.any(1)),
            8 => format!(
                "SELECT t.id, w.id AS other, w.s FROM t {} JOIN w ON {} AND {}",
                self.0.one(&["", "LEFT", "RIGHT", "FULL", "INNER"]),
                self.0.one(&["t.a = w.b", "t.s = w.s", "t.f = w.f AND t.a = w.a", "t.seen = w.seen"]),
                self.0.one(&["TRUE", "t.id < w.id", "w.f", "t.g IS NOT TRUE", "t.u <> w.u"])
            ),
            9 => format!(
                "SELECT {} AS x FROM t {} SELECT {} FROM w",
                "a",
                self.0.one(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]),
                self.0.one(&["b", "a", "NULL", "id"])
            ),
            10 => format!(
                "SELECT id, {} AS x FROM t WHERE {} ORDER BY {} {} {}, id LIMIT {} OFFSET {} -- ordered",
                self.any(1),
                self.flag(1),
                self.any(1),
                self.0.one(&["ASC", "DESC", ""]),
                self.0.one(&["", "NULLS FIRST", "NULLS LAST"]),
                self.0.below(30),
                self.0.below(4)
            ),
            11 => format!(
                "SELECT id, {} OVER (PARTITION BY {} ORDER BY {}, id) AS x FROM t",
                self.0.one(&[
                    "row_number()",
                    "rank()",
                    "dense_rank()",
                    "lag(a)",
                    "lead(s)",
                    "lag(id, 2)",
                    "first_value(b)"
                ]),
                self.any(1),
                self.any(1)
            ),
            12 => format!(
                "SELECT id, {} OVER (PARTITION BY {}) AS x FROM t",
                self.0.one(&["count(*)", "sum(a)", "max(seen)", "min(s)", "avg(b)", "count(f)"]),
                self.any(1)
            ),
            _ => format!(
                "WITH x AS (SELECT {} AS k, {} AS v FROM t) SELECT k, count(*) AS n, {}(v) AS m FROM x WHERE {} GROUP BY k ORDER BY n DESC, k, m -- ordered",
                self.any(1),
                self.number(1),
                self.0.one(&["sum", "max", "count"]),
                self.0.one(&["v IS NOT NULL", "v > 0 IS NOT TRUE", "NOT v = 1", "TRUE"])
            ),
        }
    }
}

/// What a statement can take is bounded: each of these is refused in words, or has its answer, soon.
#[test]
fn what_a_statement_takes_is_bounded() {
    let made = Arc::new(Made::new(30_000, Random(7)));
    let doubled = |first: &str, step: &str, times: usize| {
        let mut text = format!("WITH x0 AS ({first})");
        for place in 1..=times {
            text += &format!(", x{place} AS ({})", step.replace("LAST", &format!("x{}", place - 1)));
        }
        format!("{text} SELECT count(*) AS n, max(length(s)) AS l FROM x{times}")
    };
    let replaced = |times: usize| {
        let one = format!("replace(s, 'a', '{}')", "a".repeat(900));
        format!(
            "SELECT max(length(x)) AS n FROM (SELECT {} AS x FROM t)",
            (1..times).fold(one, |inner, _| format!("replace({inner}, 'a', '{}')", "a".repeat(900)))
        )
    };
    for statement in [
        "SELECT count(*) AS n FROM t a CROSS JOIN t b".to_owned(),
        "SELECT count(*) AS n FROM t a, t b, t c".to_owned(),
        "SELECT count(*) AS n FROM t a JOIN t b ON a.f = b.f".to_owned(),
        "SELECT count(*) AS n FROM t a JOIN t b ON a.id < b.id".to_owned(),
        "SELECT count(*) AS n FROM t a LEFT JOIN t b ON TRUE".to_owned(),
        "SELECT * FROM t a JOIN t b ON a.f = b.f".to_owned(),
        "SELECT count(*) AS n FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE b.id > a.id)".to_owned(),
        doubled("SELECT s FROM t", "SELECT s FROM LAST UNION ALL SELECT s FROM LAST", 60),
        doubled("SELECT s FROM t", "SELECT s || s || 'x' AS s FROM LAST", 60),
        doubled("SELECT s FROM t", "SELECT concat(s, s, 'x') AS s FROM LAST", 60),
        doubled(
            "SELECT s FROM t",
            "SELECT string_agg(s, '') AS s FROM (SELECT s FROM LAST UNION ALL SELECT s || 'x' FROM LAST) AS y",
            60,
        ),
        doubled("SELECT s FROM t", "SELECT a.s FROM LAST a JOIN LAST b ON a.s = b.s", 20),
        replaced(5),
    ] {
        let error = soon(&statement, &made).expect_err(&statement);
        assert!(matches!(error, SqlError::Large(_)), "{statement}: {error}");
    }
    // Deep nesting costs no more than its length.
    let nested = |open: &str, close: &str| format!("SELECT max({}a{}) AS n FROM w", open.repeat(40), close.repeat(40));
    for statement in [
        nested("COALESCE(", ", 1)"),
        nested("NULLIF(", ", 1)"),
        nested("CASE WHEN f THEN 1 ELSE ", " END"),
        nested("CASE ", " WHEN 1 THEN 2 END"),
        format!(
            "SELECT count(*) AS n FROM t WHERE {}a{}",
            "(".repeat(20),
            " BETWEEN 0 AND 1)".to_owned() + &" IS TRUE)".repeat(19)
        ),
        format!("SELECT count(*) AS n FROM t WHERE s LIKE '{}b'", "%a".repeat(200)),
        format!("SELECT count(*) AS n FROM t WHERE a IN ({})", vec!["1"; 5000].join(",")),
        "SELECT id FROM t ORDER BY s, f, seen LIMIT 1000000000".to_owned(),
    ] {
        let answer = soon(&statement, &made);
        assert!(answer.is_ok() || matches!(answer, Err(SqlError::Syntax(_))), "{statement:.200}: {answer:?}");
    }
}

/// The answer to a statement, or a failure of the test where none comes: what grows by powers of a statement's depth hangs.
fn soon(statement: &str, tables: &Arc<Made>) -> Result<DataFrame, SqlError> {
    let (sender, answers) = mpsc::channel();
    let (own, tables) = (statement.to_owned(), Arc::clone(tables));
    thread::spawn(move || sender.send(sql::answer(&own, &*tables)));
    answers.recv_timeout(HANG).unwrap_or_else(|_| panic!("no answer: {statement:.200}"))
}

/// With DuckDB, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::duckdb;

    #[test]
    fn statements_of_the_list_are_answered_as_by_duckdb() {
        let home = fixtures();
        let store = Store::open(home.path()).unwrap();
        let statements = listed("equal.sql");
        let theirs = duckdb::answers(&views(), &statements, home.path());
        let compared = compare(&statements, &theirs, |statement| store.sql(statement));
        assert!(compared.wrong.is_empty(), "{}", compared.wrong.join("\n"));
        assert!(compared.refused.is_empty(), "{}", compared.refused.join("\n"));
        assert!(compared.equal > 200, "{}", compared.equal);
    }

    #[test]
    fn the_examples_of_the_document_are_true() {
        let home = fixtures();
        let store = Store::open(home.path()).unwrap();
        let text = fs::read_to_string(root().join("docs/evidence-schema.md")).unwrap();
        let (_, section) = text.split_once("\n## SQL\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let mut examples = (Vec::new(), Vec::new());
        for block in section.split("```sql\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let into = if block.starts_with("-- refused") { &mut examples.1 } else { &mut examples.0 };
            into.extend(block.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()));
        }
        let (equal, refused) = examples;
        assert!(equal.len() >= 7 && refused.len() >= 4);
        let theirs = duckdb::answers(&views(), &equal, home.path());
        let compared = compare(&equal, &theirs, |statement| store.sql(statement));
        assert!(
            compared.wrong.is_empty() && compared.refused.is_empty(),
            "{:?} {:?}",
            compared.wrong,
            compared.refused
        );
        for statement in refused {
            assert!(store.sql(&statement).is_err(), "{statement}");
        }
    }

    #[test]
    fn generated_statements_are_answered_as_by_duckdb() {
        let seed = std::env::var("SQL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(15);
        let count = std::env::var("SQL_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(600);
        let made = Made::new(60, Random(seed));
        let home = tempfile::tempdir().unwrap();
        made.write(&home.path().join("t.parquet"));
        let views = ["t", "w", "none"].map(|table| {
            let rows = match table {
                "w" => " WHERE id < 20",
                "none" => " WHERE id < 0",
                _ => "",
            };
            format!("CREATE TABLE \"{table}\" AS SELECT * FROM read_parquet('t.parquet'){rows}")
        });
        let mut generator = Generator(Random(seed.wrapping_mul(7919)));
        let statements: Vec<String> = (0..count).map(|_| generator.statement()).collect();
        let theirs = duckdb::answers(&views, &statements, home.path());
        let compared = compare(&statements, &theirs, |statement| sql::answer(statement, &made));
        if std::env::var_os("SQL_SHOW").is_some() {
            println!("{}", compared.refused.join("\n"));
        }
        assert!(
            compared.wrong.is_empty(),
            "{} wrong, {} equal\n{}",
            compared.wrong.len(),
            compared.equal,
            compared.wrong.join("\n")
        );
        assert!(compared.equal * 5 > count * 4, "{} equal, refused:\n{}", compared.equal, compared.refused.join("\n"));
    }
}
