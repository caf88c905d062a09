//! From facts to verdicts.

mod delivery;
mod events;
mod iam;
mod metric;
mod scp;
mod trail;

use super::facts::{Facts, Gap};
use crate::contract::{PostureCheck, PostureCode, Verdict};

/// A policy that denies the removal of devices for want of MFA.
const GUARD: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["iam:DeactivateMFADevice","iam:DeleteVirtualMFADevice"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;

/// What the reader expects of the accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// The bucket, and the prefix in it, that is scanned.
    pub archive: Option<(String, String)>,
    /// The keys of tags that name a user's owner: one of them is enough.
    pub owner_tags: Vec<String>,
}

/// Judges all guardrails of one account.
pub(crate) fn judge(facts: &Facts, expected: &Expectations) -> Vec<PostureCheck> {
    let mut checks = trail::checks(facts, expected);
    checks.extend(events::checks(facts));
    checks.extend(metric::checks(facts));
    checks.extend(scp::checks(facts));
    checks.extend(iam::checks(facts, expected));
    checks
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opinion {
    verdict: Verdict,
    resource: Option<String>,
    reason: String,
    fix: Option<String>,
}

impl Opinion {
    fn pass(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, resource: None, reason: reason.into(), fix: None }
    }

    fn fail(reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, resource: None, reason: reason.into(), fix: Some(fix.into()) }
    }

    fn unknown(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::CannotTell, resource: None, reason: reason.into(), fix: None }
    }

    fn gap(gap: &Gap) -> Self {
        Self::unknown(gap.0.clone())
    }

    fn of(self, resource: impl Into<String>) -> Self {
        Self { resource: Some(resource.into()), ..self }
    }

    fn check(self, facts: &Facts, code: PostureCode, region: Option<&str>) -> PostureCheck {
        PostureCheck {
            code,
            account: facts.account.clone(),
            region: region.map(str::to_owned),
            resource: self.resource,
            verdict: self.verdict,
            reason: self.reason,
            fix: self.fix,
            controls: code.controls().iter().map(|control| (*control).to_owned()).collect(),
            exceptions: Vec::new(),
        }
    }
}

/// Names in quotes: up to three, and how many more.
fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
