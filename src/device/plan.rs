//! The runbook: from what IAM says of a user to the calls, in their order, and what must be true after them.
//!
//! Source of the steps: IAM User Guide, "What if an MFA device is lost or stops working?" and "Disable permissions for temporary
//! security credentials" (a deny on `aws:TokenIssueTime`; long-term keys have no such time and are made inactive instead).

use serde::{Deserialize, Serialize};

use super::call::{Call, word};
use super::state::{Caller, Device, DeviceKind, User};
use crate::arn::Arn;

/// The inline policy by which a user's sessions are revoked.
pub const REVOCATION: &str = "mfatrail-revoke-older-sessions";

/// The names of the root user, as people, credential reports and CloudTrail have them.
const ROOT_NAMES: [&str; 4] = ["root", "<root_account>", "AWS ROOT USER", "root user"];

/// What happened to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// It cannot be found.
    Lost,
    /// Somebody else has it.
    Stolen,
    /// Its user has another one.
    Replaced,
    /// IAM does not take its codes.
    OutOfSync,
}

impl Situation {
    /// The option that names it.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Lost => "--lost",
            Self::Stolen => "--stolen",
            Self::Replaced => "--replaced",
            Self::OutOfSync => "--out-of-sync",
        }
    }
}

/// What becomes of the console password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordStep {
    /// It stays.
    Leave,
    /// A new one is set, which must be changed at the next sign-in.
    Reset,
    /// It is removed.
    Remove,
}

/// What is asked of the runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What happened.
    pub situation: Situation,
    /// The devices that it happened to; empty for the only one.
    pub serials: Vec<String>,
    /// Whether the caller means to act on itself.
    pub own: bool,
    /// Whether the user is about to enroll another device.
    pub enrolling: bool,
    /// What becomes of the password.
    pub password: PasswordStep,
    /// Sessions that began before this moment are revoked, RFC 3339.
    pub revoked_before: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is called.
    pub call: Call,
    /// Why.
    pub why: String,
}

/// What is true when the steps were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "expect", rename_all = "snake_case", deny_unknown_fields)]
pub enum Expectation {
    /// The user has the device.
    Active {
        /// Its serial number.
        serial: String,
    },
    /// The user does not have the device.
    Gone {
        /// Its serial number.
        serial: String,
    },
    /// The virtual device does not exist.
    Deleted {
        /// Its serial number.
        serial: String,
    },
    /// The access key cannot be used.
    Inactive {
        /// Its id.
        key: String,
    },
    /// The user's inline policy revokes sessions.
    Revoked {
        /// The policy.
        document: String,
    },
    /// The password must be changed at the next sign-in.
    ResetRequired,
    /// The user has no console password.
    NoPassword,
}

impl Expectation {
    /// Whether it is true; `None` where IAM does not say.
    #[must_use]
    pub fn holds(&self, user: &User) -> Option<bool> {
        match self {
            Self::Active { serial } => Some(user.device(serial).is_some()),
            Self::Gone { serial } => Some(user.device(serial).is_none()),
            Self::Deleted { serial } => {
                user.entities.as_ref().map(|all| all.iter().all(|entity| entity.serial != *serial))
            }
            Self::Inactive { key } => user.keys.as_ref().map(|all| all.iter().all(|own| own.id != *key || !own.active)),
            Self::Revoked { document } => user.revocation.as_ref().map(|own| own.as_ref() == Some(document)),
            Self::ResetRequired => user.password.map(|own| own.is_none_or(|own| own.reset_required)),
            Self::NoPassword => user.password.map(|own| own.is_none()),
        }
    }

    /// Whether it stays true when the user goes on: a password that was to be changed is changed in time.
    #[must_use]
    pub const fn lasts(&self) -> bool {
        !matches!(self, Self::ResetRequired)
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Active { serial } => format!("{serial} is assigned to the user"),
            Self::Gone { serial } => format!("{serial} is no longer assigned to the user"),
            Self::Deleted { serial } => format!("the virtual device {serial} is deleted"),
            Self::Inactive { key } => format!("access key {key} is inactive"),
            Self::Revoked { .. } => format!("the inline policy {REVOCATION} revokes older sessions"),
            Self::ResetRequired => "the password must be changed at the next sign-in".to_owned(),
            Self::NoPassword => "the user has no console password".to_owned(),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// What is then true.
    pub expectations: Vec<Expectation>,
    /// What people should know before and after.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether codes of the device are needed.
    #[must_use]
    pub fn takes_codes(&self) -> bool {
        self.steps.iter().any(|step| step.call.takes_codes())
    }

    /// Whether a new password is needed.
    #[must_use]
    pub fn sets_password(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.call, Call::ResetPassword { .. }))
    }

    fn step(&mut self, call: Call, why: &str, expectation: Expectation) {
        self.steps.push(Step { call, why: why.to_owned() });
        self.expectations.push(expectation);
    }
}

/// Whom USER names: an IAM user's name, or that the root user is meant. `user/NAME` and ARNs of users are names of users.
///
/// # Errors
/// The steps that work for the root user.
pub fn user_name(user: &str) -> Result<&str, String> {
    let is_root = ROOT_NAMES.iter().any(|name| user.eq_ignore_ascii_case(name)) || user.ends_with(":root");
    if is_root {
        return Err(ROOT_STEPS.to_owned());
    }
    match user.rsplit_once(":user/").map(|(_, path)| path).or_else(|| user.strip_prefix("user/")) {
        Some(path) => Ok(crate::arn::name(path)),
        None => Ok(user),
    }
}

const ROOT_STEPS: &str = "the root user's MFA cannot be changed by these API calls\n  \
    What works: 1. sign in as the root user with another of its devices (it can have eight), and remove the lost one under \
    Security credentials; 2. without another device, choose \"Troubleshoot MFA\" at sign-in and verify by the account's e-mail address \
    and telephone number, else contact AWS Support; 3. for a member account of an organization, remove the root user's credentials by \
    central root access: `aws sts assume-root --target-principal ACCOUNT --task-policy-arn \
    arn=arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials`\n  \
    hint: an IAM user that is called root is `user/root`";

/// Decides what is to be done.
///
/// # Errors
/// Why nothing is done, with a way out.
pub fn plan(question: &Question, user: &User, caller: &Caller) -> Result<Plan, String> {
    if caller.is(&user.arn) {
        guard_own(question, user)?;
    }
    let devices = affected(question, user)?;
    let mut plan = Plan { steps: Vec::new(), expectations: Vec::new(), notes: Vec::new() };
    if question.situation == Situation::OutOfSync {
        resync(question, user, &devices, &mut plan)?;
        return Ok(plan);
    }
    let rest = user.devices.len() - devices.len();
    if question.situation == Situation::Replaced && rest == 0 && !question.enrolling {
        return Err(format!(
            "user {} would be left without MFA: no other device is active\n  hint: enable the new device first, or, while the user is \
             enrolling it, give --enrolling",
            user.name
        ));
    }
    if question.situation == Situation::Stolen {
        lock_out(question, user, &mut plan)?;
    }
    password(question, user, &mut plan)?;
    for device in &devices {
        remove(user, device, &mut plan);
    }
    afterwards(user, rest, &devices, &mut plan);
    Ok(plan)
}

fn guard_own(question: &Question, user: &User) -> Result<(), String> {
    if question.situation == Situation::Stolen {
        return Err(format!(
            "the credentials of this command are those of user {} itself: revoking its keys and sessions would end this run halfway\n  \
             hint: run it as an administrator or with --role",
            user.name
        ));
    }
    if !question.own {
        return Err(format!(
            "the credentials of this command are those of user {} itself: its own device would be changed\n  hint: if that is meant, \
             give --self",
            user.name
        ));
    }
    Ok(())
}

/// The devices that it happened to.
fn affected<'u>(question: &Question, user: &'u User) -> Result<Vec<&'u Device>, String> {
    let mut devices: Vec<&Device> = Vec::new();
    for serial in &question.serials {
        let device = user.device(serial).ok_or_else(|| not_of(serial, user))?;
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    if !question.serials.is_empty() {
        return Ok(devices);
    }
    let sync = question.situation == Situation::OutOfSync;
    let eligible: Vec<&Device> = user.devices.iter().filter(|device| !sync || device.kind().has_clock()).collect();
    match eligible.as_slice() {
        [] if sync && !user.devices.is_empty() => Err(format!(
            "user {} has no device with a clock: passkeys and security keys are never out of sync\n  hint: if it does not work, treat it \
             as --lost",
            user.name
        )),
        [] if question.situation == Situation::Stolen => Ok(Vec::new()),
        [] => Err(no_device(user)),
        [_one] => Ok(eligible),
        _ => Err(format!(
            "user {} has {} devices, and none is named\n  hint: name those that it happened to:{}",
            user.name,
            eligible.len(),
            listed(&eligible)
        )),
    }
}

fn listed(devices: &[&Device]) -> String {
    let line = |device: &&Device| {
        let since =
            device.enabled_at.map_or_else(String::new, |at| format!(", enabled {}", at.format("%Y-%m-%dT%H:%M:%SZ")));
        format!("\n    --serial {} ({}{since})", word(&device.serial), device.kind().name())
    };
    devices.iter().map(line).collect()
}

/// What a serial number is that is not the user's.
fn not_of(serial: &str, user: &User) -> String {
    match user.entity(serial).map(|entity| entity.owner_name()) {
        Some(Some(owner)) => {
            format!(
                "`{serial}` is a device of {owner}, not of {}: nothing was changed\n  hint: check the serial number",
                user.name
            )
        }
        Some(None) => format!(
            "`{serial}` is not assigned to anyone: it is left over, and its name cannot be reused\n  hint: mfatrail device delete --serial {} \
             --apply",
            word(serial)
        ),
        None => {
            let own: Vec<&Device> = user.devices.iter().collect();
            let own =
                if own.is_empty() { "it has none".to_owned() } else { format!("its devices are:{}", listed(&own)) };
            format!("user {} has no device `{serial}`\n  hint: {own}", user.name)
        }
    }
}

fn no_device(user: &User) -> String {
    let nothing = format!("user {} has no MFA device: there is nothing to remove", user.name);
    match user.leftover() {
        Some(leftover) => format!(
            "{nothing}; the virtual device {} is left over, and blocks an enrollment under that name\n  hint: mfatrail device delete \
             --serial {} --apply",
            leftover.serial,
            word(&leftover.serial)
        ),
        None => format!("{nothing}\n  hint: `mfatrail device create` and `enable` give it one"),
    }
}

fn resync(question: &Question, user: &User, devices: &[&Device], plan: &mut Plan) -> Result<(), String> {
    if question.password != PasswordStep::Leave {
        return Err("a device that is out of sync needs no other password\n  hint: leave the option out".to_owned());
    }
    let [device] = devices else {
        return Err("codes are of one device: resynchronize one at a time\n  hint: give one --serial".to_owned());
    };
    if !device.kind().has_clock() {
        return Err(format!(
            "`{}` is a {}, which has no clock and is never out of sync\n  hint: if it does not work, treat it as --lost",
            device.serial,
            device.kind().name()
        ));
    }
    let (name, serial) = (user.name.clone(), device.serial.clone());
    plan.step(
        Call::ResyncMfaDevice { user: name, serial: serial.clone() },
        "IAM learns how far the device's clock is off",
        Expectation::Active { serial },
    );
    Ok(())
}

/// What ends the sessions that whoever has the device may have.
fn lock_out(question: &Question, user: &User, plan: &mut Plan) -> Result<(), String> {
    let Some(keys) = &user.keys else {
        return Err(format!(
            "the access keys of user {} cannot be listed, and would stay in use\n  hint: allow iam:ListAccessKeys \
             (`mfatrail generate iam-policy -- respond …` prints all that is needed)",
            user.name
        ));
    };
    for key in keys.iter().filter(|key| key.active) {
        plan.step(
            Call::DeactivateAccessKey { user: user.name.clone(), key: key.id.clone() },
            "long-term keys work without the device",
            Expectation::Inactive { key: key.id.clone() },
        );
    }
    let document = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":\
         {{\"DateLessThan\":{{\"aws:TokenIssueTime\":\"{}\"}}}}}}]}}",
        question.revoked_before
    );
    plan.step(
        Call::PutUserPolicy { user: user.name.clone(), name: REVOCATION.to_owned(), document: document.clone() },
        "sessions that began before now are refused",
        Expectation::Revoked { document },
    );
    plan.notes.push(
        "Sessions of roles that the user assumed live on: revoke these on the roles (IAM console, Revoke sessions)."
            .to_owned(),
    );
    Ok(())
}

fn password(question: &Question, user: &User, plan: &mut Plan) -> Result<(), String> {
    let stolen = question.situation == Situation::Stolen;
    if user.password == Some(None) {
        plan.notes.push("The user has no console password.".to_owned());
        return Ok(());
    }
    let name = user.name.clone();
    match question.password {
        PasswordStep::Reset => plan.step(
            Call::ResetPassword { user: name },
            "the old password may be known, and must not be enough",
            Expectation::ResetRequired,
        ),
        PasswordStep::Remove => plan.step(
            Call::DeleteLoginProfile { user: name },
            "without a password nobody signs in to the console",
            Expectation::NoPassword,
        ),
        PasswordStep::Leave if stolen => {
            return Err(
                "with a stolen device the password is reset too\n  hint: --password-out FILE writes the new one to a file that only you \
                 can read; --remove-password removes the password instead"
                    .to_owned(),
            );
        }
        PasswordStep::Leave if question.situation == Situation::Lost => plan.notes.push(
            "The password stays. If the device may be in somebody's hands, add --password-out FILE, or use --stolen."
                .to_owned(),
        ),
        PasswordStep::Leave => {}
    }
    if question.password == PasswordStep::Reset {
        plan.notes.push(
            "The user must be allowed iam:ChangePassword, or cannot sign in with a password that must be changed."
                .to_owned(),
        );
    }
    Ok(())
}

fn remove(user: &User, device: &Device, plan: &mut Plan) {
    let serial = device.serial.clone();
    plan.step(
        Call::DeactivateMfaDevice { user: user.name.clone(), serial: serial.clone() },
        "the device no longer signs the user in",
        Expectation::Gone { serial: serial.clone() },
    );
    if device.kind() == DeviceKind::Virtual {
        plan.step(
            Call::DeleteVirtualMfaDevice { serial: serial.clone() },
            "what stays behind would block an enrollment under its name",
            Expectation::Deleted { serial },
        );
    }
}

/// What is left to people.
fn afterwards(user: &User, rest: usize, removed: &[&Device], plan: &mut Plan) {
    let may_sign_in = user.password != Some(None)
        && !plan.steps.iter().any(|step| matches!(step.call, Call::DeleteLoginProfile { .. }));
    if rest == 0 && may_sign_in {
        let serial = Arn::parse(&user.arn).map_or_else(
            || "SERIAL".to_owned(),
            |arn| word(&format!("arn:{}:iam::{}:mfa/{}", arn.partition, arn.account, user.name)),
        );
        plan.notes.push(format!(
            "User {} is then without MFA, with a password: have a new device enrolled at once (mfatrail device create {} --out FILE \
             --apply, then mfatrail device enable --user {} --serial {serial} --apply).",
            user.name,
            word(&user.name),
            word(&user.name)
        ));
    }
    if let Some(leftover) = user.leftover().filter(|one| removed.iter().all(|device| device.serial != one.serial)) {
        plan.notes.push(format!(
            "The virtual device {} is left over from earlier, and blocks an enrollment under that name: mfatrail device delete --serial \
             {} --apply",
            leftover.serial,
            word(&leftover.serial)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::{Entity, Key, Password};
    use super::*;

    const PHONE: &str = "arn:aws:iam::111122223333:mfa/alice";
    const KEY: &str = "arn:aws:iam::111122223333:u2f/user/alice/key-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const TOKEN: &str = "GAHT12345678";

    fn user(serials: &[&str]) -> User {
        let device = |serial: &&str| Device { serial: (*serial).to_owned(), enabled_at: None };
        let entity = |serial: &&str, owner: Option<&str>| Entity {
            serial: (*serial).to_owned(),
            owner: owner.map(str::to_owned),
            enabled_at: None,
        };
        let own = serials.iter().filter(|serial| DeviceKind::of(serial) == DeviceKind::Virtual);
        let mut entities: Vec<Entity> =
            own.map(|serial| entity(serial, Some("arn:aws:iam::111122223333:user/alice"))).collect();
        entities.push(entity(&"arn:aws:iam::111122223333:mfa/bob", Some("arn:aws:iam::111122223333:user/bob")));
        entities.push(entity(&"arn:aws:iam::111122223333:mfa/old", None));
        User {
            name: "alice".to_owned(),
            arn: "arn:aws:iam::111122223333:user/alice".to_owned(),
            password_used_at: None,
            devices: serials.iter().map(device).collect(),
            password: Some(Some(Password { reset_required: false })),
            keys: Some(vec![Key { id: "AKIAIOSFODNN7EXAMPLE".to_owned(), active: true, used_at: None }]),
            groups: None,
            entities: Some(entities),
            revocation: Some(None),
            gaps: Vec::new(),
        }
    }

    fn question(situation: Situation, serials: &[&str]) -> Question {
        Question {
            situation,
            serials: serials.iter().map(|serial| (*serial).to_owned()).collect(),
            own: false,
            enrolling: false,
            password: PasswordStep::Leave,
            revoked_before: "2026-11-27T09:00:00Z".to_owned(),
        }
    }

    fn caller(name: &str) -> Caller {
        Caller { account: "111122223333".to_owned(), arn: format!("arn:aws:iam::111122223333:user/{name}") }
    }

    fn actions(plan: &Plan) -> Vec<&'static str> {
        plan.steps.iter().map(|step| step.call.action().trim_start_matches("iam:")).collect()
    }

    #[test]
    fn each_situation_has_its_steps_in_their_order() {
        use Situation::{Lost, OutOfSync, Replaced, Stolen};
        let reset = Question { password: PasswordStep::Reset, ..question(Stolen, &[]) };
        let stolen =
            ["UpdateAccessKey", "PutUserPolicy", "UpdateLoginProfile", "DeactivateMFADevice", "DeleteVirtualMFADevice"];
        for (asked, serials, expected) in [
            (question(Lost, &[]), &[PHONE][..], &["DeactivateMFADevice", "DeleteVirtualMFADevice"][..]),
            (question(Lost, &[]), &[KEY], &["DeactivateMFADevice"]),
            (question(Lost, &[]), &[TOKEN], &["DeactivateMFADevice"]),
            (question(Lost, &[KEY, KEY]), &[PHONE, KEY], &["DeactivateMFADevice"]),
            (question(Replaced, &[PHONE]), &[PHONE, KEY], &["DeactivateMFADevice", "DeleteVirtualMFADevice"]),
            (question(OutOfSync, &[]), &[PHONE, KEY], &["ResyncMFADevice"]),
            (question(OutOfSync, &[]), &[TOKEN], &["ResyncMFADevice"]),
            (reset, &[PHONE], &stolen),
        ] {
            let plan = plan(&asked, &user(serials), &caller("admin")).expect("a plan");
            assert_eq!(actions(&plan), expected, "{asked:?} {serials:?}");
        }
        let last = plan(&question(Lost, &[]), &user(&[PHONE]), &caller("admin")).expect("a plan");
        let enable = format!("mfatrail device enable --user alice --serial {PHONE} --apply");
        assert!(last.notes.iter().any(|note| note.contains(&enable)), "{:?}", last.notes);
    }

    #[test]
    fn what_is_not_done_is_refused_with_a_way_out() {
        use Situation::{Lost, OutOfSync, Replaced, Stolen};
        for (asked, serials, by, why) in [
            (question(Lost, &[]), &[PHONE, KEY][..], "admin", "has 2 devices, and none is named"),
            (question(Lost, &[]), &[], "admin", "has no MFA device"),
            (question(Lost, &["GAHT99999999"]), &[PHONE], "admin", "has no device `GAHT99999999`"),
            (
                question(Lost, &["arn:aws:iam::111122223333:mfa/bob"]),
                &[PHONE],
                "admin",
                "is a device of bob, not of alice",
            ),
            (question(Lost, &["arn:aws:iam::111122223333:mfa/old"]), &[PHONE], "admin", "is not assigned to anyone"),
            (question(Lost, &[]), &[PHONE], "alice", "give --self"),
            (question(Stolen, &[]), &[PHONE], "admin", "--password-out FILE"),
            (Question { own: true, ..question(Stolen, &[]) }, &[PHONE], "alice", "would end this run halfway"),
            (question(Replaced, &[]), &[PHONE], "admin", "no other device is active"),
            (question(OutOfSync, &[]), &[KEY], "admin", "never out of sync"),
            (question(OutOfSync, &[KEY]), &[PHONE, KEY], "admin", "never out of sync"),
            (question(OutOfSync, &[]), &[PHONE, TOKEN], "admin", "has 2 devices, and none is named"),
        ] {
            let refusal = plan(&asked, &user(serials), &caller(by)).expect_err(why);
            assert!(refusal.contains(why) && refusal.contains("hint: "), "{refusal}");
        }
        let leftover = User {
            entities: Some(vec![Entity { serial: PHONE.to_owned(), owner: None, enabled_at: None }]),
            ..user(&[])
        };
        let refusal = plan(&question(Lost, &[]), &leftover, &caller("admin")).expect_err("a leftover");
        assert!(refusal.contains("blocks an enrollment") && refusal.contains("mfatrail device delete --serial"));
        let hidden = User { keys: None, ..user(&[PHONE]) };
        let stolen = Question { password: PasswordStep::Remove, ..question(Stolen, &[]) };
        assert!(plan(&stolen, &hidden, &caller("admin")).expect_err("keys").contains("iam:ListAccessKeys"));
    }

    #[test]
    fn the_root_user_is_refused_with_what_works() {
        for name in ["root", "ROOT", "<root_account>", "AWS ROOT USER", "arn:aws:iam::111122223333:root"] {
            assert!(user_name(name).is_err_and(|why| why.contains("assume-root") && why.contains("another")), "{name}");
        }
        for (given, name) in
            [("alice", "alice"), ("user/root", "root"), ("arn:aws:iam::111122223333:user/people/alice", "alice")]
        {
            assert_eq!(user_name(given), Ok(name));
        }
    }
}
