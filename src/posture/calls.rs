//! What AWS is asked, or the AWS CLI was: each call with the file that its answer is kept in.

use serde_json::Value;

use crate::arn::{self, Arn};

/// A call that reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// All rules of all buses of a region.
    Rules,
    /// The targets of a rule.
    Targets {
        /// The rule's ARN.
        rule: String,
        /// Its name.
        name: String,
        /// Its bus.
        bus: String,
    },
    /// Whether a pattern matches an event, by EventBridge itself.
    TestPattern {
        /// The pattern.
        pattern: String,
        /// The event, as JSON.
        event: String,
    },
    /// Which records a filter pattern matches, by CloudWatch Logs itself.
    TestFilter {
        /// The region.
        region: String,
        /// The pattern.
        pattern: String,
        /// The records, as JSON.
        records: Vec<String>,
    },
    /// All trails that cover the account, those of the organization and of other regions included.
    Trails,
    /// Whether a trail is logging, by its ARN.
    TrailStatus(String),
    /// What a trail records, by its ARN.
    EventSelectors(String),
    /// The metric filters of a log group, by its ARN.
    MetricFilters(String),
    /// All alarms of a region.
    Alarms(String),
    /// An SNS topic, by its ARN.
    Topic(String),
    /// Its subscriptions.
    Subscriptions(String),
    /// An SQS queue, by its ARN.
    Queue(String),
    /// The policy of a Lambda function, by its ARN.
    FunctionPolicy(String),
    /// The organization.
    Organization,
    /// The organization's roots, which say which kinds of policies are in force.
    Roots,
    /// All service control policies.
    Policies,
    /// A policy's document, by its id.
    PolicyDocument(String),
    /// What a policy is attached to, by its id.
    PolicyTargets(String),
    /// What an account or a unit lies in, by its id.
    Parents(String),
    /// Whether root access is managed centrally.
    RootFeatures,
}

impl Call {
    /// The name of the file that its answer is kept in, without `.json`. What is listed for a whole account or region may be in several
    /// files, each with a name that begins so.
    #[must_use]
    pub(crate) fn file(&self) -> String {
        let of = |kind: &str, arn: &str| format!("{kind}-{}", file_name(arn));
        match self {
            Self::Rules => "event-rules".to_owned(),
            Self::Targets { name, .. } => format!("event-targets-{name}"),
            // No file answers what AWS computes.
            Self::TestPattern { .. } => "test-event-pattern".to_owned(),
            Self::TestFilter { .. } => "test-metric-filter".to_owned(),
            Self::Trails => "trails".to_owned(),
            Self::TrailStatus(arn) => of("trail-status", arn),
            Self::EventSelectors(arn) => of("event-selectors", arn),
            Self::MetricFilters(_) => "metric-filters".to_owned(),
            Self::Alarms(_) => "alarms".to_owned(),
            Self::Topic(arn) => of("sns-topic", arn),
            Self::Subscriptions(arn) => of("sns-subscriptions", arn),
            Self::Queue(arn) => of("sqs-queue", arn),
            Self::FunctionPolicy(arn) => of("lambda-policy", arn),
            Self::Organization => "organization".to_owned(),
            Self::Roots => "roots".to_owned(),
            Self::Policies => "scp-policies".to_owned(),
            Self::PolicyDocument(id) => format!("scp-{id}"),
            Self::PolicyTargets(id) => format!("scp-targets-{id}"),
            Self::Parents(id) => format!("parents-{id}"),
            Self::RootFeatures => "organizations-features".to_owned(),
        }
    }

    /// The member of the answer that lists, where the answer may come in several files; each file has some of the list.
    #[must_use]
    pub(crate) const fn list(&self) -> Option<&'static str> {
        match self {
            Self::Rules => Some("Rules"),
            Self::MetricFilters(_) => Some("metricFilters"),
            Self::Alarms(_) => Some("MetricAlarms"),
            _ => None,
        }
    }

    /// The members of its answer, one of which is always there.
    #[must_use]
    pub(crate) const fn member(&self) -> &'static [&'static str] {
        match self {
            Self::Rules => &["Rules"],
            Self::Targets { .. } | Self::PolicyTargets(_) => &["Targets"],
            Self::TestPattern { .. } => &["Result"],
            Self::TestFilter { .. } => &["matches"],
            Self::Trails => &["trailList"],
            Self::TrailStatus(_) => &["IsLogging"],
            Self::EventSelectors(_) => &["EventSelectors", "AdvancedEventSelectors"],
            Self::MetricFilters(_) => &["metricFilters"],
            Self::Alarms(_) => &["MetricAlarms"],
            Self::Topic(_) | Self::Queue(_) => &["Attributes"],
            Self::Subscriptions(_) => &["Subscriptions"],
            Self::FunctionPolicy(_) | Self::PolicyDocument(_) => &["Policy"],
            Self::Organization => &["Organization"],
            Self::Roots => &["Roots"],
            Self::Policies => &["Policies"],
            Self::Parents(_) => &["Parents"],
            Self::RootFeatures => &["EnabledFeatures"],
        }
    }

    /// Whether it is about the organization, whose answers are the same for every account.
    #[must_use]
    pub(crate) const fn is_of_organization(&self) -> bool {
        matches!(
            self,
            Self::Organization
                | Self::Roots
                | Self::Policies
                | Self::PolicyDocument(_)
                | Self::PolicyTargets(_)
                | Self::Parents(_)
                | Self::RootFeatures
        )
    }

    /// The command of the AWS CLI that prints its answer.
    #[must_use]
    pub(crate) fn command(&self) -> String {
        let name = |arn: &str| quoted(&file_name(arn));
        match self {
            Self::Rules => "aws events list-rules".to_owned(),
            Self::Targets { name, bus, .. } => {
                let bus = if bus == "default" { String::new() } else { format!(" --event-bus-name {}", quoted(bus)) };
                format!("aws events list-targets-by-rule --rule {}{bus}", quoted(name))
            }
            Self::TestPattern { .. } => "aws events test-event-pattern".to_owned(),
            Self::TestFilter { .. } => "aws logs test-metric-filter".to_owned(),
            Self::Trails => "aws cloudtrail describe-trails".to_owned(),
            Self::TrailStatus(arn) => format!("aws cloudtrail get-trail-status --name {}{}", quoted(arn), region(arn)),
            Self::EventSelectors(arn) => {
                format!("aws cloudtrail get-event-selectors --trail-name {}{}", quoted(arn), region(arn))
            }
            Self::MetricFilters(group) => format!("aws logs describe-metric-filters{}", region(group)),
            Self::Alarms(region) => format!("aws cloudwatch describe-alarms --region {}", quoted(region)),
            Self::Topic(arn) => format!("aws sns get-topic-attributes --topic-arn {}{}", quoted(arn), region(arn)),
            Self::Subscriptions(arn) => {
                format!("aws sns list-subscriptions-by-topic --topic-arn {}{}", quoted(arn), region(arn))
            }
            Self::Queue(arn) => {
                format!(
                    "aws sqs get-queue-attributes --attribute-names All --queue-url URL-OF-{}{}",
                    name(arn),
                    region(arn)
                )
            }
            Self::FunctionPolicy(arn) => {
                format!("aws lambda get-policy --function-name {}{}", quoted(arn), region(arn))
            }
            Self::Organization => "aws organizations describe-organization".to_owned(),
            Self::Roots => "aws organizations list-roots".to_owned(),
            Self::Policies => "aws organizations list-policies --filter SERVICE_CONTROL_POLICY".to_owned(),
            Self::PolicyDocument(id) => format!("aws organizations describe-policy --policy-id {}", quoted(id)),
            Self::PolicyTargets(id) => format!("aws organizations list-targets-for-policy --policy-id {}", quoted(id)),
            Self::Parents(id) => format!("aws organizations list-parents --child-id {}", quoted(id)),
            Self::RootFeatures => "aws iam list-organizations-features".to_owned(),
        }
    }

    /// The actions of IAM that it needs.
    #[must_use]
    pub(crate) const fn actions(&self) -> &'static [&'static str] {
        match self {
            Self::Rules => &["events:ListEventBuses", "events:ListRules"],
            Self::Targets { .. } => &["events:ListTargetsByRule"],
            Self::TestPattern { .. } => &["events:TestEventPattern"],
            Self::TestFilter { .. } => &["logs:TestMetricFilter"],
            Self::Trails => &["cloudtrail:DescribeTrails"],
            Self::TrailStatus(_) => &["cloudtrail:GetTrailStatus"],
            Self::EventSelectors(_) => &["cloudtrail:GetEventSelectors"],
            Self::MetricFilters(_) => &["logs:DescribeMetricFilters"],
            Self::Alarms(_) => &["cloudwatch:DescribeAlarms"],
            Self::Topic(_) => &["sns:GetTopicAttributes"],
            Self::Subscriptions(_) => &["sns:ListSubscriptionsByTopic"],
            Self::Queue(_) => &["sqs:GetQueueUrl", "sqs:GetQueueAttributes"],
            Self::FunctionPolicy(_) => &["lambda:GetPolicy"],
            Self::Organization => &["organizations:DescribeOrganization"],
            Self::Roots => &["organizations:ListRoots"],
            Self::Policies => &["organizations:ListPolicies"],
            Self::PolicyDocument(_) => &["organizations:DescribePolicy"],
            Self::PolicyTargets(_) => &["organizations:ListTargetsForPolicy"],
            Self::Parents(_) => &["organizations:ListParents"],
            Self::RootFeatures => &["iam:ListOrganizationsFeatures"],
        }
    }
}

/// Everything that is asked of an account, for the policy of whoever asks.
pub(crate) const ACCOUNT_ACTIONS: [&str; 15] = [
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "cloudwatch:DescribeAlarms",
    "events:ListEventBuses",
    "events:ListRules",
    "events:ListTargetsByRule",
    "events:TestEventPattern",
    "lambda:GetPolicy",
    "logs:DescribeMetricFilters",
    "logs:TestMetricFilter",
    "sns:GetTopicAttributes",
    "sns:ListSubscriptionsByTopic",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
];

/// Everything that is asked of the organization.
pub(crate) const ORGANIZATION_ACTIONS: [&str; 7] = [
    "iam:ListOrganizationsFeatures",
    "organizations:DescribeOrganization",
    "organizations:DescribePolicy",
    "organizations:ListParents",
    "organizations:ListPolicies",
    "organizations:ListRoots",
    "organizations:ListTargetsForPolicy",
];

/// Codes by which services say that what is asked about does not exist.
const ABSENT: [&str; 12] = [
    "AWSOrganizationsNotInUseException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NonExistentQueue",
    "NotFound",
    "NotFoundException",
    "OrganizationNotFoundException",
    "PolicyNotFoundException",
    "QueueDoesNotExist",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ServiceAccessNotEnabledException",
    "TrailNotFoundException",
];

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whether the service says that there is no such thing: that is an answer.
    pub(crate) absent: bool,
    /// Why, in words.
    pub(crate) why: String,
}

impl Refusal {
    /// That there is no answer.
    #[must_use]
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self { absent: false, why: why.into() }
    }

    /// What a service said, by its code.
    #[must_use]
    pub(crate) fn of_service(code: Option<&str>, call: &Call, message: &str) -> Self {
        let absent = code.is_some_and(|code| ABSENT.contains(&code));
        let why = if absent {
            message.to_owned()
        } else {
            format!("`{}` was refused ({message})", call.actions().join("`, `"))
        };
        Self { absent, why }
    }
}

/// Who answers calls: AWS, or a folder of what it said.
pub(crate) trait Source {
    /// The answer as the AWS CLI prints it, all pages in one.
    ///
    /// # Errors
    /// Where there is none.
    fn ask(&self, call: &Call) -> Result<Value, Refusal>;
}

/// The end of an ARN as a file's name: what follows the last slash or colon.
pub(super) fn file_name(arn: &str) -> String {
    arn.rsplit([':', '/']).next().unwrap_or(arn).to_owned()
}

/// `--region` of an ARN, with a space before it; empty where it has none.
pub(super) fn region(arn: &str) -> String {
    match Arn::parse(arn).map(|arn| arn.region) {
        Some(region) if !region.is_empty() => format!(" --region {}", quoted(region)),
        _ => String::new(),
    }
}

/// A word for a shell: as it is where it is harmless, else in single quotes.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) && !word.starts_with('-') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The name of a log group in its ARN.
pub(super) fn log_group(arn: &str) -> Option<&str> {
    let resource = Arn::parse(arn)?.resource.strip_prefix("log-group:")?;
    Some(resource.strip_suffix(":*").unwrap_or(resource))
}

/// Whether a text is an ARN of a service.
pub(super) fn is_of(arn: &str, service: &str) -> bool {
    arn::is_arn(arn) && Arn::parse(arn).is_some_and(|arn| arn.service == service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_harmless_in_a_shell() {
        for (word, shown) in [
            ("alerts", "alerts"),
            ("arn:aws:sns:us-east-1:111122223333:alerts", "arn:aws:sns:us-east-1:111122223333:alerts"),
            ("a b", "'a b'"),
            ("$(rm -rf ~)", "'$(rm -rf ~)'"),
            ("it's", "'it'\\''s'"),
            ("-rf", "'-rf'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn codes_tell_what_does_not_exist_from_what_is_refused() {
        let call = Call::Queue("arn:aws:sqs:us-east-1:111122223333:q".to_owned());
        assert!(Refusal::of_service(Some("AWS.SimpleQueueService.NonExistentQueue"), &call, "gone").absent);
        let denied = Refusal::of_service(Some("AccessDenied"), &call, "not you");
        assert!(!denied.absent && denied.why.contains("sqs:GetQueueAttributes"), "{denied:?}");
        assert!(!Refusal::of_service(None, &call, "?").absent);
    }

    #[test]
    fn the_policy_allows_all_calls_and_no_others() {
        let text = String::new;
        let calls = [
            Call::Rules,
            Call::Targets { rule: text(), name: text(), bus: text() },
            Call::TestPattern { pattern: text(), event: text() },
            Call::TestFilter { region: text(), pattern: text(), records: Vec::new() },
            Call::Trails,
            Call::TrailStatus(text()),
            Call::EventSelectors(text()),
            Call::MetricFilters(text()),
            Call::Alarms(text()),
            Call::Topic(text()),
            Call::Subscriptions(text()),
            Call::Queue(text()),
            Call::FunctionPolicy(text()),
            Call::Organization,
            Call::Roots,
            Call::Policies,
            Call::PolicyDocument(text()),
            Call::PolicyTargets(text()),
            Call::Parents(text()),
            Call::RootFeatures,
        ];
        for (of_organization, listed) in [(false, &ACCOUNT_ACTIONS[..]), (true, &ORGANIZATION_ACTIONS[..])] {
            let own = calls.iter().filter(|call| call.is_of_organization() == of_organization);
            let mut needed: Vec<&str> = own.flat_map(|call| call.actions()).copied().collect();
            needed.sort_unstable();
            assert_eq!(needed, listed);
        }
    }
}
