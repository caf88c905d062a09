//! Windows: those still open, all of them in a table, and each with its story.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    Block, Line, Section, Span, Tag, WindowView, head, id, key, lasting, none, numeric, principal, raw, raws,
    still_open, table, text, time, window_id, window_link, words, yes_no,
};
use crate::report::format::{self, NONE};
use crate::report::{Certainty, CloseReason, DetectionKind, Proof, Report, Window, WindowKind};

/// The events that windows name, by account and id.
type Proofs<'a> = BTreeMap<(&'a str, &'a str), &'a Proof>;

pub(super) fn open_windows(report: &Report) -> Section {
    let open = still_open(report);
    let blocks = if open.is_empty() {
        vec![Block::Paragraph(vec![text("No window is open at "), time(report.as_of), text(".")])]
    } else {
        let rows = open
            .iter()
            .map(|(i, w)| {
                vec![
                    principal(&w.principal),
                    vec![window_link(*i)],
                    vec![raw(&w.account)],
                    vec![time(w.proven_from())],
                    vec![lasting(w.duration_s)],
                    vec![Span::Class(key(w))],
                    words(w.console_password.name()),
                    words(w.privileged.map_or("unknown", yes_no)),
                    vec![w.owner.as_deref().map_or_else(none, raw)],
                ]
            })
            .collect();
        let caption = format!(
            "{} at {}, the longest first",
            format::plural(open.len(), "window is open", "windows are open"),
            format::time(report.as_of)
        );
        let heads = vec![
            head("Principal"),
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

pub(super) fn section(report: &Report) -> Section {
    let blocks = if report.windows.is_empty() {
        vec![Block::Paragraph(words("No window touches the period."))]
    } else {
        let rows = report.windows.iter().enumerate().map(|(i, w)| row(i, w)).collect();
        let caption = format!(
            "{} that touch the period, in order of opening",
            format::plural(report.windows.len(), "window", "windows")
        );
        let heads = vec![
            numeric("#"),
            head("Principal"),
            head("Account"),
            head("Opened"),
            head("Closed"),
            head("Closed by"),
            numeric("Duration"),
            head("Class"),
            numeric("Detected after"),
        ];
        let mut listing = table(caption, heads, rows);
        listing.sortable = true;
        let proofs: Proofs<'_> =
            report.proof.iter().map(|proof| ((proof.account.as_str(), proof.event_id.as_str()), proof)).collect();
        let stories = report.windows.iter().enumerate().map(|(i, w)| story(i, w, report.as_of, &proofs)).collect();
        vec![Block::Table(listing), Block::Heading("Each window's story".to_owned()), Block::Windows(stories)]
    };
    Section { id: "windows", title: "Windows", blocks }
}

fn row(i: usize, w: &Window) -> Vec<Line> {
    let mut class = vec![Span::Class(key(w))];
    if w.certainty == Certainty::Possible {
        class.push(text(" (possible)"));
    }
    vec![
        vec![window_link(i)],
        principal(&w.principal),
        vec![raw(&w.account)],
        vec![time(w.proven_from())],
        vec![w.closed_at.map_or_else(|| Span::Strong("open".to_owned()), time)],
        vec![w.close_reason.map_or_else(none, |reason| Span::Word(reason.name()))],
        vec![lasting(w.duration_s)],
        class,
        vec![match &w.detection {
            Some(detection) => lasting(detection.time_to_detect_s),
            None if w.class.is_some() => text("undetected"),
            None => none(),
        }],
    ]
}

fn story(i: usize, w: &Window, as_of: DateTime<Utc>, proofs: &Proofs<'_>) -> WindowView {
    let mut summary = principal(&w.principal);
    summary.extend([text(" in "), raw(&w.account), text(", from "), time(w.proven_from())]);
    match w.closed_at {
        Some(at) => summary.extend([text(" to "), time(at), text(", ")]),
        None => summary.push(text(", open for ")),
    }
    summary.push(lasting(w.duration_s));

    let mut tags = Vec::new();
    if w.closed_at.is_none() {
        tags.push(Tag { text: "open", bad: true });
    }
    if w.certainty == Certainty::Possible {
        tags.push(Tag { text: "possible", bad: false });
    }
    if w.privileged == Some(true) {
        tags.push(Tag { text: "privileged", bad: true });
    }
    let facts = vec![
        ("Whose MFA", whose(w)),
        ("How it began", vec![began(w)]),
        ("Who did it, from where", vec![who_did_it(w)]),
        ("Approved by", vec![approval(w)]),
        ("Noticed", vec![noticed(w)]),
        ("Done meanwhile", meanwhile(w)),
        ("How it ended", vec![ended(w, as_of)]),
        ("Why this class", reasons(w)),
    ];
    WindowView { id: window_id(i), number: i + 1, key: key(w), summary, tags, facts, proof: proof(i, w, proofs) }
}

fn whose(w: &Window) -> Vec<Line> {
    let mut who = principal(&w.principal);
    if let Some(id) = &w.principal.id {
        who.extend([text(" ("), raw(id), text(")")]);
    }
    who.extend([text(", account "), raw(&w.account), text(", owner ")]);
    who.push(w.owner.as_deref().map_or_else(|| text(format!("{NONE} (not known)")), raw));
    let keys = w.active_access_keys.map_or_else(|| "unknown".to_owned(), format::count);
    let at_stake = format!(
        "console password: {}; active access keys: {keys}; privileged: {}; certainty: {}",
        w.console_password.name(),
        w.privileged.map_or("unknown", yes_no),
        w.certainty.name(),
    );
    vec![who, words(at_stake)]
}

fn began(w: &Window) -> Line {
    let Some(opened_by) = &w.opened_by else {
        return vec![
            text("no event tells; IAM shows it without a device, at the latest since "),
            time(w.proven_from()),
        ];
    };
    let mut line = vec![raw(opened_by), text(" at "), time(w.proven_from())];
    if let Some(device) = &w.device {
        line.extend([text(" of device "), raw(device)]);
    }
    line.push(text(format!(" ({})", w.kind.name())));
    match w.delivered_at {
        Some(at) => line.extend([text("; delivered by CloudTrail at "), time(at)]),
        None => line.push(text("; when CloudTrail delivered it is not known")),
    }
    line
}

fn who_did_it(w: &Window) -> Line {
    let mfa = match w.actor_mfa {
        Some(true) => ", in a session with MFA",
        Some(false) => ", in a session without MFA",
        None => ", session's MFA not known",
    };
    let address = w.source_ip.as_deref().map_or_else(|| text("an unknown address"), raw);
    let Some(actor) = &w.actor else { return vec![none()] };
    vec![raw(actor), text(mfa), text(", from "), address]
}

fn approval(w: &Window) -> Line {
    match &w.approval {
        Some(approval) => vec![raw(&approval.approver), text(", ticket "), raw(&approval.ticket)],
        None => words(format!("{NONE} (no approval covers it)")),
    }
}

fn noticed(w: &Window) -> Line {
    let Some(detection) = &w.detection else {
        return words(format!("{NONE} (undetected)"));
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

fn meanwhile(w: &Window) -> Vec<Line> {
    let a = &w.activity;
    if a.events == 0 {
        return vec![words("nothing was seen of the principal itself")];
    }
    let mut lines = vec![words(format!(
        "{}: {}, {}, {}",
        format::plural(a.events, "call or sign-in", "calls and sign-ins"),
        format::plural(a.console_logins_without_mfa, "console sign-in without MFA", "console sign-ins without MFA"),
        format::plural(a.writes, "write", "writes"),
        format::plural(a.errors, "error", "errors"),
    ))];
    for (label, list) in [("from ", &a.source_ips), ("services: ", &a.services)] {
        if !list.is_empty() {
            let mut line = words(label);
            line.extend(raws(list));
            lines.push(line);
        }
    }
    lines
}

fn ended(w: &Window, as_of: DateTime<Utc>) -> Line {
    let Some(at) = w.closed_at else {
        return vec![
            Span::Strong("still open".to_owned()),
            text(" at "),
            time(as_of),
            text(", after "),
            lasting(w.duration_s),
        ];
    };
    let how = match w.close_reason {
        Some(CloseReason::Reenabled) => "a device was enabled",
        Some(CloseReason::UserDeleted) => "the user was deleted",
        Some(CloseReason::PasswordRemoved) => "the console password was removed",
        Some(CloseReason::Denied) => "a policy denied everything",
        Some(CloseReason::SeenInIam) => "no event was seen, but IAM shows a device enabled then",
        Some(CloseReason::SeenInUse) => "no enrolment was seen, but a device was in use then",
        Some(CloseReason::EndedUnseen) => "it was over at the snapshot of IAM, and no event says since when",
        None => NONE,
    };
    let name = w.close_reason.map_or(NONE, CloseReason::name);
    vec![text(format!("{how} ({name}) at ")), time(at), text(", after "), lasting(w.duration_s)]
}

fn reasons(w: &Window) -> Vec<Line> {
    if w.reasons.is_empty() {
        return vec![words(match w.class {
            Some(_) => "no rule and no signal names evidence",
            None if w.kind == WindowKind::NeverEnrolled => "never enrolled: only deactivations are classified",
            None => "exposed again: only deactivations are classified",
        })];
    }
    // The rule that decided bears the class's name; whatever else is there is a signal.
    w.reasons
        .iter()
        .map(|reason| {
            let evidence = text(format!(" ({})", format::plural(reason.event_ids.len(), "event", "events")));
            if reason.rule == key(w) {
                vec![Span::Class(key(w)), evidence]
            } else if reason.rule == "approval_contested" {
                vec![text("the ticket clears nothing: as many signals hold as make a takeover"), evidence]
            } else {
                vec![text("signal: "), Span::Word(reason.rule), evidence]
            }
        })
        .collect()
}

/// Every event that the window rests on: what it shows, its id, and where the record is.
fn proof(i: usize, w: &Window, proofs: &Proofs<'_>) -> super::Table {
    let mut shows: Vec<(&str, Vec<&str>)> = Vec::new();
    if let Some(event) = &w.opened_by_event {
        add(&mut shows, event, "opened the window");
    }
    for reason in &w.reasons {
        for event in &reason.event_ids {
            add(&mut shows, event, reason.rule);
        }
    }
    if let Some(detection) = w.detection.as_ref().filter(|d| d.kind == DetectionKind::Inferred) {
        add(&mut shows, &detection.reference, "detection");
    }
    if let Some(event) = &w.closed_by_event {
        add(&mut shows, event, "closed the window");
    }
    for made in w.activity.by_actor.iter().flat_map(|actor| &actor.made) {
        add(&mut shows, &made.event_id, "made by the actor");
    }
    // In order of time; what is known by its id alone comes last.
    shows.sort_by_key(|(event, _)| {
        let at = proof_of(proofs, &w.account, event).map(|proof| proof.event_time);
        (at.is_none(), at)
    });
    let rows = shows
        .into_iter()
        .map(|(event, what)| {
            let known = proof_of(proofs, &w.account, event);
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
                objects.push(text("its object is not kept: search by the id"));
            }
            vec![
                words(what.join(", ")),
                vec![known.map_or_else(none, |proof| raw(&proof.event_name))],
                vec![known.map_or_else(none, |proof| time(proof.event_time))],
                vec![known.map_or_else(none, |proof| raw(&proof.actor))],
                vec![id(event)],
                objects,
            ]
        })
        .collect();
    let heads = ["What it shows", "Event", "Time", "Who", "Event id", "Object"].map(head).into();
    table(format!("Events that prove window {}", i + 1), heads, rows)
}

/// What is known of an event that a window of an account names; what an actor did in another account is there under that one.
fn proof_of<'a>(proofs: &Proofs<'a>, account: &'a str, event: &'a str) -> Option<&'a Proof> {
    let elsewhere = || proofs.iter().find(|((_, id), _)| *id == event).map(|(_, proof)| *proof);
    proofs.get(&(account, event)).copied().or_else(elsewhere)
}

fn add<'w>(shows: &mut Vec<(&'w str, Vec<&'w str>)>, event: &'w str, what: &'w str) {
    match shows.iter_mut().find(|(known, _)| *known == event) {
        Some((_, list)) => list.push(what),
        None => shows.push((event, vec![what])),
    }
}
