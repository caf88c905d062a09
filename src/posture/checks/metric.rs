//! CloudWatch: does a metric filter on the trail's log group count deactivations, and does an alarm on the metric reach somebody?

use super::Opinion;
use super::delivery::{self, Outcome, Sender};
use crate::contract::{PostureCheck, PostureCode};
use crate::posture::calls::{log_group, quoted, region};
use crate::posture::facts::{Alarm, Composite, Facts, MetricFilter, Trail};
use crate::posture::filter::Filter;
use crate::posture::gather::{Subject, counts_all};

/// A pattern that counts the removal of devices, whether it succeeds or not.
const GOOD_PATTERN: &str = r#"{ ($.eventSource = "iam.amazonaws.com") && (($.eventName = "DeactivateMFADevice") || ($.eventName = "DeleteVirtualMFADevice")) }"#;
/// What a fix calls the filter, its metric and the alarm.
const NAME: &str = "MfaDeviceRemoved";
const NAMESPACE: &str = "Security";

pub(super) fn checks(facts: &Facts) -> Vec<PostureCheck> {
    let (filter, counting) = filter(facts);
    let region = facts.trails.iter().flatten().find_map(group_region);
    let region = region.unwrap_or_else(|| facts.region.clone());
    let alarm = alarm(facts, &filter, counting.as_ref());
    vec![
        filter.check(facts, PostureCode::MetricFilter, Some(&region)),
        alarm.check(facts, PostureCode::MetricAlarm, Some(&region)),
    ]
}

fn group_region(trail: &Trail) -> Option<String> {
    let group = trail.log_group.as_deref()?;
    crate::arn::Arn::parse(group).map(|arn| arn.region.to_owned())
}

/// A filter that counts, and the group that it is on.
struct Counting {
    group: String,
    filter: MetricFilter,
}

fn filter(facts: &Facts) -> (Opinion, Option<Counting>) {
    let trails = match &facts.trails {
        Err(gap) => return (Opinion::gap(gap), None),
        Ok(trails) => trails,
    };
    let covering: Vec<&Trail> =
        trails.iter().filter(|trail| trail.multi_region || trail.home_region == facts.region).collect();
    let Some(trail) = covering.iter().find(|trail| trail.log_group.is_some()) else {
        return (no_group(facts, covering.first().copied()), None);
    };
    let with_group = covering.iter().filter_map(|trail| Some((*trail, trail.log_group.clone()?)));
    let judged: Vec<(Opinion, Option<Counting>)> =
        with_group.map(|(trail, group)| of_group(facts, trail, &group)).collect();
    let best = judged.into_iter().max_by_key(|(opinion, _)| opinion.verdict);
    best.unwrap_or_else(|| (no_group(facts, Some(trail)), None))
}

fn no_group(facts: &Facts, trail: Option<&Trail>) -> Opinion {
    let Some(trail) = trail else {
        return Opinion::fail(format!("no trail records IAM's events ({})", facts.region), super::trail::create(facts));
    };
    let fix = format!(
        "aws cloudtrail update-trail --name {}{} --cloud-watch-logs-log-group-arn LOG-GROUP-ARN --cloud-watch-logs-role-arn ROLE-ARN\n{}",
        quoted(&trail.arn),
        region(&trail.arn),
        put_filter("LOG-GROUP", &trail.home_region)
    );
    Opinion::fail("the trail writes to no log group of CloudWatch Logs, so no metric filter sees its events", fix)
        .of(&trail.arn)
}

fn of_group(facts: &Facts, trail: &Trail, group: &str) -> (Opinion, Option<Counting>) {
    let name = log_group(group).unwrap_or(group).to_owned();
    let owner = crate::arn::Arn::parse(group).map(|arn| arn.account).unwrap_or_default();
    let filters = match &trail.filters {
        Err(gap) if owner != facts.account => {
            let reason = format!("the log group is in account {owner}, where its filters are judged: {}", gap.0);
            return (Opinion::unknown(reason).of(group), None);
        }
        Err(gap) => return (Opinion::gap(gap).of(group), None),
        Ok(filters) => filters,
    };
    if owner != facts.account {
        let reason = format!("the log group is in account {owner}: its filters and alarms are judged there");
        return (Opinion::unknown(reason).of(group), None);
    }
    let own: Vec<(&MetricFilter, Option<bool>, Option<String>)> =
        filters.iter().filter(|filter| filter.log_group == name).map(|filter| judged(facts, filter)).collect();
    if let Some((filter, ..)) = own.iter().find(|(_, counts, _)| *counts == Some(true)) {
        if let Some(error) = trail.status.as_ref().ok().and_then(|status| status.log_group_error.as_deref()) {
            let reason = format!(
                "the filter `{}` counts deactivations, but the trail cannot write to its log group: {error}",
                filter.name
            );
            let fix = format!(
                "aws cloudtrail update-trail --name {}{} --cloud-watch-logs-log-group-arn {} --cloud-watch-logs-role-arn ROLE-ARN",
                quoted(&trail.arn),
                region(&trail.arn),
                quoted(group)
            );
            return (Opinion::fail(reason, fix).of(group), None);
        }
        let counting = Counting { group: group.to_owned(), filter: (*filter).clone() };
        return (Opinion::pass(format!("the filter `{}` counts them", filter.name)).of(group), Some(counting));
    }
    if let Some((filter, _, why)) = own.iter().find(|(_, counts, _)| counts.is_none()) {
        let why = why.as_deref().unwrap_or("its pattern asks `!=` of what such a record does not have");
        let reason = format!(
            "whether the filter `{}` counts deactivations is not known: {why} (hint: `aws logs test-metric-filter` tells)",
            filter.name
        );
        return (Opinion::unknown(reason).of(group), None);
    }
    let stray = filters.iter().find(|filter| filter.log_group != name && judged(facts, filter).1 == Some(true));
    let meant = own.iter().find(|(filter, ..)| filter.pattern.to_lowercase().contains("mfadevice"));
    let reason = match (stray, meant) {
        (Some(stray), _) => {
            format!("the filter `{}` is on the log group `{}`, to which no trail writes", stray.name, stray.log_group)
        }
        (None, Some((filter, ..))) => {
            format!("the pattern of the filter `{}` does not match every deactivation", filter.name)
        }
        (None, None) => format!("no metric filter on the trail's log group `{name}` matches `DeactivateMFADevice`"),
    };
    let region = crate::arn::Arn::parse(group).map(|arn| arn.region).unwrap_or_default();
    (Opinion::fail(reason, put_filter(&name, region)).of(group), None)
}

/// Whether a filter counts every kind of deactivation; in words why that is not known, where it is its pattern.
fn judged<'f>(facts: &Facts, filter: &'f MetricFilter) -> (&'f MetricFilter, Option<bool>, Option<String>) {
    let subject = Subject {
        account: facts.account.clone(),
        partition: facts.partition.clone(),
        region: facts.region.clone(),
        taken_at: facts.taken_at,
    };
    let why = Filter::parse(&filter.pattern).err().map(|why| format!("its pattern is not understood: {why}"));
    (filter, filter.counts.or_else(|| counts_all(&filter.pattern, &subject)), why)
}

fn put_filter(group: &str, region: &str) -> String {
    format!(
        "aws logs put-metric-filter --region {region} --log-group-name {} --filter-name {NAME} --filter-pattern {} --metric-transformations metricName={NAME},metricNamespace={NAMESPACE},metricValue=1",
        quoted(group),
        quoted(GOOD_PATTERN)
    )
}

fn alarm(facts: &Facts, filter: &Opinion, counting: Option<&Counting>) -> Opinion {
    let Some(counting) = counting else {
        return match filter.verdict {
            crate::contract::Verdict::CannotTell => Opinion::unknown("which metric counts deactivations is not known"),
            _ => Opinion::fail(
                "no metric filter counts deactivations, so no alarm can report them",
                put_alarm(facts, NAMESPACE, NAME),
            ),
        };
    };
    let alarms = match &facts.alarms {
        Err(gap) => return Opinion::gap(gap),
        Ok(alarms) => alarms,
    };
    let metrics = &counting.filter.metrics;
    let of_metric = |metric: &(String, String)| {
        metrics.iter().any(|(namespace, name, _)| (namespace, name) == (&metric.0, &metric.1))
    };
    let own = alarms.metric.iter().filter(|alarm| alarm.metrics.iter().any(of_metric));
    let judged: Vec<(&Alarm, Outcome)> =
        own.map(|alarm| (alarm, of_alarm(facts, alarm, &alarms.composite, value(counting)))).collect();
    let rank = |outcome: &Outcome| match outcome.reaches {
        Some(true) => 2,
        None => 1,
        Some(false) => 0,
    };
    let Some((alarm, outcome)) = judged.into_iter().rev().max_by_key(|(_, outcome)| rank(outcome)) else {
        let (namespace, name) = metrics.first().map_or((NAMESPACE, NAME), |(namespace, name, _)| (namespace, name));
        let reason = format!("no alarm is on the metric `{name}` of the namespace `{namespace}`");
        return Opinion::fail(reason, put_alarm(facts, namespace, name)).of(&counting.group);
    };
    let reason = format!("alarm `{}`: {}", alarm.name, outcome.reason);
    match outcome.reaches {
        Some(true) => Opinion::pass(reason),
        None => Opinion::unknown(reason),
        Some(false) => Opinion::fail(reason, outcome.fix.unwrap_or_default()),
    }
    .of(&alarm.arn)
}

/// How much a match adds to the metric; `None` where the record says.
fn value(counting: &Counting) -> Option<f64> {
    counting.filter.metrics.first().and_then(|(_, _, value)| value.parse().ok())
}

fn of_alarm(facts: &Facts, alarm: &Alarm, composites: &[Composite], value: Option<f64>) -> Outcome {
    let put = || {
        let (namespace, name) = alarm.metrics.first().map_or((NAMESPACE, NAME), |(namespace, name)| (namespace, name));
        Some(put_alarm(facts, namespace, name))
    };
    let broken = |reason: String| Outcome { reaches: Some(false), reason, fix: put() };
    if alarm.computed {
        let reason = "it computes something of the metric, which is not followed".to_owned();
        return Outcome { reaches: None, reason, fix: None };
    }
    let counts =
        alarm.statistic.as_deref().is_some_and(|kind| ["Sum", "Maximum", "SampleCount", "Average"].contains(&kind));
    let one = if alarm.statistic.as_deref() == Some("SampleCount") { Some(1.0) } else { value };
    let fires = match (alarm.comparison.as_str(), alarm.threshold, one) {
        (_, None, _) | (_, _, None) => None,
        ("GreaterThanOrEqualToThreshold", Some(threshold), Some(one)) => Some(counts && one >= threshold),
        ("GreaterThanThreshold", Some(threshold), Some(one)) => Some(counts && one > threshold),
        _ => Some(false),
    };
    if fires == Some(false) {
        return broken("one deactivation does not reach its threshold".to_owned());
    }
    if alarm.periods > 1 {
        return broken(format!("it waits for {} periods in which devices are deactivated", alarm.periods));
    }
    let members = composites.iter().filter(|composite| names(composite, alarm));
    let told = std::iter::once((alarm.arn.as_str(), alarm.enabled, &alarm.actions))
        .chain(members.map(|composite| (composite.arn.as_str(), composite.enabled, &composite.actions)));
    let mut outcomes = Vec::new();
    for (source, enabled, actions) in told {
        if !enabled {
            outcomes.push(Outcome {
                reaches: Some(false),
                reason: "its actions are disabled".to_owned(),
                fix: Some(format!(
                    "aws cloudwatch enable-alarm-actions{} --alarm-names {}",
                    region(&alarm.arn),
                    quoted(&alarm.name)
                )),
            });
            continue;
        }
        let sender = Sender { service: "cloudwatch.amazonaws.com", source };
        outcomes.extend(actions.iter().map(|action| delivery::outcome(facts, &sender, action)));
    }
    let best = Outcome::best(outcomes).unwrap_or_else(|| broken("it has no actions: nobody is notified".to_owned()));
    if best.reaches == Some(true) && fires.is_none() {
        let reason = "whether one deactivation reaches its threshold is not known".to_owned();
        return Outcome { reaches: None, reason, fix: None };
    }
    best
}

/// Whether a composite alarm goes off with this one: only what is plainly so, `ALARM(a) OR ALARM(b)`, is followed.
fn names(composite: &Composite, alarm: &Alarm) -> bool {
    let quoted = format!("\"{}\"", alarm.name);
    let bare = format!("({})", alarm.name);
    let named =
        composite.rule.contains(&quoted) || composite.rule.contains(&bare) || composite.rule.contains(&alarm.arn);
    named && !composite.rule.contains("NOT ") && !composite.rule.contains(" AND ")
}

fn put_alarm(facts: &Facts, namespace: &str, metric: &str) -> String {
    let region = facts.trails.iter().flatten().find_map(group_region).unwrap_or_else(|| facts.region.clone());
    format!(
        "aws cloudwatch put-metric-alarm --region {region} --alarm-name {NAME} --namespace {} --metric-name {} --statistic Sum --period 300 --evaluation-periods 1 --threshold 1 --comparison-operator GreaterThanOrEqualToThreshold --treat-missing-data notBreaching --alarm-actions TOPIC-ARN",
        quoted(namespace),
        quoted(metric)
    )
}
