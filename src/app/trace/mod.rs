//! A trace: from an event, a user or a key to the sessions that led there, those that followed, what they did, what they made and
//! what of it still stands.
//!
//! Two passes over the archive, whatever the length of the chain: the first finds all calls that hand out credentials or make what
//! outlasts a session, by their names; the second finds what was done with those that belong together. A third is made only where
//! the second saw others handed out.

mod iam;
mod question;
mod steps;
mod story;
mod unknowns;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::archive::check_places;
use super::search::follow::add_failures;
use super::{Archive, Error, Run, coverage, rfc3339, stopped, store_error};
use crate::cloudtrail::Query;
use crate::contract::Conflict;
use crate::contract::trace::Trace;
use crate::evidence::Range;
use crate::inventory;
use crate::lineage::{Bounds, Family, Link, Seed};
use crate::mfa;
use crate::pipeline::{self, Options, Progress, Scanned, Visitor as _};
use crate::search::filter::Filter;
use crate::search::hits::Hits;
use crate::search::pass::{Gather, Pass};
use crate::source::{Selection, Source};
use crate::store::{Place, Store};
pub use question::Question;

/// Passes over the archive at most.
const PASSES: usize = 3;

/// Credentials that are followed at most.
const MOST_CREDENTIALS: usize = 20_000;

/// No session lasts longer. Source: IAM user guide, `GetSessionToken` and `GetFederationToken`.
const LONGEST_SESSION: TimeDelta = TimeDelta::hours(36);

/// What is asked.
#[derive(Debug, Clone)]
pub struct TraceRequest {
    /// The range, by the records' time, and the accounts and regions.
    pub selection: Selection,
    /// What about.
    pub question: Question,
    /// How long before what is asked about a key or a user may have been made for its maker to be followed.
    pub reach: TimeDelta,
    /// IAM state that is compared with what was made: a snapshot, or files of the AWS CLI.
    pub iam: Option<PathBuf>,
    /// When the AWS CLI's files of IAM state were made, which carry no time.
    pub iam_as_of: Option<DateTime<Utc>>,
    /// An evidence store, which tells when the event happened, so that only the days around it are read.
    pub store: Option<Place>,
}

/// What was read, before it is told.
struct Reading {
    family: Family,
    /// All links, in order of time.
    links: Vec<Link>,
    seeds: question::Seeds,
    hits: Hits,
    scanned: Scanned,
    passes: usize,
    /// Whether the last pass found more credentials.
    is_open: bool,
}

/// Traces.
///
/// # Errors
/// [`Error::Input`] where the request is wrong, or the archive has no such account or region; [`Error::Failed`] where it cannot be
/// listed, or a temporary file cannot be written; [`Error::Stopped`]. What cannot be read or followed is no error: the trace says so,
/// and is not complete.
pub fn trace(request: &TraceRequest, archive: &Archive, run: Run<'_>) -> Result<Trace, Error> {
    if archive.sources.contains(&Source::Stdin) {
        let hint = "save standard input to a file, and trace in the file";
        let reason = "a trace reads the source more than once, which `-` does not allow";
        return Err(Error::Input(format!("{reason}\n  hint: {hint}")));
    }
    let state = request.iam.as_deref().map(|path| inventory::files::read(path, request.iam_as_of));
    let state = state.transpose().map_err(Error::input)?;
    let request = &TraceRequest { selection: narrowed(request, run)?, ..request.clone() };
    check_places(archive, None, &request.selection)?;
    run.observer.note(
        "reading the archive twice: for calls that hand out credentials, and for what was done with these (a third time only if these handed out more)",
    );
    let mut reading = read(request, archive, run)?;
    let hits = std::mem::replace(&mut reading.hits, Hits::new(Arc::default(), None));
    let told = story::tell(request, &reading, hits).map_err(|error| {
        Error::Failed(format!(
            "could not read the records found from a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
        ))
    })?;
    Ok(told.document(request, &reading, state.as_ref(), run))
}

/// The selection, beginning shortly before the event if the store knows when that was.
fn narrowed(request: &TraceRequest, run: Run<'_>) -> Result<Selection, Error> {
    let selection = request.selection.clone();
    let (Some(place), Question::Event { account, id }, None) = (&request.store, &request.question, selection.from)
    else {
        return Ok(selection);
    };
    let mut store = Store::open(place).map_err(store_error)?;
    let time = store.consistently(|store| store.time_of_event(account.as_deref(), id)).map_err(store_error)?;
    let Some(time) = time else {
        run.observer.note("the store does not have this event: reading the whole archive");
        return Ok(selection);
    };
    let from = time.checked_sub_signed(request.reach.max(LONGEST_SESSION));
    if let Some(from) = from {
        let (at, from) = (rfc3339(time), rfc3339(from));
        run.observer.note(&format!("by the store, the event happened at {at}: reading from {from} on"));
    }
    Ok(Selection { from, ..selection })
}

/// All passes.
fn read(request: &TraceRequest, archive: &Archive, run: Run<'_>) -> Result<Reading, Error> {
    let range = Arc::new(Range::of(&request.selection));
    let asked = Arc::new(request.question.filter()?);
    let query = Filter::links(&asked).query();
    let first = Gather {
        shown: Arc::clone(&asked),
        shown_before: Vec::new(),
        followed: Arc::clone(&asked),
        any: true,
        services: false,
    };
    let (mut all, mut scanned) = pass(request, archive, run, &range, query, first)?;
    let mut passes = 1;
    let mut shown_before = vec![asked];
    let mut kin = kin(request, &all.links);
    loop {
        if kin.family.is_empty() || passes == PASSES {
            break;
        }
        let filter = Filter::family(Arc::new(kin.family.clone()));
        let gather = Gather {
            shown: Arc::new(filter.clone()),
            shown_before: shown_before.clone(),
            followed: Arc::new(Filter::nothing()),
            any: false,
            services: true,
        };
        shown_before.push(Arc::clone(&gather.shown));
        let (more, again) = pass(request, archive, run, &range, filter.query(), gather)?;
        all.merge(more);
        for (account, span) in &again.accounts {
            scanned.accounts.entry(account.clone()).or_insert_with(|| span.clone());
        }
        add_failures(&mut scanned, again);
        passes += 1;
        let known = kin.family.len();
        kin = self::kin(request, &all.links);
        if kin.family.len() <= known {
            return finish(kin, all, scanned, passes, false);
        }
    }
    let is_open = passes == PASSES;
    finish(kin, all, scanned, passes, is_open)
}

fn finish(kin: Kin, all: Pass, scanned: Scanned, passes: usize, is_open: bool) -> Result<Reading, Error> {
    let Kin { family, links, seeds } = kin;
    let mut hits = all.finds;
    hits.check().map_err(|error| {
        Error::Failed(format!(
            "could not store the records found in a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
        ))
    })?;
    Ok(Reading { family, links, seeds, hits, scanned, passes, is_open })
}

fn pass(
    request: &TraceRequest,
    archive: &Archive,
    run: Run<'_>,
    range: &Arc<Range>,
    query: Option<Query>,
    gather: Gather,
) -> Result<(Pass, Scanned), Error> {
    let Archive { sources, options } = archive;
    let progress: Arc<Progress> = Arc::default();
    let options = Options { only: query.map(Arc::new), progress, ..options.clone() };
    let make = || Pass::new(Hits::new(Arc::clone(range), None), Some(gather.clone()));
    let found = run.scanning(&options.progress, || pipeline::scan(sources, &request.selection, &options, &make))?;
    if found.1.stopped {
        return Err(stopped(&found.1, "nothing was printed, because the trace was not complete"));
    }
    Ok(found)
}

/// What belongs together, by the links so far.
struct Kin {
    family: Family,
    links: Vec<Link>,
    seeds: question::Seeds,
}

fn kin(request: &TraceRequest, links: &[(Link, bool)]) -> Kin {
    let mut asked: Vec<Link> = links.iter().filter(|(_, own)| *own).map(|(link, _)| link.clone()).collect();
    asked.sort();
    asked.dedup();
    let mut links: Vec<Link> = links.iter().map(|(link, _)| link.clone()).collect();
    links.sort();
    links.dedup();
    let seeds = request.question.seeds(&asked, &links, request.reach);
    let credentials: Vec<Seed> = seeds.credentials.clone();
    let bounds = Bounds {
        is_traced_back: true,
        since: seeds.reference.and_then(|at| at.checked_sub_signed(request.reach)),
        most: MOST_CREDENTIALS,
    };
    Kin { family: Family::grow(&credentials, &links, bounds), links, seeds }
}

/// Each event of which records contradict each other, once.
fn conflicts(found: Vec<mfa::Conflict>) -> Vec<Conflict> {
    coverage::by_event(found)
}
