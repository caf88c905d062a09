//! What was found, put together: who held what, what was done with it, what it made, and what of that still stands.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, TimeDelta, Utc};

use super::question::Question;
use super::{Reading, TraceRequest, iam, steps, unknowns};
use crate::app::{Run, THIS};
use crate::arn::{self, Arn};
use crate::cloudtrail::{ActorKind, Record};
use crate::contract::Conflict;
use crate::contract::trace::{
    MfaRemoval, TRACE_SCHEMA, Trace, TraceCall, TraceCoverage, TraceCredential, TraceEffect, TraceEvent, TraceQuestion,
    TraceSubject, TraceUse,
};
use crate::inventory::IamState;
use crate::lineage::{
    Action, Credential, Endings, Family, Holder, Link, Member, Person, Relation, Session, Standing, Thing, ThingKind,
};
use crate::search::hits::Hits;
use crate::source::ObjectRef;

/// Events that are listed at most.
const MOST_EVENTS: usize = 200_000;

/// Addresses, user agents and keys that are told apart of one credential at most.
const MOST_USES: usize = 200;

/// Keys of parameters that name what a call is about.
const TARGETS: [&str; 16] = [
    "userName",
    "roleArn",
    "roleName",
    "serialNumber",
    "groupName",
    "policyArn",
    "bucketName",
    "secretId",
    "functionName",
    "instanceId",
    "keyId",
    "tableName",
    "name",
    "dBInstanceIdentifier",
    "trailName",
    "accountId",
];

/// How one credential was used.
#[derive(Debug, Clone, Default)]
struct Usage {
    who: Option<String>,
    id: Option<String>,
    account: Option<String>,
    mfa: Option<bool>,
    addresses: BTreeMap<String, TraceUse>,
    agents: BTreeMap<String, TraceUse>,
    keys: BTreeMap<String, TraceUse>,
    calls: u64,
    changes: u64,
    refused: u64,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

/// What the records say.
pub(super) struct Told {
    usage: Vec<Usage>,
    /// Numbers of members, from 1, each after its parent.
    numbers: Vec<usize>,
    events: Vec<TraceEvent>,
    omitted: u64,
    subjects: BTreeSet<TraceSubject>,
    pub(super) conflicts: Vec<Conflict>,
}

/// Accounts and ids of the events that are asked about: any number of records may bear one id.
type Asked<'r> = BTreeSet<(Option<&'r str>, &'r str)>;

/// Reads the records of the family, in order of time.
pub(super) fn tell(request: &TraceRequest, reading: &Reading, hits: Hits) -> io::Result<Told> {
    let mut told = Told {
        usage: vec![Usage::default(); reading.family.len()],
        numbers: numbers(&reading.family),
        events: Vec::new(),
        omitted: 0,
        subjects: BTreeSet::new(),
        conflicts: Vec::new(),
    };
    let asked: Asked<'_> =
        reading.seeds.events.iter().map(|event| (event.account.as_deref(), event.event_id.as_str())).collect();
    let given = hits.records(&mut |object, record| told.add(request, reading, &asked, object, record))?;
    told.conflicts = super::conflicts(given.conflicts);
    Ok(told)
}

/// The order in which credentials are told: each after the one that made it.
fn order(family: &Family) -> Vec<usize> {
    let members = family.members();
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        children.entry(member.parent).or_default().push(place);
    }
    let begun = |place: &usize| {
        let member = members.get(*place);
        (member.and_then(|member| member.made_by.as_ref().map(|link| link.at)), *place)
    };
    let mut order = Vec::with_capacity(members.len());
    let mut seen = BTreeSet::new();
    // What leads back into itself has no root: each that was not met begins a tree of its own.
    let roots = children.get(&None).cloned().unwrap_or_default().into_iter().chain(0..members.len());
    for root in roots {
        let mut next = vec![root];
        while let Some(place) = next.pop() {
            if !seen.insert(place) {
                continue;
            }
            order.push(place);
            let mut below = children.get(&Some(place)).cloned().unwrap_or_default();
            below.sort_by_key(|place| std::cmp::Reverse(begun(place)));
            next.extend(below);
        }
    }
    order
}

fn numbers(family: &Family) -> Vec<usize> {
    let mut numbers = vec![0; family.len()];
    for (number, place) in order(family).into_iter().enumerate() {
        if let Some(own) = numbers.get_mut(place) {
            *own = number + 1;
        }
    }
    numbers
}

impl Usage {
    fn add(&mut self, holder: &Holder, record: &Record<'_, '_>) {
        let actor = &holder.actor;
        self.who.get_or_insert_with(|| actor.display());
        self.id = self.id.take().or_else(|| actor.id.clone());
        self.account = self.account.take().or_else(|| actor.account.clone());
        self.mfa = self.mfa.max(holder.mfa);
        let at = record.time;
        let used = |uses: &mut BTreeMap<String, TraceUse>, value: Option<&str>| {
            let Some(value) = value.filter(|value| uses.contains_key(*value) || uses.len() < MOST_USES) else { return };
            let first = || TraceUse { value: value.to_owned(), first_at: at, last_at: at, calls: 0 };
            let own = uses.entry(value.to_owned()).or_insert_with(first);
            own.first_at = own.first_at.min(at);
            own.last_at = own.last_at.max(at);
            own.calls += 1;
        };
        used(&mut self.addresses, record.text(&["sourceIPAddress"]));
        used(&mut self.agents, record.text(&["userAgent"]));
        used(&mut self.keys, actor.access_key.as_deref());
        self.calls += 1;
        let refused = record.failed();
        self.refused += u64::from(refused);
        self.changes += u64::from(!refused && !record.read_only());
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = self.last.max(Some(at));
    }
}

impl Told {
    fn add(
        &mut self,
        request: &TraceRequest,
        reading: &Reading,
        asked: &Asked<'_>,
        object: &ObjectRef,
        record: &Record<'_, '_>,
    ) {
        let holder = Holder::of(record);
        let own = reading.family.member_of(&holder, record.time);
        let began = if own.is_none() { reading.family.made_in(record) } else { None };
        let is_asked = asked.contains(&(record.account(), &*record.id()));
        if own.is_none() && began.is_none() && !is_asked {
            return;
        }
        let is_sign_in = began.is_some() && record.source == "signin.amazonaws.com";
        if let Some(usage) = own.or(began.filter(|_| is_sign_in)).and_then(|place| self.usage.get_mut(place)) {
            usage.add(&holder, record);
        }
        let subject = own.or(began.filter(|_| is_sign_in)).and_then(|place| reading.family.members().get(place));
        let is_subject = subject.is_some_and(|member| member.relation == Relation::Subject);
        if (is_subject && matches!(request.question, Question::User(_))) || is_asked {
            self.subjects.insert(subject_of(&holder));
        }
        let relation = if own.is_some() || began.is_none() { "by" } else { "began" };
        let number = own.or(began).and_then(|place| self.numbers.get(place)).copied();
        self.push(event(record, &holder, number, relation, object));
    }

    fn push(&mut self, event: TraceEvent) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(event);
        } else {
            self.omitted += 1;
        }
    }

    fn number(&self, place: Option<usize>) -> Option<usize> {
        self.numbers.get(place?).copied()
    }

    /// The whole document.
    pub(super) fn document(
        mut self,
        request: &TraceRequest,
        reading: &Reading,
        state: Option<&IamState>,
        run: Run<'_>,
    ) -> Trace {
        let effects = self.effects(reading);
        let removals = self.removals(request, reading);
        self.add_what_others_did(request, reading, &effects);
        let credentials = self.credentials(reading);
        if self.subjects.is_empty() {
            self.subjects.extend(asked_about(&request.question, &credentials));
        }
        let coverage = &reading.scanned.coverage;
        let mut trace = Trace {
            schema: TRACE_SCHEMA,
            tool: THIS,
            traced_at: DateTime::from_timestamp(run.now.timestamp(), 0).unwrap_or(run.now),
            asked: question(&request.question),
            from: request.selection.from,
            to: request.selection.to,
            complete: false,
            unknowns: Vec::new(),
            subjects: self.subjects.iter().cloned().collect(),
            mfa_removals: removals,
            credentials,
            effects,
            events: std::mem::take(&mut self.events),
            events_omitted: self.omitted,
            next_steps: Vec::new(),
            coverage: TraceCoverage {
                passes: reading.passes,
                objects_listed: coverage.objects_listed,
                objects_read: coverage.objects_read,
                objects_failed: coverage.objects_failed,
                objects_skipped: coverage.objects_skipped,
                bytes_compressed: coverage.bytes_compressed,
                bytes_raw: coverage.bytes_raw,
                failures: coverage.failures.clone(),
            },
        };
        let mut unknown = state.map(|state| iam::compare(&mut trace, state)).unwrap_or_default();
        unknown.extend(unknowns::unknowns(request, reading, &trace, &self.conflicts));
        unknown.sort();
        trace.unknowns = unknown;
        trace.complete = !trace.unknowns.iter().any(|unknown| unknown.code.is_incomplete());
        trace.next_steps = steps::steps(&trace);
        trace
    }

    fn call(&self, link: &Link, family: &Family) -> TraceCall {
        TraceCall {
            event_id: link.event_id.clone(),
            event_name: link.name.clone(),
            at: link.at,
            account: link.account.clone(),
            actor: link.holder.actor.display(),
            credential: self.number(family.member_of(&link.holder, link.at)),
            address: link.address.clone(),
            mfa: link.holder.mfa,
        }
    }

    fn effects(&self, reading: &Reading) -> Vec<TraceEffect> {
        let Reading { family, links, .. } = reading;
        let (mut effects, endings) = (Vec::new(), Endings::of(links));
        for link in links {
            let Some((action, thing)) = link.done() else { continue };
            if family.member_of(&link.holder, link.at).is_none() {
                continue;
            }
            let ending = endings.standing((action, thing), link);
            effects.push(TraceEffect {
                kind: kind(thing.kind),
                action: action_word(action),
                label: thing.label(),
                account: thing.account.clone(),
                owner: thing.owner.clone(),
                name: thing.name.clone(),
                by: self.call(link, family),
                standing: standing_word(ending.standing),
                ended_by: ending.by.map(|by| self.call(by, family)),
                iam: None,
            });
        }
        effects
    }

    fn removals(&self, request: &TraceRequest, reading: &Reading) -> Vec<MfaRemoval> {
        let Reading { family, links, .. } = reading;
        let (mut removals, endings) = (Vec::new(), Endings::of(links));
        for link in links {
            let Some((Action::Removed, thing)) = link.done().filter(|(_, thing)| thing.kind == ThingKind::Device)
            else {
                continue;
            };
            let credential = self.number(family.member_of(&link.holder, link.at));
            let user = thing.owner.clone().unwrap_or_else(|| "unknown".to_owned());
            if credential.is_none() && !is_about(&request.question, thing) {
                continue;
            }
            let ending = endings.standing((Action::Removed, thing), link);
            removals.push(MfaRemoval {
                event_id: link.event_id.clone(),
                at: link.at,
                account: link.account.clone(),
                user,
                device: thing.name.clone(),
                actor: link.holder.actor.display(),
                credential,
                mfa: link.holder.mfa,
                address: link.address.clone(),
                reenabled: ending.by.map(|by| self.call(by, family)),
            });
        }
        removals
    }

    /// Adds what others did to what was made, and to the user who was asked about.
    fn add_what_others_did(&mut self, request: &TraceRequest, reading: &Reading, effects: &[TraceEffect]) {
        let Reading { family, links, .. } = reading;
        let ended: BTreeSet<&str> =
            effects.iter().filter_map(|effect| effect.ended_by.as_ref()).map(|by| by.event_id.as_str()).collect();
        let known: BTreeSet<(Option<String>, String)> =
            self.events.iter().map(|event| (event.account.clone(), event.event_id.clone())).collect();
        for link in links.iter().filter(|link| family.member_of(&link.holder, link.at).is_none()) {
            let is_about = link.done().is_some_and(|(_, thing)| is_about(&request.question, thing));
            let is_known = known.contains(&(link.account.clone(), link.event_id.clone()));
            if (is_about || ended.contains(link.event_id.as_str())) && !is_known {
                self.push(event_of_link(link));
            }
        }
        self.events.sort_by(|one, other| (one.at, &one.account).cmp(&(other.at, &other.account)));
    }

    fn credentials(&self, reading: &Reading) -> Vec<TraceCredential> {
        let members = reading.family.members();
        let all = order(&reading.family).into_iter().filter_map(|place| {
            Some(self.credential(place, members.get(place)?, self.usage.get(place)?, &reading.family))
        });
        all.collect()
    }

    fn credential(&self, place: usize, member: &Member, usage: &Usage, family: &Family) -> TraceCredential {
        let made_by = member.made_by.as_ref();
        let session = match &member.credential {
            Credential::Session(session) => Some(session),
            _ => None,
        };
        let key = match &member.credential {
            Credential::Key(key) => Some(key.clone()),
            _ => session.and_then(|session| session.key.clone()),
        };
        let key_is_known = matches!(member.credential, Credential::Key(_)) || session.is_some();
        let uses = |all: &BTreeMap<String, TraceUse>| {
            let mut all: Vec<TraceUse> = all.values().cloned().collect();
            all.sort_by(|one, other| (one.first_at, &one.value).cmp(&(other.first_at, &other.value)));
            all
        };
        TraceCredential {
            number: self.number(Some(place)).unwrap_or_default(),
            kind: credential_kind(&member.credential),
            relation: match member.relation {
                Relation::Subject => "subject",
                Relation::Actor => "actor",
                Relation::Before => "before",
                Relation::After => "after",
            },
            label: label(member, usage),
            access_key: key,
            id: session.and_then(|session| session.id.clone()).or_else(|| usage.id.clone()),
            begun_at: session.map(|session| session.begun),
            expires_at: session.zip(made_by).and_then(|(session, link)| expiry(session, link)),
            parent: self.number(member.parent),
            made_by: made_by.map(|link| self.call(link, family)),
            claims: member.claims,
            mfa: usage.mfa,
            addresses: uses(&usage.addresses),
            user_agents: uses(&usage.agents),
            access_keys: if key_is_known { Vec::new() } else { uses(&usage.keys) },
            calls: usage.calls,
            changes: usage.changes,
            refused: usage.refused,
            first_at: usage.first,
            last_at: usage.last,
        }
    }
}

/// Whether a thing is of the user who was asked about.
fn is_about(question: &Question, thing: &Thing) -> bool {
    let Question::User(Person { account, name, .. }) = question else { return false };
    thing.owner.as_deref().is_some_and(|owner| owner.eq_ignore_ascii_case(name))
        && account.as_deref().is_none_or(|own| thing.account.as_deref() == Some(own))
        && !matches!(
            thing.kind,
            ThingKind::Role | ThingKind::TrustPolicy | ThingKind::RolePolicy | ThingKind::GroupPolicy
        )
}

/// When a session that a call of STS handed out ends. Source: STS API reference, default durations.
fn expiry(session: &Session, link: &Link) -> Option<DateTime<Utc>> {
    let default = match link.name.as_str() {
        "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity" => 3600,
        "AssumeRoot" => 900,
        "GetSessionToken" if link.holder.actor.kind == ActorKind::Root => 3600,
        "GetSessionToken" | "GetFederationToken" => 43_200,
        _ => return None,
    };
    session.begun.checked_add_signed(TimeDelta::try_seconds(link.seconds.unwrap_or(default))?)
}

fn label(member: &Member, usage: &Usage) -> String {
    let of = |who: Option<&str>| who.map_or_else(String::new, |who| format!(" of {who}"));
    let in_account = |account: Option<&str>| account.map_or_else(String::new, |account| format!(" in {account}"));
    let made_by = member.made_by.as_ref();
    match &member.credential {
        Credential::Key(key) => {
            let owner = made_by.and_then(Link::done).map(|(_, thing)| thing.label());
            owner.unwrap_or_else(|| format!("access key {key}{}", of(usage.who.as_deref())))
        }
        Credential::User(person) => format!("{}{}", name_of(person), in_account(person.account.as_deref())),
        Credential::Password(person) => {
            format!("console password of {}{}", name_of(person), in_account(person.account.as_deref()))
        }
        Credential::Role { account, name, .. } => format!("sessions of role {name}{}", in_account(account.as_deref())),
        Credential::Session(session) => session_label(session, made_by, usage),
    }
}

fn name_of(person: &Person) -> String {
    if person.is_root() { "the root user".to_owned() } else { format!("user {}", person.name) }
}

fn session_label(session: &Session, made_by: Option<&Link>, usage: &Usage) -> String {
    let who = usage.who.as_deref();
    let session_of_role = who.and_then(|arn| Arn::parse(arn)?.role_session());
    if let Some(role) = session_of_role {
        return format!("session {} of role {} in {}", role.session, role.role, role.account);
    }
    let caller = made_by.map(|link| link.holder.actor.display());
    let user = who.map(str::to_owned).or(caller).unwrap_or_else(|| "an unknown caller".to_owned());
    match made_by {
        Some(link) if link.is_sign_in() => format!("console session of {user}"),
        Some(link) if link.role.is_some() => {
            let role = link.role.as_deref().and_then(Arn::parse).map_or("unknown", |arn| arn::name(arn.resource));
            let name = session.id.as_deref().and_then(|id| id.split_once(':')).map_or("", |(_, name)| name);
            format!("session {name} of role {role}")
        }
        Some(link) if link.name == "GetSessionToken" => format!("session token of {user}"),
        Some(link) if link.name == "GetFederationToken" => format!("federated session of {user}"),
        _ => format!("session of {user}"),
    }
}

const fn credential_kind(credential: &Credential) -> &'static str {
    match credential {
        Credential::Key(_) => "access_key",
        Credential::Session(_) => "session",
        Credential::User(_) => "user",
        Credential::Password(_) => "password",
        Credential::Role { .. } => "role",
    }
}

const fn kind(kind: ThingKind) -> &'static str {
    match kind {
        ThingKind::AccessKey => "access_key",
        ThingKind::User => "user",
        ThingKind::Password => "password",
        ThingKind::Role => "role",
        ThingKind::TrustPolicy => "trust_policy",
        ThingKind::UserPolicy => "user_policy",
        ThingKind::RolePolicy => "role_policy",
        ThingKind::GroupPolicy => "group_policy",
        ThingKind::Membership => "membership",
        ThingKind::Device => "mfa_device",
        ThingKind::ServiceCredential => "service_credential",
        ThingKind::SshKey => "ssh_key",
        ThingKind::SigningCertificate => "signing_certificate",
        ThingKind::Provider => "provider",
        ThingKind::Trail => "trail",
    }
}

const fn action_word(action: Action) -> &'static str {
    match action {
        Action::Made => "made",
        Action::Changed => "changed",
        Action::Disabled => "disabled",
        Action::Removed => "removed",
    }
}

const fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Stands => "stands",
        Standing::Inactive => "inactive",
        Standing::Ended => "ended",
    }
}

fn subject_of(holder: &Holder) -> TraceSubject {
    let actor = &holder.actor;
    TraceSubject { account: actor.account.clone(), kind: actor.kind.name(), who: actor.display(), id: actor.id.clone() }
}

/// Whom it is about where no record tells.
fn asked_about(question: &Question, credentials: &[TraceCredential]) -> Option<TraceSubject> {
    let subject = credentials.iter().find(|credential| credential.relation == "subject")?;
    match question {
        Question::User(_) => None,
        Question::Event { .. } | Question::AccessKey(_) => {
            Some(TraceSubject { account: None, kind: subject.kind, who: subject.label.clone(), id: subject.id.clone() })
        }
    }
}

fn question(question: &Question) -> TraceQuestion {
    let (kind, value, account) = match question {
        Question::Event { account, id } => ("event", id, account),
        Question::User(Person { account, name, .. }) => ("user", name, account),
        Question::AccessKey(key) => ("access_key", key, &None),
    };
    TraceQuestion { kind, value: value.clone(), account: account.clone() }
}

fn event(
    record: &Record<'_, '_>,
    holder: &Holder,
    credential: Option<usize>,
    relation: &'static str,
    object: &ObjectRef,
) -> TraceEvent {
    let text = |path: &[&str]| record.text(path).map(str::to_owned);
    let failed = record.failed();
    TraceEvent {
        event_id: record.id().into_owned(),
        at: record.time,
        account: record.account().map(str::to_owned),
        region: text(&["awsRegion"]),
        source: record.source.to_owned(),
        name: record.name.to_owned(),
        credential,
        relation,
        actor: holder.actor.display(),
        access_key: holder.actor.access_key.clone(),
        address: text(&["sourceIPAddress"]),
        user_agent: text(&["userAgent"]),
        mfa: holder.mfa,
        error: record.error_code().map(str::to_owned).or_else(|| failed.then(|| "Failure".to_owned())),
        read_only: record.read_only(),
        target: target(record),
        object: Some(object.name.clone()),
    }
}

fn target(record: &Record<'_, '_>) -> Option<String> {
    let thing = Link::of(record).and_then(|link| link.change).map(|(_, thing)| thing.label());
    let named = || TARGETS.iter().find_map(|key| record.text(&["requestParameters", key])).map(str::to_owned);
    thing.or_else(named)
}

fn event_of_link(link: &Link) -> TraceEvent {
    TraceEvent {
        event_id: link.event_id.clone(),
        at: link.at,
        account: link.account.clone(),
        region: link.region.clone(),
        source: link.source.clone(),
        name: link.name.clone(),
        credential: None,
        relation: "about",
        actor: link.holder.actor.display(),
        access_key: link.holder.actor.access_key.clone(),
        address: link.address.clone(),
        user_agent: link.agent.clone(),
        mfa: link.holder.mfa,
        error: link.failed.then(|| "Failure".to_owned()),
        read_only: false,
        target: link.change.as_ref().map(|(_, thing)| thing.label()),
        object: None,
    }
}
