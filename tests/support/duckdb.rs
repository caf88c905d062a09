//! DuckDB as a stranger who reads the store: PyPI's package, installed once under cargo's temporary directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "duckdb==2.0.0";

/// The Python of a virtual environment with DuckDB in it; made by whichever test process comes first, the others wait.
fn installed() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(root).expect("cargo's temporary directory");
    let lock = File::create(root.join("duckdb.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let home = root.join("duckdb-venv");
    let python = home.join("bin/python");
    let done = home.join("complete");
    if fs::read_to_string(&done).is_ok_and(|package| package == PACKAGE) {
        return python;
    }
    if home.exists() {
        fs::remove_dir_all(&home).expect("the remains of an interrupted installation can go");
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&home));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--no-input", PACKAGE]));
    fs::write(done, PACKAGE).expect("the mark of a complete installation");
    python
}

/// The answer to a query, one row a line, values with tabs between.
pub fn query(sql: &str, folder: &Path) -> Vec<String> {
    let script = "\
import sys, duckdb
for row in duckdb.connect().execute(sys.argv[1]).fetchall():
    print(*row, sep='\\t')
";
    let text = run(Command::new(installed()).args(["-c", script, sql]).current_dir(folder));
    text.lines().map(str::to_owned).collect()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
