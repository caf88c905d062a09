//! From a transition to what is said: made once, stored, and dressed by each channel.
//!
//! What is not known says so. Nothing reassures: that somebody has MFA again does not explain why it was removed.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Alert, Fact, Text, advice, links};
use crate::contract::{Certainty, Class, ConsolePassword};
use crate::incident::diff::Step;
use crate::incident::{Incident, Kind, Severity, Transition};
use crate::units::{plural, readable_duration};

/// How many members of a burst are named.
const NAMED: usize = 20;
/// What stands where nothing is known.
const UNKNOWN: &str = "not known";

/// What an alert needs beside the transition.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'s> {
    /// When it is made.
    pub now: DateTime<Utc>,
    /// The store, as commands name it.
    pub store: &'s str,
    /// Of a burst, what is known of its members.
    pub members: &'s [Incident],
}

/// Makes the alert of a transition.
#[must_use]
pub fn alert(step: &Step, setting: Setting<'_>) -> Alert {
    let entry = &step.entry;
    let incident = &entry.incident;
    Alert {
        key: entry.key.clone(),
        sequence: entry.sequence,
        transition: step.transition,
        state: entry.state,
        kind: incident.kind,
        severity: incident.severity,
        at: step.at,
        account: incident.account.clone(),
        class: incident.class.map(|class| class.name().to_owned()),
        subject: incident.subject().to_owned(),
        owner: incident.owner.clone(),
        text: Text {
            title: title(step),
            summary: summary(step, setting),
            facts: facts(step, setting),
            next_step: advice::next_step(step, setting.store),
            links: links::of(incident),
        },
        window: incident.window.clone(),
        members: (incident.kind == Kind::Burst).then(|| incident.members.clone()),
        acknowledged_by: entry.acknowledged_by.clone(),
        test: false,
    }
}

/// What is known of the alert that tells of a refusal: its first fact.
const REFUSED_BY: &str = "Not delivered to";

/// Makes the alert that a channel refused one of this incident for good.
#[must_use]
pub fn of_refusal(step: &Step, setting: Setting<'_>, channel: &str, reason: &str) -> Alert {
    let mut alert = alert(step, setting);
    let text = &mut alert.text;
    text.title =
        format!("Not delivered to {channel}: {} (account {})", what(&step.entry.incident), step.entry.incident.account);
    text.summary = format!(
        "Channel {channel} refused an alert of this incident: {reason}. {}",
        story(&step.entry.incident, setting)
    );
    text.next_step = format!(
        "Tell those who read {channel}, and correct the channel: `mfatrail watch test {channel}`. {}",
        text.next_step
    );
    text.facts.insert(0, Fact { label: REFUSED_BY.to_owned(), value: channel.to_owned() });
    alert
}

/// Whether an alert tells of a refusal.
#[must_use]
pub fn is_of_refusal(alert: &Alert) -> bool {
    alert.text.facts.first().is_some_and(|fact| fact.label == REFUSED_BY)
}

fn title(step: &Step) -> String {
    let incident = &step.entry.incident;
    let what = what(incident);
    let class = |incident: &Incident| incident.class == Some(Class::SuspectedTakeover);
    let title = match step.transition {
        Transition::Opened if step.is_reopening() => format!("Reopened: {what}"),
        Transition::Opened => format!("{}{what}", prefix(incident)),
        Transition::Updated if class(incident) && !step.before.as_ref().is_some_and(class) => {
            format!("Now a suspected takeover: {what}")
        }
        Transition::Updated => format!("Update: {what}"),
        Transition::Resolved => format!("Resolved: {}", end(incident)),
        Transition::Withdrawn if step.successor.is_some() => format!("Merged: {what}"),
        Transition::Withdrawn => format!("Withdrawn: {what}"),
    };
    format!("{} (account {})", capitalized(title), incident.account)
}

fn capitalized(mut text: String) -> String {
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    text
}

/// What has to be seen first.
fn prefix(incident: &Incident) -> &'static str {
    match incident.class {
        Some(Class::SuspectedTakeover) => "Suspected takeover: ",
        _ if incident.severity == Severity::Critical => "Critical: ",
        _ => "",
    }
}

fn actor(incident: &Incident) -> &str {
    incident.actor.as_deref().unwrap_or("an unknown caller")
}

/// What happened, as a title.
fn what(incident: &Incident) -> String {
    match incident.kind {
        Kind::Window => match how(incident) {
            How::Removed => format!("MFA removed from {}", incident.who()),
            How::NeverEnrolled => format!("no MFA enrolled for {}", incident.who()),
            How::Again => format!("{} exposed again without MFA", incident.who()),
        },
        Kind::Burst => format!("{} left without MFA by one caller", plural(incident.members.len(), "user", "users")),
        Kind::Attempts => format!("{} refused", plural(incident.events, "MFA deactivation", "MFA deactivations")),
        Kind::Evidence => match incident.event_name.as_str() {
            "StopLogging" => "CloudTrail logging stopped".to_owned(),
            "DeleteTrail" => "CloudTrail trail deleted".to_owned(),
            _ => "CloudTrail trail changed".to_owned(),
        },
    }
}

/// How somebody came to be without MFA.
enum How {
    Removed,
    NeverEnrolled,
    /// Without a device already, and with a password or without a denial once more.
    Again,
}

fn how(incident: &Incident) -> How {
    let kind = incident.window.as_ref().and_then(|window| window.get("kind")?.as_str());
    match incident.event_name.as_str() {
        _ if kind == Some("never_enrolled") => How::NeverEnrolled,
        "CreateLoginProfile" | "DetachUserPolicy" | "DeleteUserPolicy" | "PutUserPolicy" => How::Again,
        _ => How::Removed,
    }
}

/// How it ended, as a title.
fn end(incident: &Incident) -> String {
    let reason = incident.resolution.as_ref().map_or("", |end| end.reason.as_str());
    let who = incident.who();
    match reason {
        "reenabled" if is_doubtful(incident) || matches!(how(incident), How::NeverEnrolled) => {
            format!("MFA device enabled for {who}")
        }
        "reenabled" => format!("MFA enabled again for {who}"),
        "user_deleted" => format!("{who} deleted"),
        "password_removed" => format!("console password of {who} removed"),
        "denied" => format!("all access denied to {who}"),
        "seen_in_iam" => format!("IAM shows MFA enabled for {who}"),
        "seen_in_use" => format!("MFA of {who} in use again"),
        "ended_unseen" => format!("exposure of {who} over, time unknown"),
        "members_resolved" => format!("exposure of all {} over", plural(incident.members.len(), "user", "users")),
        "logging_resumed" => "CloudTrail logging started again".to_owned(),
        "quiet" => "no further refused deactivations for 1 h".to_owned(),
        "not_followed_up" => "no event shows that the trail change was undone".to_owned(),
        _ => what(incident),
    }
}

fn summary(step: &Step, setting: Setting<'_>) -> String {
    let incident = &step.entry.incident;
    match step.transition {
        Transition::Opened if step.is_reopening() => {
            format!("A later event shows that this is not over. {}", story(incident, setting))
        }
        Transition::Opened if incident.resolution.is_some() => {
            format!("{} This is already over; the next message says how it ended.", story(incident, setting))
        }
        Transition::Opened => story(incident, setting),
        Transition::Updated => format!("{} {}", sentence(&changes(step)), story(incident, setting)),
        Transition::Resolved => format!("{} {}", ending(step), story(incident, setting)),
        Transition::Withdrawn => match &step.successor {
            Some(key) => format!("This turned out to be part of {key}, which continues."),
            None => "A record that arrived later shows that what was reported is not the case. Nothing is open for it."
                .to_owned(),
        },
    }
}

fn sentence(parts: &[String]) -> String {
    let mut text = capitalized(parts.join("; "));
    if !text.is_empty() {
        text.push('.');
    }
    text
}

/// What is different from what was told before.
fn changes(step: &Step) -> Vec<String> {
    let after = &step.entry.incident;
    let Some(before) = &step.before else { return Vec::new() };
    let class = |class: Option<Class>| class.map_or("none", class_words).to_owned();
    let mut parts = Vec::new();
    if before.class != after.class {
        parts.push(format!("the class is now \"{}\" (was \"{}\")", class(after.class), class(before.class)));
    }
    if before.severity != after.severity {
        parts.push(format!("the severity is now {} (was {})", after.severity.name(), before.severity.name()));
    }
    if !before.overdue && after.overdue && after.resolution.is_none() {
        parts.push("no device was enabled within the grace period for a replacement".to_owned());
    }
    if before.ticket != after.ticket {
        parts.push(match &after.ticket {
            Some(ticket) => format!("ticket {} of {} covers it", ticket.ticket, ticket.approver),
            None => "no ticket covers it any more".to_owned(),
        });
    }
    if before.owner != after.owner {
        parts.push(format!("the owner is {}", after.owner.as_deref().unwrap_or(UNKNOWN)));
    }
    if before.privileged != after.privileged {
        parts.push(format!("privileged: {}", yes_no(after.privileged)));
    }
    if before.event_id != after.event_id {
        parts.push(format!("it began with {} at {}", after.event_name, time(after.opened_at)));
    }
    if before.members != after.members {
        parts.push(format!("it is now about {}", plural(after.members.len(), "user", "users")));
    }
    match &after.part_of {
        Some(burst) if before.part_of != after.part_of => {
            parts.push(format!("it is part of {burst}, under which further changes are reported"));
        }
        None if before.part_of.is_some() => parts.push("it is not part of a burst any more".to_owned()),
        _ => {}
    }
    if before.resolution != after.resolution {
        parts.push(format!("how it ended was corrected: {}", end(after)));
    }
    if step.entry.state == crate::incident::State::Acknowledged && parts.is_empty() {
        let by = step.entry.acknowledged_by.as_deref().unwrap_or(UNKNOWN);
        parts.push(format!("acknowledged by {by}"));
    }
    parts
}

fn ending(step: &Step) -> String {
    let incident = &step.entry.incident;
    let end_of = incident.resolution.as_ref();
    // Nothing happened when one of these passed.
    let passed = end_of.is_some_and(|end| matches!(end.reason.as_str(), "quiet" | "not_followed_up"));
    let at = end_of.and_then(|end| end.at).filter(|_| !passed);
    let text = sentence(&[match at {
        Some(at) => format!("{} at {}", end(incident), time(at)),
        None => end(incident),
    }]);
    let lasted = at.map(|at| (at - incident.opened_at).num_seconds());
    let text = match lasted.filter(|_| matches!(incident.kind, Kind::Window | Kind::Burst)).and_then(seconds) {
        Some(lasted) => format!("{text} The exposure lasted {lasted}."),
        None => text,
    };
    // Whoever took an account over enrolls a device of its own.
    let by_whom = end_of.is_some_and(|end| end.reason == "reenabled") && is_doubtful(incident);
    if by_whom { format!("{text} Find out whose device it is: this ends the exposure, not a takeover.") } else { text }
}

/// Whether what ended it may have been done by whoever began it.
fn is_doubtful(incident: &Incident) -> bool {
    matches!(incident.class, Some(Class::SuspectedTakeover | Class::Unexplained))
}

/// What happened, by whom, and what remains.
fn story(incident: &Incident, setting: Setting<'_>) -> String {
    let by = format!("{} ({}; {})", actor(incident), session(incident.actor_mfa), from(incident));
    let at = time(incident.opened_at);
    match incident.kind {
        Kind::Window => {
            let did = match how(incident) {
                How::Removed => format!("At {at}, {by} removed the last known MFA device of {}.", incident.who()),
                How::NeverEnrolled => format!(
                    "At {at}, {by} gave {} a console password; no MFA device was enrolled within the grace period.",
                    incident.who()
                ),
                How::Again => format!("At {at}, {by} exposed {} again ({}).", incident.who(), incident.event_name),
            };
            if incident.resolution.is_some() { did } else { format!("{did} {}", remains(incident)) }
        }
        Kind::Burst => {
            let names = names(incident, setting);
            format!("From {at} to {}, {by} left these users without MFA: {names}.", time(incident.due_at))
        }
        Kind::Attempts => format!(
            "From {at} to {}, {by} tried {} to deactivate MFA devices of {}, and was refused.",
            time(incident.due_at),
            plural(incident.events, "time", "times"),
            incident.who()
        ),
        Kind::Evidence => {
            let trail = incident.device.as_deref().unwrap_or("whose name is not known");
            match incident.event_name.as_str() {
                "StopLogging" => format!(
                    "At {at}, {by} stopped trail {trail}: until it is started again, nothing is recorded by it."
                ),
                "DeleteTrail" => format!("At {at}, {by} deleted trail {trail}: nothing is recorded by it any more."),
                name => format!(
                    "At {at}, {by} changed trail {trail} ({name}). Which settings changed is not extracted: it may record less now."
                ),
            }
        }
    }
}

/// The members of a burst, as far as there is room.
fn names(incident: &Incident, setting: Setting<'_>) -> String {
    let names: Vec<&str> = setting.members.iter().take(NAMED).map(Incident::subject).collect();
    let more = incident.members.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn remains(incident: &Incident) -> String {
    let who = capitalized(incident.who());
    let password = match incident.console_password {
        Some(ConsolePassword::Yes) => "has a console password",
        Some(ConsolePassword::No) => "has no console password",
        Some(ConsolePassword::Unknown) | None => "may have a console password",
    };
    let keys = match incident.active_access_keys {
        Some(0) => " and no active access key".to_owned(),
        Some(keys) => format!(" and {}", plural(keys, "active access key", "active access keys")),
        None => "; how many access keys are active is not known".to_owned(),
    };
    let device = match incident.certainty {
        Some(Certainty::Confirmed) => "No MFA device is active.",
        _ => "No MFA device is known to be active, but there may be one that no record shows.",
    };
    format!("{who} {password}{keys}. {device}")
}

fn session(mfa: Option<bool>) -> &'static str {
    match mfa {
        Some(true) => "session with MFA",
        Some(false) => "session without MFA",
        None => "whether the session had MFA is not known",
    }
}

fn from(incident: &Incident) -> String {
    incident.source_ip.as_ref().map_or_else(|| "source address not known".to_owned(), |ip| format!("from {ip}"))
}

/// A class as people call it.
fn class_words(class: Class) -> &'static str {
    match class {
        Class::Approved => "approved",
        Class::Offboarding => "offboarding",
        Class::SuspectedTakeover => "suspected takeover",
        Class::Replacement => "replacement",
        Class::Workaround => "workaround",
        Class::Unexplained => "unexplained",
    }
}

/// A signal as people call it.
fn signal_words(rule: &str) -> &str {
    match rule {
        "actor_without_mfa" => "the call was made without MFA",
        "new_source" => "the address is new for this caller",
        "several_principals" => "the caller removed devices of several users within 1 h",
        "persistence" => "a key, password or full-access policy was created within 1 h",
        "prior_failures" => "the caller had failed sign-ins or refused deactivations within 1 h before",
        "foreign_enrolment" => "the next device was enrolled from a new address",
        "root_user" => "the root user made the call",
        "approval_contested" => "a ticket covers it, but takeover signals speak against it",
        other => other,
    }
}

fn yes_no(known: Option<bool>) -> &'static str {
    match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => UNKNOWN,
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[expect(clippy::cast_precision_loss, reason = "a duration in seconds has fewer than 53 bits")]
fn seconds(seconds: i64) -> Option<String> {
    readable_duration(seconds.max(0) as f64)
}

fn facts(step: &Step, setting: Setting<'_>) -> Vec<Fact> {
    let entry = &step.entry;
    let incident = &entry.incident;
    let mut facts = Facts(Vec::new());
    let withdrawn = step.transition == Transition::Withdrawn;
    if !withdrawn {
        facts.add("Severity", Some(incident.severity.name().to_owned()));
    }
    if matches!(incident.kind, Kind::Window | Kind::Burst) && !withdrawn {
        facts.add("Class", Some(incident.class.map_or("not classified", class_words).to_owned()));
        let signals = incident.reasons.iter().filter(|one| incident.class.is_none_or(|class| class.name() != one.rule));
        let signals: Vec<&str> = signals.map(|signal| signal_words(&signal.rule)).collect();
        facts.add_known("Signals", (!signals.is_empty()).then(|| signals.join("; ")));
    }
    facts.add_known("Playbook", super::advice::section(step).map(str::to_owned));
    if incident.kind == Kind::Burst {
        facts.add("Users", Some(names(incident, setting)));
    }
    facts.of_principal(incident, withdrawn || incident.resolution.is_some());
    facts.add("Account", Some(incident.account.clone()));
    facts.add("Event", Some(format!("{} at {}", incident.event_name, time(incident.opened_at))));
    facts.add("Actor", incident.actor.clone());
    facts.add("Actor's MFA", Some(yes_no(incident.actor_mfa).to_owned()));
    facts.add("Source IP", incident.source_ip.clone());
    facts.add("User agent", incident.user_agent.clone());
    if incident.kind == Kind::Evidence {
        facts.add("Trail", incident.device.clone());
    }
    facts.add_known("Acknowledged by", entry.acknowledged_by.clone());
    facts.add("Latency", Some(latency(step, setting)));
    facts.add("Event ID", Some(incident.event_id.clone()));
    facts.add("Log object", (!incident.objects.is_empty()).then(|| incident.objects.join(", ")));
    facts.add("Incident", Some(entry.key.clone()));
    // Whoever reads the same sentence twice sees whether it happened twice, and whether a message is missing.
    facts.add("Message", Some(format!("{} of this incident", entry.sequence)));
    facts.0
}

struct Facts(Vec<Fact>);

impl Facts {
    fn add(&mut self, label: &str, value: Option<String>) {
        let value = value.filter(|value| !value.is_empty()).unwrap_or_else(|| UNKNOWN.to_owned());
        self.0.push(Fact { label: label.to_owned(), value });
    }

    /// Of what is left out where there is none.
    fn add_known(&mut self, label: &str, value: Option<String>) {
        if value.is_some() {
            self.add(label, value);
        }
    }

    fn of_principal(&mut self, incident: &Incident, over: bool) {
        let Some(principal) = incident.principal.as_ref() else { return };
        let id = principal.id.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
        self.add("User", Some(format!("{}{id}", principal.name)));
        if incident.kind != Kind::Window {
            return;
        }
        self.add("Owner", incident.owner.clone());
        self.add("Privileged", Some(yes_no(incident.privileged).to_owned()));
        let ticket = incident.ticket.as_ref();
        let ticket = ticket.map(|ticket| format!("{}, approved by {}", ticket.ticket, ticket.approver));
        let none = incident.class.map(|_| "none given".to_owned());
        self.add_known("Ticket", ticket.or(none));
        self.add_known("Device", incident.device.clone());
        if over {
            return;
        }
        let more = if incident.certainty == Some(Certainty::Confirmed) { "" } else { " known; there may be others" };
        self.add("Remaining devices", incident.remaining_devices.map(|devices| format!("{devices}{more}")));
        let password = match incident.console_password {
            Some(ConsolePassword::Yes) => Some("yes".to_owned()),
            Some(ConsolePassword::No) => Some("no".to_owned()),
            Some(ConsolePassword::Unknown) | None => None,
        };
        self.add("Console password", password);
        self.add("Active access keys", incident.active_access_keys.map(|keys| keys.to_string()));
    }
}

/// How long what is told took to get here.
fn latency(step: &Step, setting: Setting<'_>) -> String {
    let incident = &step.entry.incident;
    let since = |from: DateTime<Utc>, to: DateTime<Utc>| seconds((to - from).num_seconds());
    let all = since(step.at, setting.now).filter(|_| step.at < setting.now);
    let Some(all) = all else { return "not known: no event says when this changed".to_owned() };
    if step.transition != Transition::Opened || step.at != incident.opened_at {
        return format!("{all} from the change to this alert");
    }
    match incident.delivered_at.and_then(|delivered| since(incident.opened_at, delivered)) {
        Some(delivery) => format!("{all} from the event to this alert, of which CloudTrail's delivery took {delivery}"),
        None => format!("{all} from the event to this alert"),
    }
}
