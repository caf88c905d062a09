//! The real binary on a terminal of its own, by util-linux's `script`.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::run;

/// What a terminal of so many columns shows of a run at its end; `redirection` is the shell's, `> /dev/null` for standard
/// error alone.
pub fn of(columns: u16, arguments: &[&str], redirection: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let program = run::mfatrail();
    let line =
        [program.get_program().to_str().expect("a path")].into_iter().chain(arguments.iter().copied()).map(quoted);
    let line = line.collect::<Vec<_>>().join(" ");
    let mut command = Command::new("script");
    command.args(["-qec", &format!("stty cols {columns} rows 24; exec {line} {redirection}"), "/dev/null"]);
    command.current_dir(run::root()).env_clear();
    for (name, value) in program.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    // The real width counts, whatever this says.
    command.env("COLUMNS", "33").env("TERM", "xterm").stdin(std::process::Stdio::null());
    let output = command.output().expect("`script` is there, of util-linux");
    shown(&String::from_utf8(output.stdout).expect("UTF-8"))
}

/// The lines that are left when progress was drawn over and cleared.
fn shown(text: &str) -> String {
    let line = |line: &str| {
        let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
        let mut plain = String::new();
        let mut rest = last;
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            plain.push_str(before);
            rest = after.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).get(1..).unwrap_or_default();
        }
        plain + rest + "\n"
    };
    text.lines().map(line).collect()
}

/// A run on a terminal of 80 columns, to which somebody types: each line as soon as what is expected before it stands there. The exit
/// status, and all that was written, what is typed included.
#[allow(dead_code, reason = "not every target types")]
pub fn typed(program: &Command, dialog: &[(&str, &str)]) -> (i32, String) {
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().expect("text").replace('\'', r"'\''"));
    let words: Vec<String> = std::iter::once(program.get_program()).chain(program.get_args()).map(quoted).collect();
    let mut command = Command::new("script");
    command.args(["-qefc", &format!("stty cols 80 rows 24; exec {}", words.join(" ")), "/dev/null"]).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    command.current_dir(program.get_current_dir().unwrap_or(run::root()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("`script` is there, of util-linux");
    let (mut to, mut from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
    let own = Arc::clone(&screen);
    let reading = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            own.lock().expect("the screen").extend_from_slice(&piece[..length]);
        }
    });
    let text = || String::from_utf8_lossy(&screen.lock().expect("the screen")).replace("\r\n", "\n");
    let start = Instant::now();
    let mut seen = 0;
    for (expected, line) in dialog {
        let at = loop {
            let shown = text();
            if let Some(at) = shown.get(seen..).and_then(|rest| rest.find(expected)) {
                break seen + at + expected.len();
            }
            assert!(start.elapsed() < run::HANG, "{expected:?} does not come: {shown}");
            std::thread::sleep(Duration::from_millis(10));
        };
        seen = at;
        to.write_all(line.as_bytes()).and_then(|()| to.flush()).expect("it is typed");
    }
    let status = child.wait().expect("its state");
    reading.join().expect("its output");
    (status.code().expect("it was not killed"), text())
}
