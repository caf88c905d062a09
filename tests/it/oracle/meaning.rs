//! What hangs on a window: its class and signals, its detection, what was done meanwhile.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::Duration;
use mfatrail::cloudtrail::{Actor, ActorKind};
use mfatrail::contract::{Activity, Approved, Class, CloseReason, Detected, DetectionKind, Reason, Window};
use mfatrail::inputs::{Approval, DetectionSubject, Signal};
use mfatrail::mfa::{Action, Event, Text};
use mfatrail::trace::Call;

use super::proofs::everything;
use super::{Oracle, Time, end, moment, pos};

/// Whether a session was MFA-authenticated, as far as CloudTrail tells: of roles and services only where it was.
pub fn session_mfa(event: &Event) -> Option<bool> {
    match event.actor.kind {
        ActorKind::IamUser | ActorKind::Root => event.actor_mfa,
        _ => event.actor_mfa.filter(|mfa| *mfa),
    }
}

/// Only an IP address is an address.
fn address(ip: Option<&str>) -> Option<String> {
    let ip = ip?;
    ip.parse::<IpAddr>().ok().map(|_| ip.to_owned())
}

/// Whether an approver, as a ticket names it, is the caller.
fn is_caller(approver: &str, actor: &Actor) -> bool {
    let session = actor.arn.as_deref().and_then(|arn| arn.rsplit('/').next());
    [actor.name.as_deref(), actor.arn.as_deref(), actor.id.as_deref(), session]
        .into_iter()
        .flatten()
        .any(|known| known.eq_ignore_ascii_case(approver))
        || actor.kind == ActorKind::Root && approver.eq_ignore_ascii_case("root")
}

/// An AWS service, by itself or in a session of a role of its own.
fn is_aws(actor: &Actor) -> bool {
    let linked = actor.issuer.as_deref().is_some_and(|arn| arn.contains(":role/aws-service-role/"));
    actor.kind == ActorKind::Service || actor.kind == ActorKind::AssumedRole && linked
}

/// Whether a pattern with `*` and `?` is all of a text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&pattern[1..], text) || !text.is_empty() && matches(pattern, &text[1..]),
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &text[1..]),
        (Some(p), Some(t)) if p == t => matches(&pattern[1..], &text[1..]),
        _ => false,
    }
}

impl Oracle<'_> {
    /// Adds what the principal did, and for deactivations class and detection. The flag: the class hangs on a reading.
    pub fn dress(&self, life: usize, mut window: Window, opening: Option<&Event>) -> (Window, bool) {
        window.activity = self.activity(life, &window);
        let removal = |o: &&Event| {
            // what somebody else lost tells only that this one had lost it before
            matches!(o.action, Action::DeviceDeactivated { .. })
                && self.history(life).iter().any(|e| std::ptr::eq(*e, *o))
        };
        let Some(opening) = opening.filter(removal) else {
            return (window, false);
        };
        let t = opening.time;
        let settings = self.input.settings;
        let history = self.history(life);
        let mut doubtful = false;

        let approval = self.input.approvals.iter().find(|a| self.approves(a, life, opening));
        let within = |e: &Event, grace: i64| pos(e) > pos(opening) && e.time <= t + Duration::seconds(grace);
        let offboarding = history.iter().any(|e| {
            // the root user cannot be deleted, its credentials can
            let gone = e.action == Action::UserDeleted || self.lives[life].root && e.action == Action::PasswordRemoved;
            gone && within(e, settings.offboarding_grace_s)
        });
        let enabled = |e: &Event| matches!(e.action, Action::DeviceEnabled { .. });
        let replaced = history.iter().any(|e| enabled(e) && within(e, settings.replacement_grace_s));
        // a new device that no event tells of, within the grace: the specification speaks of enabling only
        let grace_end = t + Duration::seconds(settings.replacement_grace_s);
        let silently = matches!(window.close_reason, Some(CloseReason::SeenInIam | CloseReason::SeenInUse))
            && window.closed_at.is_some_and(|c| c <= grace_end);
        // or one that was there within the grace, by what IAM said that early
        let there = window.close_reason == Some(CloseReason::EndedUnseen)
            && self.snapshot(&self.lives[life].account).is_some_and(|s| s.latest <= grace_end);
        doubtful |= (silently || there) && !replaced;

        let mut signals = Vec::new();
        for signal in &settings.takeover_signals {
            let (held, open_question) = self.signal(*signal, life, &window, opening);
            doubtful |= open_question;
            if held {
                signals.push(*signal);
            }
        }
        let until = self.until(&window);
        let unprotected = |c: &&&Call| {
            !c.failed && c.sign_in_mfa.or(c.session_mfa) == Some(false) && self.is_self(&c.actor, life, &moment(c.time))
        };
        let by_itself = self.is_self(&opening.actor, life, &pos(opening));
        let works_on = self.calls.iter().filter(unprotected).any(|c| t < c.time && c.time < until);
        let same_second = self.calls.iter().filter(unprotected).any(|c| c.time == t && c.event_id != opening.id);
        doubtful |= by_itself && same_second && !works_on;

        let taken_over = signals.len() >= settings.takeover_threshold;
        let class = if approval.is_some() && !taken_over {
            Class::Approved
        } else if offboarding {
            Class::Offboarding
        } else if taken_over {
            Class::SuspectedTakeover
        } else if replaced {
            Class::Replacement
        } else if by_itself && works_on {
            Class::Workaround
        } else {
            Class::Unexplained
        };
        window.class = Some(class);
        window.legitimate = Some(class.legitimate());
        window.reasons = signals.iter().map(|s| Reason { rule: s.name(), event_ids: vec![] }).collect();
        if approval.is_some() && taken_over {
            window.reasons.push(Reason { rule: "approval_contested", event_ids: vec![] });
        }
        window.approval = approval.map(|a| Approved { ticket: a.ticket.clone(), approver: a.approver.clone() });
        let (detection, unclear) = self.detection(life, &window, opening);
        window.detection = detection;
        (window, doubtful || unclear)
    }

    /// Whether somebody else than the two concerned allowed it, of the one who bore the name then.
    fn approves(&self, approval: &Approval, life: usize, opening: &Event) -> bool {
        let who = &self.lives[life];
        let own_name = who.names.iter().any(|n| n.eq_ignore_ascii_case(&approval.approver))
            || who.id.as_deref().is_some_and(|id| id == approval.approver)
            || who.user.as_ref().is_some_and(|u| u.arn.as_deref() == Some(&approval.approver));
        approval.account == who.account
            && self.meant_at(&who.account, &approval.user, &pos(opening)) == Some(life)
            && approval.valid_from <= opening.time
            && opening.time < approval.valid_to
            && !own_name
            && !is_caller(&approval.approver, &opening.actor)
    }

    /// The first moment that is no longer in a window.
    fn until(&self, window: &Window) -> Time {
        if window.is_open() { self.input.as_of + Duration::seconds(1) } else { end(window, self.input.as_of) }
    }

    fn activity(&self, life: usize, window: &Window) -> Activity {
        let (from, until) = (window.proven_from(), self.until(window));
        let mine: Vec<&&Call> = self
            .calls
            .iter()
            .filter(|c| from <= c.time && c.time < until && self.is_self(&c.actor, life, &moment(c.time)))
            .collect();
        let sorted = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>();
        Activity {
            events: mine.len(),
            console_logins_without_mfa: mine
                .iter()
                .filter(|c| &*c.name == "ConsoleLogin" && !c.failed && c.sign_in_mfa == Some(false))
                .count(),
            writes: mine.iter().filter(|c| !c.read_only).count(),
            errors: mine.iter().filter(|c| c.failed).count(),
            source_ips: sorted(mine.iter().filter_map(|c| address(c.source_ip.as_deref())).collect()),
            services: sorted(mine.iter().map(|c| c.service.to_string()).collect()),
            by_actor: None,
        }
    }

    /// The addresses at which a caller was seen in the look-back before `t`: successful calls and sign-ins.
    fn addresses(&self, is_it: &dyn Fn(&Call) -> bool, actor: Option<&Actor>, t: Time) -> BTreeSet<String> {
        let start = t - Duration::seconds(self.input.settings.lookback_s);
        // A look-back that was not read in full tells nothing.
        if t < self.input.period.from {
            return BTreeSet::new();
        }
        let mut seen: BTreeSet<String> = self
            .calls
            .iter()
            .filter(|c| start <= c.time && c.time < t && is_it(c) && !c.failed)
            .filter_map(|c| address(c.source_ip.as_deref()))
            .collect();
        if let Some(actor) = actor {
            seen.extend(
                self.input
                    .context
                    .sightings
                    .iter()
                    .filter(|s| Some(&*s.actor) == actor.id.as_deref().or(actor.arn.as_deref()))
                    .filter(|s| s.first < t && s.last >= start)
                    .filter_map(|s| address(Some(&s.source_ip))),
            );
        }
        seen
    }

    /// Whether a signal holds, and whether that hangs on a reading.
    fn signal(&self, signal: Signal, life: usize, window: &Window, opening: &Event) -> (bool, bool) {
        let t = opening.time;
        let hour = Duration::hours(1);
        let actor = &opening.actor;
        let strange = |ip: &Option<Text>, seen: &BTreeSet<String>| {
            !seen.is_empty() && address(ip.as_deref()).is_some_and(|ip| !seen.contains(&ip))
        };
        match signal {
            Signal::ActorWithoutMfa => (session_mfa(opening) == Some(false), false),
            Signal::NewSource => {
                let is_it = |c: &Call| c.actor.same_as(actor);
                (strange(&opening.source_ip, &self.addresses(&is_it, Some(actor), t)), false)
            }
            Signal::SeveralPrincipals => {
                let others: BTreeSet<usize> = (0..self.events.len())
                    .filter(|&i| {
                        let e = self.events[i];
                        matches!(e.action, Action::DeviceDeactivated { .. })
                            && e.succeeded()
                            && e.actor.same_as(actor)
                            && (e.time - t).abs() <= hour
                    })
                    .filter_map(|i| self.about[i])
                    .filter(|other| *other != life)
                    .collect();
                (others.len() >= 2, false)
            }
            Signal::Persistence => {
                let held = self.history(life).iter().any(|e| {
                    let lasting = match &e.action {
                        Action::AccessKeyCreated { .. } | Action::PasswordCreated => true,
                        Action::PasswordReset | Action::PasswordChanged => !self.is_self(&e.actor, life, &pos(e)),
                        Action::PolicyAttached { arn: Some(arn) } => arn.ends_with(":policy/AdministratorAccess"),
                        Action::PolicyPut { document: Some(text), .. } => everything(text, "Allow"),
                        _ => false,
                    };
                    lasting && t <= e.time && e.time <= t + hour
                });
                (held, false)
            }
            Signal::PriorFailures => {
                let held = self.events.iter().any(|e| {
                    matches!(e.action, Action::ConsoleLogin { .. } | Action::DeviceDeactivated { .. })
                        && !e.succeeded()
                        && e.actor.same_as(actor)
                        && t - hour <= e.time
                        && e.time <= t
                });
                (held, false)
            }
            Signal::ForeignEnrolment => {
                let history = self.history(life);
                let enabled = |e: &&&Event| matches!(e.action, Action::DeviceEnabled { .. });
                let next = history.iter().filter(enabled).find(|e| pos(e) > pos(opening));
                let closing = next.filter(|e| window.closed_by_event.as_ref() == Some(&e.id));
                let held_by = |e: Option<&&Event>, enrolled: bool| {
                    e.is_some_and(|e| {
                        let t = if enrolled { e.time } else { t };
                        let itself = self.is_self(&e.actor, life, &pos(e));
                        let is_it = |c: &Call| {
                            if itself {
                                self.is_self(&c.actor, life, &moment(c.time))
                            } else {
                                c.actor.same_as(&e.actor)
                            }
                        };
                        strange(&e.source_ip, &self.addresses(&is_it, (!itself).then_some(&e.actor), t))
                    })
                };
                let held = |e| held_by(e, false);
                (held(next), held(next) != held(closing) || held(next) != held_by(next, true))
            }
            Signal::RootUser => (actor.kind == ActorKind::Root, false),
        }
    }

    fn detection(&self, life: usize, window: &Window, opening: &Event) -> (Option<Detected>, bool) {
        let who = &self.lives[life];
        let last = end(window, self.input.as_of);
        let reported = self
            .input
            .detections
            .iter()
            .filter(|d| match &d.subject {
                DetectionSubject::Event(id) => *id == opening.id,
                DetectionSubject::Principal { account, user } => {
                    *account == who.account
                        && self.meant_at(account, user, &moment(d.detected_at)) == Some(life)
                        && opening.time <= d.detected_at
                        && d.detected_at <= last
                }
            })
            .min_by_key(|d| d.detected_at);
        let detected = |at: Time, kind, source: String, reference: String| {
            Some(Detected { at, kind, source, reference, time_to_detect_s: (at - opening.time).num_seconds() })
        };
        if let Some(d) = reported {
            return (detected(d.detected_at, DetectionKind::Reported, d.source.clone(), d.reference.clone()), false);
        }
        let until = self.until(window);
        let inside = |time: Time| opening.time <= time && time < until;
        let stranger = |actor: &Actor, time: Time| {
            let known = [actor.arn.as_deref(), actor.issuer.as_deref()];
            let left_out = known
                .into_iter()
                .flatten()
                .any(|arn| self.input.settings.not_detectors.iter().any(|p| matches(p.as_bytes(), arn.as_bytes())));
            !left_out && !is_aws(actor) && !self.is_self(actor, life, &moment(time)) && !actor.same_as(&opening.actor)
        };
        let mut found: Vec<(Time, &Actor, &str)> = Vec::new();
        let mut unclear = false;
        for call in &self.calls {
            let about = call.about_user.as_deref().is_some_and(|user| {
                *call.account == *who.account
                    && if user == "aws root user" {
                        who.root
                    } else {
                        self.named_at(&call.account, user, &moment(call.time)) == Some(life)
                    }
            });
            if about && !call.failed && inside(call.time) && stranger(&call.actor, call.time) {
                // how many console users there were then, IAM's later list does not tell
                unclear |= call.read_only && self.reads(call, 600) >= 2 && !self.is_large(&call.account);
                if call.read_only && self.sweep(call, 600) {
                    unclear |= !self.sweep(call, 599);
                    continue;
                }
                found.push((call.time, &call.actor, &call.event_id));
            }
        }
        for (i, event) in self.events.iter().enumerate() {
            if self.about[i] == Some(life)
                && event.source == "iam.amazonaws.com"
                && event.succeeded()
                && inside(event.time)
                && stranger(&event.actor, event.time)
            {
                found.push((event.time, &event.actor, &event.id));
            }
        }
        let first = found.into_iter().min_by_key(|(time, _, id)| (*time, *id));
        // an entity that is made by somebody else, for the principal as it turns out: about it or not, nobody decided
        unclear |= self.events.iter().any(|e| {
            matches!(e.action, Action::DeviceCreated { .. })
                && *e.account == *who.account
                && e.succeeded()
                && inside(e.time)
                && stranger(&e.actor, e.time)
                && first.as_ref().is_none_or(|(time, ..)| e.time <= *time)
                && (self.evidence(life).devices.keys().any(|s| e.action.serial() == Some(s))
                    || (0..self.events.len())
                        .any(|i| self.about[i] == Some(life) && self.events[i].action.serial() == e.action.serial()))
        });
        (first.and_then(|(at, by, id)| detected(at, DetectionKind::Inferred, by.display(), id.to_owned())), unclear)
    }

    /// Who bears a name, or the name itself where nobody is known to.
    fn read_about(&self, account: &str, name: &str, time: Time) -> (Option<usize>, String) {
        let life = self.named_at(account, name, &moment(time));
        (life, if life.is_some() { String::new() } else { name.to_lowercase() })
    }

    /// The console users of an account, as IAM tells.
    fn console_users(&self, account: &str) -> BTreeSet<(Option<usize>, String)> {
        let state = self.input.iam.and_then(|iam| iam.accounts.get(account));
        let users = state.iter().flat_map(|s| &s.users).filter(|u| u.password == Some(true));
        let at = self.input.iam.map_or(self.input.as_of, |iam| iam.users_as_of(account).latest);
        users.map(|u| self.read_about(account, &u.name, at)).collect()
    }

    /// Whether five console users are known.
    fn is_large(&self, account: &str) -> bool {
        self.console_users(account).len() >= 5
    }

    /// How many principals the caller read within a span around the call.
    fn reads(&self, call: &Call, span_s: i64) -> usize {
        let near = |c: &&&Call| (c.time - call.time).num_seconds().abs() <= span_s;
        let mine = self.calls.iter().filter(|c| c.read_only && c.actor.same_as(&call.actor)).filter(near);
        mine.filter_map(|c| c.about_user.clone()).collect::<BTreeSet<_>>().len()
    }

    /// Whether the caller read five or more principals, or all console users of a small account, within a span that holds
    /// the call.
    fn sweep(&self, call: &Call, span_s: i64) -> bool {
        let reads: Vec<&&Call> = self
            .calls
            .iter()
            .filter(|c| c.read_only && c.about_user.is_some() && c.actor.same_as(&call.actor))
            .collect();
        let console = self.console_users(&call.account);
        reads.iter().any(|first| {
            let last = first.time + Duration::seconds(span_s);
            let users: BTreeSet<_> = reads
                .iter()
                .filter(|c| first.time <= c.time && c.time <= last)
                .filter_map(|c| Some((&*c.account, self.read_about(&c.account, c.about_user.as_deref()?, c.time))))
                .collect();
            let whole = (2..5).contains(&console.len())
                && console.iter().all(|user| users.contains(&(&*call.account, user.clone())));
            first.time <= call.time && call.time <= last && (users.len() >= 5 || whole)
        })
    }
}
