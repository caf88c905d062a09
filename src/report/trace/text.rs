//! A trace as a story for the terminal: what is not known first, then the answer, the chain, what still stands, what was done, and
//! what to do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::contract::trace::{MfaRemoval, Trace, TraceCall, TraceCredential, TraceEffect, TraceEvent, TraceUse};
use crate::escape::terminal;
use crate::report::format::{plural, time};

/// Events that are shown; the other formats have all.
const SHOWN: usize = 100;

/// Addresses and the like that are named of one credential.
const NAMED: usize = 4;

/// The story.
#[must_use]
pub fn trace_text(trace: &Trace) -> String {
    let mut out = format!("Trace of {}\nRange: {}\n", terminal(&subject(trace)), range(trace.from, trace.to));
    let mut part = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _infallible = write!(out, "\n{title}\n{}\n", lines.join("\n"));
        }
    };
    part("Not known", unknowns(trace));
    part("In short", answer(trace).iter().map(|line| format!("  {}", terminal(line))).collect());
    part("MFA that was removed", trace.mfa_removals.iter().flat_map(removal).collect());
    part("Who held what", credentials(trace));
    part("What was made or changed, and what of it still stands", effects(trace));
    part("What was done", events(trace));
    part("Next", steps(trace));
    out.trim_end().to_owned()
}

/// Whom or what it is about, in one line.
pub(super) fn subject(trace: &Trace) -> String {
    let asked = &trace.asked;
    let account = asked.account.as_deref().map_or_else(String::new, |account| format!(" in account {account}"));
    let what = match asked.kind {
        "event" => "event",
        "user" => "user",
        _ => "access key",
    };
    let mut line = format!("{what} {}{account}", asked.value);
    let who: Vec<&str> = trace.subjects.iter().map(|subject| subject.who.as_str()).take(NAMED).collect();
    if !who.is_empty() {
        let _infallible = write!(line, ": {}", who.join(", "));
    }
    line
}

/// The trace in a few sentences, after what is not known.
pub(super) fn answer(trace: &Trace) -> Vec<String> {
    let mut lines = Vec::new();
    for removal in trace.mfa_removals.iter().take(NAMED) {
        lines.push(format!(
            "{} lost MFA at {}: removed by {}, from {}, {}.",
            removal.user,
            time(removal.at),
            removal.actor,
            removal.address.as_deref().unwrap_or("an unknown address"),
            mfa_words(removal.mfa)
        ));
    }
    let calls: u64 = trace.credentials.iter().map(|credential| credential.calls).sum();
    let addresses: BTreeSet<&str> =
        trace.credentials.iter().flat_map(|one| &one.addresses).map(|address| address.value.as_str()).collect();
    let accounts: BTreeSet<&str> = trace.events.iter().filter_map(|event| event.account.as_deref()).collect();
    lines.push(format!(
        "{} with {}, from {}, in {}.",
        plural(calls, "call", "calls"),
        plural(trace.credentials.len(), "credential", "credentials"),
        plural(addresses.len(), "address", "addresses"),
        plural(accounts.len(), "account", "accounts")
    ));
    let notable: Vec<&TraceEffect> = trace.effects.iter().filter(|effect| matters(effect)).collect();
    if !notable.is_empty() {
        let standing = notable.iter().filter(|effect| effect.standing == "stands").count();
        lines.push(format!(
            "{standing} of {} still stand, as far as was read.",
            plural(notable.len(), "lasting change", "lasting changes")
        ));
    }
    lines
}

fn unknowns(trace: &Trace) -> Vec<String> {
    let lines = trace.unknowns.iter().map(|unknown| {
        let mark = if unknown.code.is_incomplete() { "!" } else { "-" };
        format!("  {mark} {}", terminal(&unknown.text))
    });
    lines.collect()
}

/// Whether a session was authenticated with MFA, in words.
pub(super) const fn mfa_words(mfa: Option<bool>) -> &'static str {
    match mfa {
        Some(true) => "with MFA",
        Some(false) => "without MFA",
        None => "MFA unknown",
    }
}

fn from(address: Option<&str>) -> String {
    address.map_or_else(|| "an unknown address".to_owned(), terminal)
}

pub(super) fn number(credential: Option<usize>) -> String {
    credential.map_or_else(|| "not of this trace".to_owned(), |number| format!("[{number}]"))
}

fn removal(removal: &MfaRemoval) -> Vec<String> {
    let again = match &removal.reenabled {
        Some(call) => format!(
            "a device was enabled at {} by {} ({})",
            time(call.at),
            terminal(&call.actor),
            number(call.credential)
        ),
        None => "no device was enabled for this user since, as far as was read".to_owned(),
    };
    vec![
        format!("  {}  {} lost {}", time(removal.at), terminal(&removal.user), terminal(&removal.device)),
        format!(
            "      by {} ({}), from {}, {}",
            terminal(&removal.actor),
            number(removal.credential),
            from(removal.address.as_deref()),
            mfa_words(removal.mfa)
        ),
        format!("      event {}", terminal(&removal.event_id)),
        format!("      {again}"),
    ]
}

/// How deep each credential is below the one that led to it.
pub(super) fn depths(trace: &Trace) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(trace.credentials.len());
    for credential in &trace.credentials {
        let parent = credential.parent.filter(|parent| *parent < credential.number);
        let above = parent.and_then(|parent| depths.get(parent.checked_sub(1)?));
        depths.push(above.map_or(0, |above| above + 1));
    }
    depths
}

fn credentials(trace: &Trace) -> Vec<String> {
    let mut lines = Vec::new();
    for (credential, depth) in trace.credentials.iter().zip(depths(trace)) {
        let indent = "  ".repeat(depth.min(12) + 1);
        let mark = match credential.relation {
            "subject" => "  « asked about",
            "actor" => "  « changed the credentials of the user",
            _ => "",
        };
        lines.push(format!("{indent}[{}] {}{mark}", credential.number, terminal(&credential.label)));
        lines.extend(details(credential).into_iter().map(|line| format!("{indent}    {line}")));
    }
    lines
}

/// What else there is to say of a credential.
pub(super) fn details(credential: &TraceCredential) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(call) = &credential.made_by {
        lines.push(made_by(call));
    }
    if credential.kind == "session" {
        let key = credential
            .access_key
            .as_deref()
            .map_or_else(|| "keys that change".to_owned(), |key| format!("key {}", terminal(key)));
        let begun = credential.begun_at.map_or_else(String::new, |begun| format!(", began at {}", time(begun)));
        let end = credential.expires_at.map_or_else(String::new, |end| format!(", lasts until {}", time(end)));
        lines.push(format!("{key}{begun}{end}"));
    }
    if credential.kind != "password" {
        lines.push(calls(credential));
    }
    for (what, uses) in
        [("from", &credential.addresses), ("with", &credential.user_agents), ("keys", &credential.access_keys)]
    {
        if !uses.is_empty() {
            lines.push(format!("{what} {}", named(uses)));
        }
    }
    lines
}

fn made_by(call: &TraceCall) -> String {
    format!(
        "made by {} at {} by {}{}, from {}, {} (event {})",
        terminal(&call.event_name),
        time(call.at),
        terminal(&call.actor),
        call.credential.map_or_else(String::new, |number| format!(" [{number}]")),
        from(call.address.as_deref()),
        mfa_words(call.mfa),
        terminal(&call.event_id)
    )
}

fn calls(credential: &TraceCredential) -> String {
    let span = credential.first_at.zip(credential.last_at);
    let span = span.map_or_else(String::new, |(first, last)| {
        if first == last { format!(", at {}", time(first)) } else { format!(", {} to {}", time(first), time(last)) }
    });
    format!(
        "{}: {}, {} refused{span}",
        plural(credential.calls, "call", "calls"),
        plural(credential.changes, "change", "changes"),
        credential.refused
    )
}

fn named(uses: &[TraceUse]) -> String {
    let shown: Vec<String> =
        uses.iter().take(NAMED).map(|one| format!("{} ({})", terminal(&one.value), one.calls)).collect();
    let more = uses.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// How it is with what a call did, in words.
pub(super) fn standing(effect: &TraceEffect) -> String {
    let by = |call: &TraceCall| {
        format!(
            "{} at {} by {} ({})",
            terminal(&call.event_name),
            time(call.at),
            terminal(&call.actor),
            number(call.credential)
        )
    };
    let iam = effect.iam.map_or_else(String::new, |iam| format!("; IAM state: {iam}"));
    match (effect.standing, &effect.ended_by) {
        ("stands", _) if !matters(effect) => format!("nothing read reverses it{iam}"),
        ("stands", _) => format!("nothing read takes it back{iam}"),
        ("inactive", Some(call)) => format!("made inactive: {}{iam}", by(call)),
        (_, Some(call)) => format!("ended: {}{iam}", by(call)),
        (_, None) => format!("ended{iam}"),
    }
}

/// Whether it matters that an effect stands: what is there and was not, and protection that is gone.
pub(super) fn matters(effect: &TraceEffect) -> bool {
    matches!(effect.action, "made" | "changed")
        || (effect.action == "removed" && matches!(effect.kind, "mfa_device" | "trail"))
}

/// What an effect is on, whatever became of it.
fn what(effect: &TraceEffect) -> (&'static str, &str, Option<&str>) {
    (effect.kind, &effect.name, effect.owner.as_deref())
}

/// The effects that are worth a line: what was taken away is, unless it was made on the way.
pub(super) fn notable(trace: &Trace) -> impl Iterator<Item = &TraceEffect> {
    let made: BTreeSet<_> = trace.effects.iter().filter(|effect| effect.action == "made").map(what).collect();
    trace.effects.iter().filter(move |effect| effect.action != "removed" || !made.contains(&what(effect)))
}

fn effects(trace: &Trace) -> Vec<String> {
    let lines = notable(trace).flat_map(|effect| {
        let mark = match effect.standing {
            "stands" if matters(effect) => "STANDS",
            "stands" => "done",
            "inactive" => "inactive",
            _ => "ended",
        };
        let account = effect.account.as_deref().unwrap_or("unknown");
        [
            format!("  {mark:<8}  {} {}, account {}", terminal(&effect.label), effect.action, terminal(account)),
            format!(
                "            {} at {} by {} {}, event {}",
                terminal(&effect.by.event_name),
                time(effect.by.at),
                terminal(&effect.by.actor),
                number(effect.by.credential),
                terminal(&effect.by.event_id)
            ),
            format!("            {}", standing(effect)),
        ]
    });
    lines.collect()
}

/// Whether an event is shown: what changes or was refused, sign-ins, and what others did about it.
pub(super) fn is_shown(event: &TraceEvent) -> bool {
    !event.read_only || event.error.is_some() || event.relation != "by"
}

fn events(trace: &Trace) -> Vec<String> {
    let shown: Vec<&TraceEvent> = trace.events.iter().filter(|event| is_shown(event)).collect();
    let mut lines: Vec<String> = shown.iter().take(SHOWN).map(|event| line(event)).collect();
    let reads = trace.events.len() - shown.len();
    let more = shown.len().saturating_sub(SHOWN);
    let rest: Vec<String> = [(more, "more of these"), (reads, "that only read")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", plural(count, "call", "calls")))
        .collect();
    if !rest.is_empty() {
        lines.push(format!("  and {}: --format json or a timeline has all", rest.join(", ")));
    }
    lines
}

fn line(event: &TraceEvent) -> String {
    let who = match event.relation {
        "about" => format!("others ({})", terminal(&event.actor)),
        _ => number(event.credential),
    };
    let target = event.target.as_deref().map_or_else(String::new, |target| format!(" {}", terminal(target)));
    let error = event.error.as_deref().map_or_else(String::new, |error| format!("  REFUSED: {}", terminal(error)));
    format!(
        "  {}  {who}  {}{target}  from {}{error}",
        time(event.at),
        terminal(&event.name),
        from(event.address.as_deref())
    )
}

fn steps(trace: &Trace) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, step) in trace.next_steps.iter().enumerate() {
        lines.push(format!("  {}. {}", place + 1, terminal(&step.text)));
        lines.extend(step.command.as_deref().map(|command| format!("       {}", terminal(command))));
    }
    lines
}

/// A range in words.
pub(super) fn range(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> String {
    let ends = [from.map(|from| format!("from {}", time(from))), to.map(|to| format!("before {}", time(to)))];
    let ends: Vec<String> = ends.into_iter().flatten().collect();
    if ends.is_empty() { "everything in the archive".to_owned() } else { ends.join(" and ") }
}
