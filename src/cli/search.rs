//! `mfatrail search`.

use std::io::{self, BufWriter, ErrorKind};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::archive::{options, rfc3339, selection, sources, time};
use super::args::SearchArgs;
use super::exit::{CliError, Status};
use super::{interrupt, log, progress, say};
use crate::cloudtrail::Names;
use crate::evidence::Range;
use crate::finds::{Finds, Written};
use crate::pipeline::{self, Scanned};
use crate::report::terminal_text;
use crate::units;

/// How many of the objects that could not be read are named.
const NAMED: usize = 20;

pub(super) fn run(args: &SearchArgs, now: DateTime<Utc>) -> Result<Status, CliError> {
    let from = args.from.as_deref().map(|text| time("--from", text, now)).transpose()?;
    let to = args.to.as_deref().map(|text| time("--to", text, now)).transpose()?;
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let (from, to) = (rfc3339(from), rfc3339(to));
        return Err(CliError::Usage(format!("`--from` (`{from}`) is not before `--to` (`{to}`)\n  hint: swap them")));
    }
    if args.event_names.iter().any(|name| name.trim().is_empty()) {
        return Err(CliError::Usage(
            "`--event-name` is empty\n  hint: give a name, such as DeactivateMFADevice".to_owned(),
        ));
    }
    let sources = sources(&args.sources)?;
    let selection = selection(&args.archive, from, to)?;
    let mut options = options(&args.archive, &args.aws)?;
    options.only = (!args.event_names.is_empty()).then(|| Arc::new(Names::new(&args.event_names)));
    let range = Arc::new(Range {
        from,
        // The range's last moment belongs to a `Range`, not to a half-open one.
        until: to.map(|to| to - TimeDelta::nanoseconds(1)),
        accounts: selection.accounts.clone(),
        regions: selection.regions.clone(),
    });
    let make = || Finds::new(Arc::clone(&range));
    let (mut finds, scanned) =
        progress::shown(&options.progress, || pipeline::scan(&sources, &selection, &options, &make))
            .map_err(CliError::failed)?;
    log::traffic_summary();
    if scanned.stopped {
        return Err(interrupt::stopped(&scanned, "nothing was printed, for what was found is not all there is"));
    }
    finds.check().map_err(|error| {
        CliError::Failed(format!(
            "could not keep what was found in a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
        ))
    })?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match finds.write(&mut out) {
        Ok(written) => Ok(summary(written, &scanned)),
        // A reader that has had enough is no failure, and wants to hear no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            // What is left in the buffer has nowhere to go.
            let _ = out.into_parts();
            Ok(Status::Done)
        }
        Err(error) => Err(CliError::Failed(format!("could not write what was found: {error}"))),
    }
}

fn summary(written: Written, scanned: &Scanned) -> Status {
    let coverage = &scanned.coverage;
    for failure in coverage.failures.iter().take(NAMED) {
        say(&format!("warning: {}: {}", terminal_text(&failure.object), terminal_text(&failure.error)));
    }
    if coverage.failures.len() > NAMED {
        say(&format!("warning: and {} more", coverage.failures.len() - NAMED));
    }
    let copies = match written.copies {
        0 => String::new(),
        copies => format!(", {copies} more copies of them left out"),
    };
    say(&format!(
        "{} events found{copies}; {} of {} objects read ({}, {} inflated), {} failed, {} skipped by intent",
        written.events,
        coverage.objects_read,
        coverage.objects_listed,
        units::display_size(coverage.bytes_compressed),
        units::display_size(coverage.bytes_raw),
        coverage.objects_failed,
        coverage.objects_skipped,
    ));
    if coverage.objects_read == 0 {
        say("warning: no object at all was read: that shows nothing, not that nothing happened");
    }
    let complete = coverage.objects_read > 0 && coverage.failures.is_empty();
    if complete { Status::Done } else { Status::Incomplete }
}
