//! What a run says of its own doing: on standard error, and only where it was asked for; of a watch, which nobody looks at, warnings
//! always.
//!
//! Names of objects and messages of servers are written by strangers: they are logged as quoted text, with control
//! characters escaped. The SDK's and its HTTP library's most talkative levels print requests as they are signed and sent,
//! session tokens included: they stay shut, whatever is asked for. A password in an endpoint's address is left out of every line.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use clap::{ArgAction, Args, ValueEnum};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use super::style;
use crate::app::Error;
use crate::aws::discreet;
use crate::source::Traffic;

/// How to log.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Log to standard error what is done; -vv each object, -vvv AWS calls too [also: RUST_LOG]
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Log")]
    verbose: u8,

    /// As lines of text or of JSON
    #[arg(long, value_name = "text|json", default_value = "text", global = true, hide_possible_values = true)]
    #[arg(help_heading = "Log")]
    log_format: LogFormat,
}

/// What --log-format names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Begins to log: what is asked for, and what a command that runs by itself must not keep to itself.
pub(super) fn start(args: &LogArgs, unattended: bool) -> Result<(), Error> {
    let wanted = match (std::env::var("RUST_LOG"), args.verbose) {
        (Ok(wanted), _) if !wanted.trim().is_empty() => wanted,
        (_, 0) if unattended => "mfatrail=warn".to_owned(),
        (_, 0) => return Ok(()),
        (_, 1) => "mfatrail=info".to_owned(),
        (_, 2) => "mfatrail=debug".to_owned(),
        _ => "mfatrail=trace,aws=debug,hyper=debug".to_owned(),
    };
    let filter = EnvFilter::try_new(&wanted).map_err(|error| {
        Error::Input(format!("`RUST_LOG`: `{wanted}`: {error}\n  hint: write it like mfatrail=debug"))
    })?;
    let discreet = filter_fn(|metadata| metadata.target().starts_with("mfatrail") || *metadata.level() <= Level::DEBUG);
    // A reader of standard error that has gone is no reason to fail.
    let layer = fmt::layer().with_writer(|| Discreet).log_internal_errors(false);
    let registry = tracing_subscriber::registry();
    let started = match args.log_format {
        LogFormat::Json => registry.with(layer.json().with_filter(filter).with_filter(discreet)).try_init(),
        LogFormat::Text => registry
            .with(layer.with_ansi(style::is_error_colored()).with_filter(filter).with_filter(discreet))
            .try_init(),
    };
    started.map_err(|error| Error::Failed(format!("could not start the log: {error}")))
}

/// Standard error, without the passwords in addresses. A line comes in one piece.
struct Discreet;

impl Write for Discreet {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().write_all(discreet(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// What is counted of S3 during this run.
pub(super) fn traffic() -> Arc<Traffic> {
    static TRAFFIC: OnceLock<Arc<Traffic>> = OnceLock::new();
    Arc::clone(TRAFFIC.get_or_init(Arc::default))
}

/// What was asked of S3, where anything was.
pub(super) fn traffic_summary() {
    let traffic = traffic();
    if traffic.requests() == 0 {
        return;
    }
    tracing::info!(requests = traffic.requests(), repeated = traffic.repeated(), "asked S3");
    for (took, key) in traffic.slow() {
        tracing::info!(key, seconds = took.as_secs(), "a slow object");
    }
}
