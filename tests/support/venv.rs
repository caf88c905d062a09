//! Python packages of PyPI for tests, each in a virtual environment of its own under cargo's temporary directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of a virtual environment with `package` in it, or with several that blanks separate; made by whichever test process comes first, the others wait.
pub fn python(name: &str, package: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(root).expect("cargo's temporary directory");
    let lock = File::create(root.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let home = root.join(format!("{name}-venv"));
    let python = home.join("bin/python");
    let done = home.join("complete");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == package) {
        return python;
    }
    if home.exists() {
        fs::remove_dir_all(&home).expect("the remains of an interrupted installation can go");
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&home));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--no-input"]).args(package.split(' ')));
    fs::write(done, package).expect("the mark of a complete installation");
    python
}

/// What a command that succeeds prints.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
