//! CloudTrail: is there one trail that has it all? Guardrails are judged on the trail that has most of them, for what one trail
//! records and another validates is neither.

use chrono::TimeDelta;

use super::{Expectations, Opinion};
use crate::contract::{PostureCheck, PostureCode, Verdict};
use crate::posture::calls::{quoted, region};
use crate::posture::facts::{Facts, Trail};

/// A trail that delivered nothing for longer is broken, or its account is idle.
const QUIET: TimeDelta = TimeDelta::days(1);

pub(super) fn checks(facts: &Facts, expected: &Expectations) -> Vec<PostureCheck> {
    let codes = [
        PostureCode::TrailLogging,
        PostureCode::TrailMultiRegion,
        PostureCode::TrailEvents,
        PostureCode::TrailValidation,
        PostureCode::TrailArchive,
        PostureCode::TrailOrganization,
    ];
    let wanted: Vec<PostureCode> = codes.into_iter().filter(|code| is_wanted(facts, expected, *code)).collect();
    let trails = match &facts.trails {
        Err(gap) => return wanted.into_iter().map(|code| Opinion::gap(gap).check(facts, code, None)).collect(),
        Ok(trails) => trails,
    };
    let judged = |trail: &Trail| -> Vec<Opinion> {
        wanted.iter().map(|code| judge(facts, expected, *code, trail).of(&trail.arn)).collect()
    };
    let best = trails.iter().map(|trail| (trail, judged(trail))).max_by_key(|(trail, opinions)| {
        let of = |verdict| opinions.iter().filter(|opinion| opinion.verdict == verdict).count();
        (of(Verdict::Pass), of(Verdict::CannotTell), std::cmp::Reverse(&trail.arn))
    });
    match best {
        Some((trail, opinions)) => {
            let region = Some(trail.home_region.as_str());
            wanted.into_iter().zip(opinions).map(|(code, opinion)| opinion.check(facts, code, region)).collect()
        }
        None => {
            let none = || Opinion::fail("the account has no trail", create(facts));
            wanted.into_iter().map(|code| none().check(facts, code, None)).collect()
        }
    }
}

fn is_wanted(facts: &Facts, expected: &Expectations, code: PostureCode) -> bool {
    match code {
        PostureCode::TrailArchive => expected.archive.is_some(),
        PostureCode::TrailOrganization => !matches!(facts.organization, Ok(None)),
        _ => true,
    }
}

fn judge(facts: &Facts, expected: &Expectations, code: PostureCode, trail: &Trail) -> Opinion {
    match code {
        PostureCode::TrailMultiRegion => multi_region(facts, trail),
        PostureCode::TrailEvents => events(trail),
        PostureCode::TrailValidation => validation(trail),
        PostureCode::TrailArchive => archive(expected, trail),
        PostureCode::TrailOrganization => organization(facts, trail),
        _ => logging(facts, trail),
    }
}

fn logging(facts: &Facts, trail: &Trail) -> Opinion {
    let status = match &trail.status {
        Err(gap) => return Opinion::gap(gap),
        Ok(status) => status,
    };
    let start = format!("aws cloudtrail start-logging --name {}{}", quoted(&trail.arn), region(&trail.arn));
    if !status.logging {
        return Opinion::fail("the trail is stopped: what happens now is in no archive", start);
    }
    if let Some(error) = &status.delivery_error {
        let reason = format!("the trail is on, but cannot deliver to the bucket `{}`: {error}", trail.bucket);
        let fix = format!(
            "aws s3api get-bucket-policy --bucket {}   # it must let cloudtrail.amazonaws.com write",
            quoted(&trail.bucket)
        );
        return Opinion::fail(reason, fix);
    }
    match status.delivered_at {
        None => Opinion::unknown("the trail is on, and has not delivered anything yet"),
        Some(at) if facts.taken_at - at > QUIET => {
            let days = (facts.taken_at - at).num_days();
            let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
            Opinion::unknown(format!(
                "the trail is on, and last delivered {days} ago: either nothing happened in the account, or it is broken"
            ))
        }
        Some(at) => Opinion::pass(format!(
            "it is on, and last delivered at {}",
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        )),
    }
}

fn multi_region(facts: &Facts, trail: &Trail) -> Opinion {
    if trail.multi_region {
        return Opinion::pass("it covers all regions");
    }
    let fix = format!(
        "aws cloudtrail update-trail --name {}{} --is-multi-region-trail",
        quoted(&trail.arn),
        region(&trail.arn)
    );
    let reason = if trail.home_region == facts.region {
        format!("it covers {} alone: sign-ins of other regions are in no archive", trail.home_region)
    } else {
        format!("it covers {} alone, and IAM's events are in {}: it has none of them", trail.home_region, facts.region)
    };
    Opinion::fail(reason, fix)
}

fn events(trail: &Trail) -> Opinion {
    match &trail.restriction {
        Err(gap) => Opinion::gap(gap),
        Ok(None) => Opinion::pass("it records all management events that matter here"),
        Ok(Some(restriction)) => Opinion::fail(
            restriction.clone(),
            format!(
                "aws cloudtrail put-event-selectors --trail-name {}{} --advanced-event-selectors {}",
                quoted(&trail.arn),
                region(&trail.arn),
                quoted(
                    r#"[{"Name":"Management events","FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]}]"#
                )
            ),
        ),
    }
}

fn validation(trail: &Trail) -> Opinion {
    if !trail.validation {
        let fix = format!(
            "aws cloudtrail update-trail --name {}{} --enable-log-file-validation",
            quoted(&trail.arn),
            region(&trail.arn)
        );
        return Opinion::fail(
            "log file validation is off: who can write to the bucket can change the evidence unnoticed",
            fix,
        );
    }
    match trail.status.as_ref().ok().and_then(|status| status.digest_error.as_deref()) {
        Some(error) => Opinion::fail(
            format!("validation is on, but digests cannot be delivered: {error}"),
            format!(
                "aws s3api get-bucket-policy --bucket {}   # it must let cloudtrail.amazonaws.com write",
                quoted(&trail.bucket)
            ),
        ),
        None => Opinion::pass("log file validation is on"),
    }
}

fn archive(expected: &Expectations, trail: &Trail) -> Opinion {
    let Some((bucket, prefix)) = &expected.archive else { return Opinion::unknown("no archive was named") };
    let own = trail.prefix.as_deref().unwrap_or_default().trim_matches('/');
    let wanted = prefix.trim_matches('/');
    let within =
        wanted.is_empty() || format!("{own}/AWSLogs/").trim_start_matches('/').starts_with(&format!("{wanted}/"));
    // A prefix below `AWSLogs` is of one account or organization of the same archive.
    let below = format!("{wanted}/").starts_with(format!("{own}/AWSLogs/").trim_start_matches('/'));
    if trail.bucket == *bucket && (within || below) {
        return Opinion::pass(format!("it writes to `{bucket}`"));
    }
    let place = if own.is_empty() { trail.bucket.clone() } else { format!("{}/{own}", trail.bucket) };
    Opinion::fail(
        format!("it writes to `s3://{place}`, and `s3://{bucket}/{prefix}` is scanned"),
        format!("mfatrail report {} --month last", quoted(&format!("s3://{place}"))),
    )
}

fn organization(facts: &Facts, trail: &Trail) -> Opinion {
    if trail.organization {
        return Opinion::pass("it is the organization's");
    }
    match &facts.organization {
        Err(gap) => Opinion::gap(gap),
        Ok(_) => Opinion::fail(
            "it is the account's own: whoever is an administrator there can stop it, and new accounts have none",
            format!(
                "aws cloudtrail update-trail --name {}{} --is-organization-trail   # from the management account",
                quoted(&trail.arn),
                region(&trail.arn)
            ),
        ),
    }
}

/// Commands that make a trail which has it all.
pub(super) fn create(facts: &Facts) -> String {
    format!(
        "aws cloudtrail create-trail --region {0} --name management-events --s3-bucket-name BUCKET --is-multi-region-trail --enable-log-file-validation\naws cloudtrail start-logging --region {0} --name management-events",
        facts.region
    )
}
