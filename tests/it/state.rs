//! What a success proves, where evidence contradicts itself, and what IAM shows that no event explains: stories of a few
//! lines, each with the windows and findings that must come of it.
//!
//! An event is `DAY.HH:MM what …` of October 2026; IAM's state is of 1 November. What is not said is not there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mfatrail::cloudtrail::{Actor, ActorKind};
use mfatrail::contract::{Period, Window};
use mfatrail::exposure::{Analysis, Input, analyse};
use mfatrail::inputs::Settings;
use mfatrail::inventory::{AccountState, AsOf, Device, DeviceOwner, IamState, RootState, UserState, VirtualDevice};
use mfatrail::mfa::{Action, Event, Target};
use mfatrail::trace::Context;

const ACCOUNT: &str = "111122223333";
const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";
const SNAPSHOT: &str = "2026-11-01T00:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|_| panic!("a time: {text}"))
}

/// `DAY.HH:MM` of October 2026.
fn october(text: &str) -> DateTime<Utc> {
    let (day, time) = text.split_once('.').unwrap_or_else(|| panic!("DAY.HH:MM: {text}"));
    at(&format!("2026-10-{day:0>2}T{time}:00Z"))
}

fn serial(name: &str) -> String {
    if name.starts_with("GAHT") { name.to_owned() } else { format!("arn:aws:iam::{ACCOUNT}:mfa/{name}") }
}

fn admin() -> Actor {
    Actor {
        kind: ActorKind::AssumedRole,
        account: Some(ACCOUNT.to_owned()),
        id: Some("AROAEXAMPLE:ops".to_owned()),
        name: None,
        arn: Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/Ops/ops")),
        access_key: None,
        issuer: None,
    }
}

/// One line of a story.
pub fn event(number: usize, line: &str) -> Event {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [when, verb, who, rest @ ..] = words.as_slice() else { panic!("time, verb, user: {line}") };
    let device = || Some(serial(rest.first().unwrap_or_else(|| panic!("a device: {line}"))));
    let mut target = Target::User { name: Some((*who).to_owned()), id: None };
    let mut actor = admin();
    let (name, action) = match *verb {
        "creates" => ("CreateUser", Action::UserCreated),
        "deletes" => ("DeleteUser", Action::UserDeleted),
        "renames" => ("UpdateUser", Action::UserRenamed { new_name: rest[0].to_owned() }),
        "password" => ("CreateLoginProfile", Action::PasswordCreated),
        "resets" => ("UpdateLoginProfile", Action::PasswordReset),
        "unpassword" => ("DeleteLoginProfile", Action::PasswordRemoved),
        "enables" => ("EnableMFADevice", Action::DeviceEnabled { serial: device() }),
        "removes" => ("DeactivateMFADevice", Action::DeviceDeactivated { serial: device() }),
        "denies" => ("AttachUserPolicy", Action::PolicyAttached { arn: Some(DENY_ALL.to_owned()) }),
        "contains" => {
            let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
            let policy = Some("contained".to_owned());
            ("PutUserPolicy", Action::PolicyPut { policy, document: Some(document.to_owned()) })
        }
        "allows" => ("DetachUserPolicy", Action::PolicyDetached { arn: Some(DENY_ALL.to_owned()) }),
        "uses" => {
            actor = Actor {
                kind: ActorKind::IamUser,
                name: Some((*who).to_owned()),
                arn: Some(format!("arn:aws:iam::{ACCOUNT}:user/{who}")),
                id: None,
                ..admin()
            };
            ("ConsoleLogin", Action::ConsoleLogin { mfa_used: Some(true), serial: device() })
        }
        "makes" | "erases" => {
            target = if *verb == "makes" { Target::Nobody } else { Target::DeviceOnly };
            let serial = Some(serial(who));
            match *verb {
                "makes" => ("CreateVirtualMFADevice", Action::DeviceCreated { serial }),
                _ => ("DeleteVirtualMFADevice", Action::DeviceDeleted { serial }),
            }
        }
        other => panic!("a verb: {other}"),
    };
    if *who == "root" {
        target = Target::Root;
    }
    Event {
        id: format!("event-{number}"),
        time: october(when),
        account: ACCOUNT.into(),
        region: "us-east-1".into(),
        source: "iam.amazonaws.com".into(),
        name: name.into(),
        action,
        target,
        actor: actor.into(),
        actor_mfa: None,
        source_ip: Some("192.0.2.10".into()),
        user_agent: None,
        failure: None,
        objects: [format!("object-{number}")].into_iter().collect(),
        delivered_at: None,
        lineage: Default::default(),
    }
}

/// `name password devices…` of a user with all its devices known; `?` for a password that is not told.
fn user(line: &str) -> UserState {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, password, devices @ ..] = words.as_slice() else { panic!("name and password: {line}") };
    UserState {
        name: (*name).to_owned(),
        created_at: Some(at("2025-01-01T00:00:00Z")),
        password: match *password {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
        mfa_active: Some(!devices.is_empty()),
        devices: Some(devices.iter().map(|text| device(text)).collect()),
        denied: Some(false),
        denied_by_group: Some(false),
        ..UserState::default()
    }
}

/// `name`, or `name@DAY.HH:MM` with the date of its enrollment.
fn device(text: &str) -> Device {
    match text.split_once('@') {
        Some((name, date)) => Device { serial: serial(name), enabled_at: Some(october(date)) },
        None => Device { serial: serial(text), enabled_at: None },
    }
}

fn iam(state: AccountState) -> IamState {
    let accounts = BTreeMap::from([(ACCOUNT.to_owned(), state)]);
    IamState { taken_at: at(SNAPSHOT), accounts, missing: Vec::new() }
}

fn users(lines: &[&str]) -> IamState {
    iam(AccountState {
        users: lines.iter().map(|line| user(line)).collect(),
        users_complete: true,
        virtual_devices: Some(Vec::new()),
        ..AccountState::default()
    })
}

/// Analyzes a story of October 2026, whose evidence reaches from 25 September to the snapshot.
fn analyze(story: &str, iam: Option<&IamState>) -> Analysis {
    analyze_until(story, iam, at(SNAPSHOT), at(SNAPSHOT))
}

/// The same, of evidence that reaches to `end`, measured to `as_of`.
fn analyze_until(story: &str, iam: Option<&IamState>, end: DateTime<Utc>, as_of: DateTime<Utc>) -> Analysis {
    let events: Vec<Event> = story
        .split([';', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
        .map(|(number, line)| event(number + 1, line))
        .collect();
    let covered = BTreeMap::from([(ACCOUNT.to_owned(), [at("2026-09-25T00:00:00Z"), end])]);
    analyse(&Input {
        events: &events,
        context: &Context::default(),
        iam,
        covered: &covered,
        approvals: &[],
        detections: &[],
        settings: &Settings::default(),
        period: Period { from: at("2026-10-01T00:00:00Z"), to: at(SNAPSHOT) },
        as_of,
    })
    .unwrap()
}

fn moment(time: DateTime<Utc>) -> String {
    if time < at("2026-10-01T00:00:00Z") { "before".to_owned() } else { time.format("%d.%H:%M").to_string() }
}

/// `name: kind opening-end reason certainty`.
fn shown(window: &Window) -> String {
    let from = match window.opened_at {
        Some(opened) => moment(opened),
        None => format!("<{}", window.open_since_before.map_or_else(String::new, moment)),
    };
    let to = window.closed_at.map_or_else(|| "…".to_owned(), moment);
    let reason = window.close_reason.map_or("open", mfatrail::contract::CloseReason::name);
    format!("{}: {} {from}-{to} {reason} {}", window.principal.name, window.kind.name(), window.certainty.name())
}

fn windows(analysis: &Analysis) -> Vec<String> {
    analysis.windows.iter().map(shown).collect()
}

/// `name: code device from-to`.
fn findings(analysis: &Analysis) -> Vec<String> {
    let shown = analysis.reconciliation.iter().map(|finding| {
        let who = finding.principal.as_ref().map_or("nobody", |principal| principal.name.as_str());
        let device = finding.device.as_deref().map_or("-", |serial| serial.rsplit('/').next().unwrap_or(serial));
        let [from, to] = finding.between.map(moment);
        format!("{who}: {} {device} {from}-{to}", finding.finding.name())
    });
    shown.collect()
}

/// A story, and what must come of it.
struct Case {
    what: &'static str,
    story: &'static str,
    iam: Option<IamState>,
    windows: &'static [&'static str],
    findings: &'static [&'static str],
}

fn check(cases: &[Case]) {
    for case in cases {
        let analysis = analyze(case.story, case.iam.as_ref());
        assert_eq!(windows(&analysis), case.windows, "windows: {}", case.what);
        assert_eq!(findings(&analysis), case.findings, "findings: {}", case.what);
    }
}

#[test]
fn what_a_success_proves_of_devices() {
    check(&[
        Case {
            what: "enabled twice: it was removed in between, unseen",
            story: "1.08:00 creates amy; 1.08:01 password amy; 1.09:00 enables amy phone; 9.09:00 enables amy phone",
            iam: None,
            windows: &["amy: never_enrolled 01.08:01-01.09:00 reenabled confirmed"],
            findings: &["amy: state_contradicts phone 01.09:00-09.09:00"],
        },
        Case {
            what: "deleted while assigned: from then on it is nobody's, and the last other device leaves none",
            story: "1.08:00 creates amy; 1.08:01 password amy; 1.09:00 enables amy phone; 2.09:00 enables amy key; \
                    9.09:00 erases phone; 12.09:00 removes amy key",
            iam: None,
            windows: &[
                "amy: never_enrolled 01.08:01-01.09:00 reenabled confirmed",
                "amy: removed 12.09:00-… open confirmed",
            ],
            findings: &["amy: state_contradicts phone 01.09:00-09.09:00"],
        },
        Case {
            what: "deleted while assigned, and nothing else is left: exposed from then on at the latest",
            story: "1.08:00 creates amy; 1.08:01 password amy; 1.09:00 enables amy phone; 9.09:00 erases phone",
            iam: None,
            windows: &[
                "amy: never_enrolled 01.08:01-01.09:00 reenabled confirmed",
                "amy: removed 09.09:00-… open confirmed",
            ],
            findings: &["amy: state_contradicts phone 01.09:00-09.09:00"],
        },
        Case {
            what: "in the interval of a missing removal the device counts as absent",
            story: "1.08:00 creates amy; 1.09:00 enables amy phone; 2.09:00 enables amy key; 5.09:00 removes amy key; \
                    5.10:00 enables amy key; 9.09:00 erases phone",
            iam: Some(users(&["amy yes key"])),
            windows: &["amy: removed 05.09:00-05.10:00 reenabled possible"],
            findings: &[
                "amy: password_disagrees - 01.08:00-01.00:00",
                "amy: state_contradicts phone 01.09:00-09.09:00",
            ],
        },
        Case {
            what: "enabled for somebody else",
            story: "1.08:00 creates amy; 1.08:01 password amy; 1.09:00 enables amy phone; 9.09:00 enables bea phone",
            iam: None,
            windows: &[
                "amy: never_enrolled 01.08:01-01.09:00 reenabled confirmed",
                "amy: removed 09.09:00-… open confirmed",
            ],
            findings: &["amy: state_contradicts phone 01.09:00-09.09:00"],
        },
        Case {
            what: "deleted with a device, and no state of IAM",
            story: "1.08:00 creates amy; 1.09:00 enables amy phone; 9.09:00 deletes amy",
            iam: None,
            windows: &[],
            findings: &["amy: state_contradicts phone 01.09:00-09.09:00"],
        },
        Case {
            what: "deleted with a device, and IAM's list lacks the user",
            story: "1.08:00 creates amy; 1.09:00 enables amy phone; 9.09:00 deletes amy",
            iam: Some(users(&["bea yes key"])),
            windows: &[],
            findings: &["amy: deactivate_not_in_archive phone 01.09:00-09.09:00"],
        },
        Case {
            what: "IAM enabled it later than the archive did",
            story: "1.09:00 enables amy phone",
            iam: Some(users(&["amy yes phone@20.12:00"])),
            windows: &[],
            findings: &["amy: enable_not_in_archive phone 01.09:00-20.12:00"],
        },
        Case {
            what: "two clocks of a second each",
            story: "1.09:00 enables amy phone",
            iam: Some(iam(AccountState {
                users: vec![UserState {
                    devices: Some(vec![Device {
                        serial: serial("phone"),
                        enabled_at: Some(at("2026-10-01T09:00:01Z")),
                    }]),
                    ..user("amy yes phone")
                }],
                ..AccountState::default()
            })),
            windows: &[],
            findings: &[],
        },
        Case {
            what: "used after its removal: enabled unseen in between",
            story: "1.09:00 enables amy phone; 5.09:00 removes amy phone; 9.09:00 uses amy phone",
            iam: None,
            windows: &["amy: removed 05.09:00-09.09:00 seen_in_use possible"],
            findings: &["amy: enable_not_in_archive phone 05.09:00-09.09:00"],
        },
        Case {
            what: "made again under its old name: the entity was deleted, and before that removed",
            story: "1.08:00 creates amy; 1.08:01 password amy; 1.09:00 enables amy phone; 9.09:00 makes phone; \
                    9.09:05 enables amy phone",
            iam: None,
            windows: &[
                "amy: never_enrolled 01.08:01-01.09:00 reenabled confirmed",
                "amy: removed 09.09:00-09.09:05 reenabled confirmed",
            ],
            findings: &["amy: state_contradicts phone 01.09:00-09.09:00"],
        },
    ]);
}

#[test]
fn what_a_success_proves_of_passwords_and_denials() {
    check(&[
        Case {
            what: "the first password is made after the removal: there was none at the removal",
            story: "5.09:00 removes amy phone; 15.09:00 password amy",
            iam: None,
            windows: &["amy: removed 15.09:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "a password made twice",
            story: "1.08:00 creates amy; 1.08:01 password amy; 9.09:00 password amy",
            iam: None,
            windows: &[
                "amy: never_enrolled 01.08:01-… ended_unseen possible",
                "amy: never_enrolled 09.09:00-… open confirmed",
            ],
            findings: &["amy: state_contradicts - 01.08:01-09.09:00"],
        },
        Case {
            what: "deleted with a password",
            story: "1.08:00 creates amy; 1.08:01 password amy; 9.09:00 deletes amy",
            iam: None,
            windows: &["amy: never_enrolled 01.08:01-09.09:00 user_deleted possible"],
            findings: &["amy: state_contradicts - 01.08:01-09.09:00"],
        },
        Case {
            what: "a removal under a denial opens none, its end does",
            story: "1.09:00 enables amy phone; 4.09:00 denies amy; 5.09:00 removes amy phone; 9.09:00 allows amy",
            iam: None,
            windows: &["amy: removed 09.09:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "a denial that ends was there before",
            story: "5.09:00 removes amy phone; 9.09:00 allows amy",
            iam: None,
            windows: &["amy: removed 09.09:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "IAM has no password, and its deletion was not seen",
            story: "1.08:00 creates amy; 1.08:01 password amy; 1.09:00 enables amy phone; 5.09:00 removes amy phone",
            iam: Some(users(&["amy no"])),
            windows: &[
                "amy: never_enrolled 01.08:01-01.09:00 reenabled possible",
                "amy: removed 05.09:00-… open possible",
            ],
            findings: &["amy: password_disagrees - 01.08:01-01.00:00"],
        },
        Case {
            what: "IAM has a password, and the archive deleted it: exposed, and no event says since when",
            story: "1.09:00 enables amy phone; 5.09:00 removes amy phone; 6.09:00 unpassword amy",
            iam: Some(users(&["amy yes"])),
            windows: &[
                "amy: standing <01.00:00-… open confirmed",
                "amy: removed 05.09:00-06.09:00 password_removed confirmed",
            ],
            findings: &["amy: without_mfa_unexplained - 06.09:00-01.00:00"],
        },
        Case {
            what: "IAM has no denial, and the archive has",
            story: "5.09:00 removes amy phone; 6.09:00 denies amy",
            iam: Some(users(&["amy yes"])),
            windows: &["amy: standing <01.00:00-… open confirmed", "amy: removed 05.09:00-06.09:00 denied confirmed"],
            findings: &["amy: without_mfa_unexplained - 06.09:00-01.00:00"],
        },
        Case {
            what: "the same, of a user with a device: nobody is exposed, and yet they disagree",
            story: "5.09:00 removes amy phone; 6.09:00 denies amy; 7.09:00 enables amy key",
            iam: Some(users(&["amy yes key"])),
            windows: &["amy: removed 05.09:00-06.09:00 denied confirmed"],
            findings: &["amy: deny_disagrees - 06.09:00-01.00:00"],
        },
    ]);
}

#[test]
fn what_iam_shows_and_no_event_explains() {
    let root = |mfa_active, password, keys| {
        Some(iam(AccountState {
            root: Some(RootState {
                mfa_active: Some(mfa_active),
                password,
                active_access_keys: keys,
                ..RootState::default()
            }),
            ..AccountState::default()
        }))
    };
    let nothing = "1.09:00 makes tablet";
    check(&[
        Case {
            what: "a console user without a device since before the archive",
            story: nothing,
            iam: Some(users(&["amy yes", "bea no", "cleo ?", "dora yes key"])),
            windows: &["amy: standing <before-… open confirmed", "cleo: standing <before-… open possible"],
            findings: &[],
        },
        Case {
            what: "a root user with credentials",
            story: nothing,
            iam: root(false, Some(true), Some(0)),
            windows: &["root: standing <before-… open confirmed"],
            findings: &[],
        },
        Case {
            what: "a root user of whose password nothing is told",
            story: nothing,
            iam: root(false, None, Some(0)),
            windows: &["root: standing <before-… open possible"],
            findings: &[],
        },
        Case {
            what: "a root user with a key and no password",
            story: nothing,
            iam: root(false, Some(false), Some(1)),
            windows: &["root: standing <before-… open confirmed"],
            findings: &[],
        },
        Case {
            what: "a root user without password and keys has nothing that MFA would protect",
            story: nothing,
            iam: root(false, Some(false), Some(0)),
            windows: &[],
            findings: &[],
        },
        Case {
            what: "a denied user",
            story: nothing,
            iam: Some(iam(AccountState {
                users: vec![UserState { denied: Some(true), ..user("amy yes") }],
                ..AccountState::default()
            })),
            windows: &[],
            findings: &[],
        },
        Case {
            what: "an open window says since when",
            story: "5.09:00 removes amy phone",
            iam: Some(users(&["amy yes"])),
            windows: &["amy: removed 05.09:00-… open confirmed"],
            findings: &[],
        },
        Case {
            what: "a user that IAM's whole list lacks is not still without MFA",
            story: "1.08:00 creates amy; 1.08:01 password amy; 9.09:00 resets amy",
            iam: Some(users(&["bea yes key"])),
            windows: &["amy: never_enrolled 01.08:01-… ended_unseen possible"],
            findings: &["amy: delete_not_in_archive - 09.09:00-01.00:00"],
        },
    ]);
    let ended =
        analyze("1.08:00 creates amy; 1.08:01 password amy; 9.09:00 resets amy", Some(&users(&["bea yes key"])));
    let figures = &ended.figures.iam;
    assert_eq!((figures.enrolment.stat.n, figures.enrolment.open), (0, 0), "in no mean, and not open");
    assert_eq!(ended.windows[0].duration_s, (october("9.09:00") - october("1.08:01")).num_seconds());
}

#[test]
fn facts_of_iam_stand_at_their_own_time() {
    let reported = |active: bool, as_of: AsOf| {
        Some(iam(AccountState {
            users: vec![UserState {
                name: "amy".to_owned(),
                password: Some(true),
                password_as_of: Some(as_of),
                mfa_active: Some(active),
                mfa_active_as_of: Some(as_of),
                ..UserState::default()
            }],
            users_complete: true,
            virtual_devices: Some(Vec::new()),
            ..AccountState::default()
        }))
    };
    let moment = AsOf::exactly(october("31.20:00"));
    let hours = AsOf { earliest: october("31.20:00"), latest: at(SNAPSHOT) };
    let removal = "1.09:00 enables amy phone; 31.22:00 removes amy phone";
    check(&[
        Case {
            what: "a report that is older than the removal hides nothing",
            story: removal,
            iam: reported(true, moment),
            windows: &["amy: removed 31.22:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "a report of which only the hours are known",
            story: removal,
            iam: reported(true, hours),
            windows: &["amy: removed 31.22:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "a report of before the enrollment makes no finding out of it",
            story: "20.09:00 removes amy phone; 31.22:00 enables amy GAHT12345678",
            iam: reported(false, moment),
            windows: &["amy: removed 20.09:00-31.22:00 reenabled confirmed"],
            findings: &[],
        },
        Case {
            what: "the same, of which only the hours are known",
            story: "20.09:00 removes amy phone; 31.22:00 enables amy GAHT12345678",
            iam: reported(false, hours),
            windows: &["amy: removed 20.09:00-31.22:00 reenabled possible"],
            findings: &[],
        },
        Case {
            what: "a report from after the removal says that a device is there, and nothing names it",
            story: "1.09:00 enables amy phone; 20.09:00 removes amy phone",
            iam: reported(true, moment),
            windows: &["amy: removed 20.09:00-… ended_unseen possible"],
            findings: &["amy: unseen_device - 20.09:00-31.20:00"],
        },
        Case {
            what: "a report that shows MFA of a user whose devices the archive says nothing about",
            story: "20.09:00 resets amy",
            iam: reported(true, moment),
            windows: &[],
            findings: &[],
        },
    ]);
}

#[test]
fn the_list_of_virtual_devices_is_about_users_that_no_file_names_too() {
    let only = |devices: Vec<VirtualDevice>| {
        Some(iam(AccountState { virtual_devices: Some(devices), ..AccountState::default() }))
    };
    let assigned = |name: &str, owner: Option<&str>| VirtualDevice {
        device: Device { serial: serial(name), enabled_at: None },
        owner: owner.map(|name| DeviceOwner::User { name: name.to_owned(), id: None }),
    };
    check(&[
        Case {
            what: "an enrolled device that the list lacks",
            story: "1.09:00 enables amy phone; 9.09:00 uses amy phone",
            iam: only(Vec::new()),
            windows: &[],
            findings: &["amy: deactivate_not_in_archive phone 09.09:00-01.00:00"],
        },
        Case {
            what: "an enrolled device that the list has as nobody's",
            story: "1.09:00 enables amy phone",
            iam: only(vec![assigned("phone", None)]),
            windows: &[],
            findings: &["amy: deactivate_not_in_archive phone 01.09:00-01.00:00"],
        },
        Case {
            what: "a hardware device is not in that list",
            story: "1.09:00 enables amy GAHT12345678",
            iam: only(Vec::new()),
            windows: &[],
            findings: &[],
        },
        Case {
            what: "leftovers that the archive explains are no findings",
            story: "1.09:00 makes tablet; 2.09:00 enables amy phone; 5.09:00 removes amy phone",
            iam: only(vec![assigned("tablet", None), assigned("phone", None)]),
            windows: &["amy: removed 05.09:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "one that no event explains is",
            story: "1.09:00 makes tablet",
            iam: only(vec![assigned("spare", None), assigned("tablet", None)]),
            windows: &[],
            findings: &["nobody: device_without_owner spare before-01.00:00"],
        },
    ]);
    let leftovers = analyze(
        "1.09:00 makes tablet; 2.09:00 enables amy phone; 5.09:00 removes amy phone",
        only(vec![assigned("tablet", None), assigned("phone", None)]).as_ref(),
    )
    .leftover_devices;
    let shown: Vec<(&str, &str, Option<&str>)> = leftovers
        .iter()
        .map(|one| (one.device.as_str(), one.cause, one.principal.as_ref().map(|who| who.name.as_str())))
        .collect();
    assert_eq!(
        shown,
        [(serial("phone").as_str(), "deactivated", Some("amy")), (serial("tablet").as_str(), "never_enabled", None)]
    );
}

#[test]
fn one_missing_event_is_told_once_and_of_whom_it_is_true() {
    let moment = AsOf::exactly(october("31.20:00"));
    let hours = AsOf { earliest: october("31.20:00"), latest: at(SNAPSHOT) };
    let row = |name: &str, active: bool, as_of: AsOf| UserState {
        name: name.to_owned(),
        password: Some(true),
        password_as_of: Some(as_of),
        mfa_active: Some(active),
        mfa_active_as_of: Some(as_of),
        ..UserState::default()
    };
    let report = |rows: Vec<UserState>, as_of: AsOf| AccountState {
        users: rows,
        users_as_of: Some(as_of),
        users_complete: true,
        ..AccountState::default()
    };
    let phone = |owner: Option<&str>| VirtualDevice {
        device: Device { serial: serial("phone"), enabled_at: None },
        owner: owner.map(|name| DeviceOwner::User { name: name.to_owned(), id: None }),
    };
    let lists = |owner: Option<&str>, as_of: AsOf| {
        let virtual_devices = Some(vec![phone(owner)]);
        Some(iam(AccountState { as_of: Some(as_of), virtual_devices, ..AccountState::default() }))
    };
    check(&[
        Case {
            what: "a row of hours within which its user was deleted tells nothing of who bears the name",
            story: "30.09:00 enables amy phone; 31.21:00 removes amy phone; 31.22:00 unpassword amy; 31.22:01 deletes amy",
            iam: Some(iam(report(vec![row("amy", false, hours)], hours))),
            windows: &["amy: removed 31.21:00-31.22:00 password_removed confirmed"],
            findings: &[],
        },
        Case {
            what: "a deletion that was seen is not missing where a list of hours lacks the user",
            story: "30.09:00 creates amy; 31.22:00 deletes amy",
            iam: Some(iam(report(Vec::new(), hours))),
            windows: &[],
            findings: &[],
        },
        Case {
            what: "a deletion that the next bearer of the name gives away, though IAM lists that one",
            story: "1.08:00 creates amy; 1.08:01 password amy; 9.09:00 creates amy",
            iam: Some(users(&["amy no"])),
            windows: &["amy: never_enrolled 01.08:01-… ended_unseen possible"],
            findings: &["amy: state_contradicts - 01.08:01-09.09:00"],
        },
        Case {
            what: "a report of MFA, and then a deletion that IAM refuses with a device",
            story: "31.22:00 deletes amy",
            iam: Some(iam(report(vec![row("amy", true, moment)], moment))),
            windows: &[],
            findings: &["amy: password_disagrees - 31.20:00-31.22:00", "amy: state_contradicts - 31.20:00-31.22:00"],
        },
        Case {
            what: "the device whose enrollment is missing is the one that the report means",
            story: "20.08:00 creates amy; 20.08:01 password amy; 31.22:00 removes amy phone",
            iam: Some(iam(report(vec![row("amy", true, moment)], moment))),
            windows: &[
                "amy: never_enrolled 20.08:01-31.22:00 seen_in_use possible",
                "amy: removed 31.22:00-… open confirmed",
            ],
            findings: &["amy: enable_not_in_archive phone 20.08:00-31.22:00"],
        },
        Case {
            what: "a report of none, of a user who was deleted since",
            story: "31.21:00 removes amy phone; 31.22:00 deletes amy",
            iam: Some(iam(report(vec![row("amy", false, moment)], moment))),
            windows: &["amy: removed 31.21:00-31.22:00 user_deleted possible"],
            findings: &[
                "amy: password_disagrees - 31.20:00-31.22:00",
                "amy: enable_not_in_archive phone 31.20:00-31.21:00",
            ],
        },
        Case {
            what: "a list from before a rename is about the name of then",
            story: "31.21:00 removes amy phone; 31.22:00 renames amy ann",
            iam: lists(Some("amy"), moment),
            windows: &["ann: removed 31.21:00-… open possible"],
            findings: &[],
        },
        Case {
            what: "a use proves the enrollment that is missing: the device is no leftover",
            story: "1.09:00 makes phone; 9.09:00 uses amy phone",
            iam: lists(None, AsOf::exactly(at(SNAPSHOT))),
            windows: &[],
            findings: &[
                "amy: enable_not_in_archive phone 01.09:00-09.09:00",
                "amy: deactivate_not_in_archive phone 09.09:00-01.00:00",
            ],
        },
        Case {
            what: "an older word that there was no password hides nothing of what was read later",
            story: "5.09:00 removes amy phone",
            iam: Some(iam(AccountState {
                users: vec![UserState {
                    password_as_of: Some(AsOf::exactly(at("2026-09-20T00:00:00Z"))),
                    ..user("amy no")
                }],
                ..AccountState::default()
            })),
            windows: &["amy: removed 05.09:00-… open confirmed"],
            findings: &[],
        },
        Case {
            what: "a user whom the whole list lacks, and whose creation is missing",
            story: "31.22:00 resets bea",
            iam: Some(iam(report(Vec::new(), moment))),
            windows: &[],
            findings: &["bea: state_contradicts - 31.20:00-31.22:00"],
        },
        Case {
            what: "what another policy denies does not explain how this one was attached",
            story: "1.08:00 creates amy; 2.09:00 contains amy; 3.09:00 allows amy",
            iam: None,
            windows: &[],
            findings: &["amy: state_contradicts - 01.08:00-03.09:00"],
        },
    ]);
}

#[test]
fn figures_count_a_removal_for_whom_it_was() {
    let analysis = analyze("1.09:00 enables amy phone; 9.09:00 removes bea phone", None);
    let figures = &analysis.figures.iam.deactivations;
    assert_eq!((figures.total, figures.opened_window), (1, 1));
    assert_eq!(figures.legitimate + figures.not_legitimate, 1);
    let of_amy = analysis.windows.iter().find(|window| window.principal.name == "amy");
    assert_eq!(of_amy.map(|window| window.class), Some(None));
}

#[test]
fn what_iam_shows_now_counts_though_it_is_proven_only_after_the_period() {
    let analysis = analyze("31.22:00 creates amy", Some(&users(&["amy yes"])));
    assert_eq!(windows(&analysis), ["amy: standing <01.00:00-… open confirmed"]);
    assert_eq!(analysis.figures.iam.exposure.standing.open, 1);
}

#[test]
fn an_end_that_nobody_saw_is_no_replacement() {
    let exactly = |active| {
        let user = UserState { devices: None, mfa_active: Some(active), ..user("amy yes") };
        iam(AccountState { users: vec![user], users_complete: true, ..AccountState::default() })
    };
    let analysis = analyze("1.09:00 enables amy phone; 20.09:00 removes amy phone", Some(&exactly(true)));
    assert_eq!(windows(&analysis), ["amy: removed 20.09:00-… ended_unseen possible"]);
    assert_eq!(analysis.windows[0].class, Some(mfatrail::contract::Class::Unexplained));
}

#[test]
fn a_name_is_not_an_identity() {
    check(&[
        Case {
            what: "created while somebody bears the name: that one is gone, unseen",
            story: "1.08:00 creates amy; 1.08:01 password amy; 9.09:00 creates amy; 9.09:01 password amy",
            iam: None,
            windows: &[
                "amy: never_enrolled 01.08:01-… ended_unseen possible",
                "amy: never_enrolled 09.09:01-… open confirmed",
            ],
            findings: &["amy: state_contradicts - 01.08:01-09.09:00"],
        },
        Case {
            what: "deleted, and then something is done to it: created again, unseen",
            story: "1.08:00 creates amy; 2.09:00 deletes amy; 9.09:00 enables amy phone",
            iam: None,
            windows: &[],
            findings: &["amy: state_contradicts - 02.09:00-09.09:00"],
        },
    ]);
}

#[test]
fn what_is_measured_beyond_the_evidence_is_possible() {
    let story = "1.08:00 creates amy; 1.08:01 password amy";
    let certainty =
        |end: &str, iam: Option<&IamState>| windows(&analyze_until(story, iam, october(end), october("31.00:00")));
    assert_eq!(certainty("31.00:00", None), ["amy: never_enrolled 01.08:01-… open confirmed"]);
    assert_eq!(certainty("30.23:59", None), ["amy: never_enrolled 01.08:01-… open possible"]);
    let shown = users(&["amy yes"]);
    assert_eq!(certainty("30.23:59", Some(&shown)), ["amy: never_enrolled 01.08:01-… open confirmed"]);
}
