//! `docs/findings.md`: every code that a report can show, what it means, and what to do about it.

use std::fmt::Write as _;

use super::listings::meaning;
use super::method::{CLOSE_REASONS, FINDINGS, signal_words};
use super::windows::close_words;
use crate::contract::advice::{about_finding, about_notice};
use crate::contract::integrity::{Code, Severity};
use crate::inputs::Signal;
use crate::report::{Class, CloseReason, NoticeCode};

const HEAD: &str = "\
# What a report can show, code by code

Codes are stable: other programs may rely on them. This page is made from the program's own lists, and a test compares it with
them; `UPDATE_FINDINGS=1 cargo test --lib findings_page` writes it anew. The exact rules are in [method.md](method.md) and [verify.md](verify.md).
";

/// The page.
pub(super) fn page() -> String {
    let mut out = HEAD.to_owned();
    let notices = NoticeCode::ALL.iter().map(|code| [code.as_str(), code.title(), about_notice(*code)]);
    section(&mut out, "Notices", NOTICES, ["code", "meaning", "what to do"], notices);
    let integrity = Code::ALL.iter().map(|code| [code.as_str(), severity(*code), code.title(), about_digest(*code)]);
    section(&mut out, "Integrity", INTEGRITY, ["code", "severity", "stands for", "what to do"], integrity);
    let findings = FINDINGS.iter().map(|code| [code.name(), meaning(*code), about_finding(*code)]);
    section(&mut out, "Reconciliation findings", RECONCILIATION, ["code", "meaning", "what to do"], findings);
    let signals = Signal::ALL.iter().map(|signal| [signal.name(), signal_words(*signal), about_signal(*signal)]);
    section(&mut out, "Takeover signals", SIGNALS, ["signal", "meaning", "what to do"], signals);
    let classes = Class::ALL.iter().map(|class| [class.name(), class_words(*class), about_class(*class)]);
    section(&mut out, "Classes", CLASSES, ["class", "meaning", "what to do"], classes);
    let reasons = CLOSE_REASONS.iter().map(|reason| [reason.name(), close_words(*reason), about_close(*reason)]);
    section(&mut out, "Close reasons", CLOSES, ["reason", "meaning", "what to do"], reasons);
    out
}

const NOTICES: &str =
    "`notices` of `report.json`, \"Before you rely on this\" on the page: what to know before trusting a figure.";
const INTEGRITY: &str = "\
`findings` of `coverage.integrity`, and of `mfatrail verify`: what CloudTrail's digest files say. A *broken* finding means that\n\
not everything is proven (exit status 3); a *note* is no fault.";
const RECONCILIATION: &str = "\
`reconciliation` of `report.json`: where IAM and the archive disagree, an event is missing from the archive. `between` is the\n\
interval in which it must lie. With all of them, check first whether every region and account was read (`coverage.gaps`).";
const SIGNALS: &str = "\
`reasons` of a window, beside its class. As many as the policy's threshold make it `suspected_takeover`; the policy also says\n\
which of them count.";
const CLASSES: &str = "`class` of a window that a deactivation opened: the first that fits, in this order.";
const CLOSES: &str = "`close_reason` of a window.";

fn section<const N: usize>(
    out: &mut String,
    title: &str,
    text: &str,
    heads: [&str; N],
    rows: impl Iterator<Item = [&'static str; N]>,
) {
    // Writing to a `String` cannot fail.
    let _infallible = write!(out, "\n## {title}\n\n{text}\n\n| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(N));
    for row in rows {
        let [code, rest @ ..] = row.as_slice() else { continue };
        let rest: Vec<String> = rest.iter().map(|cell| sentence(cell)).collect();
        let _infallible = writeln!(out, "| `{code}` | {} |", rest.join(" | "));
    }
}

/// With a capital letter and without a full stop, as the cells of a table are; within a cell stops stay.
fn sentence(text: &str) -> String {
    // A document of this folder is a link here.
    let text = text.replace("(docs/iam-policy.json)", "([iam-policy.json](iam-policy.json))");
    let text = text.replace("(docs/watch.md)", "([watch.md](watch.md))");
    let text = text.strip_suffix('.').unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn severity(code: Code) -> &'static str {
    match code.severity() {
        Severity::Broken => "broken",
        Severity::Note => "note",
    }
}

fn about_digest(code: Code) -> &'static str {
    match code {
        Code::LogAltered | Code::LogSurplus => {
            "Treat it as tampering: restore the original (S3 versions, a replica), and find out who wrote the object"
        }
        Code::LogDamaged | Code::DigestUnreadable => {
            "Copy the object again; if it is damaged in the bucket too, treat it as tampering"
        }
        Code::LogMissing | Code::DigestMissing => {
            "Look for it in the bucket and its versions; if it was deleted, find out by whom"
        }
        Code::LogMoved | Code::DigestMoved => {
            "Put the copy where CloudTrail put it, with all folders; or find out who moved it"
        }
        Code::LogUnnamed => "Find out who wrote the object: CloudTrail names every log that it delivers in a digest",
        Code::LogUnreadable => "Read the error, and run it again when the object can be read",
        Code::LogUnproven => "Fix what is wrong with the digest: see the findings about digests",
        Code::LogInGap | Code::ChainRestart => {
            "Find out why there are no digests of that time: validation was off, or they were removed"
        }
        Code::LogAwaitingDigest => "Verify again in two hours, or end the range two hours ago (`--to 2h`)",
        Code::NoDigests => {
            "Copy the `CloudTrail-Digest` folder too; if there is none, turn on the trail's log file validation"
        }
        Code::DigestAltered | Code::DigestSignatureWrong => {
            "Treat it as tampering: nothing that the digest names is proven"
        }
        Code::DigestKeyUnknown => {
            "Add the region's public keys of that time (`aws cloudtrail list-public-keys`, `--public-keys`)"
        }
        Code::KeysUnavailable => "Allow `cloudtrail:ListPublicKeys`, or give `--public-keys`",
        Code::DigestSignatureUnavailable => {
            "Verify in the bucket, put `aws s3api head-object` output beside it (`K.signature`), or end the range before it"
        }
        Code::DigestMalformed => "Find out who wrote the object: CloudTrail does not write such digests",
        Code::DigestMissingNewest => {
            "Find out whether the trail was stopped or deleted, or the newest digests removed; or copy them too"
        }
        Code::DigestsAbsent => {
            "Find out whether they are logged elsewhere now, or the digests were removed; or copy them too"
        }
        Code::DigestUnlinked => "Find out who wrote the object: no later digest of its trail refers to it",
        Code::LoggingStopped => "Look at who stopped it and why (`event_id`): nothing of that time was recorded",
        Code::TrailCreated | Code::AccountCreated => {
            "Nothing, if the event (`event_id`) is expected: begin the range later"
        }
        Code::ChainBegins => "Begin the range later, or find out what became of the digests before",
        Code::TrailMoved => "Add the earlier bucket or prefix as a SOURCE",
        Code::TrailMovedHere | Code::ChainStart | Code::Backfill => "Nothing",
        Code::LogNotLookedAt => "Nothing, if intended; a wider selection compares them too",
    }
}

fn about_signal(signal: Signal) -> &'static str {
    match signal {
        Signal::ActorWithoutMfa => "Require MFA for IAM calls by policy (`aws:MultiFactorAuthPresent`)",
        Signal::NewSource => "Ask the actor whether the address is theirs",
        Signal::SeveralPrincipals => "Ask for the ticket of the change; without one, treat it as an incident",
        Signal::Persistence => "Remove what was made, unless the principal knows of it",
        Signal::PriorFailures => "Look at the failures: who tried, from where",
        Signal::ForeignEnrolment => "Ask the principal whether the device is theirs; if not, remove it",
        Signal::RootUser => "Ask who used the root user, and why",
    }
}

fn class_words(class: Class) -> &'static str {
    match class {
        Class::Approved => {
            "legitimate: an independent approval covers it, and the signals are fewer than the threshold"
        }
        Class::Offboarding => "legitimate: the user was deleted within the policy's grace period",
        Class::SuspectedTakeover => "not legitimate: at least as many takeover signals as the policy's threshold",
        Class::Replacement => "legitimate: a device was enabled within the policy's grace period",
        Class::Workaround => {
            "not legitimate: deactivated by the principal itself, not enabled again within the grace period, and then \
             active without MFA"
        }
        Class::Unexplained => "not legitimate: no other class fits",
    }
}

fn about_class(class: Class) -> &'static str {
    match class {
        Class::Approved | Class::Offboarding | Class::Replacement => "Nothing",
        Class::SuspectedTakeover => "Respond now: disable the credentials, then read the window's reasons and activity",
        Class::Workaround => "Talk to the user; have MFA required by policy",
        Class::Unexplained => "Ask the actor; add the approval if there is one (`--approvals`)",
    }
}

fn about_close(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Reenabled | CloseReason::UserDeleted | CloseReason::PasswordRemoved | CloseReason::Denied => {
            "Nothing"
        }
        CloseReason::SeenInIam => "Find the missing enrollment: the archive should have it",
        CloseReason::SeenInUse => "Find the missing enrollment: the window may have ended earlier",
        CloseReason::EndedUnseen => "See the reconciliation finding for the interval in which it ended",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_findings_page_says_what_the_code_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
        let page = page();
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            assert!(line.split('|').all(|cell| cell.is_empty() || !cell.trim().is_empty()), "{line}");
        }
        if std::env::var_os("UPDATE_FINDINGS").is_some() {
            std::fs::write(&path, &page).expect("written");
        }
        let document = std::fs::read_to_string(&path).expect("the document").replace("\r\n", "\n");
        assert!(document == page, "docs/findings.md is not what the code says: UPDATE_FINDINGS=1 writes it anew");
    }
}
