//! Who bore which name when, and what IAM says about whom.

use mfatrail::cloudtrail::{Actor, ActorKind};
use mfatrail::contract::{Principal, PrincipalKind};
use mfatrail::inventory::{AccountState, AsOf, Device, DeviceOwner, UserState};
use mfatrail::mfa::{Action, Event, Target};

use super::{FACT, Oracle, Spot, Time, moment, pos};

/// What IAM says of one principal.
#[derive(Clone)]
pub enum Tell {
    /// All its devices.
    Devices(Vec<Device>),
    MfaActive(bool),
    Password(bool),
    /// By a policy of its own.
    Denied(bool),
}

#[derive(Clone)]
pub struct Fact {
    pub at: AsOf,
    pub tell: Tell,
}

impl Fact {
    pub fn spot(&self) -> Spot {
        (self.at.latest, FACT, String::new())
    }
}

/// One principal, from its creation to its deletion.
pub struct Life {
    pub account: String,
    pub root: bool,
    pub names: Vec<String>,
    pub id: Option<String>,
    pub created: Option<Spot>,
    pub deleted: Option<Spot>,
    /// Where somebody else got its name without a word of its own end.
    pub displaced: Option<Spot>,
    /// Whether it was another unique id that appeared under its name.
    pub displaced_by_id: bool,
    /// Where the name had lost its bearer before this one had it, without a word of a creation.
    pub revived: Option<Spot>,
    /// Where IAM's whole list lacks it.
    pub gone: Option<Spot>,
    pub facts: Vec<Fact>,
    /// What else IAM says.
    pub user: Option<UserState>,
    pub born: Option<Time>,
    pub keys: Option<u32>,
}

/// That a name meant a life from one place in the order of events to another.
pub struct Binding {
    account: String,
    name: String,
    from: Option<Spot>,
    to: Option<Spot>,
    life: usize,
}

pub fn is_virtual(serial: &str) -> bool {
    serial.contains(":mfa/")
}

impl Oracle<'_> {
    pub fn tell_lives(&mut self) {
        for event in self.events.clone() {
            let place = pos(event);
            if event.actor.kind == ActorKind::IamUser
                && let Some(name) = &event.actor.name
            {
                let account = event.actor.account.clone().unwrap_or_else(|| event.account.to_string());
                self.bearer(&account, name, event.actor.id.as_deref(), &place);
            }
            let done = event.succeeded();
            let about = match &event.target {
                Target::Root => Some(self.root(&event.account)),
                Target::User { name: Some(name), id } => Some(self.tell_user(event, name, id.as_deref(), &place, done)),
                // the ledger: who last had a device of that serial number
                Target::DeviceOnly => (0..self.about.len())
                    .rev()
                    .find(|&i| {
                        self.events[i].account == event.account
                            && self.events[i].succeeded()
                            && self.events[i].target != Target::DeviceOnly
                            && self.events[i].action.serial().is_some()
                            && self.events[i].action.serial() == event.action.serial()
                    })
                    .and_then(|i| self.about[i]),
                _ => None,
            };
            self.about.push(about);
        }
    }

    fn tell_user(&mut self, event: &Event, name: &str, id: Option<&str>, place: &Spot, done: bool) -> usize {
        let account = &event.account;
        if done && event.action == Action::UserCreated {
            self.displace(account, name, place, None);
            let life = self.life(account, name, false);
            self.lives[life].created = Some(place.clone());
            self.lives[life].id = id.map(str::to_owned);
            self.bind(account, name, Some(place.clone()), life);
            return life;
        }
        let life = self.bearer(account, name, id, place);
        if done && let Action::UserRenamed { new_name } = &event.action {
            self.unbind(account, name, place);
            self.displace(account, new_name, place, Some(life));
            self.lives[life].names.push(new_name.clone());
            self.bind(account, new_name, Some(place.clone()), life);
        }
        if done && event.action == Action::UserDeleted {
            self.unbind(account, name, place);
            self.lives[life].deleted = Some(place.clone());
        }
        life
    }

    fn life(&mut self, account: &str, name: &str, root: bool) -> usize {
        self.lives.push(Life {
            account: account.to_owned(),
            root,
            names: vec![name.to_owned()],
            id: None,
            created: None,
            deleted: None,
            displaced: None,
            displaced_by_id: false,
            revived: None,
            gone: None,
            facts: Vec::new(),
            user: None,
            born: None,
            keys: None,
        });
        self.lives.len() - 1
    }

    fn root(&mut self, account: &str) -> usize {
        match self.lives.iter().position(|l| l.root && l.account == account) {
            Some(life) => life,
            None => self.life(account, "root", true),
        }
    }

    fn bind(&mut self, account: &str, name: &str, from: Option<Spot>, life: usize) {
        self.bindings.push(Binding { account: account.to_owned(), name: name.to_lowercase(), from, to: None, life });
    }

    /// Ends what the name means, and says whom it meant.
    fn unbind(&mut self, account: &str, name: &str, place: &Spot) -> Option<usize> {
        let mut was = None;
        for binding in &mut self.bindings {
            if binding.account == account && binding.name == name.to_lowercase() && binding.to.is_none() {
                binding.to = Some(place.clone());
                was = Some(binding.life);
            }
        }
        was
    }

    /// Somebody gets a name that another one still bears: that one's end is missing.
    fn displace(&mut self, account: &str, name: &str, place: &Spot, by: Option<usize>) {
        let was = self.unbind(account, name, place).filter(|was| Some(*was) != by);
        if let Some(was) = was {
            self.lives[was].displaced = Some(place.clone());
        }
    }

    /// The life that has the name now, or the id; one of unknown beginning where there is none yet.
    fn bearer(&mut self, account: &str, name: &str, id: Option<&str>, place: &Spot) -> usize {
        let lower = name.to_lowercase();
        let current =
            self.bindings.iter().find(|b| b.account == account && b.name == lower && b.to.is_none()).map(|b| b.life);
        let mut by_id = None;
        if let Some(id) = id {
            let known = self.lives.iter().position(|l| l.account == account && l.id.as_deref() == Some(id));
            match (known, current) {
                (Some(known), Some(current)) if known == current => return current,
                (Some(known), _) => {
                    // it bears another name than it last did: a rename is missing
                    self.displace(account, name, place, Some(known));
                    if let Some(old) = self.lives[known].names.last().cloned() {
                        self.unbind(account, &old, place);
                    }
                    self.lives[known].names.push(name.to_owned());
                    self.bind(account, name, Some(place.clone()), known);
                    return known;
                }
                (None, Some(current)) if self.lives[current].id.is_none() => {
                    self.lives[current].id = Some(id.to_owned());
                    return current;
                }
                (None, Some(current)) => {
                    self.displace(account, name, place, None);
                    self.lives[current].displaced_by_id = true;
                    by_id = self.last_seen_so_far(current);
                }
                (None, None) => {}
            }
        } else if let Some(current) = current {
            return current;
        }
        let since =
            self.bindings.iter().filter(|b| b.account == account && b.name == lower).filter_map(|b| b.to.clone()).max();
        let life = self.life(account, name, false);
        self.lives[life].id = id.map(str::to_owned);
        self.lives[life].revived = by_id.or_else(|| since.clone());
        self.bind(account, name, since, life);
        life
    }

    /// As far as the events were told of by now.
    fn last_seen_so_far(&self, life: usize) -> Option<Spot> {
        (0..self.about.len())
            .filter(|&i| {
                let e = self.events[i];
                let named = self.about[i] == Some(life) && e.succeeded() && e.target != Target::DeviceOnly;
                named || self.is_self(&e.actor, life, &pos(e))
            })
            .map(|i| pos(self.events[i]))
            .max()
    }

    /// Who had the name at a place.
    pub fn named_at(&self, account: &str, name: &str, place: &Spot) -> Option<usize> {
        let lower = name.to_lowercase();
        self.bindings
            .iter()
            .filter(|b| b.account == account && b.name == lower)
            .filter(|b| b.from.as_ref().is_none_or(|f| f <= place) && b.to.as_ref().is_none_or(|t| t >= place))
            .min_by(|a, b| a.from.cmp(&b.from))
            .map(|b| b.life)
    }

    /// Whom a row of approvals or detections means by `user`.
    pub fn meant_at(&self, account: &str, user: &str, place: &Spot) -> Option<usize> {
        if user.eq_ignore_ascii_case("root") {
            return self.lives.iter().position(|l| l.root && l.account == account);
        }
        let name = if user.eq_ignore_ascii_case("user/root") { "root" } else { user };
        self.named_at(account, name, place)
    }

    /// Whether somebody else got the name, or nobody had it any more, within (earliest, latest].
    fn changed_hands(&self, account: &str, name: &str, at: AsOf) -> bool {
        let lower = name.to_lowercase();
        let within = |s: &Option<Spot>| s.as_ref().is_some_and(|s| at.earliest < s.0 && s.0 <= at.latest);
        self.bindings.iter().any(|b| b.account == account && b.name == lower && (within(&b.from) || within(&b.to)))
    }

    pub fn tell_iam(&mut self) {
        let Some(iam) = self.input.iam else { return };
        for (account, state) in &iam.accounts {
            let at = state.as_of.unwrap_or(AsOf::exactly(iam.taken_at));
            if iam.users_as_of(account).latest.min(at.latest) < self.lookback() {
                for life in 0..self.lives.len() {
                    if self.lives[life].account == *account {
                        self.doubtful.insert(life, "what IAM said before anything was read, nobody knows to hold");
                    }
                }
            }
            for user in &state.users {
                self.tell_iam_user(account, user, at, state.users_as_of);
            }
            if let Some(root) = &state.root {
                let life = self.root(account);
                let mut facts = Vec::new();
                let own = |time: Option<AsOf>| time.unwrap_or(at);
                facts
                    .extend(root.mfa_active.map(|b| Fact { at: own(root.mfa_active_as_of), tell: Tell::MfaActive(b) }));
                facts.extend(root.password.map(|b| Fact { at: own(root.password_as_of), tell: Tell::Password(b) }));
                self.lives[life].facts = facts;
                self.lives[life].keys = root.active_access_keys;
            }
            if state.users_complete {
                self.tell_gone(account, state, state.users_as_of.unwrap_or(at));
            }
        }
    }

    /// `at` is the account's time, `listed` that of its list of users where that is another one.
    fn tell_iam_user(&mut self, account: &str, user: &UserState, at: AsOf, listed: Option<AsOf>) {
        let place = moment(listed.unwrap_or(at).latest);
        let by_id = self.lives.iter().position(|l| l.account == account && user.id.is_some() && l.id == user.id);
        let by_name = self
            .named_at(account, &user.name, &place)
            .filter(|&life| self.lives[life].id.is_none() || user.id.is_none() || self.lives[life].id == user.id);
        let life = match by_id.or(by_name) {
            Some(life) => life,
            None => {
                let life = self.life(account, &user.name, false);
                let lower = user.name.to_lowercase();
                let named = |b: &&Binding| b.account == account && b.name == lower;
                let since = self.bindings.iter().filter(named).filter_map(|b| b.to.clone()).filter(|t| *t <= place);
                let since = since.max();
                let until = self.bindings.iter().filter(named).filter_map(|b| b.from.clone()).filter(|f| *f > place);
                let until = until.min();
                self.lives[life].revived = since.clone();
                self.lives[life].displaced = until.clone();
                self.bindings.push(Binding { account: account.to_owned(), name: lower, from: since, to: until, life });
                life
            }
        };
        if !self.lives[life].names.iter().any(|n| n.eq_ignore_ascii_case(&user.name)) {
            // it was renamed, and nobody saw it
            if by_id == Some(life) && !self.seen_after(life, &place) {
                self.lives[life].names.push(user.name.clone());
            } else {
                self.doubtful.insert(life, "IAM knows it by a name that the archive does not");
            }
        }
        self.lives[life].id = self.lives[life].id.clone().or_else(|| user.id.clone());
        self.lives[life].user = Some(user.clone());
        self.lives[life].born = user.created_at;
        self.lives[life].keys = user.active_access_keys;
        let tells = [
            (user.devices.clone().map(Tell::Devices), None),
            (user.mfa_active.map(Tell::MfaActive), user.mfa_active_as_of),
            (user.password.map(Tell::Password), user.password_as_of),
            (user.denied.map(Tell::Denied), None),
        ];
        for (tell, own) in tells {
            let Some(tell) = tell else { continue };
            let time = own.unwrap_or(at);
            if time.earliest < time.latest && self.changed_hands(account, &user.name, time) {
                self.doubtful.insert(life, "nobody knows who bore the name when IAM said it");
                continue;
            }
            // rows of a report are joined to a list only where they are about the same user
            let whose = match (own, listed) {
                (None, Some(_)) => self.named_at(account, &user.name, &moment(time.latest)),
                _ => Some(life),
            };
            if let Some(whose) = whose {
                self.lives[whose].facts.push(Fact { at: time, tell });
            }
        }
    }

    /// Whom the whole list lacks.
    fn tell_gone(&mut self, account: &str, state: &AccountState, at: AsOf) {
        let place: Spot = (at.latest, FACT, String::new());
        // what happened between that list and the first record, nothing tells
        if at.latest < self.lookback() {
            return;
        }
        for life in 0..self.lives.len() {
            let who = &self.lives[life];
            let listed = who.user.is_some()
                || who.names.iter().any(|n| {
                    state.users.iter().any(|u| u.name.eq_ignore_ascii_case(n))
                        && self.named_at(account, n, &place) == Some(life)
                });
            if who.root || who.account != account || listed {
                continue;
            }
            let bears = self.bindings.iter().any(|b| {
                b.life == life && b.from.as_ref().is_none_or(|f| *f < place) && b.to.as_ref().is_none_or(|t| *t > place)
            });
            if !bears {
                continue;
            }
            let unclear = who.names.iter().any(|n| self.changed_hands(account, n, at));
            if unclear {
                continue;
            }
            // whoever only acted is not looked for
            let named = self.history(life).iter().any(|e| e.target != Target::DeviceOnly && pos(e) < place);
            let seen = self.last_seen(life, &place);
            // a list of an interval may be older than what was seen of it
            if seen.as_ref().is_some_and(|seen| at.earliest < seen.0 && at.earliest < at.latest) {
                continue;
            }
            if seen.is_some() {
                self.lives[life].gone = named.then(|| place.clone());
            } else {
                self.lives[life].revived = Some(place.clone());
            }
        }
    }

    /// The times at which an event shows that it exists.
    fn sightings(&self, life: usize) -> Vec<Spot> {
        (0..self.events.len())
            .filter(|&i| {
                let e = self.events[i];
                let named = self.about[i] == Some(life) && e.succeeded() && e.target != Target::DeviceOnly;
                named || self.is_self(&e.actor, life, &pos(e))
            })
            .map(|i| pos(self.events[i]))
            .collect()
    }

    pub fn last_seen(&self, life: usize, before: &Spot) -> Option<Spot> {
        self.sightings(life).into_iter().filter(|s| s < before).max()
    }

    pub fn seen_after(&self, life: usize, place: &Spot) -> bool {
        self.sightings(life).iter().any(|s| s > place)
    }

    /// The first successful event of it.
    pub fn first_seen(&self, life: usize) -> Option<Spot> {
        (0..self.events.len())
            .filter(|&i| {
                let e = self.events[i];
                let named = self.about[i] == Some(life) && e.target != Target::DeviceOnly;
                e.succeeded() && (named || self.is_self(&e.actor, life, &pos(e)))
            })
            .map(|i| pos(self.events[i]))
            .min()
    }

    /// Whose an entity of the virtual list is.
    pub fn owner(&self, account: &str, owner: &DeviceOwner, at: AsOf) -> Option<usize> {
        match owner {
            DeviceOwner::Root => self.lives.iter().position(|l| l.root && l.account == account),
            DeviceOwner::User { name, id } => self
                .lives
                .iter()
                .position(|l| l.account == account && id.is_some() && l.id == *id)
                .or_else(|| self.named_at(account, name, &moment(at.latest))),
        }
    }

    pub fn name(&self, life: usize) -> String {
        self.lives[life].names.last().cloned().unwrap_or_default()
    }

    pub fn principal(&self, life: usize) -> Principal {
        let kind = if self.lives[life].root { PrincipalKind::Root } else { PrincipalKind::IamUser };
        Principal { kind, name: self.name(life), id: self.lives[life].id.clone() }
    }

    /// Whether the caller is the principal itself.
    pub fn is_self(&self, actor: &Actor, life: usize, place: &Spot) -> bool {
        let who = &self.lives[life];
        if who.root {
            return actor.kind == ActorKind::Root && actor.account.as_deref() == Some(&who.account);
        }
        if actor.kind != ActorKind::IamUser || actor.account.as_deref() != Some(&who.account) {
            return false;
        }
        match (&actor.id, &who.id) {
            (Some(theirs), Some(mine)) => theirs == mine,
            _ => actor.name.as_deref().is_some_and(|name| self.named_at(&who.account, name, place) == Some(life)),
        }
    }

    /// Whether IAM's users of the account are all listed, at or after a moment.
    pub fn whole_list_after(&self, account: &str, time: Time) -> bool {
        self.input.iam.is_some_and(|iam| {
            iam.accounts.get(account).is_some_and(|state| {
                let at = state.users_as_of.or(state.as_of).unwrap_or(AsOf::exactly(iam.taken_at));
                state.users_complete && at.earliest >= time
            })
        })
    }

    /// When IAM was asked about an account.
    pub fn snapshot(&self, account: &str) -> Option<AsOf> {
        let iam = self.input.iam?;
        Some(iam.accounts.get(account)?.as_of.unwrap_or(AsOf::exactly(iam.taken_at)))
    }
}
