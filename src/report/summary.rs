//! The one screen of text at the end of a run: the worst first.

use std::path::Path;

use super::assurance::{self, GapKind, Unknown, blind_accounts};
use super::format::{self, NONE};
use super::view;
use super::{Certainty, Class, Principal, PrincipalKind, Report, Standing, Stat};
use crate::escape::{self, cut};

/// How many open windows are named; the rest is counted. Of takeovers, trails, failures and notices the first is: a screen
/// has 24 lines.
const WINDOWS_NAMED: usize = 3;
/// How many further takeovers have their number told.
const NUMBERS: usize = 6;

/// The summary in lines of at most `width` columns (at least 40), each ending in a line break, without color. Without a
/// width, where no terminal shows it, nothing is cut, and every notice is there.
#[must_use]
pub fn summary(report: &Report, width: Option<usize>) -> String {
    Screen { report, width: width.map(|width| width.max(40)), text: String::new() }.lines()
}

/// [`summary`], with a last line that tells where the report is. The path is not cut: it is there to be copied.
#[must_use]
pub fn summary_with_path(report: &Report, path: &Path, width: Option<usize>) -> String {
    let mut out = summary(report, width);
    out.push_str("report: ");
    out.push_str(&escape::terminal(&path.display().to_string()));
    out.push('\n');
    out
}

/// The summary under way.
struct Screen<'r> {
    report: &'r Report,
    /// Columns; `None` where nothing is cut.
    width: Option<usize>,
    text: String,
}

impl Screen<'_> {
    fn lines(mut self) -> String {
        let report = self.report;
        self.push(&format!(
            "MFA exposure {} to {}, measured to {} (UTC)",
            format::day(report.period.from),
            format::day(report.period.to),
            format::day(report.as_of)
        ));
        self.takeovers();
        self.exposure();
        self.evidence();
        self.figures();
        self.beside();
        self.exceptions();
        self.changes();
        self.notices();
        self.text
    }

    fn push(&mut self, line: &str) {
        let line = escape::terminal(line);
        let line = self.width.map_or_else(|| line.clone(), |width| cut(&line, width));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A line whose subject, a name that came with the logs, gives way where there is no room: what follows is what is
    /// asked for.
    fn push_named(&mut self, indent: &str, name: &str, rest: &str) {
        let name = escape::terminal(name);
        let rest = escape::terminal(rest);
        let room = self.width.map(|width| width.saturating_sub(escape::columns(&rest) + indent.len() + 2).max(8));
        let name = room.map_or_else(|| name.clone(), |room| cut(&name, room));
        self.push(&format!("{indent} {name} {rest}"));
    }

    fn figure(&mut self, name: &str, value: &str) {
        self.push(&format!("  {name:<19}{value}"));
    }

    /// Who, whom, when and from where.
    fn takeovers(&mut self) {
        let all = view::takeovers(self.report);
        if let Some((i, w)) = all.first() {
            let state = match (w.is_open(), w.certainty) {
                (true, Certainty::Confirmed) => "still open",
                (true, Certainty::Possible) => "possibly still open",
                (false, _) => "closed",
            };
            let rest = format!("in {}, {state}", w.account);
            self.push_named(&format!("SUSPECTED TAKEOVER #{} of", i + 1), &name(&w.principal), &rest);
            let from = w.source_ip.as_deref().unwrap_or("an unknown address");
            let actor = w.actor.as_deref().unwrap_or("somebody");
            // Of an ARN the end tells who it is.
            let actor = if self.width.is_some() { actor.rsplit(':').next().unwrap_or(actor) } else { actor };
            self.push_named(&format!("    {} by", format::time(w.proven_from())), actor, &format!("from {from}"));
        }
        if all.len() > 1 {
            let numbers: Vec<String> = all.iter().skip(1).take(NUMBERS).map(|(i, _)| format!("#{}", i + 1)).collect();
            let etc = if all.len() > NUMBERS + 1 { ", …" } else { "" };
            let more = format::plural(all.len() - 1, "more suspected takeover", "more suspected takeovers");
            self.push(&format!("    and {more}: {}{etc}", numbers.join(", ")));
        }
        let contested = view::contested(self.report);
        if let Some((first, _)) = contested.first() {
            let n = format::plural(contested.len(), "approval clears", "approvals clear");
            self.push(&format!("APPROVAL CONTESTED: {n} nothing, first in #{}", first + 1));
        }
    }

    /// Who is without MFA, or that it is not known.
    fn exposure(&mut self) {
        let open = view::still_open(self.report);
        match (view::exposed(self.report, &open), assurance::doubts(self.report)) {
            (Some(exposed), _) => self.push(&exposed),
            (None, None) => self.push("Nobody is known to be without MFA"),
            (None, Some(_)) => self.push("It is not known whether anyone is without MFA"),
        }
        for (_, window) in open.iter().take(WINDOWS_NAMED) {
            let since = if window.opened_at.is_some() { "since" } else { "before" };
            let possible = if window.certainty == Certainty::Possible { ", possible" } else { "" };
            let class = match window.class {
                Some(Class::SuspectedTakeover) => "takeover".to_owned(),
                _ => view::key(window).replace('_', " "),
            };
            let rest = format!("{} {since} {} {class}{possible}", window.account, format::time(window.proven_from()));
            self.push_named("   ", &name(&window.principal), &rest);
        }
        if let Some(more) = open.len().checked_sub(WINDOWS_NAMED).filter(|n| *n > 0) {
            self.push(&format!("    … and {} more", format::size(more)));
        }
    }

    /// What was not seen: stopped trails first, everything else in one line.
    fn evidence(&mut self) {
        let coverage = &self.report.coverage;
        if coverage.objects_read == 0 && coverage.objects_failed == 0 {
            self.push("INCOMPLETE: nothing at all was read");
        } else if coverage.objects_failed > 0 {
            self.push(&format!(
                "INCOMPLETE: {} of {} could not be read",
                format::count(coverage.objects_failed),
                format::plural(coverage.objects_listed, "object", "objects")
            ));
        } else if !coverage.complete && coverage.conflicts.is_empty() {
            self.push("INCOMPLETE: part of the evidence is missing");
        }
        if !coverage.conflicts.is_empty() {
            self.push(&format!("INCOMPLETE: {}", view::conflicting(coverage.conflicts.len())));
        }
        let blind = blind_accounts(coverage);
        if !blind.is_empty() {
            self.push(&format!("CANNOT SEE IAM in {}", format::plural(blind.len(), "account", "accounts")));
        }
        let stopped: Vec<_> = GapKind::Stopped.all(coverage).collect();
        let changed: Vec<_> = GapKind::Changed.all(coverage).collect();
        let what = if stopped.is_empty() { "TRAIL CHANGED" } else { "LOGGING STOPPED" };
        if let Some(gap) = stopped.iter().chain(&changed).next() {
            let until = if gap.to > gap.from { format!(" to {}", format::time(gap.to)) } else { String::new() };
            let more = stopped.len() + changed.len() - 1;
            let more = if more > 0 { format!(", and {} more", format::size(more)) } else { String::new() };
            self.push(&format!("{what} in {} {}{until}{more}", gap.account, format::time(gap.from)));
        }
        // What the lines above say is not said again.
        let said = |unknown: &Unknown| {
            use Unknown::{Changed, Conflicts, IamRegion, Incomplete, NotRead, NothingRead, Stopped};
            matches!(
                unknown,
                NothingRead | Conflicts | NotRead(_) | Incomplete | IamRegion(_) | Stopped(_) | Changed(_)
            )
        };
        let unsaid = assurance::unknowns(self.report).into_iter().filter(|unknown| !said(unknown));
        let words: Vec<String> = unsaid.map(Unknown::words).collect();
        if !words.is_empty() {
            self.push(&format!("NOT KNOWN: {}", words.join("; ")));
        }
    }

    fn figures(&mut self) {
        let figures = &self.report.figures.iam;
        let counts = &figures.deactivations;
        self.figure(
            "not legitimate",
            &format!(
                "{} of {}, {} not detected ({} of all {})",
                format::size(counts.not_legitimate),
                format::plural(counts.opened_window, "deactivation", "deactivations"),
                format::size(figures.mttd_not_legitimate.undetected),
                format::size(figures.mttd.undetected),
                format::size(counts.opened_window)
            ),
        );
        self.figure("time to detect", &stat(&figures.mttd.stat, ""));
        self.figure(
            "time to remediate",
            &stat(&figures.mttr.stat, &format!("; {} open", format::size(figures.mttr.open))),
        );
        let hours = |hours: f64| format::number(hours).unwrap_or_else(|| NONE.to_owned());
        let exposure = &figures.exposure;
        let carried = match exposure.carried_in {
            0 => String::new(),
            n => format!(" ({} open at the start)", format::size(n)),
        };
        let standing = match exposure.standing {
            Standing { open: 0, principal_hours: 0.0 } => String::new(),
            Standing { open, principal_hours } => {
                format!("; standing {}, {} h", format::size(open), hours(principal_hours))
            }
        };
        self.figure("exposure", &format!("{} principal-hours{carried}{standing}", hours(exposure.principal_hours)));
    }

    /// MFA coverage, findings, quiet intervals, failures.
    fn beside(&mut self) {
        let report = self.report;
        if let Some(c) = report.figures.mfa_coverage
            && let Some((part, whole)) = c.console_users_with_mfa.zip(c.console_users)
        {
            let accounts = assurance::in_accounts(report, &c);
            let count = format!("{} of {} console users{accounts}", format::size(part), format::size(whole));
            self.figure("with a device", &count);
        }
        let count = |n: usize, one: &str, many: &str| Some(n).filter(|n| *n > 0).map(|n| format::plural(n, one, many));
        let also = [
            count(report.reconciliation.len(), "reconciliation finding", "reconciliation findings"),
            count(report.leftover_devices.len(), "leftover device", "leftover devices"),
            count(GapKind::Quiet.all(&report.coverage).count(), "quiet interval", "quiet intervals"),
        ];
        let also: Vec<String> = also.into_iter().flatten().collect();
        if !also.is_empty() {
            self.push(&format!("  also: {}", also.join(", ")));
        }
        let failures = &report.coverage.failures;
        if let Some(failure) = failures.first() {
            // The end of a key tells more than its beginning, and the error more than the key.
            let error = escape::terminal(&failure.error);
            let object = escape::terminal(&failure.object);
            let room = self.width.map(|width| width.saturating_sub(escape::columns(&error) + 12).max(width / 3));
            let object = room.map_or_else(|| object.clone(), |room| cut_front(&object, room));
            let more = failures.len() - 1;
            let more = if more > 0 { format!("{} more and ", format::size(more)) } else { String::new() };
            self.push(&format!("not read: {more}{object}: {error}"));
        }
    }

    /// Risks that somebody accepted.
    fn exceptions(&mut self) {
        let all = &self.report.exceptions;
        if !all.is_empty() {
            self.push(&format!("{}; figures include what they are about", view::exceptions::sentence(all)));
        }
    }

    /// What changed since an earlier report; what stands against the comparison comes first.
    fn changes(&mut self) {
        let report = self.report;
        let Some(changes) = &report.changes else { return };
        if let Some(first) = changes.caveats.first() {
            let more = changes.caveats.len() - 1;
            let more = if more > 0 {
                format!(" (and {})", format::plural(more, "more caveat", "more caveats"))
            } else {
                String::new()
            };
            self.push(&format!("comparison: {}{more}", first.text));
        }
        let told = view::change::sentence(report, changes);
        self.push(&told.replacen("Compared", "compared", 1));
    }

    fn notices(&mut self) {
        let notices = &self.report.notices;
        if notices.is_empty() {
            return;
        }
        let named = if self.width.is_some() { 1 } else { notices.len() };
        let n = format::plural(notices.len(), "notice", "notices");
        self.push(&if self.width.is_some() { format!("{n}, in full in the report:") } else { format!("{n}:") });
        for notice in notices.iter().take(named) {
            self.push(&format!("  {}: {}", notice.code.as_str(), notice.text));
        }
    }
}

fn name(who: &Principal) -> String {
    match who.kind {
        PrincipalKind::Root => "root".to_owned(),
        PrincipalKind::IamUser | PrincipalKind::IdentityCenter => who.name.clone(),
    }
}

fn stat(stat: &Stat, beside: &str) -> String {
    if stat.n == 0 {
        return format!("{NONE} (n 0){beside}");
    }
    let short = |s: Option<f64>| s.and_then(format::duration).unwrap_or_else(|| NONE.to_owned());
    format!("mean {} (n {}), median {}{beside}", short(stat.mean_s), format::size(stat.n), short(stat.median_s))
}

/// Cuts the front off `text`, so that at most `width` columns remain; what is cut begins with `…`.
fn cut_front(text: &str, width: usize) -> String {
    if escape::columns(text) <= width {
        return text.to_owned();
    }
    let mut rest = text;
    while escape::columns(rest) + 1 > width {
        let mut chars = rest.chars();
        if chars.next().is_none() {
            break;
        }
        rest = chars.as_str();
    }
    format!("…{rest}")
}
