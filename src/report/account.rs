//! A report cut down to one account: what its page shows.
//!
//! The figures are those that the analysis computed for the account. What was listed and read is counted for the whole
//! archive only, and stays so.

use std::collections::{BTreeMap, BTreeSet};

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
    part.leftover_devices.retain(|device| is_own(&device.account));
    part.coverage.days.retain(|day| is_own(&day.account));
    part.coverage.gaps.retain(|gap| is_own(&gap.account));
    part.coverage.conflicts.retain(|conflict| is_own(&conflict.account));
    if let Some(posture) = &mut part.posture {
        posture.checks.retain(|check| is_own(&check.account));
    }
    part.proof.retain(|proof| is_own(&proof.account));
    part.accounts.retain(|one| is_own(&one.account));
    // What names another account alone is on that account's page.
    let others: Vec<&str> = report.accounts.iter().map(|one| one.account.as_str()).filter(|id| !is_own(id)).collect();
    let of_others = |text: &str| !names(text, account) && others.iter().any(|id| names(text, id));
    part.notices.retain(|notice| !of_others(&notice.text));
    part.inputs.retain(|input| !of_others(&input.path));
    part.coverage.failures.retain(|failure| !of_others(&failure.object));
    // Months and earlier reports are of all accounts together.
    part.trend.clear();
    part.changes = None;
    part.exceptions.retain(|one| is_own(&one.account) || one.account.contains(['*', '?']));
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

/// The files of accounts' pages, and the accounts. Account ids come with the records: only what is harmless in a file's name
/// stays, and where that leaves one name for two accounts, also where letters' case does not count, the later gets a number.
pub(super) fn file_names<'a>(accounts: impl Iterator<Item = &'a str>) -> BTreeMap<String, &'a str> {
    let accounts: BTreeSet<&str> = accounts.collect();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for account in accounts {
        let plain = stem(account);
        let mut number = taken.get(&plain.to_lowercase()).copied().unwrap_or_default();
        let name = loop {
            number += 1;
            let name = if number == 1 { plain.clone() } else { format!("{plain}_{number}") };
            if number == 1 || !taken.contains_key(&name.to_lowercase()) {
                break name;
            }
        };
        taken.insert(plain.to_lowercase(), number);
        taken.entry(name.to_lowercase()).or_insert(1);
        names.insert(format!("account-{name}.html"), account);
    }
    names
}

fn stem(account: &str) -> String {
    let id = account.strip_prefix("account-").unwrap_or(account);
    id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_accounts_have_one_file() {
        let long = "x".repeat(100);
        let longer = format!("{long}y");
        let ids =
            ["a-b", "a_b", "a.b", "A_B", "a_b_2", "1", "account-1", "", "-", "_", &long, &longer, "111122223333", "é"];
        let names = file_names(ids.into_iter().chain(ids));
        assert_eq!(names.len(), ids.len(), "{names:?}");
        let accounts: BTreeSet<&&str> = names.values().collect();
        assert_eq!(accounts.len(), ids.len());
        let lower: BTreeSet<String> = names.keys().map(|name| name.to_lowercase()).collect();
        assert_eq!(lower.len(), ids.len(), "{names:?}");
        assert_eq!(names["account-111122223333.html"], "111122223333");
        assert_eq!(names["account-1.html"], "1");
    }
}
