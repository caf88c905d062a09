//! AWS itself, asked in one account: one call after the other, with pauses, for CloudWatch Logs and Organizations allow a few calls a
//! second.
//!
//! What is refused is no answer, and nothing else is lost by it. Calls about the organization are made by the caller's own credentials,
//! for only the management account, or who it delegated to, is answered; they are the same for every account, and made once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{Call, Refusal, Source, log_group};
use super::files::together;
use crate::arn::Arn;
use crate::aws::signed::{
    Answer, CLOUDWATCH, Caller, EVENTS, Error, Json, LOGS, ORGANIZATIONS, Rest, SNS, SQS, STS, Service, escaped,
    organizations_region,
};
use crate::aws::{Connection, Pages};
use crate::inventory::organization_features;

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The pause between two calls of one account.
const PAUSE: Duration = Duration::from_millis(60);
/// How long it is waited before a call is made again, each time twice as long.
const BACKOFF: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How many pages an answer has at most.
const MOST_PAGES: u32 = 10_000;

/// AWS CloudTrail by its JSON protocol.
const CLOUDTRAIL: Json = Json {
    service: Service { id: "CloudTrail", host: "cloudtrail", name: "cloudtrail" },
    version: "1.1",
    target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
};
/// AWS Lambda.
const LAMBDA: Rest = Rest { service: Service { id: "Lambda", host: "lambda", name: "lambda" } };
/// The elements of CloudWatch's and SNS's answers that hold others.
const CONTAINERS: [&str; 19] = [
    "ResponseMetadata",
    "DescribeAlarmsResult",
    "MetricAlarms",
    "MetricAlarms/member",
    "CompositeAlarms",
    "CompositeAlarms/member",
    "AlarmActions",
    "Metrics",
    "Metrics/member",
    "MetricStat",
    "Metric",
    "GetTopicAttributesResult",
    "Attributes",
    "Attributes/entry",
    "ListSubscriptionsByTopicResult",
    "Subscriptions",
    "Subscriptions/member",
    "Dimensions",
    "Dimensions/member",
];

/// One account, asked by one caller.
pub(crate) struct Live<'o> {
    connection: Connection,
    /// The region of IAM's events.
    region: String,
    callers: RefCell<BTreeMap<String, Caller>>,
    last: Cell<Option<Instant>>,
    organization: &'o OrganizationCalls,
}

/// The answers about the organization, each asked once.
pub(crate) struct OrganizationCalls {
    connection: Connection,
    answers: Mutex<BTreeMap<String, Result<Value, Refusal>>>,
}

impl OrganizationCalls {
    /// Asked by a caller's own credentials; `region` is one of the partition.
    pub(crate) fn new(connection: &Connection, region: &str) -> Self {
        let connection = Connection { region: Some(organizations_region(region).to_owned()), ..connection.clone() };
        Self { connection, answers: Mutex::default() }
    }

    fn ask(&self, call: &Call) -> Result<Value, Refusal> {
        // Held while it is asked: who wants the same waits.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers.get(&call.file()) {
            return answer.clone();
        }
        let answer = self.fetch(call);
        answers.insert(call.file(), answer.clone());
        answer
    }

    fn fetch(&self, call: &Call) -> Result<Value, Refusal> {
        if *call == Call::RootFeatures {
            let answer = organization_features(&self.connection);
            let refused =
                |(code, message): (Option<String>, String)| Refusal::of_service(code.as_deref(), call, &message);
            return answer.map(|features| json!({ "EnabledFeatures": features })).map_err(refused);
        }
        let caller = Caller::open(&self.connection, DEADLINE).map_err(Refusal::unknown)?;
        let (action, body) = match call {
            Call::Roots => ("ListRoots", json!({})),
            Call::Policies => ("ListPolicies", json!({ "Filter": "SERVICE_CONTROL_POLICY" })),
            Call::PolicyDocument(id) => ("DescribePolicy", json!({ "PolicyId": id })),
            Call::PolicyTargets(id) => ("ListTargetsForPolicy", json!({ "PolicyId": id })),
            Call::Parents(id) => ("ListParents", json!({ "ChildId": id })),
            _ => ("DescribeOrganization", json!({})),
        };
        pages(call, body, |body| {
            std::thread::sleep(PAUSE);
            caller.json(&ORGANIZATIONS, action, body)
        })
    }
}

/// Whose the caller's credentials are: the account and the partition. Nobody needs a permission to ask that.
pub(crate) fn own_account(connection: &Connection) -> Result<(String, String), String> {
    let caller = Caller::open(connection, DEADLINE)?;
    let failed = |error: Error| match error {
        Error::Http(_) => format!("{error} (hint: check the network and --endpoint-url)"),
        Error::Refused(_) => format!("{error} (hint: check the AWS credentials)"),
        error => error.to_string(),
    };
    let answer = slowly(|| caller.query(&STS, "GetCallerIdentity", &[])).map_err(failed)?;
    let text = |name| answer.text(&["GetCallerIdentityResult", name]).map_err(failed);
    let arn = text("Arn")?;
    let partition = Arn::parse(&arn).map_or("aws", |arn| arn.partition).to_owned();
    Ok((text("Account")?, partition))
}

/// All pages of an answer that is JSON, in one.
fn pages(call: &Call, mut body: Value, ask: impl Fn(&Value) -> Result<Answer, Error>) -> Result<Value, Refusal> {
    let mut pages = Pages::new(MOST_PAGES);
    let mut all: Option<Value> = None;
    loop {
        let answer: Value =
            slowly(|| ask(&body)).and_then(|answer| answer.json()).map_err(|error| refusal(call, &error))?;
        let name = if answer.get("nextToken").is_some() { "nextToken" } else { "NextToken" };
        let token = pages.next(false, answer.get(name).and_then(Value::as_str)).map_err(Refusal::unknown)?;
        all = Some(match all {
            None => answer,
            Some(before) => together(before, answer),
        });
        match token {
            Some(token) => body[name] = Value::String(token),
            None => return Ok(all.unwrap_or_default()),
        }
    }
}

/// Asks again, after longer and longer pauses, where a failure may pass by itself: above all, where there were too many calls.
fn slowly(ask: impl Fn() -> Result<Answer, Error>) -> Result<Answer, Error> {
    for pause in BACKOFF {
        match ask() {
            Err(error) if error.is_transient() && !matches!(error, Error::NoCredentials(_) | Error::Garbage(_)) => {
                std::thread::sleep(pause);
            }
            answer => return answer,
        }
    }
    ask()
}

fn refusal(call: &Call, error: &Error) -> Refusal {
    Refusal::of_service(error.code(), call, &error.to_string())
}

impl<'o> Live<'o> {
    /// An account that `connection` leads to; `region` is that of IAM's events.
    pub(crate) fn new(connection: &Connection, region: &str, organization: &'o OrganizationCalls) -> Self {
        Self {
            connection: connection.clone(),
            region: region.to_owned(),
            callers: RefCell::default(),
            last: Cell::new(None),
            organization,
        }
    }

    /// Calls in a region, after a pause.
    fn call<T>(&self, region: &str, ask: impl FnOnce(&Caller) -> Result<T, Refusal>) -> Result<T, Refusal> {
        if !self.callers.borrow().contains_key(region) {
            let connection = Connection { region: Some(region.to_owned()), ..self.connection.clone() };
            let caller = Caller::open(&connection, DEADLINE).map_err(Refusal::unknown)?;
            self.callers.borrow_mut().insert(region.to_owned(), caller);
        }
        if let Some(last) = self.last.replace(Some(Instant::now())) {
            std::thread::sleep(PAUSE.saturating_sub(last.elapsed()));
        }
        let callers = self.callers.borrow();
        ask(callers.get(region).ok_or_else(|| Refusal::unknown("the region cannot be called"))?)
    }

    fn json(&self, call: &Call, region: &str, service: &Json, action: &str, body: Value) -> Result<Value, Refusal> {
        self.call(region, |caller| pages(call, body, |body| caller.json(service, action, body)))
    }

    /// The result of a call by the query protocol.
    fn query(
        &self,
        call: &Call,
        region: &str,
        ask: impl Fn(&Caller, Option<&str>) -> Result<Answer, Error>,
        result: &str,
    ) -> Result<Value, Refusal> {
        let mut pages = Pages::new(MOST_PAGES);
        let (mut all, mut token): (Option<Value>, Option<String>) = (None, None);
        loop {
            let tree = self.call(region, |caller| {
                let answer = slowly(|| ask(caller, token.as_deref()));
                answer.and_then(|answer| answer.tree(&CONTAINERS)).map_err(|error| refusal(call, &error))
            })?;
            let page = tree.get(result).cloned().unwrap_or_default();
            token = pages.next(false, page.get("NextToken").and_then(Value::as_str)).map_err(Refusal::unknown)?;
            all = Some(match all {
                None => page,
                Some(before) => together(before, page),
            });
            if token.is_none() {
                return Ok(all.unwrap_or_default());
            }
        }
    }

    /// The rules of all buses of IAM's region, and of the default bus of the region that was asked for.
    fn rules(&self, call: &Call) -> Result<Value, Refusal> {
        let buses = self.json(call, &self.region, &EVENTS, "ListEventBuses", json!({}))?;
        let mut names: BTreeSet<String> = BTreeSet::from(["default".to_owned()]);
        let listed = buses.get("EventBuses").and_then(Value::as_array).into_iter().flatten();
        names.extend(listed.filter_map(|bus| bus.get("Name")?.as_str().map(str::to_owned)));
        let mut all = json!({ "Rules": [] });
        for name in names {
            let page = self.json(call, &self.region, &EVENTS, "ListRules", json!({ "EventBusName": name }))?;
            all = together(all, page);
        }
        if let Some(other) = self.connection.region.as_deref().filter(|region| *region != self.region)
            // That region is looked at for rules that were put there in error: what it refuses takes nothing away.
            && let Ok(page) = self.json(call, other, &EVENTS, "ListRules", json!({}))
        {
            all = together(all, page);
        }
        Ok(all)
    }

    fn queue(&self, call: &Call, arn: &str) -> Result<Value, Refusal> {
        let parts = Arn::parse(arn).ok_or_else(|| Refusal::unknown("it is not an ARN"))?;
        let body = json!({ "QueueName": parts.resource, "QueueOwnerAWSAccountId": parts.account });
        let answer = self.json(call, parts.region, &SQS, "GetQueueUrl", body)?;
        let url = answer.get("QueueUrl").cloned().unwrap_or_default();
        self.json(call, parts.region, &SQS, "GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] }))
    }
}

/// The region of an ARN, else the given one.
fn region_of<'a>(arn: &'a str, otherwise: &'a str) -> &'a str {
    Arn::parse(arn).map(|arn| arn.region).filter(|region| !region.is_empty()).unwrap_or(otherwise)
}

impl Source for Live<'_> {
    fn ask(&self, call: &Call) -> Result<Value, Refusal> {
        let home = self.region.as_str();
        match call {
            Call::Rules => self.rules(call),
            Call::Targets { rule, name, bus } => {
                let body = json!({ "Rule": name, "EventBusName": bus });
                self.json(call, region_of(rule, home), &EVENTS, "ListTargetsByRule", body)
            }
            Call::TestPattern { pattern, event } => {
                self.json(call, home, &EVENTS, "TestEventPattern", json!({ "EventPattern": pattern, "Event": event }))
            }
            Call::TestFilter { region, pattern, records } => {
                let body = json!({ "filterPattern": pattern, "logEventMessages": records });
                self.json(call, region, &LOGS, "TestMetricFilter", body)
            }
            Call::Trails => self.json(call, home, &CLOUDTRAIL, "DescribeTrails", json!({})),
            Call::TrailStatus(arn) => {
                self.json(call, region_of(arn, home), &CLOUDTRAIL, "GetTrailStatus", json!({ "Name": arn }))
            }
            Call::EventSelectors(arn) => {
                self.json(call, region_of(arn, home), &CLOUDTRAIL, "GetEventSelectors", json!({ "TrailName": arn }))
            }
            Call::MetricFilters(arn) => {
                let group = log_group(arn).unwrap_or(arn);
                self.json(call, region_of(arn, home), &LOGS, "DescribeMetricFilters", json!({ "logGroupName": group }))
            }
            Call::Alarms(region) => {
                let ask = |caller: &Caller, token: Option<&str>| {
                    let mut parameters =
                        vec![("AlarmTypes.member.1", "MetricAlarm"), ("AlarmTypes.member.2", "CompositeAlarm")];
                    parameters.extend(token.map(|token| ("NextToken", token)));
                    caller.query(&CLOUDWATCH, "DescribeAlarms", &parameters)
                };
                self.query(call, region, ask, "DescribeAlarmsResult")
            }
            Call::Topic(arn) => {
                let ask =
                    |caller: &Caller, _: Option<&str>| caller.query(&SNS, "GetTopicAttributes", &[("TopicArn", arn)]);
                self.query(call, region_of(arn, home), ask, "GetTopicAttributesResult")
            }
            Call::Subscriptions(arn) => {
                let ask = |caller: &Caller, token: Option<&str>| {
                    let mut parameters = vec![("TopicArn", arn.as_str())];
                    parameters.extend(token.map(|token| ("NextToken", token)));
                    caller.query(&SNS, "ListSubscriptionsByTopic", &parameters)
                };
                self.query(call, region_of(arn, home), ask, "ListSubscriptionsByTopicResult")
            }
            Call::Queue(arn) => self.queue(call, arn),
            Call::FunctionPolicy(arn) => self.call(region_of(arn, home), |caller| {
                let path = format!("/2015-03-31/functions/{}/policy", escaped(arn));
                let answer = slowly(|| caller.get(&LAMBDA, &path)).and_then(|answer| answer.json());
                answer.map_err(|error| refusal(call, &error))
            }),
            _ => self.organization.ask(call),
        }
    }
}
