//! What a row holds, and how it is laid into columns.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::frame::{Cells, Row, Table};
use super::hex;
use super::id::{id_of, text_of};
use super::schema::Dataset;
use crate::cloudtrail::{Actor, ActorKind, Scratch, for_each_record};
use crate::contract::Integrity;
use crate::mfa::{Action, Event, Failure, Lineage, Target, Text};
use crate::source::{KeyInfo, Location, ObjectRef, Product, Shard};
use crate::trace::{self, Call, Sighting};

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Read.
    Read,
    /// Not read, or not whole.
    Failed,
    /// Another product's file.
    Skipped,
    /// Read, and overwritten in the archive since: its rows are kept, and are in no report.
    Replaced,
}

impl Status {
    /// The word in the column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Replaced => "replaced",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Read, Self::Failed, Self::Skipped, Self::Replaced].into_iter().find(|status| status.name() == name)
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Half of a digest over location, entity tag and size.
    pub object_id: String,
    /// What became of it.
    pub status: Status,
    /// How reports name it.
    pub name: String,
    /// Its URL or absolute path; of what could not be listed, its name.
    pub location: String,
    /// S3's entity tag; of a file, `mtime-` and nanoseconds since 1970.
    pub etag: Option<String>,
    /// Bytes as stored, by the listing.
    pub size: u64,
    /// SHA-256 of the bytes as stored.
    pub sha256: Option<String>,
    /// The account folder.
    pub account: Option<String>,
    /// The region folder.
    pub region: Option<String>,
    /// The date folders.
    pub day: Option<NaiveDate>,
    /// When CloudTrail delivered it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// What is wrong with it, or with some of its records.
    pub error: Option<String>,
    /// Usable records.
    pub records: u64,
    /// Records that could not be used.
    pub records_unusable: u64,
    /// Insight records.
    pub records_passed_over: u64,
    /// Bytes as read.
    pub stored_bytes: u64,
    /// Bytes inflated.
    pub json_bytes: u64,
    /// `eventTime` of the first record.
    pub first_record: Option<DateTime<Utc>>,
    /// `eventTime` of the last record.
    pub last_record: Option<DateTime<Utc>>,
    /// What it adds to the latest delivery.
    pub latest_delivery: Option<DateTime<Utc>>,
    /// Records, times and regions by account, JSON.
    pub accounts: String,
    /// Its rows in `events`.
    pub events: u64,
    /// Its rows in `calls`.
    pub calls: u64,
    /// Its rows in `sightings`.
    pub sightings: u64,
    /// What the digests said of its bytes; `None` where nobody asked.
    pub integrity: Option<Integrity>,
    /// The digest that proves it.
    pub digest: Option<String>,
    /// The run that read it.
    pub run: u64,
    /// The commit that brought it.
    pub commit: u64,
    /// When that run began.
    pub read_at: Option<DateTime<Utc>>,
}

/// What follows the name of something that could not be listed, before the shard that could not: another shard may have listed it.
const SHARD: &str = "#shard=";

/// The location of something that could not be listed: its name, and the shard that a scan was to read.
pub(super) fn unlisted_location(name: &str, shard: Option<Shard>) -> String {
    match shard.filter(|shard| *shard != Shard::WHOLE) {
        Some(shard) => format!("{name}{SHARD}{shard}"),
        None => name.to_owned(),
    }
}

impl ObjectRow {
    /// What its key says, as far as a selection asks.
    #[must_use]
    pub fn key(&self) -> KeyInfo {
        let product = if self.status == Status::Skipped { Product::Other } else { Product::Log };
        let (account, region) = (self.account.clone(), self.region.clone());
        KeyInfo { product, account, region, day: self.day, delivered_at: self.delivered_at, by_event_day: false }
    }

    /// The folder of its row, by year and month: that of the date folders, zeros where there are none.
    #[must_use]
    pub fn partition(&self) -> (i32, u32) {
        self.day.map_or((0, 0), |day| (day.year(), day.month()))
    }

    /// Whether it is something that could not be listed.
    #[must_use]
    pub fn unlisted(&self) -> bool {
        let is_name = |rest: &str| rest.is_empty() || rest.starts_with(SHARD);
        self.etag.is_none()
            && self.status == Status::Failed
            && self.location.strip_prefix(&self.name).is_some_and(is_name)
    }

    /// An object of which nothing is known yet.
    pub(super) fn empty(status: Status) -> Self {
        Self {
            object_id: String::new(),
            status,
            name: String::new(),
            location: String::new(),
            etag: None,
            size: 0,
            sha256: None,
            account: None,
            region: None,
            day: None,
            delivered_at: None,
            error: None,
            records: 0,
            records_unusable: 0,
            records_passed_over: 0,
            stored_bytes: 0,
            json_bytes: 0,
            first_record: None,
            last_record: None,
            latest_delivery: None,
            accounts: "{}".to_owned(),
            events: 0,
            calls: 0,
            sightings: 0,
            integrity: None,
            digest: None,
            run: 0,
            commit: 0,
            read_at: None,
        }
    }
}

/// Where an object is, as text: `s3://bucket/key`, or the absolute path.
#[must_use]
pub fn location(object: &ObjectRef) -> String {
    match &object.location {
        Location::S3 { bucket, key } => format!("s3://{bucket}/{key}"),
        Location::Stdin => "-".to_owned(),
        Location::File(path) | Location::Pipe(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_relative| path.clone());
            // Two names that are no UTF-8 must not become one.
            path.to_str().map_or_else(
                || format!("{}#{}", path.display(), hex(&Sha256::digest(path.as_os_str().as_encoded_bytes()))),
                str::to_owned,
            )
        }
    }
}

/// What tells one content of an object from another without reading it.
#[must_use]
pub(super) fn stamp(object: &ObjectRef) -> Option<String> {
    let nanoseconds = |time: DateTime<Utc>| time.timestamp_nanos_opt();
    object.etag.clone().or_else(|| object.modified.and_then(nanoseconds).map(|time| format!("mtime-{time}")))
}

/// Names one content of one object: location, entity tag and size.
#[must_use]
pub(super) fn object_id(location: &str, etag: Option<&str>, size: u64) -> u128 {
    let mut hash = Sha256::new();
    for part in [location, etag.unwrap_or_default(), &size.to_string()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half))
}

impl Row for ObjectRow {
    const DATASET: Dataset = Dataset::Objects;

    fn lay(&self, into: &mut Table) {
        into.text(&self.object_id);
        into.text(self.status.name());
        into.text(&self.name);
        into.text(&self.location);
        into.optional(self.etag.as_deref());
        into.count(self.size);
        into.optional(self.sha256.as_deref());
        into.optional(self.account.as_deref());
        into.optional(self.region.as_deref());
        into.day(self.day);
        into.time(self.delivered_at);
        into.optional(self.error.as_deref());
        into.count(self.records);
        into.count(self.records_unusable);
        into.count(self.records_passed_over);
        into.count(self.stored_bytes);
        into.count(self.json_bytes);
        into.time(self.first_record);
        into.time(self.last_record);
        into.time(self.latest_delivery);
        into.text(&self.accounts);
        into.count(self.events);
        into.count(self.calls);
        into.count(self.sightings);
        into.optional(self.integrity.map(Integrity::name));
        into.optional(self.digest.as_deref());
        into.count(self.run);
        // Where several write, the number is only known when the file is written: it is that of the file.
        into.integer(i64::try_from(self.commit).ok().filter(|commit| *commit > 0));
        into.time(self.read_at);
    }

    fn committed(&mut self, commit: u64) {
        if self.commit == 0 {
            self.commit = commit;
        }
    }

    fn read(from: &mut Cells<'_>) -> Option<Self> {
        Some(Self {
            object_id: from.text()?,
            status: Status::of(&from.text()?)?,
            name: from.text()?,
            location: from.text()?,
            etag: from.optional(),
            size: from.count(),
            sha256: from.optional(),
            account: from.optional(),
            region: from.optional(),
            day: from.day(),
            delivered_at: from.time(),
            error: from.optional(),
            records: from.count(),
            records_unusable: from.count(),
            records_passed_over: from.count(),
            stored_bytes: from.count(),
            json_bytes: from.count(),
            first_record: from.time(),
            last_record: from.time(),
            latest_delivery: from.time(),
            accounts: from.text()?,
            events: from.count(),
            calls: from.count(),
            sightings: from.count(),
            integrity: from.optional().map_or(Some(None), |name| integrity(&name).map(Some))?,
            digest: from.optional(),
            run: from.count(),
            commit: from.count(),
            read_at: from.time(),
        })
    }
}

/// By its name.
pub(super) fn integrity(name: &str) -> Option<Integrity> {
    [Integrity::Verified, Integrity::Unsigned, Integrity::Failed].into_iter().find(|one| one.name() == name)
}

/// An extracted record, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EventRow {
    /// The event; its only object is the one named here.
    pub event: Event,
    /// Whose rows these are.
    pub object_id: String,
    /// The object's entity tag.
    pub etag: Option<String>,
    /// Its size by the listing.
    pub size: u64,
    /// Of its bytes as stored.
    pub sha256: Option<String>,
    /// The how manieth extracted record of its object, from 0.
    pub number: u64,
    /// The record itself, JSON; `None` where that column was not asked for.
    pub record: Option<String>,
}

/// The parameters of an action, in the order of their columns.
const PARAMETERS: [&str; 13] = [
    "serial",
    "mfa_used",
    "target_account",
    "access_key",
    "new_name",
    "key",
    "active",
    "arn",
    "policy",
    "document",
    "group",
    "added",
    "trail",
];
/// Those of them that are flags.
const FLAGS: [&str; 3] = ["mfa_used", "active", "added"];

fn by_name<T: DeserializeOwned>(name: String) -> Option<T> {
    serde_json::from_value(Value::String(name)).ok()
}

fn lay_action(action: &Action, into: &mut Table) {
    let mut fields = match serde_json::to_value(action) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let mut parameter = |name: &str| fields.remove(name).unwrap_or_default();
    into.optional(parameter("action").as_str());
    for name in PARAMETERS {
        let value = parameter(name);
        if FLAGS.contains(&name) { into.flag(value.as_bool()) } else { into.optional(value.as_str()) }
    }
}

fn read_action(from: &mut Cells<'_>) -> Option<Action> {
    let mut fields = Map::new();
    fields.insert("action".to_owned(), Value::String(from.text()?));
    for name in PARAMETERS {
        let value =
            if FLAGS.contains(&name) { from.flag().map(Value::Bool) } else { from.optional().map(Value::String) };
        fields.extend(value.map(|value| (name.to_owned(), value)));
    }
    serde_json::from_value(Value::Object(fields)).ok()
}

fn lay_target(target: &Target, into: &mut Table) {
    let (kind, name, id, store) = match target {
        Target::User { name, id } => ("user", name.as_deref(), id.as_deref(), None),
        Target::Root => ("root", None, None, None),
        Target::IdentityCenter { store, user } => ("identity_center", None, Some(user.as_str()), store.as_deref()),
        Target::DeviceOnly => ("device_only", None, None, None),
        Target::Nobody => ("nobody", None, None, None),
    };
    into.text(kind);
    [name, id, store].into_iter().for_each(|text| into.optional(text));
}

fn read_target(from: &mut Cells<'_>) -> Option<Target> {
    let (kind, name, id, store) = (from.text()?, from.optional(), from.optional(), from.optional());
    Some(match kind.as_str() {
        "user" => Target::User { name, id },
        "root" => Target::Root,
        "identity_center" => Target::IdentityCenter { store, user: id? },
        "device_only" => Target::DeviceOnly,
        "nobody" => Target::Nobody,
        _ => return None,
    })
}

fn lay_actor(actor: &Actor, into: &mut Table) {
    let Actor { kind, account, id, name, arn, access_key, issuer } = actor;
    into.text(kind.name());
    [account, id, name, arn, access_key, issuer].into_iter().for_each(|text| into.optional(text.as_deref()));
}

fn read_actor(from: &mut Cells<'_>) -> Option<Actor> {
    Some(Actor {
        kind: by_name::<ActorKind>(from.text()?)?,
        account: from.optional(),
        id: from.optional(),
        name: from.optional(),
        arn: from.optional(),
        access_key: from.optional(),
        issuer: from.optional(),
    })
}

/// What stands before the content of a record that was put together from OCSF.
const PARTIAL: &str = "ocsf:";

/// The content of a record, as it is stored.
pub(super) fn content_text(lineage: &Lineage) -> Option<String> {
    let form = if lineage.partial { PARTIAL } else { "" };
    lineage.content.map(|content| format!("{form}{}", text_of(content)))
}

/// The content of a record, and whether the record does not keep all.
fn content_of(stored: Option<&str>) -> (Option<u128>, bool) {
    match stored.and_then(|stored| stored.strip_prefix(PARTIAL)) {
        Some(partial) => (Some(id_of(partial)), true),
        None => (stored.map(id_of), false),
    }
}

impl EventRow {
    /// Reads off the record what earlier versions did not keep apart.
    fn renew(&mut self) {
        let Some(text) = &self.record else { return };
        let lineage = &mut self.event.lineage;
        // Whether the record is sound is found by a check.
        let _unreadable = for_each_record(text.as_bytes(), &mut Scratch::default(), &mut |_, record| {
            if let Ok(record) = record {
                lineage.content = Some(record.content());
                lineage.original = record.original().map(str::to_owned);
            }
        });
    }
}

impl Row for EventRow {
    const DATASET: Dataset = Dataset::Events;

    fn lay(&self, into: &mut Table) {
        let event = &self.event;
        into.time(Some(event.time));
        into.text(&event.id);
        [&event.account, &event.region, &event.source, &event.name].into_iter().for_each(|text| into.text(text));
        lay_action(&event.action, into);
        lay_target(&event.target, into);
        lay_actor(&event.actor, into);
        into.flag(event.actor_mfa);
        into.optional(event.source_ip.as_deref());
        into.optional(event.user_agent.as_deref());
        into.flag(Some(event.failure.is_some()));
        let (code, message) = event
            .failure
            .as_ref()
            .map_or((None, None), |failure| (failure.code.as_deref(), failure.message.as_deref()));
        into.optional(code);
        into.optional(message);
        into.optional(event.lineage.original.as_deref());
        into.optional(content_text(&event.lineage).as_deref());
        into.time(event.delivered_at);
        into.text(&self.object_id);
        into.optional(event.objects.first().map(Text::as_str));
        into.optional(self.etag.as_deref());
        into.count(self.size);
        into.optional(self.sha256.as_deref());
        into.count(self.number);
        into.optional(self.record.as_deref());
    }

    fn read(from: &mut Cells<'_>) -> Option<Self> {
        let (time, id) = (from.time()?, from.text()?);
        let (account, region, source, name) = (from.shared()?, from.shared()?, from.shared()?, from.shared()?);
        let (action, target, actor) = (read_action(from)?, read_target(from)?, read_actor(from)?);
        let (actor_mfa, source_ip, user_agent) = (from.flag(), from.shared(), from.shared());
        let failed = from.flag()?;
        let (code, message) = (from.shared().map(Text::from), from.optional());
        let (original, content) = (from.optional(), from.optional());
        let (content, partial) = content_of(content.as_deref());
        let (delivered_at, object_id) = (from.time(), from.text()?);
        let event = Event {
            id,
            time,
            account: account.into(),
            region: region.into(),
            source: source.into(),
            name: name.into(),
            action,
            target,
            actor_mfa: from.mfa(actor.kind, actor_mfa),
            actor: actor.into(),
            source_ip: source_ip.map(Text::from),
            user_agent: user_agent.map(Text::from),
            failure: failed.then(|| Failure { code, message }.into()),
            objects: from.optional().into_iter().collect(),
            delivered_at,
            lineage: Lineage { original, content, partial, ..Lineage::default() },
        };
        let (etag, size, sha256) = (from.optional(), from.count(), from.optional());
        let (number, record) = (from.count(), from.optional());
        let mut row = Self { event, object_id, etag, size, sha256, number, record };
        if row.event.lineage.content.is_none() {
            row.renew();
        }
        Some(row)
    }
}

/// A call, and of which object it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CallRow {
    /// The call.
    pub call: Call,
    /// `awsRegion`.
    pub region: Option<Arc<str>>,
    /// Whose row it is.
    pub object_id: Arc<str>,
}

impl Row for CallRow {
    const DATASET: Dataset = Dataset::Calls;

    fn lay(&self, into: &mut Table) {
        let call = &self.call;
        into.time(Some(call.time));
        into.text(&call.event_id);
        into.text(&call.account);
        into.optional(self.region.as_deref());
        lay_actor(&call.actor, into);
        into.optional(call.source_ip.as_deref());
        into.text(&call.service);
        into.text(&call.name);
        into.flag(Some(call.read_only));
        into.flag(Some(call.failed));
        into.flag(call.session_mfa);
        into.flag(call.sign_in_mfa);
        into.optional(call.about_user.as_deref());
        into.optional(call.lineage.original.as_deref());
        into.text(&self.object_id);
    }

    fn read(from: &mut Cells<'_>) -> Option<Self> {
        let (time, event_id, account, region) = (from.time()?, from.text()?, from.shared()?, from.shared());
        let actor = read_actor(from)?;
        let kind = actor.kind;
        let call = Call {
            event_id,
            time,
            account,
            actor: Arc::new(actor),
            source_ip: from.shared(),
            service: from.shared()?,
            name: from.shared()?,
            read_only: from.flag()?,
            failed: from.flag()?,
            session_mfa: {
                let told = from.flag();
                from.mfa(kind, told)
            },
            sign_in_mfa: from.flag(),
            about_user: from.shared(),
            lineage: trace::Lineage { original: from.shared(), ..trace::Lineage::default() },
        };
        Some(Self { call, region, object_id: from.shared()? })
    }
}

/// A sighting, of one object, account and region.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SightingRow {
    /// The sighting.
    pub sighting: Sighting,
    /// Whose records.
    pub account: Option<Arc<str>>,
    /// `awsRegion`.
    pub region: Option<Arc<str>>,
    /// Whose row it is.
    pub object_id: Arc<str>,
}

impl Row for SightingRow {
    const DATASET: Dataset = Dataset::Sightings;

    fn lay(&self, into: &mut Table) {
        into.text(&self.sighting.actor);
        into.text(&self.sighting.source_ip);
        into.time(Some(self.sighting.first));
        into.time(Some(self.sighting.last));
        into.optional(self.account.as_deref());
        into.optional(self.region.as_deref());
        into.text(&self.object_id);
    }

    fn read(from: &mut Cells<'_>) -> Option<Self> {
        let sighting =
            Sighting { actor: from.shared()?, source_ip: from.shared()?, first: from.time()?, last: from.time()? };
        Some(Self { sighting, account: from.shared(), region: from.shared(), object_id: from.shared()? })
    }
}

/// A caller by the cells of its columns, in their order.
pub(super) fn actor([kind, account, id, name, arn, access_key, issuer]: [Option<&str>; 7]) -> Actor {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let kind = serde_json::Value::String(kind.unwrap_or_default().to_owned());
    Actor {
        kind: serde_json::from_value(kind).unwrap_or(ActorKind::Other),
        account: owned(account),
        id: owned(id),
        name: owned(name),
        arn: owned(arn),
        access_key: owned(access_key),
        issuer: owned(issuer),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    fn file<R: Row>(rows: &[R]) -> Vec<u8> {
        let mut table = Table::new(R::DATASET);
        rows.iter().for_each(|row| table.add(row));
        table.file().unwrap()
    }

    fn action(of: Action) -> Event {
        let some = |text: &str| Some(text.to_owned());
        Event {
            id: "id".to_owned(),
            time: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
            account: "111122223333".into(),
            region: Text::default(),
            source: "iam.amazonaws.com".into(),
            name: "Name".into(),
            action: of,
            target: Target::User { name: some("a"), id: None },
            actor: Actor {
                kind: ActorKind::AssumedRoot,
                account: some("111122223333"),
                id: None,
                name: some("\u{1F511} \"'"),
                arn: None,
                access_key: some("ASIA"),
                issuer: some("arn:aws:iam::111122223333:role/path/r"),
            }
            .into(),
            actor_mfa: None,
            source_ip: Some("192.0.2.1".into()),
            user_agent: None,
            failure: Some(Failure { code: None, message: some("no") }.into()),
            objects: ["o"].into_iter().collect(),
            delivered_at: None,
            lineage: Lineage { content: Some(7 << 70), original: some("other"), ..Lineage::default() },
        }
    }

    #[test]
    fn kinds_of_callers_are_read_by_the_names_that_are_written() {
        use ActorKind::*;
        for kind in [Root, AssumedRoot, IamUser, AssumedRole, Service, IdentityCenter, Other] {
            assert_eq!(by_name(kind.name().to_owned()), Some(kind));
        }
    }

    #[test]
    fn every_kind_of_event_survives_the_file() {
        let some = |text: &str| Some(text.to_owned());
        let actions = [
            Action::DeviceCreated { serial: None },
            Action::DeviceEnabled { serial: some("s") },
            Action::DeviceResynced { serial: some("s") },
            Action::DeviceDeactivated { serial: some("s") },
            Action::DeviceDeleted { serial: some("s") },
            Action::DeviceTagged { serial: some("s") },
            Action::DeviceUntagged { serial: some("") },
            Action::ConsoleLogin { mfa_used: Some(false), serial: some("s") },
            Action::ConsoleLogin { mfa_used: None, serial: None },
            Action::MfaChecked,
            Action::SessionToken { serial: "s".to_owned() },
            Action::RootAssumed { target_account: some("t"), access_key: some("k") },
            Action::UserCreated,
            Action::UserDeleted,
            Action::UserRenamed { new_name: "n".to_owned() },
            Action::PasswordCreated,
            Action::PasswordReset,
            Action::PasswordChanged,
            Action::PasswordRemoved,
            Action::AccessKeyCreated { key: some("k") },
            Action::AccessKeyUpdated { key: None, active: true },
            Action::AccessKeyDeleted { key: some("k") },
            Action::PolicyAttached { arn: some("arn") },
            Action::PolicyDetached { arn: None },
            Action::PolicyPut { policy: some("p"), document: some("{}") },
            Action::PolicyDeleted { policy: some("p") },
            Action::GroupChanged { group: some("g"), added: false },
            Action::TrailChanged { trail: some("t") },
        ];
        let mut events: Vec<Event> = actions.into_iter().map(action).collect();
        let targets = [
            Target::Root,
            Target::IdentityCenter { store: None, user: "u".to_owned() },
            Target::IdentityCenter { store: some("d"), user: "u".to_owned() },
            Target::DeviceOnly,
            Target::Nobody,
            Target::User { name: None, id: some("AIDA") },
        ];
        events.extend(targets.map(|target| Event { target, failure: None, ..action(Action::MfaChecked) }));
        let row = |(number, event): (u64, Event)| EventRow {
            event,
            object_id: "00".to_owned(),
            etag: None,
            size: 7,
            sha256: some("ff"),
            number,
            record: some("{\"a\":\n1}"),
        };
        let rows: Vec<EventRow> = (0..).zip(events).map(row).collect();
        let bytes = file(&rows);
        let mut back: Vec<EventRow> = frame::rows("file".as_ref(), bytes.clone(), 0).unwrap();
        back.sort_by_key(|row| row.number);
        assert_eq!(back, rows);
        let without: Vec<EventRow> = frame::rows("file".as_ref(), bytes, 1).unwrap();
        assert!(without.iter().all(|row| row.record.is_none()) && without.len() == rows.len());
    }

    #[test]
    fn an_object_survives_the_file() {
        let time = DateTime::from_timestamp(1_790_000_000, 0);
        let row = ObjectRow {
            object_id: "0a".to_owned(),
            status: Status::Replaced,
            name: "n".to_owned(),
            location: "l".to_owned(),
            etag: Some("e".to_owned()),
            size: 1,
            sha256: None,
            account: None,
            region: Some("us-east-1".to_owned()),
            day: NaiveDate::from_ymd_opt(1969, 12, 31),
            delivered_at: None,
            error: Some("why".to_owned()),
            records: 2,
            records_unusable: 3,
            records_passed_over: 4,
            stored_bytes: 5,
            json_bytes: 6,
            first_record: time,
            last_record: None,
            latest_delivery: time,
            accounts: "{}".to_owned(),
            events: 7,
            calls: 8,
            sightings: 9,
            integrity: Some(Integrity::Unsigned),
            digest: Some("d".to_owned()),
            run: 10,
            commit: 11,
            read_at: time,
        };
        let bytes = file(std::slice::from_ref(&row));
        assert_eq!(frame::rows::<ObjectRow>("file".as_ref(), bytes, 0).unwrap(), [row]);
    }

    #[test]
    fn an_id_is_of_location_tag_and_size() {
        let ids = [
            object_id("a", Some("b"), 1),
            object_id("a", None, 1),
            object_id("ab", None, 1),
            object_id("a", Some("b"), 2),
            object_id("ab", Some(""), 11),
        ];
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 5);
        assert_eq!(object_id("a", Some("b"), 1), ids[0]);
    }
}
