//! Earlier reports: the trend that they continue, and what changed since the latest of them.
//!
//! An earlier report is a file that anybody may have written: it is bounded, every value is of its type, and what it says decides no
//! figure of the new report. Windows are the same where the same event opened them; where only one report saw the event, where
//! the principal is the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Error, coverage, rfc3339};
use crate::bundle::sha256;
use crate::contract::{
    self, AccountChange, Caveat, CaveatCode, Certainty, Changes, Class, EarlierReport, FigureChange, Figures,
    GuardrailChange, HeadlineFigure, Membership, MfaCoverage, Period, PostureCode, Principal, Report, TrendPeriod,
    TrendSource, Verdict, Window, WindowChange, WindowChangeKind, WindowCounts, WindowKind,
};
use crate::disk::{self, Folder};
use crate::inputs::error::{LARGEST, decode, json_problem};
use crate::units::plural;

/// The longest name, id or version of an earlier report, in bytes: AWS's are shorter.
const LONGEST: usize = 2048;
/// The report and the list of hashes in a report's folder.
const REPORT: &str = "report.json";
const MANIFEST: &str = "MANIFEST.sha256";
/// Notices that say that the evidence of a period is incomplete, as in `report.json`.
const INCOMPLETE: [&str; 3] = ["iam-not-seen", "nothing-read", "period-not-covered"];

/// The earlier reports that were given.
#[derive(Debug, Default)]
pub(crate) struct Previous {
    /// Their figures, in order of their periods.
    pub(crate) trend: Vec<TrendPeriod>,
    /// The latest of them, where one was given.
    latest: Option<Earlier>,
}

/// As much of a `report.json` as is compared. Reports of the first versions lack what is optional here.
#[derive(Debug, Deserialize)]
struct Earlier {
    schema: String,
    tool: Option<EarlierTool>,
    generated_at: Option<DateTime<Utc>>,
    period: Period,
    as_of: DateTime<Utc>,
    figures: Figures,
    windows: Option<Vec<EarlierWindow>>,
    accounts: Option<Vec<EarlierAccount>>,
    coverage: Option<EarlierCoverage>,
    #[serde(default)]
    notices: Vec<EarlierNotice>,
    policy: Option<serde_json::Map<String, serde_json::Value>>,
    posture: Option<EarlierPosture>,
    #[serde(default)]
    redacted: bool,
}

#[derive(Debug, Deserialize)]
struct EarlierTool {
    version: String,
}

#[derive(Debug, Deserialize)]
struct EarlierWindow {
    kind: WindowKind,
    account: String,
    principal: Principal,
    opened_at: Option<DateTime<Utc>>,
    open_since_before: Option<DateTime<Utc>>,
    opened_by_event: Option<String>,
    closed_at: Option<DateTime<Utc>>,
    close_reason: Option<String>,
    certainty: Certainty,
    class: Option<Class>,
}

#[derive(Debug, Deserialize)]
struct EarlierAccount {
    account: String,
    mfa_coverage: Option<MfaCoverage>,
}

#[derive(Debug, Deserialize)]
struct EarlierCoverage {
    complete: bool,
}

#[derive(Debug, Deserialize)]
struct EarlierNotice {
    code: String,
}

#[derive(Debug, Deserialize)]
struct EarlierPosture {
    checks: Vec<EarlierCheck>,
}

#[derive(Debug, Deserialize)]
struct EarlierCheck {
    code: PostureCode,
    account: String,
    verdict: Verdict,
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::Input(format!(
        "`--previous`: `{}`: {why}\n  hint: give an earlier report: its folder, or its report.json",
        path.display()
    ))
}

/// The file that is meant: itself, or the `report.json` of a report's folder, which must be as the folder's manifest lists it.
pub(crate) fn file(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let folder = Folder::open(path).map_err(|error| wrong(path, &error.to_string()))?;
    let read = |name: &str| {
        let bytes = folder.read(Path::new(name), LARGEST);
        bytes.map_err(|error| wrong(path, &format!("could not read {name} in it: {error}")))
    };
    let (report, manifest) = (read(REPORT)?, String::from_utf8_lossy(&read(MANIFEST)?).into_owned());
    let listed = manifest.lines().filter_map(|line| line.split_once("  ")).find(|(_, name)| *name == REPORT);
    match listed {
        Some((digest, _)) if digest == sha256(&report) => Ok(path.join(REPORT)),
        Some(_) => {
            Err(wrong(path, &format!("{REPORT} was changed after mfatrail wrote it: {MANIFEST} lists another hash")))
        }
        None => Err(wrong(path, &format!("{MANIFEST} does not list {REPORT}"))),
    }
}

impl Earlier {
    fn read(path: &Path, period: Period) -> Result<Self, Error> {
        let wrong = |why: String| wrong(path, &why);
        let bytes = disk::read(path, LARGEST).map_err(|error| wrong(error.to_string()))?;
        let text = decode(bytes).map_err(|problem| wrong(problem.to_string()))?;
        let earlier: Self =
            serde_json::from_str(&text).map_err(|error| wrong(json_problem(&text, &error).to_string()))?;
        if earlier.schema != contract::SCHEMA {
            return Err(wrong(format!("its schema is `{}`, not `{}`", earlier.schema, contract::SCHEMA)));
        }
        if earlier.period.from >= earlier.period.to || earlier.as_of < earlier.period.from {
            return Err(wrong("its period is empty, or begins after it was measured".to_owned()));
        }
        if earlier.period.to > period.from {
            return Err(wrong(format!(
                "its period ends at {}, after this one begins at {}",
                rfc3339(earlier.period.to),
                rfc3339(period.from)
            )));
        }
        earlier.check_texts().map_err(wrong)?;
        Ok(earlier)
    }

    /// Refuses names that no report has: what is shown of an earlier report is bounded.
    fn check_texts(&self) -> Result<(), String> {
        let short = |what: &str, at: usize, texts: &[Option<&str>]| {
            let long = texts.iter().flatten().any(|text| text.len() > LONGEST);
            if long { Err(format!("{what}[{at}] has a text of more than {LONGEST} bytes")) } else { Ok(()) }
        };
        short("tool", 0, &[self.tool.as_ref().map(|tool| tool.version.as_str())])?;
        for (at, window) in self.windows.iter().flatten().enumerate() {
            let who = &window.principal;
            let texts =
                [Some(&*window.account), Some(&*who.name), who.id.as_deref(), window.opened_by_event.as_deref()];
            short("windows", at, &texts)?;
            if window.opened_at.or(window.open_since_before).is_none() {
                return Err(format!("windows[{at}] has neither `opened_at` nor `open_since_before`"));
            }
        }
        for (at, one) in self.accounts.iter().flatten().enumerate() {
            short("accounts", at, &[Some(&*one.account)])?;
        }
        for (at, check) in self.posture.iter().flat_map(|posture| &posture.checks).enumerate() {
            short("posture.checks", at, &[Some(&*check.account)])?;
        }
        Ok(())
    }

    fn trend(&self) -> TrendPeriod {
        TrendPeriod {
            period: self.period,
            source: TrendSource::EarlierReport,
            measured_to: self.period.to.min(self.as_of),
            figures: self.figures.iam.clone(),
            mfa_coverage: self.figures.mfa_coverage.filter(|coverage| coverage.is_of(self.period)),
        }
    }

    fn is_complete(&self) -> bool {
        let unseen = |notice: &EarlierNotice| INCOMPLETE.contains(&notice.code.as_str());
        self.coverage.as_ref().is_some_and(|coverage| coverage.complete) && !self.notices.iter().any(unseen)
    }

    fn account_ids(&self) -> BTreeSet<&str> {
        let windows = self.windows.iter().flatten().map(|window| window.account.as_str());
        self.accounts.iter().flatten().map(|one| one.account.as_str()).chain(windows).collect()
    }
}

impl EarlierWindow {
    fn is_open(&self) -> bool {
        self.closed_at.is_none() && self.close_reason.is_none()
    }
}

impl Previous {
    /// Reads earlier reports, none of whose periods may reach into the report's own or another's.
    pub(crate) fn read(paths: &[PathBuf], period: Period) -> Result<Self, Error> {
        let mut all: Vec<Earlier> = paths.iter().map(|path| Earlier::read(path, period)).collect::<Result<_, _>>()?;
        all.sort_by_key(|earlier| earlier.period.from);
        for pair in all.windows(2) {
            if let [one, other] = pair
                && one.period.to > other.period.from
            {
                return Err(Error::Input(format!(
                    "`--previous`: two reports are about the same period, from {}\n  hint: give each period once",
                    rfc3339(other.period.from)
                )));
            }
        }
        let trend = all.iter().map(Earlier::trend).collect();
        Ok(Self { trend, latest: all.pop() })
    }

    /// What changed since the latest of them; `None` where none was given.
    pub(crate) fn changes(&self, report: &Report) -> Option<Changes> {
        self.latest.as_ref().map(|earlier| compare(earlier, report))
    }
}

fn compare(earlier: &Earlier, report: &Report) -> Changes {
    let caveats = caveats(earlier, report);
    let has = |code: CaveatCode| caveats.iter().any(|caveat| caveat.code == code);
    let named = !has(CaveatCode::Redacted) && !has(CaveatCode::OtherAccounts);
    let windows = earlier.windows.as_deref().filter(|_| named).map(|windows| changed_windows(windows, earlier, report));
    let (counts, windows) = windows.unzip();
    Changes {
        since: EarlierReport {
            period: earlier.period,
            as_of: earlier.as_of,
            generated_at: earlier.generated_at.unwrap_or(earlier.as_of),
            version: earlier.tool.as_ref().map(|tool| tool.version.clone()).unwrap_or_default(),
            complete: earlier.is_complete(),
        },
        counts,
        windows: windows.unwrap_or_default(),
        accounts: if named { changed_accounts(earlier, report) } else { Vec::new() },
        guardrails: if named { changed_guardrails(earlier, report) } else { Vec::new() },
        figures: if has(CaveatCode::OtherAccounts) { Vec::new() } else { changed_figures(earlier, report) },
        caveats,
    }
}

// --- what stands against it ----------------------------------------------------------------------------------------

fn caveats(earlier: &Earlier, report: &Report) -> Vec<Caveat> {
    let (then, now) = (earlier.period, report.period);
    let says = |holds: bool, code: CaveatCode, text: &str| holds.then(|| Caveat { code, text: text.to_owned() });
    let text = |code: CaveatCode, text: Option<String>| text.map(|text| Caveat { code, text });
    let (iam_then, iam_now) = (earlier.figures.mfa_coverage.is_some(), report.figures.mfa_coverage.is_some());
    let all = [
        says(
            !earlier.is_complete(),
            CaveatCode::EarlierIncomplete,
            "the earlier report is from incomplete evidence: what it lacks may be new here, and may not have been resolved",
        ),
        says(
            !coverage::is_complete(report),
            CaveatCode::Incomplete,
            "this report is from incomplete evidence: what it does not show may still be there",
        ),
        says(
            earlier.redacted,
            CaveatCode::Redacted,
            "the earlier report is redacted: windows, accounts and guardrails are not compared, only figures (compare with the report that is not redacted, and redact the result)",
        ),
        text(CaveatCode::OtherAccounts, other_accounts(earlier, report)),
        text(CaveatCode::AccountsDiffer, accounts_differ(earlier, report)),
        text(CaveatCode::PolicyDiffers, policy_differs(earlier, report)),
        says(
            earlier.as_of < then.to,
            CaveatCode::EarlierPartial,
            &format!(
                "the earlier report was measured to {}, before its period ended: its figures are of a part of it",
                rfc3339(earlier.as_of)
            ),
        ),
        says(
            report.as_of < now.to,
            CaveatCode::Partial,
            &format!(
                "this report is measured to {}, before its period ends: its figures are of a part of it",
                rfc3339(report.as_of)
            ),
        ),
        says(
            then.to < now.from,
            CaveatCode::TimeBetween,
            &format!(
                "neither report covers the time from {} to {}: a window that opened and closed in it is in neither",
                rfc3339(then.to),
                rfc3339(now.from)
            ),
        ),
        says(
            !now.is_as_long_as(then),
            CaveatCode::LengthDiffers,
            "the periods are not equally long: counts and hours do not compare",
        ),
        says(
            iam_then != iam_now,
            CaveatCode::IamStateDiffers,
            if iam_now {
                "the earlier report had no IAM state: who was without MFA unseen is new here"
            } else {
                "this report has no IAM state: who is without MFA unseen is missing here"
            },
        ),
        says(
            earlier.posture.is_some() != report.posture.is_some(),
            CaveatCode::GuardrailsNotCompared,
            "guardrails were checked for one of the reports only, and are not compared",
        ),
        says(
            earlier.tool.as_ref().is_none_or(|tool| tool.version != report.tool.version),
            CaveatCode::VersionDiffers,
            "the earlier report was made by another version of mfatrail: differences may be the program's",
        ),
    ];
    all.into_iter().flatten().collect()
}

fn own_accounts(report: &Report) -> BTreeSet<&str> {
    let windows = report.windows.iter().map(|window| window.account.as_str());
    report.accounts.iter().map(|one| one.account.as_str()).chain(windows).collect()
}

fn other_accounts(earlier: &Earlier, report: &Report) -> Option<String> {
    let (then, now) = (earlier.account_ids(), own_accounts(report));
    let other = !earlier.redacted && !then.is_empty() && !now.is_empty() && then.is_disjoint(&now);
    other.then(|| {
        "the reports share no account: the earlier one is of another organization or selection, and nothing is compared"
            .to_owned()
    })
}

fn accounts_differ(earlier: &Earlier, report: &Report) -> Option<String> {
    let (then, now) = (earlier.account_ids(), own_accounts(report));
    let (added, gone) = (now.difference(&then).count(), then.difference(&now).count());
    let differ = !earlier.redacted && added + gone > 0 && !then.is_disjoint(&now);
    differ.then(|| {
        format!(
            "{} in this report only, and {} in the earlier one only: figures are of different accounts",
            plural(added, "account is", "accounts are"),
            plural(gone, "account is", "accounts are")
        )
    })
}

/// Which settings differ. Only this program's own names are told: the earlier report may hold any text.
fn policy_differs(earlier: &Earlier, report: &Report) -> Option<String> {
    let own = serde_json::to_value(&report.policy).ok()?;
    let then = earlier.policy.as_ref()?;
    let redacted = |name: &str| earlier.redacted && matches!(name, "owner_tags" | "not_detectors");
    let differing: Vec<&str> = own
        .as_object()?
        .iter()
        .filter(|(name, value)| !redacted(name) && then.get(*name) != Some(*value))
        .map(|(name, _)| name.as_str())
        .collect();
    (!differing.is_empty()).then(|| {
        format!(
            "other policy settings were in force ({}): classes and figures may differ because of them",
            differing.join(", ")
        )
    })
}

// --- windows -------------------------------------------------------------------------------------------------------

/// The windows of the earlier report that are not found yet.
struct Unmatched<'e> {
    windows: Vec<Option<&'e EarlierWindow>>,
    by_event: HashMap<(&'e str, &'e str), Vec<usize>>,
    open_of: HashMap<(&'e str, String), Vec<usize>>,
}

/// A principal of an account, whatever it is called now: ids stay, names move.
fn whose(who: &Principal) -> String {
    match &who.id {
        Some(id) => format!("{}\0{id}", who.kind.name()),
        None => format!("{}\0\0{}", who.kind.name(), who.name.to_lowercase()),
    }
}

impl<'e> Unmatched<'e> {
    fn new(windows: &'e [EarlierWindow]) -> Self {
        let mut all =
            Self { windows: windows.iter().map(Some).collect(), by_event: HashMap::new(), open_of: HashMap::new() };
        // The first of several comes first.
        for (at, window) in windows.iter().enumerate().rev() {
            if let Some(event) = &window.opened_by_event {
                all.by_event.entry((&window.account, event)).or_default().push(at);
            }
            if window.is_open() {
                all.open_of.entry((&window.account, whose(&window.principal))).or_default().push(at);
            }
        }
        all
    }

    /// The window that the same event opened.
    fn of_event(&mut self, window: &Window) -> Option<&'e EarlierWindow> {
        let same = self.by_event.get(&(window.account.as_str(), window.opened_by_event.as_deref()?))?;
        let at = same.iter().rev().copied().find(|at| {
            let free = self.windows.get(*at).copied().flatten();
            free.is_some_and(|earlier| earlier.kind == window.kind || earlier.principal.kind == window.principal.kind)
        })?;
        self.windows.get_mut(at)?.take()
    }

    /// The open window of the same principal, where one of the two reports did not see what opened it.
    fn of_principal(&mut self, window: &Window, as_of: DateTime<Utc>) -> Option<&'e EarlierWindow> {
        if window.proven_from() >= as_of {
            return None;
        }
        let same = self.open_of.get(&(window.account.as_str(), whose(&window.principal)))?;
        let unseen = |earlier: &EarlierWindow| earlier.opened_by_event.is_none() || window.opened_by_event.is_none();
        let at = same.iter().rev().copied().find(|at| self.windows.get(*at).copied().flatten().is_some_and(unseen))?;
        self.windows.get_mut(at)?.take()
    }
}

fn changed_windows(windows: &[EarlierWindow], earlier: &Earlier, report: &Report) -> (WindowCounts, Vec<WindowChange>) {
    let mut unmatched = Unmatched::new(windows);
    let mut same: Vec<Option<&EarlierWindow>> = report.windows.iter().map(|one| unmatched.of_event(one)).collect();
    for (found, window) in same.iter_mut().zip(&report.windows) {
        *found = found.or_else(|| unmatched.of_principal(window, earlier.as_of));
    }
    let known_until = earlier.period.to.min(earlier.as_of);
    let mut changes: Vec<WindowChange> = Vec::new();
    for ((at, window), before) in report.windows.iter().enumerate().zip(same) {
        changes.extend(change(window, before, known_until).map(|kind| of_window(kind, at, window, before)));
    }
    changes.extend(unmatched.windows.iter().flatten().filter(|window| window.is_open()).map(|window| missing(window)));
    changes.sort_by_key(|one| (one.change, one.window.unwrap_or(usize::MAX)));
    (counts(&changes), changes)
}

/// How a window changed; `None` where it is as it was.
fn change(window: &Window, before: Option<&EarlierWindow>, known_until: DateTime<Utc>) -> Option<WindowChangeKind> {
    let Some(before) = before else {
        let late = window.proven_from() < known_until;
        return Some(if late { WindowChangeKind::Late } else { WindowChangeKind::New });
    };
    match (before.is_open(), window.is_open()) {
        (true, true) => Some(WindowChangeKind::StillOpen),
        (true, false) => Some(WindowChangeKind::Closed),
        (false, true) => Some(WindowChangeKind::Reopened),
        (false, false) => (before.class != window.class).then_some(WindowChangeKind::ChangedClass),
    }
}

fn of_window(change: WindowChangeKind, at: usize, window: &Window, before: Option<&EarlierWindow>) -> WindowChange {
    WindowChange {
        change,
        window: Some(at + 1),
        account: window.account.clone(),
        principal: window.principal.clone(),
        kind: window.kind,
        opened_at: window.opened_at,
        open_since_before: window.open_since_before,
        opened_by_event: window.opened_by_event.clone(),
        closed_at: window.closed_at,
        close_reason: window.close_reason,
        certainty: window.certainty,
        class: window.class,
        class_before: before.and_then(|before| before.class),
    }
}

fn missing(window: &EarlierWindow) -> WindowChange {
    WindowChange {
        change: WindowChangeKind::Missing,
        window: None,
        account: window.account.clone(),
        principal: window.principal.clone(),
        kind: window.kind,
        opened_at: window.opened_at,
        open_since_before: window.open_since_before,
        opened_by_event: window.opened_by_event.clone(),
        closed_at: None,
        close_reason: None,
        certainty: window.certainty,
        class: window.class,
        class_before: window.class,
    }
}

fn counts(changes: &[WindowChange]) -> WindowCounts {
    let of = |kind: WindowChangeKind| changes.iter().filter(|one| one.change == kind).count();
    let known_before = |one: &&WindowChange| !matches!(one.change, WindowChangeKind::New | WindowChangeKind::Late);
    WindowCounts {
        new: of(WindowChangeKind::New),
        late: of(WindowChangeKind::Late),
        reopened: of(WindowChangeKind::Reopened),
        missing: of(WindowChangeKind::Missing),
        still_open: of(WindowChangeKind::StillOpen),
        closed: of(WindowChangeKind::Closed),
        changed_class: changes.iter().filter(known_before).filter(|one| one.class != one.class_before).count(),
    }
}

// --- accounts, guardrails, figures ---------------------------------------------------------------------------------

fn changed_accounts(earlier: &Earlier, report: &Report) -> Vec<AccountChange> {
    let then: BTreeMap<&str, Option<MfaCoverage>> =
        earlier.accounts.iter().flatten().map(|one| (one.account.as_str(), one.mfa_coverage)).collect();
    let now: BTreeMap<&str, Option<MfaCoverage>> =
        report.accounts.iter().map(|one| (one.account.as_str(), one.figures.mfa_coverage)).collect();
    let all: BTreeSet<&str> = then.keys().chain(now.keys()).copied().collect();
    let of = |account: &str| AccountChange {
        account: account.to_owned(),
        membership: match (then.contains_key(account), now.contains_key(account)) {
            (false, _) => Membership::Added,
            (true, false) => Membership::Gone,
            (true, true) => Membership::Both,
        },
        before: then.get(account).copied().flatten(),
        now: now.get(account).copied().flatten(),
    };
    let told = |one: &AccountChange| one.membership != Membership::Both || one.before.is_some() || one.now.is_some();
    all.into_iter().map(of).filter(told).collect()
}

fn changed_guardrails(earlier: &Earlier, report: &Report) -> Vec<GuardrailChange> {
    let (Some(then), Some(now)) = (&earlier.posture, &report.posture) else { return Vec::new() };
    let mut verdicts: BTreeMap<(PostureCode, &str), [Option<Verdict>; 2]> = BTreeMap::new();
    // Verdicts sort the worst first.
    let worst = |slot: &mut Option<Verdict>, verdict: Verdict| {
        *slot = Some(slot.map_or(verdict, |known| known.min(verdict)));
    };
    for check in &then.checks {
        let [before, _] = verdicts.entry((check.code, &check.account)).or_default();
        worst(before, check.verdict);
    }
    for check in &now.checks {
        let [_, after] = verdicts.entry((check.code, &check.account)).or_default();
        worst(after, check.verdict);
    }
    let differing = verdicts.into_iter().filter(|(_, [before, now])| before != now);
    differing
        .map(|((code, account), [before, now])| GuardrailChange { code, account: account.to_owned(), before, now })
        .collect()
}

fn changed_figures(earlier: &Earlier, report: &Report) -> Vec<FigureChange> {
    let then = headline(&earlier.figures);
    let now = headline(&report.figures);
    let pairs = then.into_iter().zip(now);
    pairs.map(|((figure, before), (_, now))| FigureChange { figure, before, now }).collect()
}

/// The figures that are compared. Counts are far below 2^53.
fn headline(figures: &Figures) -> [(HeadlineFigure, Option<f64>); 12] {
    let iam = &figures.iam;
    let count = |n: usize| Some(n as f64);
    let covered =
        |read: fn(&MfaCoverage) -> Option<usize>| figures.mfa_coverage.as_ref().and_then(read).and_then(count);
    [
        (HeadlineFigure::Deactivations, count(iam.deactivations.total)),
        (HeadlineFigure::OpenedWindow, count(iam.deactivations.opened_window)),
        (HeadlineFigure::NotLegitimate, count(iam.deactivations.not_legitimate)),
        (HeadlineFigure::SuspectedTakeovers, count(iam.deactivations.by_class.suspected_takeover)),
        (HeadlineFigure::MttdMeanS, iam.mttd.stat.mean_s),
        (HeadlineFigure::Undetected, count(iam.mttd.undetected)),
        (HeadlineFigure::MttrMeanS, iam.mttr.stat.mean_s),
        (HeadlineFigure::OpenAtEnd, count(iam.exposure.open_at_end)),
        (HeadlineFigure::PrincipalHours, Some(iam.exposure.principal_hours)),
        (HeadlineFigure::Standing, count(iam.exposure.standing.open)),
        (HeadlineFigure::ConsoleUsers, covered(|coverage| coverage.console_users)),
        (HeadlineFigure::ConsoleUsersWithMfa, covered(|coverage| coverage.console_users_with_mfa)),
    ]
}
