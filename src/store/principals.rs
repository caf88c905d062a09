//! What an analysis of some principals needs beside their events: the calls that matter, and how far the evidence reaches. A
//! store grows, and most of it does not matter to whom a new event is about; so few columns of the calls are looked at before a
//! row is read in full, and what a file says of its objects is remembered as long as there is that file, which never changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use polars_core::prelude::DataFrame;

use super::StoreError;
use super::file::Entry;
use super::frame;
use super::id::id_of;
use super::overwritten::Overwritten;
use super::read::{Store, months_of};
use super::rows::{CallRow, SightingRow, Status, actor, integrity};
use super::schema::Dataset;
use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::Integrity;
use crate::evidence::{Evidence, Range};
use crate::mfa::{ROOT_NAMES, user_name};
use crate::pipeline::{AccountSpan, Scanned};
use crate::trace::{Call, Context, Holder, Selection, Sighting};

/// How far the objects of one file reach.
#[derive(Debug, Clone, Default)]
struct Reach {
    accounts: BTreeMap<String, AccountSpan>,
    latest_delivery: Option<DateTime<Utc>>,
    last_record: Option<DateTime<Utc>>,
}

/// What was read of a store's objects, by file.
#[derive(Debug, Default)]
pub struct Spans(HashMap<String, Reach>);

/// What the calls' rows are told apart by.
const LOOK: [&str; 12] = [
    "event_time",
    "event_id",
    "account",
    "actor_kind",
    "actor_account",
    "actor_id",
    "actor_name",
    "actor_arn",
    "actor_access_key",
    "actor_role_arn",
    "read_only",
    "about_user",
];

/// What commits added to a store, as far as it can change what is known of somebody.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Arrivals {
    /// The last commit.
    pub commit: u64,
    /// The events, by account and id.
    pub events: BTreeSet<(String, String)>,
    /// Who called, or whom calls were about, by account: users by name in lower case and by id, `root`, others by id and ARN. Of
    /// addresses at which somebody was seen the account is empty.
    pub people: BTreeSet<(String, String)>,
}

impl Store {
    /// What came after a commit; with 0, everything. What was read before and has been overwritten in the archive since is in it, too.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn arrivals(&self, after: u64) -> Result<Arrivals, StoreError> {
        let mut arrivals = Arrivals { commit: self.state().commit, ..Arrivals::default() };
        let (mut objects, mut replaced) = (HashSet::new(), false);
        for path in self.added(Dataset::Objects, after) {
            let frame = self.pick(path, Dataset::Objects, &["object_id", "status", "commit"])?;
            let (ids, status) = (frame::text(&frame, "object_id")?, frame::text(&frame, "status")?);
            let commits = frame::integers(&frame, "commit")?;
            for row in 0..frame.height() {
                let is_new =
                    commits.get(row).copied().flatten().is_none_or(|commit| i128::from(commit) > i128::from(after));
                let gone = status.get(row) == Some(Status::Replaced.name());
                if is_new || gone {
                    objects.extend(ids.get(row).map(id_of));
                    replaced |= gone;
                }
            }
        }
        // What is gone lies in files of any age.
        let since = if replaced { 0 } else { after };
        for path in self.added(Dataset::Events, since) {
            let frame = self.pick(path, Dataset::Events, &["account", "event_id", "object_id"])?;
            let [accounts, ids, of] = ["account", "event_id", "object_id"].map(|name| frame::text(&frame, name));
            let (accounts, ids, of) = (accounts?, ids?, of?);
            for row in 0..frame.height() {
                if let (Some(account), Some(id), Some(object)) = (accounts.get(row), ids.get(row), of.get(row))
                    && objects.contains(&id_of(object))
                {
                    arrivals.events.insert((account.to_owned(), id.to_owned()));
                }
            }
        }
        for path in self.added(Dataset::Calls, since) {
            let frame = self.pick(path, Dataset::Calls, &[&LOOK[..], &["object_id"]].concat())?;
            let of = frame::text(&frame, "object_id")?;
            each_look(&frame, &mut |row, look| {
                if of.get(row).is_some_and(|object| objects.contains(&id_of(object))) {
                    let people = people(look.actor).into_iter().chain(look.about.map(name_of));
                    arrivals.people.extend(people.map(|person| (look.account.to_owned(), person)));
                }
            })?;
        }
        for path in self.added(Dataset::Sightings, since) {
            let frame = self.pick(path, Dataset::Sightings, &["actor", "object_id"])?;
            let (actors, of) = (frame::text(&frame, "actor")?, frame::text(&frame, "object_id")?);
            for row in 0..frame.height() {
                if of.get(row).is_some_and(|object| objects.contains(&id_of(object))) {
                    arrivals.people.extend(actors.get(row).map(|actor| (String::new(), actor.to_owned())));
                }
            }
        }
        Ok(arrivals)
    }

    /// The files of a data set that came after a commit.
    fn added(&self, dataset: Dataset, after: u64) -> impl Iterator<Item = &str> {
        let files = self.state().files.iter();
        let is_new = move |(entry, commit): &(Entry, u64)| entry.since.unwrap_or(*commit) > after;
        let added = files.filter(move |(path, file)| is_new(file) && Dataset::of(path) == Some(dataset));
        added.map(|(path, _)| path.as_str())
    }

    /// How far the evidence reaches, as a report from the store has it: accounts with their regions, first and last records and
    /// deliveries. Of the counts of a scan there is nothing else in it. What `known` has of a file is not read again.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn spans(&self, known: &mut Spans) -> Result<Scanned, StoreError> {
        let paths: HashSet<&str> = self.paths(Dataset::Objects).collect();
        known.0.retain(|path, _| paths.contains(path.as_str()));
        let mut scanned = Scanned::default();
        for path in paths {
            if !known.0.contains_key(path) {
                known.0.insert(path.to_owned(), self.reach(path)?);
            }
            let Some(reach) = known.0.get(path) else { continue };
            scanned.latest_delivery = scanned.latest_delivery.max(reach.latest_delivery);
            scanned.coverage.last_record = scanned.coverage.last_record.max(reach.last_record);
            for (account, span) in &reach.accounts {
                scanned.accounts.entry(account.clone()).or_default().merge(span.clone());
            }
        }
        Ok(scanned)
    }

    fn reach(&self, path: &str) -> Result<Reach, StoreError> {
        let names = ["status", "accounts", "latest_delivery", "last_record"];
        let frame = self.pick(path, Dataset::Objects, &names)?;
        let (status, accounts) = (frame::text(&frame, "status")?, frame::text(&frame, "accounts")?);
        let (deliveries, records) = (frame::times(&frame, "latest_delivery")?, frame::times(&frame, "last_record")?);
        let mut reach = Reach::default();
        for row in 0..frame.height() {
            let status = status.get(row);
            if ![Status::Read.name(), Status::Failed.name()].map(Some).contains(&status) {
                continue;
            }
            reach.latest_delivery = reach.latest_delivery.max(deliveries.get(row).copied().flatten());
            reach.last_record = reach.last_record.max(records.get(row).copied().flatten());
            // Written by this program; what is not is found by a check.
            let spans: BTreeMap<String, AccountSpan> =
                accounts.get(row).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            for (account, span) in spans {
                reach.accounts.entry(account).or_default().merge(span);
            }
        }
        Ok(reach)
    }

    /// What the calls in a range tell of those that are wanted, as the trace of a scan would. `originals` has by account and id
    /// which event a record says again: rows of calls by earlier versions lack it.
    ///
    /// # Errors
    /// When a file cannot be read, or a temporary one not be written.
    pub fn context(
        &self,
        range: &Arc<Range>,
        originals: &HashMap<(String, String), String>,
        wanted: &mut dyn Selection,
    ) -> Result<Context, StoreError> {
        let mut calls = Vec::new();
        self.calls(range, &|look| look.matters(wanted), &mut calls)?;
        let known: Vec<Call> = calls.iter().map(|row| row.call.clone()).collect();
        // Readers are told from the calls of those that matter; then their other reading calls matter, too.
        let mut readers = Vec::new();
        wanted.add_readers(&known);
        self.calls(range, &|look| look.reads(wanted) && !look.matters(wanted), &mut readers)?;
        calls.extend(readers);
        for CallRow { call, .. } in calls.iter_mut().filter(|row| row.call.lineage.original.is_none()) {
            let original = originals.get(&(call.account.to_string(), call.event_id.clone()));
            call.lineage.original = original.map(|original| original.as_str().into());
        }
        let mut sightings = Vec::new();
        self.rows(Some(months_of(range)), 0, &mut |row: SightingRow| {
            if wanted.actor(&row.sighting.actor) {
                sightings.push(row);
            }
            Ok(())
        })?;
        let objects = calls.iter().map(|row| &row.object_id).chain(sightings.iter().map(|row| &row.object_id));
        let (worth, overwritten) = self.worth(&objects.map(|id| id_of(id)).collect())?;
        let mut evidence = Evidence::new(Arc::clone(range));
        for CallRow { call, region, object_id } in &calls {
            let id = id_of(object_id);
            let former = || overwritten.integrity_of_call(id, call, region.as_deref());
            if let Some(integrity) = worth.get(&id).copied().or_else(former)
                && range.admits(call.time, Some(&call.account), region.as_deref())
            {
                let holder = Holder { object: object_id, is_verified: integrity == Some(Integrity::Verified) };
                evidence.part_of(integrity).add_call(holder, call).map_err(StoreError::Temporary)?;
            }
        }
        let seen_in = |id: u128| worth.get(&id).copied().or_else(|| overwritten.integrity(id));
        for row in sightings {
            let Sighting { first, last, .. } = row.sighting;
            let first = range.from.map_or(first, |from| first.max(from));
            let last = range.until.map_or(last, |until| last.min(until));
            if first <= last
                && let Some(integrity) = seen_in(id_of(&row.object_id))
                && range.admits(first, row.account.as_deref(), row.region.as_deref())
            {
                let clipped = Sighting { first, last, ..row.sighting };
                evidence.part_of(integrity).add_sighting(&clipped).map_err(StoreError::Temporary)?;
            }
        }
        evidence.finish().trace.collect(wanted).map_err(StoreError::Temporary)
    }

    /// The rows of calls that matter, of the months of a range.
    fn calls(
        &self,
        range: &Range,
        matters: &dyn Fn(&Look<'_>) -> bool,
        into: &mut Vec<CallRow>,
    ) -> Result<(), StoreError> {
        let paths: Vec<&str> = self.paths_within(Dataset::Calls, Some(months_of(range))).collect();
        self.ahead(paths.iter().copied());
        for path in paths {
            let frame = self.pick(path, Dataset::Calls, &LOOK)?;
            let mut rows = Vec::new();
            each_look(&frame, &mut |row, look| {
                if matters(look) {
                    rows.push(row);
                }
            })?;
            if !rows.is_empty() {
                self.some_rows(path, 0, &rows, &mut |row: CallRow| into.push(row))?;
            }
        }
        Ok(())
    }

    /// Of the objects that count, what digests say of them; and what counts of those that were overwritten.
    fn worth(&self, wanted: &HashSet<u128>) -> Result<(HashMap<u128, Option<Integrity>>, Overwritten), StoreError> {
        let (mut worth, mut replaced) = (HashMap::new(), false);
        for path in self.paths(Dataset::Objects).filter(|_| !wanted.is_empty()) {
            let frame = self.pick(path, Dataset::Objects, &["object_id", "status", "integrity"])?;
            let [ids, status, judged] = ["object_id", "status", "integrity"].map(|name| frame::text(&frame, name));
            let (ids, status, judged) = (ids?, status?, judged?);
            for row in 0..frame.height() {
                let Some(id) = ids.get(row).map(id_of).filter(|id| wanted.contains(id)) else { continue };
                if status.get(row) == Some(Status::Replaced.name()) {
                    replaced = true;
                } else {
                    worth.insert(id, judged.get(row).and_then(integrity));
                }
            }
        }
        let overwritten = match replaced {
            true => self.overwritten(true, &|_| true)?,
            false => Overwritten::default(),
        };
        Ok((worth, overwritten))
    }
}

/// What a caller is known by.
fn people(actor: &Actor) -> Vec<String> {
    match actor.kind {
        ActorKind::Root | ActorKind::AssumedRoot => vec![ROOT.to_owned()],
        ActorKind::IamUser => {
            let name = user_name(actor).map(str::to_lowercase);
            name.into_iter().chain(actor.id.clone()).collect()
        }
        _ => [&actor.id, &actor.arn].into_iter().flatten().cloned().collect(),
    }
}

/// Of whom a call is about.
fn name_of(about: &str) -> String {
    if ROOT_NAMES.iter().any(|root| root.eq_ignore_ascii_case(about)) { ROOT.to_owned() } else { about.to_owned() }
}

/// The root user among people.
const ROOT: &str = "root";

/// A call, as far as it is looked at first.
struct Look<'f> {
    time: DateTime<Utc>,
    event_id: &'f str,
    account: &'f str,
    actor: &'f Actor,
    read_only: bool,
    about: Option<&'f str>,
}

impl Look<'_> {
    fn matters(&self, wanted: &dyn Selection) -> bool {
        wanted.caller(self.actor, self.account)
            || self.about.is_some_and(|about| wanted.about(self.account, about))
            || wanted.events().contains(self.event_id)
    }

    fn reads(&self, wanted: &dyn Selection) -> bool {
        self.read_only && self.about.is_some() && wanted.reader(self.actor) && wanted.near_reading(self.time)
    }
}

fn each_look(frame: &DataFrame, each: &mut dyn FnMut(usize, &Look<'_>)) -> Result<(), StoreError> {
    let times = frame::times(frame, "event_time")?;
    let text = |name| frame::text(frame, name);
    let (ids, accounts, abouts) = (text("event_id")?, text("account")?, text("about_user")?);
    let [kind, home, id, name, arn, key, role] = ACTOR.map(text);
    let actors = [kind?, home?, id?, name?, arn?, key?, role?];
    let read_only = frame::flags(frame, "read_only")?;
    let mut last: Option<([Option<&str>; 7], Actor)> = None;
    for row in 0..frame.height() {
        let Some(time) = times.get(row).copied().flatten() else { continue };
        let cells = actors.map(|column| column.get(row));
        // One caller's calls are together as a rule.
        if last.as_ref().is_none_or(|(known, _)| *known != cells) {
            last = Some((cells, actor(cells)));
        }
        let Some((_, actor)) = &last else { continue };
        let look = Look {
            time,
            event_id: ids.get(row).unwrap_or_default(),
            account: accounts.get(row).unwrap_or_default(),
            actor,
            read_only: read_only.get(row).copied().flatten() == Some(true),
            about: abouts.get(row),
        };
        each(row, &look);
    }
    Ok(())
}

const ACTOR: [&str; 7] =
    ["actor_kind", "actor_account", "actor_id", "actor_name", "actor_arn", "actor_access_key", "actor_role_arn"];
