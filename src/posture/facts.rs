//! What is known of an account and its organization, typed; what could not be read is a [`Gap`], never a default.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::probe::Probe;
use crate::inventory::{AccountState, Details, Policy};

/// Why something is not known, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap(pub(crate) String);

/// A fact, or why it is not known.
pub(crate) type Told<T> = Result<T, Gap>;

/// One account, at one moment.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Its id.
    pub(crate) account: String,
    /// `aws`, `aws-us-gov` …
    pub(crate) partition: String,
    /// The region in which IAM's events are.
    pub(crate) region: String,
    /// When the facts were read.
    pub(crate) taken_at: DateTime<Utc>,
    /// EventBridge rules with a pattern, those of other buses and regions included as far as they were read.
    pub(crate) rules: Told<Vec<Rule>>,
    /// The trails that cover the account.
    pub(crate) trails: Told<Vec<Trail>>,
    /// The alarms of the regions of the trails' log groups.
    pub(crate) alarms: Told<Alarms>,
    /// Where rules and alarms deliver to, by ARN.
    pub(crate) destinations: BTreeMap<String, Told<Destination>>,
    /// The organization; `None` where the account is in none.
    pub(crate) organization: Told<Option<Organization>>,
    /// IAM.
    pub(crate) iam: Told<Iam>,
}

/// An EventBridge rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Its ARN.
    pub(crate) arn: String,
    /// Its name.
    pub(crate) name: String,
    /// Its bus.
    pub(crate) bus: String,
    /// Its region.
    pub(crate) region: String,
    /// Whether it is enabled.
    pub(crate) enabled: bool,
    /// The pattern, as text.
    pub(crate) pattern: String,
    /// Which deactivations it matches, where EventBridge itself had to say.
    pub(crate) matches: Vec<(Probe, bool)>,
    /// Its targets.
    pub(crate) targets: Told<Vec<Target>>,
}

/// A target of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// What it delivers to.
    pub(crate) arn: String,
    /// Whether it gets a fixed text in the place of the event.
    pub(crate) fixed_input: bool,
}

/// Where something is delivered to.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// It does not exist; what AWS said.
    Absent(String),
    /// An SNS topic.
    Topic {
        /// Who may publish.
        policy: ResourcePolicy,
        /// How many confirmed subscriptions it has.
        subscribers: Told<u64>,
        /// The key that it is encrypted with.
        key: Option<String>,
    },
    /// An SQS queue.
    Queue {
        /// Who may send.
        policy: ResourcePolicy,
        /// The key that it is encrypted with.
        key: Option<String>,
    },
    /// A Lambda function.
    Function {
        /// Who may invoke.
        policy: ResourcePolicy,
    },
}

/// A resource's own policy: none, one that is understood, or one that is not.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePolicy(pub(crate) Told<Option<Policy>>);

/// A trail.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    /// Its ARN.
    pub(crate) arn: String,
    /// The region that it was made in.
    pub(crate) home_region: String,
    /// The bucket that it writes to.
    pub(crate) bucket: String,
    /// The prefix before `AWSLogs`.
    pub(crate) prefix: Option<String>,
    /// Whether it covers all regions.
    pub(crate) multi_region: bool,
    /// Whether it is the organization's.
    pub(crate) organization: bool,
    /// Whether its files are validated.
    pub(crate) validation: bool,
    /// The ARN of the log group that it writes to.
    pub(crate) log_group: Option<String>,
    /// What it is doing.
    pub(crate) status: Told<TrailStatus>,
    /// Why management events that matter are not recorded; `None` where they are.
    pub(crate) restriction: Told<Option<String>>,
    /// The metric filters of its log group; empty where it has none.
    pub(crate) filters: Told<Vec<MetricFilter>>,
}

/// What a trail is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrailStatus {
    /// Whether it is logging.
    pub(crate) logging: bool,
    /// When it last delivered.
    pub(crate) delivered_at: Option<DateTime<Utc>>,
    /// Why it last could not.
    pub(crate) delivery_error: Option<String>,
    /// Why it last could not deliver a digest.
    pub(crate) digest_error: Option<String>,
    /// Why it last could not deliver to the log group.
    pub(crate) log_group_error: Option<String>,
}

/// A metric filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MetricFilter {
    /// Its name.
    pub(crate) name: String,
    /// Its log group's name.
    pub(crate) log_group: String,
    /// The pattern.
    pub(crate) pattern: String,
    /// Whether it matches every kind of deactivation, where CloudWatch Logs itself had to say.
    pub(crate) counts: Option<bool>,
    /// What it counts into: namespace, metric, and the value of each match.
    pub(crate) metrics: Vec<(String, String, String)>,
}

/// The alarms of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarms {
    /// Those of metrics.
    pub(crate) metric: Vec<Alarm>,
    /// Those of other alarms.
    pub(crate) composite: Vec<Composite>,
}

/// An alarm of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alarm {
    /// Its ARN.
    pub(crate) arn: String,
    /// Its name.
    pub(crate) name: String,
    /// The metrics that it looks at: namespace and name.
    pub(crate) metrics: Vec<(String, String)>,
    /// Whether it computes something of its metrics.
    pub(crate) computed: bool,
    /// `Sum` and the like.
    pub(crate) statistic: Option<String>,
    /// `GreaterThanOrEqualToThreshold` and the like.
    pub(crate) comparison: String,
    /// What it compares with.
    pub(crate) threshold: Option<f64>,
    /// In how many periods the comparison must hold.
    pub(crate) periods: u64,
    /// Whether its actions are enabled.
    pub(crate) enabled: bool,
    /// The ARNs that are told of an alarm.
    pub(crate) actions: Vec<String>,
}

/// An alarm of alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Composite {
    /// Its ARN.
    pub(crate) arn: String,
    /// What it is made of.
    pub(crate) rule: String,
    /// Whether its actions are enabled.
    pub(crate) enabled: bool,
    /// The ARNs that are told of an alarm.
    pub(crate) actions: Vec<String>,
}

/// The organization, from the account up.
#[derive(Debug, Clone)]
pub(crate) struct Organization {
    /// The management account's id.
    pub(crate) management: String,
    /// Whether service control policies are in force.
    pub(crate) policies_enabled: Told<bool>,
    /// The account, the units that it lies in, and the root, each with the policies that are attached to it.
    pub(crate) levels: Told<Vec<Level>>,
    /// The features of central root access.
    pub(crate) root_features: Told<Vec<String>>,
}

/// An account, a unit or the root.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// Its id.
    pub(crate) id: String,
    /// The service control policies that are attached to it.
    pub(crate) policies: Vec<ControlPolicy>,
}

/// A service control policy.
#[derive(Debug, Clone)]
pub(crate) struct ControlPolicy {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its document.
    pub(crate) document: Told<Policy>,
}

/// What IAM says.
#[derive(Debug)]
pub(crate) struct Iam {
    /// Users, devices, the root user.
    pub(crate) state: AccountState,
    /// Policies; `None` where they were not read.
    pub(crate) details: Option<Details>,
    /// What could not be read, for reasons.
    pub(crate) missing: Vec<String>,
}
