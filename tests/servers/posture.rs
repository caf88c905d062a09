//! Guardrails of live accounts: against moto, against one who refuses everything, and the evaluator of patterns against that of another
//! program.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use mfatrail::contract::{Posture, Verdict};
use mfatrail::posture::pattern::Pattern;
use mfatrail::posture::probe::Probe;
use serde_json::{Value, json};

use crate::support::run::{Ran, mfatrail};

/// `mfatrail posture` of a server, with made-up credentials.
fn posture(endpoint: &str, arguments: &[&str]) -> Ran {
    let mut command = mfatrail();
    command
        .args(["posture", "--endpoint-url", endpoint])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_REGION", "us-east-1");
    command.output().expect("it runs").into()
}

fn verdict(posture: &Posture, account: &str, code: &str) -> (Verdict, String) {
    let check = posture.checks.iter().find(|check| check.account == account && check.code.as_str() == code);
    check.map(|check| (check.verdict, check.reason.clone())).unwrap_or_else(|| panic!("no {code} of {account}"))
}

/// A server that knows whose the credentials are, and refuses everything else.
fn refuser() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(&mut stream.unwrap()));
        }
    });
    format!("http://{address}")
}

fn answer(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .split("content-length:")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
        match stream.read(&mut piece) {
            Ok(length @ 1..) => request.extend_from_slice(&piece[..length]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request);
    let (status, kind, body) = if text.contains("Action=GetCallerIdentity") {
        let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
            <Arn>arn:aws:iam::111122223333:user/x</Arn><UserId>AIDAX</UserId><Account>111122223333</Account></GetCallerIdentityResult>\
            <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
        ("200 OK", "text/xml", body)
    } else if text.to_lowercase().contains("x-amz-target:") {
        ("400 Bad Request", "application/x-amz-json-1.1", r#"{"__type":"AccessDeniedException","message":"not you"}"#)
    } else {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        ("403 Forbidden", "text/xml", body)
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

#[test]
fn what_is_refused_is_never_a_failure() {
    let ran = posture(&refuser(), &["--format", "json", "--archive", "s3://trail-bucket"]);
    assert_eq!(ran.status, 3, "{}{}", ran.stdout, ran.stderr);
    let posture: Posture = serde_json::from_str(&ran.stdout).unwrap();
    assert!(posture.checks.len() >= 17, "{}", ran.stdout);
    for check in &posture.checks {
        assert_eq!(check.verdict, Verdict::CannotTell, "{check:?}");
        assert!(check.reason.contains("AccessDenied") || check.reason.contains("not known"), "{check:?}");
    }
}

/// Numbers that look random, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

fn leaf(chance: &mut Chance) -> Value {
    chance.of(&[
        json!("x"),
        json!("xy"),
        json!("XY"),
        json!("yx"),
        json!("a*b"),
        json!(""),
        json!(1),
        json!(1.0),
        json!(7),
        json!(true),
        json!(null),
        json!("192.0.2.9"),
        json!("2001:db8::1"),
        json!(["x", 1]),
        json!([]),
        json!([["xy"], 7]),
        json!({"d": "x"}),
        json!([{"d": "x"}, {"d": 7}]),
    ])
}

fn event(chance: &mut Chance) -> Value {
    let mut detail = serde_json::Map::new();
    for name in ["a", "b", "c"] {
        if chance.below(4) > 0 {
            detail.insert(name.to_owned(), leaf(chance));
        }
    }
    json!({
        "version": "0", "id": "1", "detail-type": "T", "source": chance.of(&["aws.iam", "aws.s3"]), "account": "111122223333",
        "time": "2026-10-01T09:00:00Z", "region": "us-east-1", "resources": chance.of(&[json!([]), json!(["x"])]), "detail": detail
    })
}

fn test(chance: &mut Chance) -> Value {
    chance.of(&[
        json!("x"),
        json!("xy"),
        json!(1),
        json!(7),
        json!(true),
        json!(null),
        json!({"exists": true}),
        json!({"exists": false}),
        json!({"prefix": "x"}),
        json!({"prefix": ""}),
        json!({"suffix": "y"}),
        json!({"prefix": {"equals-ignore-case": "X"}}),
        json!({"suffix": {"equals-ignore-case": "Y"}}),
        json!({"equals-ignore-case": "xy"}),
        json!({"wildcard": "*x"}),
        json!({"wildcard": "x*"}),
        json!({"wildcard": "a\\*b"}),
        json!({"wildcard": "*x*y*"}),
        json!({"wildcard": "*"}),
        json!({"anything-but": "x"}),
        json!({"anything-but": ["x", "xy"]}),
        json!({"anything-but": ["x", 1]}),
        json!({"anything-but": [7]}),
        json!({"anything-but": {"prefix": "x"}}),
        json!({"anything-but": {"suffix": ["y", "x"]}}),
        json!({"anything-but": {"wildcard": "*y*"}}),
        json!({"anything-but": {"equals-ignore-case": ["xy", "yx"]}}),
        json!({"numeric": [">", 1]}),
        json!({"numeric": [">=", 1, "<", 7]}),
        json!({"numeric": ["=", 7]}),
        json!({"cidr": "192.0.2.0/24"}),
        json!({"cidr": "2001:db8::/32"}),
    ])
}

fn tests(chance: &mut Chance) -> Value {
    (0..=chance.below(2)).map(|_| test(chance)).collect()
}

fn pattern(chance: &mut Chance) -> Value {
    let mut detail = serde_json::Map::new();
    for name in ["a", "b", "c"] {
        match chance.below(9) {
            0..=2 => drop(detail.insert(name.to_owned(), tests(chance))),
            3 => drop(detail.insert(name.to_owned(), json!({ "d": tests(chance) }))),
            _ => {}
        }
    }
    if detail.is_empty() || chance.below(5) == 0 {
        let names = chance.of(&[["e", "e"], ["e", "f"], ["e", "a.d"]]);
        if !names.iter().any(|name| detail.contains_key(&name[..1])) {
            let alternatives: Vec<Value> = names.iter().map(|name| json!({ *name: tests(chance) })).collect();
            detail.insert("$or".to_owned(), json!(alternatives));
        }
    }
    let mut pattern = json!({});
    if !detail.is_empty() {
        pattern["detail"] = Value::Object(detail);
    }
    if chance.below(4) == 0 || pattern == json!({}) {
        pattern["source"] = chance.of(&[
            json!(["aws.iam"]),
            json!(["aws.iam", "aws.s3"]),
            json!([{"prefix": "aws."}]),
            json!([{"wildcard": "*.iam"}]),
            json!([{"anything-but": "aws.s3"}]),
        ]);
    }
    if chance.below(10) == 0 {
        pattern["resources"] = tests(chance);
    }
    pattern
}

/// What needs PyPI.
mod online {
    use super::*;
    use crate::ministack::Ministack;
    use crate::support::moto::Moto;
    use crate::support::venv;

    #[test]
    fn patterns_match_what_another_program_says_they_match() {
        let server = Ministack::start();
        let mut chance = Chance(20_261_127);
        let (mut matched, mut refused, mut wrong) = (0, 0, Vec::new());
        let oracle = |pattern: &str, event: &Value| {
            server.events("TestEventPattern", &json!({"EventPattern": pattern, "Event": event.to_string()}))
        };
        for _round in 0..1_000 {
            let (pattern, event) = (pattern(&mut chance).to_string(), event(&mut chance));
            let (status, answer) = oracle(&pattern, &event);
            match (Pattern::parse(&pattern), status) {
                (Ok(own), 200) => {
                    let (own, other) = (own.matches(&event), answer["Result"].as_bool().expect("a result"));
                    matched += usize::from(own);
                    if own != other {
                        wrong.push(format!("{pattern}\n  of {event}: {own}, not {other}"));
                    }
                }
                (Err(_), 400) => refused += 1,
                (own, status) => wrong.push(format!("{pattern}: {own:?}, but status {status}: {answer}")),
            }
        }
        // Real ones, of every probe.
        for pattern in [
            r#"{"source":["aws.iam"],"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventSource":["iam.amazonaws.com"],"eventName":["DeactivateMFADevice"]}}"#,
            r#"{"detail":{"eventName":[{"wildcard":"*MFADevice"}],"errorCode":[{"exists":false}]}}"#,
            r#"{"source":["aws.cloudtrail"]}"#,
            r#"{"detail":{"userIdentity":{"type":["Root"]}}}"#,
            r#"{"resources":["x"]}"#,
        ] {
            for probe in Probe::SUCCESSES.into_iter().chain([Probe::Refused]) {
                let event = probe.event("111122223333", "aws", "us-east-1");
                let own = Pattern::parse(pattern).unwrap().matches(&event);
                assert_eq!(Some(own), oracle(pattern, &event).1["Result"].as_bool(), "{pattern}: {probe:?}");
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of 1,000, such as:\n{}",
            wrong.len(),
            wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
        );
        assert!(
            (60..800).contains(&matched) && (1..150).contains(&refused),
            "{matched} matched, {refused} were refused"
        );
    }

    #[test]
    fn what_is_not_understood_here_is_asked_of_eventbridge() {
        let server = Ministack::start();
        // Two conditions on one field, one of them within `$or`: the last counts, which a parsed object does not tell.
        let pattern = r#"{"detail":{"eventName":["DeactivateMFADevice"],"$or":[{"eventName":["DeactivateMFADevice"]},{"eventName":["X"]}]}}"#;
        assert!(Pattern::parse(pattern).is_err());
        server.events("PutRule", &json!({"Name": "odd", "EventPattern": pattern, "State": "ENABLED"}));
        let ran = posture(&server.endpoint(), &["--format", "json"]);
        let posture: Posture =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        let told = posture.checks.iter().find(|check| check.code.as_str() == "eventbridge-attempts").unwrap();
        assert_eq!(told.verdict, Verdict::Pass, "{told:?}");
    }

    const SETUP: &str = r#"
import boto3, json, sys
endpoint = sys.argv[1]
def client(name): return boto3.client(name, endpoint_url=endpoint, region_name='us-east-1', aws_access_key_id='testing', aws_secret_access_key='testing')
s3, trail, events, logs, watch, sns, iam = [client(n) for n in ('s3', 'cloudtrail', 'events', 'logs', 'cloudwatch', 'sns', 'iam')]
account = client('sts').get_caller_identity()['Account']
s3.create_bucket(Bucket='trail-bucket')
topic = sns.create_topic(Name='alerts')['TopicArn']
sns.set_topic_attributes(TopicArn=topic, AttributeName='Policy', AttributeValue=json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow',
    'Principal': {'Service': ['events.amazonaws.com', 'cloudwatch.amazonaws.com']}, 'Action': 'sns:Publish', 'Resource': topic}]}))
sns.subscribe(TopicArn=topic, Protocol='email', Endpoint='security@example.com')
logs.create_log_group(logGroupName='trail')
group = 'arn:aws:logs:us-east-1:%s:log-group:trail:*' % account
trail.create_trail(Name='all', S3BucketName='trail-bucket', IsMultiRegionTrail=True, EnableLogFileValidation=True, CloudWatchLogsLogGroupArn=group,
    CloudWatchLogsRoleArn='arn:aws:iam::%s:role/logs' % account)
trail.start_logging(Name='all')
trail.put_event_selectors(TrailName='all', EventSelectors=[{'ReadWriteType': 'All', 'IncludeManagementEvents': True}])
logs.put_metric_filter(logGroupName='trail', filterName='mfa', filterPattern='{ $.eventName = "DeactivateMFADevice" }',
    metricTransformations=[{'metricName': 'Mfa', 'metricNamespace': 'Security', 'metricValue': '1'}])
watch.put_metric_alarm(AlarmName='mfa', Namespace='Security', MetricName='Mfa', Statistic='Sum', Period=300, EvaluationPeriods=1, Threshold=1,
    ComparisonOperator='GreaterThanOrEqualToThreshold', AlarmActions=[topic])
events.put_rule(Name='mfa', EventPattern=json.dumps({'source': ['aws.iam'], 'detail': {'eventName': ['DeactivateMFADevice']}}), State='ENABLED')
events.put_targets(Rule='mfa', Targets=[{'Id': '1', 'Arn': topic}])
iam.create_user(UserName='ada', Tags=[{'Key': 'owner', 'Value': 'ada@example.com'}])
iam.create_login_profile(UserName='ada', Password='example-Passw0rd!')
iam.create_virtual_mfa_device(VirtualMFADeviceName='left')
"#;
    const BREAK: &str = r#"
import boto3, sys
def client(name): return boto3.client(name, endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='testing', aws_secret_access_key='testing')
client('events').disable_rule(Name='mfa')
client('cloudtrail').stop_logging(Name='all')
client('cloudwatch').disable_alarm_actions(AlarmNames=['mfa'])
"#;

    fn python(script: &str, endpoint: &str) {
        let python = venv::python("moto", crate::support::moto::PACKAGE);
        venv::run(Command::new(python).args(["-c", script, endpoint]).env("AWS_EC2_METADATA_DISABLED", "true"));
    }

    const OWN: &str = "123456789012";
    const MEMBER: &str = "111122223333";

    #[test]
    fn live_accounts_are_judged_as_they_are() {
        let moto = Moto::start();
        let endpoint = moto.endpoint();
        python(SETUP, &endpoint);
        let read = |arguments: &[&str]| {
            let ran =
                posture(&endpoint, &[arguments, &["--format", "json", "--archive", "s3://trail-bucket"]].concat());
            let posture: Posture =
                serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
            posture
        };
        let before = read(&[]);
        for code in [
            "eventbridge-rule",
            "eventbridge-attempts",
            "eventbridge-target",
            "metric-filter",
            "metric-alarm",
            "trail-multi-region",
            "trail-management-events",
            "trail-validation",
            "trail-archive",
            "removal-without-mfa",
            "owner-tag",
            "root-credentials",
        ] {
            let (verdict, reason) = verdict(&before, OWN, code);
            assert_eq!(verdict, Verdict::Pass, "{code}: {reason}");
        }
        let (leftover, _) = verdict(&before, OWN, "leftover-device");
        let (scp, why) = verdict(&before, OWN, "scp-deny");
        assert_eq!((leftover, scp), (Verdict::Fail, Verdict::Fail), "{why}");
        assert!(why.contains("no organization"), "{why}");

        python(BREAK, &endpoint);
        let after = read(&[]);
        for code in ["eventbridge-rule", "eventbridge-target", "metric-alarm", "trail-logging"] {
            assert_eq!(verdict(&after, OWN, code).0, Verdict::Fail, "{code}");
        }

        // Others, each by a role in it: there is nothing in them.
        let both = read(&["--iam-role", "Auditor", "--account", MEMBER, "--account", "444455556666"]);
        for account in [MEMBER, "444455556666"] {
            for code in ["eventbridge-rule", "trail-logging"] {
                assert_eq!(verdict(&both, account, code).0, Verdict::Fail, "{account}: {code}");
            }
        }
        assert!(!both.checks.iter().any(|check| check.account == OWN));
    }
}
