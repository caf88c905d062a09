//! What a success or IAM proves of a device, a password and a deny, and where two proofs contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use mfatrail::contract::{Finding, FindingCode};
use mfatrail::inventory::{AsOf, Device};
use mfatrail::mfa::{Action, Event};

use super::people::{Fact, Tell, is_virtual};
use super::{FACT, Oracle, Spot, Time, pos};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Basis {
    Event,
    UserDeleted,
    Iam,
    /// IAM's `EnableDate`, of which the archive knows nothing.
    Date,
}

/// What is proven right before and right after a place; `None`: nothing.
#[derive(Clone, Debug)]
pub struct Proof {
    pub spot: Spot,
    pub before: Option<bool>,
    pub after: Option<bool>,
    pub basis: Basis,
}

impl Proof {
    fn new(spot: Spot, before: impl Into<Option<bool>>, after: impl Into<Option<bool>>, basis: Basis) -> Self {
        Self { spot, before: before.into(), after: after.into(), basis }
    }
}

/// What two neighboring proofs tell of the time between them.
#[derive(Clone, Copy, PartialEq)]
pub enum Between {
    Known(bool),
    Unknown,
    /// The earlier says this, the later the contrary.
    Contradicted(bool),
}

fn between(earlier: Option<&Proof>, later: Option<&Proof>) -> Between {
    match (earlier.and_then(|p| p.after), later.and_then(|p| p.before)) {
        (Some(a), Some(b)) if a == b => Between::Known(a),
        (Some(a), Some(_)) => Between::Contradicted(a),
        (Some(known), None) | (None, Some(known)) => Between::Known(known),
        (None, None) => Between::Unknown,
    }
}

/// What the proofs around a place tell of it, `after` or before what happened there.
pub fn state(proofs: &[Proof], place: &Spot, after: bool) -> Between {
    let here: Vec<&Proof> = proofs.iter().filter(|p| p.spot == *place).collect();
    let said = if after { here.iter().rev().find_map(|p| p.after) } else { here.iter().find_map(|p| p.before) };
    if let Some(said) = said {
        return Between::Known(said);
    }
    let earlier = proofs.iter().rfind(|p| if after { p.spot <= *place } else { p.spot < *place });
    let later = proofs.iter().find(|p| if after { p.spot > *place } else { p.spot >= *place });
    between(earlier, later)
}

/// Where a managed or an inline policy denies everything.
pub type Denies = BTreeMap<String, Vec<Proof>>;

const MANAGED: &str = "AWSDenyAll";

/// Everything that is proven of a principal.
pub struct Evidence {
    pub devices: BTreeMap<String, Vec<Proof>>,
    pub password: Vec<Proof>,
    pub denies: Denies,
    /// From when on a deny counts that only IAM tells of; which policy it is, and so what ends it, nobody knows.
    pub told_deny: Option<Option<Spot>>,
    /// Between the archive's last word, that it was denied, and IAM's, that it is not.
    pub disputed_deny: Option<(Spot, Spot)>,
    /// Where IAM says that a device is active which no input names.
    pub unseen: Option<Spot>,
    /// Where IAM says that it had one that no input names, whether or not the archive says otherwise.
    pub nameless: Option<Spot>,
    /// Whether it was gone later, and nobody knows since when.
    pub nameless_lost: bool,
    /// Where IAM told all devices.
    pub complete: bool,
    /// Where IAM last showed no device, no later event against it.
    pub without_device: Option<Time>,
    pub findings: Vec<Finding>,
}

impl Oracle<'_> {
    fn changes(&self, life: usize, fact: &Fact) -> bool {
        let kind = |e: &&Event| match fact.tell {
            Tell::Devices(_) | Tell::MfaActive(_) => {
                matches!(e.action, Action::DeviceEnabled { .. } | Action::DeviceDeactivated { .. })
            }
            Tell::Password(_) => matches!(e.action, Action::PasswordCreated | Action::PasswordRemoved),
            Tell::Denied(_) => touches_deny(&e.action),
        };
        self.history(life).into_iter().any(|e| kind(&e) && fact.at.earliest < e.time && e.time <= fact.at.latest)
    }

    /// The facts that tell something: not older than what was read, and nothing happened while they were gathered.
    fn facts(&self, life: usize) -> Vec<Fact> {
        let who = &self.lives[life];
        who.facts.iter().filter(|f| f.at.latest >= self.lookback() && !self.changes(life, f)).cloned().collect()
    }

    /// The virtual devices of an account as facts about one principal: serial number, whether it is this one's, since when.
    fn virtuals(&self, life: usize, serials: &BTreeSet<String>) -> Vec<(AsOf, String, bool, Option<Time>)> {
        let account = &self.lives[life].account;
        let Some(state) = self.input.iam.and_then(|iam| iam.accounts.get(account)) else { return vec![] };
        let (Some(list), Some(at)) = (&state.virtual_devices, self.snapshot(account)) else { return vec![] };
        let empty = Fact { at, tell: Tell::Devices(Vec::new()) };
        if at.latest < self.lookback() || self.changes(life, &empty) {
            return vec![];
        }
        serials
            .iter()
            .filter(|s| is_virtual(s))
            .map(|serial| {
                let entity = list.iter().find(|v| v.device.serial == *serial);
                let owner = entity.and_then(|v| self.owner(account, v.owner.as_ref()?, at));
                let mine = owner == Some(life);
                (at, serial.clone(), mine, entity.filter(|_| mine).and_then(|v| v.device.enabled_at))
            })
            .collect()
    }

    /// Every serial number of an account that anything tells of.
    fn serials(&self, account: &str) -> BTreeSet<String> {
        let mut serials: BTreeSet<String> = self
            .events
            .iter()
            .filter(|e| e.account == account)
            .filter_map(|e| e.action.serial().map(str::to_owned))
            .collect();
        for life in self.lives.iter().filter(|l| l.account == account) {
            for fact in &life.facts {
                if let Tell::Devices(list) = &fact.tell {
                    serials.extend(list.iter().map(|d| d.serial.clone()));
                }
            }
        }
        let state = self.input.iam.and_then(|iam| iam.accounts.get(account));
        serials.extend(state.iter().flat_map(|s| s.virtual_devices.iter().flatten()).map(|v| v.device.serial.clone()));
        serials
    }

    /// What happened to one device, as far as it tells whether it is this principal's.
    fn device(
        &self,
        life: usize,
        serial: &str,
        facts: &[Fact],
        virtuals: &[(AsOf, String, bool, Option<Time>)],
    ) -> Vec<Proof> {
        let mut proofs = Vec::new();
        let account = &self.lives[life].account;
        for (i, event) in self.events.iter().enumerate() {
            if event.account != *account || !event.succeeded() {
                continue;
            }
            let spot = pos(event);
            let mine = self.about[i] == Some(life);
            match &event.action {
                Action::UserCreated if mine => proofs.push(Proof::new(spot, false, false, Basis::Event)),
                Action::UserDeleted if mine => proofs.push(Proof::new(spot, false, false, Basis::UserDeleted)),
                action if action.serial() != Some(serial) => {}
                Action::DeviceEnabled { .. } => proofs.push(Proof::new(spot, false, mine, Basis::Event)),
                Action::DeviceDeactivated { .. } => proofs.push(Proof::new(spot, mine, false, Basis::Event)),
                Action::DeviceResynced { .. }
                | Action::SessionToken { .. }
                | Action::ConsoleLogin { mfa_used: Some(true), .. } => {
                    proofs.push(Proof::new(spot, mine, mine, Basis::Event));
                }
                // the console's "remove" and a new entity of that name in one second: nobody knows which was first
                Action::DeviceCreated { .. } if self.lost_in_that_second(event) => {}
                Action::DeviceCreated { .. } | Action::DeviceDeleted { .. } => {
                    proofs.push(Proof::new(spot, false, false, Basis::Event));
                }
                _ => {}
            }
        }
        let mut dates = BTreeSet::new();
        for fact in facts {
            match &fact.tell {
                Tell::Devices(list) => {
                    let listed = list.iter().find(|d| d.serial == serial);
                    proofs.push(Proof::new(fact.spot(), listed.is_some(), listed.is_some(), Basis::Iam));
                    dates.extend(listed.and_then(|d| d.enabled_at).map(|d| (d, true)));
                }
                Tell::MfaActive(false) => proofs.push(Proof::new(fact.spot(), false, false, Basis::Iam)),
                _ => {}
            }
        }
        for (at, _, mine, date) in virtuals.iter().filter(|(_, s, ..)| s == serial) {
            let spot = (at.latest, FACT, String::new());
            proofs.push(Proof::new(spot, *mine, *mine, Basis::Iam));
            dates.extend(date.map(|d| (d, true)));
        }
        dates.extend(self.dates_of_others(life, serial).into_iter().map(|d| (d, false)));
        for (date, mine) in dates {
            // whoever it was about by the archive: it is that enrolment
            let event = self.events.iter().any(|e| {
                matches!(e.action, Action::DeviceEnabled { .. })
                    && e.succeeded()
                    && e.account == *account
                    && e.action.serial() == Some(serial)
                    && (e.time - date).num_seconds().abs() <= 2
            });
            if !event {
                proofs.push(Proof::new((date, 2, String::new()), false, mine, Basis::Date));
            }
        }
        proofs.sort_by(|a, b| a.spot.cmp(&b.spot));
        proofs
    }

    fn lost_in_that_second(&self, created: &Event) -> bool {
        self.events.iter().any(|e| {
            matches!(e.action, Action::DeviceDeactivated { .. } | Action::DeviceDeleted { .. })
                && e.succeeded()
                && e.account == created.account
                && e.time == created.time
                && e.action.serial() == created.action.serial()
        })
    }

    /// When IAM says that the device was enabled for somebody else.
    fn dates_of_others(&self, life: usize, serial: &str) -> Vec<Time> {
        let account = &self.lives[life].account;
        let date = |list: &[Device]| list.iter().find(|d| d.serial == serial).and_then(|d| d.enabled_at);
        let mut dates: Vec<Time> = (0..self.lives.len())
            .filter(|&other| other != life && self.lives[other].account == *account)
            .flat_map(|other| self.facts(other))
            .filter_map(|f| match &f.tell {
                Tell::Devices(list) => date(list),
                _ => None,
            })
            .collect();
        let state = self.input.iam.and_then(|iam| iam.accounts.get(account));
        if let (Some(state), Some(at)) = (state, self.snapshot(account))
            && at.latest >= self.lookback()
        {
            let entity = state.virtual_devices.iter().flatten().find(|v| v.device.serial == serial);
            let owner = entity.and_then(|v| self.owner(account, v.owner.as_ref()?, at));
            if owner.is_some() && owner != Some(life) {
                dates.extend(entity.and_then(|v| v.device.enabled_at));
            }
        }
        dates
    }

    fn passwords(&self, life: usize, facts: &[Fact]) -> Vec<Proof> {
        let mut proofs: Vec<Proof> = self
            .history(life)
            .into_iter()
            .filter_map(|e| {
                let (before, after) = match e.action {
                    Action::UserCreated => (None, Some(false)),
                    Action::PasswordCreated => (Some(false), Some(true)),
                    Action::PasswordReset | Action::PasswordChanged => (Some(true), Some(true)),
                    Action::ConsoleLogin { .. } if self.is_self(&e.actor, life, &pos(e)) => (Some(true), Some(true)),
                    Action::PasswordRemoved => (Some(true), Some(false)),
                    Action::UserDeleted => (Some(false), None),
                    _ => return None,
                };
                Some(Proof::new(pos(e), before, after, Basis::Event))
            })
            .collect();
        for fact in facts {
            if let Tell::Password(there) = fact.tell {
                proofs.push(Proof::new(fact.spot(), there, there, Basis::Iam));
            }
        }
        proofs.sort_by(|a, b| a.spot.cmp(&b.spot));
        proofs
    }

    /// What is proven of each policy of its own that denies everything.
    fn own_denies(&self, life: usize) -> Denies {
        let mut denies = Denies::new();
        let history = self.history(life);
        for event in &history {
            let Some((policy, starts)) = deny(&event.action) else { continue };
            let proofs = denies.entry(policy.clone()).or_default();
            let known = proofs.last().is_some_and(|p: &Proof| p.after == Some(true));
            let proof = match starts {
                true => Proof::new(pos(event), None, true, Basis::Event),
                // only a managed policy is known by its name: what an inline one said must have been seen
                false if known || policy == MANAGED => Proof::new(pos(event), true, false, Basis::Event),
                false => continue,
            };
            proofs.push(proof);
        }
        denies.retain(|_, proofs| !proofs.is_empty());
        if let Some(created) = &self.lives[life].created {
            for proofs in denies.values_mut() {
                proofs.insert(0, Proof::new(created.clone(), None, false, Basis::Event));
            }
        }
        denies
    }

    /// Everything that is proven of a principal, and what is wrong with it.
    pub fn evidence(&self, life: usize) -> Evidence {
        let who = &self.lives[life];
        let facts = self.facts(life);
        let serials = self.serials(&who.account);
        let virtuals = self.virtuals(life, &serials);
        let mut devices = BTreeMap::new();
        for serial in serials {
            let proofs = self.device(life, &serial, &facts, &virtuals);
            if proofs.iter().any(|p| p.before == Some(true) || p.after == Some(true)) {
                devices.insert(serial, proofs);
            }
        }
        let tells_all = |f: &&Fact| matches!(f.tell, Tell::Devices(_) | Tell::MfaActive(false));
        let mut evidence = Evidence {
            devices,
            password: self.passwords(life, &facts),
            denies: self.own_denies(life),
            told_deny: None,
            disputed_deny: None,
            unseen: None,
            nameless: None,
            nameless_lost: false,
            complete: who.created.is_some() || who.deleted.is_some() || facts.iter().any(|f| tells_all(&f)),
            without_device: None,
            findings: Vec::new(),
        };
        for (serial, proofs) in &evidence.devices {
            evidence.findings.extend(self.device_findings(life, serial, proofs));
        }
        self.tell_unseen(life, &facts, &mut evidence);
        self.tell_without_device(life, &facts, &mut evidence);
        self.tell_deny(life, &facts, &mut evidence);
        self.password_findings(life, &mut evidence);
        self.identity_findings(life, &mut evidence);
        evidence
    }

    pub fn finding(&self, life: usize, device: Option<&str>, finding: FindingCode, from: Time, to: Time) -> Finding {
        Finding {
            account: self.lives[life].account.clone(),
            principal: Some(self.principal(life)),
            device: device.map(str::to_owned),
            finding,
            between: [from, to],
        }
    }

    fn device_findings(&self, life: usize, serial: &str, proofs: &[Proof]) -> Vec<Finding> {
        let account = &self.lives[life].account;
        let mut findings = Vec::new();
        for (n, later) in proofs.iter().enumerate() {
            let earlier = n.checked_sub(1).map(|n| &proofs[n]);
            let contradiction = match between(earlier, Some(later)) {
                Between::Contradicted(there) => Some(there),
                _ => None,
            };
            let code = match (contradiction, later.basis) {
                (Some(false), _) => FindingCode::EnableNotInArchive,
                // an enrolment in the covered range that was not seen
                (_, Basis::Date) if later.after == Some(true) => {
                    if !self.covers(account, later.spot.0) {
                        continue;
                    }
                    FindingCode::EnableNotInArchive
                }
                (Some(true), Basis::Iam | Basis::Date) => FindingCode::DeactivateNotInArchive,
                (Some(true), Basis::UserDeleted) if self.whole_list_after(account, later.spot.0) => {
                    FindingCode::DeactivateNotInArchive
                }
                (Some(true), _) => FindingCode::StateContradicts,
                (None, _) => continue,
            };
            let from = earlier.map_or(later.spot.0, |p| p.spot.0);
            findings.push(self.finding(life, Some(serial), code, from, later.spot.0));
        }
        findings
    }

    fn covers(&self, account: &str, time: Time) -> bool {
        self.input.covered.get(account).is_some_and(|[from, to]| *from <= time && time <= *to)
            && time >= self.lookback()
    }

    fn tell_unseen(&self, life: usize, facts: &[Fact], evidence: &mut Evidence) {
        let said = facts.iter().find(|f| matches!(f.tell, Tell::MfaActive(true)));
        let Some(at) = said.map(Fact::spot) else { return };
        // one that is disputed then may be the one that IAM means
        let may_be =
            |proofs: &Vec<Proof>| matches!(state(proofs, &at, true), Between::Known(true) | Between::Contradicted(_));
        if evidence.devices.values().any(may_be) {
            return;
        }
        evidence.nameless = Some(at.clone());
        evidence.complete = false;
        // a whole list that lacks it later, or a deletion: it was lost in between
        let later = facts.iter().filter(|f| matches!(&f.tell, Tell::Devices(_)) && f.spot() > at).map(Fact::spot).min();
        let who = &self.lives[life];
        let deleted = who.deleted.clone().filter(|d| *d > at);
        let gone = match (later, deleted) {
            (Some(later), _) => Some((FindingCode::DeactivateNotInArchive, later)),
            (None, Some(deleted)) if self.whole_list_after(&who.account, deleted.0) => {
                Some((FindingCode::DeactivateNotInArchive, deleted))
            }
            (None, Some(deleted)) => Some((FindingCode::StateContradicts, deleted)),
            (None, None) => None,
        };
        evidence.nameless_lost = gone.is_some();
        if let Some((code, to)) = gone {
            evidence.findings.push(self.finding(life, None, code, at.0, to.0));
        }
        // only where the last word of the archive is that there is none: a removal, or the creation
        let lost = self
            .history(life)
            .into_iter()
            .filter(|e| matches!(e.action, Action::DeviceDeactivated { .. } | Action::UserCreated) && pos(e) < at)
            .filter(|e| evidence.active(&pos(e), true).is_empty())
            .map(|e| e.time)
            .max();
        let Some(lost) = lost else { return };
        evidence.findings.push(self.finding(life, None, FindingCode::UnseenDevice, lost, at.0));
        evidence.unseen = Some(at);
    }

    fn tell_without_device(&self, life: usize, facts: &[Fact], evidence: &mut Evidence) {
        let Some(snapshot) = self.snapshot(&self.lives[life].account) else { return };
        // what is older than all that was read still shows it
        let old = self.lives[life].facts.iter().filter(|f| f.at.latest < self.lookback());
        let none = facts.iter().chain(old).filter(|f| match &f.tell {
            Tell::Devices(list) => list.is_empty(),
            Tell::MfaActive(active) => !active,
            _ => false,
        });
        let last = none.map(|f| f.at.latest).max();
        evidence.without_device =
            last.filter(|_| evidence.active(&(snapshot.latest, FACT, String::new()), true).is_empty());
    }

    fn tell_deny(&self, life: usize, facts: &[Fact], evidence: &mut Evidence) {
        let told = facts.iter().find_map(|f| match f.tell {
            Tell::Denied(denied) => Some((f.spot(), denied)),
            _ => None,
        });
        if let Some((at, denied)) = told {
            self.tell_iam_deny(life, &at, denied, evidence);
        }
        for proofs in evidence.denies.values() {
            for pair in proofs.windows(2) {
                if between(Some(&pair[0]), Some(&pair[1])) == Between::Contradicted(false) {
                    let code = match pair[0].basis {
                        Basis::Iam => FindingCode::DenyDisagrees,
                        _ => FindingCode::StateContradicts,
                    };
                    evidence.findings.push(self.finding(life, None, code, pair[0].spot.0, pair[1].spot.0));
                }
            }
        }
    }

    fn tell_iam_deny(&self, life: usize, at: &Spot, denied: bool, evidence: &mut Evidence) {
        let words = evidence.denies.values().flatten().filter(|p| p.spot < *at).map(|p| p.spot.clone());
        let last = words.chain(self.lives[life].created.clone().filter(|c| c < at)).max();
        if denied {
            if evidence.denied(at, true) {
                return;
            }
            if let Some(last) = &last {
                evidence.findings.push(self.finding(life, None, FindingCode::DenyDisagrees, last.0, at.0));
            }
            evidence.told_deny = Some(last.is_some().then(|| at.clone()));
            return;
        }
        let in_force =
            |proofs: &Vec<Proof>| proofs.iter().rfind(|p| p.spot < *at).is_some_and(|p| p.after == Some(true));
        let disagrees = evidence.denies.values().any(in_force);
        for proofs in evidence.denies.values_mut() {
            proofs.push(Proof::new(at.clone(), None, false, Basis::Iam));
            proofs.sort_by(|a, b| a.spot.cmp(&b.spot));
        }
        if let Some(last) = last.filter(|_| disagrees) {
            evidence.disputed_deny = Some((last.clone(), at.clone()));
            let code = match self.stands_without(life, evidence) {
                true => FindingCode::WithoutMfaUnexplained,
                false => FindingCode::DenyDisagrees,
            };
            evidence.findings.push(self.finding(life, None, code, last.0, at.0));
        }
    }

    /// Whether IAM shows it without MFA at the snapshot, as far as anybody knows: no device, not denied, and not known to
    /// have nothing that a device would protect.
    pub fn stands_without(&self, life: usize, evidence: &Evidence) -> bool {
        let who = &self.lives[life];
        let Some(snapshot) = self.snapshot(&who.account) else { return false };
        let place = (snapshot.latest, FACT, String::new());
        let password = self.password_at_snapshot(life, evidence);
        let nothing = password == Some(false) && (!who.root || who.keys == Some(0));
        evidence.without_device.is_some()
            && who.deleted.as_ref().is_none_or(|d| *d > place)
            && !nothing
            && !self.excused(life)
            && !evidence.denied(&place, true)
    }

    /// The password at the snapshot; what is older than all that was read says so where nothing else does.
    pub fn password_at_snapshot(&self, life: usize, evidence: &Evidence) -> Option<bool> {
        let who = &self.lives[life];
        let place = (self.snapshot(&who.account)?.latest, FACT, String::new());
        evidence.password_at(&place, true).or_else(|| {
            let old = who.facts.iter().filter(|f| f.at.latest < self.lookback());
            old.filter_map(|f| if let Tell::Password(there) = f.tell { Some(there) } else { None }).next_back()
        })
    }

    /// Whether IAM says that a policy denies everything to it.
    pub fn excused(&self, life: usize) -> bool {
        let user = self.lives[life].user.as_ref();
        user.is_some_and(|u| u.denied == Some(true) || u.denied_by_group == Some(true))
    }

    fn password_findings(&self, life: usize, evidence: &mut Evidence) {
        let mut findings = Vec::new();
        for (n, later) in evidence.password.iter().enumerate() {
            let earlier = n.checked_sub(1).map(|n| &evidence.password[n]);
            let (Some(earlier), Between::Contradicted(there)) = (earlier, between(earlier, Some(later))) else {
                continue;
            };
            let code = if !there && later.basis == Basis::Iam && self.stands_without(life, evidence) {
                FindingCode::WithoutMfaUnexplained
            } else if earlier.basis == Basis::Iam || later.basis == Basis::Iam {
                FindingCode::PasswordDisagrees
            } else {
                FindingCode::StateContradicts
            };
            findings.push(self.finding(life, None, code, earlier.spot.0, later.spot.0));
        }
        evidence.findings.extend(findings);
    }

    fn identity_findings(&self, life: usize, evidence: &mut Evidence) {
        let who = &self.lives[life];
        let displaced = who.displaced.as_ref().filter(|_| !who.displaced_by_id);
        let ends = [(who.gone.as_ref(), FindingCode::DeleteNotInArchive), (displaced, FindingCode::StateContradicts)];
        for (end, code) in ends {
            if let Some((end, seen)) = end.and_then(|end| Some((end, self.last_seen(life, end)?))) {
                evidence.findings.push(self.finding(life, None, code, seen.0, end.0));
            }
        }
        if let (Some(since), Some(first)) = (&who.revived, self.first_seen(life)) {
            let code = FindingCode::StateContradicts;
            evidence.findings.push(self.finding(life, None, code, since.0, first.0));
        }
    }

    /// How many devices a removal left, one that IAM tells of without a name included.
    pub fn remaining(&self, life: usize, place: &Spot) -> usize {
        let evidence = self.evidence(life);
        evidence.active(place, true).len() + usize::from(evidence.unseen_at(place))
    }
}

impl Evidence {
    /// The devices that are known to be active; one about which the proofs on both sides disagree is not.
    pub fn active(&self, place: &Spot, after: bool) -> BTreeSet<String> {
        self.devices
            .iter()
            .filter(|(_, proofs)| state(proofs, place, after) == Between::Known(true))
            .map(|(serial, _)| serial.clone())
            .collect()
    }

    /// Whether a device that no input names is active.
    pub fn unseen_at(&self, place: &Spot) -> bool {
        !self.nameless_lost && self.unseen.as_ref().is_some_and(|at| place > at)
    }

    /// Where a success of somebody else's, or about the entity, shows that a device had gone, and nobody saw it go.
    pub fn losses(&self) -> Vec<(Spot, String)> {
        let mut losses = Vec::new();
        for (serial, proofs) in &self.devices {
            for pair in proofs.windows(2) {
                let contradicted = between(Some(&pair[0]), Some(&pair[1])) == Between::Contradicted(true);
                if contradicted && pair[1].basis == Basis::Event && pair[1].after == Some(false) {
                    losses.push((pair[1].spot.clone(), serial.clone()));
                }
            }
        }
        losses
    }

    pub fn empty(&self, place: &Spot, after: bool) -> bool {
        self.active(place, after).is_empty() && !self.unseen_at(place)
    }

    pub fn password_at(&self, place: &Spot, after: bool) -> Option<bool> {
        match state(&self.password, place, after) {
            Between::Known(there) => Some(there),
            _ => None,
        }
    }

    /// Whether it is known that a policy denies everything.
    pub fn denied(&self, place: &Spot, after: bool) -> bool {
        let own = self.denies.values().any(|proofs| state(proofs, place, after) == Between::Known(true));
        let disputed = self.disputed_deny.as_ref().is_some_and(|(from, to)| from < place && place < to);
        let since = |from: &Option<Spot>| from.as_ref().is_none_or(|f| if after { f <= place } else { f < place });
        let told = self.told_deny.as_ref().is_some_and(since);
        (own || told) && !disputed
    }

    /// Whether it had a device before.
    pub fn had(&self, place: &Spot) -> bool {
        let nameless = self.nameless_lost && self.nameless.as_ref().is_some_and(|at| at < place);
        nameless
            || self.devices.values().flatten().any(|p| {
                p.spot < *place && (p.before == Some(true) || p.after == Some(true))
                    || p.spot == *place && p.before == Some(true)
            })
    }
}

pub fn everything(document: &str, effect: &str) -> bool {
    let parsed: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    parsed["Statement"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|s| s["Effect"] == effect && s["Action"] == "*" && s["Resource"] == "*" && s.get("Condition").is_none())
}

/// The policy that an event makes deny everything, or not.
pub fn deny(action: &Action) -> Option<(String, bool)> {
    let managed = |arn: &str| arn.ends_with(":policy/AWSDenyAll");
    match action {
        Action::PolicyAttached { arn: Some(arn) } if managed(arn) => Some((MANAGED.to_owned(), true)),
        Action::PolicyDetached { arn: Some(arn) } if managed(arn) => Some((MANAGED.to_owned(), false)),
        Action::PolicyPut { policy: Some(name), document: Some(text) } => {
            Some((format!("inline {name}"), everything(text, "Deny")))
        }
        Action::PolicyDeleted { policy: Some(name) } => Some((format!("inline {name}"), false)),
        _ => None,
    }
}

/// Whether an event may change whether a policy denies everything.
pub fn touches_deny(action: &Action) -> bool {
    deny(action).is_some()
}
