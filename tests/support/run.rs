//! Runs the real binary, shut off from the caller's environment.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::schema;

/// The README's first command, without its `--out`: the archive, the month, and all that is given beside it.
pub const FIXTURES: &[&str] = &[
    "fixtures/archive",
    "--month",
    "2026-10",
    "--iam",
    "fixtures/iam",
    "--iam-as-of",
    "2026-11-02",
    "--approvals",
    "fixtures/approvals.csv",
    "--detections",
    "fixtures/detections.csv",
];

/// The same without the archive.
pub const OCTOBER: &[&str] = FIXTURES.split_at(1).1;

/// And without the month.
pub const INPUTS: &[&str] = OCTOBER.split_at(2).1;

/// What takes longer hangs: nothing in these tests needs a tenth of it, on a machine with much else to do.
pub const HANG: Duration = Duration::from_secs(120);

/// The package's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `mfatrail` with nothing of the caller's AWS configuration, in the package's folder.
pub fn mfatrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mfatrail"));
    command
        .current_dir(root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("MFATRAIL_CONFIG", "")
        .env("MFATRAIL_PAGER", "")
        .env("COLUMNS", "80")
        .stdin(Stdio::null());
    command
}

/// A browser that is a shell script.
#[cfg(unix)]
pub fn browser(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let browser = folder.join("chromium");
    std::fs::write(&browser, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).expect("written");
    browser.to_str().expect("UTF-8").to_owned()
}

/// The result of a run, as text.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Holds the report to its schema whose folder a run names.
impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let ran = Self {
            status: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        };
        let folders = ran.stdout.lines().map(|line| root().join(line));
        folders.filter(|folder| folder.join("report.json").is_file()).for_each(|folder| drop(json(&folder)));
        ran
    }
}

/// Runs a command that must end by itself, or fails the test.
pub fn finish(command: &mut Command) -> Ran {
    end(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs"))
}

/// A process that goes on beside a test; dropping it ends it.
pub struct Background(pub Child);

impl Background {
    /// Starts it, and lets it talk to nobody.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a process with piped output that must end by itself, or fails the test.
pub fn end(mut child: Child) -> Ran {
    fn reading(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
        let mut from = from.expect("a pipe");
        thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).expect("its output");
            bytes
        })
    }
    let (stdout, stderr) = (reading(child.stdout.take()), reading(child.stderr.take()));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("its state") {
            break status;
        }
        if start.elapsed() > HANG {
            child.kill().expect("killed");
            child.wait().expect("its state");
            panic!("it hangs; it said: {}", String::from_utf8_lossy(&stderr.join().expect("its output")));
        }
        thread::sleep(Duration::from_millis(5));
    };
    let (stdout, stderr) = (stdout.join().expect("its output"), stderr.join().expect("its output"));
    Output { status, stdout, stderr }.into()
}

/// Runs it with arguments, the last of them `--out` and a fresh folder; returns that folder too.
pub fn report(arguments: &[&str], name: &str) -> (Ran, PathBuf) {
    let out = tempfile::tempdir().expect("a temporary folder").keep().join(name);
    let ran = mfatrail().arg("report").args(arguments).arg("--out").arg(&out).output().expect("it runs");
    (ran.into(), out)
}

/// Takes the notices with some codes out of a report, with what to do about them; which places the others had goes with them.
pub fn without_notices(report: &mut serde_json::Value, codes: &[&str]) -> Vec<serde_json::Value> {
    let own = |one: &serde_json::Value| one["code"].as_str().is_some_and(|code| codes.contains(&code));
    let actions = report["actions"].as_array_mut().expect("actions");
    actions.retain(|action| action["about"] != "notice" || !own(action));
    for action in actions.iter_mut().filter(|action| action["about"] == "notice") {
        action["number"] = serde_json::Value::Null;
    }
    let notices = report["notices"].as_array_mut().expect("notices");
    notices.extract_if(.., |notice| own(notice)).collect()
}

/// `report.json` of a folder, held to its schema, without the one value that a clock decides.
pub fn json(folder: &Path) -> serde_json::Value {
    let bytes = std::fs::read(folder.join("report.json")).expect("report.json");
    let mut report: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    schema::hold(&report);
    report["generated_at"] = serde_json::Value::Null;
    report
}
