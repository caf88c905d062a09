//! What a report must not hold for its reader to be content: the conditions of `--fail-on`, and which of them hold.

use std::str::FromStr;

use chrono::TimeDelta;

use crate::contract::{Class, Report, Stat, Window};
use crate::report::{duration_exact, plural};
use crate::units::{display_duration, parse_duration};

/// The conditions as they are written, for errors.
const VALUES: &str = "open-window, not-legitimate, suspected-takeover, undetected, reconciliation, gap, \
    stopped-trail, expired-exception, coverage<PERCENT, mttr>AGE, mttd>AGE";

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailOn {
    /// A window that is open at `as_of`, standing ones included.
    OpenWindow,
    /// A deactivation whose class is not legitimate.
    NotLegitimate,
    /// A suspected takeover.
    SuspectedTakeover,
    /// A deactivation of the period that nobody noticed.
    Undetected,
    /// A reconciliation finding.
    Reconciliation,
    /// An interval without evidence, or with weakened evidence.
    Gap,
    /// A trail that was stopped or deleted.
    StoppedTrail,
    /// An accepted risk that has expired.
    ExpiredException,
    /// Fewer console users with a device than so many per cent, or an unknown number of them.
    Coverage(f64),
    /// A mean time to remediate above this.
    Mttr(TimeDelta),
    /// A mean time to detect above this.
    Mttd(TimeDelta),
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let age = |age: &str| parse_duration(age.trim()).map_err(|error| error.to_string());
        Ok(match text {
            "open-window" => Self::OpenWindow,
            "not-legitimate" => Self::NotLegitimate,
            "suspected-takeover" => Self::SuspectedTakeover,
            "undetected" => Self::Undetected,
            "reconciliation" => Self::Reconciliation,
            "gap" => Self::Gap,
            "stopped-trail" => Self::StoppedTrail,
            "expired-exception" => Self::ExpiredException,
            _ => match (text.split_once('<'), text.split_once('>')) {
                (Some((name, share)), _) if name.trim() == "coverage" => Self::Coverage(percent(share)?),
                (_, Some((name, limit))) if name.trim() == "mttr" => Self::Mttr(age(limit)?),
                (_, Some((name, limit))) if name.trim() == "mttd" => Self::Mttd(age(limit)?),
                _ => {
                    return Err(format!(
                        "it is not one of {VALUES} (hint: quote `<` and `>`, which the shell interprets otherwise)"
                    ));
                }
            },
        })
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    let share: Option<f64> = number.parse().ok().filter(|share| (0.0..=100.0).contains(share));
    share.ok_or_else(|| format!("`{}` is not a percentage between 0 and 100 (hint: write `coverage<95`)", text.trim()))
}

impl FailOn {
    /// Why the condition holds; `None` where it does not. Names nobody: the report may be redacted.
    #[must_use]
    pub fn holds(self, report: &Report) -> Option<String> {
        let figures = &report.figures.iam;
        let counted = |n: usize, one: &str, many: &str| (n > 0).then(|| plural(n, one, many));
        let windows = |holds: &dyn Fn(&Window) -> bool| report.windows.iter().filter(|window| holds(window)).count();
        match self {
            Self::OpenWindow => counted(windows(&|window| window.is_open()), "open window", "open windows"),
            Self::NotLegitimate => counted(
                windows(&|window| window.legitimate == Some(false)),
                "deactivation is not legitimate",
                "deactivations are not legitimate",
            ),
            Self::SuspectedTakeover => counted(
                windows(&|window| window.class == Some(Class::SuspectedTakeover)),
                "suspected takeover",
                "suspected takeovers",
            ),
            Self::Undetected => {
                counted(figures.mttd.undetected, "deactivation was not detected", "deactivations were not detected")
            }
            Self::Reconciliation => {
                counted(report.reconciliation.len(), "reconciliation finding", "reconciliation findings")
            }
            Self::Gap => counted(report.coverage.gaps.len(), "gap in the evidence", "gaps in the evidence"),
            Self::StoppedTrail => {
                let stopped = report.coverage.gaps.iter().filter(|gap| gap.is_stopped_trail()).count();
                counted(stopped, "trail was stopped or deleted", "trails were stopped or deleted")
            }
            Self::ExpiredException => {
                let expired = report.exceptions.iter().filter(|one| one.expired).count();
                counted(expired, "accepted risk has expired", "accepted risks have expired")
            }
            Self::Coverage(least) => coverage_below(report, least),
            Self::Mttr(limit) => mean_above(&figures.mttr.stat, limit, "the mean time to remediate"),
            Self::Mttd(limit) => mean_above(&figures.mttd.stat, limit, "the mean time to detect"),
        }
    }

    /// The condition as it is written.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::OpenWindow => "open-window".to_owned(),
            Self::NotLegitimate => "not-legitimate".to_owned(),
            Self::SuspectedTakeover => "suspected-takeover".to_owned(),
            Self::Undetected => "undetected".to_owned(),
            Self::Reconciliation => "reconciliation".to_owned(),
            Self::Gap => "gap".to_owned(),
            Self::StoppedTrail => "stopped-trail".to_owned(),
            Self::ExpiredException => "expired-exception".to_owned(),
            Self::Coverage(least) => format!("coverage<{least}"),
            Self::Mttr(limit) => format!("mttr>{}", display_duration(limit)),
            Self::Mttd(limit) => format!("mttd>{}", display_duration(limit)),
        }
    }
}

/// What is not known is not enough.
fn coverage_below(report: &Report, least: f64) -> Option<String> {
    let coverage = report.figures.mfa_coverage;
    let known = coverage.and_then(|coverage| coverage.console_users_with_mfa.zip(coverage.console_users));
    let Some((covered, of)) = known else {
        return Some("the number of console users with a device is unknown".to_owned());
    };
    let partial = coverage.is_some_and(|coverage| coverage.accounts < coverage.accounts_in_report);
    let below = of > 0 && (covered as f64) * 100.0 < least * (of as f64);
    match (below, partial) {
        (true, _) => Some(format!("{covered} of {of} console users have a device")),
        (false, true) => Some("IAM state covers only some of the accounts".to_owned()),
        (false, false) => None,
    }
}

fn mean_above(stat: &Stat, limit: TimeDelta, what: &str) -> Option<String> {
    let mean = stat.mean_s.filter(|mean| *mean > limit.num_seconds() as f64)?;
    let shown = duration_exact(mean.round())?;
    Some(format!("{what} is {shown} over {}", plural(stat.n, "window", "windows")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_shown_as_people_read_it() {
        let stat = Stat { n: 13, mean_s: Some(14_586.7), ..Stat::default() };
        let why = mean_above(&stat, TimeDelta::hours(4), "the mean time to remediate");
        assert_eq!(why.as_deref(), Some("the mean time to remediate is 4 h 3 min (14,587 s) over 13 windows"));
        assert_eq!(mean_above(&stat, TimeDelta::hours(5), "the mean time to remediate"), None);
    }

    #[test]
    fn conditions_are_read_as_they_are_written() {
        for (text, condition) in [
            ("open-window", FailOn::OpenWindow),
            ("suspected-takeover", FailOn::SuspectedTakeover),
            ("coverage<95", FailOn::Coverage(95.0)),
            ("coverage < 99.5%", FailOn::Coverage(99.5)),
            ("mttr>4h", FailOn::Mttr(TimeDelta::hours(4))),
            ("mttd > 2d", FailOn::Mttd(TimeDelta::days(2))),
        ] {
            assert_eq!(text.parse(), Ok(condition), "{text}");
            assert_eq!(condition.name().parse(), Ok(condition), "{text}");
        }
        for text in ["open", "coverage", "coverage<101", "coverage<x", "coverage>5", "mttr<1h", "mttr>", "mttd>soon"] {
            assert!(text.parse::<FailOn>().is_err(), "{text}");
        }
    }
}
