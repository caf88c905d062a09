//! What to do next: steps that exist today. Alerts and reports say the same.

use super::notice::NoticeCode;
use super::principal::{Principal, PrincipalKind};
use super::reconciliation::FindingCode;
use super::window::Class;

/// Where a device is assigned.
pub const ASSIGN: &str = "IAM console > Users > user name > Security credentials > Assign MFA device";

/// Somebody who is without MFA.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'e> {
    /// The account.
    pub account: &'e str,
    /// Who; `None` for several.
    pub principal: Option<&'e Principal>,
    /// From IAM tags.
    pub owner: Option<&'e str>,
    /// The class of the window.
    pub class: Option<Class>,
    /// Whether there was time to enroll a first device.
    pub enrolling: bool,
}

impl Exposure<'_> {
    fn who(&self) -> String {
        match self.principal {
            Some(principal) => principal.in_words(),
            None => "several users".to_owned(),
        }
    }
}

/// What is left to do when the exposure is over. No class of the root user's is routine: somebody used or changed the root user.
#[must_use]
pub const fn after(who: Option<PrincipalKind>, class: Option<Class>) -> &'static str {
    match class {
        Some(Class::SuspectedTakeover) => {
            "MFA alone does not end a takeover: check who enrolled the new device and which keys, passwords and policies were \
             created in the meantime, and revoke the sessions."
        }
        _ if matches!(who, Some(PrincipalKind::Root)) => {
            "Confirm with whoever is responsible for the root user that this was planned. If not, treat it as a suspected takeover."
        }
        Some(Class::Approved | Class::Offboarding | Class::Replacement) => "No further step is known to be needed.",
        Some(Class::Workaround) => "Ask why MFA was switched off and the user kept working without it.",
        Some(Class::Unexplained) | None => "Why it happened is not explained: ask the owner, and record the reason.",
    }
}

/// What to do while somebody is without MFA.
#[must_use]
pub fn exposed(exposure: &Exposure<'_>) -> String {
    let who = exposure.who();
    let owner = exposure.owner.map_or_else(|| who.clone(), |owner| format!("{owner} (owner of {who})"));
    let root = exposure.principal.is_some_and(|principal| principal.kind == PrincipalKind::Root);
    match exposure.class {
        _ if root => {
            "Sign in as the root user and assign an MFA device (account menu, Security credentials), or remove the \
            root user's credentials by central root access. Find out who used the root user, and why."
                .to_owned()
        }
        Some(Class::SuspectedTakeover) => format!(
            "Treat {who} and the caller as compromised: deactivate the access keys, reset the console password and revoke \
             the sessions in IAM, then assign a new MFA device.{} Check which keys, passwords and policies were created in the \
             meantime.",
            lock_out(exposure)
        ),
        Some(Class::Approved) => {
            "A ticket covers it. Have a new MFA device assigned before the ticket ends.".to_owned()
        }
        Some(Class::Offboarding) => "Check that the user is gone, and with it its access keys.".to_owned(),
        None if exposure.enrolling => {
            format!("Ask {owner} to enroll an MFA device ({ASSIGN}), or remove the console password.")
        }
        Some(Class::Replacement | Class::Workaround | Class::Unexplained) | None => format!(
            "Ask {owner} whether this was intended. If not, deactivate the access keys and reset the console password. In either \
             case, have an MFA device assigned ({ASSIGN}). If the new device's name is taken, delete the old virtual device first.{}{}",
            lock_out(exposure),
            leftovers(exposure)
        ),
    }
}

/// An IAM user and its account as words of a command line; `None` for anybody else, and where a name cannot be typed.
fn iam_user(exposure: &Exposure<'_>) -> Option<(String, String)> {
    let principal = exposure.principal.filter(|principal| principal.kind == PrincipalKind::IamUser)?;
    let name = if principal.name.eq_ignore_ascii_case("root") { "user/root" } else { &principal.name };
    Some((quoted(name)?, quoted(exposure.account)?))
}

/// The runbook's command that locks everybody out who may have a user's credentials; it shows its plan first.
fn lock_out(exposure: &Exposure<'_>) -> String {
    let user = exposure.principal.filter(|principal| principal.kind == PrincipalKind::IamUser);
    let command = user.and_then(|principal| stolen(&principal.name, exposure.account));
    command.map_or_else(String::new, |command| format!(" `{command}` shows these steps, and takes them with --apply."))
}

/// The runbook's command for a user whose credentials somebody else has; `None` where a name cannot be typed.
#[must_use]
pub fn stolen(user: &str, account: &str) -> Option<String> {
    let user = if user.eq_ignore_ascii_case("root") { "user/root" } else { user };
    Some(format!("mfatrail respond {} --stolen --account {} --password-out FILE", quoted(user)?, quoted(account)?))
}

/// The command that shows which devices are left over.
fn leftovers(exposure: &Exposure<'_>) -> String {
    iam_user(exposure).map_or_else(String::new, |(user, account)| {
        format!(" `mfatrail device list --user {user} --account {account}` shows what is left over.")
    })
}

/// A word for a shell that is what it says, whoever chose it; `None` for what no shell takes as it is.
#[must_use]
pub fn quoted(word: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@/:%-".contains(c);
    // A backtick would end the command in the text around it.
    if word.is_empty() || word.starts_with('-') || word.chars().any(|c| c.is_control() || c == '`') {
        return None;
    }
    if word.chars().all(plain) {
        return Some(word.to_owned());
    }
    Some(format!("'{}'", word.replace('\'', "'\\''")))
}

/// What to do about a notice. A document that it names is below `docs/`.
#[must_use]
pub const fn about_notice(code: NoticeCode) -> &'static str {
    match code {
        NoticeCode::ApprovalLong => "Give the approval an end that fits the work it was for",
        NoticeCode::ApprovalMatchedNothing => {
            "Check its account, user and times for typos; otherwise the work was not done, or its event is missing"
        }
        NoticeCode::ApprovalNotIndependent => {
            "Treat the deactivation as not approved, or have somebody independent approve it"
        }
        NoticeCode::ApprovalNotJudged => "Nothing, unless the approval's times are wrong",
        NoticeCode::AsOfBeyondEvidence => {
            "Add the newer part of the archive or newer IAM state, or give `--as-of` a moment within the evidence"
        }
        NoticeCode::CitedObjectChanged => {
            "Find out who changed or removed the object (S3 server access logs, data events)"
        }
        NoticeCode::ClosedByRemover => {
            "Find out whose device it is: enabling it ended the exposure, not a takeover, and its duration is part of the MTTR"
        }
        NoticeCode::DetectionMatchedNothing => {
            "Check its event id, or account and user; otherwise the alert was about something that opened no window"
        }
        NoticeCode::EventConflict => {
            "Find out who else writes to the archive, and verify it (`--verify`): CloudTrail writes an event the same everywhere"
        }
        NoticeCode::ExceptionExpired => {
            "Resolve what it is about, or have somebody accept it again, until another date"
        }
        NoticeCode::ExceptionMatchedNothing => {
            "Check its account, user and guardrail for typos; otherwise what it is about is resolved, and it can be deleted"
        }
        NoticeCode::FutureTime => "Find out who wrote the record or named the object, and check this machine's clock",
        NoticeCode::IamAccountMissing => "Add the account's IAM state: without it, its windows may only be `possible`",
        NoticeCode::IamInputMissing => "Add the missing file, or allow the call (docs/iam-policy.json)",
        NoticeCode::IamInputOld => {
            "Generate a new credential report just before IAM state is read; IAM makes one at most every four hours"
        }
        NoticeCode::IamInputsDisagree => {
            "Create all inputs at the same time; a credential report can be four hours old. The notice says which input was used"
        }
        NoticeCode::IamNotSeen => {
            "Read that region too: without it the report cannot see any change of MFA in the account"
        }
        NoticeCode::IntegrityNotWhole => {
            "See the findings of `coverage.integrity`: docs/findings.md says what each means"
        }
        NoticeCode::NoIamState => "Give `--iam`: it shows who has no device now, and makes windows certain",
        NoticeCode::NotWatched => {
            "Find out why it was down, and have it restarted by itself (docs/watch.md); what happened then was alerted late, if at all"
        }
        NoticeCode::NothingRead => "Check SOURCE, the period, and `--account` and `--region`",
        NoticeCode::OcsfSource => {
            "Check which facts are unknown then (docs/sources.md); where it matters, read CloudTrail's own objects as well: each event counts once"
        }
        NoticeCode::ObjectReplaced => {
            "Find out who overwrote it: CloudTrail never does. The store keeps both versions; `scan --verify` shows which one CloudTrail signed"
        }
        NoticeCode::OtherSources => "Nothing, if intended; `--only-source` leaves them out",
        NoticeCode::PeriodNotCovered => "Check the period and SOURCE: what was read is of another time",
        NoticeCode::PeriodNotOver => "Run it again when the period is over",
        NoticeCode::Restatement => "Replace the earlier report",
        NoticeCode::RestsOnUnproven => {
            "Treat the window as possibly forged: find out where the records came from, and who can write to the archive"
        }
        NoticeCode::Selection => "Nothing, if intended: whatever lies elsewhere is not in the report",
    }
}

/// What to do about a reconciliation finding.
#[must_use]
pub const fn about_finding(code: FindingCode) -> &'static str {
    match code {
        FindingCode::EnableNotInArchive => "Ask whose device it is, and when it was enrolled",
        FindingCode::DeactivateNotInArchive => "Ask who removed the device; enroll the user again",
        FindingCode::DeviceWithoutOwner => "Find out whose it was; delete the device if nobody needs it",
        FindingCode::WithoutMfaUnexplained => "Enroll the user now, then look for what took its device",
        FindingCode::DeleteNotInArchive => "Ask who deleted the user, and when",
        FindingCode::PasswordDisagrees => "Ask who gave, changed or removed the password",
        FindingCode::DenyDisagrees => "Ask who attached or removed the policy",
        FindingCode::StateContradicts => "Look at both events: one of them, or one between them, is not what it seems",
        FindingCode::UnseenDevice => "Add the user's list of devices to IAM state (`mfa-devices-<user>.json`)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is critical, whatever the class: advice that there is nothing to do would contradict that.
    #[test]
    fn there_is_always_a_step_after_a_window_of_the_root_user() {
        let routine = after(Some(PrincipalKind::IamUser), Some(Class::Replacement));
        for class in Class::ALL.iter().copied().map(Some).chain([None]) {
            assert_ne!(after(Some(PrincipalKind::Root), class), routine, "{class:?}");
            assert_eq!(crate::contract::playbook(PrincipalKind::Root, class), Some("docs/playbook.md#root-user"));
        }
    }

    #[test]
    fn a_name_never_becomes_a_command() {
        for (word, typed) in [
            ("alice", Some("alice")),
            ("arn:aws:iam::111122223333:user/a", Some("arn:aws:iam::111122223333:user/a")),
            ("a b", Some("'a b'")),
            ("$(reboot)", Some("'$(reboot)'")),
            ("`id`", None),
            ("a'; rm -rf /; '", Some(r"'a'\''; rm -rf /; '\'''")),
            ("--sql", None),
            ("a\nb", None),
            ("", None),
        ] {
            assert_eq!(quoted(word).as_deref(), typed, "{word:?}");
        }
    }
}
