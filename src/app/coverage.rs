//! What a report rests on: days without any object, what weakened the evidence, and whether IAM can be seen at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::Run;
use crate::contract::{Conflict, Coverage, Gap, Notice, NoticeCode, Period, Report};
use crate::exposure;
use crate::mfa::{self, Event};
use crate::partition;
use crate::pipeline::{AccountSpan, Scanned};
use crate::source::Selection;
use crate::units::plural;

/// How many of the events with different contents are named where no report is made.
const NAMED: usize = 20;

/// The times of the records that were read, where there are any: the month may be mistyped.
fn times_read(scanned: &Scanned) -> String {
    let first = scanned.accounts.values().filter_map(|span| span.first).min();
    let last = scanned.accounts.values().filter_map(|span| span.last).max();
    first.zip(last).map_or_else(String::new, |(first, last)| {
        format!(" (the records that were read are from {} to {})", first.date_naive(), last.date_naive())
    })
}

/// Completes what the scan counted.
pub(crate) fn coverage(
    scanned: &Scanned,
    events: &[Event],
    period: Period,
    as_of: DateTime<Utc>,
    selection: &Selection,
    notices: &mut Vec<Notice>,
) -> Coverage {
    let mut coverage = scanned.coverage.clone();
    coverage.complete = coverage.objects_read > 0 && coverage.failures.is_empty();
    let end = period.to.min(as_of);
    let mut gaps = days_without_objects(&coverage, period, end);
    gaps.extend(exposure::gaps(events, period, end));
    for (account, region) in blind(scanned) {
        let gap = |region: &str| Gap {
            account: account.to_owned(),
            region: Some(region.to_owned()),
            from: period.from,
            to: end,
            cause: "iam_region_not_read".to_owned(),
            event_id: None,
        };
        gaps.push(gap(region));
        notices.push(Notice {
            code: NoticeCode::IamNotSeen,
            text: format!(
                "account {account}: no object of {region}, where IAM events are recorded, was read: this report cannot see its IAM events"
            ),
        });
    }
    let seen = |span: &AccountSpan| {
        span.first.is_some_and(|first| first < period.to) && span.last.is_some_and(|last| last >= period.from)
    };
    if coverage.objects_read > 0 && !scanned.accounts.values().any(seen) {
        notices.push(Notice {
            code: NoticeCode::PeriodNotCovered,
            text: format!(
                "no record of this period was read, so this report is not evidence that nothing happened{}",
                times_read(scanned)
            ),
        });
    }
    if as_of < period.to {
        notices.push(Notice {
            code: NoticeCode::PeriodNotOver,
            text: format!(
                "the report covers the period only up to {}: the end of the period is missing",
                as_of.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            ),
        });
    }
    if coverage.objects_read == 0 {
        notices.push(Notice {
            code: NoticeCode::NothingRead,
            text: "no object was read, so this report is not evidence that nothing happened".to_owned(),
        });
    }
    notices.extend(from_ocsf(scanned));
    if !selection.accounts.is_empty() || !selection.regions.is_empty() {
        let chosen = [("accounts", &selection.accounts), ("regions", &selection.regions)];
        let chosen: Vec<String> = chosen
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(what, list)| format!("{what} {}", list.join(", ")))
            .collect();
        notices.push(Notice {
            code: NoticeCode::Selection,
            text: format!("only {} were read, as requested", chosen.join(" and ")),
        });
    }
    gaps.sort();
    notices.sort();
    notices.dedup();
    coverage.gaps = gaps;
    coverage
}

/// Names the records that were read from Security Lake, and what is not known of them.
fn from_ocsf(scanned: &Scanned) -> Option<Notice> {
    let records: u64 = scanned.accounts.values().map(|span| span.ocsf).sum();
    let accounts = scanned.accounts.values().filter(|span| span.ocsf > 0).count();
    (records > 0).then(|| Notice {
        code: NoticeCode::OcsfSource,
        text: format!(
            "{} of {} came from Security Lake (OCSF), which keeps less than CloudTrail writes: when they were delivered, whether some sessions had MFA, and whether a digest proves them is unknown",
            plural(records, "record", "records"),
            plural(accounts, "account", "accounts"),
        ),
    })
}

/// Whether the evidence is what a report needs: everything that was listed was read, something of the period was, and the
/// region that logs IAM was read of every account.
pub(crate) fn is_complete(report: &Report) -> bool {
    let unseen = |notice: &Notice| matches!(notice.code, NoticeCode::PeriodNotCovered | NoticeCode::IamNotSeen);
    report.coverage.complete && !report.notices.iter().any(unseen)
}

/// Names the events that several records contradict each other about: then the evidence is not complete.
pub(crate) fn contest(coverage: &mut Coverage, conflicts: Vec<mfa::Conflict>, notices: &mut Vec<Notice>) {
    coverage.conflicts = by_event(conflicts);
    coverage.complete &= coverage.conflicts.is_empty();
    notices.extend(coverage.conflicts.iter().map(contested));
    notices.sort();
}

/// Each event once, with all the objects of its records.
pub(crate) fn by_event(conflicts: Vec<mfa::Conflict>) -> Vec<Conflict> {
    let mut all: BTreeMap<(String, String), [BTreeSet<String>; 2]> = BTreeMap::new();
    for mfa::Conflict { account, event_id, objects, kept } in conflicts {
        let [known_objects, known_kept] = all.entry((account, event_id)).or_default();
        known_objects.extend(objects);
        known_kept.extend(kept);
    }
    let list = |objects: BTreeSet<String>| objects.into_iter().collect();
    let mut named = Vec::new();
    for ((account, event_id), [objects, kept]) in all {
        named.push(Conflict { account, event_id, objects: list(objects), kept: list(kept) });
    }
    named
}

/// Says it of the first few, for what makes no report.
pub(crate) fn warn(conflicts: &[Conflict], run: Run<'_>) {
    for conflict in conflicts.iter().take(NAMED) {
        run.observer.warn(&contested(conflict).text);
    }
    if conflicts.len() > NAMED {
        run.observer.warn(&format!("and {} more events with conflicting records", conflicts.len() - NAMED));
    }
}

/// What there is to say of one of them.
pub(crate) fn contested(conflict: &Conflict) -> Notice {
    let Conflict { account, event_id, objects, kept } = conflict;
    let counts = if kept.len() < objects.len() {
        format!("only the record in {} counts, because a digest proves it", kept.join(", "))
    } else {
        "all of them count, and where they disagree, the less favorable one for the user is used".to_owned()
    };
    if let [object] = &objects[..] {
        return Notice {
            code: NoticeCode::EventConflict,
            text: format!(
                "event {event_id} of account {account} has records with different contents in {object}, or is no longer in its current version: where they disagree, the less favorable one for the user is used"
            ),
        };
    }
    Notice {
        code: NoticeCode::EventConflict,
        text: format!(
            "event {event_id} of account {account} has records with different contents, in {}: {counts}",
            objects.join(" and ")
        ),
    }
}

/// Runs of days, by delivery, on which an account's region that has objects has none.
fn days_without_objects(coverage: &Coverage, period: Period, end: DateTime<Utc>) -> Vec<Gap> {
    let mut seen: BTreeMap<(&str, &str), BTreeSet<NaiveDate>> = BTreeMap::new();
    for day in &coverage.days {
        if let Ok(date) = NaiveDate::parse_from_str(&day.day, "%Y-%m-%d") {
            seen.entry((&day.account, &day.region)).or_default().insert(date);
        }
    }
    let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
    let mut gaps = Vec::new();
    for ((account, region), days) in seen {
        let mut missing: Option<(NaiveDate, NaiveDate)> = None;
        let close = |missing: &mut Option<(NaiveDate, NaiveDate)>, gaps: &mut Vec<Gap>| {
            if let Some((first, next)) = missing.take() {
                gaps.push(Gap {
                    account: account.to_owned(),
                    region: Some(region.to_owned()),
                    from: midnight(first).max(period.from),
                    to: midnight(next).min(end),
                    cause: "no_objects".to_owned(),
                    event_id: None,
                });
            }
        };
        let mut day = period.from.date_naive();
        while midnight(day) < end {
            let Some(next) = day.checked_add_days(Days::new(1)) else { break };
            if days.contains(&day) {
                close(&mut missing, &mut gaps);
            } else {
                missing = Some((missing.map_or(day, |(first, _)| first), next));
            }
            day = next;
        }
        close(&mut missing, &mut gaps);
    }
    gaps
}

/// Of each account the first and the last moment of its evidence. Where windows are measured to the last delivery, that is how far
/// all of it reaches.
pub(crate) fn covered(
    scanned: &Scanned,
    as_of: DateTime<Utc>,
    to_last_delivery: bool,
) -> BTreeMap<String, [DateTime<Utc>; 2]> {
    let spans = scanned.accounts.iter();
    let known = spans.filter_map(|(account, span)| Some((account.clone(), [span.first?, evidence_end(span)?])));
    known
        .map(|(account, [first, end])| (account, [first, if to_last_delivery { end.max(as_of) } else { end }]))
        .collect()
}

/// Up to when the evidence on an account's IAM reaches: the latest delivery among the objects of IAM's region, else, where
/// no key tells of a region, the last record. Of a partition of which that region is not known, any region may be it.
fn evidence_end(span: &AccountSpan) -> Option<DateTime<Utc>> {
    let regions = span.regions.iter().map(|region| partition::iam_region(region).unwrap_or(region));
    let delivered = regions.filter_map(|region| span.delivered.get(region).copied()).max();
    delivered.max(span.last.filter(|_| span.delivered.is_empty()))
}

/// Accounts of which something was read, but nothing of the region that logs IAM, with that region. Of a partition of which
/// that region is not known, whatever region is there may be it.
pub(crate) fn blind(scanned: &Scanned) -> impl Iterator<Item = (&str, &'static str)> {
    scanned.accounts.iter().filter_map(|(account, span)| {
        let mut wanted = span.regions.iter().filter_map(|region| partition::iam_region(region));
        let first = wanted.next()?;
        let seen = |region: &str| span.regions.contains(region);
        (!seen(first) && !wanted.any(seen)).then_some((account.as_str(), first))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iam_is_looked_for_in_its_region_of_every_partition() {
        for (regions, missing) in [
            (&["us-east-1", "eu-west-1"][..], None),
            (&["eu-west-1", "ap-south-1"], Some("us-east-1")),
            (&["us-gov-east-1"], Some("us-gov-west-1")),
            (&["us-gov-west-1"], None),
            (&["cn-northwest-1"], Some("cn-north-1")),
            (&["cn-north-1", "cn-northwest-1"], None),
            (&["eusc-de-east-1"], None),
            (&["us-iso-west-1"], Some("us-iso-east-1")),
            (&["us-isob-west-1"], Some("us-isob-east-1")),
            (&["us-isob-east-1"], None),
            (&["eu-isoe-west-1"], None),
            (&["us-isof-south-1", "us-isof-east-1"], None),
            (&[], None),
        ] {
            let span =
                AccountSpan { regions: regions.iter().map(ToString::to_string).collect(), ..AccountSpan::default() };
            let scanned = Scanned { accounts: [("111122223333".to_owned(), span)].into(), ..Scanned::default() };
            let expected: Vec<(&str, &str)> = missing.map(|region| ("111122223333", region)).into_iter().collect();
            assert_eq!(blind(&scanned).collect::<Vec<_>>(), expected, "{regions:?}");
        }
    }
}
