//! EventBridge: does a rule match every kind of deactivation, and does what it matches reach somebody?

use super::delivery::{self, Outcome, Sender};
use super::{Opinion, some};
use crate::contract::{PostureCheck, PostureCode};
use crate::posture::calls::quoted;
use crate::posture::facts::{Facts, Rule};
use crate::posture::pattern::{Mismatch, Pattern};
use crate::posture::probe::Probe;

/// The name that a rule gets which a fix makes.
const NEW_RULE: &str = "mfa-device-removed";
/// A pattern that matches the removal of devices, whether it succeeds or not.
const GOOD_PATTERN: &str = r#"{"source":["aws.iam"],"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventSource":["iam.amazonaws.com"],"eventName":["DeactivateMFADevice","DeleteVirtualMFADevice"]}}"#;

/// A rule, and its pattern or why it is not understood.
struct Candidate<'r> {
    rule: &'r Rule,
    pattern: Result<Pattern, String>,
}

impl Candidate<'_> {
    fn matches(&self, facts: &Facts, probe: Probe) -> Option<bool> {
        let event = probe.event(&facts.account, &facts.partition, &facts.region);
        match &self.pattern {
            Ok(pattern) => Some(pattern.matches(&event)),
            Err(_) => self.rule.matches.iter().find(|(told, _)| *told == probe).map(|(_, matches)| *matches),
        }
    }

    /// Why it is not known what the pattern matches.
    fn unclear(&self) -> Option<&String> {
        self.pattern.as_ref().err().filter(|_| self.rule.matches.is_empty())
    }

    fn matches_any(&self, facts: &Facts) -> bool {
        Probe::SUCCESSES.into_iter().any(|probe| self.matches(facts, probe) == Some(true))
    }
}

pub(super) fn checks(facts: &Facts) -> Vec<PostureCheck> {
    let opinions = match &facts.rules {
        Err(gap) => [Opinion::gap(gap), Opinion::gap(gap), Opinion::gap(gap)],
        Ok(rules) => {
            let all: Vec<Candidate<'_>> =
                rules.iter().map(|rule| Candidate { rule, pattern: Pattern::parse(&rule.pattern) }).collect();
            [rule(facts, &all), attempts(facts, &all), target(facts, &all)]
        }
    };
    let codes = [PostureCode::EventRule, PostureCode::EventAttempts, PostureCode::EventTarget];
    let region = Some(facts.region.as_str());
    codes.into_iter().zip(opinions).map(|(code, opinion)| opinion.check(facts, code, region)).collect()
}

fn standing<'c, 'r>(facts: &Facts, all: &'c [Candidate<'r>]) -> Vec<&'c Candidate<'r>> {
    all.iter().filter(|one| one.rule.stands(&facts.region)).collect()
}

/// Which probes no standing rule matches.
fn unmatched(facts: &Facts, standing: &[&Candidate<'_>], probes: &[Probe]) -> Vec<Probe> {
    let is_matched = |probe: &Probe| standing.iter().any(|one| one.matches(facts, *probe) == Some(true));
    probes.iter().copied().filter(|probe| !is_matched(probe)).collect()
}

fn rule(facts: &Facts, all: &[Candidate<'_>]) -> Opinion {
    let standing = standing(facts, all);
    let missed = unmatched(facts, &standing, &Probe::SUCCESSES);
    let matching: Vec<&&Candidate<'_>> = standing.iter().filter(|one| one.matches_any(facts)).collect();
    if missed.is_empty() {
        let names: Vec<String> = matching.iter().map(|one| one.rule.name.clone()).collect();
        let opinion = match dead(facts) {
            Some((reason, fix)) => Opinion::fail(format!("{} matches, but {reason}", some(&names)), fix),
            None => Opinion::pass(format!(
                "{} matches virtual devices, security keys, hardware tokens and the root user's",
                some(&names)
            )),
        };
        return opinion.of(matching.first().map_or_else(String::new, |one| one.rule.arn.clone()));
    }
    if let Some(unclear) = standing.iter().find_map(|one| Some((one.rule, one.unclear()?))) {
        let (rule, why) = unclear;
        return Opinion::unknown(format!(
            "the pattern of the rule `{}` is not understood: {why} (hint: `aws events test-event-pattern` tells)",
            rule.name
        ))
        .of(&rule.arn);
    }
    if let Some(partial) = matching.first() {
        let words: Vec<&str> = missed.iter().map(|probe| probe.words()).collect();
        let reason = format!(
            "the rule `{}` does not match {}{}",
            partial.rule.name,
            words.join(", "),
            why(facts, partial, missed.first())
        );
        return Opinion::fail(reason, put_rule(facts, &partial.rule.name)).of(&partial.rule.arn);
    }
    absent(facts, all)
}

/// Why no rule gets IAM's events although one matches them: no trail of the region records management events.
fn dead(facts: &Facts) -> Option<(String, String)> {
    let trails = facts.trails.as_ref().ok()?;
    let feeds = |trail: &&crate::posture::facts::Trail| {
        let covers = trail.multi_region || trail.home_region == facts.region;
        let logs = !matches!(&trail.status, Ok(status) if !status.logging);
        let records = !matches!(&trail.restriction, Ok(Some(_)));
        covers && logs && records
    };
    if trails.iter().any(|trail| feeds(&trail)) {
        return None;
    }
    let reason = format!(
        "no trail logs management events in {}, and without one EventBridge gets no events of IAM",
        facts.region
    );
    Some((reason, super::trail::create(facts)))
}

/// Of no standing rule that matches: what comes nearest.
fn absent(facts: &Facts, all: &[Candidate<'_>]) -> Opinion {
    let elsewhere = |one: &&Candidate<'_>| !one.rule.stands(&facts.region) && one.matches_any(facts);
    if let Some(one) = all.iter().find(elsewhere) {
        let Rule { name, arn, bus, region, .. } = one.rule;
        let (reason, fix) = if *region != facts.region {
            (format!("the rule `{name}` is in {region}, and IAM's events are only in {}", facts.region), create(facts))
        } else if !one.rule.is_on_default_bus() {
            (
                format!("the rule `{name}` is on the bus `{bus}`, and CloudTrail's events are only on the default bus"),
                create(facts),
            )
        } else {
            (
                format!("the rule `{name}` is disabled"),
                format!("aws events enable-rule --region {} --name {}", facts.region, quoted(name)),
            )
        };
        return Opinion::fail(reason, fix).of(arn);
    }
    let meant = all.iter().find(|one| one.rule.pattern.to_lowercase().contains("mfadevice"));
    match meant {
        Some(one) => {
            let reason = format!(
                "the rule `{}` does not match a deactivation{}",
                one.rule.name,
                why(facts, one, Some(&Probe::Virtual))
            );
            Opinion::fail(reason, put_rule(facts, &one.rule.name)).of(&one.rule.arn)
        }
        None => Opinion::fail(
            format!("no rule on the default bus in {} matches `DeactivateMFADevice`", facts.region),
            create(facts),
        ),
    }
}

/// Which field of the pattern does not match.
fn why(facts: &Facts, candidate: &Candidate<'_>, probe: Option<&Probe>) -> String {
    let Some(probe) = probe else { return String::new() };
    let event = probe.event(&facts.account, &facts.partition, &facts.region);
    match candidate.pattern.as_ref().ok().and_then(|pattern| pattern.mismatch(&event)) {
        Some(Mismatch { path, has: Some(has) }) => format!(": `{path}` is {has} there"),
        Some(Mismatch { path, has: None }) => {
            format!(": such an event has no `{path}`, or not what the pattern asks of it")
        }
        None => String::new(),
    }
}

fn attempts(facts: &Facts, all: &[Candidate<'_>]) -> Opinion {
    let standing = standing(facts, all);
    if let Some(one) = standing.iter().find(|one| one.matches(facts, Probe::Refused) == Some(true)) {
        return Opinion::pass(format!("`{}` matches refused attempts, too", one.rule.name)).of(&one.rule.arn);
    }
    if let Some((rule, why)) = standing.iter().find_map(|one| Some((one.rule, one.unclear()?))) {
        return Opinion::unknown(format!("the pattern of the rule `{}` is not understood: {why}", rule.name))
            .of(&rule.arn);
    }
    match standing.iter().find(|one| one.matches_any(facts)) {
        Some(one) => {
            let reason = format!(
                "the rule `{}` does not match refused attempts{}",
                one.rule.name,
                why(facts, one, Some(&Probe::Refused))
            );
            Opinion::fail(reason, put_rule(facts, &one.rule.name)).of(&one.rule.arn)
        }
        None => {
            let reason = "no rule matches refused deactivations: an intruder who tries is not noticed";
            Opinion::fail(reason, absent(facts, all).fix.unwrap_or_else(|| create(facts)))
        }
    }
}

fn target(facts: &Facts, all: &[Candidate<'_>]) -> Opinion {
    let standing = standing(facts, all);
    let matching: Vec<&Candidate<'_>> = standing.iter().copied().filter(|one| one.matches_any(facts)).collect();
    let Some(first) = matching.first() else {
        return match standing.iter().find_map(|one| one.unclear()) {
            Some(why) => Opinion::unknown(format!(
                "which rule's target matters is not known: a pattern is not understood: {why}"
            )),
            None => {
                let fix = absent(facts, all).fix.unwrap_or_else(|| create(facts));
                Opinion::fail("no rule matches, so nothing is delivered to anybody", fix)
            }
        };
    };
    let outcomes: Vec<(&Rule, Outcome)> = matching.iter().map(|one| (one.rule, of_rule(facts, one.rule))).collect();
    let rank = |outcome: &Outcome| match outcome.reaches {
        Some(true) => 2,
        None => 1,
        Some(false) => 0,
    };
    let best = outcomes.into_iter().rev().max_by_key(|(_, outcome)| rank(outcome));
    let Some((rule, outcome)) = best else { return Opinion::unknown("no rule was judged").of(&first.rule.arn) };
    let reason = format!("rule `{}`: {}", rule.name, outcome.reason);
    match outcome.reaches {
        Some(true) => Opinion::pass(reason),
        None => Opinion::unknown(reason),
        Some(false) => Opinion::fail(reason, outcome.fix.unwrap_or_else(|| put_targets(facts, &rule.name))),
    }
    .of(&rule.arn)
}

fn of_rule(facts: &Facts, rule: &Rule) -> Outcome {
    let targets = match &rule.targets {
        Err(gap) => return Outcome { reaches: None, reason: gap.0.clone(), fix: None },
        Ok(targets) => targets,
    };
    let one = |target: &crate::posture::facts::Target| {
        if target.fixed_input {
            let reason = format!(
                "its target `{}` gets a fixed text and not the event: it does not say who lost MFA",
                target.arn
            );
            return Outcome { reaches: Some(false), reason, fix: Some(put_target(facts, &rule.name, &target.arn)) };
        }
        delivery::outcome(facts, &Sender { service: "events.amazonaws.com", source: &rule.arn }, &target.arn)
    };
    let none = || Outcome {
        reaches: Some(false),
        reason: "it has no targets".to_owned(),
        fix: Some(put_targets(facts, &rule.name)),
    };
    Outcome::best(targets.iter().map(one).collect()).unwrap_or_else(none)
}

fn put_rule(facts: &Facts, name: &str) -> String {
    format!(
        "aws events put-rule --region {} --name {} --event-pattern {}",
        facts.region,
        quoted(name),
        quoted(GOOD_PATTERN)
    )
}

fn put_target(facts: &Facts, name: &str, arn: &str) -> String {
    format!(
        "aws events put-targets --region {} --rule {} --targets Id=alerts,Arn={}",
        facts.region,
        quoted(name),
        quoted(arn)
    )
}

fn put_targets(facts: &Facts, name: &str) -> String {
    put_target(facts, name, "TOPIC-ARN")
}

fn create(facts: &Facts) -> String {
    format!("{}\n{}", put_rule(facts, NEW_RULE), put_targets(facts, NEW_RULE))
}
