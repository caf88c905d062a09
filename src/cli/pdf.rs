//! `report --pdf`: the page printed by a Chromium that is installed.
//!
//! A renderer of its own would double the program for what every desktop has. The browser gets the page as a file and no
//! network; what it writes is not the same bytes every time, which is why the other formats do not depend on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::exit::CliError;

/// What Chromium is called by those who package it.
const NAMES: [&str; 6] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge"];
/// How long it may take: a thousand windows need some seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// Finds the browser before any work: the one that was named, or the first on the PATH.
pub(super) fn browser(named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return if is_program(path) {
            Ok(path.to_owned())
        } else {
            Err(CliError::Usage(format!(
                "`--chromium`: `{}` is no program that can be run\n  hint: give the browser's own path, such as /usr/bin/chromium",
                path.display()
            )))
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let candidates = NAMES.iter().flat_map(|name| std::env::split_paths(&folders).map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| is_program(path)).ok_or_else(|| {
        CliError::Usage(format!(
            "`--pdf` needs Chromium or Chrome, and none of `{}` is on the PATH\n  hint: install one, name it with `--chromium PATH`, or print index.html from any browser",
            NAMES.join("`, `")
        ))
    })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Prints a page.
pub(super) fn print(browser: &Path, page: &str) -> Result<Vec<u8>, CliError> {
    let io = |error: std::io::Error| CliError::Failed(format!("could not print the page: {error}"));
    let folder = tempfile::tempdir().map_err(io)?;
    let (html, pdf, log) = (folder.path().join("page.html"), folder.path().join("page.pdf"), folder.path().join("log"));
    fs::write(&html, page).map_err(io)?;
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .arg("--no-pdf-header-footer")
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .args(is_root().then_some("--no-sandbox"))
        .arg(format!("file://{}", html.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).map_err(io)?);
    let failed = |why: String| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let last = crate::report::terminal_text(last);
        CliError::Failed(format!(
            "`{}` did not print the page: {why}; its last words: {last}\n  hint: try it by hand on index.html, or leave out `--pdf`",
            browser.display()
        ))
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(io)? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                // It may have ended this very moment; that it did not print in time is what is told.
                let _ended = child.kill();
                let _reaped = child.wait();
                return Err(failed(format!("it was not done after {} s", PATIENCE.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    match fs::read(&pdf) {
        Ok(bytes) if status.success() && bytes.starts_with(b"%PDF-") => Ok(bytes),
        _ => Err(failed(status.to_string())),
    }
}

/// Chromium refuses to run its sandbox as root.
#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    false
}
