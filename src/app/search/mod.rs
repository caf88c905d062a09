//! A search: which records of an archive meet filters, and what the sessions that they began went on to do.
//!
//! [`search`] reads the archive, and nothing is given out before all of it is read; [`Findings::write`] then writes what was found.

pub(crate) mod follow;
mod known_names;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};

use super::archive::check_places;
use super::{Archive, Error, Run, UnknownName, coverage, stopped};
use crate::cloudtrail::{Cell, Query};
use crate::contract::Conflict;
use crate::evidence::Range;
use crate::pipeline::{self, Options, Progress, Scanned};
use crate::search::filter::{By, Filter};
use crate::search::hits::{Given, Hits, Order};
use crate::search::pass::{Gather, Pass};
use crate::source::{PassedOver, Selection, Source};
use crate::table::print::{Columns, Counts, Format, Rows};
pub use follow::Followed;

/// What a table shows where no fields are named.
const OVERVIEW: [&str; 7] =
    ["eventTime", "recipientAccountId", "awsRegion", "eventName", "userIdentity.arn", "sourceIPAddress", "errorCode"];

/// The overview's columns by importance: a terminal that is too narrow for all of them shows the first ones.
const OVERVIEW_RANK: &[&str] =
    &["eventTime", "eventName", "userIdentity.arn", "errorCode", "sourceIPAddress", "recipientAccountId", "awsRegion"];

/// What is searched for. Different filters must all hold; of one, any value is enough.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// The range, by the records' time, and the accounts and regions.
    pub selection: Selection,
    /// Values by what they are compared with.
    pub filters: Vec<(By, Vec<String>)>,
    /// Only calls that change nothing (`true`), or that may change something (`false`).
    pub read_only: Option<bool>,
    /// Whether every region is read, even where only the region that records IAM can hold what is searched for.
    pub all_regions: bool,
    /// Whether calls with the credentials that the calls found handed out or made are found too, and so on.
    pub follow: bool,
    /// What is written of each record.
    pub layout: Layout,
    /// Whether records are written in order of time; without, in order of objects. What is followed always is.
    pub sort: bool,
    /// How many lines are written at most.
    pub limit: Option<u64>,
}

/// What is written of each record that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Layout {
    /// The record's own bytes, without its line breaks.
    #[default]
    Records,
    /// Who did what, when and from where.
    Overview,
    /// These fields, such as `userIdentity.arn`.
    Fields(Vec<String>),
    /// How many records there are of each combination of these fields' values.
    Counts(Vec<String>),
}

impl SearchRequest {
    fn filter(&self) -> Result<Filter, Error> {
        let mut filter = Filter::default();
        for (by, values) in &self.filters {
            filter.only(*by, values).map_err(Error::input)?;
        }
        if let Some(read_only) = self.read_only {
            filter.only_reading(read_only);
        }
        Ok(filter)
    }

    /// Refuses to follow where nobody is named, or where the source can be read only once.
    fn check_follow(&self, sources: &[Source]) -> Result<(), Error> {
        let named = self.filters.iter().any(|(by, values)| by.is_identity() && !values.is_empty());
        if self.follow && !named {
            let hint = "add --user, --principal-id, --role or --access-key";
            return Err(Error::Input(format!("`--follow` needs somebody to follow\n  hint: {hint}")));
        }
        if self.follow && sources.contains(&Source::Stdin) {
            let hint = "save standard input to a file, and search the file";
            let reason = "`--follow` reads the source more than once, which `-` does not allow";
            return Err(Error::Input(format!("{reason}\n  hint: {hint}")));
        }
        Ok(())
    }

    /// Whether the region that records IAM holds everything that can match. Calls of followed sessions may be anywhere.
    fn needs_only_iam(&self, filter: &Filter) -> bool {
        // Before this day the files of any region could hold events of IAM. Source: CloudTrail user guide, global service events.
        let since = NaiveDate::from_ymd_opt(2021, 11, 23).map(|day| day.and_time(NaiveTime::MIN).and_utc());
        let chosen = self.all_regions || self.follow || !self.selection.regions.is_empty();
        let begins_after = self.selection.from.zip(since).is_some_and(|(from, since)| from >= since);
        !chosen && filter.allows_only("iam") && begins_after
    }

    fn columns(&self) -> Result<Option<Arc<Columns>>, Error> {
        let columns = |flag: &str, paths: &[String]| {
            let columns = Columns::new(paths).map_err(|error| Error::Input(format!("`{flag}`: {error}")))?;
            Ok(Some(Arc::new(columns)))
        };
        match &self.layout {
            Layout::Records => Ok(None),
            Layout::Overview => columns("--format", &OVERVIEW.map(str::to_owned)),
            Layout::Fields(paths) => columns("--fields", paths),
            Layout::Counts(paths) => columns("--count-by", paths),
        }
    }
}

/// What was found, before it is written.
#[derive(Debug)]
pub struct Findings {
    hits: Hits,
    columns: Option<Arc<Columns>>,
    /// What was read.
    pub scanned: Scanned,
    /// What following came to.
    pub followed: Followed,
    /// What was read of the archive: of IAM alone, where that is enough.
    pub selection: Selection,
    /// Where IAM alone was read: what was left out.
    pub passed_over: Option<PassedOver>,
}

/// What was written, and what there is to say of it.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Events that were found, each once.
    pub events: u64,
    /// Of these, how many were written before the limit was reached.
    pub printed: u64,
    /// Copies of these events in other objects.
    pub duplicates: u64,
    /// Events of which records contradict each other; each record is written.
    pub conflicts: Vec<Conflict>,
    /// Fields that no event has: they may be misspelt. Whoever asked wrote them.
    pub absent_fields: Vec<String>,
    /// Columns that did not fit.
    pub hidden_columns: Vec<String>,
}

/// Searches an archive.
///
/// # Errors
/// [`Error::Input`] where the request is wrong, or the archive has no such account or region; [`Error::Failed`] where it cannot be
/// listed, or a temporary file cannot be written; [`Error::Stopped`]. An object that cannot be read is no error: `scanned` names it.
pub fn search(request: &SearchRequest, archive: &Archive, run: Run<'_>) -> Result<Findings, Error> {
    let filter = request.filter()?;
    let columns = request.columns()?;
    request.check_follow(&archive.sources)?;
    let selection = Selection { iam_only: request.needs_only_iam(&filter), ..request.selection.clone() };
    if selection.iam_only {
        run.observer.note(
            "note: reading only the region that records IAM events (us-east-1 in most partitions); `--all-regions` reads every region",
        );
    }
    check_places(archive, None, &selection)?;
    let range = Arc::new(Range::of(&request.selection));
    let Archive { sources, options } = archive;
    let mut progress: Arc<Progress> = Arc::default();
    let mut pass = |query: Option<Query>, gather: Option<Gather>| {
        progress = Arc::default();
        let options = Options { only: query.map(Arc::new), progress: Arc::clone(&progress), ..options.clone() };
        let make = || Pass::new(Hits::new(Arc::clone(&range), columns.clone()), gather.clone());
        let found = run.scanning(&options.progress, || pipeline::scan(sources, &selection, &options, &make))?;
        if found.1.stopped {
            return Err(stopped(&found.1, "nothing was printed, because the search was not complete"));
        }
        Ok(found)
    };
    let ((Pass { finds: mut hits, .. }, scanned), followed) = if request.follow {
        let (who, rest) = filter.split();
        let rest = Arc::new(rest);
        let mut shown_before: Vec<Arc<Filter>> = Vec::new();
        let mut gather = |followed: &Filter| {
            let shown = Arc::new(followed.clone().and(&rest));
            let gathered = Gather {
                shown: Arc::clone(&shown),
                shown_before: shown_before.clone(),
                followed: Arc::new(followed.clone()),
                any: false,
                services: false,
            };
            shown_before.push(shown);
            gathered
        };
        let gathered = gather(&who);
        let first = pass(Some(who.finding(Arc::clone(&rest))), Some(gathered))?;
        follow::follow(first, |family| {
            let gathered = gather(&family);
            pass(Some(family.following(Arc::clone(&rest))), Some(gathered))
        })?
    } else {
        (pass(filter.query(), None)?, Followed::default())
    };
    hits.check().map_err(|error| {
        Error::Failed(format!(
            "could not store search results in a temporary file: {error}\n  hint: free space in the temporary directory, or set TMPDIR to another"
        ))
    })?;
    let passed_over = selection.iam_only.then(|| progress.folders.passed_over());
    Ok(Findings { hits, columns, scanned, followed, selection, passed_over })
}

impl Findings {
    /// Writes what was found as the request says.
    ///
    /// # Errors
    /// Where `out` cannot be written, or the temporary file cannot be read.
    pub fn write(self, request: &SearchRequest, format: Format, mut out: impl Write) -> io::Result<Written> {
        let order = if request.sort || request.follow { Order::Time } else { Order::Place };
        let Some(columns) = &self.columns else {
            let given = self.hits.give(order, request.limit, &mut |text| {
                out.write_all(text)?;
                out.write_all(b"\n")
            })?;
            out.flush()?;
            return Ok(Written::new(given));
        };
        let names: Vec<String> = columns.names().map(str::to_owned).collect();
        let mut absent: BTreeSet<usize> = (0..names.len()).collect();
        let mut row = |stored: &[u8]| {
            let row = Columns::row(stored)?;
            absent.retain(|place| row.get(*place).is_none_or(|cell| *cell == Cell::Absent));
            io::Result::Ok(row)
        };
        let mut written = if matches!(request.layout, Layout::Counts(_)) {
            let mut counts = Counts::default();
            let given = self.hits.give(order, None, &mut |stored| counts.add(row(stored)?))?;
            let head = ["count".to_owned()].into_iter().chain(names.iter().cloned()).collect();
            let mut rows = Rows::new(format, head, out)?;
            let limit = request.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
            counts.rows().iter().take(limit).try_for_each(|row| rows.add(row))?;
            rows.finish()?;
            Written::new(given)
        } else {
            let rank = if request.layout == Layout::Overview { OVERVIEW_RANK } else { &[] };
            let mut rows = Rows::new(format, names.clone(), out)?.fitting(rank);
            let given = self.hits.give(order, request.limit, &mut |stored| rows.add(&row(stored)?))?;
            Written { hidden_columns: rows.finish()?, ..Written::new(given) }
        };
        // Fields of the top level are known to exist, and an event without an error has no error code.
        let nested = |place: usize| names.get(place).filter(|name| name.contains('.')).cloned();
        if written.printed > 0 {
            written.absent_fields = absent.into_iter().filter_map(nested).collect();
        }
        Ok(written)
    }
}

impl Written {
    fn new(given: Given) -> Self {
        Self {
            events: given.events,
            printed: given.given,
            duplicates: given.copies,
            conflicts: coverage::by_event(given.conflicts),
            ..Self::default()
        }
    }
}

/// Where nothing was found: names that were searched for and that no record in range has. Reads the records once more, if there are
/// not many, as `selection` and `scanned` of [`Findings`] tell.
#[must_use]
pub fn unknown_names(
    request: &SearchRequest,
    archive: &Archive,
    selection: &Selection,
    scanned: &Scanned,
) -> Vec<UnknownName> {
    known_names::unknown(&request.filters, archive, selection, scanned)
}
