//! What the document says of the store, and what DuckDB reads in it.

use std::fs;

use mfatrail::store::{Dataset, SCHEMA};

use crate::support::run::{Ran, mfatrail, root};
use crate::support::store::rows;

#[test]
fn the_document_lists_the_columns_of_the_code() {
    let text = fs::read_to_string(root().join("docs/evidence-schema.md")).unwrap();
    assert!(text.contains(&format!("`{SCHEMA}`")));
    for dataset in Dataset::ALL {
        let (_, section) = text.split_once(&format!("\n## `{}`\n", dataset.name())).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let documented: Vec<(String, String)> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .map(|line| {
                let mut cells = line.split('|').map(str::trim);
                let name = cells.next().unwrap().trim_end_matches('`').to_owned();
                let kind = cells.next().unwrap().to_owned();
                assert!(cells.next().is_some_and(|meaning| !meaning.is_empty()), "{name} has no meaning");
                (name, kind)
            })
            .collect();
        let column = |column: &mfatrail::store::Column| (column.name.to_owned(), column.kind.name().to_owned());
        let columns: Vec<_> = dataset.columns().iter().map(column).collect();
        assert_eq!(documented, columns, "{}", dataset.name());
    }
}

/// With DuckDB, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::duckdb;

    #[test]
    fn duckdb_reads_the_same_rows() {
        let home = tempfile::tempdir().unwrap();
        let scan = |more: &[&str]| {
            let mut command = mfatrail();
            command.args(["scan", "fixtures/archive", "--store"]).arg(home.path()).args(more);
            let ran = Ran::from(command.output().unwrap());
            assert_eq!(ran.status, 0, "{}", ran.stderr);
        };
        scan(&["--to", "2026-10-10", "--commit-every", "50"]);
        scan(&[]);
        let all = rows(home.path());
        for dataset in ["events", "calls", "sightings", "objects"] {
            let want = all.iter().filter(|row| row.starts_with(&format!("{dataset} "))).count();
            let count = duckdb::query(&format!("SELECT count(*) FROM '{dataset}/*/*/*.parquet'"), home.path());
            assert_eq!(count, [want.to_string()], "{dataset}");
            assert!(want > 100, "{dataset}: {want}");
        }
        // The document's first question, and the types as a stranger sees them.
        let sql = "SELECT count(DISTINCT (account, event_id)), min(event_time), typeof(min(event_time)) \
            FROM 'events/*/*/*.parquet' WHERE event_name = 'DeactivateMFADevice' AND NOT failed";
        let plain = Ran::from(
            mfatrail().args(["search", "fixtures/archive", "--event-name", "DeactivateMFADevice"]).output().unwrap(),
        );
        let mut times: Vec<String> = plain
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|record| record["eventSource"] == "iam.amazonaws.com" && record.get("errorCode").is_none())
            .map(|record| record["eventTime"].as_str().unwrap().replace('T', " ").replace('Z', ""))
            .collect();
        times.sort();
        assert_eq!(duckdb::query(sql, home.path()), [format!("{}\t{}\tTIMESTAMP", times.len(), times[0])]);
        let sql = "SELECT e.record->>'eventID' = e.event_id AND o.sha256 = e.object_sha256 AND o.size_bytes = e.object_size_bytes, \
            count(*) FROM 'events/*/*/*.parquet' e JOIN 'objects/*/*/*.parquet' o USING (object_id) GROUP BY 1";
        assert_eq!(duckdb::query(sql, home.path()).len(), 1, "the rows agree with each other");
        let sql =
            "SELECT DISTINCT value FROM parquet_kv_metadata('*/*/*/*.parquet') WHERE key = 'mfatrail.schema'::BLOB";
        assert_eq!(duckdb::query(sql, home.path()), ["b'mfatrail.store/4'"]);
    }

    /// The statements of the document that take the files from the log.
    #[test]
    fn duckdb_reads_what_the_log_lists() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("evidence");
        let mfatrail = |arguments: &[&str]| {
            let ran = Ran::from(mfatrail().args(arguments).arg("--store").arg(&store).output().unwrap());
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            ran.stdout
        };
        mfatrail(&["scan", "fixtures/archive", "--to", "2026-10-10", "--commit-every", "20"]);
        mfatrail(&["scan", "fixtures/archive", "--commit-every", "20"]);
        // What no commit lists, as a writer to a bucket leaves it that was killed.
        let events = crate::support::store::files(&store.join("events")).remove(0);
        fs::copy(&events, events.with_file_name("00000099-left.parquet")).unwrap();
        let text = fs::read_to_string(root().join("docs/evidence-schema.md")).unwrap();
        let section = text.split("\n## Reading it in place\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let block = section.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
        let mut statements: Vec<String> =
            block.split(';').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let last = statements.pop().unwrap();
        let answers = duckdb::answers(&statements, &[last], home.path());
        let own = mfatrail(&["history", "--sql", "SELECT count(*) AS n FROM events", "--format", "csv"]);
        assert_eq!(answers[0][0][0].to_string(), own.lines().nth(1).unwrap());
    }
}
