//! What IAM's calls answered for one account, from files or live, and how it becomes one state.
//!
//! The answers overlap and are not of one moment: a credential report is up to four hours older than it looks, for IAM
//! hands out the last one. So the lists decide who exists and which devices there are, and the report tells what
//! only it can.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::credential_report::{CredentialReport, ReportRow};
use super::policy::{self, Effects, Policy};
use super::state::{
    AccountState, AsOf, Device, DeviceOwner, InputGap, MissingInput, RootState, UserState, VirtualDevice,
};

/// The answers for one account. `None`, or no entry, where a call was not made or was refused.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub report: Option<CredentialReport>,
    pub details: Option<Details>,
    /// `list-users`.
    pub users: Option<Vec<ListedUser>>,
    pub virtual_devices: Option<Vec<VirtualDevice>>,
    /// `list-mfa-devices`, by user name.
    pub devices: BTreeMap<Name, Vec<Device>>,
    /// `get-account-summary`.
    pub summary: Option<BTreeMap<String, i64>>,
    /// `get-login-profile`, by user name: fresher than the report.
    pub passwords: BTreeMap<Name, bool>,
    /// Active keys of `list-access-keys`, by user name: fresher than the report.
    pub access_keys: BTreeMap<Name, u32>,
}

impl Answers {
    /// How long the longest of the lists is that a file can have made long, but for one user's devices.
    pub(super) fn largest(&self) -> usize {
        let details = self.details.as_ref();
        let lists = [
            self.users.as_ref().map(Vec::len),
            self.virtual_devices.as_ref().map(Vec::len),
            details.map(|details| details.users.len().max(details.groups.len())),
            Some(self.devices.len()),
        ];
        lists.into_iter().flatten().max().unwrap_or_default()
    }

    /// Whether a credential report is all that there is.
    fn only_a_report(&self) -> bool {
        self.details.is_none()
            && self.users.is_none()
            && self.virtual_devices.is_none()
            && self.summary.is_none()
            && self.devices.is_empty()
            && self.passwords.is_empty()
            && self.access_keys.is_empty()
    }
}

/// A user or group name: unique in any letter case, kept in IAM's own.
#[derive(Debug, Clone)]
pub(crate) struct Name(pub String);

impl Name {
    fn key(&self) -> String {
        self.0.to_lowercase()
    }
}
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Name {}
impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// `get-account-authorization-details`.
#[derive(Debug, Default)]
pub(crate) struct Details {
    pub users: Vec<DetailedUser>,
    pub groups: BTreeMap<Name, Grants>,
    /// Documents of the default versions, by ARN; `None` where the answer holds no readable one.
    pub policies: BTreeMap<String, Option<Policy>>,
}

#[derive(Debug)]
pub(crate) struct DetailedUser {
    pub listed: ListedUser,
    pub tags: BTreeMap<String, String>,
    pub groups: Vec<Name>,
    pub grants: Grants,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct ListedUser {
    pub name: Name,
    pub id: Option<String>,
    pub arn: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
}

/// The policies of one user or group.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    pub inline: Vec<Inline>,
    /// ARNs.
    pub attached: Vec<String>,
}

/// An inline policy.
#[derive(Debug)]
pub(crate) struct Inline {
    /// Empty where the input has none.
    pub name: String,
    /// `None` where it cannot be read.
    pub document: Option<Policy>,
}

/// What policies come to, each document and each group judged once: thousands of users may be in hundreds of groups.
struct Judged<'d> {
    policies: HashMap<&'d str, Effects>,
    groups: HashMap<String, Effects>,
}

impl<'d> Judged<'d> {
    fn new(details: &'d Details) -> Self {
        let policy = |(arn, document): (&'d String, &Option<Policy>)| {
            (arn.as_str(), Effects::of(&policy::attached(arn, document.clone())))
        };
        let mut judged = Self { policies: details.policies.iter().map(policy).collect(), groups: HashMap::new() };
        let group = |(name, grants): (&Name, &Grants)| (name.key(), judged.grants(grants));
        judged.groups = details.groups.iter().map(group).collect();
        judged
    }

    fn grants(&self, grants: &Grants) -> Effects {
        let inline =
            grants.inline.iter().map(|policy| policy.document.as_ref().map_or(Effects::UNKNOWN, Effects::of_policy));
        let attached = grants.attached.iter().map(|arn| {
            let known = self.policies.get(arn.as_str()).copied();
            known.unwrap_or_else(|| Effects::of(&policy::attached(arn, None)))
        });
        inline.chain(attached).fold(Effects::default(), Effects::and)
    }

    fn of_groups(&self, user: &DetailedUser) -> Effects {
        let groups = user.groups.iter().map(|group| self.groups.get(&group.key()).copied());
        groups.map(|known| known.unwrap_or(Effects::UNKNOWN)).fold(Effects::default(), Effects::and)
    }
}

/// How old a credential report can be that does not say when it was generated. Source: IAM user guide, "Get credential
/// reports": IAM makes one at most every four hours.
const REPORT_AGE: TimeDelta = TimeDelta::hours(4);

/// When a credential report was true that was fetched at `fetched`.
fn report_as_of(report: &CredentialReport, fetched: AsOf) -> AsOf {
    match report.generated_at {
        Some(generated) => AsOf::exactly(generated),
        None => AsOf { earliest: fetched.earliest - REPORT_AGE, latest: fetched.latest },
    }
}

/// The account's state, with notes on what contradicts or cannot be judged. The answers were had at `as_of`, the credential
/// report may be older; where there is nothing but a report, the state is of its time. `taken_at` is the time of the
/// whole snapshot.
pub(crate) fn join(
    account: &str,
    answers: &Answers,
    as_of: AsOf,
    taken_at: DateTime<Utc>,
) -> (AccountState, Vec<MissingInput>) {
    let of_report = answers.report.as_ref().map(|report| report_as_of(report, as_of));
    let as_of = if answers.only_a_report() { of_report.unwrap_or(as_of) } else { as_of };
    let older = of_report.filter(|of_report| *of_report != as_of);
    let mut notes = Notes { account, list: Vec::new() };
    let mut users: BTreeMap<Name, UserState> = BTreeMap::new();
    let mut unjudged = Vec::new();

    if let Some(details) = &answers.details {
        let judged = Judged::new(details);
        for user in &details.users {
            let state = enter(&mut users, &user.listed);
            state.tags = Some(user.tags.clone());
            let (own, of_groups) = (judged.grants(&user.grants), judged.of_groups(user));
            state.denied = own.denied();
            state.denied_by_group = of_groups.denied();
            let all = own.and(of_groups);
            state.mfa_enforced = all.mfa_enforced();
            state.privileged = all.privileged();
            if all.unknown {
                unjudged.push(user.listed.name.0.clone());
            }
        }
    }
    for user in answers.users.iter().flatten() {
        let known = users.get(&user.name).and_then(|known| known.id.clone());
        if let (Some(known), Some(id)) = (known, &user.id)
            && &known != id
        {
            notes.add(
                InputGap::Disagrees,
                "list of users",
                format!("`{}` is a different user there ({id}) than in the authorization details ({known}): the files were created at different times, and the authorization details are used", user.name.0),
            );
            continue;
        }
        enter(&mut users, user);
    }
    let listed = answers.details.is_some() || answers.users.is_some();
    for row in answers.report.iter().flat_map(|report| &report.rows).filter(|row| !row.is_root()) {
        enter_row(&mut users, row, older, listed, &mut notes);
    }
    // What names a user without listing all of them: the user exists, but others may as well.
    let complete = listed || answers.report.is_some();
    for name in answers.devices.keys().chain(answers.passwords.keys()).chain(answers.access_keys.keys()) {
        if !complete {
            named(&mut users, name);
        }
    }
    for device in answers.virtual_devices.iter().flatten() {
        if let Some(DeviceOwner::User { name, id }) = &device.owner {
            let name = Name(name.clone());
            if !complete {
                let user = named(&mut users, &name);
                user.id = user.id.take().or_else(|| id.clone());
            }
            if let Some(user) = users.get_mut(&name) {
                if user.mfa_active == Some(false) {
                    notes.add(
                        InputGap::Disagrees,
                        "credential report",
                        format!("it shows `{}` without MFA, but the list of virtual devices has one: the list is used, because a report can be four hours old", name.0),
                    );
                }
                user.mfa_active = Some(true);
                user.mfa_active_as_of = None;
            }
        }
    }
    for (name, user) in &mut users {
        if let Some(devices) = answers.devices.get(name) {
            let mut devices = devices.clone();
            devices.sort();
            devices.dedup();
            user.mfa_active = Some(!devices.is_empty());
            user.mfa_active_as_of = None;
            user.devices = Some(devices);
        }
        if let Some(password) = answers.passwords.get(name) {
            (user.password, user.password_as_of) = (Some(*password), None);
        }
        if let Some(keys) = answers.access_keys.get(name) {
            (user.active_access_keys, user.access_keys_as_of) = (Some(*keys), None);
        }
    }
    if !unjudged.is_empty() {
        let why = format!(
            "policies that apply to {} are not in the authorization details: whether MFA is enforced, and who is privileged, is not known for all of them",
            some(&unjudged)
        );
        notes.add(InputGap::Missing, "policy documents", why);
    }
    let state = AccountState {
        as_of: (as_of != AsOf::exactly(taken_at)).then_some(as_of),
        users_as_of: older.filter(|_| !listed),
        users: users.into_values().collect(),
        users_complete: complete,
        root: root(answers, older),
        virtual_devices: answers.virtual_devices.clone().map(|mut devices| {
            devices.sort_by(|a, b| a.device.cmp(&b.device));
            devices.dedup();
            devices
        }),
    };
    (state, notes.list)
}

/// Up to three names, and how many more.
pub(crate) fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

struct Notes<'a> {
    account: &'a str,
    list: Vec<MissingInput>,
}

impl Notes<'_> {
    fn add(&mut self, kind: InputGap, what: &str, why: String) {
        self.list.push(MissingInput { account: Some(self.account.to_owned()), what: what.to_owned(), why, kind });
    }
}

fn named<'a>(users: &'a mut BTreeMap<Name, UserState>, name: &Name) -> &'a mut UserState {
    users.entry(name.clone()).or_insert_with(|| UserState { name: name.0.clone(), ..UserState::default() })
}

fn enter<'a>(users: &'a mut BTreeMap<Name, UserState>, user: &ListedUser) -> &'a mut UserState {
    let state = named(users, &user.name);
    state.id = state.id.take().or_else(|| user.id.clone());
    state.arn = state.arn.take().or_else(|| user.arn.clone());
    state.created_at = state.created_at.or(user.created_at);
    state
}

/// A row tells of the user that a list names only if both were created at the same moment: else the user was deleted
/// and created again in between, and the row is about somebody who is gone.
fn enter_row(
    users: &mut BTreeMap<Name, UserState>,
    row: &ReportRow,
    as_of: Option<AsOf>,
    listed: bool,
    notes: &mut Notes<'_>,
) {
    let name = Name(row.name.clone());
    if listed {
        let Some(known) = users.get(&name) else {
            notes.add(
                InputGap::Disagrees,
                "credential report",
                format!("it shows `{}`, who is not in the lists of users: the user was deleted after the report, and is left out", row.name),
            );
            return;
        };
        if let (Some(theirs), Some(ours)) = (row.created_at, known.created_at)
            && theirs.timestamp() != ours.timestamp()
        {
            notes.add(
                InputGap::Disagrees,
                "credential report",
                format!("its row for `{}` is about a user created at {theirs:?}, but the lists show one created at {ours:?}: the row is not used", row.name),
            );
            return;
        }
    }
    let listed = ListedUser { name, id: None, arn: Some(row.arn.clone()), created_at: row.created_at };
    let state = enter(users, &listed);
    (state.password, state.password_as_of) = (row.password, as_of);
    (state.mfa_active, state.mfa_active_as_of) = (row.mfa_active, as_of);
    (state.active_access_keys, state.access_keys_as_of) = (row.active_access_keys, as_of);
}

/// The summary is never cached and comes first; a virtual device of the root user proves that it has one, whatever
/// else says so. What only the credential report tells is of `older`.
fn root(answers: &Answers, older: Option<AsOf>) -> Option<RootState> {
    let row = answers.report.iter().flat_map(|report| &report.rows).find(|row| row.is_root());
    let summary = |key: &str| answers.summary.as_ref().and_then(|summary| summary.get(key)).copied();
    let device = answers.virtual_devices.iter().flatten().any(|device| device.owner == Some(DeviceOwner::Root));
    let active = if device { Some(true) } else { summary("AccountMFAEnabled").map(|enabled| enabled > 0) };
    let password = summary("AccountPasswordPresent").map(|present| present > 0);
    // The summary tells whether there are keys, not how many of them are active: none there is none active.
    let keys = summary("AccountAccessKeysPresent").filter(|keys| *keys == 0).map(|_| 0);
    let state = RootState {
        mfa_active: active.or(row.and_then(|row| row.mfa_active)),
        password: password.or(row.and_then(|row| row.password)),
        active_access_keys: keys.or(row.and_then(|row| row.active_access_keys)),
        password_as_of: older.filter(|_| password.is_none()),
        mfa_active_as_of: older.filter(|_| active.is_none()),
        access_keys_as_of: older.filter(|_| keys.is_none()),
    };
    let told = (state.mfa_active, state.password, state.active_access_keys);
    (told != (None, None, None)).then_some(state)
}
