//! What a trace does not know, and what may not be as it looks.

use std::collections::{BTreeMap, BTreeSet};

use super::question::is_temporary;
use super::{Reading, TraceRequest};
use crate::app::{coverage, rfc3339};
use crate::arn::Arn;
use crate::contract::Conflict;
use crate::contract::trace::{Trace, TraceCredential, TraceGap, TraceUnknown};
use crate::units::{count, display_duration, plural};

/// How many names are listed.
const NAMED: usize = 5;

/// All of it, what makes the trace incomplete first.
pub(super) fn unknowns(
    request: &TraceRequest,
    reading: &Reading,
    trace: &Trace,
    conflicts: &[Conflict],
) -> Vec<TraceUnknown> {
    let mut unknowns = Vec::new();
    unknowns.extend(of_archive(reading, trace));
    unknowns.extend(of_records(conflicts));
    unknowns.extend(of_chain(request, reading, trace));
    unknowns.extend(of_limits(reading, trace));
    unknowns.extend(of_range(request, reading));
    unknowns.extend(of_identity(trace));
    unknowns.dedup();
    unknowns
}

fn unknown(code: TraceGap, text: impl Into<String>) -> TraceUnknown {
    TraceUnknown { code, text: text.into() }
}

fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().take(NAMED).copied().collect();
    let more = names.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn of_archive(reading: &Reading, trace: &Trace) -> Vec<TraceUnknown> {
    let mut unknowns = Vec::new();
    if trace.coverage.objects_read == 0 {
        let text = "no object was read, so this trace is not evidence that nothing happened";
        return std::iter::once(unknown(TraceGap::NothingRead, text)).chain(unreadable(trace)).collect();
    }
    if trace.events.is_empty() && trace.events_omitted == 0 {
        let asked = match trace.asked.kind {
            "event" => "is this event",
            "user" => {
                "is of or about an IAM user of this name (for a role session or an Identity Center user, use --access-key or --event)"
            }
            _ => "is of this key",
        };
        let text = format!(
            "no record in what was read {asked}: check the spelling, the range, and that its account is in the archive"
        );
        unknowns.push(unknown(TraceGap::NotFound, text));
    }
    unknowns.extend(unreadable(trace));
    for (account, region) in coverage::blind(&reading.scanned) {
        let text = format!(
            "account {account}: nothing was read of {region}, where IAM events are recorded: keys, users and MFA devices changed there are not seen"
        );
        unknowns.push(unknown(TraceGap::IamRegionNotRead, text));
    }
    unknowns
}

/// Which objects could not be read.
fn unreadable(trace: &Trace) -> Option<TraceUnknown> {
    let failures = Some(&trace.coverage.failures).filter(|failures| !failures.is_empty())?;
    let objects = plural(failures.len(), "object", "objects");
    let names = list(failures.iter().map(|failure| failure.object.as_str()));
    let text = format!("{objects} could not be read, or not whole, and may hold more of this: {names}");
    Some(unknown(TraceGap::ObjectsUnreadable, text))
}

fn of_records(conflicts: &[Conflict]) -> Vec<TraceUnknown> {
    let each = conflicts.iter().map(|conflict| {
        let text = format!(
            "records of event {} (account {}) contradict each other, in {}: all of them are shown",
            conflict.event_id,
            conflict.account,
            list(conflict.objects.iter().map(String::as_str))
        );
        unknown(TraceGap::Conflict, text)
    });
    each.collect()
}

fn of_chain(request: &TraceRequest, reading: &Reading, trace: &Trace) -> Vec<TraceUnknown> {
    let mut unknowns = Vec::new();
    for credential in &trace.credentials {
        let number = credential.number;
        if is_session(credential) && credential.made_by.is_none() {
            let begun = credential.begun_at.map_or_else(String::new, |at| format!(", which began at {}", rfc3339(at)));
            let early = credential.begun_at.zip(request.selection.from).is_some_and(|(begun, from)| begun < from);
            let hint = if early {
                "it began before --from: read from an earlier time"
            } else {
                "the call that began it was not read"
            };
            let text = format!("[{number}] {}{begun}: where it came from is not known; {hint}", credential.label);
            unknowns.push(unknown(TraceGap::BeginningUnknown, text));
        }
    }
    for member in reading.family.members().iter().filter(|member| member.is_old) {
        let Some(link) = &member.made_by else { continue };
        let text = format!(
            "{} at {} by {} is more than {} before what is asked about: what that caller did is not followed (--reach sets how long)",
            link.name,
            rfc3339(link.at),
            link.holder.actor.display(),
            display_duration(request.reach)
        );
        unknowns.push(unknown(TraceGap::MakerNotFollowed, text));
    }
    for credential in trace.credentials.iter().filter(|credential| credential.claims > 1) {
        let text = format!(
            "records of {} different callers claim to have created [{}] {}: not all of them can be true, and all are followed",
            credential.claims, credential.number, credential.label
        );
        unknowns.push(unknown(TraceGap::Conflict, text));
    }
    unknowns.extend(accounts_not_read(reading));
    for effect in trace.effects.iter().filter(|effect| effect.kind == "trust_policy" && effect.standing == "stands") {
        let text = format!(
            "the {} was changed at {}: whoever it admits may have assumed the role since, and only sessions of this chain are followed",
            effect.label,
            rfc3339(effect.by.at)
        );
        unknowns.push(unknown(TraceGap::TrustChanged, text));
    }
    unknowns
}

/// Accounts whose roles were assumed and of which nothing was read.
fn accounts_not_read(reading: &Reading) -> Vec<TraceUnknown> {
    let read = &reading.scanned.accounts;
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let roles = reading.family.members().iter().filter_map(|member| member.made_by.as_ref()?.role.as_deref());
    for role in roles {
        if let Some(account) = Arn::parse(role).map(|arn| arn.account).filter(|account| !read.contains_key(*account)) {
            missing.entry(account).or_default().push(role);
        }
    }
    let each = missing.into_iter().map(|(account, roles)| {
        let text = format!(
            "sessions of {} went to account {account}, of which nothing was read: what they did there is not known",
            list(roles)
        );
        unknown(TraceGap::AccountNotRead, text)
    });
    each.collect()
}

fn of_limits(reading: &Reading, trace: &Trace) -> Vec<TraceUnknown> {
    let mut unknowns = Vec::new();
    if reading.family.is_cut() {
        let followed = plural(trace.credentials.len(), "credential is", "credentials are");
        let text = format!("only {followed} followed, and there are more: narrow the trace with --from and --to");
        unknowns.push(unknown(TraceGap::CredentialsCut, text));
    }
    if reading.is_open {
        let text =
            "the last pass found further sessions, whose calls were not looked for: trace one of them by --access-key";
        unknowns.push(unknown(TraceGap::PassesCut, text));
    }
    if trace.events_omitted > 0 {
        let text = format!(
            "{} more events are counted, but not listed: narrow the trace with --from and --to",
            count(trace.events_omitted)
        );
        unknowns.push(unknown(TraceGap::EventsCut, text));
    }
    unknowns
}

fn of_range(request: &TraceRequest, reading: &Reading) -> Vec<TraceUnknown> {
    let selection = &request.selection;
    let mut unknowns = Vec::new();
    let chosen = [("accounts", &selection.accounts), ("regions", &selection.regions)];
    for (what, names) in chosen.iter().filter(|(_, names)| !names.is_empty()) {
        let text = format!("only {what} {} were read, as requested: chains may lead further", names.join(", "));
        unknowns.push(unknown(TraceGap::Selection, text));
    }
    let last = reading.scanned.latest_delivery;
    let last = last.map(|last| format!("the latest object read was delivered at {}", rfc3339(last)));
    let ends = [
        selection.from.map(|from| format!("nothing before {} was read", rfc3339(from))),
        selection.to.map(|to| format!("nothing from {} on was read", rfc3339(to))),
        last,
    ];
    let ends: Vec<String> = ends.into_iter().flatten().collect();
    if !ends.is_empty() {
        unknowns.push(unknown(TraceGap::Range, ends.join("; ")));
    }
    unknowns
}

fn of_identity(trace: &Trace) -> Vec<TraceUnknown> {
    let mut unknowns = Vec::new();
    if trace.credentials.is_empty() && !trace.events.is_empty() {
        let text = "the record names no credentials, as with a failed sign-in or a call of an AWS service: there is nothing to follow";
        unknowns.push(unknown(TraceGap::NoCredential, text));
    }
    let users: BTreeSet<(Option<&str>, Option<&str>)> =
        trace.subjects.iter().map(|subject| (subject.account.as_deref(), subject.id.as_deref())).collect();
    if trace.asked.kind == "user" && users.len() > 1 {
        let who = users.iter().map(|(account, id)| format!("{} in {}", id.unwrap_or("?"), account.unwrap_or("?")));
        let who: Vec<String> = who.collect();
        let text = format!(
            "{} users have this name: {}; give the ARN to trace one",
            who.len(),
            list(who.iter().map(String::as_str))
        );
        unknowns.push(unknown(TraceGap::SeveralUsers, text));
    }
    if trace.asked.kind == "event" && trace.subjects.len() > 1 {
        let text = format!(
            "several records have this event ID, from {}: each is traced",
            list(trace.subjects.iter().map(|subject| subject.who.as_str()))
        );
        unknowns.push(unknown(TraceGap::SeveralUsers, text));
    }
    for credential in trace.credentials.iter().filter(|one| one.kind == "access_key" && one.addresses.len() > 1) {
        let text = format!(
            "[{}] {} was used from {}: its owner may have used some of them, and all calls are listed",
            credential.number,
            credential.label,
            plural(credential.addresses.len(), "address", "addresses")
        );
        unknowns.push(unknown(TraceGap::SharedKey, text));
    }
    unknowns
}

/// Whether a credential that leads nowhere back is one of a session: then where it came from is not known.
fn is_session(credential: &TraceCredential) -> bool {
    let temporary = credential.access_key.as_deref().is_some_and(is_temporary);
    credential.kind == "session" || (credential.kind == "access_key" && temporary)
}
