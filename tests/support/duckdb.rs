//! DuckDB as a stranger who reads the store: PyPI's package, installed once.

use std::path::Path;
use std::process::Command;

use super::venv::{python, run};

const PACKAGE: &str = "duckdb==2.0.0";

/// The answer to a query, one row a line, values with tabs between.
pub fn query(sql: &str, folder: &Path) -> Vec<String> {
    let script = "\
import sys, duckdb
for row in duckdb.connect().execute(sys.argv[1]).fetchall():
    print(*row, sep='\\t')
";
    let text = run(Command::new(python("duckdb", PACKAGE)).args(["-c", script, sql]).current_dir(folder));
    text.lines().map(str::to_owned).collect()
}

/// The answers to many statements after some that prepare: an array of rows each, or the error as a text. Times are as the tool
/// prints them.
pub fn answers(prepare: &[String], statements: &[String], folder: &Path) -> Vec<serde_json::Value> {
    let script = "\
import sys, json, duckdb, datetime, decimal
def plain(value):
    if isinstance(value, datetime.datetime):
        text = value.isoformat()
        return (text if '.' not in text else text[:-3] if text.endswith('000') else text) + 'Z'
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value
connection = duckdb.connect()
given = json.load(open(sys.argv[1]))
for statement in given['prepare']:
    connection.execute(statement)
answers = []
for statement in given['statements']:
    try:
        answers.append([[plain(value) for value in row] for row in connection.execute(statement).fetchall()])
    except Exception as error:
        answers.append(str(error))
print(json.dumps(answers))
";
    let given = folder.join("statements.json");
    let text = serde_json::json!({ "prepare": prepare, "statements": statements }).to_string();
    std::fs::write(&given, text).expect("the statements");
    let text = run(Command::new(python("duckdb", PACKAGE)).args(["-c", script]).arg(given).current_dir(folder));
    serde_json::from_str(&text).expect("JSON")
}
