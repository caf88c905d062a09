//! Histories that could have happened: IAM's own rules, the true state at every moment, and evidence of which some is missing.

pub mod truth;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, TimeZone, Utc};
use mfatrail::cloudtrail::{Actor, ActorKind};
use mfatrail::contract::Period;
use mfatrail::exposure::Input;
use mfatrail::inputs::{Approval, Detection, DetectionSubject, Settings};
use mfatrail::inventory::{AccountState, AsOf, Device, DeviceOwner, IamState, RootState, UserState, VirtualDevice};
use mfatrail::mfa::{self, Action, Event, Failure, Target};
use mfatrail::trace::{self, Call, Context, Sighting};
use proptest::prelude::*;

type Time = DateTime<Utc>;

pub const ACCOUNTS: [&str; 2] = ["111122223333", "000123456789"];
const DENY_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ALLOW_LITTLE: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
const ROOT_SLOT: usize = 4;

// ---------------------------------------------------------------------------------------------------- the plan

/// One step of a history, as random numbers: what they mean depends on the state.
#[derive(Debug, Clone)]
pub struct Step {
    wait: usize,
    slot: usize,
    op: u8,
    actor: u8,
    device: usize,
    ip: u8,
    mfa: bool,
    fail: bool,
    drop: u8,
}

/// What IAM tells, and when it was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Nothing,
    /// `get-credential-report` with its `GeneratedTime`, alone.
    Report,
    /// A bare CSV: it was true at some moment of the last hours.
    BareCsv,
    /// `virtual-mfa-devices.json` alone.
    VirtualList,
    /// `mfa-devices-<user>.json` of every user, and nothing else of them.
    UserLists,
    /// A report that is older than the list of virtual devices.
    ReportAndVirtuals,
    /// Everything, the report older than the lists.
    AllButOldReport,
    /// Everything, at one moment.
    All,
}

/// How a history begins, what IAM tells and what is taken away.
#[derive(Debug, Clone)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Per slot: exists at the start, with how many devices, with a password, denied.
    pub begin: Vec<(bool, usize, bool, bool)>,
    pub iam: Told,
    /// After which step the snapshot is taken.
    pub snapshot: usize,
    /// How much older the report is, and the account that was asked first.
    pub age: (i64, i64),
    /// Whether steps that are marked for it are missing.
    pub dropping: bool,
    /// Whether creations, deletions and renames can be missing too.
    pub drop_identity: bool,
    /// The one successful record that is missing, counted from the first.
    pub drop_one: Option<usize>,
    pub approvals: Vec<(usize, usize, i64, i64)>,
    pub detections: Vec<(usize, i64, u8)>,
    pub start_days: i64,
    /// How long after the last event the archive was still read, and how long after that figures are measured.
    pub tail: i64,
    pub after: i64,
    /// Graces in seconds, look-back in days, takeover threshold.
    pub policy: (i64, i64, i64, usize),
    /// Whose looks are no detection.
    pub not_detectors: Option<&'static str>,
}

/// The true state of one principal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slot {
    pub account: usize,
    pub root: bool,
    pub alive: bool,
    pub name: String,
    pub id: String,
    pub born: Option<Time>,
    /// Serial numbers, and when they were enabled.
    pub devices: BTreeMap<String, Time>,
    pub password: bool,
    /// Policies of its own that deny everything.
    pub denies: BTreeSet<String>,
    generation: usize,
}

impl Slot {
    /// Whether it is exposed: a console password and no device, and not denied everything.
    pub fn exposed(&self) -> bool {
        self.alive && self.password && self.devices.is_empty() && self.denies.is_empty()
    }
}

/// Everything an `Input` borrows, and the truth.
#[derive(Debug, Clone)]
pub struct World {
    pub events: Vec<Event>,
    pub context: Context,
    pub iam: Option<IamState>,
    pub covered: BTreeMap<String, [Time; 2]>,
    pub approvals: Vec<Approval>,
    pub detections: Vec<Detection>,
    pub settings: Settings,
    pub period: Period,
    pub as_of: Time,
    /// The true states, oldest first, from the beginning: every change, after it.
    pub truth: Vec<(Time, Vec<Slot>)>,
    /// Whom each event is about: the unique id.
    pub whose: BTreeMap<String, String>,
    /// How many devices each deactivation really left.
    pub left: BTreeMap<String, usize>,
    pub missing: Vec<Event>,
}

impl World {
    pub fn input(&self) -> Input<'_> {
        Input {
            events: &self.events,
            context: &self.context,
            iam: self.iam.as_ref(),
            covered: &self.covered,
            approvals: &self.approvals,
            detections: &self.detections,
            settings: &self.settings,
            period: self.period,
            as_of: self.as_of,
        }
    }

    /// The history as text: what is left of it, what is missing, what IAM says.
    pub fn story(&self) -> String {
        let mut lines: Vec<(Time, u8, String)> = Vec::new();
        for (event, missing) in self.events.iter().map(|e| (e, false)).chain(self.missing.iter().map(|e| (e, true))) {
            let mark = match (missing, event.failure.is_some()) {
                (true, _) => "MISSING ",
                (_, true) => "refused ",
                _ => "",
            };
            let who = &self.whose[&event.id];
            let actor = event.actor.display();
            let text = format!(
                "{mark}{} {:?} {} {:?} by {} [{}]",
                event.id, event.target, who, event.action, actor, event.account
            );
            lines.push((event.time, event.action.rank(), text));
        }
        lines.sort();
        let mut story = format!(
            "period {} to {}, read from {}, as of {}, covered {:?}\n",
            self.period.from,
            self.period.to,
            self.read_from(),
            self.as_of,
            self.covered.get(ACCOUNTS[0])
        );
        for slot in &self.truth[0].1 {
            let denied = !slot.denies.is_empty();
            story += &format!(
                "begin {} {} alive {} password {} denied {} {:?}\n",
                slot.id, slot.name, slot.alive, slot.password, denied, slot.devices
            );
        }
        for (time, _, text) in lines {
            story += &format!("{time} {text}\n");
        }
        if let Some(iam) = &self.iam {
            story += &format!("IAM at {}\n", iam.taken_at);
            for (account, state) in &iam.accounts {
                let (at, users) = (state.as_of, state.users_as_of);
                story += &format!(
                    "{account} at {at:?} users {users:?} all {} root {:?}\n",
                    state.users_complete, state.root
                );
                for user in &state.users {
                    story += &format!("  {user:?}\n");
                }
                story += &format!("  virtual {:?}\n", state.virtual_devices);
            }
        }
        story += &format!("{:?}\n{:?}\n", self.approvals, self.detections);
        story.replace("None, ", "").replace("Some(", "(")
    }

    /// The first moment that was read.
    pub fn read_from(&self) -> Time {
        let start = self.truth.first().map_or(self.as_of, |(t, _)| *t);
        start.max(self.period.from - Duration::seconds(self.settings.lookback_s))
    }
}

// ---------------------------------------------------------------------------------------------------- the simulation

const WAITS: [i64; 14] = [0, 0, 0, 2, 2, 10, 60, 300, 900, 1800, 3600, 7200, 30_000, 100_000];

struct Simulation {
    now: Time,
    last: (u8, usize),
    slots: Vec<Slot>,
    /// Virtual device entities that exist, assigned or not: account and serial number.
    entities: BTreeSet<(usize, String)>,
    events: Vec<Event>,
    calls: Vec<Call>,
    sightings: Vec<Sighting>,
    dropped: BTreeSet<String>,
    truth: Vec<(Time, Vec<Slot>)>,
    /// The entities, whenever they changed.
    shelves: Vec<(Time, BTreeSet<(usize, String)>)>,
    whose: BTreeMap<String, String>,
    left: BTreeMap<String, usize>,
    keys: usize,
    count: u64,
}

fn ip(n: u8) -> String {
    if n == 3 { "AWS Internal".to_owned() } else { format!("203.0.113.{}", 10 + n) }
}

fn is_virtual(serial: &str) -> bool {
    serial.contains(":mfa/")
}

impl Simulation {
    /// An id whose order has nothing to do with the order of events.
    fn id(&mut self) -> String {
        self.count += 1;
        format!("{:016x}-{}", self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15), self.count)
    }

    fn user_actor(&self, slot: usize) -> Actor {
        let s = &self.slots[slot];
        let account = ACCOUNTS[s.account].to_owned();
        if s.root {
            return Actor {
                kind: ActorKind::Root,
                id: Some(account.clone()),
                name: None,
                arn: Some(format!("arn:aws:iam::{account}:root")),
                access_key: None,
                issuer: None,
                account: Some(account),
            };
        }
        Actor {
            kind: ActorKind::IamUser,
            id: Some(s.id.clone()),
            name: Some(s.name.clone()),
            arn: Some(format!("arn:aws:iam::{account}:user/{}", s.name)),
            access_key: None,
            issuer: None,
            account: Some(account),
        }
    }

    fn role(account: usize, name: &str) -> Actor {
        let account = ACCOUNTS[account].to_owned();
        Actor {
            kind: ActorKind::AssumedRole,
            id: Some(format!("AROA{}{account}:{name}-session", name.to_uppercase())),
            name: None,
            arn: Some(format!("arn:aws:sts::{account}:assumed-role/{name}/{name}-session")),
            access_key: None,
            issuer: Some(match name.strip_prefix("AWSServiceRoleFor") {
                Some(service) => {
                    let service = service.to_lowercase();
                    format!("arn:aws:iam::{account}:role/aws-service-role/{service}.amazonaws.com/{name}")
                }
                None => format!("arn:aws:iam::{account}:role/{name}"),
            }),
            account: Some(account),
        }
    }

    fn actor(&self, slot: usize, wanted: u8) -> Actor {
        let s = &self.slots[slot];
        match wanted {
            0..=3 if s.alive => self.user_actor(slot),
            6 => Self::role(s.account, "Responder"),
            7 => {
                let account = ACCOUNTS[s.account].to_owned();
                Actor {
                    kind: ActorKind::IamUser,
                    id: Some(format!("AIDAADMIN{account}")),
                    name: Some("admin".into()),
                    arn: Some(format!("arn:aws:iam::{account}:user/admin")),
                    access_key: None,
                    issuer: None,
                    account: Some(account),
                }
            }
            _ => Self::role(s.account, "HelpDesk"),
        }
    }

    /// Moves the clock until an event of this rank sorts after everything before it.
    fn tick(&mut self, rank: u8, slot: usize) {
        let (last, who) = self.last;
        let fits = rank > last || rank == last && who != slot && rank < 7;
        if !fits {
            self.now += Duration::seconds(2);
        }
        self.last = (rank, slot);
    }

    fn wait(&mut self, seconds: i64) {
        if seconds > 0 {
            self.now += Duration::seconds(seconds);
            self.last = (0, usize::MAX);
        }
    }

    /// Writes down what is true from now on.
    fn note(&mut self) {
        self.truth.push((self.now, self.slots.clone()));
        self.shelves.push((self.now, self.entities.clone()));
    }

    fn see(&mut self, actor: &Actor, source_ip: &str, time: Time) {
        let key = actor.id.clone().unwrap_or_default();
        let day = time.date_naive();
        match self
            .sightings
            .iter_mut()
            .find(|s| *s.actor == *key && *s.source_ip == *source_ip && s.first.date_naive() == day)
        {
            Some(s) => {
                s.first = s.first.min(time);
                s.last = s.last.max(time);
            }
            None => self.sightings.push(Sighting {
                actor: key.into(),
                source_ip: source_ip.into(),
                first: time,
                last: time,
            }),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one record")]
    fn emit(&mut self, slot: usize, step: &Step, actor: &Actor, source: &str, name: &str, action: Action, fail: bool) {
        self.tick(action.rank(), slot);
        let id = self.id();
        let s = &self.slots[slot];
        let account = ACCOUNTS[s.account].to_owned();
        let target = match &action {
            Action::DeviceCreated { .. } | Action::DeviceDeleted { .. } => Target::DeviceOnly,
            _ if s.root => Target::Root,
            Action::UserCreated => Target::User { name: Some(s.name.clone()), id: Some(s.id.clone()) },
            _ => Target::User {
                name: Some(s.name.clone()),
                id: (actor.id.as_ref() == Some(&s.id)).then(|| s.id.clone()),
            },
        };
        let user = matches!(actor.kind, ActorKind::IamUser | ActorKind::Root);
        // of a role, CloudTrail tells only where it was
        let session = if user { Some(step.mfa) } else { (step.mfa && step.ip == 1).then_some(true) };
        let sign_in = match &action {
            Action::ConsoleLogin { mfa_used, .. } => *mfa_used,
            _ => None,
        };
        let source_ip = ip(step.ip);
        let identity = matches!(action, Action::UserCreated | Action::UserDeleted | Action::UserRenamed { .. });
        let iam = source == "iam.amazonaws.com";
        let about_user = match &target {
            Target::Root if iam => Some("aws root user".to_owned()),
            Target::User { name: Some(name), .. } if iam => Some(name.to_lowercase()),
            _ => None,
        };
        self.whose.insert(id.clone(), s.id.clone());
        if step.drop > 0 {
            self.dropped.insert(format!("{}{id}", if identity { "identity/" } else { "" }));
        }
        if user || about_user.is_some() {
            self.calls.push(Call {
                event_id: id.clone(),
                time: self.now,
                account: account.as_str().into(),
                actor: actor.clone().into(),
                source_ip: Some(source_ip.as_str().into()),
                service: source.into(),
                name: name.into(),
                read_only: name == "GetSessionToken",
                failed: fail,
                session_mfa: if name == "ConsoleLogin" { Some(false) } else { session },
                sign_in_mfa: sign_in,
                about_user: about_user.map(Into::into),
                lineage: trace::Lineage::default(),
            });
        }
        if !user {
            self.see(&actor.clone(), &source_ip, self.now);
        }
        self.events.push(Event {
            id,
            time: self.now,
            account: account.into(),
            region: "us-east-1".into(),
            source: source.into(),
            name: name.into(),
            action,
            target,
            actor: actor.clone().into(),
            actor_mfa: session,
            source_ip: Some(source_ip.into()),
            user_agent: None,
            failure: fail.then(|| {
                Failure { code: (name != "ConsoleLogin").then(|| "AccessDenied".into()), message: None }.into()
            }),
            objects: ["one.json.gz"].into_iter().collect(),
            delivered_at: Some(self.now + Duration::seconds(300)),
            lineage: mfa::Lineage::default(),
        });
    }

    fn call(
        &mut self,
        slot: usize,
        actor: &Actor,
        source_ip: String,
        read_only: bool,
        mfa: bool,
        about: Option<String>,
    ) {
        let id = self.id();
        // odd seconds: a plain call never ties with an event
        let time = self.now + Duration::seconds(1);
        let user = matches!(actor.kind, ActorKind::IamUser | ActorKind::Root);
        if !user {
            self.see(actor, &source_ip, time);
        }
        self.calls.push(Call {
            event_id: id,
            time,
            account: ACCOUNTS[self.slots[slot].account].into(),
            actor: actor.clone().into(),
            source_ip: Some(source_ip.into()),
            service: if about.is_some() { "iam.amazonaws.com" } else { "ec2.amazonaws.com" }.into(),
            name: if about.is_some() { "ListMFADevices" } else { "DescribeInstances" }.into(),
            read_only,
            failed: false,
            session_mfa: user.then_some(mfa),
            sign_in_mfa: None,
            about_user: about.map(Into::into),
            lineage: trace::Lineage::default(),
        });
        self.now += Duration::seconds(2);
        self.last = (0, usize::MAX);
    }

    /// Own virtual devices, a security key, and what the account's users hand on: a token, and a virtual device.
    fn serial(&mut self, slot: usize, device: usize) -> String {
        let s = &self.slots[slot];
        let account = ACCOUNTS[s.account];
        let who = if s.root { "root".to_owned() } else { format!("slot{slot}-{}", s.generation) };
        match device % 8 {
            3 => {
                self.keys += 1;
                format!("arn:aws:iam::{account}:u2f/user/{who}/key{}", self.keys)
            }
            4 | 5 => format!("GAHT0000000{device}"),
            6 => format!("arn:aws:iam::{account}:mfa/shared"),
            n => format!("arn:aws:iam::{account}:mfa/{who}-{}", n % 2),
        }
    }

    fn is_assigned(&self, account: usize, serial: &str) -> bool {
        self.slots.iter().any(|s| s.account == account && s.devices.contains_key(serial))
    }

    /// A name that nobody in the account bears.
    fn free_name(&self, slot: usize, wanted: usize) -> String {
        let account = self.slots[slot].account;
        let own = format!("user{slot}");
        let names = [format!("user{}", wanted % 4), format!("User{slot}-new"), own.clone(), format!("spare{slot}")];
        let free = |name: &String| {
            let bearer = |s: &Slot| s.alive && s.account == account && s.name.eq_ignore_ascii_case(name);
            !self.slots.iter().any(bearer)
        };
        names[wanted % 2..].iter().find(|n| free(n)).cloned().unwrap_or(own)
    }

    fn step(&mut self, step: &Step) {
        self.wait(WAITS[step.wait % WAITS.len()]);
        let slot = step.slot % (ROOT_SLOT + 1);
        let root = self.slots[slot].root;
        let actor = if root { self.user_actor(slot) } else { self.actor(slot, step.actor) };
        let alive = self.slots[slot].alive;
        match step.op {
            0..=34 if alive => self.device_step(slot, step, &actor),
            37..=46 if alive && !root => self.password_step(slot, step, &actor),
            46 if root && self.slots[slot].password => {
                self.emit(slot, step, &actor, IAM, "ChangePassword", Action::PasswordChanged, false);
            }
            47..=49 if alive && !root => {
                self.emit(slot, step, &actor, IAM, "CreateAccessKey", Action::AccessKeyCreated { key: None }, false);
            }
            50..=58 if alive && !root => self.policy_step(slot, step, &actor),
            59..=62 if alive && !root => self.delete(slot, step, actor),
            59..=70 if !alive && !root => {
                let generation = self.slots[slot].generation + 1;
                let name = self.free_name(slot, step.device);
                self.slots[slot].generation = generation;
                self.slots[slot].name = name;
                self.slots[slot].id = format!("AIDASLOT{slot}GEN{generation}");
                self.slots[slot].alive = true;
                self.emit(slot, step, &actor, IAM, "CreateUser", Action::UserCreated, false);
                let now = self.now;
                self.slots[slot].born = Some(now);
                self.note();
                self.wait(2);
            }
            63..=65 if alive && !root => {
                let old = self.slots[slot].name.clone();
                let new_name = self.free_name(slot, step.device);
                if !old.eq_ignore_ascii_case(&new_name) {
                    let action = Action::UserRenamed { new_name: new_name.clone() };
                    self.emit(slot, step, &actor, IAM, "UpdateUser", action, false);
                    self.slots[slot].name = new_name;
                    self.note();
                    self.wait(2);
                }
            }
            66..=72 if alive => {
                let about = if root { "aws root user".to_owned() } else { self.slots[slot].name.to_lowercase() };
                let by = match step.actor {
                    0 => Self::role(self.slots[slot].account, "AWSServiceRoleForConfig"),
                    wanted => self.actor(slot, wanted.max(4)),
                };
                self.call(slot, &by, ip(step.ip), !step.fail, step.mfa, Some(about));
            }
            73..=75 => {
                // a scanner reads everybody: of a large account, or of this one
                let by = Self::role(self.slots[slot].account, "Scanner");
                let account = self.slots[slot].account;
                let listed = |s: &&Slot| s.alive && !s.root && (step.fail || s.account == account);
                let names: Vec<String> = self.slots.iter().filter(listed).map(|s| s.name.to_lowercase()).collect();
                let strangers = (0..if step.mfa { 4 } else { 0 }).map(|n| format!("stranger{n}"));
                for name in names.into_iter().chain(strangers) {
                    self.call(slot, &by, ip(9), true, false, Some(name));
                }
            }
            76..=78 => {
                // somebody goes through everybody's devices
                let by = Self::role(self.slots[slot].account, "HelpDesk");
                for other in 0..ROOT_SLOT {
                    if self.slots[other].account != self.slots[slot].account {
                        continue;
                    }
                    if let Some(serial) = self.slots[other].devices.keys().next().cloned() {
                        self.deactivate(other, step, &by, &serial, false);
                        self.wait(i64::from(step.ip) * 900 + 2);
                    }
                }
            }
            _ if alive => {
                let me = self.user_actor(slot);
                self.call(slot, &me, ip(step.ip), !step.device.is_multiple_of(3), step.mfa, None);
            }
            _ => {}
        }
    }

    fn device_step(&mut self, slot: usize, step: &Step, actor: &Actor) {
        let held: Vec<String> = self.slots[slot].devices.keys().cloned().collect();
        let pick = (!held.is_empty()).then(|| held[step.device % held.len()].clone());
        let me = self.user_actor(slot);
        match step.op {
            0..=13 => {
                // mostly one of two: a serial number that comes back is what tells of a missing enrolment
                let serial = self.serial(slot, if step.op < 8 { step.device % 2 } else { step.device });
                self.enable(slot, step, actor, serial);
            }
            14..=25 => {
                let Some(serial) = pick else { return };
                self.deactivate(slot, step, actor, &serial, step.fail);
            }
            26..=28 => {
                let Some(serial) = pick else { return };
                let action = Action::DeviceResynced { serial: Some(serial) };
                self.emit(slot, step, actor, IAM, "ResyncMFADevice", action, step.fail);
            }
            29..=33 if self.slots[slot].password => {
                let serial = pick.clone().filter(|_| !step.fail);
                let login = Action::ConsoleLogin { mfa_used: Some(pick.is_some()), serial };
                self.emit(slot, step, &me, "signin.amazonaws.com", "ConsoleLogin", login, step.fail);
            }
            34 if !self.slots[slot].root => {
                let Some(serial) = pick else { return };
                let action = Action::SessionToken { serial };
                self.emit(slot, step, &me, "sts.amazonaws.com", "GetSessionToken", action, false);
            }
            _ => {}
        }
    }

    fn enable(&mut self, slot: usize, step: &Step, actor: &Actor, serial: String) {
        let account = self.slots[slot].account;
        if self.is_assigned(account, &serial) {
            return;
        }
        if is_virtual(&serial) && !self.entities.contains(&(account, serial.clone())) {
            let created = Action::DeviceCreated { serial: Some(serial.clone()) };
            self.emit(slot, step, actor, IAM, "CreateVirtualMFADevice", created, false);
            self.entities.insert((account, serial.clone()));
            self.note();
            // and then thought better of it
            if step.ip == 2 {
                return;
            }
        }
        let action = Action::DeviceEnabled { serial: Some(serial.clone()) };
        self.emit(slot, step, actor, IAM, "EnableMFADevice", action, step.fail);
        if !step.fail {
            // IAM's clock and CloudTrail's are not one
            let date = self.now - Duration::seconds(i64::from(step.mfa && step.ip == 1));
            self.slots[slot].devices.insert(serial, date);
            self.note();
            // the same device cannot be lost in the second in which it was enabled
            self.wait(2);
        }
    }

    fn deactivate(&mut self, slot: usize, step: &Step, by: &Actor, serial: &str, fail: bool) {
        let lost = Action::DeviceDeactivated { serial: Some(serial.to_owned()) };
        self.emit(slot, step, by, IAM, "DeactivateMFADevice", lost, fail);
        if fail {
            return;
        }
        self.slots[slot].devices.remove(serial);
        let id = self.events.last().map(|e| e.id.clone()).unwrap_or_default();
        self.left.insert(id, self.slots[slot].devices.len());
        self.note();
        // a virtual device is left over now and then
        if is_virtual(serial) && step.device != 5 {
            let gone = Action::DeviceDeleted { serial: Some(serial.to_owned()) };
            self.emit(slot, step, by, IAM, "DeleteVirtualMFADevice", gone, false);
            self.entities.remove(&(self.slots[slot].account, serial.to_owned()));
            self.note();
        }
        self.wait(2);
    }

    fn password_step(&mut self, slot: usize, step: &Step, actor: &Actor) {
        let there = self.slots[slot].password;
        let me = self.user_actor(slot);
        let (name, action) = match (step.op, there) {
            (37..=43, true) => ("DeleteLoginProfile", Action::PasswordRemoved),
            (37..=43, false) => ("CreateLoginProfile", Action::PasswordCreated),
            (44 | 45, true) => ("UpdateLoginProfile", Action::PasswordReset),
            (46, true) => {
                self.emit(slot, step, &me, IAM, "ChangePassword", Action::PasswordChanged, false);
                return;
            }
            _ => return,
        };
        let changes = step.op <= 43;
        self.emit(slot, step, actor, IAM, name, action, false);
        if changes {
            self.slots[slot].password = !there;
            self.note();
        }
    }

    fn policy_step(&mut self, slot: usize, step: &Step, actor: &Actor) {
        let arn = |name: &str| Some(format!("arn:aws:iam::aws:policy/{name}"));
        let inline = Some("contained".to_owned());
        let (managed, own) = ("managed".to_owned(), "inline".to_owned());
        let denies = self.slots[slot].denies.clone();
        let (name, action) = match step.op {
            // a user that is denied from the beginning is so by the managed policy alone
            50..=52 if slot.is_multiple_of(2) => {
                if denies.contains(&managed) {
                    self.slots[slot].denies.remove(&managed);
                    ("DetachUserPolicy", Action::PolicyDetached { arn: arn("AWSDenyAll") })
                } else {
                    self.slots[slot].denies.insert(managed);
                    ("AttachUserPolicy", Action::PolicyAttached { arn: arn("AWSDenyAll") })
                }
            }
            50..=55 if slot % 2 == 1 || self.slots[slot].generation > 0 => {
                if !denies.contains(&own) {
                    self.slots[slot].denies.insert(own);
                    ("PutUserPolicy", Action::PolicyPut { policy: inline, document: Some(DENY_ALL.into()) })
                } else if step.device.is_multiple_of(3) {
                    self.slots[slot].denies.remove(&own);
                    ("PutUserPolicy", Action::PolicyPut { policy: inline, document: Some(ALLOW_LITTLE.into()) })
                } else {
                    self.slots[slot].denies.remove(&own);
                    ("DeleteUserPolicy", Action::PolicyDeleted { policy: inline })
                }
            }
            56 | 57 => {
                let full = step.device.is_multiple_of(2);
                let arn = arn(if full { "AdministratorAccess" } else { "ReadOnlyAccess" });
                ("AttachUserPolicy", Action::PolicyAttached { arn })
            }
            58 => ("PutUserPolicy", Action::PolicyPut { policy: Some("all".into()), document: Some(ALLOW_ALL.into()) }),
            _ => return,
        };
        // the state changes with the event, not before it
        let changed = std::mem::replace(&mut self.slots[slot].denies, denies);
        self.emit(slot, step, actor, IAM, name, action, false);
        if self.slots[slot].denies != changed {
            self.slots[slot].denies = changed;
            self.note();
        }
    }

    /// IAM refuses to delete a user that still has a device, a password or a policy.
    fn delete(&mut self, slot: usize, step: &Step, actor: Actor) {
        let by = if actor.id.as_ref() == Some(&self.slots[slot].id) {
            Self::role(self.slots[slot].account, "HelpDesk")
        } else {
            actor
        };
        for serial in self.slots[slot].devices.keys().cloned().collect::<Vec<_>>() {
            self.deactivate(slot, step, &by, &serial, false);
        }
        if self.slots[slot].password {
            self.emit(slot, step, &by, IAM, "DeleteLoginProfile", Action::PasswordRemoved, false);
            self.slots[slot].password = false;
            self.note();
        }
        for policy in self.slots[slot].denies.clone() {
            let (name, action) = if policy == "managed" {
                let arn = Some("arn:aws:iam::aws:policy/AWSDenyAll".to_owned());
                ("DetachUserPolicy", Action::PolicyDetached { arn })
            } else {
                ("DeleteUserPolicy", Action::PolicyDeleted { policy: Some("contained".to_owned()) })
            };
            self.emit(slot, step, &by, IAM, name, action, false);
            self.slots[slot].denies.remove(&policy);
            self.note();
        }
        self.emit(slot, step, &by, IAM, "DeleteUser", Action::UserDeleted, false);
        let s = &mut self.slots[slot];
        (s.alive, s.born) = (false, None);
        self.note();
        self.wait(2);
    }

    // ------------------------------------------------------------------------------------------------ what IAM says

    /// What was true at a moment, everything of that second included.
    fn at(&self, time: Time) -> (&[Slot], &BTreeSet<(usize, String)>) {
        let n = self.truth.partition_point(|(t, _)| *t <= time).max(1) - 1;
        (&self.truth[n].1, &self.shelves[n].1)
    }

    fn snapshot(&self, plan: &Plan, start: Time) -> Option<IamState> {
        let taken_at = self.now + Duration::seconds(1);
        let (age, sooner) = plan.age;
        let mut accounts = BTreeMap::new();
        for (n, account) in ACCOUNTS.iter().enumerate() {
            // the accounts were asked one after the other
            let asked = if n == 0 { taken_at } else { (taken_at - Duration::seconds(sooner)).max(start) };
            let written = (asked - Duration::seconds(age)).max(start);
            if let Some(state) = self.account(plan.iam, n, account, asked, written) {
                let as_of = state.as_of.or((asked != taken_at).then_some(AsOf::exactly(asked)));
                accounts.insert((*account).to_owned(), AccountState { as_of, ..state });
            }
        }
        (!accounts.is_empty()).then_some(IamState { taken_at, accounts, missing: Vec::new() })
    }

    /// One account's state: its lists as of `asked`, its credential report as of `written`.
    fn account(&self, told: Told, n: usize, account: &str, asked: Time, written: Time) -> Option<AccountState> {
        let mine = |slots: &[Slot]| slots.iter().filter(|s| s.account == n && s.alive).cloned().collect::<Vec<Slot>>();
        let (then, now) = (mine(self.at(written).0), mine(self.at(asked).0));
        let shelf = self.at(asked).1.iter().filter(|(a, _)| *a == n).map(|(_, serial)| serial.as_str());
        let virtuals: Vec<VirtualDevice> = shelf.map(|serial| virtual_device(serial, &now)).collect();
        let timed = (written != asked).then_some(AsOf::exactly(written));
        Some(match told {
            Told::Nothing => return None,
            Told::Report => AccountState {
                as_of: (written != asked).then_some(AsOf::exactly(written)),
                users: then.iter().filter(|s| !s.root).map(|s| reported(account, s, None)).collect(),
                users_complete: true,
                root: then.iter().find(|s| s.root).map(|s| reported_root(s, None)),
                ..AccountState::default()
            },
            Told::BareCsv => AccountState {
                as_of: Some(AsOf { earliest: asked - Duration::hours(4), latest: asked }),
                users: then.iter().filter(|s| !s.root).map(|s| reported(account, s, None)).collect(),
                users_complete: true,
                root: then.iter().find(|s| s.root).map(|s| reported_root(s, None)),
                ..AccountState::default()
            },
            Told::VirtualList => AccountState {
                users: now.iter().filter(|s| !s.root && owns(s, &virtuals)).map(owner_only).collect(),
                root: now.iter().find(|s| s.root && owns(s, &virtuals)).map(|_| root_with_a_device()),
                virtual_devices: Some(virtuals),
                ..AccountState::default()
            },
            Told::UserLists => AccountState {
                users: now.iter().filter(|s| !s.root).map(only_devices).collect(),
                ..AccountState::default()
            },
            Told::ReportAndVirtuals => {
                let users = then.iter().filter(|s| !s.root).map(|s| {
                    let row = reported(account, s, timed);
                    // who owns a virtual device has one, whatever the report says
                    match now.iter().any(|n| n.name.eq_ignore_ascii_case(&s.name) && !n.root && owns(n, &virtuals)) {
                        true => UserState { mfa_active: Some(true), mfa_active_as_of: None, ..row },
                        false => row,
                    }
                });
                AccountState {
                    users_as_of: timed,
                    users: users.collect(),
                    users_complete: true,
                    root: then.iter().find(|s| s.root).map(|s| root(s, timed, &now, &virtuals)),
                    virtual_devices: Some(virtuals),
                    ..AccountState::default()
                }
            }
            Told::AllButOldReport | Told::All => {
                let (rows, timed) = if told == Told::All { (&now, None) } else { (&then, timed) };
                let users = now.iter().filter(|s| !s.root).map(|s| {
                    // a row of the report is about who bore the name then
                    let row = rows.iter().find(|r| !r.root && r.name.eq_ignore_ascii_case(&s.name) && r.born == s.born);
                    UserState {
                        password: row.map(|r| r.password),
                        password_as_of: timed.filter(|_| row.is_some()),
                        denied: Some(!s.denies.is_empty()),
                        denied_by_group: Some(false),
                        ..listed(account, s)
                    }
                });
                AccountState {
                    users: users.collect(),
                    users_complete: true,
                    root: rows.iter().find(|s| s.root).map(|s| root(s, timed, &now, &virtuals)),
                    virtual_devices: Some(virtuals),
                    ..AccountState::default()
                }
            }
        })
    }
}

const IAM: &str = "iam.amazonaws.com";

fn virtual_device(serial: &str, slots: &[Slot]) -> VirtualDevice {
    let owner = slots.iter().find(|s| s.devices.contains_key(serial));
    VirtualDevice {
        device: Device { serial: serial.to_owned(), enabled_at: owner.map(|s| s.devices[serial]) },
        owner: owner.map(|s| match s.root {
            true => DeviceOwner::Root,
            false => DeviceOwner::User { name: s.name.clone(), id: Some(s.id.clone()) },
        }),
    }
}

/// A row of the credential report.
fn reported(account: &str, slot: &Slot, at: Option<AsOf>) -> UserState {
    UserState {
        name: slot.name.clone(),
        arn: Some(format!("arn:aws:iam::{account}:user/{}", slot.name)),
        created_at: slot.born,
        password: Some(slot.password),
        mfa_active: Some(!slot.devices.is_empty()),
        password_as_of: at,
        mfa_active_as_of: at,
        ..UserState::default()
    }
}

fn reported_root(slot: &Slot, at: Option<AsOf>) -> RootState {
    RootState {
        mfa_active: Some(!slot.devices.is_empty()),
        password: Some(slot.password),
        active_access_keys: Some(0),
        mfa_active_as_of: at,
        password_as_of: at,
        access_keys_as_of: at,
    }
}

/// The root user as its row says, a virtual device of its own taken from the list.
fn root(row: &Slot, at: Option<AsOf>, now: &[Slot], virtuals: &[VirtualDevice]) -> RootState {
    let state = reported_root(row, at);
    match now.iter().any(|s| s.root && owns(s, virtuals)) {
        true => RootState { mfa_active: Some(true), mfa_active_as_of: None, ..state },
        false => state,
    }
}

fn root_with_a_device() -> RootState {
    RootState { mfa_active: Some(true), ..RootState::default() }
}

fn owns(slot: &Slot, virtuals: &[VirtualDevice]) -> bool {
    virtuals.iter().any(|v| slot.devices.contains_key(&v.device.serial))
}

/// All that a list of virtual devices tells of an owner.
fn owner_only(slot: &Slot) -> UserState {
    UserState { name: slot.name.clone(), id: Some(slot.id.clone()), mfa_active: Some(true), ..UserState::default() }
}

/// `list-mfa-devices` of one user, and nothing else of it.
fn only_devices(slot: &Slot) -> UserState {
    let device = |(serial, at): (&String, &Time)| Device { serial: serial.clone(), enabled_at: Some(*at) };
    UserState {
        name: slot.name.clone(),
        mfa_active: Some(!slot.devices.is_empty()),
        devices: Some(slot.devices.iter().map(device).collect()),
        ..UserState::default()
    }
}

/// One user of the authorization details, and its `list-mfa-devices`.
fn listed(account: &str, slot: &Slot) -> UserState {
    UserState {
        id: Some(slot.id.clone()),
        arn: Some(format!("arn:aws:iam::{account}:user/{}", slot.name)),
        created_at: slot.born,
        ..only_devices(slot)
    }
}

// ---------------------------------------------------------------------------------------------------- the world

pub fn simulate(plan: &Plan) -> World {
    let period = Period {
        from: Utc.with_ymd_and_hms(2026, 10, 1, 0, 0, 0).unwrap(),
        to: Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).unwrap(),
    };
    let start = period.from + Duration::days(plan.start_days) + Duration::seconds(1000);
    let (replacement_grace_s, offboarding_grace_s, lookback_days, takeover_threshold) = plan.policy;
    let lookback_s = lookback_days * 86_400;
    let settings = Settings {
        replacement_grace_s,
        offboarding_grace_s,
        lookback_s,
        takeover_threshold,
        not_detectors: plan.not_detectors.iter().map(|p| (*p).to_owned()).collect(),
        ..Settings::default()
    };
    let range = period.from - Duration::seconds(lookback_s);
    let mut sim = begin(plan, start);
    let mut iam = None;
    for (n, step) in plan.steps.iter().enumerate() {
        sim.step(step);
        if n == plan.snapshot {
            sim.now += Duration::seconds(2);
            iam = sim.snapshot(plan, start);
            sim.now += Duration::seconds(2);
            sim.last = (0, usize::MAX);
        }
    }
    if plan.snapshot >= plan.steps.len() {
        sim.now += Duration::seconds(2);
        iam = sim.snapshot(plan, start);
    }
    // The command line refuses an `as_of` that is not after the period's start.
    let read_to = (sim.now + Duration::seconds(1 + plan.tail)).max(period.from + Duration::seconds(1));
    let as_of = read_to + Duration::seconds(plan.after);
    let successes = sim.events.iter().filter(|e| e.succeeded() && matters(e) && e.time >= range);
    let one = plan.drop_one.and_then(|n| successes.clone().nth(n % successes.clone().count().max(1)));
    let one = one.map(|e| e.id.clone());
    let missing = |id: &str| {
        one.as_deref() == Some(id)
            || plan.dropping
                && (sim.dropped.contains(id) || plan.drop_identity && sim.dropped.contains(&format!("identity/{id}")))
    };
    let (gone, events): (Vec<Event>, Vec<Event>) = sim.events.iter().cloned().partition(|e| missing(&e.id));
    // the trace is read from the look-back on; events may come from a store that holds more
    let calls = sim.calls.iter().filter(|c| !missing(&c.event_id) && c.time >= range).cloned().collect();
    let sightings = sim
        .sightings
        .iter()
        .filter(|s| s.last >= range)
        .map(|s| Sighting { first: s.first.max(range), ..s.clone() })
        .collect();
    // what lies before the look-back was never read
    let first = start.max(range);
    let covered = ACCOUNTS.iter().map(|a| ((*a).to_owned(), [first, read_to.max(first)])).collect();
    World {
        approvals: approvals(plan, start, &sim),
        detections: detections(plan, &events),
        events,
        context: Context { calls, sightings, ..Context::default() },
        iam,
        covered,
        settings,
        period,
        as_of,
        truth: sim.truth,
        whose: sim.whose,
        left: sim.left,
        missing: gone,
    }
}

/// Whether an event can change a state of which the figures speak.
fn matters(event: &Event) -> bool {
    match &event.action {
        Action::DeviceEnabled { .. }
        | Action::DeviceDeactivated { .. }
        | Action::PasswordCreated
        | Action::PasswordRemoved => true,
        Action::PolicyAttached { arn: Some(arn) } | Action::PolicyDetached { arn: Some(arn) } => {
            arn.ends_with("AWSDenyAll")
        }
        Action::PolicyPut { policy: Some(name), .. } | Action::PolicyDeleted { policy: Some(name) } => {
            name == "contained"
        }
        _ => false,
    }
}

fn begin(plan: &Plan, start: Time) -> Simulation {
    let mut sim = Simulation {
        now: start,
        last: (0, usize::MAX),
        slots: Vec::new(),
        entities: BTreeSet::new(),
        events: Vec::new(),
        calls: Vec::new(),
        sightings: Vec::new(),
        dropped: BTreeSet::new(),
        truth: Vec::new(),
        shelves: Vec::new(),
        whose: BTreeMap::new(),
        left: BTreeMap::new(),
        keys: 0,
        count: 0,
    };
    for (slot, (alive, devices, password, denied)) in plan.begin.iter().enumerate() {
        let root = slot == ROOT_SLOT;
        let alive = *alive || root;
        sim.slots.push(Slot {
            account: usize::from(slot == 3),
            root,
            alive,
            name: if root { "root".into() } else { format!("user{slot}") },
            id: if root { ACCOUNTS[0].into() } else { format!("AIDASLOT{slot}GEN0") },
            born: alive.then(|| start - Duration::days(500 + i64::try_from(slot).unwrap_or(0))),
            password: *password && alive,
            denies: (*denied && alive && slot == 2).then(|| "managed".to_owned()).into_iter().collect(),
            ..Slot::default()
        });
        for device in (0..*devices).filter(|_| alive) {
            let serial = sim.serial(slot, device * 3 % 4);
            sim.slots[slot].devices.insert(serial, start - Duration::days(400));
        }
    }
    for account in 0..ACCOUNTS.len() {
        sim.slots.push(administrator(account, start));
    }
    for slot in &sim.slots {
        let entities = slot.devices.keys().filter(|s| is_virtual(s)).map(|s| (slot.account, s.clone()));
        sim.entities.extend(entities);
    }
    sim.note();
    sim
}

/// Somebody who works on others, and is left alone.
fn administrator(account: usize, start: Time) -> Slot {
    Slot {
        account,
        alive: true,
        name: "admin".to_owned(),
        id: format!("AIDAADMIN{}", ACCOUNTS[account]),
        born: Some(start - Duration::days(600)),
        devices: BTreeMap::from([("GAHT00000001".to_owned(), start - Duration::days(400))]),
        password: true,
        ..Slot::default()
    }
}

/// Tickets: of a name, whoever bears it; by somebody else, by the user, by the help desk.
fn approvals(plan: &Plan, start: Time, sim: &Simulation) -> Vec<Approval> {
    let row = |(n, (slot, approver, from, length)): (usize, &(usize, usize, i64, i64))| {
        let s = &sim.slots[slot % (ROOT_SLOT + 1)];
        let user = match (s.root, approver % 3) {
            (true, 0) => "user/root".to_owned(),
            (true, _) => "root".to_owned(),
            (false, 0) => s.name.clone(),
            (false, _) => format!("USER{slot}"),
        };
        let approver = match approver % 6 {
            0 | 1 => s.name.to_uppercase(),
            2 => format!("arn:aws:sts::{}:assumed-role/HelpDesk/HelpDesk-session", ACCOUNTS[s.account]),
            _ => "lead".to_owned(),
        };
        Approval {
            ticket: format!("CHG-{n}"),
            account: ACCOUNTS[s.account].into(),
            user,
            approver,
            valid_from: start + Duration::seconds(*from),
            valid_to: start + Duration::seconds(from + length),
        }
    };
    plan.approvals.iter().enumerate().map(row).collect()
}

/// Alerts: of an event, of the name that it bears, of another one's name.
fn detections(plan: &Plan, events: &[Event]) -> Vec<Detection> {
    let lost: Vec<&Event> =
        events.iter().filter(|e| matches!(e.action, Action::DeviceDeactivated { .. }) && e.succeeded()).collect();
    let row = |(n, (which, later, how)): (usize, &(usize, i64, u8))| {
        let event = lost.get(which % lost.len().max(1))?;
        let account = event.account.to_string();
        let subject = match (&event.target, how) {
            (_, 0) => DetectionSubject::Event(event.id.clone()),
            (Target::User { .. }, 1) => DetectionSubject::Principal { account, user: format!("user{}", which % 4) },
            (Target::User { name: Some(name), .. }, _) => {
                DetectionSubject::Principal { account, user: name.to_uppercase() }
            }
            _ => DetectionSubject::Principal { account, user: "root".into() },
        };
        Some(Detection {
            detected_at: event.time + Duration::seconds(*later),
            source: "siem".into(),
            reference: format!("ALERT-{n}"),
            subject,
        })
    };
    plan.detections.iter().enumerate().filter_map(row).collect()
}

prop_compose! {
    fn step()(
        wait in 0..WAITS.len(), slot in 0..6usize, op in 0..85u8, actor in 0..8u8, device in 0..8usize,
        ip in prop_oneof![6 => Just(0u8), 2 => 1..4u8], mfa in prop::bool::weighted(0.7),
        fail in prop::bool::weighted(0.14), drop in prop_oneof![3 => Just(0u8), 1 => Just(1u8)],
    ) -> Step {
        // two of six draws are the first user: a long history of one tells more than short ones of many
        Step { wait, slot: if slot == 5 { 0 } else { slot }, op, actor, device, ip, mfa, fail, drop }
    }
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        1 => Just(Told::Nothing),
        1 => Just(Told::Report),
        1 => Just(Told::BareCsv),
        1 => Just(Told::VirtualList),
        1 => Just(Told::UserLists),
        1 => Just(Told::ReportAndVirtuals),
        1 => Just(Told::AllButOldReport),
        2 => Just(Told::All),
    ]
}

prop_compose! {
    /// Any history; whether records are left out, and whether those that tell one user from another can be.
    pub fn plan(dropping: bool, drop_identity: bool)(
        steps in prop::collection::vec(step(), 1..70),
        begin in prop::collection::vec(
            (prop::bool::weighted(0.75), 0..3usize, prop::bool::weighted(0.8), prop::bool::weighted(0.3)), 5),
        iam in told(),
        snapshot in prop_oneof![3 => Just(1000usize), 2 => 0..60usize],
        age in prop_oneof![Just((0i64, 0i64)), (0..7200i64, 0..3600i64)],
        approvals in prop::collection::vec((0..5usize, 0..12usize, 0..600_000i64, 600..200_000i64), 0..6),
        detections in prop::collection::vec((0..20usize, 0..5000i64, 0..3u8), 0..3),
        start_days in prop_oneof![3 => 0..20i64, 1 => -8..0i64, 1 => 24..30i64],
        ends in prop_oneof![2 => Just((0i64, 0i64)), 1 => (0..200_000i64, 0..200_000i64)],
        policy in prop_oneof![
            2 => Just((3600, 86_400, 30, 2)),
            1 => (600..10_000i64, 600..200_000i64, 1..40i64, 1..4usize),
        ],
        not_detectors in prop_oneof![
            4 => Just(None),
            1 => Just(Some("arn:aws:iam::*:role/Respond?r")),
            1 => Just(Some("arn:aws:iam::111122223333:user/adm*")),
        ],
    ) -> Plan {
        let even = |n: i64| n / 2 * 2;
        let (tail, after) = (even(ends.0), even(ends.1));
        let age = (even(age.0), even(age.1));
        Plan {
            steps, begin, iam, snapshot, age, dropping, drop_identity, drop_one: None, approvals, detections, start_days,
            tail, after, policy, not_detectors,
        }
    }
}

/// Any history: whole, with gaps, with gaps in identities too.
pub fn any_plan() -> impl Strategy<Value = Plan> {
    prop_oneof![plan(false, false), plan(true, false), plan(true, true)]
}
