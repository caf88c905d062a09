//! What a reader must know before trusting a figure, each kind with its own code.

use serde::Serialize;

use super::codes::codes;

codes! {
    /// The kind of a notice, in alphabetical order of the codes: the order in which a report lists them.
    NoticeCode {
        /// An approval that is valid for so long that it is a standing permission was used.
        ApprovalLong = "approval-long", "An approval that is valid for more than 30 days was used.";
        /// An approval matches no deactivation.
        ApprovalMatchedNothing = "approval-matched-nothing", "An approval matches no deactivation.";
        /// An approval's approver is the principal or the actor.
        ApprovalNotIndependent = "approval-not-independent", "An approval does not count: the approver is, or may be, the person who made the call or the affected user.";
        /// Approvals lie outside of what was read.
        ApprovalNotJudged = "approval-not-judged", "Approvals are for times that this report does not cover.";
        /// Windows are measured further than evidence reaches.
        AsOfBeyondEvidence = "as-of-beyond-evidence", "The evidence on an account ends before the time that open windows are measured to.";
        /// An object that a window rests on was not the same a second time.
        CitedObjectChanged = "cited-object-changed", "An object that windows are based on could not be read a second time with the same content, so it has no hash.";
        /// Whoever opened a window closed it.
        ClosedByRemover = "closed-by-remover", "The caller that left a user without MFA also enabled the device that ended it.";
        /// A detection matches no window.
        DetectionMatchedNothing = "detection-matched-nothing", "A detection matches no window.";
        /// Records of one event contradict each other.
        EventConflict = "event-conflict", "An event has conflicting records with the same ID.";
        /// An accepted risk is not accepted any more.
        ExceptionExpired = "exception-expired", "An accepted risk has expired.";
        /// An exception is about nothing.
        ExceptionMatchedNothing = "exception-matched-nothing", "An exception matches no window and no guardrail.";
        /// A record or delivery bears a time that had not come.
        FutureTime = "future-time", "A record or a delivery has a time that was in the future when the report was made.";
        /// IAM state lacks an account of the archive.
        IamAccountMissing = "iam-account-missing", "IAM state has no data for an account in the archive.";
        /// IAM state lacks a part.
        IamInputMissing = "iam-input-missing", "Part of IAM state is missing or could not be read.";
        /// A part of IAM state is older than the rest.
        IamInputOld = "iam-input-old", "A part of IAM state is older than the rest.";
        /// Inputs of IAM state contradict each other.
        IamInputsDisagree = "iam-inputs-disagree", "Inputs of IAM state contradict each other.";
        /// The region that logs IAM was not read.
        IamNotSeen = "iam-not-seen", "The region that holds an account's IAM events was not read.";
        /// Digests do not prove the archive.
        IntegrityNotWhole = "integrity-not-whole", "The archive's integrity could not be verified.";
        /// There is no IAM state.
        NoIamState = "no-iam-state", "No IAM state was given.";
        /// The watch of the store did not run all the time.
        NotWatched = "not-watched", "The watch of the store did not run for a part of the period.";
        /// Nothing was read.
        NothingRead = "nothing-read", "No object was read, so this report is not evidence that nothing happened.";
        /// An object was overwritten after it was read into the store.
        ObjectReplaced = "object-replaced", "An object was overwritten in the archive after being stored.";
        /// Records came from a form that keeps less than CloudTrail writes.
        OcsfSource = "ocsf-source", "Records were read from Security Lake (OCSF), which keeps less than CloudTrail writes.";
        /// The store holds objects that SOURCE lacks.
        OtherSources = "other-sources", "The store holds objects not in SOURCE, and this report covers them too.";
        /// No record lies in the period.
        PeriodNotCovered = "period-not-covered", "No record of the period was read, so this report is not evidence that nothing happened.";
        /// The period's end had not come.
        PeriodNotOver = "period-not-over", "The period was not over when the report was made.";
        /// The store has more than an earlier report of the same period had.
        Restatement = "restatement", "This report supersedes an earlier one of the same period: more evidence has arrived.";
        /// Windows are other ones without records that no digest proves.
        RestsOnUnproven = "rests-on-unproven", "Without the records that no digest proves, a window would be different.";
        /// Only a part was read, as asked.
        Selection = "selection", "Only some accounts or regions were read, as requested.";
    }
}

impl NoticeCode {
    /// Whether it is about the evidence store that a report was made from: that report's bundle carries such a notice, for
    /// what it is about is not in the bundle.
    #[must_use]
    pub const fn is_of_store(self) -> bool {
        matches!(self, Self::ObjectReplaced | Self::OtherSources | Self::Restatement)
    }
}

/// Something a reader must know before trusting a figure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Notice {
    /// Its kind, stable and in kebab-case.
    pub code: NoticeCode,
    /// The sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        let codes: Vec<&str> = NoticeCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(codes.is_sorted_by(|one, next| one < next), "notices sort by their code: {codes:?}");
        for code in NoticeCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", code.as_str());
            assert!(code.title().ends_with('.'), "a sentence: {}", code.title());
            let json = serde_json::to_string(code).expect("a string");
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert_eq!(serde_json::from_str::<NoticeCode>(&json).expect("known"), *code);
        }
        assert!("approval-unmatched".parse::<NoticeCode>().is_err());
    }

    fn source(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                source(&path, into);
            } else {
                into.push_str(&fs::read_to_string(&path).expect("a source file"));
            }
        }
    }

    #[test]
    fn every_code_is_given_by_something() {
        let mut text = String::new();
        for room in ["app", "exposure"] {
            source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room), &mut text);
        }
        for code in NoticeCode::ALL {
            let given = format!("code: NoticeCode::{code:?},");
            assert!(text.contains(&given), "nothing gives `{}`: delete it, or say here why it stays", code.as_str());
        }
    }
}
