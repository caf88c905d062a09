//! A report cut down to one account: what its page shows.
//!
//! The figures are those that the analysis computed for the account. What was listed and read is counted for the whole
//! archive only, and stays so.

use super::{KindFigures, Report};

/// The part of `report` that is one account's; `None` where it has no figures of it.
pub(super) fn of(report: &Report, account: &str) -> Option<Report> {
    let own = report.accounts.iter().find(|one| one.account == account)?;
    let is_own = |other: &str| other == account;
    let mut part = report.clone();
    part.figures = own.figures.clone();
    part.windows.retain(|window| is_own(&window.account));
    part.events.retain(|event| is_own(&event.account));
    part.reconciliation.retain(|finding| is_own(&finding.account));
    part.coverage.days.retain(|day| is_own(&day.account));
    part.coverage.gaps.retain(|gap| is_own(&gap.account));
    part.proof.retain(|proof| is_own(&proof.account));
    part.accounts.retain(|one| is_own(&one.account));
    // What names another account is on that account's page.
    let others: Vec<&str> = report.accounts.iter().map(|one| one.account.as_str()).filter(|id| !is_own(id)).collect();
    let of_others = |text: &str| others.iter().any(|id| names(text, id));
    part.notices.retain(|notice| !of_others(&notice.text));
    part.inputs.retain(|input| !of_others(&input.path));
    part.coverage.failures.retain(|failure| !of_others(&failure.object));
    // Months and earlier reports are of all accounts together.
    part.trend.clear();
    Some(part)
}

/// Whether a text names an account: its id, and not the beginning of a longer one (`account-1` and `account-12`).
fn names(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let after = text.get(at + id.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

/// Whether a page of its own would say anything: something happened in the account, or IAM state tells of it.
pub(super) fn has_something(report: &Report, account: &str) -> bool {
    let figures = report.accounts.iter().find(|one| one.account == account).map(|one| &one.figures);
    figures.is_some_and(|figures| figures.iam != KindFigures::default() || figures.mfa_coverage.is_some())
        || report.windows.iter().any(|window| window.account == account)
        || report.events.iter().any(|event| event.account == account)
}

/// How an account is called; a pseudonym says already that it is one.
pub(super) fn label(account: &str) -> String {
    if account.starts_with("account-") { account.to_owned() } else { format!("account {account}") }
}

/// The file of an account's page. Account ids come with the records, so only what is harmless in a file's name stays.
pub(super) fn file_name(account: &str) -> String {
    let id = account.strip_prefix("account-").unwrap_or(account);
    let safe: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
    format!("account-{safe}.html")
}
