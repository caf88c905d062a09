//! Windows: those still open, all of them in a table, and the details of each.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::exceptions;
use super::{
    Block, Line, Section, Span, Table, Tag, WindowView, arn, head, id, key, lasting, none, numeric, opened, principal,
    raw, raws, still_open, table, text, time, window_id, window_link, words, yes_no,
};
use crate::contract::playbook;
use crate::report::assurance;
use crate::report::format::{self, NONE};
use crate::report::rows::Rows;
use crate::report::{
    Certainty, CloseReason, ConsolePassword, DetectionKind, Made, Proof, Report, RiskException, Window, WindowKind,
};

/// The events that windows name.
struct Proofs<'a> {
    by_account: HashMap<(&'a str, &'a str), &'a Proof>,
    /// Of each id that of the first account.
    by_id: HashMap<&'a str, &'a Proof>,
}

impl<'a> Proofs<'a> {
    fn new(proofs: &'a [Proof]) -> Self {
        let mut by_id: HashMap<&str, &Proof> = HashMap::new();
        for proof in proofs {
            let first = by_id.entry(&proof.event_id).or_insert(proof);
            if proof.account < first.account {
                *first = proof;
            }
        }
        let by_account = proofs.iter().map(|proof| ((proof.account.as_str(), proof.event_id.as_str()), proof));
        Self { by_account: by_account.collect(), by_id }
    }

    /// What is known of an event that a window of an account names; what an actor did in another account is there under that one.
    fn of(&self, account: &str, event: &str) -> Option<&'a Proof> {
        self.by_account.get(&(account, event)).or_else(|| self.by_id.get(event)).copied()
    }
}

pub(super) fn open_windows(report: &Report) -> Section<'static> {
    let open = still_open(report);
    let blocks = if open.is_empty() {
        let at = format::time(report.as_of);
        vec![Block::Paragraph(words(assurance::sentence(
            report,
            &format!("No window is open at {at}."),
            &format!("What was read shows no window that is open at {at}."),
        )))]
    } else {
        let rows = open
            .iter()
            .map(|(i, w)| {
                vec![
                    principal(&w.principal),
                    vec![window_link(*i)],
                    vec![raw(&w.account)],
                    opened(w),
                    lasted(w),
                    class(w),
                    words(w.console_password.name()),
                    words(w.privileged.map_or("unknown", yes_no)),
                    vec![w.owner.as_deref().map_or_else(none, raw)],
                ]
            })
            .collect();
        let caption = format!(
            "{} at {}, the longest known first",
            format::plural(open.len(), "window is open", "windows are open"),
            format::time(report.as_of)
        );
        let heads = vec![
            head("Affected user"),
            head("Window"),
            head("Account"),
            head("Since"),
            numeric("For"),
            head("Class"),
            head("Password"),
            head("Privileged"),
            head("Owner"),
        ];
        vec![Block::Table(table(caption, heads, rows))]
    };
    Section { id: "open-windows", title: "Still without MFA", blocks }
}

pub(super) fn section(report: &Report) -> Section<'_> {
    let blocks = if report.windows.is_empty() {
        vec![Block::Paragraph(words(no_window(report)))]
    } else {
        let caption = format!(
            "{} the period: standing windows first, then in order of opening",
            format::plural(report.windows.len(), "window touches", "windows touch")
        );
        let heads = vec![
            numeric("#"),
            head("Affected user"),
            head("Account"),
            head("Opened"),
            head("Closed"),
            head("Closed by"),
            numeric("Duration"),
            head("Class"),
            numeric("Detected after"),
        ];
        let rows = Rows::of(&report.windows, row);
        let listing = Table { rows, sortable: true, ..table(caption, heads, Vec::new()) };
        let proofs = Proofs::new(&report.proof);
        let stories = Rows::of(&report.windows, move |i, w| story(i, w, report.as_of, &proofs, &report.exceptions));
        vec![Block::Table(listing), Block::Heading("Window details".to_owned()), Block::Windows(stories)]
    };
    Section { id: "windows", title: "Windows", blocks }
}

/// That no window touches the period, as far as what was read shows.
pub(super) fn no_window(report: &Report) -> String {
    assurance::sentence(
        report,
        "No window touches the period.",
        "What was read shows no window that touches the period.",
    )
}

fn class(w: &Window) -> Line {
    let mut class = vec![Span::Class(key(w))];
    if w.certainty == Certainty::Possible {
        class.push(text(" (possible)"));
    }
    if let Some(remark) = exceptions::remark(&w.exceptions) {
        class.push(text(format!(" ({remark})")));
    }
    class
}

/// How long it lasted; what began at an unknown moment, or ended at one, lasted at least so long.
fn lasted(w: &Window) -> Line {
    let least = w.kind == WindowKind::Standing || w.close_reason == Some(CloseReason::EndedUnseen);
    let mut line = if least { words("at least ") } else { Line::new() };
    line.push(lasting(w.duration_s));
    line
}

fn row(i: usize, w: &Window) -> Vec<Line> {
    vec![
        vec![window_link(i)],
        principal(&w.principal),
        vec![raw(&w.account)],
        opened(w),
        match (w.closed_at, w.is_open()) {
            (Some(at), _) => vec![time(at)],
            (None, true) => vec![Span::Strong("open".to_owned())],
            (None, false) => words("ended, date unknown"),
        },
        vec![w.close_reason.map_or_else(none, |reason| Span::Word(reason.name()))],
        lasted(w),
        class(w),
        vec![match &w.detection {
            Some(detection) => lasting(detection.time_to_detect_s),
            None if w.class.is_some() => text("not detected"),
            None => none(),
        }],
    ]
}

fn story(i: usize, w: &Window, as_of: DateTime<Utc>, proofs: &Proofs<'_>, risks: &[RiskException]) -> WindowView {
    let mut summary = principal(&w.principal);
    summary.extend([text(" in "), raw(&w.account)]);
    summary.push(text(if w.opened_at.is_some() { ", from " } else { ", since " }));
    summary.extend(opened(w));
    match (w.closed_at, w.is_open()) {
        (Some(at), _) => summary.extend([text(" to "), time(at), text(", ")]),
        (None, true) => summary.push(text(", open for ")),
        (None, false) => summary.push(text(", ended at an unknown date after ")),
    }
    summary.extend(lasted(w));

    let mut tags = Vec::new();
    if w.is_open() {
        tags.push(Tag { text: "open", bad: true });
    }
    if w.certainty == Certainty::Possible {
        tags.push(Tag { text: "possible", bad: false });
    }
    if w.privileged == Some(true) {
        tags.push(Tag { text: "privileged", bad: true });
    }
    if let Some(remark) = exceptions::remark(&w.exceptions) {
        tags.push(Tag { text: remark, bad: !w.exceptions.iter().any(|one| one.in_force) });
    }
    if is_contested(w) {
        tags.push(Tag { text: "approval contested", bad: true });
    }
    let mut facts = vec![
        ("Affected user", whose(w)),
        ("How it began", vec![began(w)]),
        ("Who did it, from where", vec![who_did_it(w)]),
        ("Approved by", vec![approval(w)]),
        ("Detected", vec![noticed(w)]),
        ("Activity during the window", activity(w)),
        ("How it ended", vec![ended(w, as_of)]),
        ("Why this class", reasons(w)),
    ];
    let accepted = exceptions::facts(risks, &w.exceptions);
    facts.extend((!accepted.is_empty()).then_some(("Risk accepted by", accepted)));
    facts.extend(playbook(w.principal.kind, w.class).map(|section| ("What to do", vec![words(section)])));
    WindowView { id: window_id(i), number: i + 1, key: key(w), summary, tags, facts, proof: proof(i, w, proofs) }
}

fn whose(w: &Window) -> Vec<Line> {
    let mut who = principal(&w.principal);
    if let Some(id) = &w.principal.id {
        who.extend([text(" ("), raw(id), text(")")]);
    }
    who.extend([text(", account "), raw(&w.account), text(", owner ")]);
    who.push(w.owner.as_deref().map_or_else(|| text(format!("{NONE} (unknown)")), raw));
    let keys = w.active_access_keys.map_or_else(|| "unknown".to_owned(), format::count);
    let at_stake = format!(
        "console password: {}; active access keys: {keys}; privileged: {}; certainty: {}{}",
        w.console_password.name(),
        w.privileged.map_or("unknown", yes_no),
        w.certainty.name(),
        match (w.certainty, w.kind, w.console_password) {
            (Certainty::Confirmed, ..) => "",
            (_, WindowKind::Standing, ConsolePassword::Unknown) => " (whether there is a password is not known)",
            _ => " (a device that was not seen may remain, or an event is missing)",
        }
    );
    vec![who, words(at_stake)]
}

fn began(w: &Window) -> Line {
    let Some(opened_by) = &w.opened_by else {
        return vec![
            text("no event explains it: IAM shows no device, and nothing that was read changed since "),
            time(w.proven_from()),
            text(", so it began then or before (standing)"),
        ];
    };
    let mut line = vec![raw(opened_by), text(" at "), time(w.proven_from())];
    if let Some(device) = &w.device {
        line.extend([text(" of device "), raw(device)]);
    }
    line.push(text(match (w.kind, w.class) {
        (WindowKind::NeverEnrolled, _) => "; it never had a device (never_enrolled)",
        (WindowKind::Removed | WindowKind::Standing, Some(_)) => "; the last known device was removed (removed)",
        (WindowKind::Removed | WindowKind::Standing, None) => {
            "; it was exposed again, for a password was restored or a deny lifted while there was no device (removed)"
        }
    }));
    match w.delivered_at {
        Some(at) => line.extend([text("; delivered by CloudTrail at "), time(at)]),
        None => line.push(text("; CloudTrail's delivery time is unknown")),
    }
    line
}

fn who_did_it(w: &Window) -> Line {
    let mfa = match w.actor_mfa {
        Some(true) => ", in a session with MFA",
        Some(false) => ", in a session without MFA",
        None => ", session's MFA unknown",
    };
    let address = w.source_ip.as_deref().map_or_else(|| text("an unknown address"), raw);
    let Some(actor) = &w.actor else { return words(format!("{NONE} (no event shows it)")) };
    vec![raw(actor), text(mfa), text(", from "), address]
}

fn is_contested(w: &Window) -> bool {
    w.reasons.iter().any(|reason| reason.rule == "approval_contested")
}

fn approval(w: &Window) -> Line {
    let Some(approval) = &w.approval else { return words(format!("{NONE} (no approval covers it)")) };
    let mut line = vec![raw(&approval.approver), text(", ticket "), raw(&approval.ticket)];
    if is_contested(w) {
        line.push(text(" (contested: as many takeover signals hold as the policy's threshold, so it clears nothing)"));
    }
    line
}

fn noticed(w: &Window) -> Line {
    let Some(detection) = &w.detection else {
        return words(match w.class {
            Some(_) => format!("{NONE} (not detected)"),
            None => format!("{NONE} (only deactivations count as detected or not)"),
        });
    };
    let how = match detection.kind {
        DetectionKind::Reported => " (reported): ",
        DetectionKind::Inferred => " (inferred from the archive): ",
    };
    vec![
        time(detection.at),
        text(", after "),
        lasting(detection.time_to_detect_s),
        text(", by "),
        raw(&detection.source),
        text(how),
        raw(&detection.reference),
    ]
}

/// What the affected user did, and beside it what the actor of the opening call did and made.
fn activity(w: &Window) -> Vec<Line> {
    let a = &w.activity;
    let mut lines = Vec::new();
    if a.events == 0 {
        lines.push(words("no activity by this user was recorded in what was read"));
    } else {
        lines.push(words(format!(
            "by this user: {}: {}, {}, {}",
            format::plural(a.events, "call or sign-in", "calls and sign-ins"),
            format::plural(a.console_logins_without_mfa, "console sign-in without MFA", "console sign-ins without MFA"),
            format::plural(a.writes, "write", "writes"),
            format::plural(a.errors, "error", "errors"),
        )));
    }
    for (label, list) in [("from ", &a.source_ips), ("services: ", &a.services)] {
        if !list.is_empty() {
            let mut line = words(label);
            line.extend(raws(list));
            lines.push(line);
        }
    }
    let Some(actor) = &a.by_actor else {
        lines.push(words(match w.actor {
            Some(_) => "what the actor did meanwhile is not known",
            None => "no actor is known",
        }));
        return lines;
    };
    let counts = actor.events.zip(actor.writes).map_or_else(
        || "its calls are not stored one by one (search by its ARN)".to_owned(),
        |(events, writes)| {
            let calls = format::plural(events, "call or sign-in", "calls and sign-ins");
            format!("{calls}, {}", format::plural(writes, "write", "writes"))
        },
    );
    lines.push(words(format!("by the actor of the opening call: {counts}")));
    lines.extend(actor.made.iter().map(made));
    if actor.made_left_out > 0 {
        lines.push(words(format!(
            "the actor made {} more during the window, later ones (search for its ARN)",
            format::size(actor.made_left_out)
        )));
    }
    lines
}

/// A key, password or the like that the actor made, and whether it outlived the window.
fn made(made: &Made) -> Line {
    let stands = match made.still_there {
        Some(true) => Span::Strong("still there".to_owned()),
        Some(false) => text("gone since"),
        None => text("whether it is still there is unknown"),
    };
    let did = match made.what {
        // Created or changed: either way the actor knows it.
        "password" => "set the password of",
        "access_key" => "created access key",
        "policy" => "added policy",
        "group_membership" => "added membership of group",
        "user" => "created user",
        "device" => "enabled MFA device",
        _ => "made",
    };
    vec![
        text(format!("the actor {did} ")),
        raw(&made.id),
        text(" at "),
        time(made.at),
        text(", "),
        stands,
        text(" (event "),
        id(&made.event_id),
        text(")"),
    ]
}

/// What closed a window, in words.
pub(super) fn close_words(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Reenabled => "a device was enabled",
        CloseReason::UserDeleted => "the user was deleted",
        CloseReason::PasswordRemoved => "the console password was removed",
        CloseReason::Denied => "a policy denied everything",
        CloseReason::SeenInIam => "no event was seen, but IAM shows a device enabled then",
        CloseReason::SeenInUse => "no enrollment was seen, but a device was in use then",
        CloseReason::EndedUnseen => "it was over when IAM state was taken, and no event shows since when",
    }
}

fn ended(w: &Window, as_of: DateTime<Utc>) -> Line {
    let how = w.close_reason.map(|reason| format!("{} ({})", close_words(reason), reason.name()));
    match (w.closed_at, how) {
        (Some(at), how) => {
            let how = how.unwrap_or_else(|| NONE.to_owned());
            vec![text(format!("{how} at ")), time(at), text(", after "), lasting(w.duration_s)]
        }
        (None, Some(how)) => vec![
            text(format!("{how}; it is proven up to ")),
            time(w.proven_to()),
            text(", for "),
            lasting(w.duration_s),
        ],
        (None, None) => {
            let mut line = vec![Span::Strong("still open".to_owned()), text(" at "), time(as_of), text(", after ")];
            line.extend(lasted(w));
            line
        }
    }
}

fn reasons(w: &Window) -> Vec<Line> {
    if w.reasons.is_empty() {
        return vec![words(match w.class {
            Some(_) => "no rule and no signal names evidence",
            None => match w.kind {
                WindowKind::Standing => "standing: only deactivations are classified",
                WindowKind::NeverEnrolled => "never enrolled: only deactivations are classified",
                WindowKind::Removed => {
                    "exposed again (password restored, or a deny lifted, without MFA): only deactivations are classified"
                }
            },
        })];
    }
    // The rule that decided has the class's name; a contested approval decides nothing; whatever else is there is a signal.
    w.reasons
        .iter()
        .map(|reason| {
            let evidence = text(format!(" ({})", format::plural(reason.event_ids.len(), "event", "events")));
            if reason.rule == key(w) {
                vec![Span::Class(key(w)), evidence]
            } else if reason.rule == "approval_contested" {
                vec![text("the approval is contested, and clears nothing"), evidence]
            } else {
                vec![text("signal: "), Span::Word(reason.rule), evidence]
            }
        })
        .collect()
}

/// Every event that the window rests on: what it shows, its id, and where the record is.
fn proof(i: usize, w: &Window, proofs: &Proofs<'_>) -> Table<'static> {
    let mut shows = Shows::default();
    if let Some(event) = &w.opened_by_event {
        shows.add(event, "opened the window");
    }
    for reason in &w.reasons {
        for event in &reason.event_ids {
            shows.add(event, reason.rule);
        }
    }
    if let Some(detection) = w.detection.as_ref().filter(|d| d.kind == DetectionKind::Inferred) {
        shows.add(&detection.reference, "detection");
    }
    for made in w.activity.by_actor.iter().flat_map(|actor| &actor.made) {
        shows.add(&made.event_id, made.what);
    }
    if let Some(event) = &w.closed_by_event {
        shows.add(event, "closed the window");
    }
    let mut shows = shows.list;
    // In order of time; what is known by its id alone comes last.
    shows.sort_by_key(|(event, _)| {
        let at = proofs.of(&w.account, event).map(|proof| proof.event_time);
        (at.is_none(), at)
    });
    let rows = shows
        .iter()
        .map(|&(event, ref what)| {
            let known = proofs.of(&w.account, event);
            let mut objects = Line::new();
            for (object, sha256) in known.iter().flat_map(|proof| proof.objects.iter().zip(&proof.sha256)) {
                if !objects.is_empty() {
                    objects.push(text(" and "));
                }
                objects.push(id(object));
                if let Some(sha256) = sha256 {
                    objects.extend([text(" SHA-256 "), id(sha256)]);
                }
            }
            if objects.is_empty() {
                objects.push(text("object not stored: search by the id"));
            }
            vec![
                words(format::spoken(&what.join(", "))),
                vec![known.map_or_else(none, |proof| raw(&proof.event_name))],
                vec![known.map_or_else(none, |proof| time(proof.event_time))],
                vec![known.map_or_else(none, |proof| arn(&proof.actor))],
                vec![id(event)],
                objects,
            ]
        })
        .collect();
    let heads = ["What it shows", "Event", "Time", "Who", "Event id", "Object"].map(head).into();
    let caption =
        if shows.is_empty() { "No event proves it, IAM state does: window" } else { "Events that prove window" };
    table(format!("{caption} {}", i + 1), heads, rows)
}

/// Events in the order in which they were named, each with all that it shows.
#[derive(Default)]
struct Shows<'w> {
    list: Vec<(&'w str, Vec<&'w str>)>,
    places: HashMap<&'w str, usize>,
}

impl<'w> Shows<'w> {
    fn add(&mut self, event: &'w str, what: &'w str) {
        let place = *self.places.entry(event).or_insert(self.list.len());
        match self.list.get_mut(place) {
            Some((_, list)) => list.push(what),
            None => self.list.push((event, vec![what])),
        }
    }
}
