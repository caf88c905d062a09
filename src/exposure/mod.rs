//! From events and IAM state to windows, findings and figures: pure functions, no clock, no I/O.
//!
//! ```text
//! events --ledger--> principals --devices--> D(t) --windows--> windows --classify, detect, activity--> figures
//!                        ^                    ^                             ^
//!                    IAM state            IAM state                     the trace
//! ```
//!
//! It is called twice for a report: [`wanted`] says whose calls matter, so that the trace can be asked for no more than
//! these, and [`analyse`] does the rest.

mod activity;
mod acts;
mod approvals;
mod calls;
mod classify;
mod credentials;
mod detect;
mod devices;
mod figures;
mod history;
mod ids;
mod index;
mod ledger;
mod listed;
mod parts;
#[cfg(test)]
mod plain;
mod reconcile;
mod signals;
mod timeline;
mod trails;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::cloudtrail::{Actor, ActorKind};
use crate::contract::{
    Approved, Certainty, Class, CloseReason, Figures, Finding, LeftoverDevice, LifecycleEvent, Notice, NoticeCode,
    Outcome, Period, PrincipalKind, Reason, Window,
};
use crate::inputs::{Approval, Detection, DetectionSubject, Settings};
use crate::inventory::{IamState, UserState};
use crate::mfa::{Action, Event, user_id, user_name};
use crate::trace::{Call, Context, Selection, sighting_key};
use approvals::{Alerts, Approvals};
use calls::Calls;
use classify::{Facts, Verdict};
use credentials::Credentials;
use devices::Bounds;
use ids::Table;
use ledger::{ABOUT_ROOT, Entity, EntityId, EventId, IamEntry, Ledger};
use windows::{Deactivation, Draft};

pub use figures::{mfa_coverage, stat};
pub use history::{Cited, Edge, Had, Happened, Held, History, How, Opened, Question, is_actor, is_device};
pub use parts::{Month, Parts};
pub use trails::{Weakening, gaps, weakenings};

/// A principal or an event was asked for that the ledger does not have. It would be missing in what is said, so nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the analysis lost a principal or an event, so that a window might be missing: there is no result\n  hint: this is a fault in \
     mfatrail: report it with the version, and with the command if you can"
)]
pub struct Inconsistent;

/// Everything that a report is computed from.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Extracted events, in any order, copies allowed.
    pub events: &'a [Event],
    /// What else was done, by whom, from where.
    pub context: &'a Context,
    /// IAM state.
    pub iam: Option<&'a IamState>,
    /// Per account, `eventTime` of the first and the last record that was read.
    pub covered: &'a BTreeMap<String, [DateTime<Utc>; 2]>,
    /// Approvals.
    pub approvals: &'a [Approval],
    /// Detections.
    pub detections: &'a [Detection],
    /// The policy in force.
    pub settings: &'a Settings,
    /// The reported period.
    pub period: Period,
    /// Up to when open windows are measured, inclusive; later events are not considered.
    pub as_of: DateTime<Utc>,
}

/// What a report says, apart from its coverage.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Every window that touches the period, in order of opening.
    pub windows: Vec<Window>,
    /// Every lifecycle event of the period.
    pub events: Vec<LifecycleEvent>,
    /// Where IAM and the archive disagree.
    pub reconciliation: Vec<Finding>,
    /// Virtual devices that are assigned to nobody, as the archive explains.
    pub leftover_devices: Vec<LeftoverDevice>,
    /// The figures.
    pub figures: Figures,
    /// Approvals and detections that matched nothing.
    pub notices: Vec<Notice>,
}

/// Whose calls the analysis needs: of all that an archive holds, a handful.
#[derive(Debug, Default)]
pub struct Wanted {
    /// (account, lower-case user name or unique id) of principals with windows, and of users who opened them.
    users: BTreeSet<(String, String)>,
    /// Accounts whose root user matters.
    roots: BTreeSet<String>,
    identity_center: BTreeSet<String>,
    /// Roles and services that opened windows, by [`sighting_key`].
    actors: BTreeSet<String>,
    /// Callers that read about a principal with a window: whether that was a sweep takes all their reading calls.
    readers: BTreeSet<Actor>,
    /// When those reading calls were made.
    read_at: BTreeSet<DateTime<Utc>>,
    /// Ids of the events that change who is exposed.
    events: BTreeSet<String>,
}

impl Selection for Wanted {
    fn caller(&self, actor: &Actor, account: &str) -> bool {
        let known = |key: &str| self.users.contains(&(account.to_owned(), key.to_owned()));
        match actor.kind {
            ActorKind::Root => self.roots.contains(account),
            ActorKind::IdentityCenter => actor.id.as_ref().is_some_and(|id| self.identity_center.contains(id)),
            ActorKind::IamUser => {
                user_name(actor).is_some_and(|name| known(&name.to_lowercase())) || user_id(actor).is_some_and(known)
            }
            _ => false,
        }
    }

    fn about(&self, account: &str, about: &str) -> bool {
        self.users.contains(&(account.to_owned(), about.to_owned()))
            || (about == ABOUT_ROOT && self.roots.contains(account))
    }

    fn reader(&self, actor: &Actor) -> bool {
        self.readers.contains(actor)
    }

    fn near_reading(&self, time: DateTime<Utc>) -> bool {
        self.read_at.range(time - detect::SWEEP_SPAN..=time + detect::SWEEP_SPAN).next().is_some()
    }

    fn actor(&self, key: &str) -> bool {
        self.actors.contains(key)
    }

    fn events(&self) -> &BTreeSet<String> {
        &self.events
    }

    fn add_readers(&mut self, calls: &[Call]) {
        for call in calls.iter().filter(|call| call.read_only) {
            if call.about_user.as_deref().is_some_and(|about| self.about(&call.account, about)) {
                self.readers.insert(Actor::clone(&call.actor));
                self.read_at.insert(call.time);
            }
        }
    }
}

impl Wanted {
    fn add(&mut self, entity: &Entity<'_>) {
        match entity.kind {
            PrincipalKind::Root => {
                self.roots.insert(entity.account.clone());
            }
            PrincipalKind::IdentityCenter => self.identity_center.extend(entity.id.clone()),
            PrincipalKind::IamUser => {
                let names = entity.names.iter().map(|span| span.name.to_lowercase());
                let keys = names.chain(entity.id.clone());
                self.users.extend(keys.map(|key| (entity.account.clone(), key)));
            }
        }
    }
}

impl Wanted {
    /// The actor of an event, and which principal it is; one that no event is about is no principal of the ledger, and yet its
    /// calls are looked up.
    fn add_actor(&mut self, ledger: &Ledger<'_>, event: &Event) -> Option<EntityId> {
        let actor = &event.actor;
        self.actors.extend(sighting_key(actor).map(str::to_owned));
        match actor.kind {
            ActorKind::IamUser => {
                let keys = user_name(actor).map(str::to_lowercase).into_iter().chain(user_id(actor).map(str::to_owned));
                self.users.extend(keys.map(|key| (event.account.to_string(), key)));
            }
            ActorKind::Root | ActorKind::AssumedRoot => {
                self.roots.insert(event.account.to_string());
            }
            ActorKind::IdentityCenter => self.identity_center.extend(actor.id.clone()),
            _ => {}
        }
        ledger.entity_of(actor, &event.account, event.time)
    }
}

/// Determines whose calls matter: those of the principals that lost a device or have a window, and of the actors behind it.
///
/// # Errors
/// Where a principal or an event was lost.
pub fn wanted(input: &Input<'_>) -> Result<Wanted, Inconsistent> {
    let Replayed { ledger, windows, deactivations, .. } = Replayed::new(input);
    let mut wanted = Wanted::default();
    let seen = |event: &&Event| matches!(event.source.as_str(), "signin.amazonaws.com" | "sts.amazonaws.com");
    let changes = input.events.iter().filter(|event| event.succeeded() && !seen(event));
    wanted.events.extend(changes.map(|event| event.id.clone()));
    // Every deactivation, whatever it did: whether it opened a window may hang on whose the name was, which these calls
    // tell.
    let openings = windows.iter().map(|draft| (draft.entity, draft.opened));
    // One principal may have thousands of windows, and of names.
    let mut principals = BTreeSet::new();
    for (id, opened) in openings.chain(deactivations.iter().map(|one| (one.entity, Some(one.event)))) {
        principals.insert(id);
        let Some(opened) = opened else { continue };
        // Whoever enabled the next device, too: was that one seen at the address before?
        let enrolment = classify::next_enrolment(&ledger, id, opened, input.as_of).map(|(_, enrolment)| enrolment);
        for event in ledger.events.get(opened).map(|event| &**event).into_iter().chain(enrolment) {
            principals.extend(wanted.add_actor(&ledger, event));
        }
    }
    principals.into_iter().filter_map(|id| ledger.entities.get(id)).for_each(|entity| wanted.add(entity));
    ledger.check()?;
    Ok(wanted)
}

/// Events replayed into windows, before the context is looked at.
struct Replayed<'a> {
    ledger: Ledger<'a>,
    windows: Vec<Draft>,
    deactivations: Vec<Deactivation>,
    findings: Vec<Finding>,
    leftovers: Vec<LeftoverDevice>,
    /// By entity.
    credentials: Table<EntityId, Credentials>,
}

/// Standing windows come first, by account, the root user before users, then by name; then the others in order of opening.
fn order(ledger: &Ledger<'_>, draft: &Draft) -> (Option<EventId>, Option<(String, bool, String)>) {
    let entity = ledger.entities.get(draft.entity).filter(|_| draft.opened.is_none());
    let who =
        |entity: &Entity<'_>| (entity.account.clone(), entity.kind != PrincipalKind::Root, entity.name().to_owned());
    (draft.opened, entity.map(who))
}

impl<'a> Replayed<'a> {
    fn new(input: &Input<'a>) -> Self {
        let read_from = input.period.from - TimeDelta::seconds(input.settings.lookback_s);
        // What lies between `as_of` and a later snapshot of IAM is undone from it, and is in no window.
        let until = input.iam.map_or(input.as_of, |iam| iam.latest().max(input.as_of));
        let considered = |event: &&Event| read_from <= event.time && event.time <= until;
        let events = input.events.iter().filter(considered);
        let ledger = Ledger::new(events, &input.context.calls, input.iam);
        let bounds = |account: &str| Bounds { covered: input.covered.get(account).copied(), read_from };
        let (mut windows, mut deactivations, mut findings) = (Vec::new(), Vec::new(), Vec::new());
        let mut credentials = Table::with_capacity(ledger.entities.len());
        for (id, entity) in ledger.entities.iter() {
            let bounds = bounds(&entity.account);
            let mut replayed = windows::replay(&ledger, id, entity, input.iam, bounds);
            windows::cut(&mut replayed.windows, input.as_of, bounds);
            let evidence = reconcile::last_evidence(&replayed.devices, bounds);
            for window in replayed.windows.iter_mut().filter(|window| window.close.is_none()) {
                if evidence.is_none_or(|evidence| input.as_of > evidence) {
                    window.certainty = Certainty::Possible;
                }
            }
            findings.extend(reconcile::principal_findings(&ledger, entity, &replayed.missing, input.iam));
            windows.extend(replayed.windows);
            deactivations.extend(replayed.deactivations);
            credentials.push(replayed.credentials);
        }
        let mut leftovers = Vec::new();
        if let Some(iam) = input.iam {
            reconcile::ownerless(&ledger, iam, bounds, &mut findings, &mut leftovers);
        }
        findings.sort();
        findings.dedup();
        leftovers.sort();
        windows.sort_by_key(|draft| order(&ledger, draft));
        Self { ledger, windows, deactivations, findings, leftovers, credentials }
    }
}

/// Computes a report's windows, events, findings and figures.
///
/// # Errors
/// Where a principal or an event was lost.
pub fn analyse(input: &Input<'_>) -> Result<Analysis, Inconsistent> {
    Ok(analyse_in_parts(input, &[])?.0)
}

/// The same, and its parts: by account, and for each of the months.
///
/// # Errors
/// As of [`analyse`].
pub fn analyse_in_parts(input: &Input<'_>, months: &[Month]) -> Result<(Analysis, Parts), Inconsistent> {
    conclude(Replayed::new(input), input, months)
}

/// What follows of the windows once the context is known.
fn conclude(replayed: Replayed<'_>, input: &Input<'_>, months: &[Month]) -> Result<(Analysis, Parts), Inconsistent> {
    let Replayed { ledger, windows: drafts, mut deactivations, findings, leftovers, credentials } = replayed;
    deactivations.retain(|one| ledger.events.get(one.event).is_some_and(|event| event.time <= input.as_of));
    let calls = Calls::new(&ledger, input.context);
    let (approvals, alerts) = (Approvals::of_all(input.approvals), Alerts::of_all(input.detections));
    let facts = Facts {
        ledger: &ledger,
        calls: &calls,
        credentials: &credentials,
        iam: input.iam,
        approvals: &approvals,
        alerts: &alerts,
        settings: input.settings,
        as_of: input.as_of,
        read_from: input.period.from - TimeDelta::seconds(input.settings.lookback_s),
    };

    let touches = |draft: &&Draft| {
        let end = draft.close.map_or(input.as_of, |close| close.at);
        // What IAM shows now is always told.
        draft.opened.is_none() && draft.close.is_none()
            || input.period.contains(draft.opened_at)
            || (draft.opened_at < input.period.from && end > input.period.from)
    };
    let known = |draft: &Draft| credentials.get(draft.entity);
    // With room for all: what grows is twice there while it is moved.
    let mut windows: Vec<Window> = Vec::with_capacity(drafts.iter().filter(touches).count());
    windows.extend(drafts.iter().filter(touches).filter_map(|draft| window(facts, draft, known(draft)?, input)));
    let events = lifecycle_events(&ledger, &deactivations, input);
    let figures = Figures {
        mfa_coverage: input.iam.map(|iam| figures::mfa_coverage(iam, accounts_of(input).len())),
        ..figures_of(&ledger, &windows, &deactivations, input, Part { period: input.period, account: None })
    };
    let mut notices = unmatched(facts, &drafts, &deactivations, input);
    notices.extend(closed_by_remover(&ledger, &windows));
    notices.sort();
    let analysis =
        Analysis { windows, events, reconciliation: findings, leftover_devices: leftovers, figures, notices };
    let parts = parts::parts(input, &ledger, &calls, &deactivations, &analysis, months);
    ledger.check()?;
    if credentials.is_sound() { Ok((analysis, parts)) } else { Err(Inconsistent) }
}

/// The accounts that a report is about.
fn accounts_of<'i>(input: &'i Input<'_>) -> BTreeSet<&'i String> {
    let in_iam = input.iam.iter().flat_map(|iam| iam.accounts.keys());
    input.covered.keys().chain(in_iam).collect()
}

/// Of an opening that several records tell of, the one that is worst for the principal.
fn worst(facts: Facts<'_>, draft: &Draft) -> Draft {
    let ledger = facts.ledger;
    let opening = draft.opened.and_then(|opened| ledger.events.get(opened));
    let Some(opening) = opening.filter(|event| event.lineage.dispute.is_some()) else { return draft.clone() };
    let others = ledger.others_of(opening).filter(|(_, event)| event.failure.is_none());
    let drafts = others.map(|(opened, _)| Draft { opened: Some(opened), ..draft.clone() });
    let severity = |draft: &Draft| {
        let class = classify::classify(facts, draft).map(|verdict| verdict.class);
        class.map(|class| (!class.legitimate(), class == Class::SuspectedTakeover))
    };
    drafts.max_by_key(severity).unwrap_or_else(|| draft.clone())
}

fn window(facts: Facts<'_>, draft: &Draft, credentials: &Credentials, input: &Input<'_>) -> Option<Window> {
    let ledger = facts.ledger;
    let draft = &worst(facts, draft);
    let opening = draft.opened.and_then(|opened| ledger.events.get(opened));
    let entity = ledger.entities.get(draft.entity)?;
    let verdict = classify::classify(facts, draft);
    let detection = detect::detect(facts, draft, verdict.is_some());
    let (class, reasons, approval) = match verdict {
        Some(Verdict { class, reasons, approval }) => (Some(class), reasons, approval),
        None => (None, Vec::<Reason>::new(), None),
    };
    let end = draft.close.map_or(input.as_of, |close| close.at);
    Some(Window {
        kind: draft.kind,
        account: entity.account.clone(),
        principal: entity.principal(),
        owner: iam_user(entity).and_then(|user| owner(user, input.settings)),
        opened_at: opening.map(|_| draft.opened_at),
        open_since_before: opening.is_none().then_some(draft.opened_at),
        opened_by_event: opening.map(|opening| opening.id.clone()),
        opened_by: opening.map(|opening| opening.name.to_string()),
        device: opening.and_then(|opening| opening.action.serial()).map(str::to_owned),
        actor: opening.map(|opening| opening.actor.display()),
        actor_mfa: opening.and_then(|opening| opening.actor_mfa),
        source_ip: opening.and_then(|opening| opening.source_ip.as_deref().map(str::to_owned)),
        delivered_at: opening.and_then(|opening| opening.delivered_at),
        closed_at: draft.close.filter(|close| close.reason != CloseReason::EndedUnseen).map(|close| close.at),
        closed_by_event: draft.close.and_then(|close| Some(ledger.events.get(close.event?)?.id.clone())),
        close_reason: draft.close.map(|close| close.reason),
        duration_s: (end - draft.opened_at).num_seconds().max(0),
        certainty: draft.certainty,
        class,
        legitimate: class.map(crate::contract::Class::legitimate),
        reasons,
        detection,
        approval: approval
            .map(|approval| Approved { ticket: approval.ticket.clone(), approver: approval.approver.clone() }),
        console_password: credentials.password(draft.key),
        active_access_keys: credentials.active_access_keys(draft.key),
        privileged: match entity.kind {
            PrincipalKind::Root => Some(true),
            _ => iam_user(entity).and_then(|user| user.privileged),
        },
        activity: activity::activity(facts, draft),
        integrity: None,
        exceptions: Vec::new(),
    })
}

fn iam_user<'a>(entity: &Entity<'a>) -> Option<&'a UserState> {
    match entity.iam {
        IamEntry::User(user) => Some(user),
        _ => None,
    }
}

/// The value of the first configured tag that the user has; tag keys are compared without regard to case, as IAM does.
fn owner(user: &UserState, settings: &Settings) -> Option<String> {
    let tags = user.tags.as_ref()?;
    settings.owner_tags.iter().find_map(|key| {
        tags.iter()
            .find(|(tag, value)| tag.eq_ignore_ascii_case(key) && !value.is_empty())
            .map(|(_, value)| value.clone())
    })
}

fn lifecycle_events(ledger: &Ledger<'_>, deactivations: &[Deactivation], input: &Input<'_>) -> Vec<LifecycleEvent> {
    let remaining: BTreeMap<EventId, usize> = deactivations.iter().map(|one| (one.event, one.remaining)).collect();
    let in_period = || {
        ledger.events.iter().filter(|(_, event)| {
            event.action.is_lifecycle() && input.period.contains(event.time) && event.time <= input.as_of
        })
    };
    let mut events = Vec::with_capacity(in_period().count());
    events.extend(in_period().map(|(index, event)| LifecycleEvent {
        event_id: event.id.clone(),
        event_time: event.time,
        event_name: event.name.to_string(),
        addenda: event.lineage.addenda.to_strings(),
        outcome: if event.failure.is_none() { Outcome::Success } else { Outcome::Failed },
        error_code: event.failure.as_ref().and_then(|failure| failure.code.as_deref().map(str::to_owned)),
        account: event.account.to_string(),
        region: event.region.to_string(),
        principal:
            ledger.owners.get(index).copied().flatten().and_then(|id| ledger.entities.get(id)).map(Entity::principal),
        device: event.action.serial().map(str::to_owned),
        actor: event.actor.display(),
        actor_mfa: event.actor_mfa,
        source_ip: event.source_ip.as_deref().map(str::to_owned),
        user_agent: event.user_agent.as_deref().map(str::to_owned),
        remaining_devices: remaining.get(&index).copied(),
        objects: event.objects.to_strings(),
        integrity: None,
    }));
    events
}

/// What figures are over: a period, of all accounts or of one.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    period: Period,
    account: Option<&'a str>,
}

impl Part<'_> {
    fn is_of(&self, account: &str) -> bool {
        self.account.is_none_or(|own| own == account)
    }
}

/// The figures of a part, but for MFA coverage, which is of a moment.
fn figures_of(
    ledger: &Ledger<'_>,
    windows: &[Window],
    deactivations: &[Deactivation],
    input: &Input<'_>,
    part: Part<'_>,
) -> Figures {
    let is_identity_center = |kind: PrincipalKind| kind == PrincipalKind::IdentityCenter;
    let seen = |entity: &Entity<'_>| is_identity_center(entity.kind) && part.is_of(&entity.account);
    Figures {
        iam: kind_figures(ledger, windows, deactivations, input, part, |kind| !is_identity_center(kind)),
        identity_center: ledger
            .entities
            .values()
            .any(seen)
            .then(|| kind_figures(ledger, windows, deactivations, input, part, is_identity_center)),
        mfa_coverage: None,
    }
}

fn kind_figures(
    ledger: &Ledger<'_>,
    windows: &[Window],
    deactivations: &[Deactivation],
    input: &Input<'_>,
    part: Part<'_>,
    of_kind: impl Fn(PrincipalKind) -> bool,
) -> crate::contract::KindFigures {
    let windows: Vec<&Window> =
        windows.iter().filter(|window| of_kind(window.principal.kind) && part.is_of(&window.account)).collect();
    let entity = |id: EntityId| ledger.entities.get(id);
    let deactivations: Vec<(DateTime<Utc>, Deactivation)> = deactivations
        .iter()
        .filter(|one| entity(one.entity).is_some_and(|entity| of_kind(entity.kind) && part.is_of(&entity.account)))
        .filter_map(|one| Some((ledger.events.get(one.event)?.time, *one)))
        .collect();
    let failed_attempts = ledger
        .events
        .values()
        .filter(|event| {
            let identity_center = event.source != "iam.amazonaws.com";
            let kind = if identity_center { PrincipalKind::IdentityCenter } else { PrincipalKind::IamUser };
            event.failure.is_some()
                && matches!(event.action, Action::DeviceDeactivated { .. })
                && part.period.contains(event.time)
                && event.time <= input.as_of
                && part.is_of(&event.account)
                && of_kind(kind)
        })
        .count();
    // Of the period that ends with the report, what IAM shows now belongs to it.
    let shows_now = part.period.to >= input.period.to;
    figures::figures(&windows, &deactivations, failed_attempts, part.period, input.as_of, shows_now)
}

/// Windows that count as remediated although whoever opened them for somebody else enabled the device that closed them.
fn closed_by_remover(ledger: &Ledger<'_>, windows: &[Window]) -> Vec<Notice> {
    let ends =
        |window: &&Window| window.close_reason == Some(CloseReason::Reenabled) && window.legitimate == Some(false);
    let named = |window: &Window| {
        let [opening, closing] = [window.opened_by_event.clone(), window.closed_by_event.clone()];
        [opening, closing].into_iter().flatten().map(|id| (window.account.clone(), id)).collect::<Vec<_>>()
    };
    let wanted: BTreeSet<(String, String)> = windows.iter().filter(ends).flat_map(named).collect();
    let mut found: BTreeMap<(String, String), Vec<(EventId, &Event)>> = BTreeMap::new();
    for (index, event) in ledger.events.iter().filter(|_| !wanted.is_empty()) {
        let key = (event.account.to_string(), event.id.clone());
        if wanted.contains(&key) {
            found.entry(key).or_default().push((index, event));
        }
    }
    let mut notices = Vec::new();
    for window in windows.iter().filter(ends) {
        // Of several records of one event, any may be the true one.
        let records = |id: &Option<String>| {
            id.as_ref().and_then(|id| found.get(&(window.account.clone(), id.clone()))).map_or(&[][..], Vec::as_slice)
        };
        let openings = records(&window.opened_by_event).iter().filter(|(index, opening)| {
            let own = ledger.entity_of(&opening.actor, &opening.account, opening.time);
            own.is_none() || own != ledger.owners.get(*index).copied().flatten()
        });
        let closings = records(&window.closed_by_event);
        let mut pairs = openings.flat_map(|(_, opening)| closings.iter().map(move |(_, closing)| (opening, closing)));
        if let Some((opening, closing)) =
            pairs.find(|(opening, closing)| detect::is_same(&opening.actor, &closing.actor))
        {
            notices.push(Notice {
                code: NoticeCode::ClosedByRemover,
                text: format!(
                    "account {}, {}: the window that event {} opened was closed by event {} of the same caller, which enabled a device for this user: it is in the MTTR, and may not be a remediation",
                    window.account, window.principal.name, opening.id, closing.id
                ),
            });
        }
    }
    notices
}

/// Tickets and alerts that matched nothing are said: they may hide a typo, or evidence that is missing.
fn unmatched(facts: Facts<'_>, drafts: &[Draft], deactivations: &[Deactivation], input: &Input<'_>) -> Vec<Notice> {
    let ledger = facts.ledger;
    let mut notices = Vec::new();
    let read_from = input.period.from - TimeDelta::seconds(input.settings.lookback_s);
    let (judged, beyond): (Vec<_>, Vec<_>) = input
        .approvals
        .iter()
        .enumerate()
        .partition(|(_, approval)| approval.valid_from <= input.as_of && approval.valid_to > read_from);
    if !beyond.is_empty() {
        notices.push(Notice {
            code: NoticeCode::ApprovalNotJudged,
            text: match beyond.len() {
                1 => "1 approval is for a time that this report does not cover".to_owned(),
                many => format!("{many} approvals are for times that this report does not cover"),
            },
        });
    }
    let covered = approvals::covered(facts.approvals, &ledger.entities, &ledger.events, deactivations);
    for (place, approval) in judged {
        match covered.get(&place) {
            Some(covered) => notices.extend(approvals::notices(covered, approval)),
            None => notices.push(Notice {
                code: NoticeCode::ApprovalMatchedNothing,
                text: format!(
                    "approval {} for user {} of account {} matched no deactivation",
                    approval.ticket, approval.user, approval.account
                ),
            }),
        }
    }
    let matched: BTreeSet<usize> =
        drafts.iter().flat_map(|draft| detect::alerts(facts, draft)).map(|(place, _)| place).collect();
    let of_period = |(_, detection): &(usize, &Detection)| input.period.contains(detection.detected_at);
    for (_, detection) in input.detections.iter().enumerate().filter(of_period).filter(|(n, _)| !matched.contains(n)) {
        let subject = match &detection.subject {
            DetectionSubject::Event(id) => format!("event {id}"),
            DetectionSubject::Principal { account, user } => format!("user {user} of account {account}"),
        };
        notices.push(Notice {
            code: NoticeCode::DetectionMatchedNothing,
            text: format!("detection {} about {subject} matched no window", detection.reference),
        });
    }
    notices.sort();
    notices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::WindowKind;
    use crate::inventory::AccountState;
    use timeline::Key;

    const ACCOUNT: &str = "111122223333";

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    /// One user of IAM's list, without MFA: one standing window.
    fn iam() -> IamState {
        let user = UserState {
            name: "alice".to_owned(),
            password: Some(true),
            mfa_active: Some(false),
            devices: Some(Vec::new()),
            ..UserState::default()
        };
        let account = AccountState { users: vec![user], users_complete: true, ..AccountState::default() };
        IamState { taken_at: at(0), accounts: [(ACCOUNT.to_owned(), account)].into(), missing: Vec::new() }
    }

    type Spoil = fn(&mut Replayed<'_>);

    #[test]
    fn what_is_lost_ends_the_analysis_and_leaves_no_window_out() {
        let (iam, context, settings) = (iam(), Context::default(), Settings::default());
        let covered = [(ACCOUNT.to_owned(), [at(-10), at(0)])].into();
        let input = Input {
            events: &[],
            context: &context,
            iam: Some(&iam),
            covered: &covered,
            approvals: &[],
            detections: &[],
            settings: &settings,
            period: Period { from: at(-20), to: at(20) },
            as_of: at(10),
        };
        let concluded = |spoil: Spoil| {
            let mut replayed = Replayed::new(&input);
            spoil(&mut replayed);
            conclude(replayed, &input, &[]).map(|(analysis, _)| analysis.windows.len())
        };
        assert_eq!(concluded(|_| {}), Ok(1));
        let spoiled: [Spoil; 6] = [
            |replayed| replayed.windows[0].entity = replayed.ledger.entities.next(),
            |replayed| replayed.windows[0].opened = Some(replayed.ledger.events.next()),
            |replayed| {
                let event = replayed.ledger.events.next();
                replayed.windows[0].close =
                    Some(windows::Close { at: at(5), event: Some(event), reason: CloseReason::Reenabled });
            },
            |replayed| replayed.credentials = Table::default(),
            |replayed| {
                let (entity, event) = (replayed.windows[0].entity, replayed.ledger.events.next());
                let effect = windows::Effect::OpenedWindow;
                replayed.deactivations.push(Deactivation { entity, event, remaining: 0, effect });
            },
            |replayed| {
                let (entity, key) = (replayed.ledger.entities.next(), Key::snapshot(at(0)));
                let (kind, certainty) = (WindowKind::Standing, Certainty::Confirmed);
                replayed.windows.push(Draft {
                    entity,
                    kind,
                    opened: None,
                    key,
                    opened_at: at(0),
                    certainty,
                    close: None,
                });
            },
        ];
        for (number, spoil) in spoiled.into_iter().enumerate() {
            assert_eq!(concluded(spoil), Err(Inconsistent), "{number}");
        }
    }
}
