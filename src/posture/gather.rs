//! From answers to facts. Only what a verdict hangs on is asked: targets of rules that match, alarms where a filter counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::calls::{Call, Refusal, Source, is_of, log_group};
use super::facts::{
    Alarm, Alarms, Composite, ControlPolicy, Destination, Facts, Gap, Iam, Level, MetricFilter, Organization,
    ResourcePolicy, Rule, Target, Told, Trail, TrailStatus,
};
use super::filter::Filter;
use super::pattern::Pattern;
use super::probe::Probe;
use crate::arn::Arn;
use crate::inventory::{Policy, all_of};

/// How many units lie above one another at most: AWS allows five below the root.
const HIGHEST: usize = 12;
/// The policy of AWS that allows everything, attached to whatever is new.
const FULL_ACCESS: &str = "p-FullAWSAccess";
/// Sources whose management events may be left out: they are many, and none is about MFA.
const HARMLESS_EXCLUSIONS: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];

/// Whom the facts are about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The account's id.
    pub(crate) account: String,
    /// Its partition.
    pub(crate) partition: String,
    /// The region in which IAM's events are.
    pub(crate) region: String,
    /// When the facts are, or were, read.
    pub(crate) taken_at: DateTime<Utc>,
}

/// Asks for everything that the checks need.
pub(crate) fn gather(source: &dyn Source, subject: &Subject, iam: Told<Iam>) -> Facts {
    let rules = rules(source, subject);
    let trails = trails(source, subject);
    let alarms = alarms(source, subject, &trails);
    let mut arns = BTreeSet::new();
    for rule in rules.iter().flatten() {
        arns.extend(rule.targets.iter().flatten().map(|target| target.arn.clone()));
    }
    if let Ok(alarms) = &alarms {
        arns.extend(alarms.metric.iter().flat_map(|alarm| alarm.actions.clone()));
        arns.extend(alarms.composite.iter().flat_map(|alarm| alarm.actions.clone()));
    }
    let destinations: BTreeMap<_, _> =
        arns.into_iter().filter_map(|arn| Some((arn.clone(), destination(source, &arn)?))).collect();
    Facts {
        account: subject.account.clone(),
        partition: subject.partition.clone(),
        region: subject.region.clone(),
        taken_at: subject.taken_at,
        rules,
        trails,
        alarms,
        destinations,
        organization: organization(source, &subject.account),
        iam,
    }
}

impl From<Refusal> for Gap {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.why)
    }
}

/// That an answer lacks what every answer has.
fn odd(call: &Call) -> Gap {
    Gap(format!("the answer of `{}` cannot be understood", call.command()))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// A truth value; XML has it as text.
fn flag(value: &Value, name: &str) -> Option<bool> {
    match value.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A number; XML has it as text.
fn number(value: &Value, name: &str) -> Option<f64> {
    match value.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A time: seconds since 1970 on the wire, RFC 3339 from the AWS CLI.
fn time(value: &Value, name: &str) -> Option<DateTime<Utc>> {
    match value.get(name)? {
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.with_timezone(&Utc))
            .or_else(|| seconds(text.parse().ok()?)),
        Value::Number(number) => seconds(number.as_f64()?),
        _ => None,
    }
}

fn seconds(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds as i64, 0)
}

/// A policy that stands in an answer as text.
fn policy(value: Option<&Value>) -> ResourcePolicy {
    let parsed = |value: &Value| Policy::parse(value).ok_or_else(|| Gap("its policy cannot be understood".to_owned()));
    ResourcePolicy(value.filter(|value| value.as_str() != Some("")).map(parsed).transpose())
}

fn rules(source: &dyn Source, subject: &Subject) -> Told<Vec<Rule>> {
    let answer = source.ask(&Call::Rules)?;
    let mut rules = Vec::new();
    for value in list(&answer, "Rules") {
        let (Some(name), Some(arn)) = (text(value, "Name"), text(value, "Arn")) else { return Err(odd(&Call::Rules)) };
        // A schedule has no pattern, and what AWS's services made for themselves tells nobody.
        let Some(pattern) = text(value, "EventPattern").filter(|_| text(value, "ManagedBy").is_none()) else {
            continue;
        };
        let bus = text(value, "EventBusName").unwrap_or_else(|| "default".to_owned());
        let region = Arn::parse(&arn).map(|arn| arn.region.to_owned()).unwrap_or_default();
        let enabled = text(value, "State").is_none_or(|state| state.starts_with("ENABLED"));
        let mut rule = Rule { arn, name, bus, region, enabled, pattern, matches: Vec::new(), targets: Ok(Vec::new()) };
        if rule.stands(&subject.region) && Pattern::parse(&rule.pattern).is_err() {
            rule.matches = by_service(source, &rule.pattern, subject);
        }
        let told = rule.matches.iter().any(|(_, matches)| *matches);
        if rule.stands(&subject.region) && (told || concerns(&rule.pattern, subject)) {
            rule.targets = targets(source, &rule);
        }
        rules.push(rule);
    }
    Ok(rules)
}

impl Rule {
    /// Whether it gets IAM's events at all: on the default bus of their region, and enabled.
    pub(super) fn stands(&self, region: &str) -> bool {
        self.enabled && self.region == region && self.is_on_default_bus()
    }

    pub(super) fn is_on_default_bus(&self) -> bool {
        self.bus == "default" || self.bus.ends_with(":event-bus/default")
    }
}

/// What EventBridge itself says of a pattern that is not understood here; nothing where it does not say.
fn by_service(source: &dyn Source, pattern: &str, subject: &Subject) -> Vec<(Probe, bool)> {
    let ask = |probe: Probe| {
        let event = probe.event(&subject.account, &subject.partition, &subject.region).to_string();
        let answer = source.ask(&Call::TestPattern { pattern: pattern.to_owned(), event }).ok()?;
        Some((probe, flag(&answer, "Result")?))
    };
    Probe::SUCCESSES.into_iter().chain([Probe::Refused]).map(ask).collect::<Option<_>>().unwrap_or_default()
}

/// Whether a pattern matches any deactivation.
fn concerns(pattern: &str, subject: &Subject) -> bool {
    let Ok(pattern) = Pattern::parse(pattern) else { return false };
    let mut probes = Probe::SUCCESSES.into_iter().chain([Probe::Refused]);
    probes.any(|probe| pattern.matches(&probe.event(&subject.account, &subject.partition, &subject.region)))
}

fn targets(source: &dyn Source, rule: &Rule) -> Told<Vec<Target>> {
    let call = Call::Targets { rule: rule.arn.clone(), name: rule.name.clone(), bus: rule.bus.clone() };
    let answer = source.ask(&call)?;
    let target = |value: &Value| Some(Target { arn: text(value, "Arn")?, fixed_input: text(value, "Input").is_some() });
    list(&answer, "Targets").iter().map(target).collect::<Option<_>>().ok_or_else(|| odd(&call))
}

/// `None` for what is not asked about.
fn destination(source: &dyn Source, arn: &str) -> Option<Told<Destination>> {
    let call = if is_of(arn, "sns") {
        Call::Topic(arn.to_owned())
    } else if is_of(arn, "sqs") {
        Call::Queue(arn.to_owned())
    } else if is_of(arn, "lambda") {
        Call::FunctionPolicy(arn.to_owned())
    } else {
        return None;
    };
    let answer = match source.ask(&call) {
        Ok(answer) => answer,
        Err(Refusal { absent: true, why }) => return Some(Ok(Destination::Absent(why))),
        Err(refusal) => return Some(Err(refusal.into())),
    };
    let attributes = answer.get("Attributes").unwrap_or(&Value::Null);
    let key = || text(attributes, "KmsMasterKeyId");
    Some(Ok(match call {
        Call::Topic(_) => Destination::Topic {
            policy: policy(attributes.get("Policy")),
            subscribers: subscribers(source, arn, attributes),
            key: key(),
        },
        Call::Queue(_) => Destination::Queue { policy: policy(attributes.get("Policy")), key: key() },
        _ => Destination::Function { policy: policy(answer.get("Policy")) },
    }))
}

/// How many subscriptions were confirmed, as the topic itself says, else by the list of them.
fn subscribers(source: &dyn Source, arn: &str, attributes: &Value) -> Told<u64> {
    let counted: Option<u64> = text(attributes, "SubscriptionsConfirmed").and_then(|count| count.parse().ok());
    if let Some(count) = counted.filter(|count| *count > 0) {
        return Ok(count);
    }
    // The topic's own count comes late: none of them is looked up.
    let answer = match (source.ask(&Call::Subscriptions(arn.to_owned())), counted) {
        (Ok(answer), _) => answer,
        (Err(_), Some(count)) => return Ok(count),
        (Err(refusal), None) => return Err(refusal.into()),
    };
    // A subscription that nobody confirmed has no ARN yet.
    let confirmed = |value: &&Value| text(value, "SubscriptionArn").is_some_and(|arn| arn.starts_with("arn:"));
    Ok(list(&answer, "Subscriptions").iter().filter(confirmed).count() as u64)
}

fn trails(source: &dyn Source, subject: &Subject) -> Told<Vec<Trail>> {
    let answer = source.ask(&Call::Trails)?;
    let trail = |value: &Value| {
        let arn = text(value, "TrailARN")?;
        let log_group = text(value, "CloudWatchLogsLogGroupArn");
        Some(Trail {
            home_region: text(value, "HomeRegion")?,
            bucket: text(value, "S3BucketName").unwrap_or_default(),
            prefix: text(value, "S3KeyPrefix"),
            multi_region: flag(value, "IsMultiRegionTrail")?,
            organization: flag(value, "IsOrganizationTrail").unwrap_or(false),
            validation: flag(value, "LogFileValidationEnabled")?,
            status: status(source, &arn),
            restriction: restriction(source, &arn),
            filters: log_group.as_deref().map_or(Ok(Vec::new()), |group| filters(source, subject, group)),
            log_group,
            arn,
        })
    };
    list(&answer, "trailList").iter().map(trail).collect::<Option<_>>().ok_or_else(|| odd(&Call::Trails))
}

fn status(source: &dyn Source, arn: &str) -> Told<TrailStatus> {
    let call = Call::TrailStatus(arn.to_owned());
    let answer = source.ask(&call)?;
    Ok(TrailStatus {
        logging: flag(&answer, "IsLogging").ok_or_else(|| odd(&call))?,
        delivered_at: time(&answer, "LatestDeliveryTime"),
        delivery_error: text(&answer, "LatestDeliveryError"),
        digest_error: text(&answer, "LatestDigestDeliveryError"),
        log_group_error: text(&answer, "LatestCloudWatchLogsDeliveryError"),
    })
}

/// Why a trail does not record what IAM and sign-in do; `None` where it does.
fn restriction(source: &dyn Source, arn: &str) -> Told<Option<String>> {
    let call = Call::EventSelectors(arn.to_owned());
    let answer = source.ask(&call)?;
    let (basic, advanced) = (list(&answer, "EventSelectors"), list(&answer, "AdvancedEventSelectors"));
    if answer.get("EventSelectors").is_none() && answer.get("AdvancedEventSelectors").is_none() {
        return Err(odd(&call));
    }
    let mut reasons = Vec::new();
    for reason in basic.iter().map(basic_restriction).chain(advanced.iter().map(advanced_restriction)) {
        match reason {
            None => return Ok(None),
            Some(reason) => reasons.push(reason),
        }
    }
    reasons.sort();
    reasons.dedup();
    Ok(Some(if reasons.is_empty() { "it records no management events".to_owned() } else { reasons.join("; ") }))
}

fn basic_restriction(selector: &Value) -> Option<String> {
    if flag(selector, "IncludeManagementEvents") == Some(false) {
        return Some("it records no management events".to_owned());
    }
    if text(selector, "ReadWriteType").is_some_and(|kind| kind == "ReadOnly") {
        return Some("it records only calls that read".to_owned());
    }
    let excluded = texts(selector, "ExcludeManagementEventSources");
    let excluded: Vec<String> =
        excluded.into_iter().filter(|name| !HARMLESS_EXCLUSIONS.contains(&name.as_str())).collect();
    (!excluded.is_empty()).then(|| format!("it leaves out the events of {}", excluded.join(", ")))
}

fn advanced_restriction(selector: &Value) -> Option<String> {
    let fields = list(selector, "FieldSelectors");
    let of =
        |name: &'static str| fields.iter().filter(move |field| text(field, "Field").is_some_and(|field| field == name));
    if !of("eventCategory").any(|field| texts(field, "Equals").iter().any(|value| value == "Management")) {
        return Some("it records no management events".to_owned());
    }
    if of("readOnly").any(|field| texts(field, "Equals").iter().any(|value| value.eq_ignore_ascii_case("true"))) {
        return Some("it records only calls that read".to_owned());
    }
    fields.iter().find_map(|field| {
        let name = text(field, "Field")?;
        match name.as_str() {
            "eventCategory" | "readOnly" => None,
            "eventSource"
                if ["iam.amazonaws.com", "signin.amazonaws.com"]
                    .into_iter()
                    .all(|source| lets_through(field, source)) =>
            {
                None
            }
            "eventName" if lets_through(field, "DeactivateMFADevice") => None,
            _ => Some(format!("it restricts `{name}`")),
        }
    })
}

/// Whether a value passes a field selector: each of its operators must hold, for one of its values.
fn lets_through(field: &Value, value: &str) -> bool {
    let any = |name: &str, holds: &dyn Fn(&str) -> bool| {
        field.get(name).is_none() || texts(field, name).iter().any(|wanted| holds(wanted))
    };
    let none = |name: &str, holds: &dyn Fn(&str) -> bool| !texts(field, name).iter().any(|wanted| holds(wanted));
    any("Equals", &|wanted| value == wanted)
        && any("StartsWith", &|wanted| value.starts_with(wanted))
        && any("EndsWith", &|wanted| value.ends_with(wanted))
        && none("NotEquals", &|wanted| value == wanted)
        && none("NotStartsWith", &|wanted| value.starts_with(wanted))
        && none("NotEndsWith", &|wanted| value.ends_with(wanted))
}

/// Of a log group; where the answer has those of others, too, they are kept: a filter on a group that no trail writes to is a finding.
fn filters(source: &dyn Source, subject: &Subject, group: &str) -> Told<Vec<MetricFilter>> {
    let call = Call::MetricFilters(group.to_owned());
    let answer = source.ask(&call)?;
    let filter = |value: &Value| {
        let metric = |metric: &Value| {
            Some((
                text(metric, "metricNamespace")?,
                text(metric, "metricName")?,
                text(metric, "metricValue").unwrap_or_default(),
            ))
        };
        let pattern = text(value, "filterPattern").unwrap_or_default();
        Some(MetricFilter {
            name: text(value, "filterName")?,
            counts: if counts_all(&pattern, subject).is_none() {
                counted_by_service(source, subject, group, &pattern)
            } else {
                None
            },
            log_group: text(value, "logGroupName").or_else(|| log_group(group).map(str::to_owned))?,
            pattern,
            metrics: list(value, "metricTransformations").iter().map(metric).collect::<Option<_>>()?,
        })
    };
    list(&answer, "metricFilters").iter().map(filter).collect::<Option<_>>().ok_or_else(|| odd(&call))
}

/// Whether a filter matches every kind of deactivation; `None` where that is not known here.
pub(super) fn counts_all(pattern: &str, subject: &Subject) -> Option<bool> {
    let filter = Filter::parse(pattern).ok()?;
    let matches = |probe: Probe| filter.matches(&probe.record(&subject.account, &subject.partition, &subject.region));
    all_of(Probe::SUCCESSES.into_iter().map(matches))
}

/// What CloudWatch Logs itself says of that.
fn counted_by_service(source: &dyn Source, subject: &Subject, group: &str, pattern: &str) -> Option<bool> {
    let region = Arn::parse(group)?.region.to_owned();
    let record = |probe: Probe| probe.record(&subject.account, &subject.partition, &subject.region).to_string();
    let records: Vec<String> = Probe::SUCCESSES.into_iter().map(record).collect();
    let count = records.len();
    let answer = source.ask(&Call::TestFilter { region, pattern: pattern.to_owned(), records }).ok()?;
    Some(answer.get("matches")?.as_array()?.len() == count)
}

/// Alarms of the regions in which a filter counts deactivations.
fn alarms(source: &dyn Source, subject: &Subject, trails: &Told<Vec<Trail>>) -> Told<Alarms> {
    let mut regions = BTreeSet::new();
    for trail in trails.iter().flatten() {
        let counts = |filter: &MetricFilter| {
            let parsed = Filter::parse(&filter.pattern);
            let probe = Probe::Virtual.record(&subject.account, &subject.partition, &subject.region);
            filter.counts.unwrap_or_else(|| parsed.is_ok_and(|parsed| parsed.matches(&probe) != Some(false)))
        };
        if trail.filters.iter().flatten().any(counts) {
            regions.extend(trail.log_group.as_deref().and_then(Arn::parse).map(|arn| arn.region.to_owned()));
        }
    }
    let mut all = Alarms::default();
    for region in regions {
        let call = Call::Alarms(region);
        let answer = source.ask(&call)?;
        for value in list(&answer, "MetricAlarms") {
            all.metric.push(alarm(value).ok_or_else(|| odd(&call))?);
        }
        let composite = |value: &Value| {
            Some(Composite {
                arn: text(value, "AlarmArn")?,
                rule: text(value, "AlarmRule")?,
                enabled: flag(value, "ActionsEnabled").unwrap_or(true),
                actions: texts(value, "AlarmActions"),
            })
        };
        for value in list(&answer, "CompositeAlarms") {
            all.composite.push(composite(value).ok_or_else(|| odd(&call))?);
        }
    }
    Ok(all)
}

fn alarm(value: &Value) -> Option<Alarm> {
    let metric = |value: &Value| Some((text(value, "Namespace")?, text(value, "MetricName")?));
    let queries = list(value, "Metrics");
    let of_queries = queries.iter().filter_map(|query| metric(query.get("MetricStat")?.get("Metric")?));
    let single = queries.first().filter(|_| queries.len() == 1).and_then(|query| query.get("MetricStat"));
    let whole = |number: Option<f64>| number.map(|number| number as u64);
    let periods = whole(number(value, "EvaluationPeriods")).unwrap_or(1);
    Some(Alarm {
        arn: text(value, "AlarmArn")?,
        name: text(value, "AlarmName")?,
        metrics: metric(value).into_iter().chain(of_queries).collect(),
        computed: queries.len() > 1 || queries.iter().any(|query| text(query, "Expression").is_some()),
        statistic: text(value, "Statistic").or_else(|| text(single?, "Stat")),
        comparison: text(value, "ComparisonOperator").unwrap_or_default(),
        threshold: number(value, "Threshold"),
        periods: whole(number(value, "DatapointsToAlarm")).unwrap_or(periods),
        enabled: flag(value, "ActionsEnabled").unwrap_or(true),
        actions: texts(value, "AlarmActions"),
    })
}

fn organization(source: &dyn Source, account: &str) -> Told<Option<Organization>> {
    let answer = match source.ask(&Call::Organization) {
        Ok(answer) => answer,
        Err(Refusal { absent: true, .. }) => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    let of = answer.get("Organization").ok_or_else(|| odd(&Call::Organization))?;
    let management = text(of, "MasterAccountId").ok_or_else(|| odd(&Call::Organization))?;
    let is_management = management == account;
    Ok(Some(Organization {
        policies_enabled: policies_enabled(source, of),
        levels: if is_management { Ok(Vec::new()) } else { levels(source, account) },
        root_features: root_features(source),
        management,
    }))
}

fn policies_enabled(source: &dyn Source, organization: &Value) -> Told<bool> {
    if text(organization, "FeatureSet").is_some_and(|set| set != "ALL") {
        return Ok(false);
    }
    let answer = source.ask(&Call::Roots)?;
    let enabled = |kind: &Value| {
        text(kind, "Type").is_some_and(|kind| kind == "SERVICE_CONTROL_POLICY")
            && text(kind, "Status").is_some_and(|status| status == "ENABLED")
    };
    Ok(list(&answer, "Roots").iter().any(|root| list(root, "PolicyTypes").iter().any(enabled)))
}

fn root_features(source: &dyn Source) -> Told<Vec<String>> {
    match source.ask(&Call::RootFeatures) {
        Ok(answer) => Ok(texts(&answer, "EnabledFeatures")),
        // Trusted access of IAM is off, and so are its features.
        Err(Refusal { absent: true, .. }) => Ok(Vec::new()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The account and what it lies in, each with the policies that are attached to it.
fn levels(source: &dyn Source, account: &str) -> Told<Vec<Level>> {
    let mut ids = vec![account.to_owned()];
    loop {
        let here = ids.last().map(String::as_str).unwrap_or_default();
        if here.starts_with("r-") {
            break;
        }
        let call = Call::Parents(here.to_owned());
        let answer = source.ask(&call)?;
        let parent = list(&answer, "Parents").first().and_then(|parent| text(parent, "Id"));
        ids.push(parent.ok_or_else(|| odd(&call))?);
        if ids.len() > HIGHEST {
            return Err(Gap("the organization's units lie above one another without end".to_owned()));
        }
    }
    let mut levels: Vec<Level> = ids.into_iter().map(|id| Level { id, policies: Vec::new() }).collect();
    let answer = source.ask(&Call::Policies)?;
    for value in list(&answer, "Policies") {
        let id = text(value, "Id").ok_or_else(|| odd(&Call::Policies))?;
        let targets = source.ask(&Call::PolicyTargets(id.clone()))?;
        let targets: BTreeSet<String> =
            list(&targets, "Targets").iter().filter_map(|target| text(target, "TargetId")).collect();
        let mut own = levels.iter_mut().filter(|level| targets.contains(&level.id)).peekable();
        if own.peek().is_none() {
            continue;
        }
        let name = text(value, "Name").unwrap_or_else(|| id.clone());
        let document = control_document(source, &id);
        own.for_each(|level| {
            level.policies.push(ControlPolicy { id: id.clone(), name: name.clone(), document: document.clone() })
        });
    }
    Ok(levels)
}

fn control_document(source: &dyn Source, id: &str) -> Told<Policy> {
    let unreadable = || Gap(format!("the document of the policy {id} cannot be understood"));
    if id == FULL_ACCESS {
        let all = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        return Policy::parse_text(all).ok_or_else(unreadable);
    }
    let answer = source.ask(&Call::PolicyDocument(id.to_owned()))?;
    answer.get("Policy").and_then(|policy| Policy::parse(policy.get("Content")?)).ok_or_else(unreadable)
}
