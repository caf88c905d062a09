//! The real binary on a terminal of its own, by util-linux's `script`.

use std::process::Command;

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
