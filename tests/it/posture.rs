//! Guardrails: a set-up in which all stand, and eighty others that differ from it in one way each, with what is said of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use mfatrail::app::posture::{PostureRequest, PostureSource, judge_posture};
use mfatrail::app::{Error, Run};
use mfatrail::contract::{Posture, PostureCheck, PostureCode, Verdict};
use mfatrail::posture::Expectations;
use serde_json::{Value, json};

use crate::support::run::{FIXTURES, Ran, mfatrail};
use crate::support::schema::{self, SCHEMA};

const ACCOUNT: &str = "111122223333";
const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:999988887777:trail/org-trail";
const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:alerts";
const RULE: &str = "arn:aws:events:us-east-1:111122223333:rule/mfa-alerts";
const ALARM: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:MfaDeviceRemoved";
const GROUP: &str = "arn:aws:logs:us-east-1:111122223333:log-group:trail:*";
const AS_OF: &str = "2026-11-02T00:00:00Z";
const REPORT: &str = "\
user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated
<root_account>,arn:aws:iam::111122223333:root,2024-01-15T08:00:00+00:00,true,N/A,N/A,N/A,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A
ada,arn:aws:iam::111122223333:user/ada,2025-01-20T10:00:00+00:00,true,N/A,N/A,N/A,true,true,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A
";

/// The files of a set-up: by path, a JSON document or any text.
#[derive(Clone)]
struct Files(BTreeMap<String, Value>);

impl Files {
    /// A file of the account.
    fn own(&mut self, name: &str) -> &mut Value {
        self.0.get_mut(&format!("{ACCOUNT}/{name}")).unwrap_or_else(|| panic!("{name}"))
    }

    fn put(&mut self, name: &str, value: Value) {
        self.0.insert(format!("{ACCOUNT}/{name}"), value);
    }

    fn remove(&mut self, name: &str) {
        self.0.remove(&format!("{ACCOUNT}/{name}")).unwrap_or_else(|| panic!("{name}"));
    }

    fn organization(&mut self, name: &str) -> &mut Value {
        self.0.get_mut(&format!("organization/{name}")).unwrap_or_else(|| panic!("{name}"))
    }

    /// What the AWS CLI says where a call is refused.
    fn refuse(&mut self, path: &str, operation: &str, code: &str) {
        let text = format!(
            "\nAn error occurred ({code}) when calling the {operation} operation: User: arn:aws:iam::{ACCOUNT}:user/x is not authorized"
        );
        self.0.insert(path.to_owned(), Value::String(text));
    }

    fn rule(&mut self) -> &mut Value {
        &mut self.own("event-rules.json")["Rules"][0]
    }

    fn pattern(&mut self, pattern: Value) {
        self.rule()["EventPattern"] = Value::String(pattern.to_string());
    }

    /// Changes what the group's guard says.
    fn guard(&mut self) -> &mut Value {
        let details = self.own("account-authorization-details.json");
        &mut details["GroupDetailList"][0]["GroupPolicyList"][0]["PolicyDocument"]["Statement"][0]
    }

    fn control_policy(&mut self, statement: Value) {
        let content = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        self.organization("scp-p-mfa00001.json")["Policy"]["Content"] = Value::String(content);
    }

    fn topic(&mut self, name: &str, value: Value) {
        self.own("sns-topic-alerts.json")["Attributes"][name] = value;
    }

    fn write(&self, root: &Path) {
        for (path, value) in &self.0 {
            let place = root.join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fs::write(place, text).unwrap();
        }
    }
}

fn topic_policy(service: &str) -> Value {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": {"Service": [service, "cloudwatch.amazonaws.com"]}, "Action": "sns:Publish", "Resource": TOPIC
        }]
    });
    Value::String(policy.to_string())
}

fn deny(condition: Value) -> Value {
    let mut statement = json!({
        "Sid": "NoRemoval", "Effect": "Deny", "Action": ["iam:Deactivate*", "iam:DeleteVirtualMFADevice"], "Resource": "*"
    });
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

/// A set-up in which every guardrail stands.
fn good() -> Files {
    let own = [
        (
            "account-authorization-details.json",
            json!({
                "UserDetailList": [{
                    "Path": "/", "UserName": "ada", "UserId": "AIDAEXAMPLEADA", "Arn": "arn:aws:iam::111122223333:user/ada",
                    "CreateDate": "2025-01-20T10:00:00Z", "GroupList": ["staff"],
                    "AttachedManagedPolicies": [{"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
                    "Tags": [{"Key": "owner-email", "Value": "ada@example.com"}]
                }],
                "GroupDetailList": [{
                    "Path": "/", "GroupName": "staff", "GroupId": "AGPAEXAMPLE", "Arn": "arn:aws:iam::111122223333:group/staff",
                    "AttachedManagedPolicies": [],
                    "GroupPolicyList": [{
                        "PolicyName": "guard",
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [{
                            "Sid": "DenyAllExceptListedIfNoMFA", "Effect": "Deny",
                            "NotAction": ["iam:CreateVirtualMFADevice", "iam:EnableMFADevice", "iam:GetUser", "iam:ListMFADevices",
                                          "iam:ListVirtualMFADevices", "iam:ResyncMFADevice", "sts:GetSessionToken"],
                            "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
                        }]}
                    }]
                }],
                "RoleDetailList": [], "Policies": []
            }),
        ),
        ("credential-report.csv", json!(REPORT)),
        (
            "account-summary.json",
            json!({"SummaryMap": {"AccountMFAEnabled": 1, "AccountPasswordPresent": 0, "AccountAccessKeysPresent": 0}}),
        ),
        (
            "virtual-mfa-devices.json",
            json!({"VirtualMFADevices": [{
                "SerialNumber": "arn:aws:iam::111122223333:mfa/ada", "EnableDate": "2025-02-01T10:00:00Z",
                "User": {"Path": "/", "UserName": "ada", "UserId": "AIDAEXAMPLEADA", "Arn": "arn:aws:iam::111122223333:user/ada"}
            }]}),
        ),
        (
            "mfa-devices-ada.json",
            json!({"MFADevices": [{"UserName": "ada", "SerialNumber": "arn:aws:iam::111122223333:mfa/ada", "EnableDate": "2025-02-01T10:00:00Z"}]}),
        ),
        (
            "event-rules.json",
            json!({"Rules": [
                {"Name": "mfa-alerts", "Arn": RULE, "State": "ENABLED", "EventBusName": "default",
                 "EventPattern": json!({"source": ["aws.iam"], "detail": {"eventName": ["DeactivateMFADevice", "DeleteVirtualMFADevice"]}}).to_string()},
                {"Name": "nightly", "Arn": "arn:aws:events:us-east-1:111122223333:rule/nightly", "State": "ENABLED",
                 "ScheduleExpression": "rate(1 day)", "EventBusName": "default"}
            ]}),
        ),
        ("event-targets-mfa-alerts.json", json!({"Targets": [{"Id": "1", "Arn": TOPIC}]})),
        (
            "sns-topic-alerts.json",
            json!({"Attributes": {"TopicArn": TOPIC, "SubscriptionsConfirmed": "2", "Policy": topic_policy("events.amazonaws.com")}}),
        ),
        (
            "trails.json",
            json!({"trailList": [{
                "Name": "org-trail", "S3BucketName": "trail-bucket", "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true,
                "HomeRegion": "us-east-1", "TrailARN": TRAIL, "LogFileValidationEnabled": true, "CloudWatchLogsLogGroupArn": GROUP,
                "HasCustomEventSelectors": false, "IsOrganizationTrail": true
            }]}),
        ),
        ("trail-status-org-trail.json", json!({"IsLogging": true, "LatestDeliveryTime": "2026-11-01T23:55:00+00:00"})),
        (
            "event-selectors-org-trail.json",
            json!({"TrailARN": TRAIL, "EventSelectors": [{
                "ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [], "ExcludeManagementEventSources": ["kms.amazonaws.com"]
            }]}),
        ),
        (
            "metric-filters.json",
            json!({"metricFilters": [{
                "filterName": "mfa-removed", "logGroupName": "trail",
                "filterPattern": "{ ($.eventSource = iam.amazonaws.com) && (($.eventName = DeactivateMFADevice) || ($.eventName = DeleteVirtualMFADevice)) }",
                "metricTransformations": [{"metricName": "MfaDeviceRemoved", "metricNamespace": "Security", "metricValue": "1"}]
            }]}),
        ),
        (
            "alarms.json",
            json!({"MetricAlarms": [{
                "AlarmName": "MfaDeviceRemoved", "AlarmArn": ALARM, "ActionsEnabled": true, "AlarmActions": [TOPIC], "MetricName": "MfaDeviceRemoved",
                "Namespace": "Security", "Statistic": "Sum", "Dimensions": [], "Period": 300, "EvaluationPeriods": 1, "Threshold": 1.0,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold"
            }], "CompositeAlarms": []}),
        ),
    ];
    let organization = [
        (
            "organization.json",
            json!({"Organization": {"Id": "o-example", "FeatureSet": "ALL", "MasterAccountId": "999988887777",
                                    "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]}}),
        ),
        (
            "roots.json",
            json!({"Roots": [{"Id": "r-root", "PolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]}]}),
        ),
        ("parents-111122223333.json", json!({"Parents": [{"Id": "ou-root-work", "Type": "ORGANIZATIONAL_UNIT"}]})),
        ("parents-ou-root-work.json", json!({"Parents": [{"Id": "r-root", "Type": "ROOT"}]})),
        (
            "scp-policies.json",
            json!({"Policies": [
                {"Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "Type": "SERVICE_CONTROL_POLICY", "AwsManaged": true},
                {"Id": "p-mfa00001", "Name": "KeepMfa", "Type": "SERVICE_CONTROL_POLICY", "AwsManaged": false}
            ]}),
        ),
        (
            "scp-targets-p-FullAWSAccess.json",
            json!({"Targets": [{"TargetId": "r-root", "Type": "ROOT"}, {"TargetId": "ou-root-work", "Type": "ORGANIZATIONAL_UNIT"},
                               {"TargetId": "111122223333", "Type": "ACCOUNT"}]}),
        ),
        (
            "scp-targets-p-mfa00001.json",
            json!({"Targets": [{"TargetId": "ou-root-work", "Type": "ORGANIZATIONAL_UNIT"}]}),
        ),
        (
            "scp-p-mfa00001.json",
            json!({"Policy": {"PolicySummary": {"Id": "p-mfa00001"}, "Content": json!({"Version": "2012-10-17", "Statement": [
                deny(json!({"ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/MfaBreakGlass"]}}))
            ]}).to_string()}}),
        ),
        (
            "organizations-features.json",
            json!({"OrganizationId": "o-example", "EnabledFeatures": ["RootCredentialsManagement", "RootSessions"]}),
        ),
    ];
    let own = own.into_iter().map(|(name, value)| (format!("{ACCOUNT}/{name}"), value));
    Files(own.chain(organization.into_iter().map(|(name, value)| (format!("organization/{name}"), value))).collect())
}

fn judge(files: &Files) -> Result<Posture, Error> {
    let home = tempfile::tempdir().unwrap();
    files.write(home.path());
    let at: DateTime<Utc> = AS_OF.parse().unwrap();
    let request = PostureRequest {
        source: PostureSource::Files { folder: home.path().to_owned(), as_of: at },
        accounts: Vec::new(),
        expected: Expectations {
            archive: Some(("trail-bucket".to_owned(), String::new())),
            owner_tags: vec!["owner-email".to_owned(), "owner".to_owned()],
        },
    };
    judge_posture(&request, Run::silent(at)).map(|answer| {
        assert_eq!(answer.unread, [""; 0]);
        answer.posture
    })
}

/// What does not pass: code, verdict and reason.
fn faults(posture: &Posture) -> Vec<(&'static str, Verdict, &str)> {
    let bad = posture.checks.iter().filter(|check| check.verdict != Verdict::Pass);
    bad.map(|check| (check.code.as_str(), check.verdict, check.reason.as_str())).collect()
}

#[test]
fn every_guardrail_can_stand() {
    let posture = judge(&good()).unwrap();
    assert_eq!(faults(&posture), []);
    let codes: std::collections::BTreeSet<PostureCode> = posture.checks.iter().map(|check| check.code).collect();
    let elsewhere = [PostureCode::ScpManagement, PostureCode::RootManagement];
    let expected = PostureCode::ALL.iter().copied().filter(|code| !elsewhere.contains(code)).collect();
    assert_eq!(codes, expected, "the management account alone has the others");
    for check in &posture.checks {
        assert!(!check.reason.is_empty() && check.fix.is_none() && !check.controls.is_empty(), "{check:?}");
        assert_eq!(check.account, ACCOUNT);
    }
}

/// A set-up: its name, what is different, and what is said: code, verdict, and words of the reason.
type Case = (&'static str, fn(&mut Files), &'static [(&'static str, Verdict, &'static str)]);

const FAIL: Verdict = Verdict::Fail;
const UNKNOWN: Verdict = Verdict::CannotTell;

const EVENTS: &[Case] = &[
    (
        "no rule",
        |files| *files.own("event-rules.json") = json!({"Rules": []}),
        &[
            ("eventbridge-rule", FAIL, "no rule on the default bus"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "a rule that is disabled",
        |files| files.rule()["State"] = json!("DISABLED"),
        &[
            ("eventbridge-rule", FAIL, "is disabled"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "a rule of all management events",
        |files| files.rule()["State"] = json!("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
        &[],
    ),
    (
        "a rule in another region",
        |files| files.rule()["Arn"] = json!("arn:aws:events:eu-west-1:111122223333:rule/mfa-alerts"),
        &[
            ("eventbridge-rule", FAIL, "is in eu-west-1"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "a rule on a bus of one's own",
        |files| files.rule()["EventBusName"] = json!("security"),
        &[
            ("eventbridge-rule", FAIL, "on the bus `security`"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "the source that CloudTrail does not have",
        |files| files.pattern(json!({"source": ["aws.cloudtrail"], "detail": {"eventName": ["DeactivateMFADevice"]}})),
        &[
            ("eventbridge-rule", FAIL, "`source` is \"aws.iam\" there"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "a detail-type that is misspelled",
        |files| {
            files.pattern(json!({"source": ["aws.iam"], "detail-type": ["AWS API call via CloudTrail"], "detail": {"eventName": ["DeactivateMFADevice"]}}))
        },
        &[
            ("eventbridge-rule", FAIL, "`detail-type`"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "a name in the wrong case",
        |files| files.pattern(json!({"source": ["aws.iam"], "detail": {"eventname": ["DeactivateMFADevice"]}})),
        &[
            ("eventbridge-rule", FAIL, "no `detail.eventname`"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "successes alone",
        |files| {
            files.pattern(json!({"source": ["aws.iam"], "detail": {"eventName": ["DeactivateMFADevice"], "errorCode": [{"exists": false}]}}))
        },
        &[("eventbridge-attempts", FAIL, "`detail.errorCode`")],
    ),
    (
        "refusals alone",
        |files| {
            files.pattern(json!({"source": ["aws.iam"], "detail": {"eventName": ["DeactivateMFADevice"], "errorCode": ["AccessDenied"]}}))
        },
        &[("eventbridge-rule", FAIL, "does not match"), ("eventbridge-target", FAIL, "no rule")],
    ),
    (
        "the root user left out",
        |files| {
            files.pattern(json!({"source": ["aws.iam"], "detail": {"eventName": ["DeactivateMFADevice"], "userIdentity": {"type": [{"anything-but": "Root"}]}}}))
        },
        &[("eventbridge-rule", FAIL, "the root user's device")],
    ),
    (
        "virtual devices alone",
        |files| {
            files.pattern(json!({"detail": {"eventName": ["DeactivateMFADevice"], "$or": [{"requestParameters": {"serialNumber": [{"wildcard": "arn:*:mfa/*"}]}}, {"errorCode": [{"exists": true}]}]}}))
        },
        &[("eventbridge-rule", FAIL, "a security key")],
    ),
    (
        "another event",
        |files| files.pattern(json!({"source": ["aws.iam"], "detail": {"eventName": ["DeleteVirtualMFADevice"]}})),
        &[
            ("eventbridge-rule", FAIL, "`detail.eventName`"),
            ("eventbridge-target", FAIL, "no rule"),
            ("eventbridge-attempts", FAIL, "no rule"),
        ],
    ),
    (
        "everything of IAM by wildcards",
        |files| {
            files.pattern(
                json!({"source": [{"prefix": "aws.i"}], "detail": {"eventName": [{"wildcard": "De*MFADevice"}]}}),
            )
        },
        &[],
    ),
    (
        "an operator that is not known",
        |files| files.pattern(json!({"source": ["aws.iam"], "detail": {"eventName": [{"regex": "^Deactivate"}]}})),
        &[
            ("eventbridge-rule", UNKNOWN, "`regex`"),
            ("eventbridge-target", UNKNOWN, "not understood"),
            ("eventbridge-attempts", UNKNOWN, "`regex`"),
        ],
    ),
    (
        "rules that may not be listed",
        |files| files.refuse("111122223333/event-rules.json", "ListRules", "AccessDeniedException"),
        &[
            ("eventbridge-rule", UNKNOWN, "events:ListRules"),
            ("eventbridge-target", UNKNOWN, "events:ListRules"),
            ("eventbridge-attempts", UNKNOWN, "events:ListRules"),
        ],
    ),
    (
        "rules that were not given",
        |files| files.remove("event-rules.json"),
        &[
            ("eventbridge-rule", UNKNOWN, "aws events list-rules > event-rules.json"),
            ("eventbridge-target", UNKNOWN, "event-rules.json"),
            ("eventbridge-attempts", UNKNOWN, "event-rules.json"),
        ],
    ),
    (
        "a rule without targets",
        |files| *files.own("event-targets-mfa-alerts.json") = json!({"Targets": []}),
        &[("eventbridge-target", FAIL, "no targets")],
    ),
    (
        "targets that may not be listed",
        |files| {
            files.refuse("111122223333/event-targets-mfa-alerts.json", "ListTargetsByRule", "AccessDeniedException")
        },
        &[("eventbridge-target", UNKNOWN, "events:ListTargetsByRule")],
    ),
    (
        "a fixed text in the place of the event",
        |files| files.own("event-targets-mfa-alerts.json")["Targets"][0]["Input"] = json!("\"MFA!\""),
        &[("eventbridge-target", FAIL, "a fixed text")],
    ),
    (
        "a topic that is gone",
        |files| files.refuse("111122223333/sns-topic-alerts.json", "GetTopicAttributes", "NotFound"),
        &[("eventbridge-target", FAIL, "does not exist"), ("metric-alarm", FAIL, "does not exist")],
    ),
    (
        "a topic that may not be looked at",
        |files| files.refuse("111122223333/sns-topic-alerts.json", "GetTopicAttributes", "AuthorizationError"),
        &[
            ("eventbridge-target", UNKNOWN, "sns:GetTopicAttributes"),
            ("metric-alarm", UNKNOWN, "sns:GetTopicAttributes"),
        ],
    ),
    (
        "a topic without subscribers",
        |files| files.topic("SubscriptionsConfirmed", json!("0")),
        &[
            ("eventbridge-target", FAIL, "no confirmed subscription"),
            ("metric-alarm", FAIL, "no confirmed subscription"),
        ],
    ),
    (
        "subscriptions by their list, one of them confirmed",
        |files| {
            files.topic("SubscriptionsConfirmed", Value::Null);
            files.put("sns-subscriptions-alerts.json", json!({"Subscriptions": [
                {"SubscriptionArn": "PendingConfirmation"}, {"SubscriptionArn": "arn:aws:sns:us-east-1:111122223333:alerts:1"}]}));
        },
        &[],
    ),
    (
        "subscriptions that nobody confirmed",
        |files| {
            files.topic("SubscriptionsConfirmed", Value::Null);
            files.put(
                "sns-subscriptions-alerts.json",
                json!({"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]}),
            );
        },
        &[
            ("eventbridge-target", FAIL, "no confirmed subscription"),
            ("metric-alarm", FAIL, "no confirmed subscription"),
        ],
    ),
    (
        "a topic that EventBridge may not publish to",
        |files| files.topic("Policy", topic_policy("s3.amazonaws.com")),
        &[("eventbridge-target", FAIL, "does not let events.amazonaws.com")],
    ),
    (
        "a topic that accepts another rule alone",
        |files| {
            let policy = json!({"Statement": [
                {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": TOPIC,
                 "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/other"}}},
                {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:*", "Resource": "*",
                 "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:*:111122223333:alarm:*"}}}]});
            files.topic("Policy", json!(policy.to_string()));
        },
        &[("eventbridge-target", FAIL, "does not let events.amazonaws.com")],
    ),
    (
        "a topic under the AWS managed key",
        |files| files.topic("KmsMasterKeyId", json!("alias/aws/sns")),
        &[("eventbridge-target", FAIL, "AWS managed key"), ("metric-alarm", FAIL, "AWS managed key")],
    ),
    (
        "a topic under a key of one's own",
        |files| files.topic("KmsMasterKeyId", json!("arn:aws:kms:us-east-1:111122223333:key/abc")),
        &[
            ("eventbridge-target", UNKNOWN, "whose policy is not read"),
            ("metric-alarm", UNKNOWN, "whose policy is not read"),
        ],
    ),
    (
        "a queue that accepts the rule",
        |files| {
            let queue = "arn:aws:sqs:us-east-1:111122223333:mfa";
            files.own("event-targets-mfa-alerts.json")["Targets"][0]["Arn"] = json!(queue);
            let policy = json!({"Statement": {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": queue, "Condition": {"ArnEquals": {"aws:SourceArn": RULE}}}});
            files.put("sqs-queue-mfa.json", json!({"Attributes": {"QueueArn": queue, "Policy": policy.to_string()}}));
        },
        &[],
    ),
    (
        "a queue that is gone",
        |files| {
            files.own("event-targets-mfa-alerts.json")["Targets"][0]["Arn"] =
                json!("arn:aws:sqs:us-east-1:111122223333:mfa");
            files.refuse(
                "111122223333/sqs-queue-mfa.json",
                "GetQueueAttributes",
                "AWS.SimpleQueueService.NonExistentQueue",
            );
        },
        &[("eventbridge-target", FAIL, "does not exist")],
    ),
    (
        "a queue without a policy",
        |files| {
            files.own("event-targets-mfa-alerts.json")["Targets"][0]["Arn"] =
                json!("arn:aws:sqs:us-east-1:111122223333:mfa");
            files.put("sqs-queue-mfa.json", json!({"Attributes": {"ApproximateNumberOfMessages": "0"}}));
        },
        &[("eventbridge-target", FAIL, "does not let events.amazonaws.com")],
    ),
    (
        "a function that EventBridge may not invoke",
        |files| {
            files.own("event-targets-mfa-alerts.json")["Targets"][0]["Arn"] =
                json!("arn:aws:lambda:us-east-1:111122223333:function:tell");
            files.refuse("111122223333/lambda-policy-tell.json", "GetPolicy", "ResourceNotFoundException");
        },
        &[("eventbridge-target", FAIL, "nobody may invoke it")],
    ),
    (
        "a bus of another account",
        |files| {
            files.own("event-targets-mfa-alerts.json")["Targets"][0]["Arn"] =
                json!("arn:aws:events:us-east-1:444455556666:event-bus/security")
        },
        &[("eventbridge-target", UNKNOWN, "not followed")],
    ),
    (
        "two targets, one of which works",
        |files| {
            let targets = json!([{"Id": "0", "Arn": "arn:aws:logs:us-east-1:111122223333:log-group:/aws/events/x"}, {"Id": "1", "Arn": TOPIC}]);
            files.own("event-targets-mfa-alerts.json")["Targets"] = targets;
        },
        &[],
    ),
];

const TRAILS: &[Case] = &[
    (
        "a trail that is stopped",
        |files| files.own("trail-status-org-trail.json")["IsLogging"] = json!(false),
        &[("trail-logging", FAIL, "stopped"), ("eventbridge-rule", FAIL, "no trail logs")],
    ),
    (
        "a trail that cannot deliver",
        |files| files.own("trail-status-org-trail.json")["LatestDeliveryError"] = json!("AccessDenied"),
        &[("trail-logging", FAIL, "AccessDenied")],
    ),
    (
        "a trail that has been quiet for days",
        |files| files.own("trail-status-org-trail.json")["LatestDeliveryTime"] = json!("2026-10-29T00:00:00Z"),
        &[("trail-logging", UNKNOWN, "4 days ago")],
    ),
    (
        "a delivery time as the wire has it",
        |files| files.own("trail-status-org-trail.json")["LatestDeliveryTime"] = json!(1_793_577_000.25),
        &[],
    ),
    (
        "a trail whose status a member may not see",
        |files| files.refuse("111122223333/trail-status-org-trail.json", "GetTrailStatus", "AccessDeniedException"),
        &[("trail-logging", UNKNOWN, "cloudtrail:GetTrailStatus")],
    ),
    (
        "a trail of another region alone",
        |files| {
            files.own("trails.json")["trailList"][0]["IsMultiRegionTrail"] = json!(false);
            files.own("trails.json")["trailList"][0]["HomeRegion"] = json!("eu-west-1");
        },
        &[
            ("trail-multi-region", FAIL, "has none of them"),
            ("eventbridge-rule", FAIL, "no trail logs"),
            ("metric-filter", FAIL, "no trail records"),
            ("metric-alarm", FAIL, "no metric filter"),
        ],
    ),
    (
        "a trail of IAM's region alone",
        |files| files.own("trails.json")["trailList"][0]["IsMultiRegionTrail"] = json!(false),
        &[("trail-multi-region", FAIL, "us-east-1 alone")],
    ),
    (
        "a trail without validation",
        |files| files.own("trails.json")["trailList"][0]["LogFileValidationEnabled"] = json!(false),
        &[("trail-validation", FAIL, "is off")],
    ),
    (
        "digests that cannot be delivered",
        |files| files.own("trail-status-org-trail.json")["LatestDigestDeliveryError"] = json!("NoSuchBucket"),
        &[("trail-validation", FAIL, "NoSuchBucket")],
    ),
    (
        "an account's own trail",
        |files| files.own("trails.json")["trailList"][0]["IsOrganizationTrail"] = json!(false),
        &[("trail-organization", FAIL, "the account's own")],
    ),
    (
        "another bucket than the one that is scanned",
        |files| files.own("trails.json")["trailList"][0]["S3BucketName"] = json!("other-bucket"),
        &[("trail-archive", FAIL, "s3://other-bucket")],
    ),
    (
        "calls that read alone",
        |files| files.own("event-selectors-org-trail.json")["EventSelectors"][0]["ReadWriteType"] = json!("ReadOnly"),
        &[("trail-management-events", FAIL, "only calls that read"), ("eventbridge-rule", FAIL, "no trail logs")],
    ),
    (
        "calls that write alone",
        |files| files.own("event-selectors-org-trail.json")["EventSelectors"][0]["ReadWriteType"] = json!("WriteOnly"),
        &[],
    ),
    (
        "IAM left out",
        |files| {
            files.own("event-selectors-org-trail.json")["EventSelectors"][0]["ExcludeManagementEventSources"] =
                json!(["iam.amazonaws.com"])
        },
        &[("trail-management-events", FAIL, "iam.amazonaws.com"), ("eventbridge-rule", FAIL, "no trail logs")],
    ),
    (
        "advanced selectors of management events",
        |files| {
            *files.own("event-selectors-org-trail.json") = json!({"AdvancedEventSelectors": [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]},
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]}]})
        },
        &[],
    ),
    (
        "advanced selectors without IAM",
        |files| {
            *files.own("event-selectors-org-trail.json") = json!({"AdvancedEventSelectors": [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "eventSource", "NotStartsWith": ["iam."]}]}]})
        },
        &[("trail-management-events", FAIL, "restricts `eventSource`"), ("eventbridge-rule", FAIL, "no trail logs")],
    ),
    (
        "data events alone",
        |files| {
            *files.own("event-selectors-org-trail.json") = json!({"AdvancedEventSelectors": [
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]})
        },
        &[("trail-management-events", FAIL, "no management events"), ("eventbridge-rule", FAIL, "no trail logs")],
    ),
    (
        "no trail at all",
        |files| {
            *files.own("trails.json") = json!({"trailList": []});
            for name in
                ["trail-status-org-trail.json", "event-selectors-org-trail.json", "metric-filters.json", "alarms.json"]
            {
                files.remove(name);
            }
        },
        &[
            ("trail-logging", FAIL, "no trail"),
            ("eventbridge-rule", FAIL, "no trail logs"),
            ("trail-multi-region", FAIL, "no trail"),
            ("trail-management-events", FAIL, "no trail"),
            ("trail-validation", FAIL, "no trail"),
            ("trail-archive", FAIL, "no trail"),
            ("trail-organization", FAIL, "no trail"),
            ("metric-filter", FAIL, "no trail"),
            ("metric-alarm", FAIL, "no metric filter"),
        ],
    ),
    (
        "a second trail that has less",
        |files| {
            let second = json!({
                "Name": "old", "S3BucketName": "old-bucket", "IsMultiRegionTrail": false, "HomeRegion": "us-east-1",
                "TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/old", "LogFileValidationEnabled": false
            });
            files.own("trails.json")["trailList"].as_array_mut().unwrap().insert(0, second);
            files.put("trail-status-old.json", json!({"IsLogging": false}));
            files.put("event-selectors-old.json", json!({"EventSelectors": []}));
        },
        &[],
    ),
];

const METRICS: &[Case] = &[
    (
        "a trail without a log group",
        |files| {
            files.own("trails.json")["trailList"][0]["CloudWatchLogsLogGroupArn"] = json!("");
            files.remove("metric-filters.json");
            files.remove("alarms.json");
        },
        &[("metric-filter", FAIL, "no log group"), ("metric-alarm", FAIL, "no metric filter")],
    ),
    (
        "no filter that matches",
        |files| {
            files.own("metric-filters.json")["metricFilters"][0]["filterPattern"] =
                json!("{ $.eventName = ConsoleLogin }");
            files.remove("alarms.json");
        },
        &[("metric-filter", FAIL, "no metric filter"), ("metric-alarm", FAIL, "no metric filter")],
    ),
    (
        "a filter in the wrong case",
        |files| {
            files.own("metric-filters.json")["metricFilters"][0]["filterPattern"] =
                json!("{ $.eventName = deactivateMFADevice }");
            files.remove("alarms.json");
        },
        &[("metric-filter", FAIL, "does not match every deactivation"), ("metric-alarm", FAIL, "no metric filter")],
    ),
    (
        "a filter on a group that no trail writes to",
        |files| files.own("metric-filters.json")["metricFilters"][0]["logGroupName"] = json!("other"),
        &[("metric-filter", FAIL, "to which no trail writes"), ("metric-alarm", FAIL, "no metric filter")],
    ),
    (
        "a filter of which AWS alone can tell",
        |files| {
            files.own("metric-filters.json")["metricFilters"][0]["filterPattern"] =
                json!("{ ($.eventName = DeactivateMFADevice) && ($.errorCode != AccessDenied) }")
        },
        &[("metric-filter", UNKNOWN, "`!=`"), ("metric-alarm", UNKNOWN, "not known")],
    ),
    (
        "a filter by a regular expression",
        |files| {
            files.own("metric-filters.json")["metricFilters"][0]["filterPattern"] =
                json!("{ $.eventName = %Deactivate.*% }")
        },
        &[("metric-filter", UNKNOWN, "regular expression"), ("metric-alarm", UNKNOWN, "not known")],
    ),
    (
        "a filter by terms",
        |files| {
            files.own("metric-filters.json")["metricFilters"][0]["filterPattern"] = json!("\"DeactivateMFADevice\"")
        },
        &[],
    ),
    (
        "filters that may not be listed",
        |files| {
            files.refuse("111122223333/metric-filters.json", "DescribeMetricFilters", "AccessDeniedException");
            files.remove("alarms.json");
        },
        &[("metric-filter", UNKNOWN, "logs:DescribeMetricFilters"), ("metric-alarm", UNKNOWN, "not known")],
    ),
    (
        "a log group that the trail cannot write to",
        |files| files.own("trail-status-org-trail.json")["LatestCloudWatchLogsDeliveryError"] = json!("Access denied"),
        &[("metric-filter", FAIL, "cannot write to its log group"), ("metric-alarm", FAIL, "no metric filter")],
    ),
    ("no alarm", |files| files.own("alarms.json")["MetricAlarms"] = json!([]), &[("metric-alarm", FAIL, "no alarm")]),
    (
        "an alarm of another namespace",
        |files| files.own("alarms.json")["MetricAlarms"][0]["Namespace"] = json!("Other"),
        &[("metric-alarm", FAIL, "no alarm")],
    ),
    (
        "an alarm whose actions are disabled",
        |files| files.own("alarms.json")["MetricAlarms"][0]["ActionsEnabled"] = json!(false),
        &[("metric-alarm", FAIL, "disabled")],
    ),
    (
        "an alarm without actions",
        |files| files.own("alarms.json")["MetricAlarms"][0]["AlarmActions"] = json!([]),
        &[("metric-alarm", FAIL, "no actions")],
    ),
    (
        "an alarm that one deactivation does not set off",
        |files| files.own("alarms.json")["MetricAlarms"][0]["Threshold"] = json!(5),
        &[("metric-alarm", FAIL, "threshold")],
    ),
    (
        "an alarm above one",
        |files| files.own("alarms.json")["MetricAlarms"][0]["ComparisonOperator"] = json!("GreaterThanThreshold"),
        &[("metric-alarm", FAIL, "threshold")],
    ),
    (
        "an alarm that waits for three periods",
        |files| files.own("alarms.json")["MetricAlarms"][0]["EvaluationPeriods"] = json!(3),
        &[("metric-alarm", FAIL, "3 periods")],
    ),
    (
        "an alarm of one point in three periods",
        |files| {
            files.own("alarms.json")["MetricAlarms"][0]["EvaluationPeriods"] = json!(3);
            files.own("alarms.json")["MetricAlarms"][0]["DatapointsToAlarm"] = json!(1);
        },
        &[],
    ),
    (
        "an alarm that tells by another alarm",
        |files| {
            files.own("alarms.json")["MetricAlarms"][0]["AlarmActions"] = json!([]);
            files.own("alarms.json")["CompositeAlarms"] = json!([{"AlarmName": "any", "AlarmArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:any",
                "AlarmRule": "ALARM(\"MfaDeviceRemoved\") OR ALARM(\"x\")", "ActionsEnabled": true, "AlarmActions": [TOPIC]}]);
        },
        &[],
    ),
    (
        "an alarm that computes",
        |files| {
            files.own("alarms.json")["MetricAlarms"][0]["Metrics"] = json!([
            {"Id": "e", "Expression": "m * 2"},
            {"Id": "m", "MetricStat": {"Metric": {"Namespace": "Security", "MetricName": "MfaDeviceRemoved"}, "Stat": "Sum", "Period": 60}}])
        },
        &[("metric-alarm", UNKNOWN, "computes")],
    ),
];

const POLICIES: &[Case] = &[
    (
        "a deny without exception",
        |files| files.control_policy(deny(Value::Null)),
        &[("scp-rotation", FAIL, "without any exception")],
    ),
    (
        "a deny for want of MFA",
        |files| files.control_policy(deny(json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}))),
        &[],
    ),
    (
        "a deny for want of MFA that access keys pass",
        |files| files.control_policy(deny(json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}))),
        &[("scp-deny", FAIL, "a user with an access key")],
    ),
    (
        "an exception for every role",
        |files| files.control_policy(deny(json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}))),
        &[("scp-deny", FAIL, "any role's session")],
    ),
    (
        "an exception by tag",
        |files| files.control_policy(deny(json!({"StringNotEquals": {"aws:PrincipalTag/mfa-admin": "true"}}))),
        &[],
    ),
    (
        "a condition that is not known",
        |files| files.control_policy(deny(json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}))),
        &[("scp-deny", UNKNOWN, "aws:sourceip")],
    ),
    (
        "a deny of one user's devices",
        |files| {
            let mut statement = deny(Value::Null);
            statement["Resource"] = json!("arn:aws:iam::*:user/ceo");
            files.control_policy(statement);
        },
        &[("scp-deny", FAIL, "no service control policy denies")],
    ),
    (
        "a deny of another call",
        |files| {
            files.control_policy(json!({"Effect": "Deny", "Action": "iam:DeleteVirtualMFADevice", "Resource": "*"}))
        },
        &[("scp-deny", FAIL, "no service control policy denies")],
    ),
    (
        "a deny by what it does not name",
        |files| {
            files.control_policy(json!({"Effect": "Deny", "NotAction": ["s3:*", "ec2:*"], "Resource": "*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/MfaBreakGlass"}}}))
        },
        &[],
    ),
    (
        "a deny by a wildcard in the middle",
        |files| {
            files.control_policy(
                json!({"Effect": "Deny", "Action": "iam:*MFADevice", "NotResource": "arn:aws:iam::*:user/bot",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/MfaBreakGlass"}}}),
            )
        },
        &[],
    ),
    (
        "a policy that is attached elsewhere",
        |files| {
            *files.organization("scp-targets-p-mfa00001.json") = json!({"Targets": [{"TargetId": "ou-root-other"}]})
        },
        &[("scp-deny", FAIL, "no service control policy denies")],
    ),
    (
        "a level at which nothing allows the call",
        |files| {
            *files.organization("scp-targets-p-FullAWSAccess.json") =
                json!({"Targets": [{"TargetId": "r-root"}, {"TargetId": "111122223333"}]});
        },
        &[("scp-rotation", FAIL, "no policy of `ou-root-work` allows")],
    ),
    (
        "policies that are not enabled",
        |files| files.organization("roots.json")["Roots"][0]["PolicyTypes"] = json!([]),
        &[("scp-deny", FAIL, "not enabled")],
    ),
    (
        "an organization for bills alone",
        |files| files.organization("organization.json")["Organization"]["FeatureSet"] = json!("CONSOLIDATED_BILLING"),
        &[("scp-deny", FAIL, "not enabled")],
    ),
    (
        "an organization that may not be looked at",
        |files| {
            files.refuse("organization/organization.json", "DescribeOrganization", "AccessDeniedException");
            files.own("trails.json")["trailList"][0]["IsOrganizationTrail"] = json!(false);
        },
        &[
            ("removal-without-mfa", Verdict::Pass, ""),
            ("scp-deny", UNKNOWN, "organizations:DescribeOrganization"),
            ("trail-organization", UNKNOWN, "organizations:DescribeOrganization"),
            ("scp-rotation", UNKNOWN, "organizations:DescribeOrganization"),
        ],
    ),
    (
        "an account in no organization",
        |files| {
            files.refuse("organization/organization.json", "DescribeOrganization", "AWSOrganizationsNotInUseException")
        },
        &[("scp-deny", FAIL, "in no organization")],
    ),
    (
        "a document that may not be read",
        |files| files.refuse("organization/scp-p-mfa00001.json", "DescribePolicy", "AccessDeniedException"),
        &[
            ("scp-deny", UNKNOWN, "organizations:DescribePolicy"),
            ("scp-rotation", UNKNOWN, "organizations:DescribePolicy"),
        ],
    ),
    (
        "the management account",
        |files| files.organization("organization.json")["Organization"]["MasterAccountId"] = json!(ACCOUNT),
        &[("scp-management-account", FAIL, "`ada`")],
    ),
    (
        "the management account without central root access",
        |files| {
            files.organization("organization.json")["Organization"]["MasterAccountId"] = json!(ACCOUNT);
            files.refuse(
                "organization/organizations-features.json",
                "ListOrganizationsFeatures",
                "ServiceAccessNotEnabledException",
            );
        },
        &[("scp-management-account", FAIL, "`ada`"), ("root-management", FAIL, "password of its own")],
    ),
];

const IAM: &[Case] = &[
    (
        "a guard that exempts the deactivation",
        |files| files.guard()["NotAction"].as_array_mut().unwrap().push(json!("iam:DeactivateMFADevice")),
        // A role's exemption in the organization's policy does not let the user.
        &[("guard-exempts-removal", FAIL, "iam:deactivatemfadevice")],
    ),
    (
        "the same without a policy of the organization",
        |files| {
            files.guard()["NotAction"].as_array_mut().unwrap().push(json!("iam:*"));
            files.refuse("organization/organization.json", "DescribeOrganization", "AWSOrganizationsNotInUseException");
        },
        &[
            ("removal-without-mfa", FAIL, "AdministratorAccess"),
            ("guard-exempts-removal", FAIL, "iam:*"),
            ("scp-deny", FAIL, "in no organization"),
        ],
    ),
    (
        "no guard, and no policy of the organization",
        |files| {
            files.own("account-authorization-details.json")["GroupDetailList"][0]["GroupPolicyList"] = json!([]);
            files.refuse("organization/organization.json", "DescribeOrganization", "AWSOrganizationsNotInUseException");
        },
        &[("removal-without-mfa", FAIL, "`ada`"), ("scp-deny", FAIL, "in no organization")],
    ),
    (
        "a guard that access keys pass",
        |files| {
            files.guard()["Condition"] = json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}});
            files.refuse("organization/organization.json", "DescribeOrganization", "AWSOrganizationsNotInUseException");
        },
        &[("removal-without-mfa", FAIL, "`ada`"), ("scp-deny", FAIL, "in no organization")],
    ),
    (
        "a guard with another condition",
        |files| {
            files.guard()["Condition"]["StringEquals"] = json!({"aws:RequestedRegion": "us-east-1"});
            files.refuse("organization/organization.json", "DescribeOrganization", "AWSOrganizationsNotInUseException");
        },
        &[("removal-without-mfa", UNKNOWN, "`ada`"), ("scp-deny", FAIL, "in no organization")],
    ),
    (
        "policies that were not given",
        |files| {
            files.remove("account-authorization-details.json");
        },
        &[
            ("removal-without-mfa", UNKNOWN, "policies"),
            ("guard-exempts-removal", UNKNOWN, "policies"),
            ("owner-tag", UNKNOWN, "`ada`"),
        ],
    ),
    (
        "a user without an owner",
        |files| {
            files.own("account-authorization-details.json")["UserDetailList"][0]["Tags"] =
                json!([{"Key": "owner", "Value": " "}])
        },
        &[("owner-tag", FAIL, "`ada`")],
    ),
    (
        "a leftover device of a user's name",
        |files| {
            files.own("virtual-mfa-devices.json")["VirtualMFADevices"]
                .as_array_mut()
                .unwrap()
                .push(json!({"SerialNumber": "arn:aws:iam::111122223333:mfa/ADA"}))
        },
        &[("leftover-device", FAIL, "blocks the user `ADA`")],
    ),
    (
        "virtual devices that were not given",
        |files| files.remove("virtual-mfa-devices.json"),
        &[("leftover-device", UNKNOWN, "virtual-mfa-devices.json")],
    ),
    (
        "a root user without MFA",
        |files| {
            *files.own("account-summary.json") = json!({"SummaryMap": {"AccountMFAEnabled": 0, "AccountPasswordPresent": 1, "AccountAccessKeysPresent": 0}});
            *files.own("credential-report.csv") = json!(REPORT.replace(
                "true,N/A,N/A,N/A,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\nada",
                "true,N/A,N/A,N/A,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\nada"
            ));
        },
        &[
            ("root-mfa", FAIL, "although they could be managed centrally"),
            ("root-credentials", FAIL, "managed centrally"),
        ],
    ),
    (
        "a root user without any credentials",
        |files| {
            *files.own("account-summary.json") = json!({"SummaryMap": {"AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountAccessKeysPresent": 0}});
            *files.own("credential-report.csv") = json!(REPORT.replace(
                "<root_account>,arn:aws:iam::111122223333:root,2024-01-15T08:00:00+00:00,true,N/A,N/A,N/A,true",
                "<root_account>,arn:aws:iam::111122223333:root,2024-01-15T08:00:00+00:00,false,N/A,N/A,N/A,false"
            ));
        },
        &[],
    ),
    (
        "a root user with an access key",
        |files| {
            files.own("account-summary.json")["SummaryMap"]["AccountAccessKeysPresent"] = json!(1);
            *files.own("credential-report.csv") = json!(REPORT.replacen("true,false,N/A", "true,true,N/A", 1));
        },
        &[("root-credentials", FAIL, "an active access key")],
    ),
    (
        "no file of IAM",
        |files| {
            for name in [
                "account-authorization-details.json",
                "account-summary.json",
                "credential-report.csv",
                "virtual-mfa-devices.json",
                "mfa-devices-ada.json",
            ] {
                files.remove(name);
            }
        },
        &[
            ("root-mfa", UNKNOWN, "no file of `aws iam`"),
            ("root-credentials", UNKNOWN, "no file"),
            ("removal-without-mfa", UNKNOWN, "no file"),
            ("guard-exempts-removal", UNKNOWN, "no file"),
            ("leftover-device", UNKNOWN, "no file"),
            ("owner-tag", UNKNOWN, "no file"),
        ],
    ),
];

#[test]
fn each_set_up_has_its_verdict() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, edit, expected) in [EVENTS, TRAILS, METRICS, POLICIES, IAM].into_iter().flatten() {
        count += 1;
        let mut files = good();
        edit(&mut files);
        // What the other checks are told of is none of these cases' matter.
        let posture = match judge_leniently(&files) {
            Ok(posture) => posture,
            Err(error) => panic!("{name}: {error}"),
        };
        let mut found = faults(&posture);
        for (code, verdict, words) in expected.iter().filter(|(_, verdict, _)| *verdict != Verdict::Pass) {
            let at = found.iter().position(|(one, is, why)| one == code && is == verdict && why.contains(words));
            match at {
                Some(at) => drop(found.remove(at)),
                None => wrong.push(format!("{name}: {code} is not {verdict:?} for {words:?}: {:?}", faults(&posture))),
            }
        }
        wrong.extend(found.iter().map(|(code, verdict, why)| format!("{name}: {code} is {verdict:?}: {why}")));
        for check in posture.checks.iter().filter(|check| check.verdict == FAIL) {
            assert!(check.fix.as_deref().is_some_and(|fix| fix.len() > 10), "{name}: {check:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 90, "{count}");
}

/// With files that no check asks for any more.
fn judge_leniently(files: &Files) -> Result<Posture, Error> {
    let home = tempfile::tempdir().unwrap();
    files.write(home.path());
    let at: DateTime<Utc> = AS_OF.parse().unwrap();
    let request = PostureRequest {
        source: PostureSource::Files { folder: home.path().to_owned(), as_of: at },
        accounts: Vec::new(),
        expected: Expectations {
            archive: Some(("trail-bucket".to_owned(), String::new())),
            owner_tags: vec!["owner-email".to_owned(), "owner".to_owned()],
        },
    };
    judge_posture(&request, Run::silent(at)).map(|answer| answer.posture)
}

fn posture(files: &Files, arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    files.write(home.path());
    let mut command = mfatrail();
    command.args(["posture", "--as-of", AS_OF, "--from-files"]).arg(home.path()).args(arguments);
    command.output().expect("it runs").into()
}

#[test]
fn the_exit_status_tells_what_stands() {
    let with = |edit: &dyn Fn(&mut Files)| {
        let mut files = good();
        edit(&mut files);
        files
    };
    let failing = with(&|files| files.rule()["State"] = json!("DISABLED"));
    let unknown = with(&|files| files.remove("trail-status-org-trail.json"));
    for (files, arguments, status) in [
        (&good(), &[][..], 0),
        (&failing, &[], 1),
        (&failing, &["--fail-on", "root-mfa"], 0),
        (&failing, &["--fail-on", "root-mfa,eventbridge-rule"], 1),
        (&unknown, &[], 3),
        (&unknown, &["--fail-on", "root-mfa"], 3),
    ] {
        let ran = posture(files, arguments);
        assert_eq!(ran.status, status, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    }
    for (arguments, what) in [
        (&["--fail-on", "rootmfa"][..], "is not one of trail-logging"),
        (&["--account", "12"], "is not an account ID"),
        (&["--account", "444455556666"], "has no folder"),
        (&["--archive", "./copy"], "a trail writes to a bucket"),
        (&["--profile", "x"], "cannot be used with"),
    ] {
        let ran = posture(&good(), arguments);
        assert_eq!(ran.status, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
    }
}

#[test]
fn a_terminal_shows_what_is_missing_first_and_how_to_set_it_right() {
    let mut files = good();
    files.rule()["State"] = json!("DISABLED");
    files.remove("trail-status-org-trail.json");
    files.own("account-authorization-details.json")["UserDetailList"][0]["Tags"] = json!([]);
    let ran = posture(&files, &[]);
    insta::assert_snapshot!("posture_terminal", ran.stdout);
}

#[test]
fn every_format_says_the_same() {
    let mut files = good();
    files.rule()["State"] = json!("DISABLED");
    files.remove("trail-status-org-trail.json");
    let json = posture(&files, &["--format", "json"]);
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["schema"], "mfatrail.posture/1");
    assert_eq!(document["taken_at"], AS_OF);
    assert_eq!(schema::faults(&SCHEMA["$defs"]["posture"], &document), [""; 0]);
    let checks: Vec<PostureCheck> = serde_json::from_value(document["checks"].clone()).unwrap();
    assert_eq!(checks.first().map(|check| check.code), Some(PostureCode::EventRule));
    let [html, md, ocsf] = ["html", "md", "ocsf"].map(|format| posture(&files, &["--format", format]).stdout);
    for check in checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        for text in [&html, &md, &ocsf] {
            assert!(text.contains(check.code.as_str()), "{}", check.code.as_str());
        }
    }
    assert!(html.contains("Content-Security-Policy") && html.contains("aws events enable-rule"), "{html}");
    assert!(md.contains("aws events enable-rule"), "{md}");
    let findings: Vec<Value> = ocsf.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings.len(), checks.len());
    for (finding, check) in findings.iter().zip(&checks) {
        assert_eq!(finding["class_uid"], 2003);
        assert_eq!(finding["type_uid"], 200_301);
        assert_eq!(finding["compliance"]["control"], check.code.as_str());
        let status = [("fail", 3), ("cannot_tell", 0), ("pass", 1)]
            .into_iter()
            .find(|(name, _)| *name == check.verdict.as_str());
        assert_eq!(finding["compliance"]["status_id"], status.unwrap().1);
        for required in
            ["activity_id", "category_uid", "finding_info", "metadata", "severity_id", "time", "cloud", "resources"]
        {
            assert!(finding.get(required).is_some(), "{required}");
        }
    }
}

#[test]
fn what_a_stranger_named_is_harmless_everywhere() {
    let mut files = good();
    let evil = "\u{1b}[2J<img src=x onerror=alert(1)>`$(id)`'|";
    files.own("virtual-mfa-devices.json")["VirtualMFADevices"]
        .as_array_mut()
        .unwrap()
        .push(json!({"SerialNumber": format!("arn:aws:iam::111122223333:mfa/{evil}")}));
    for format in ["table", "html", "md", "ocsf", "json"] {
        let ran = posture(&files, &["--format", format]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(!ran.stdout.contains('\u{1b}'), "{format}");
        assert!(format != "html" || !ran.stdout.contains("<img src=x"), "{format}");
    }
    let table = posture(&files, &[]).stdout;
    assert!(
        table.contains(r"'arn:aws:iam::111122223333:mfa/\u{1b}[2J<img src=x onerror=alert(1)>`$(id)`'\''|'"),
        "{table}"
    );
}

#[test]
fn malformed_files_are_named() {
    let cases: [(&str, Value, &str); 6] = [
        ("event-rules.json", json!("{\"Rules\": ["), "event-rules.json`: line 1"),
        ("event-rules.json", json!("{\"rules\": []}"), "it has no `Rules`"),
        ("trails.json", json!("<html>"), "trails.json`: line 1"),
        ("metric-filters.json", json!("{\"metricFilters\": [], \"nextToken\": \"x\"}"), "there are more pages"),
        ("alarms.json", json!("[]"), "it has no `MetricAlarms`"),
        ("account-summary.json", json!("{"), "account-summary.json"),
    ];
    for (name, text, what) in cases {
        let mut files = good();
        *files.own(name) = text;
        let ran = posture(&files, &[]);
        assert_eq!(ran.status, 2, "{name}: {}", ran.stdout);
        assert!(ran.stderr.contains(what) && ran.stderr.contains(name), "{name}: {}", ran.stderr);
    }
    let mut files = good();
    files.put("event-rule.json", json!({"Rules": []}));
    let ran = posture(&files, &[]);
    assert!(ran.status == 0 && ran.stderr.contains("event-rule.json` was not read"), "{}", ran.stderr);
}

#[test]
fn the_example_tells_a_story() {
    let mut command = mfatrail();
    command.args([
        "posture",
        "--from-files",
        "examples/posture",
        "--as-of",
        "2026-11-02",
        "--archive",
        "s3://trail-bucket",
    ]);
    let ran: Ran = command.output().expect("it runs").into();
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_report_says_whether_guardrails_stood() {
    let home = tempfile::tempdir().unwrap();
    let mut files = good();
    files.rule()["State"] = json!("DISABLED");
    let given = home.path().join("posture.json");
    fs::write(&given, posture(&files, &["--format", "json"]).stdout).unwrap();
    let report = |name: &str, more: &[&str]| {
        let out = home.path().join(name);
        let mut command = mfatrail();
        command.arg("report").args(FIXTURES).arg("--posture").arg(&given).arg("--out").arg(&out).args(more);
        let ran: Ran = command.output().expect("it runs").into();
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let json: Value = serde_json::from_str(&read("report.json")).unwrap();
        schema::hold(&json);
        (json, read("index.html"), read("report.md"))
    };
    let bundle = home.path().join("report.zip");
    let (json, page, md) = report("plain", &["--bundle", bundle.to_str().unwrap()]);
    assert_eq!(json["posture"]["checks"][0]["code"], "eventbridge-rule");
    assert!(json["inputs"].as_array().unwrap().iter().any(|input| input["kind"] == "posture"), "{}", json["inputs"]);
    for text in [&page, &md] {
        assert!(text.contains("Guardrails") && text.contains("aws events enable-rule"), "{text}");
        assert!(
            text.contains("2 accounts were not checked:") && text.contains("Nothing is known of their guardrails"),
            "{text}"
        );
    }
    let mut again = mfatrail();
    again.arg("report").arg("--from-bundle").arg(&bundle).arg("--out").arg(home.path().join("again"));
    let ran: Ran = again.output().expect("it runs").into();
    assert!(ran.stderr.contains("all come out the same"), "{}", ran.stderr);

    let (json, page, md) = report("redacted", &["--redact"]);
    assert_eq!(json["posture"]["checks"][0]["verdict"], "fail");
    for text in [json.to_string(), page, md] {
        for name in ["mfa-alerts", "trail-bucket", "MfaBreakGlass", "org-trail", "KeepMfa"] {
            assert!(!text.contains(name), "{name}");
        }
        assert!(!text.contains(ACCOUNT));
    }

    for (text, what) in [
        ("{", "posture.json"),
        (
            "{\"schema\":\"mfatrail.posture/2\",\"taken_at\":\"2026-11-02T00:00:00Z\",\"checks\":[]}",
            "mfatrail.posture/2",
        ),
    ] {
        fs::write(&given, text).unwrap();
        let mut command = mfatrail();
        command.arg("report").args(FIXTURES).arg("--posture").arg(&given).arg("--out").arg(home.path().join("none"));
        let ran: Ran = command.output().expect("it runs").into();
        assert!(ran.status == 2 && ran.stderr.contains(what), "{}", ran.stderr);
    }
}
