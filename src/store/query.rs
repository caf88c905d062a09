//! What a question needs of a store: the events of the principals that it is about, all of them, and no others if it can be
//! helped.
//!
//! Whose an event is, and what somebody had before it, follows from everything that bears on the same names, ids and
//! devices. So few columns of all rows are read first: rows that share a user's name, a unique id or a device belong
//! together, directly or through others. What the question names picks some of these groups, and their rows alone are read
//! in full. A group may hold more than is needed, never less: a replay of the groups that are picked says of them what a
//! replay of everything would.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use chrono::{DateTime, Utc};
use polars_core::prelude::DataFrame;

use super::StoreError;
use super::frame;
use super::id::id_of;
use super::overwritten::Overwritten;
use super::read::Store;
use super::rows::{EventRow, Status};
use super::schema::Dataset;
use crate::cloudtrail::Actor;
use crate::contract::Integrity;
use crate::mfa::{Conflict, Event, ROOT_NAMES, Texts};
use crate::names::Pattern;
use crate::source::Places;

/// Something that events share when they are about one principal. Names are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A user's name in an account.
    Name(String, String),
    /// A user's unique id in an account.
    Id(String, String),
    /// The root user of an account.
    Root(String),
    /// An Identity Center user.
    Center(String),
    /// A device in an account.
    Device(String, String),
}

/// Whether an actor, or a device's serial number, is meant.
type Means<'q, T> = Box<dyn Fn(&T) -> bool + 'q>;

/// What to gather.
#[derive(Default)]
pub struct EventQuery<'q> {
    /// Only of these accounts; empty for all.
    pub accounts: &'q [Pattern],
    /// Only of principals that have one of these names or ids; empty for all.
    pub users: &'q [Pattern],
    /// Only of principals with one of these devices.
    pub device: Option<Means<'q, str>>,
    /// Only of principals to whose events such an actor comes.
    pub actor: Option<Means<'q, Actor>>,
    /// Only of principals with an event of these names; empty for lifecycle events, `None` for any.
    pub names: Option<&'q [Pattern]>,
    /// Only of principals with one of these events, by account and id; and the changes of trails, which are of no principal.
    pub events: Option<&'q BTreeSet<(String, String)>>,
    /// Only of principals with an event from this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Only of principals with an event before this moment.
    pub to: Option<DateTime<Utc>>,
    /// What else is known to belong together, such as a user's name and id in IAM.
    pub ties: Vec<Vec<Key>>,
}

/// What was gathered.
#[derive(Debug, Default)]
pub struct EventSet {
    /// The events, in no order.
    pub events: Vec<Event>,
    /// By account: the first and the last record that was read.
    pub covered: BTreeMap<String, [DateTime<Utc>; 2]>,
    /// Objects that could not be read, or not whole, in order of name.
    pub failures: Vec<(String, String)>,
    /// Events of objects that were overwritten, and that the current ones lack.
    pub recalled: Vec<Conflict>,
    /// Rows of events in the store.
    pub rows: u64,
}

/// The columns that say which rows belong together.
const TIES: [&str; 9] = [
    "account",
    "event_id",
    "original_event_id",
    "target",
    "target_name",
    "target_id",
    "new_user_name",
    "serial",
    "action",
];
/// Those that say who called.
const ACTOR: [&str; 8] = [
    "actor_kind",
    "actor_account",
    "actor_id",
    "actor_name",
    "actor_arn",
    "actor_access_key",
    "session_access_key",
    "action",
];
/// The columns of `events` that a replay has no use for: the last ones.
const LEAVE: usize = 5;

/// Sets of keys that belong together, by their hashes: two that collide make a group larger, which does no harm.
#[derive(Debug, Default)]
struct Groups {
    nodes: HashMap<u64, u32, BuildHasherDefault<Mixed>>,
    parents: Vec<u32>,
}

impl Groups {
    fn node(&mut self, key: u64) -> u32 {
        let next = u32::try_from(self.parents.len()).unwrap_or(u32::MAX);
        let node = *self.nodes.entry(key).or_insert(next);
        if node == next {
            self.parents.push(next);
        }
        node
    }

    fn parent(&self, node: u32) -> u32 {
        usize::try_from(node).ok().and_then(|node| self.parents.get(node)).copied().unwrap_or(node)
    }

    fn root(&mut self, mut node: u32) -> u32 {
        loop {
            let parent = self.parent(node);
            if parent == node {
                return node;
            }
            let above = self.parent(parent);
            self.set(node, above);
            node = above;
        }
    }

    fn set(&mut self, node: u32, parent: u32) {
        if let Some(slot) = usize::try_from(node).ok().and_then(|node| self.parents.get_mut(node)) {
            *slot = parent;
        }
    }

    fn unite(&mut self, one: u32, other: u32) -> u32 {
        let (one, other) = (self.root(one), self.root(other));
        self.set(other, one);
        one
    }

    /// Unites all, and gives one of them.
    fn tie(&mut self, keys: impl IntoIterator<Item = u64>) -> Option<u32> {
        let mut tied = None;
        for key in keys {
            let node = self.node(key);
            tied = Some(tied.map_or(node, |tied| self.unite(tied, node)));
        }
        tied
    }
}

/// What [`hash`] made is mixed already.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = mix(self.0, u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn mixed(hash: u64, text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(mix(hash, text.len() as u64), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

/// Fast rather than strong, for there are millions: who makes texts collide makes a question slower, and no answer wrong.
fn hash(kind: u8, account: &str, value: &str) -> u64 {
    let hash = mixed(mix(0, u64::from(kind)), account);
    let hash = if kind == 0 && value.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        mixed(hash, &value.to_lowercase())
    } else {
        mixed(hash, value)
    };
    hash ^ (hash >> 32)
}

impl Key {
    fn hashed(&self) -> u64 {
        match self {
            Self::Name(account, name) => hash(0, account, name),
            Self::Id(account, id) => hash(1, account, id),
            Self::Root(account) => hash(2, account, ""),
            Self::Center(user) => hash(3, "", user),
            Self::Device(account, serial) => hash(4, account, serial),
        }
    }
}

/// One row, as far as it is looked at first.
struct LinkKeys<'f> {
    account: &'f str,
    event: &'f str,
    original: Option<&'f str>,
    target: &'f str,
    name: Option<&'f str>,
    id: Option<&'f str>,
    new_name: Option<&'f str>,
    serial: Option<&'f str>,
}

impl LinkKeys<'_> {
    fn keys(&self) -> impl Iterator<Item = u64> {
        let account = self.account;
        let user = self.target == "user";
        let names = [self.name.filter(|_| user), self.new_name];
        let names = names.into_iter().flatten().map(move |name| hash(0, account, name));
        let id = self.id.filter(|_| user).map(|id| hash(1, account, id));
        let root = (self.target == "root").then(|| hash(2, account, ""));
        let center = self.id.filter(|_| self.target == "identity_center").map(|user| hash(3, "", user));
        let device = self.serial.map(|serial| hash(4, account, serial));
        // Records of one event belong together, whatever each says that it is about.
        let events = [Some(self.event), self.original].into_iter().flatten().map(move |id| hash(5, account, id));
        names.chain(id).chain(root).chain(center).chain(device).chain(events)
    }

    fn is(&self, user: &Pattern) -> bool {
        let same = |name: Option<&str>| name.is_some_and(|name| user.matches(name));
        same(self.name)
            || same(self.new_name)
            || same(self.id)
            || (self.target == "root" && ROOT_NAMES.iter().any(|root| user.matches(root)))
    }
}

/// The rows of one file.
struct FileScan {
    path: String,
    /// Each row's node, and whether the row itself is of the kind that is asked for.
    rows: Vec<(Option<u32>, bool)>,
    /// Those that are needed: at first, those that are whoever they are about.
    wanted: Vec<usize>,
}

/// Objects of which more than their rows matters, by id.
#[derive(Debug, Default)]
struct Seen {
    replaced: HashSet<u128>,
    verified: HashSet<u128>,
}

impl Store {
    /// Reads the events of the principals that are asked for.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn gather(&self, needed: &EventQuery<'_>) -> Result<EventSet, StoreError> {
        let mut gathered = EventSet::default();
        let Seen { replaced, verified } = self.seen(needed, &mut gathered)?;
        let overwritten = match replaced.is_empty() {
            true => Overwritten::default(),
            false => self.overwritten(false, &|_| true)?,
        };
        let sessions = self.sessions(needed)?;
        let mut groups = Groups::default();
        let mut users = HashSet::new();
        let mut devices = HashSet::new();
        for tie in &needed.ties {
            let node = groups.tie(tie.iter().map(Key::hashed));
            let named = |key: &Key| match key {
                Key::Name(_, name) | Key::Id(_, name) => needed.users.iter().any(|user| user.matches(name)),
                _ => false,
            };
            let meant =
                |key: &Key| matches!((key, &needed.device), (Key::Device(_, serial), Some(means)) if means(serial));
            users.extend(node.filter(|_| tie.iter().any(named)));
            devices.extend(node.filter(|_| tie.iter().any(meant)));
        }
        let mut files = Vec::new();
        let paths: Vec<String> = self.paths(Dataset::Events).map(str::to_owned).collect();
        self.ahead(paths.iter().map(String::as_str));
        let mut names = TIES.to_vec();
        names.extend(["event_time", "event_name"]);
        if needed.actor.is_some() {
            names.extend(ACTOR.iter().filter(|name| !TIES.contains(name)));
        }
        // The next file is read while this one is looked at.
        std::thread::scope(|scope| {
            let (sender, frames) = std::sync::mpsc::sync_channel(1);
            scope.spawn(move || {
                for path in paths {
                    let frame = self.pick(&path, Dataset::Events, &names);
                    let failed = frame.is_err();
                    // Nobody listens once one file has failed.
                    if sender.send((path, frame)).is_err() || failed {
                        return;
                    }
                }
            });
            for (path, frame) in frames {
                let frame = frame?;
                gathered.rows += frame.height() as u64;
                files.push(scan_file(&frame, path, needed, &sessions, &mut groups, &mut users, &mut devices)?);
            }
            Ok::<(), StoreError>(())
        })?;
        let users: HashSet<u32> = users.into_iter().map(|node| groups.root(node)).collect();
        let devices: HashSet<u32> = devices.into_iter().map(|node| groups.root(node)).collect();
        let mut met = HashSet::new();
        for (node, of_kind) in files.iter().flat_map(|file| &file.rows) {
            if let (Some(node), true) = (*node, *of_kind) {
                met.insert(groups.root(node));
            }
        }
        let everyone = needed.users.is_empty() && needed.device.is_none();
        for file in &mut files {
            for (row, (node, of_kind)) in std::mem::take(&mut file.rows).into_iter().enumerate() {
                let picked = match node.map(|node| groups.root(node)) {
                    None => everyone && of_kind,
                    Some(root) => {
                        met.contains(&root)
                            && (needed.users.is_empty() || users.contains(&root))
                            && (needed.device.is_none() || devices.contains(&root))
                    }
                };
                if picked {
                    file.wanted.push(row);
                }
            }
            file.wanted.sort_unstable();
            file.wanted.dedup();
        }
        drop((groups, met));
        gathered.events.reserve_exact(files.iter().map(|file| file.wanted.len()).sum());
        let mut texts = Texts::default();
        for file in files.iter().filter(|file| !file.wanted.is_empty()) {
            self.some_rows(&file.path, LEAVE, &file.wanted, &mut |row: EventRow| {
                let object = id_of(&row.object_id);
                let mut event = row.event;
                event.lineage.verified = verified.contains(&object);
                let conflict = overwritten.recall(object, &mut event);
                if conflict.is_some() || !replaced.contains(&object) {
                    gathered.recalled.extend(conflict);
                    texts.share_with(&mut event);
                    gathered.events.push(event);
                }
            })?;
        }
        Ok(gathered)
    }

    /// The access keys of the root sessions that a wanted actor assumed: what is done with them is its doing.
    fn sessions(&self, needed: &EventQuery<'_>) -> Result<HashSet<String>, StoreError> {
        let mut sessions = HashSet::new();
        let Some(means) = &needed.actor else { return Ok(sessions) };
        for path in self.paths(Dataset::Events) {
            let frame = self.pick(path, Dataset::Events, &ACTOR)?;
            let actions = frame::text(&frame, "action")?;
            let keys = frame::text(&frame, "session_access_key")?;
            for row in 0..frame.height() {
                if actions.get(row) == Some("root_assumed")
                    && let Some(key) = keys.get(row)
                    && means(&actor(&frame, row)?)
                {
                    sessions.insert(key.to_owned());
                }
            }
        }
        Ok(sessions)
    }

    /// Objects that could not be read, or not whole, and what scans left out, in order of name, with why.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut gathered = EventSet::default();
        self.seen(&EventQuery::default(), &mut gathered)?;
        Ok(gathered.failures)
    }

    /// What the objects' rows tell: what was covered, what failed, which objects were overwritten since, and which a digest
    /// proves.
    fn seen(&self, needed: &EventQuery<'_>, gathered: &mut EventSet) -> Result<Seen, StoreError> {
        let mut seen = Seen::default();
        self.ahead(self.paths(Dataset::Objects));
        for path in self.paths(Dataset::Objects) {
            let names = ["object_id", "status", "account", "first_record", "last_record", "integrity"];
            let frame = self.pick(path, Dataset::Objects, &names)?;
            let (ids, integrity) = (frame::text(&frame, "object_id")?, frame::text(&frame, "integrity")?);
            let status = frame::text(&frame, "status")?;
            let account = frame::text(&frame, "account")?;
            let (first, last) = (frame::times(&frame, "first_record")?, frame::times(&frame, "last_record")?);
            let mut closer = false;
            for row in 0..frame.height() {
                let read = status.get(row) == Some(Status::Read.name());
                if integrity.get(row) == Some(Integrity::Verified.name()) {
                    seen.verified.extend(ids.get(row).map(id_of));
                }
                let of_many = account.get(row).is_none();
                closer |= !matches!(status.get(row), Some("read" | "skipped")) || (read && of_many);
                if let (true, Some(account), Some(first), Some(last)) =
                    (read, account.get(row), first.get(row).copied().flatten(), last.get(row).copied().flatten())
                {
                    cover(&mut gathered.covered, account, [first, last]);
                }
            }
            if closer {
                self.read_object_outcomes(path, needed, gathered, &mut seen.replaced)?;
            }
        }
        for row in self.unfinished(None)?.into_iter().chain(self.unproven(None)?) {
            gathered.failures.extend(row.error.map(|error| (row.name, error)));
        }
        gathered.failures.sort();
        // What several shards could not list is one thing.
        gathered.failures.dedup();
        Ok(seen)
    }

    /// Objects of which more than their key and their times matters.
    fn read_object_outcomes(
        &self,
        path: &str,
        needed: &EventQuery<'_>,
        gathered: &mut EventSet,
        replaced: &mut HashSet<u128>,
    ) -> Result<(), StoreError> {
        let names = ["object_id", "status", "object", "account", "error", "accounts"];
        let frame = self.pick(path, Dataset::Objects, &names)?;
        let [id, status, object, account, error, accounts] = names.map(|name| frame::text(&frame, name));
        let (id, status, object, account, error, accounts) = (id?, status?, object?, account?, error?, accounts?);
        for row in 0..frame.height() {
            let ours = account
                .get(row)
                .is_none_or(|of| needed.accounts.is_empty() || needed.accounts.iter().any(|one| one.matches(of)));
            match status.get(row) {
                Some("replaced") => {
                    replaced.extend(id.get(row).map(id_of));
                }
                Some("skipped") => continue,
                Some("read") if account.get(row).is_none() => {
                    // Written by this program; what is not is found by a check.
                    let spans: BTreeMap<String, crate::pipeline::AccountSpan> =
                        serde_json::from_str(accounts.get(row).unwrap_or_default()).unwrap_or_default();
                    for (account, span) in spans {
                        if let (Some(first), Some(last)) = (span.first, span.last) {
                            cover(&mut gathered.covered, &account, [first, last]);
                        }
                    }
                }
                _ => {}
            }
            if let (true, Some(error), Some(object)) = (ours, error.get(row), object.get(row)) {
                gathered.failures.push((object.to_owned(), error.to_owned()));
            }
        }
        Ok(())
    }

    /// The accounts and regions of what was read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn places(&self) -> Result<Places, StoreError> {
        let mut places = Places::default();
        for path in self.paths(Dataset::Objects) {
            let frame = self.pick(path, Dataset::Objects, &["account", "region", "accounts"])?;
            let [account, region, accounts] = ["account", "region", "accounts"].map(|name| frame::text(&frame, name));
            let (account, region, accounts) = (account?, region?, accounts?);
            let mut last = None;
            for row in 0..frame.height() {
                places
                    .accounts
                    .extend(account.get(row).filter(|text| !places.accounts.contains(*text)).map(str::to_owned));
                places
                    .regions
                    .extend(region.get(row).filter(|text| !places.regions.contains(*text)).map(str::to_owned));
                let spans = accounts.get(row).filter(|text| last != Some(*text));
                last = spans.or(last);
                // Written by this program; what is not is found by a check.
                let spans: BTreeMap<String, crate::pipeline::AccountSpan> =
                    spans.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                for (account, span) in spans {
                    places.accounts.insert(account);
                    places.regions.extend(span.regions);
                }
            }
        }
        Ok(places)
    }

    /// When an event happened: the earliest time of its records, of an account or of all. `None` where the store has none of them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn time_of_event(&self, account: Option<&str>, id: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut earliest: Option<DateTime<Utc>> = None;
        for dataset in [Dataset::Events, Dataset::Calls] {
            for path in self.paths(dataset) {
                let frame = self.pick(path, dataset, &["account", "event_id", "event_time"])?;
                let (accounts, ids) = (frame::text(&frame, "account")?, frame::text(&frame, "event_id")?);
                let is_meant = |row: &usize| {
                    ids.get(*row) == Some(id) && account.is_none_or(|account| accounts.get(*row) == Some(account))
                };
                let mut rows = (0..frame.height()).filter(is_meant).peekable();
                if rows.peek().is_none() {
                    continue;
                }
                let times = frame::times(&frame, "event_time")?;
                let found = rows.filter_map(|row| times.get(row).copied().flatten()).min();
                earliest = [earliest, found].into_iter().flatten().min();
            }
        }
        Ok(earliest)
    }

    /// All values of a column of texts, for who has misspelt one.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn values(&self, dataset: Dataset, column: &'static str) -> Result<BTreeSet<String>, StoreError> {
        let mut values = BTreeSet::new();
        for path in self.paths(dataset) {
            let frame = self.pick(path, dataset, &[column])?;
            let texts = frame::text(&frame, column)?;
            let mut last = None;
            for row in 0..frame.height() {
                let value = texts.get(row);
                if let Some(text) = value.filter(|_| value != last)
                    && !values.contains(text)
                {
                    values.insert(text.to_owned());
                }
                last = value;
            }
        }
        Ok(values)
    }
}

fn cover(covered: &mut BTreeMap<String, [DateTime<Utc>; 2]>, account: &str, [first, last]: [DateTime<Utc>; 2]) {
    match covered.get_mut(account) {
        Some([known_first, known_last]) => {
            *known_first = first.min(*known_first);
            *known_last = last.max(*known_last);
        }
        None => {
            covered.insert(account.to_owned(), [first, last]);
        }
    }
}

fn actor(frame: &DataFrame, row: usize) -> Result<Actor, StoreError> {
    let [kind, account, id, name, arn, access_key, ..] = ACTOR.map(|name| frame::text(frame, name));
    let cells = [kind?, account?, id?, name?, arn?, access_key?].map(|column| column.get(row));
    let [kind, account, id, name, arn, access_key] = cells;
    Ok(super::rows::actor([kind, account, id, name, arn, access_key, None]))
}

fn scan_file(
    frame: &DataFrame,
    path: String,
    needed: &EventQuery<'_>,
    sessions: &HashSet<String>,
    groups: &mut Groups,
    users: &mut HashSet<u32>,
    devices: &mut HashSet<u32>,
) -> Result<FileScan, StoreError> {
    let [accounts, events, originals, targets, names, ids, new_names, serials, actions] =
        TIES.map(|name| frame::text(frame, name));
    let (accounts, events, originals) = (accounts?, events?, originals?);
    let (targets, names, ids) = (targets?, names?, ids?);
    let (new_names, serials, actions) = (new_names?, serials?, actions?);
    let event_names = frame::text(frame, "event_name")?;
    let times = frame::times(frame, "event_time")?;
    let keys = if needed.actor.is_some() { Some(frame::text(frame, "actor_access_key")?) } else { None };
    let mut known_actors: HashMap<Actor, bool> = HashMap::new();
    let mut rows = Vec::with_capacity(frame.height());
    let mut wanted = Vec::new();
    for row in 0..frame.height() {
        let action = actions.get(row).unwrap_or_default();
        if action == "root_assumed" || (action == "trail_changed" && needed.events.is_some()) {
            wanted.push(row);
        }
        let tied = LinkKeys {
            account: accounts.get(row).unwrap_or_default(),
            event: events.get(row).unwrap_or_default(),
            original: originals.get(row),
            target: targets.get(row).unwrap_or_default(),
            name: names.get(row),
            id: ids.get(row),
            new_name: new_names.get(row),
            serial: serials.get(row),
        };
        let node = groups.tie(tied.keys());
        if let Some(node) = node {
            if needed.users.iter().any(|user| tied.is(user)) {
                users.insert(node);
            }
            if let (Some(means), Some(serial)) = (&needed.device, tied.serial)
                && means(serial)
            {
                devices.insert(node);
            }
        }
        let time = times.get(row).copied().flatten();
        let mut of_kind = (needed.accounts.is_empty()
            || needed.accounts.iter().any(|account| account.matches(tied.account)))
            && needed.events.is_none_or(|events| events.contains(&(tied.account.to_owned(), tied.event.to_owned())))
            && needed.from.is_none_or(|from| time.is_some_and(|time| from <= time))
            && needed.to.is_none_or(|to| time.is_some_and(|time| time < to))
            && needed.names.is_none_or(|names| match names {
                [] => action.starts_with("device_"),
                names => event_names.get(row).is_some_and(|name| names.iter().any(|wanted| wanted.matches(name))),
            });
        if let (true, Some(means)) = (of_kind, &needed.actor) {
            let actor = actor(frame, row)?;
            let assumed = keys.and_then(|keys| keys.get(row)).is_some_and(|key| sessions.contains(key));
            of_kind = assumed || *known_actors.entry(actor).or_insert_with_key(|actor| means(actor));
        }
        rows.push((node, of_kind));
    }
    Ok(FileScan { path, rows, wanted })
}
