//! One principal's life, place by place.

use mfatrail::contract::{Activity, Certainty, CloseReason, ConsolePassword, Finding, FindingCode, Window, WindowKind};
use mfatrail::mfa::{Action, Event};

use super::proofs::{Basis, Evidence, deny};
use super::{Effects, FACT, LATEST, Oracle, Spot, Time, end, meaning, pos};

/// What one principal's history tells.
#[derive(Default)]
pub struct Tale<'a> {
    pub windows: Vec<(Window, Option<&'a Event>)>,
    pub findings: Vec<Finding>,
    pub effects: Effects,
}

enum Happening<'a> {
    Event(&'a Event),
    /// IAM's date of an enrolment that the archive lacks.
    Enrolled(String),
    /// An event that shows that a device had gone.
    Lost(&'a Event, String),
    /// IAM says that a device is active which no input names.
    Unseen,
    /// IAM's whole list lacks it, or somebody else got its name.
    Gone,
    Snapshot,
}

struct Walk<'a> {
    evidence: Evidence,
    open: Option<(Window, Option<&'a Event>)>,
    tale: Tale<'a>,
}

impl Walk<'_> {
    fn shut(&mut self, place: &Spot, why: CloseReason, by: Option<&Event>) {
        let Some((mut window, opening)) = self.open.take() else { return };
        window.closed_at = Some(place.0);
        window.closed_by_event = by.map(|e| e.id.clone());
        window.close_reason = Some(why);
        window.duration_s = (place.0 - window.proven_from()).num_seconds();
        self.tale.windows.push((window, opening));
    }

    /// The exposure is over, nobody knows since when: it is proven up to `to`, else for no time at all.
    fn end_unseen(&mut self, to: Option<Time>) {
        let Some((mut window, opening)) = self.open.take() else { return };
        window.close_reason = Some(CloseReason::EndedUnseen);
        window.duration_s = to.map_or(0, |to| (to - window.proven_from()).num_seconds().max(0));
        self.tale.windows.push((window, opening));
    }
}

impl<'a> Oracle<'a> {
    pub fn walk(&self, life: usize) -> Tale<'a> {
        let who = &self.lives[life];
        let evidence = self.evidence(life);
        let mut places: Vec<(Spot, Happening<'a>)> =
            self.history(life).into_iter().map(|e| (pos(e), Happening::Event(e))).collect();
        for (serial, proofs) in &evidence.devices {
            for proof in proofs.iter().filter(|p| p.basis == Basis::Date && p.after == Some(true)) {
                places.push((proof.spot.clone(), Happening::Enrolled(serial.clone())));
            }
        }
        for (spot, serial) in evidence.losses() {
            if let Some(event) = self.events.iter().find(|e| pos(e) == spot && e.account == who.account) {
                places.push((spot, Happening::Lost(event, serial)));
            }
        }
        if let Some(at) = &evidence.unseen {
            places.push(((at.0, FACT, "1".to_owned()), Happening::Unseen));
        }
        let displaced = who.displaced.as_ref().filter(|at| !self.seen_after(life, at));
        for at in [who.gone.as_ref(), displaced].into_iter().flatten() {
            places.push(((at.0, at.1, format!("{}2", at.2)), Happening::Gone));
        }
        if let Some(at) = self.snapshot(&who.account) {
            places.push(((at.latest, LATEST, "3".to_owned()), Happening::Snapshot));
        }
        places.sort_by(|a, b| a.0.cmp(&b.0));

        let mut walk = Walk { evidence, open: None, tale: Tale::default() };
        for (place, happening) in places {
            match happening {
                Happening::Event(event) => self.step(life, event, &place, &mut walk),
                Happening::Lost(event, serial) => {
                    let exposed = walk.evidence.empty(&place, true)
                        && walk.evidence.password_at(&place, true) != Some(false)
                        && !walk.evidence.denied(&place, true);
                    if exposed && walk.open.is_none() {
                        let window = self.opened(life, WindowKind::Removed, event, &place, &walk);
                        walk.open = Some((Window { device: Some(serial), ..window }, Some(event)));
                    }
                }
                Happening::Enrolled(serial) => {
                    // the missing enrolment lies between the window's opening and the date that IAM tells
                    if let Some((window, _)) = &walk.open {
                        let opened = window.proven_from();
                        let known = walk
                            .evidence
                            .findings
                            .iter_mut()
                            .find(|f| f.device.as_ref() == Some(&serial) && f.between[1] == place.0);
                        match known {
                            Some(finding) => {
                                let [from, to] = finding.between;
                                finding.between[0] = if from < to { from.max(opened) } else { opened };
                            }
                            None => {
                                let code = FindingCode::EnableNotInArchive;
                                let finding = self.finding(life, Some(&serial), code, opened, place.0);
                                walk.evidence.findings.push(finding);
                            }
                        }
                    }
                    walk.shut(&place, CloseReason::SeenInIam, None);
                }
                // a device was there, nobody knows since when
                Happening::Unseen => walk.end_unseen(None),
                Happening::Gone => walk.end_unseen(self.last_seen(life, &place).map(|s| s.0)),
                Happening::Snapshot => self.standing(life, place.0, &mut walk),
            }
        }
        if let Some((mut window, opening)) = walk.open.take() {
            window.duration_s = (self.input.as_of - window.proven_from()).num_seconds();
            walk.tale.windows.push((window, opening));
        }
        let mut tale = walk.tale;
        for (window, opening) in &mut tale.windows {
            window.certainty = self.certainty(life, window, *opening, &walk.evidence);
        }
        tale.findings = walk.evidence.findings;
        tale
    }

    fn step(&self, life: usize, event: &'a Event, place: &Spot, walk: &mut Walk<'a>) {
        let empty = walk.evidence.empty(place, true);
        let counted = usize::from(self.input.period.contains(event.time));
        match &event.action {
            Action::DeviceEnabled { .. } => walk.shut(place, CloseReason::Reenabled, Some(event)),
            Action::DeviceResynced { .. }
            | Action::SessionToken { .. }
            | Action::ConsoleLogin { mfa_used: Some(true), serial: Some(_) } => {
                // it has none by all that is known, and uses one: an enrolment is missing
                walk.shut(place, CloseReason::SeenInUse, Some(event));
            }
            Action::UserDeleted => walk.shut(place, CloseReason::UserDeleted, Some(event)),
            Action::PasswordRemoved => walk.shut(place, CloseReason::PasswordRemoved, Some(event)),
            Action::PasswordCreated => {
                // there was no password right before it, so nobody was exposed
                walk.end_unseen(None);
                if empty && !walk.evidence.denied(place, true) {
                    self.reopen(life, event, place, walk);
                }
            }
            Action::DeviceDeactivated { .. } => {
                walk.shut(place, CloseReason::SeenInUse, Some(event));
                if !empty {
                    walk.tale.effects.left += counted;
                } else if walk.evidence.password_at(place, true) == Some(false) {
                    walk.tale.effects.no_password += counted;
                } else if walk.evidence.denied(place, true) {
                    walk.tale.effects.denied += counted;
                } else {
                    walk.open = Some((self.opened(life, WindowKind::Removed, event, place, walk), Some(event)));
                }
            }
            action => match deny(action) {
                Some((_, true)) => walk.shut(place, CloseReason::Denied, Some(event)),
                Some((_, false)) => {
                    if walk.evidence.denied(place, false) {
                        walk.end_unseen(None);
                    }
                    let ends = walk.evidence.denied(place, false) && !walk.evidence.denied(place, true);
                    let password = walk.evidence.password_at(place, true) != Some(false);
                    if ends && empty && password {
                        self.reopen(life, event, place, walk);
                    }
                }
                None => {}
            },
        }
    }

    /// An exposure comes back, or begins, by something else than a removal.
    fn reopen(&self, life: usize, event: &'a Event, place: &Spot, walk: &mut Walk<'a>) {
        let kind = if walk.evidence.had(place) {
            WindowKind::Removed
        } else if walk.evidence.complete {
            WindowKind::NeverEnrolled
        } else {
            return;
        };
        walk.open = Some((self.opened(life, kind, event, place, walk), Some(event)));
    }

    fn opened(&self, life: usize, kind: WindowKind, by: &Event, place: &Spot, walk: &Walk<'_>) -> Window {
        Window {
            opened_at: Some(by.time),
            opened_by_event: Some(by.id.clone()),
            opened_by: Some(by.name.to_string()),
            device: by.action.serial().map(str::to_owned),
            actor: Some(by.actor.display()),
            actor_mfa: meaning::session_mfa(by),
            source_ip: by.source_ip.as_deref().map(str::to_owned),
            delivered_at: by.delivered_at,
            console_password: console_password(walk.evidence.password_at(place, true)),
            ..self.blank(life, kind)
        }
    }

    fn blank(&self, life: usize, kind: WindowKind) -> Window {
        let user = self.lives[life].user.as_ref();
        Window {
            kind,
            account: self.lives[life].account.clone(),
            principal: self.principal(life),
            owner: user.and_then(|s| {
                let tags = s.tags.as_ref()?;
                self.input.settings.owner_tags.iter().find_map(|key| tags.get(key).cloned())
            }),
            opened_at: None,
            open_since_before: None,
            opened_by_event: None,
            opened_by: None,
            device: None,
            actor: None,
            actor_mfa: None,
            source_ip: None,
            delivered_at: None,
            closed_at: None,
            closed_by_event: None,
            close_reason: None,
            duration_s: 0,
            certainty: Certainty::Possible,
            class: None,
            legitimate: None,
            reasons: Vec::new(),
            detection: None,
            approval: None,
            console_password: ConsolePassword::Unknown,
            active_access_keys: None,
            privileged: user.and_then(|s| s.privileged),
            activity: Activity::default(),
            integrity: None,
            exceptions: Vec::new(),
        }
    }

    /// What IAM shows at the snapshot and no window explains.
    fn standing(&self, life: usize, at: Time, walk: &mut Walk<'a>) {
        if walk.open.is_some() || !self.stands_without(life, &walk.evidence) {
            return;
        }
        let password = self.password_at_snapshot(life, &walk.evidence);
        let since = self.unchanged_since(life, at, &walk.evidence);
        let window = Window {
            open_since_before: Some(since),
            console_password: console_password(password),
            ..self.blank(life, WindowKind::Standing)
        };
        walk.open = Some((window, None));
    }

    /// The earliest moment from which on nothing changed up to the snapshot.
    fn unchanged_since(&self, life: usize, at: Time, evidence: &Evidence) -> Time {
        let who = &self.lives[life];
        let mut moments: Vec<Time> = vec![self.lookback()];
        moments.extend(self.first_record(&who.account));
        moments.extend(who.born);
        moments.extend(who.created.as_ref().map(|c| c.0));
        for event in self.history(life) {
            let changes = matches!(
                event.action,
                Action::DeviceEnabled { .. }
                    | Action::DeviceDeactivated { .. }
                    | Action::PasswordCreated
                    | Action::PasswordRemoved
            ) || evidence.denies.values().flatten().any(|p| p.spot == pos(event));
            if changes && event.time <= at {
                moments.push(event.time);
            }
        }
        moments.extend(evidence.findings.iter().map(|f| f.between[1]).filter(|to| *to <= at));
        moments.into_iter().max().unwrap_or(at).min(at)
    }

    // ------------------------------------------------------------------------------------------------ certainty

    fn certainty(&self, life: usize, window: &Window, opening: Option<&Event>, evidence: &Evidence) -> Certainty {
        let who = &self.lives[life];
        let as_of = self.input.as_of;
        let (from, to) = (window.proven_from(), end(window, as_of));
        let disputed = evidence.findings.iter().any(|f| {
            let [a, b] = f.between;
            a.max(from) < b.min(to) || from == to && a < from && to < b
        });
        let unseen = evidence.unseen.as_ref().is_some_and(|at| opening.is_some_and(|o| pos(o) <= *at));
        let unsure_end = matches!(window.close_reason, Some(CloseReason::SeenInUse | CloseReason::EndedUnseen));
        let unknown = match window.kind {
            WindowKind::Standing => {
                let credentials = who.root && who.keys.is_some_and(|keys| keys > 0);
                let old = evidence.without_device.is_some_and(|t| t < self.lookback());
                old || window.console_password != ConsolePassword::Yes && !credentials
            }
            _ => !evidence.complete,
        };
        let last_evidence = self.input.covered.get(&who.account).map(|c| c[1]);
        let stale = window.is_open() && last_evidence.max(evidence.without_device).is_none_or(|last| as_of > last);
        if disputed || unseen || unsure_end || unknown || stale { Certainty::Possible } else { Certainty::Confirmed }
    }
}

fn console_password(known: Option<bool>) -> ConsolePassword {
    match known {
        Some(true) => ConsolePassword::Yes,
        Some(false) => ConsolePassword::No,
        None => ConsolePassword::Unknown,
    }
}
