//! Forms that other programs read: OCSF, AWS's own finding format, SARIF, and JUnit for a CI server. All say what `actions` of
//! `report.json` says; a risk that was accepted is marked as suppressed, and is there.

mod asff;
mod junit;
mod ocsf;
mod sarif;

pub(super) use asff::asff;
pub(super) use junit::junit;
pub(super) use ocsf::ocsf;
pub use ocsf::posture_ocsf;
pub(super) use sarif::sarif;

use super::Report;
use super::actions::{About, Action};
use crate::arn::Arn;
use crate::escape::visible;
use crate::hash::{hex, sha256};
use crate::partition;

/// The longest text of a finding, in characters: names in it are a stranger's, and other programs have limits of their own.
const LONGEST: usize = 4096;

/// A text on one line, without characters that cannot be seen, of so many characters at most.
fn line(text: &str, most: usize) -> String {
    let text = visible(text).replace(['\n', '\r', '\t'], " ");
    match text.char_indices().nth(most) {
        None => text,
        Some(_) => {
            let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
            short.push('…');
            short
        }
    }
}

/// An id that is the same in every report that has the same thing: of its kind, account, code and what tells it from others.
fn uid(report: &Report, action: &Action) -> String {
    let account = action.account.as_deref().unwrap_or_default();
    let at = action.number.saturating_sub(1);
    let what = match action.about {
        About::Window => report.windows.get(at).map(|one| {
            let opened = one.opened_by_event.clone().unwrap_or_else(|| "standing".to_owned());
            format!(
                "{opened}\0{}\0{}",
                one.principal.kind.name(),
                one.principal.id.as_ref().unwrap_or(&one.principal.name)
            )
        }),
        About::Finding => report.reconciliation.get(at).map(|one| {
            let who = one.principal.as_ref().map(|who| who.name.clone()).unwrap_or_default();
            format!("{who}\0{}\0{}", one.device.as_deref().unwrap_or_default(), one.between[0])
        }),
        About::Guardrail => report
            .posture
            .as_ref()
            .and_then(|posture| posture.checks.get(at))
            .map(|one| format!("{:?}\0{:?}", one.region, one.resource)),
        About::Notice => report.notices.get(at).map(|one| format!("{}\0{}", report.period.from, one.text)),
    };
    // A window keeps its id when its class changes.
    let code = if action.about == About::Window { "" } else { action.code };
    let text = format!("{}\0{account}\0{code}\0{}", action.about.name(), what.unwrap_or_default());
    let digest = hex(&sha256(text.as_bytes()));
    format!("mfatrail-{}-{}", action.about.name(), digest.get(..32).unwrap_or_default())
}

/// What an action is about, as AWS or the report names it.
fn resource(report: &Report, action: &Action, partition: &str) -> String {
    let account = action.account.as_deref().unwrap_or("unknown");
    let at = action.number.saturating_sub(1);
    let user = |who: &super::Principal| match who.kind {
        super::PrincipalKind::Root => format!("arn:{partition}:iam::{account}:root"),
        super::PrincipalKind::IamUser => format!("arn:{partition}:iam::{account}:user/{}", who.name),
        super::PrincipalKind::IdentityCenter => who.name.clone(),
    };
    let named = match action.about {
        About::Window => report.windows.get(at).map(|one| user(&one.principal)),
        About::Finding => report
            .reconciliation
            .get(at)
            .and_then(|one| one.device.clone().or_else(|| one.principal.as_ref().map(user))),
        About::Guardrail => report.posture.as_ref().and_then(|posture| posture.checks.get(at)?.resource.clone()),
        About::Notice => None,
    };
    line(&named.unwrap_or_else(|| format!("account {account}")), 512)
}

/// The partition of a report: of the first ARN in it, else of its regions.
fn partition_of(report: &Report) -> String {
    let actors = report.windows.iter().filter_map(|window| window.actor.as_deref());
    let actors = actors.chain(report.events.iter().map(|event| event.actor.as_str()));
    let of_arn = actors.filter_map(Arn::parse).map(|arn| arn.partition.to_owned()).find(|one| !one.is_empty());
    let of_region = || report.coverage.days.first().map(|day| partition::of_region(&day.region).into_owned());
    of_arn.or_else(of_region).unwrap_or_else(|| "aws".to_owned())
}
