//! `mfatrail watch`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::args::AwsArgs;
use super::exit::Status;
use super::{Printed, put, put_json, say};
use crate::app::scan::store_error;
use crate::app::watch::{self, Request, config};
use crate::app::{Error, Run, rfc3339};
use crate::escape::terminal as terminal_text;
use crate::incident::State;
use crate::incident::ledger::Ledger;
use crate::incident::ledger::view::Filter;
use crate::store::Store;
use crate::units;

/// How long a watch may take to finish what is in hand.
const GRACE: Duration = Duration::from_secs(10);

/// Tell people within minutes when somebody loses MFA, and again when it is over
///
/// Reads what is new in the archives of the configuration into the evidence store, again and again, and tells the channels of the
/// configuration what a report over the store would say of it: once, and again when it changes or is over. What was told to whom is in
/// the store's ledger.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct WatchArgs {
    #[command(subcommand)]
    command: Option<WatchCommand>,

    /// The configuration, TOML
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,

    /// The evidence store; made where there is none
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", required = true)]
    store: Option<PathBuf>,

    /// Tell of what happened from this moment on; what was before is read, and nobody is told [default: the first start of a watch
    /// of this store]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// End when everything was read and what is due was sent
    #[arg(long)]
    once: bool,

    /// Serve /metrics (for Prometheus) and /healthz at this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    #[command(flatten)]
    aws: AwsArgs,
}

const HELP: &str = "\
docs/watch.md says what the configuration holds, and what each failure looks like.

Examples:
  mfatrail watch check --config examples/watch.toml
  mfatrail watch --config examples/watch.toml --store evidence --once --from 2026-10-01
  mfatrail watch incidents --store evidence --open

Exit status: 2 wrong usage; 4 the run failed; with --once, 3 something could not be read or was not delivered; 0 done,
or stopped by Ctrl-C or SIGTERM.";

#[derive(Debug, Subcommand)]
enum WatchCommand {
    /// List the incidents of the ledger
    Incidents(IncidentsArgs),
    /// Record who looks after an incident, and tell the channels
    Acknowledge(AcknowledgeArgs),
    /// Check the configuration and its secrets; sends nothing
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct IncidentsArgs {
    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    store: PathBuf,

    /// Only those that are not over
    #[arg(long)]
    open: bool,

    /// As text, or the whole ledger as one JSON document
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,
}

#[derive(Debug, Args)]
struct AcknowledgeArgs {
    /// The incident's key, as `mfatrail watch incidents` lists it
    #[arg(value_name = "KEY")]
    key: String,

    /// Who looks after it
    #[arg(long, value_name = "WHO")]
    by: String,

    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    store: PathBuf,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl WatchArgs {
    /// The archives that it reads, by its configuration, and how they are reached.
    pub(super) fn reads(&self) -> Result<(Vec<OsString>, &AwsArgs), Error> {
        let config = self.config.as_deref().filter(|_| self.command.is_none()).map(config::read).transpose()?;
        let inputs = config.into_iter().flat_map(|config| config.inputs);
        Ok((inputs.map(|input| input.source.into()).collect(), &self.aws))
    }
}

pub(super) fn run(args: WatchArgs, run: Run<'_>) -> Result<Status, Error> {
    match args.command {
        Some(WatchCommand::Incidents(args)) => incidents(&args),
        Some(WatchCommand::Acknowledge(args)) => acknowledge(&args, run),
        Some(WatchCommand::Check(args)) => check(&args),
        None => watch(args, run),
    }
}

fn watch(args: WatchArgs, run: Run<'_>) -> Result<Status, Error> {
    // Clap has seen to it that both are there.
    let (config, store) = (args.config.unwrap_or_default(), args.store.unwrap_or_default());
    let from = args.from.as_deref().map(|text| super::archive::time("--from", text, run.now)).transpose()?;
    let stop = super::interrupt::stop();
    let options = super::archive::connection(&args.aws)?;
    let request =
        Request { config: config::read(&config)?, store, from, once: args.once, listen: args.listen, options };
    super::interrupt::wait_up_to(GRACE);
    if request.config.channels.is_empty() {
        say("warning: the configuration has no channel: incidents are recorded in the ledger, and nobody is told");
    }
    let summary = watch::run(&request, run, &stop)?;
    say(&format!(
        "{} read, {}, {} not delivered",
        units::plural(summary.objects, "object", "objects"),
        units::plural(summary.transitions, "transition", "transitions"),
        units::count(summary.undelivered)
    ));
    if summary.failures > 0 {
        say(&format!(
            "warning: {} could not be read: what is in there is not known (`mfatrail store` names them)",
            units::plural(summary.failures, "input or object", "inputs or objects")
        ));
    }
    // What waits for a second attempt when it is stopped is the next one's matter.
    Ok(Status::of(!args.once || (summary.failures == 0 && summary.undelivered == 0)))
}

fn read(store: &std::path::Path) -> Result<Ledger, Error> {
    Store::open(store).map_err(store_error)?;
    Ledger::read(store).map_err(Error::failed)?.ok_or_else(|| {
        Error::Input(format!(
            "`{}` has no ledger: no watch ever ran with this store\n  hint: `mfatrail watch --config FILE --store {}`",
            store.display(),
            store.display()
        ))
    })
}

fn incidents(args: &IncidentsArgs) -> Result<Status, Error> {
    let ledger = read(&args.store)?;
    if matches!(args.format, Printed::Json) && !args.open {
        let mut out = std::io::stdout().lock();
        ledger.export(&mut out).map_err(Error::failed)?;
        return Ok(Status::Done);
    }
    let states = if args.open { vec![State::Open, State::Acknowledged] } else { Vec::new() };
    let filter = Filter { states, ..Filter::default() };
    let mut listed = Vec::new();
    ledger
        .incidents(&filter, &mut |one| {
            listed.push(one);
            Ok(())
        })
        .map_err(Error::failed)?;
    if matches!(args.format, Printed::Json) {
        let incidents: Vec<_> = listed
            .iter()
            .map(|one| {
                serde_json::json!({
                    "key": one.entry.key,
                    "state": one.entry.state,
                    "severity": one.entry.incident.severity,
                    "opened_at": rfc3339(one.entry.incident.opened_at),
                    "acknowledged_by": one.entry.acknowledged_by,
                    "incident": one.entry.incident,
                })
            })
            .collect();
        put_json(&incidents)?;
        return Ok(Status::Done);
    }
    for one in &listed {
        let incident = &one.entry.incident;
        let told = if one.entry.sequence == 0 { ", nobody was told" } else { "" };
        let by =
            one.entry.acknowledged_by.as_deref().map_or_else(String::new, |by| format!(" by {}", terminal_text(by)));
        put(&format!(
            "{}  {:8}  {}{by}{told}  {}  account {}  {}",
            rfc3339(incident.opened_at),
            incident.severity.name(),
            one.entry.state.name(),
            terminal_text(incident.subject()),
            terminal_text(&incident.account),
            terminal_text(&one.entry.key),
        ))?;
    }
    say(&units::plural(listed.len() as u64, "incident", "incidents"));
    Ok(Status::Done)
}

fn acknowledge(args: &AcknowledgeArgs, run: Run<'_>) -> Result<Status, Error> {
    read(&args.store)?;
    if args.by.trim().is_empty() {
        return Err(Error::Input("`--by`: nobody is named\n  hint: give a name or an address".to_owned()));
    }
    watch::acknowledge(&args.store, &args.key, &args.by, run.now)?;
    say(&format!("{} looks after `{}`", terminal_text(&args.by), terminal_text(&args.key)));
    Ok(Status::Done)
}

fn check(args: &CheckArgs) -> Result<Status, Error> {
    let config = config::read(&args.config)?;
    let mut channels = watch::open_channels(&config.channels)?;
    let problems: Vec<String> = config
        .channels
        .iter()
        .zip(&mut channels)
        .filter_map(|(entry, channel)| Some(format!("channel `{}`: {}", entry.name, channel.check().err()?)))
        .collect();
    if !problems.is_empty() {
        return Err(Error::Failed(problems.join("\n")));
    }
    say(&format!(
        "{} and {} as they should be; nothing was sent",
        units::plural(config.inputs.len() as u64, "input", "inputs"),
        units::plural(config.channels.len() as u64, "channel", "channels")
    ));
    Ok(Status::Done)
}
