//! DuckDB as a stranger who reads the store: PyPI's package, installed once.

#[path = "venv.rs"]
mod venv;

use std::path::Path;
use std::process::Command;

use venv::{python, run};

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
