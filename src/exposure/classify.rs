//! The class of a deactivation that opened a window: the first rule that holds decides, every signal is listed.
//!
//! | class | rule |
//! | --- | --- |
//! | `approved` | an independent approval covers principal and time, and the signals are fewer than the threshold |
//! | `offboarding` | the user, or the root user's password, is deleted within the grace |
//! | `suspected_takeover` | as many signals as the threshold says |
//! | `replacement` | a device is enabled for the principal within the grace |
//! | `workaround` | by the principal itself, not re-enabled within the grace, and then active without MFA |
//! | `unexplained` | none of these |

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::approvals::{Alerts, Approvals, approval};
use super::calls::{Calls, Who};
use super::credentials::Credentials;
use super::ids::Table;
use super::ledger::{Entity, EntityId, EventId, IamEntry, Ledger};
use super::windows::Draft;
use crate::cloudtrail::{ActorKind, address};
use crate::contract::{Class, CloseReason, Reason, WindowKind};
use crate::inputs::{Approval, Settings, Signal};
use crate::inventory::IamState;
use crate::mfa::{Action, Event};

/// How far around a deactivation its signals are looked for; specified as one hour.
const SIGNAL_SPAN: TimeDelta = TimeDelta::hours(1);

/// The specified number of other principals whose devices go at the same time.
const SEVERAL: usize = 2;

/// Of the events that make one signal hold so many are named: of a thousand deactivations each would else name all others.
const EVIDENCE: usize = 20;

/// The reason that stands beside the class where an approval covers what has the signals of a takeover.
const CONTESTED: &str = "approval_contested";

/// What classification looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'f> {
    pub(super) ledger: &'f Ledger<'f>,
    pub(super) calls: &'f Calls<'f>,
    /// By entity.
    pub(super) credentials: &'f Table<EntityId, Credentials>,
    pub(super) iam: Option<&'f IamState>,
    pub(super) approvals: &'f Approvals<'f>,
    pub(super) alerts: &'f Alerts<'f>,
    pub(super) settings: &'f Settings,
    pub(super) as_of: DateTime<Utc>,
    /// What lies before it was not read.
    pub(super) read_from: DateTime<Utc>,
}

/// A class with its reasons, and the independent approval that covers the deactivation.
#[derive(Debug)]
pub(super) struct Verdict<'f> {
    pub(super) class: Class,
    pub(super) reasons: Vec<Reason>,
    pub(super) approval: Option<&'f Approval>,
}

/// Classifies one window; `None` for windows that no deactivation opened.
pub(super) fn classify<'f>(facts: Facts<'f>, draft: &Draft) -> Option<Verdict<'f>> {
    let case = Case::new(facts, draft)?;
    let signals: Vec<Reason> = Signal::ALL
        .into_iter()
        .filter(|signal| facts.settings.takeover_signals.contains(signal))
        .filter_map(|signal| Some(Reason { rule: signal.name(), event_ids: case.ids(case.signal(signal)?) }))
        .collect();
    let approval = approval(facts.approvals, case.entity, case.opening);
    let takeover = (signals.len() >= facts.settings.takeover_threshold).then(|| {
        let mut unique = BTreeSet::new();
        let evidence = signals.iter().flat_map(|reason| &reason.event_ids);
        evidence.filter(|id| unique.insert(*id)).cloned().collect::<Vec<String>>()
    });
    let opening = || vec![case.opening.id.clone()];
    let (class, event_ids) = if approval.is_some() && takeover.is_none() {
        (Class::Approved, opening())
    } else if let Some(evidence) = case.offboarding() {
        (Class::Offboarding, case.ids(evidence))
    } else if let Some(evidence) = &takeover {
        (Class::SuspectedTakeover, evidence.clone())
    } else if let Some(evidence) = case.replacement() {
        (Class::Replacement, case.ids(evidence))
    } else if let Some(evidence) = case.workaround() {
        (Class::Workaround, evidence)
    } else {
        (Class::Unexplained, opening())
    };
    let mut reasons = vec![Reason { rule: class.name(), event_ids }];
    reasons.extend(signals);
    reasons.extend(takeover.filter(|_| approval.is_some()).map(|event_ids| Reason { rule: CONTESTED, event_ids }));
    Some(Verdict { class, reasons, approval })
}

/// The first device that was enabled for a principal after the event at `index`.
pub(super) fn next_enrolment<'f>(
    ledger: &'f Ledger<'_>,
    id: EntityId,
    index: EventId,
    as_of: DateTime<Utc>,
) -> Option<(EventId, &'f Event)> {
    ledger.next_enrollment(id, index).filter(|(_, event)| event.time <= as_of)
}

/// One deactivation that opened a window.
struct Case<'f> {
    facts: Facts<'f>,
    draft: &'f Draft,
    entity: &'f Entity<'f>,
    opened: EventId,
    opening: &'f Event,
    time: DateTime<Utc>,
    /// The opening call's actor as a principal, where it is one.
    actor: Option<EntityId>,
}

impl<'f> Case<'f> {
    fn new(facts: Facts<'f>, draft: &'f Draft) -> Option<Self> {
        let opened = draft.opened?;
        let opening = facts.ledger.events.get(opened)?;
        // A removal for another gives away that the principal had lost the device before: that one is not its own.
        let own = facts.ledger.owners.get(opened).copied().flatten() == Some(draft.entity);
        let opened_by_removal =
            own && draft.kind == WindowKind::Removed && matches!(opening.action, Action::DeviceDeactivated { .. });
        let entity = facts.ledger.entities.get(draft.entity)?;
        let actor = facts.ledger.entity_of(&opening.actor, &opening.account, opening.time);
        opened_by_removal.then_some(Self { facts, draft, entity, opened, opening, time: opening.time, actor })
    }

    fn ids(&self, events: Vec<EventId>) -> Vec<String> {
        events.into_iter().filter_map(|index| Some(self.facts.ledger.events.get(index)?.id.clone())).collect()
    }

    fn by_principal(&self, event: &Event) -> bool {
        self.facts.ledger.is_entity(self.entity, &event.actor, &event.account, event.time)
    }

    fn offboarding(&self) -> Option<Vec<EventId>> {
        let until = self.time + TimeDelta::seconds(self.facts.settings.offboarding_grace_s);
        let gone = self.facts.ledger.next_ending(self.draft.entity, self.opened);
        gone.filter(|(_, event)| event.time <= until.min(self.facts.as_of)).map(|(index, _)| vec![index])
    }

    fn next_enrolment(&self) -> Option<(EventId, &'f Event)> {
        next_enrolment(self.facts.ledger, self.draft.entity, self.opened, self.facts.as_of)
    }

    /// A device enabled within the grace. Where only IAM tells of it, the evidence is the deactivation itself.
    fn replacement(&self) -> Option<Vec<EventId>> {
        let until = self.time + TimeDelta::seconds(self.facts.settings.replacement_grace_s);
        if let Some((index, event)) = self.next_enrolment()
            && event.time <= until
        {
            return Some(vec![index]);
        }
        // Of one that ended unseen, its close is where it was last proven, and not when a device came.
        let close = self.draft.close.filter(|close| match close.reason {
            CloseReason::SeenInIam => close.at <= until,
            CloseReason::EndedUnseen => self.facts.iam.is_some_and(|iam| {
                !matches!(self.entity.iam, IamEntry::Untold | IamEntry::Gone)
                    && iam.as_of(&self.entity.account).latest <= until
            }),
            _ => false,
        });
        close.map(|_| vec![self.opened])
    }

    /// Returns the event ids of the calls without MFA.
    fn workaround(&self) -> Option<Vec<String>> {
        if !self.by_principal(self.opening) {
            return None;
        }
        let [from, to] = self.draft.time(self.facts.as_of);
        let own = self.facts.calls.by(self.draft.entity, from, to);
        let first = own
            .iter()
            // What shares the opening's second may have come before it.
            .filter(|call| call.time > self.time && !call.failed)
            .filter(|call| match &*call.name {
                "ConsoleLogin" => call.sign_in_mfa == Some(false),
                _ => call.session_mfa == Some(false),
            })
            .min_by_key(|call| (call.time, call.event_id.as_str()))?;
        Some(vec![self.opening.id.clone(), first.event_id.clone()])
    }

    /// The events that make a signal hold; `None` where it does not.
    fn signal(&self, signal: Signal) -> Option<Vec<EventId>> {
        let opening = vec![self.opened];
        match signal {
            Signal::ActorWithoutMfa => {
                let person = matches!(self.opening.actor.kind, ActorKind::IamUser | ActorKind::Root);
                (person && self.opening.actor_mfa == Some(false)).then_some(opening)
            }
            Signal::RootUser => (self.opening.actor.kind == ActorKind::Root).then_some(opening),
            Signal::NewSource => {
                self.never_seen_at(self.who(self.opening), self.opening.source_ip.as_deref()?).then_some(opening)
            }
            Signal::ForeignEnrolment => {
                let (index, enrolment) = self.next_enrolment()?;
                self.never_seen_at(self.who(enrolment), enrolment.source_ip.as_deref()?).then_some(vec![index])
            }
            Signal::SeveralPrincipals => self.several_principals(),
            Signal::Persistence => self.persistence(),
            Signal::PriorFailures => self.prior_failures(),
        }
    }

    /// Who made a call: the principal that it is, else the caller as its record has it.
    fn who<'e>(&self, event: &'e Event) -> Who<'e> {
        let entity = self.facts.ledger.entity_of(&event.actor, &event.account, event.time);
        entity.map_or(Who::Actor(&event.actor), Who::Entity)
    }

    /// Seen in the look-back, but never at this address. Of a window that was carried in the look-back was not read in
    /// full: then nothing can be said, nor where what stands for the address is a service's name.
    fn never_seen_at(&self, who: Who<'_>, source_ip: &str) -> bool {
        let Some(source_ip) = address(source_ip) else { return false };
        let from = self.time - TimeDelta::seconds(self.facts.settings.lookback_s);
        if from < self.facts.read_from {
            return false;
        }
        let (at_all, there) = self.facts.calls.seen(who, source_ip, [from, self.time]);
        at_all && !there
    }

    fn several_principals(&self) -> Option<Vec<EventId>> {
        let ledger = self.facts.ledger;
        let mut others = BTreeSet::new();
        let mut evidence = Vec::new();
        let until = self.facts.as_of.min(self.time + SIGNAL_SPAN);
        for index in ledger.deactivations_by(&self.opening.actor, [self.time - SIGNAL_SPAN, until]).iter().copied() {
            let owner = ledger.owners.get(index).copied().flatten();
            let Some(other) = owner.filter(|owner| *owner != self.draft.entity) else { continue };
            let tells = others.len() < SEVERAL && others.insert(other);
            if tells || evidence.len() < EVIDENCE {
                evidence.push(index);
            } else if others.len() >= SEVERAL {
                break;
            }
        }
        (others.len() >= SEVERAL).then_some(evidence)
    }

    fn persistence(&self) -> Option<Vec<EventId>> {
        let until = self.facts.as_of.min(self.time + SIGNAL_SPAN);
        evidence(&self.facts.ledger.gains_of(self.draft.entity, [self.time, until]))
    }

    /// Failed sign-ins lack the ARN, and sometimes the id.
    fn prior_failures(&self) -> Option<Vec<EventId>> {
        let before = [self.time - SIGNAL_SPAN, self.time];
        evidence(&self.facts.ledger.failures_by(&self.opening.actor, self.actor, before))
    }
}

/// The first of the events that make a signal hold; `None` where there is none.
fn evidence(events: &[EventId]) -> Option<Vec<EventId>> {
    (!events.is_empty()).then(|| events.iter().copied().take(EVIDENCE).collect())
}
