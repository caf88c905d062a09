//! `mfatrail watch`.

use std::ffi::OsString;
use std::io::{BufWriter, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::args::{AwsArgs, CacheArgs, PlaceArgs};
use super::exit::Status;
use super::{Printed, inform, put, put_json, say, show};
use crate::alert::Outcome;
use crate::app::watch::config::{self, Config, Entry};
use crate::app::watch::replay::{self, Told};
use crate::app::watch::test::Attempt;
use crate::app::watch::{self, Request};
use crate::app::{Error, Run, THIS, rfc3339, store_error};
use crate::contract::Period;
use crate::escape::terminal as terminal_text;
use crate::incident::State;
use crate::incident::ledger::view::{Filter, Sent};
use crate::incident::ledger::{Ledger, LedgerError};
use crate::queue::sqs;
use crate::store::{Place, Store};
use crate::units;

/// How long a watch may take to finish what is in hand.
const GRACE: Duration = Duration::from_secs(9);

/// Tell people within minutes when somebody loses MFA, and again when it is over
///
/// Reads what is new in the archives and queues of the configuration into the evidence store, again and again, and tells the channels of
/// the configuration what a report over the store would say of it: once, and again when it changes or is over. What was told to whom is
/// in the store's ledger.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct WatchArgs {
    #[command(subcommand)]
    command: Option<WatchCommand>,

    /// The configuration, TOML
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,

    /// The evidence store: a directory or s3://bucket/prefix; made where there is none
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE", required = true)]
    store: Option<PathBuf>,

    /// With --store s3://bucket/prefix, the folder of the ledger: on a disk of this machine that outlives a restart
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    #[command(flatten)]
    cache: CacheArgs,

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
  mfatrail watch replay --config examples/watch.toml --store evidence --from 2026-10-01 --to 2026-11-01

Exit status: 2 wrong usage; 4 the run failed; with --once, 3 something could not be read or was not delivered; 0 done,
or stopped by Ctrl-C or SIGTERM.";

#[derive(Debug, Subcommand)]
enum WatchCommand {
    /// List the incidents of the ledger
    Incidents(IncidentsArgs),
    /// Record who looks after an incident, and tell the channels
    Acknowledge(AcknowledgeArgs),
    /// Check the configuration, its inputs, its secrets and whether channels can be reached; sends nothing
    Check(CheckArgs),
    Test(TestArgs),
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct IncidentsArgs {
    /// The evidence store
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    store: PathBuf,

    /// With --store s3://bucket/prefix, the folder of the ledger
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

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

    /// With --store s3://bucket/prefix, the folder of the ledger
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    #[command(flatten)]
    aws: AwsArgs,
}

/// Send one channel an alert that is marked as a test, and its end
///
/// Routes do not matter, no ledger is written, and no incident is opened: the channel gets what it would get when somebody loses MFA and
/// has it again, with a user and an account that do not exist. What came of each of the two is printed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mfatrail watch test page --config watch.toml

Exit status: 2 wrong usage, or a secret is missing; 4 the channel did not take both messages; 0 it did.")]
struct TestArgs {
    /// The channel's name in the configuration
    #[arg(value_name = "CHANNEL")]
    channel: String,

    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    #[command(flatten)]
    aws: AwsArgs,
}

/// Show what would have been sent in a period, from an evidence store; sends nothing
///
/// For trying out routes, severities and grace periods. Every record of the store counts as if it had arrived when its event happened:
/// an opening says what was known then, and not how it ended. Nothing is written, and no secret is needed. IAM state is that of the
/// store's latest snapshot.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mfatrail watch replay --config examples/watch.toml --store evidence --from 2026-10-01 --to 2026-11-01
  mfatrail watch replay --config examples/watch.toml --store evidence --from 2026-10-01 --format json

Exit status: 2 wrong usage; 4 the run failed; 3 the store has no record of the period, or an object of it could not be read; 0 done.")]
struct ReplayArgs {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// The evidence store: a directory or s3://bucket/prefix
    #[arg(long, value_name = "DIR", env = "MFATRAIL_STORE")]
    store: PathBuf,

    #[command(flatten)]
    place: PlaceArgs,

    /// Begin at this time
    #[arg(long, value_name = "TIME")]
    from: String,

    /// End before this time [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// As text, or as one JSON document
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Printed,
}

impl WatchArgs {
    /// Whether it is the watch itself, which runs by itself for long.
    pub(super) const fn is_unattended(&self) -> bool {
        self.command.is_none()
    }

    /// Its store, and whether it is written.
    pub(super) fn stores(&self) -> Vec<(PathBuf, bool)> {
        match &self.command {
            None => self.store.iter().map(|store| (store.clone(), true)).collect(),
            Some(WatchCommand::Replay(args)) => vec![(args.store.clone(), false)],
            Some(_) => Vec::new(),
        }
    }

    /// What it asks AWS for, by its configuration.
    pub(super) fn reads(&self) -> Result<Reads<'_>, Error> {
        let (place, aws) = match &self.command {
            None => (self.config.as_deref(), &self.aws),
            Some(WatchCommand::Check(args)) => (Some(args.config.as_path()), &args.aws),
            Some(_) => (None, &self.aws),
        };
        let Some(config) = place.map(config::read).transpose()? else {
            return Ok(Reads { sources: Vec::new(), queues: Vec::new(), aws });
        };
        let mut sources: Vec<OsString> = config.inputs.into_iter().map(|input| input.source.into()).collect();
        // What messages name is read, too: of a pattern no policy can be made.
        let named = config.queues.iter().flat_map(|queue| &queue.buckets).filter(|name| !name.contains(['*', '?']));
        sources.extend(named.map(|name| format!("s3://{name}").into()));
        let queues = config.queues.into_iter().map(|queue| queue.place).collect();
        Ok(Reads { sources, queues, aws })
    }

    /// The channels that it tells, or checks.
    pub(super) fn tells(&self) -> Result<Vec<Entry>, Error> {
        let config = match &self.command {
            None => self.config.as_deref(),
            Some(WatchCommand::Check(args)) => Some(args.config.as_path()),
            Some(WatchCommand::Test(args)) => Some(args.config.as_path()),
            Some(_) => None,
        };
        Ok(config.map(config::read).transpose()?.map_or_else(Vec::new, |config| config.channels))
    }
}

/// What a command line asks AWS for, and how AWS is reached.
pub(super) struct Reads<'a> {
    /// Its archives.
    pub(super) sources: Vec<OsString>,
    /// Its queues.
    pub(super) queues: Vec<sqs::Place>,
    pub(super) aws: &'a AwsArgs,
}

pub(super) fn run(args: WatchArgs, run: Run<'_>) -> Result<Status, Error> {
    match args.command {
        Some(WatchCommand::Incidents(args)) => incidents(&args),
        Some(WatchCommand::Acknowledge(args)) => acknowledge(&args, run),
        Some(WatchCommand::Check(args)) => check(&args),
        Some(WatchCommand::Test(args)) => test(&args, run),
        Some(WatchCommand::Replay(args)) => replay(&args, run),
        None => watch(args, run),
    }
}

/// Nobody may take a set-up without a channel for one that alerts.
const NO_CHANNEL: &str =
    "warning: the configuration has no channel: incidents are recorded in the ledger, and nobody is alerted";

fn watch(args: WatchArgs, run: Run<'_>) -> Result<Status, Error> {
    // Clap has seen to it that both are there.
    let (config, store) = (args.config.unwrap_or_default(), args.store.unwrap_or_default());
    let state = state(&store, args.state.as_deref())?;
    let from = args.from.as_deref().map(|text| super::archive::time("--from", text, run.now)).transpose()?;
    let stop = super::interrupt::stop();
    let options = super::archive::connection(&args.aws)?;
    let store = super::archive::place(&store, &args.cache, &options.s3)?;
    let config = config::read(&config)?;
    let request = Request { config, store, state, from, once: args.once, listen: args.listen, options };
    super::interrupt::wait_up_to(GRACE);
    if request.config.channels.is_empty() {
        say(NO_CHANNEL);
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
    if summary.conflicts > 0 {
        say(&format!(
            "warning: {}, named above (`mfatrail report --store` has them, too): where records disagree, the less favorable one for the user is used",
            units::plural(summary.conflicts, "event with contradictory records", "events with contradictory records")
        ));
    }
    // What waits for a second attempt when it is stopped is the next one's matter.
    let is_well = summary.failures + summary.undelivered + summary.conflicts == 0;
    Ok(Status::of(!args.once || is_well))
}

/// The folder of the ledger, and of the outbox in it: that of a store in a folder, and of one in a bucket the one that is given.
fn state(store: &std::path::Path, given: Option<&std::path::Path>) -> Result<PathBuf, Error> {
    let shown = store.display();
    match (Place::is_bucket(store.as_os_str()), given) {
        (true, Some(state)) if !Place::is_bucket(state.as_os_str()) => Ok(state.to_owned()),
        (false, None) => Ok(store.to_owned()),
        (false, Some(_)) => Err(Error::Input(format!(
            "`--state`: the ledger of `{shown}` is in that store\n  hint: leave out `--state`, which is for stores in a bucket"
        ))),
        (true, _) => Err(Error::Input(format!(
            "`--store`: `{shown}` is a bucket, and a watch keeps its ledger in a folder of this machine\n  hint: give --state DIR, a folder that outlives a restart"
        ))),
    }
}

fn read(store: &std::path::Path, given: Option<&std::path::Path>) -> Result<Ledger, Error> {
    let state = state(store, given)?;
    if !Place::is_bucket(store.as_os_str()) {
        Store::open(store).map_err(store_error)?;
    }
    let ledger = if state.is_dir() { Ledger::read(&state).map_err(Error::failed)? } else { None };
    ledger.ok_or_else(|| {
        let more = given.map_or_else(String::new, |state| format!(" --state {}", state.display()));
        Error::Input(format!(
            "`{}` has no ledger: no watch has run with this store\n  hint: `mfatrail watch --config FILE --store {}{more}`",
            state.display(),
            store.display()
        ))
    })
}

fn incidents(args: &IncidentsArgs) -> Result<Status, Error> {
    let ledger = read(&args.store, args.state.as_deref())?;
    if matches!(args.format, Printed::Json) && !args.open {
        return match ledger.export(&mut BufWriter::new(std::io::stdout().lock())) {
            // A reader that has had enough is no failure.
            Err(LedgerError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(Status::Done),
            exported => exported.map_err(Error::failed).map(|()| Status::Done),
        };
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
    let mut lines = Vec::new();
    for one in &listed {
        let incident = &one.entry.incident;
        let told = if one.entry.sequence == 0 { ", nobody was told" } else { "" };
        let by =
            one.entry.acknowledged_by.as_deref().map_or_else(String::new, |by| format!(" by {}", terminal_text(by)));
        lines.push(format!(
            "{}  {:8}  {}{by}{told}  {}  account {}  {}",
            rfc3339(incident.opened_at),
            incident.severity.name(),
            one.entry.state.name(),
            terminal_text(incident.subject()),
            terminal_text(&incident.account),
            terminal_text(&one.entry.key),
        ));
        for sent in ledger.deliveries(&one.entry.key).map_err(Error::failed)?.iter().filter(|sent| sent.state != "done")
        {
            lines.push(format!("    {}", terminal_text(&undelivered(sent))));
        }
    }
    if !lines.is_empty() {
        show(&lines.join("\n"))?;
    }
    inform(&units::plural(listed.len() as u64, "incident", "incidents"));
    Ok(Status::Done)
}

/// What a channel has not got, and why.
fn undelivered(sent: &Sent) -> String {
    let state = match sent.state.as_str() {
        "permanent" => "refused".to_owned(),
        "expired" => "given up".to_owned(),
        _ if sent.attempts == 0 => "waits".to_owned(),
        _ => format!("{}, next at {}", units::plural(sent.attempts, "attempt", "attempts"), next(sent)),
    };
    let reason = sent.last_error.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("not delivered: {} of {}, {state}{reason}", sent.sequence, sent.channel)
}

fn next(sent: &Sent) -> String {
    sent.next_try.map_or_else(|| "any moment".to_owned(), rfc3339)
}

fn acknowledge(args: &AcknowledgeArgs, run: Run<'_>) -> Result<Status, Error> {
    read(&args.store, args.state.as_deref())?;
    if args.by.trim().is_empty() {
        return Err(Error::Input("`--by`: nobody is named\n  hint: give a name or an address".to_owned()));
    }
    let state = state(&args.store, args.state.as_deref())?;
    watch::acknowledge(&state, &args.store.display().to_string(), &args.key, &args.by, run.now)?;
    say(&format!("{} looks after `{}`", terminal_text(&args.by), terminal_text(&args.key)));
    Ok(Status::Done)
}

fn check(args: &CheckArgs) -> Result<Status, Error> {
    let config = config::read(&args.config)?;
    let options = super::archive::connection(&args.aws)?;
    for line in watch::check::check(&config, &options)? {
        say(&line);
    }
    if config.channels.is_empty() {
        say(NO_CHANNEL);
    }
    say(&format!(
        "checked {} and {}: no problem found; nothing was sent",
        units::plural((config.inputs.len() + config.queues.len()) as u64, "input", "inputs"),
        units::plural(config.channels.len() as u64, "channel", "channels")
    ));
    Ok(Status::Done)
}

fn test(args: &TestArgs, run: Run<'_>) -> Result<Status, Error> {
    let attempts = watch::test::test(
        &config::read(&args.config)?,
        &args.channel,
        &super::archive::connection(&args.aws)?.s3.connection,
        run,
    )?;
    for attempt in &attempts {
        put(&format!("{}: {}", attempt.transition.name(), terminal_text(&outcome(attempt))))?;
    }
    if attempts.iter().all(Attempt::arrived) {
        return Ok(Status::Done);
    }
    Err(Error::Failed(format!(
        "channel `{}` did not take both messages of the test\n  hint: docs/channels.md says what each answer means",
        args.channel
    )))
}

fn outcome(attempt: &Attempt) -> String {
    match &attempt.outcome {
        None => "not sent, because the channel did not take the one before".to_owned(),
        Some(Outcome::Delivered { reference, note }) => {
            let reference = reference.as_ref().map_or_else(String::new, |known| format!(" (reference {known})"));
            let note = note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
            format!("delivered{reference}{note}")
        }
        Some(Outcome::RepeatAfter { reason, .. }) => format!("not delivered; a watch would try it again: {reason}"),
        Some(Outcome::Unknown { reason, .. }) => format!("may have arrived; a watch would try it again: {reason}"),
        Some(Outcome::Partial { reason, .. }) => {
            format!("delivered to some recipients; a watch would try the others again: {reason}")
        }
        Some(Outcome::Permanent { reason }) => format!("refused: {reason}"),
    }
}

fn replay(args: &ReplayArgs, run: Run<'_>) -> Result<Status, Error> {
    let period = period(args, run)?;
    let store = super::archive::place_alone(&args.store, &args.place)?;
    let request = replay::Request { config: config::read(&args.config)?, store, period };
    let replayed = replay::replay(&request, run)?;
    match args.format {
        Printed::Json => put_json(&replay_json(&replayed, period))?,
        Printed::Text => replayed.told.iter().try_for_each(|told| put(&line(told)))?,
    }
    say(&totals(&replayed.told, &request.config));
    for (object, reason) in &replayed.failures {
        say(&format!("warning: `{}` could not be read: {}", terminal_text(object), terminal_text(reason)));
    }
    let reach = replayed.reach.filter(|[first, last]| *first < period.to && period.from <= *last);
    match reach {
        None => say("warning: the store has no record of this period: what happened in it is not known"),
        Some([first, last]) if period.from < first || last < period.to => {
            say(&format!("note: the store's records reach from {} to {}", rfc3339(first), rfc3339(last)));
        }
        Some(_) => {}
    }
    Ok(Status::of(reach.is_some() && replayed.failures.is_empty()))
}

fn period(args: &ReplayArgs, run: Run<'_>) -> Result<Period, Error> {
    let [from, to] = super::archive::range(Some(&args.from), args.to.as_deref(), run.now)?;
    Ok(Period { from: from.unwrap_or(run.now), to: to.unwrap_or(run.now) })
}

fn line(told: &Told) -> String {
    let alert = &told.alert;
    let channels = if told.channels.is_empty() { "nobody".to_owned() } else { told.channels.join(", ") };
    format!(
        "{}  {:9}  {:8}  {}  -> {channels}",
        rfc3339(alert.at),
        alert.transition.name(),
        alert.severity.name(),
        terminal_text(&alert.text.title)
    )
}

/// How much each channel would have got.
fn totals(told: &[Told], config: &Config) -> String {
    let of = |name: &String| told.iter().filter(|one| one.channels.contains(name)).count();
    let channels = config.channels.iter().map(|entry| format!("{}: {}", entry.name, of(&entry.name)));
    let nobody = told.iter().filter(|one| one.channels.is_empty()).count();
    let parts: Vec<String> = channels.chain([format!("nobody: {nobody}")]).collect();
    format!("{} ({}); nothing was sent", units::plural(told.len() as u64, "alert", "alerts"), parts.join(", "))
}

fn replay_json(replayed: &replay::Outcome, period: Period) -> serde_json::Value {
    let alerts: Vec<_> = replayed
        .told
        .iter()
        .map(|Told { alert, channels }| {
            serde_json::json!({
                "at": rfc3339(alert.at),
                "transition": alert.transition,
                "key": alert.key,
                "sequence": alert.sequence,
                "kind": alert.kind,
                "severity": alert.severity,
                "class": alert.class,
                "account": alert.account,
                "subject": alert.subject,
                "owner": alert.owner,
                "title": alert.text.title,
                "channels": channels,
            })
        })
        .collect();
    let failures =
        replayed.failures.iter().map(|(object, error)| serde_json::json!({"object": object, "error": error}));
    serde_json::json!({
        "schema": "mfatrail.replay/1",
        "tool": THIS,
        "from": rfc3339(period.from),
        "to": rfc3339(period.to),
        "first_record": replayed.reach.map(|[first, _]| rfc3339(first)),
        "last_record": replayed.reach.map(|[_, last]| rfc3339(last)),
        "failures": failures.collect::<Vec<_>>(),
        "alerts": alerts,
    })
}
