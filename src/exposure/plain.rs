//! What is looked up is what a look at everything finds: every index beside the plain way, on generated stories.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::select;

use super::activity;
use super::approvals::{Alerts, Approvals};
use super::calls::{Calls, Who};
use super::classify::Facts;
use super::detect::{SWEEP, SWEEP_SPAN, few_console_users, is_sweep};
use super::ids::Table;
use super::ledger::{EventId, Ledger, LedgerEvent};
use crate::cloudtrail::{Actor, ActorKind, address};
use crate::contract::PrincipalKind;
use crate::inputs::Settings;
use crate::mfa::{Action, Dispute, Event, Failure, Lineage, Names, Target, Text};
use crate::trace::{self, Call, Context, Sighting, sighting_key};

const ACCOUNT: &str = "111122223333";

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap_or_default()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Users who are known by more or less, a root user, a session of `AssumeRoot` and a role's.
fn actor() -> impl Strategy<Value = Actor> {
    let made = |kind, id: Option<&str>, name: Option<&str>, arn: Option<&str>| Actor {
        kind,
        account: some(ACCOUNT),
        id: id.map(str::to_owned),
        name: name.map(str::to_owned),
        arn: arn.map(str::to_owned),
        access_key: None,
        issuer: None,
    };
    let role = "arn:aws:sts::111122223333:assumed-role/r/s";
    select(vec![
        made(ActorKind::IamUser, Some("AIDA0"), Some("user-0"), None),
        made(ActorKind::IamUser, None, Some("user-0"), None),
        made(ActorKind::IamUser, Some("AIDA1"), Some("user-1"), Some("arn:aws:iam::111122223333:user/user-1")),
        made(ActorKind::IamUser, Some("AIDA9"), Some("stranger"), None),
        made(ActorKind::IamUser, None, Some("stranger"), None),
        made(ActorKind::Root, Some(ACCOUNT), None, None),
        made(ActorKind::AssumedRole, Some("AROA:s"), None, Some(role)),
        Actor { access_key: some("ASIAROOT"), ..made(ActorKind::Root, Some(ACCOUNT), None, None) },
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let actions = vec![
        Action::DeviceEnabled { serial: some("d") },
        Action::DeviceDeactivated { serial: some("d") },
        Action::DeviceDeactivated { serial: some("e") },
        Action::UserDeleted,
        Action::PasswordCreated,
        Action::PasswordReset,
        Action::PasswordRemoved,
        Action::AccessKeyCreated { key: some("k") },
        Action::AccessKeyDeleted { key: some("k") },
        Action::PolicyAttached { arn: some("arn:aws:iam::aws:policy/AdministratorAccess") },
        Action::PolicyDetached { arn: some("arn:aws:iam::aws:policy/AdministratorAccess") },
        Action::PolicyPut { policy: some("p"), document: None },
        Action::GroupChanged { group: some("g"), added: true },
        Action::GroupChanged { group: some("g"), added: false },
        Action::ConsoleLogin { mfa_used: Some(false), serial: None },
        Action::RootAssumed { target_account: some(ACCOUNT), access_key: some("ASIAROOT") },
    ];
    let target = select(vec![Some("user-0"), Some("user-1"), None]);
    let dispute = prop_oneof![8 => Just(None), 1 => Just(Some(Dispute::Effect))];
    let what = (select(actions), target, prop::bool::weighted(0.2), dispute);
    (0_i64..5, 0_usize..40, actor(), what).prop_map(|(minutes, id, actor, (action, user, failed, dispute))| Event {
        id: format!("e-{id}"),
        time: at(60 * minutes),
        account: ACCOUNT.into(),
        region: Text::default(),
        source: Text::default(),
        name: Text::default(),
        action,
        target: user.map_or(Target::Root, |name| Target::User { name: some(name), id: None }),
        actor: actor.into(),
        actor_mfa: None,
        source_ip: None,
        user_agent: None,
        failure: failed.then(|| Failure { code: None, message: None }.into()),
        objects: Names::default(),
        delivered_at: None,
        lineage: Lineage { dispute, ..Lineage::default() },
    })
}

fn call() -> impl Strategy<Value = Call> {
    let address = select(vec![None, Some("192.0.2.1"), Some("192.0.2.1:443"), Some("192.0.2.2"), Some("AWS Internal")]);
    let about = prop::option::of(0_usize..7);
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (0_i64..20, 0_usize..90, actor(), address, about, flags).prop_map(
        |(minutes, id, actor, source_ip, about, (read_only, failed, is_disputed))| Call {
            event_id: format!("c-{id}"),
            time: at(60 * minutes),
            account: ACCOUNT.into(),
            actor: actor.into(),
            source_ip: source_ip.map(Into::into),
            service: "iam.amazonaws.com".into(),
            name: "GetUser".into(),
            read_only,
            failed,
            session_mfa: None,
            sign_in_mfa: None,
            about_user: about.map(|user| format!("user-{user}").as_str().into()),
            lineage: trace::Lineage { is_disputed, ..trace::Lineage::default() },
        },
    )
}

fn sighting() -> impl Strategy<Value = Sighting> {
    (0_i64..20, 0_i64..9, select(vec!["192.0.2.1", "192.0.2.2", "AWS Internal"])).prop_map(|(from, long, address)| {
        let [first, last] = [from, from + long].map(|minutes| at(60 * minutes));
        Sighting { actor: "AROA:s".into(), source_ip: address.into(), first, last }
    })
}

impl Ledger<'_> {
    fn all(&self) -> impl Iterator<Item = (EventId, &LedgerEvent<'_>)> {
        self.events.iter()
    }
}

/// All calls of whom `who` means.
fn plain_calls<'c>(ledger: &Ledger<'_>, calls: &Calls<'c>, who: Who<'_>) -> Option<Vec<&'c Call>> {
    let is = |call: &&&Call| match who {
        Who::Entity(entity) => {
            !ledger.is_assumed_root(&call.actor)
                && ledger.entity_of(&call.actor, &call.account, call.time) == Some(entity)
        }
        Who::Actor(actor) => {
            !ledger.is_assumed_root(&call.actor)
                && ledger.entity_of(&call.actor, &call.account, call.time).is_none()
                && (&call.actor.account, &call.actor.name) == (&actor.account, &actor.name)
                && call.actor.same_as(actor)
        }
    };
    match who {
        Who::Actor(actor) if sighting_key(actor).is_some() => None,
        _ => Some(calls.every().iter().filter(is).copied().collect()),
    }
}

/// Whether a call is one of a sweep, by a look at all calls.
fn plain_sweep(facts: Facts<'_>, call: &Call) -> bool {
    let near: Vec<&&Call> = facts
        .calls
        .every()
        .iter()
        .filter(|other| (other.time - call.time).abs() <= SWEEP_SPAN)
        .filter(|other| other.read_only && other.about_user.is_some() && other.actor.same_as(&call.actor))
        .collect();
    let few = few_console_users(facts, call);
    near.iter().filter(|first| first.time <= call.time && call.time <= first.time + SWEEP_SPAN).any(|first| {
        let within = near.iter().filter(|other| first.time <= other.time && other.time <= first.time + SWEEP_SPAN);
        let principals: BTreeSet<&str> = within.filter_map(|other| other.about_user.as_deref()).collect();
        let all = |users: &BTreeSet<String>| users.iter().all(|user| principals.contains(user.as_str()));
        principals.len() >= SWEEP || few.as_ref().is_some_and(all)
    })
}

proptest! {
    #[test]
    fn what_turned_a_principal_is_found_as_by_a_look_at_all_events(
        events in prop::collection::vec(event(), 0..40),
        from in 0_i64..5,
        long in 0_i64..3,
        until in 0_i64..6,
    ) {
        let ledger = Ledger::new(events.iter(), &[], None);
        let context = Context::default();
        let calls = Calls::new(&ledger, &context);
        let (settings, credentials) = (Settings::default(), Table::default());
        let (approvals, alerts) = (Approvals::of_all(&[]), Alerts::of_all(&[]));
        let facts = Facts {
            ledger: &ledger,
            calls: &calls,
            credentials: &credentials,
            iam: None,
            approvals: &approvals,
            alerts: &alerts,
            settings: &settings,
            as_of: at(60 * until),
            read_from: at(0),
        };
        let between = [at(60 * from), at(60 * (from + long))];
        let within = |event: &Event| between[0] <= event.time && event.time <= between[1];
        for (id, entity) in ledger.entities.iter() {
            let own = || {
                let own = entity.events.iter().filter_map(|index| Some((*index, &**ledger.events.get(*index)?)));
                own.filter(|(_, event)| event.succeeded())
            };
            let gains = own().filter(|(_, event)| within(event) && ledger.is_gain(entity, event));
            let gains: Vec<EventId> = gains.map(|(index, _)| index).collect();
            prop_assert_eq!(&*ledger.gains_of(id, between), &gains);
            for (index, event) in ledger.all() {
                let next = |is: &dyn Fn(&Event) -> bool| {
                    own().find(|(later, event)| *later > index && is(event)).map(|(later, _)| later)
                };
                let enabled = next(&|event| matches!(event.action, Action::DeviceEnabled { .. }));
                prop_assert_eq!(ledger.next_enrollment(id, index).map(|(next, _)| next), enabled);
                let ended = next(&|event| match event.action {
                    Action::UserDeleted => true,
                    Action::PasswordRemoved => entity.kind == PrincipalKind::Root,
                    _ => false,
                });
                prop_assert_eq!(ledger.next_ending(id, index).map(|(next, _)| next), ended);
                let mut later = own().filter(|(later, event)| *later > index && event.time <= facts.as_of);
                let taken = later.any(|(_, later)| activity::takes_away(later, event));
                if ledger.owners.get(index) == Some(&Some(id)) {
                    prop_assert_eq!(activity::is_taken_away(facts, index, event, id), taken, "{:?}", event);
                }
            }
        }
        for (index, event) in ledger.all().filter(|(_, event)| event.lineage.dispute.is_some()) {
            let others: Vec<EventId> = ledger.others_of(event).map(|(other, _)| other).collect();
            let same = |other: &Event| {
                (&other.id, &other.account, other.time) == (&event.id, &event.account, event.time)
                    && (&other.action, &other.target) == (&event.action, &event.target)
            };
            let disputed = ledger.all().filter(|(_, other)| same(other) && other.lineage.dispute.is_some());
            prop_assert_eq!(&others, &disputed.map(|(other, _)| other).collect::<Vec<_>>());
            prop_assert!(others.contains(&index));
        }
        let actors: HashSet<&Actor> = ledger.events.values().map(|event| &*event.actor).collect();
        for actor in actors {
            let who = ledger.entity_of(actor, ACCOUNT, between[0]);
            let is = |event: &Event| match who.and_then(|who| ledger.entities.get(who)) {
                Some(entity) => ledger.is_entity(entity, &event.actor, &event.account, event.time),
                None => event.actor.same_as(actor),
            };
            let plain = |of: &dyn Fn(&Event) -> bool| {
                let own = ledger.all().filter(|(_, event)| within(event) && of(event) && is(event));
                own.map(|(index, _)| index).collect::<Vec<_>>()
            };
            let deactivates = |event: &Event| matches!(event.action, Action::DeviceDeactivated { .. });
            let signs_in = |event: &Event| matches!(event.action, Action::ConsoleLogin { .. });
            let failures = plain(&|event| event.failure.is_some() && (deactivates(event) || signs_in(event)));
            prop_assert_eq!(&*ledger.failures_by(actor, who, between), &failures);
            let makings = plain(&|event| event.succeeded() && event.action.makes());
            prop_assert_eq!(&*ledger.makings_by(actor, who, between), &makings);
            if who.is_none() {
                let deactivations = plain(&|event| event.succeeded() && deactivates(event));
                prop_assert_eq!(&*ledger.deactivations_by(actor, between), &deactivations);
            }
        }
    }

    #[test]
    fn calls_are_counted_and_callers_seen_as_by_a_look_at_all_calls(
        events in prop::collection::vec(event(), 0..12),
        calls in prop::collection::vec(call(), 0..40),
        sightings in prop::collection::vec(sighting(), 0..5),
        spans in prop::collection::vec((0_i64..20, 0_i64..20), 1..5),
    ) {
        let context = Context { calls, sightings, ..Context::default() };
        let ledger = Ledger::new(events.iter(), &context.calls, None);
        let calls = Calls::new(&ledger, &context);
        let (settings, credentials) = (Settings::default(), Table::default());
        let (approvals, alerts) = (Approvals::of_all(&[]), Alerts::of_all(&[]));
        let facts = Facts {
            ledger: &ledger,
            calls: &calls,
            credentials: &credentials,
            iam: None,
            approvals: &approvals,
            alerts: &alerts,
            settings: &settings,
            as_of: at(3_600),
            read_from: at(0),
        };
        let actors: HashSet<&Actor> = context.calls.iter().map(|call| &*call.actor).collect();
        let callers = ledger.entities.iter().map(|(id, _)| Who::Entity(id)).chain(actors.iter().map(|actor| Who::Actor(actor)));
        for who in callers {
            let all = plain_calls(&ledger, &calls, who);
            for (from, long) in &spans {
                let [from, to] = [at(60 * from), at(60 * (from + long))];
                let within = |call: &&&Call| from <= call.time && call.time < to;
                let counts = all.as_ref().map(|all| {
                    let own = || all.iter().filter(within);
                    [own().count(), own().filter(|call| !call.read_only).count()]
                });
                prop_assert_eq!(calls.count(who, from, to), counts, "{:?}", who);
                let usable: Vec<(&str, bool)> = match &all {
                    Some(all) => {
                        let own = all.iter().filter(within).filter(|call| !call.failed);
                        own.filter_map(|call| Some((call.source_ip.as_deref()?, !call.lineage.is_disputed))).collect()
                    }
                    None => {
                        let seen = context.sightings.iter().filter(|one| one.first < to && one.last >= from);
                        seen.map(|one| (&*one.source_ip, true)).collect()
                    }
                };
                for asked in ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|text| address(text).expect("an address")) {
                    let seen = usable.iter().filter_map(|(text, is_known)| Some((address(text)?, *is_known)));
                    let there = seen.clone().any(|(known, is_known)| known == asked && is_known);
                    prop_assert_eq!(calls.seen(who, asked, [from, to]), (seen.count() > 0, there), "{:?}", who);
                }
            }
        }
        for call in &context.calls {
            for _twice in 0..2 {
                prop_assert_eq!(is_sweep(facts, call), plain_sweep(facts, call), "{:?}", call);
            }
            let near = calls.readings(&call.actor, call.time, call.time + TimeDelta::minutes(3));
            let is = |other: &&&Call| {
                other.read_only && other.about_user.is_some() && other.actor.same_as(&call.actor)
                    && call.time <= other.time && other.time < call.time + TimeDelta::minutes(3)
            };
            prop_assert_eq!(near, calls.every().iter().filter(is).copied().collect::<Vec<_>>());
        }
    }
}
