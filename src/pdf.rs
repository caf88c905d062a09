//! `report --pdf` and `monthly --pdf`: the page printed by a Chromium that is installed.
//!
//! A renderer of its own would double the program for what every desktop has. The browser gets the page as a file in a folder of
//! the user's alone, a profile of its own, next to nothing of the environment, and no network: names are not resolved, addresses
//! are those of nobody, and whatever else is asked for goes through a proxy that does not answer. What it writes is not the same
//! bytes every time, which is why the other formats do not depend on it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::disk;
use crate::escape::terminal as terminal_text;

/// What Chromium is called by those who package it.
const NAMES: [&str; 6] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge"];
/// How long it may take at least: to start, and to print the usual page.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many bytes of a page are worth a second more: ten times what a slow machine needs.
const BYTES_A_SECOND: usize = 16 << 10;
/// A printed page is never as large: what is, is no page.
const LARGEST_PDF: u64 = 1 << 30;
/// How much of what it says is looked at.
const LONGEST_LOG: u64 = 16 << 20;

/// What is taken over from the environment: where the browser's own programs and libraries are, and its fonts.
const ENVIRONMENT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "FONTCONFIG_PATH", "FONTCONFIG_FILE"];

/// How the network is shut: no name or address leads anywhere, and there is a proxy for everything, which is nobody's (port 9 of
/// a loopback address; without the last option loopback addresses would be asked without it).
const OFFLINE: [&str; 5] = [
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--disable-background-networking",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
];

/// Why there is no browser, or why it did not print: one sentence, with a way out on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PdfError(String);

/// Finds the browser before any work: the one that was named, or the first on the PATH.
///
/// # Errors
/// Where it is not an executable, or none is installed.
pub fn browser(named: Option<&Path>) -> Result<PathBuf, PdfError> {
    if let Some(path) = named {
        return if disk::is_program(path) {
            Ok(path.to_owned())
        } else {
            Err(PdfError(format!(
                "`--chromium`: `{}` is not an executable\n  hint: use the path of the browser, such as /usr/bin/chromium",
                path.display()
            )))
        };
    }
    disk::program(&NAMES).ok_or_else(|| {
        PdfError(format!(
            "`--pdf` needs Chromium or Chrome, and none of `{}` is on the PATH\n  hint: install one, name it with `--chromium PATH`, or print index.html from any browser",
            NAMES.join("`, `")
        ))
    })
}

/// Prints a page of HTML. `temporary` is told which folder has to be removed if the process ends meanwhile.
///
/// # Errors
/// Where the browser cannot be started, does not end in time, or writes anything but a PDF.
pub fn print(browser: &Path, page: &str, temporary: impl FnOnce(&Path)) -> Result<Vec<u8>, PdfError> {
    let io = |error: std::io::Error| PdfError(format!("could not print the page: {error}"));
    let folder = disk::temporary_folder(None).map_err(io)?;
    temporary(folder.path());
    let at = |name: &str| folder.path().join(name);
    let (html, pdf, log) = (at("page.html"), at("page.pdf"), at("log"));
    private(&html).and_then(|mut file| file.write_all(page.as_bytes())).map_err(io)?;
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync"])
        .args(["--disable-component-update", "--disable-dev-shm-usage", "--no-pdf-header-footer"])
        .args(OFFLINE)
        .arg(format!("--user-data-dir={}", at("profile").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .args(is_root().then_some("--no-sandbox"))
        .arg(format!("file://{}", html.display()))
        .env_clear()
        .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs(
            ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"]
                .map(|name| (name, folder.path())),
        )
        .envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("DBUS_SESSION_BUS_ADDRESS", "disabled:")])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(private(&log).map_err(io)?);
    let patience = patience(page.len());
    let failed = |why: String| {
        let said = disk::read(&log, LONGEST_LOG).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let last = terminal_text(last);
        PdfError(format!(
            "`{}` did not print the page: {why}; its last message: {last}\n  hint: the other files were written; print index.html by hand, or try another browser with `--chromium`",
            browser.display()
        ))
    };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(io)? {
            Some(status) => break status,
            None if start.elapsed() > patience => {
                // It may have ended this very moment; that it did not print in time is what is told.
                let _ended = child.kill();
                let _reaped = child.wait();
                return Err(failed(format!("it did not finish within {} s", patience.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    match disk::read(&pdf, LARGEST_PDF) {
        Ok(bytes) if status.success() && bytes.starts_with(b"%PDF-") => Ok(bytes),
        _ => Err(failed(status.to_string())),
    }
}

/// How long the browser may take for a page of so many bytes.
fn patience(bytes: usize) -> Duration {
    let seconds = bytes / BYTES_A_SECOND;
    PATIENCE.saturating_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
}

/// A new file that its owner alone may read.
fn private(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
