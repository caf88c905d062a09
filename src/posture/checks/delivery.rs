//! Whether what a rule or an alarm sends reaches somebody.

use crate::inventory::{Call, both};
use crate::posture::calls::{is_of, quoted, region};
use crate::posture::facts::{Destination, Facts, ResourcePolicy, Told};

/// Who sends what from where.
pub(super) struct Sender<'a> {
    /// The service's principal.
    pub(super) service: &'static str,
    /// The ARN of the rule or alarm.
    pub(super) source: &'a str,
}

/// What comes of sending: `Some(true)` where it reaches somebody, with a reason, and commands that set it right.
pub(super) struct Outcome {
    pub(super) reaches: Option<bool>,
    pub(super) reason: String,
    pub(super) fix: Option<String>,
}

impl Outcome {
    fn of(reaches: Option<bool>, reason: impl Into<String>) -> Self {
        Self { reaches, reason: reason.into(), fix: None }
    }

    fn broken(reason: impl Into<String>, fix: String) -> Self {
        Self { reaches: Some(false), reason: reason.into(), fix: Some(fix) }
    }

    /// The best of several: one that reaches somebody, else one of which it is not known, else the last.
    pub(super) fn best(outcomes: Vec<Self>) -> Option<Self> {
        let rank = |outcome: &Self| match outcome.reaches {
            Some(true) => 2,
            None => 1,
            Some(false) => 0,
        };
        outcomes.into_iter().rev().max_by_key(rank)
    }
}

/// What comes of sending to a destination.
pub(super) fn outcome(facts: &Facts, sender: &Sender<'_>, arn: &str) -> Outcome {
    let destination = match facts.destinations.get(arn) {
        None if is_of(arn, "events") => {
            return Outcome::of(
                None,
                format!(
                    "it hands events on to the bus `{arn}`, which is not followed (hint: check the account of that bus)"
                ),
            );
        }
        None if is_of(arn, "logs") => {
            return Outcome::of(
                None,
                format!("it writes to the log group `{arn}`, and whether anybody reads that is not known"),
            );
        }
        None => return Outcome::of(None, format!("what becomes of it at `{arn}` is not followed")),
        Some(Err(gap)) => return Outcome::of(None, format!("`{arn}`: {}", gap.0)),
        Some(Ok(destination)) => destination,
    };
    match destination {
        Destination::Absent(why) if is_of(arn, "lambda") => Outcome::broken(
            format!("the function `{arn}` does not exist, or nobody may invoke it ({why})"),
            permission(arn, sender),
        ),
        Destination::Absent(why) => Outcome::broken(
            format!("its target `{arn}` does not exist ({why})"),
            format!(
                "aws events put-targets{} --rule {} --targets Id=alerts,Arn=TOPIC-ARN",
                region(sender.source),
                quoted(&rule_name(sender.source))
            ),
        ),
        Destination::Topic { policy, subscribers, key } => {
            topic(facts, sender, arn, policy, subscribers, key.as_deref())
        }
        Destination::Queue { policy, key } => {
            let access = access(facts, sender, arn, "sqs:sendmessage", policy);
            let fix = format!(
                "aws sqs set-queue-attributes{} --queue-url URL-OF-THE-QUEUE --attributes {}",
                region(arn),
                quoted(&attribute(&grant(sender, arn, "sqs:SendMessage")))
            );
            judged(sender, arn, access, key.as_deref(), fix, "the queue")
        }
        Destination::Function { policy } => {
            let access = access(facts, sender, arn, "lambda:invokefunction", policy);
            judged(sender, arn, access, None, permission(arn, sender), "the function")
        }
    }
}

fn topic(
    facts: &Facts,
    sender: &Sender<'_>,
    arn: &str,
    policy: &ResourcePolicy,
    subscribers: &Told<u64>,
    key: Option<&str>,
) -> Outcome {
    let fix = format!(
        "aws sns set-topic-attributes{} --topic-arn {} --attribute-name Policy --attribute-value {}",
        region(arn),
        quoted(arn),
        quoted(&grant(sender, arn, "SNS:Publish"))
    );
    let access = access(facts, sender, arn, "sns:publish", policy);
    let outcome = judged(sender, arn, access, key, fix, "the topic");
    if outcome.reaches == Some(false) {
        return outcome;
    }
    match subscribers {
        Ok(0) => Outcome::broken(
            format!("the topic `{arn}` has no confirmed subscription: nobody is notified"),
            format!(
                "aws sns subscribe{} --topic-arn {} --protocol email --notification-endpoint SECURITY@EXAMPLE.COM",
                region(arn),
                quoted(arn)
            ),
        ),
        Err(gap) if outcome.reaches == Some(true) => {
            Outcome::of(None, format!("whether the topic `{arn}` has subscribers is not known: {}", gap.0))
        }
        Ok(count) if outcome.reaches == Some(true) => {
            let subscriptions = if *count == 1 { "subscription" } else { "subscriptions" };
            Outcome::of(Some(true), format!("the topic `{arn}` has {count} confirmed {subscriptions}"))
        }
        _ => outcome,
    }
}

/// By access and encryption.
fn judged(sender: &Sender<'_>, arn: &str, access: Told<bool>, key: Option<&str>, fix: String, what: &str) -> Outcome {
    match access {
        Err(gap) => Outcome::of(
            None,
            format!("whether {} may deliver to {what} `{arn}` is not known: {}", sender.service, gap.0),
        ),
        Ok(false) => {
            Outcome::broken(format!("the policy of {what} `{arn}` does not let {} deliver to it", sender.service), fix)
        }
        Ok(true) => match key {
            None => Outcome::of(Some(true), format!("{what} `{arn}` exists and accepts events")),
            // The policy of AWS's own key cannot be changed, and lets no other service use it.
            Some(key) if is_aws_key(key) => Outcome::broken(
                format!("{what} `{arn}` is encrypted with the AWS managed key, which {} may not use", sender.service),
                format!(
                    "# encrypt {what} {arn} with a key of your own, whose policy allows {} kms:GenerateDataKey* and kms:Decrypt",
                    sender.service
                ),
            ),
            Some(key) => Outcome::of(
                None,
                format!(
                    "{what} `{arn}` is encrypted with the key `{key}`, whose policy is not read (hint: it must allow {} kms:GenerateDataKey* and kms:Decrypt)",
                    sender.service
                ),
            ),
        },
    }
}

fn is_aws_key(key: &str) -> bool {
    key.rsplit(['/', ':']).next().is_some_and(|name| ["sns", "sqs"].contains(&name)) && key.contains("alias/aws/")
}

fn access(facts: &Facts, sender: &Sender<'_>, arn: &str, action: &str, policy: &ResourcePolicy) -> Told<bool> {
    let Some(policy) = policy.0.as_ref().map_err(Clone::clone)?.as_ref() else { return Ok(false) };
    let resource = arn.to_lowercase();
    let call = Call {
        action,
        resource: &resource,
        service: Some(sender.service),
        keys: vec![
            ("aws:sourcearn", Some(sender.source)),
            ("aws:sourceaccount", Some(&facts.account)),
            ("aws:securetransport", Some("true")),
            ("aws:principalisawsservice", Some("true")),
            ("aws:principalservicename", Some(sender.service)),
            // A service's principal belongs to no account, and so do these keys to no request of one.
            ("aws:sourceowner", None),
            ("aws:principalorgid", None),
            ("aws:principalarn", None),
        ],
    };
    let said = policy.says(&call);
    let unclear = "its policy has conditions that mfatrail does not know";
    both(said.allows, said.denies.map(|denies| !denies)).ok_or_else(|| crate::posture::facts::Gap(unclear.to_owned()))
}

/// The name of a rule or an alarm in its ARN.
fn rule_name(source: &str) -> String {
    source.rsplit(['/', ':']).next().unwrap_or(source).to_owned()
}

/// A policy that lets a service deliver for a rule or an alarm.
fn grant(sender: &Sender<'_>, arn: &str, action: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": sender.service},
            "Action": action,
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": sender.source}}
        }]
    })
    .to_string()
}

fn attribute(policy: &str) -> String {
    serde_json::json!({ "Policy": policy }).to_string()
}

fn permission(arn: &str, sender: &Sender<'_>) -> String {
    format!(
        "aws lambda add-permission{} --function-name {} --statement-id mfatrail-alerts --action lambda:InvokeFunction --principal {} --source-arn {}",
        region(arn),
        quoted(arn),
        sender.service,
        quoted(sender.source)
    )
}
