//! What a report does not know, derived in one place for every sentence that could reassure.
//!
//! Silence is taken for an all-clear. So "nobody", "none" and "no window" stand only where [`unknowns`] is empty; otherwise
//! the sentence names what was not seen. The reasons are read off the report's data and the codes of its notices, never
//! off a notice's text, and their words quote nobody.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::format::{self, plural};
use super::{Coverage, Gap, MfaCoverage, NoticeCode, PrincipalKind, Report, view};

/// What an interval in [`Coverage::gaps`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GapKind {
    /// Logging was stopped: `StopLogging`, `DeleteTrail`.
    Stopped,
    /// The trail was changed, and may have left something out since: `UpdateTrail`, `PutEventSelectors`.
    Changed,
    /// The region that holds IAM's events was not read.
    IamRegion,
    /// Digests are missing, or do not prove what is there.
    Digests,
    /// No object was delivered: an account and region may be quiet.
    Quiet,
}

impl GapKind {
    /// By [`Gap::cause`]: names of events begin with a capital letter, and whatever else is unknown comes from digests.
    pub(super) fn of(gap: &Gap) -> Self {
        match gap.cause.as_str() {
            _ if gap.is_stopped_trail() => Self::Stopped,
            "iam_region_not_read" => Self::IamRegion,
            "no_objects" => Self::Quiet,
            cause if cause.starts_with(|c: char| c.is_ascii_uppercase()) => Self::Changed,
            _ => Self::Digests,
        }
    }

    /// The intervals of this kind.
    pub(super) fn all(self, coverage: &Coverage) -> impl Iterator<Item = &Gap> {
        coverage.gaps.iter().filter(move |gap| Self::of(gap) == self)
    }
}

/// Why a report cannot say that nothing happened, or that nobody is without MFA; those of the evidence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Not one object was read.
    NothingRead,
    /// So many objects could not be read.
    NotRead(u64),
    /// The evidence is incomplete for a reason that is none of the others.
    Incomplete,
    /// No record of the period was read.
    NoRecords,
    /// So many accounts have objects, but none of the period.
    AccountsWithoutRecords(usize),
    /// In so many accounts the region that holds IAM's events was not read.
    IamRegion(usize),
    /// So many intervals without logging.
    Stopped(usize),
    /// So many changes of trails.
    Changed(usize),
    /// Records contradict each other about events.
    Conflicts,
    /// The digests do not prove the archive.
    NotProven,
    /// The moment measured to lies beyond the last evidence.
    BeyondEvidence,
    /// Only some accounts or regions were read, as requested.
    Selection,
    /// There is no IAM state.
    NoIamState,
    /// IAM state covers `of` accounts of `all`.
    IamAccounts { of: usize, all: usize },
    /// IAM state lacks a count of users, root users or devices.
    IamCounts,
    /// IAM and the archive disagree so many times: events are missing.
    Findings(usize),
    /// IAM shows console users and root users without a device.
    WithoutDevice { users: usize, roots: usize },
}

/// The accounts whose IAM events were not seen, because their region is missing from what was read.
pub(super) fn blind_accounts(coverage: &Coverage) -> BTreeSet<&str> {
    GapKind::IamRegion.all(coverage).map(|gap| gap.account.as_str()).collect()
}

/// Everything that is not known; empty where a reassuring sentence may stand.
pub(super) fn unknowns(report: &Report) -> Vec<Unknown> {
    let mut all = of_evidence(report);
    all.extend(of_iam(report));
    all.extend(Some(report.reconciliation.len()).filter(|n| *n > 0).map(Unknown::Findings));
    all
}

fn of_evidence(report: &Report) -> Vec<Unknown> {
    let coverage = &report.coverage;
    let code = |code: NoticeCode| report.notices.iter().any(|notice| notice.code == code);
    let count = |n: usize, make: fn(usize) -> Unknown| Some(n).filter(|n| *n > 0).map(make);
    let nothing = coverage.objects_read == 0 && coverage.objects_failed == 0 || code(NoticeCode::NothingRead);
    let failed = coverage.objects_failed.max(coverage.failures.len() as u64);
    let without = accounts_without_records(report);
    let none = coverage.records == 0 || beside_period(report) || code(NoticeCode::PeriodNotCovered);
    let reasons = [
        nothing.then_some(Unknown::NothingRead),
        (failed > 0).then_some(Unknown::NotRead(failed)),
        (!nothing && none).then_some(Unknown::NoRecords),
        count(without, Unknown::AccountsWithoutRecords).filter(|_| !nothing && !none),
        count(blind_accounts(coverage).len(), Unknown::IamRegion),
        count(GapKind::Stopped.all(coverage).count(), Unknown::Stopped),
        count(GapKind::Changed.all(coverage).count(), Unknown::Changed),
        (conflicting(report) || code(NoticeCode::EventConflict)).then_some(Unknown::Conflicts),
        (not_proven(coverage) || code(NoticeCode::IntegrityNotWhole)).then_some(Unknown::NotProven),
        code(NoticeCode::AsOfBeyondEvidence).then_some(Unknown::BeyondEvidence),
        code(NoticeCode::Selection).then_some(Unknown::Selection),
    ];
    let reasons: Vec<Unknown> = reasons.into_iter().flatten().collect();
    // Whatever else made it incomplete is not passed over.
    if reasons.is_empty() && !coverage.complete { vec![Unknown::Incomplete] } else { reasons }
}

/// Whether records of one event contradict each other.
fn conflicting(report: &Report) -> bool {
    !report.coverage.conflicts.is_empty()
}

/// Whether all records that were read lie before the period, or after it.
fn beside_period(report: &Report) -> bool {
    let Coverage { first_record: first, last_record: last, .. } = &report.coverage;
    first.is_some_and(|first| first >= report.period.to) || last.is_some_and(|last| last < report.period.from)
}

/// Of how many accounts in the report no object was delivered in the period or on the day of its end, by the names of the
/// objects; none where their names do not tell.
fn accounts_without_records(report: &Report) -> usize {
    if report.coverage.days.is_empty() {
        return 0;
    }
    let mut accounts: BTreeMap<&str, bool> = report.accounts.iter().map(|one| (one.account.as_str(), false)).collect();
    let end = report.period.to.min(report.as_of);
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let first = midnight(report.period.from.date_naive());
    for day in &report.coverage.days {
        let within = day.day.parse().map(midnight).is_ok_and(|day: DateTime<Utc>| first <= day && day <= end);
        *accounts.entry(&day.account).or_default() |= within && day.objects > 0;
    }
    accounts.values().filter(|within| !**within).count()
}

fn not_proven(coverage: &Coverage) -> bool {
    proven(coverage) == Some(false)
}

/// Whether the digests prove what they cover; `None` where nothing was verified, or not everything is known.
pub(super) fn proven(coverage: &Coverage) -> Option<bool> {
    let integrity = coverage.integrity.as_ref()?;
    let partly = GapKind::Digests.all(coverage).next().is_some();
    integrity.is_whole().filter(|whole| !whole || !partly)
}

fn of_iam(report: &Report) -> Vec<Unknown> {
    let Some(coverage) = &report.figures.mfa_coverage else { return vec![Unknown::NoIamState] };
    let (of, all) = iam_accounts(report, coverage);
    let lacking = [coverage.users, coverage.users_with_mfa, coverage.console_users, coverage.console_users_with_mfa]
        .into_iter()
        .chain([coverage.roots, coverage.roots_with_mfa])
        .any(|count| count.is_none());
    let without = |part: Option<usize>, whole: Option<usize>| whole.unwrap_or(0).saturating_sub(part.unwrap_or(0));
    let users = without(coverage.console_users_with_mfa, coverage.console_users);
    let (roots_with, roots) = roots(coverage);
    let roots = without(roots_with, roots);
    let mut reasons = Vec::new();
    reasons.extend((of < all).then_some(Unknown::IamAccounts { of, all }));
    reasons.extend(lacking.then_some(Unknown::IamCounts));
    // Those who are listed as being without MFA are not told of a second time, as if they were more.
    let open = view::still_open(report);
    let listed = |kind: PrincipalKind| open.iter().filter(|(_, window)| window.principal.kind == kind).count();
    let are_listed = (users, roots) == (listed(PrincipalKind::IamUser), listed(PrincipalKind::Root));
    reasons.extend((!lacking && users + roots > 0 && !are_listed).then_some(Unknown::WithoutDevice { users, roots }));
    reasons
}

/// The root users that have a password or a key, which is what MFA would protect: with a device, and all. Of those
/// without credentials none is among the former, for IAM deletes the device with the credentials.
pub(super) fn roots(coverage: &MfaCoverage) -> (Option<usize>, Option<usize>) {
    let whole = coverage.roots.map(|roots| roots.saturating_sub(coverage.roots_without_credentials.unwrap_or(0)));
    (coverage.roots_with_mfa.zip(whole).map(|(part, whole)| part.min(whole)), whole)
}

/// How many accounts IAM state covers, of how many in the report.
pub(super) fn iam_accounts(report: &Report, coverage: &MfaCoverage) -> (usize, usize) {
    let uncovered = report.accounts.iter().filter(|one| one.figures.mfa_coverage.is_none()).count();
    let missing =
        report.notices.iter().filter(|notice| notice.code == NoticeCode::IamAccountMissing).count().max(uncovered);
    let all = [coverage.accounts_in_report.unwrap_or(0), report.accounts.len(), missing].into_iter().max().unwrap_or(0);
    (coverage.accounts.unwrap_or(all).min(all.saturating_sub(missing)), all)
}

/// Where IAM state covers only some accounts of the report: ` in 1 of 3 accounts`.
pub(super) fn in_accounts(report: &Report, coverage: &MfaCoverage) -> String {
    let (of, all) = iam_accounts(report, coverage);
    if of < all { format!(" in {} of {}", format::size(of), plural(all, "account", "accounts")) } else { String::new() }
}

impl Unknown {
    /// A few words: `2 objects could not be read`.
    pub(super) fn words(self) -> String {
        match self {
            Self::NothingRead => "nothing at all was read".to_owned(),
            Self::NotRead(n) => format!("{} could not be read", plural(n, "object", "objects")),
            Self::Incomplete => "the evidence is incomplete".to_owned(),
            Self::NoRecords => "no record of the period was read".to_owned(),
            Self::AccountsWithoutRecords(n) => {
                format!("no object of the period was read in {}", plural(n, "account", "accounts"))
            }
            Self::IamRegion(n) => {
                format!("the region that holds IAM's events was not read in {}", plural(n, "account", "accounts"))
            }
            Self::Stopped(1) => "logging was stopped".to_owned(),
            Self::Stopped(n) => format!("logging was stopped {} times", format::size(n)),
            Self::Changed(n) => format!("{} of a trail may have left events out", plural(n, "change", "changes")),
            Self::Conflicts => "records contradict each other about the same event".to_owned(),
            Self::NotProven => "the archive's integrity could not be verified".to_owned(),
            Self::BeyondEvidence => "the evidence ends before the moment that open windows are measured to".to_owned(),
            Self::Selection => "only some accounts or regions were read, as requested".to_owned(),
            Self::NoIamState => "no IAM state was given".to_owned(),
            Self::IamAccounts { of, all } => {
                format!("IAM state covers {} of {}", format::size(of), plural(all, "account", "accounts"))
            }
            Self::IamCounts => "IAM state does not cover all users, root users and devices".to_owned(),
            Self::Findings(n) => {
                format!("IAM and the archive disagree in {}", plural(n, "finding", "findings"))
            }
            Self::WithoutDevice { users, roots } => {
                let users = Some(users).filter(|n| *n > 0).map(|n| plural(n, "console user", "console users"));
                let roots = Some(roots).filter(|n| *n > 0).map(|n| plural(n, "root user", "root users"));
                let who: Vec<String> = users.into_iter().chain(roots).collect();
                format!("IAM shows {} without a device", who.join(" and "))
            }
        }
    }
}

/// What is not known, in a few words each; `None` where everything was seen.
pub(super) fn doubts(report: &Report) -> Option<String> {
    let words: Vec<String> = unknowns(report).into_iter().map(Unknown::words).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// `reassuring` where everything was seen; otherwise `bare`, which claims no more than what was read shows, and what was
/// not seen.
pub(super) fn sentence(report: &Report, reassuring: &str, bare: &str) -> String {
    match doubts(report) {
        None => reassuring.to_owned(),
        Some(doubts) => format!("{bare} Not everything was seen: {doubts}."),
    }
}

/// Up to where the period is reported, where that is not its end: ` up to 2026-10-15T00:00:00Z`.
pub(super) fn up_to(report: &Report) -> String {
    if report.as_of < report.period.to { format!(" up to {}", format::time(report.as_of)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::fixture::{at, clean};
    use super::super::{
        ArchiveIntegrity, Finding, Format, Notice, ReadFailure, StoredIntegrity, Window, fixture, render, summary,
    };
    use super::*;
    use crate::contract::integrity::Verification;

    /// What is said where everything was seen and nothing happened.
    const REASSURING: [&str; 12] = [
        "Nobody is known to be without MFA",
        "No deactivation left anybody without MFA",
        "No window is open at",
        "No window touches the period.",
        "No further caveats.",
        "No attempt at a device lifecycle call failed",
        "No device lifecycle event lies in the period.",
        "IAM and the archive agree.",
        "No trail was stopped or changed",
        "No gap was found.",
        "| complete | yes |",
        "class=\"card good\"",
    ];

    /// Every format as text.
    fn texts(report: &Report) -> Vec<(String, String)> {
        let mut texts = vec![
            ("summary".to_owned(), summary(report, Some(80))),
            ("summary, whole".to_owned(), summary(report, None)),
        ];
        for (name, contents) in render(report, &Format::ALL, false).expect("renders") {
            let bytes = contents.bytes().expect("read");
            if !name.ends_with(".xlsx") {
                texts.push((name, String::from_utf8(bytes).expect("text")));
                continue;
            }
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
            for i in 0..archive.len() {
                let mut text = String::new();
                archive.by_index(i).expect("a part").read_to_string(&mut text).expect("text");
                texts.push((format!("{name} {i}"), text));
            }
        }
        texts
    }

    fn notice(report: &mut Report, code: NoticeCode) {
        report.notices.push(Notice { code, text: "of account 111122223333".to_owned() });
    }

    fn gap(report: &mut Report, cause: &str) {
        report.coverage.gaps.push(Gap {
            account: "111122223333".to_owned(),
            region: None,
            from: at("2026-10-10T00:00:00Z"),
            to: at("2026-10-11T00:00:00Z"),
            cause: cause.to_owned(),
            event_id: None,
        });
    }

    fn iam(report: &mut Report) -> &mut MfaCoverage {
        report.figures.mfa_coverage.as_mut().expect("the fixture has it")
    }

    type Break = fn(&mut Report);

    /// One condition each that fails, and words that name it.
    const BROKEN: [(&str, Break); 33] = [
        ("nothing at all was read", |r| r.coverage = Coverage::default()),
        ("nothing at all was read", |r| notice(r, NoticeCode::NothingRead)),
        ("1 object could not be read", |r| r.coverage.objects_failed = 1),
        ("1 object could not be read", |r| {
            r.coverage.failures.push(ReadFailure { object: "a.gz".to_owned(), error: "damaged".to_owned() });
        }),
        ("the evidence is incomplete", |r| r.coverage.complete = false),
        ("no record of the period was read", |r| notice(r, NoticeCode::PeriodNotCovered)),
        ("no record of the period was read", |r| r.coverage.records = 0),
        ("no record of the period was read", |r| r.coverage.last_record = Some(at("2026-09-30T23:59:59Z"))),
        ("no record of the period was read", |r| r.coverage.first_record = Some(at("2026-11-01T00:00:00Z"))),
        ("no object of the period was read in 1 account", |r| {
            r.coverage.days.retain(|day| day.account != "444455556666");
        }),
        ("no object of the period was read in 1 account", |r| {
            for day in r.coverage.days.iter_mut().filter(|day| day.account == "444455556666") {
                day.day = day.day.replace("2026-10", "2026-09");
            }
        }),
        ("the region that holds IAM's events was not read in 1 account", |r| gap(r, "iam_region_not_read")),
        ("logging was stopped", |r| gap(r, "StopLogging")),
        ("logging was stopped", |r| gap(r, "DeleteTrail")),
        ("1 change of a trail", |r| gap(r, "UpdateTrail")),
        ("1 change of a trail", |r| gap(r, "PutEventSelectors")),
        ("records contradict each other", |r| notice(r, NoticeCode::EventConflict)),
        ("integrity could not be verified", |r| {
            r.coverage.integrity = Some(ArchiveIntegrity::Verified(Verification::default()));
        }),
        ("integrity could not be verified", |r| {
            r.coverage.integrity = Some(ArchiveIntegrity::Stored(StoredIntegrity { failed: 1, ..Default::default() }));
        }),
        ("integrity could not be verified", |r| notice(r, NoticeCode::IntegrityNotWhole)),
        ("the evidence ends before the moment", |r| notice(r, NoticeCode::AsOfBeyondEvidence)),
        ("only some accounts or regions were read", |r| notice(r, NoticeCode::Selection)),
        ("no IAM state was given", |r| r.figures.mfa_coverage = None),
        ("IAM state covers 1 of 2 accounts", |r| iam(r).accounts = Some(1)),
        ("IAM state covers 1 of 2 accounts", |r| notice(r, NoticeCode::IamAccountMissing)),
        ("IAM state covers 1 of 2 accounts", |r| r.accounts[0].figures.mfa_coverage = None),
        ("IAM state covers 2 of 3 accounts", |r| iam(r).accounts_in_report = Some(3)),
        ("IAM state does not cover all", |r| iam(r).console_users_with_mfa = None),
        ("IAM state does not cover all", |r| iam(r).users = None),
        ("IAM state does not cover all", |r| iam(r).roots_with_mfa = None),
        ("IAM and the archive disagree in 1 finding", |r| {
            r.reconciliation.push(Finding {
                account: "111122223333".to_owned(),
                principal: None,
                device: None,
                finding: super::super::FindingCode::StateContradicts,
                between: [at("2026-10-02T00:00:00Z"), at("2026-10-03T00:00:00Z")],
            });
        }),
        ("IAM shows 1 console user without a device", |r| iam(r).console_users_with_mfa = Some(2)),
        ("IAM shows 1 root user without a device", |r| iam(r).roots_without_credentials = Some(0)),
    ];

    #[test]
    fn a_report_that_saw_everything_may_reassure() {
        let texts = texts(&clean());
        for sentence in REASSURING {
            assert!(texts.iter().any(|(_, text)| text.contains(sentence)), "`{sentence}` is in no format");
        }
        assert!(!texts.iter().any(|(_, text)| text.contains("ot everything was seen")));
    }

    #[test]
    fn nothing_reassures_where_one_condition_fails() {
        for (i, (words, broken)) in BROKEN.iter().enumerate() {
            let mut report = clean();
            broken(&mut report);
            let texts = texts(&report);
            for (name, text) in &texts {
                for sentence in REASSURING {
                    assert!(!text.contains(sentence), "{i}: {words}: {name} says `{sentence}`");
                }
            }
            for format in ["report.md", "index.html"] {
                let (_, text) = texts.iter().find(|(name, _)| name == format).expect("the format");
                let text = text.replace("&#39;", "'");
                assert!(text.contains(words), "{i}: {format} does not name: {words}");
            }
            let (_, summary) = &texts[1];
            assert!(summary.contains("It is not known whether anyone is without MFA"), "{i}: {summary}");
        }
    }

    #[test]
    fn quiet_intervals_alone_are_no_doubt() {
        let mut report = clean();
        gap(&mut report, "no_objects");
        assert_eq!(doubts(&report), None);
        // But they are a gap.
        assert!(!texts(&report).iter().any(|(_, text)| text.contains("No gap was found.")));
    }

    #[test]
    fn a_period_under_way_is_reassured_of_only_so_far() {
        let mut report = clean();
        report.as_of = at("2026-10-20T00:00:00Z");
        let texts = texts(&report);
        let says = |words: &str| texts.iter().any(|(_, text)| text.contains(words));
        assert!(says("No deactivation left anybody without MFA in the period up to 2026-10-20T00:00:00Z."));
        assert!(!says("without MFA in the period."));
    }

    #[test]
    fn an_account_without_iam_state_is_not_reassured_by_another() {
        let mut report = clean();
        report.accounts[0].figures.mfa_coverage = None;
        let pages = render(&report, &[Format::Html], true).expect("renders");
        let page = |name: &str| {
            let (_, contents) = pages.iter().find(|(file, _)| file == name).expect("a page");
            String::from_utf8(contents.bytes().expect("read")).expect("text")
        };
        assert!(page("account-444455556666.html").contains("Nobody is known to be without MFA"), "all of it was seen");
        report.accounts[0].figures.iam.deactivations.failed_attempts = 1;
        let pages = render(&report, &[Format::Html], true).expect("renders");
        let (_, other) = pages.iter().find(|(file, _)| file == "account-111122223333.html").expect("a page");
        let other = String::from_utf8(other.bytes().expect("read")).expect("text");
        assert!(!other.contains("Nobody is known to be without MFA") && other.contains("no IAM state was given"));
    }

    #[test]
    fn open_windows_are_told_with_their_certainty() {
        let headline = |windows: Vec<Window>, iam: bool| {
            let mut report = clean();
            report.windows = windows;
            if !iam {
                report.figures.mfa_coverage = None;
            }
            summary(&report, None)
        };
        let (root, user) = (fixture::standing_root(), fixture::standing_user());
        assert!(headline(vec![user.clone()], true).contains("\n1 principal is still without MFA\n"));
        assert!(headline(vec![user.clone()], false).contains("\nPossibly 1 principal is still without MFA\n"));
        assert!(headline(vec![root.clone()], true).contains("\nPossibly 1 principal is still without MFA\n"));
        assert!(
            headline(vec![root, user], true).contains("\n2 principals are still without MFA, 1 of them possibly\n")
        );
        let over = headline(vec![fixture::ended_unseen()], true);
        assert!(over.contains("\nNobody is known to be without MFA\n"), "what ended unseen is over: {over}");
    }
}
