//! One hand-built report for the tests of every format, hostile text included.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::contract::integrity::{Code, Finding as DigestFinding, Hours, LogCounts, State, TrailSummary, Verification};
use crate::inputs::Settings;

pub(super) const HOSTILE_NAME: &str = "<script>alert('x')</script>|`a`";
pub(super) const HOSTILE_AGENT: &str =
    "=cmd|' /C calc'!A0\u{1b}[2J\u{202e}gpj.\0\n# Heading @all https://example.com/ \u{1f468}\u{200d}\u{1f469}";

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a fixture's time")
}

fn user(name: &str, id: Option<&str>) -> Principal {
    Principal { kind: PrincipalKind::IamUser, name: name.to_owned(), id: id.map(str::to_owned) }
}

fn stat(n: usize, mean: f64, median: f64, p90: f64, max: f64) -> Stat {
    Stat { n, mean_s: Some(mean), median_s: Some(median), p90_s: Some(p90), max_s: Some(max) }
}

/// What the digests of one trail say: proven but for the hours before the first of them.
pub(super) fn verification() -> Verification {
    let [account, region] = ["111122223333", "us-east-1"].map(str::to_owned);
    let [from, first, to] = ["2026-10-01T00:00:00Z", "2026-10-01T12:00:00Z", "2026-11-01T00:00:00Z"].map(at);
    let hours = |from, to, state, logs, quiet| Hours {
        account: account.clone(),
        region: region.clone(),
        from,
        to,
        state,
        logs,
        quiet,
    };
    Verification {
        whole: true,
        from: Some(from),
        to: Some(to),
        proven_until: Some(to),
        digests: 732,
        digests_proven: 732,
        logs: LogCounts { named: 41_800, verified: 41_800, bytes: 1 << 30 },
        hours: vec![hours(from, first, State::Unknown, 0, 0), hours(first, to, State::Proven, 41_800, 3)],
        trails: vec![TrailSummary {
            account: account.clone(),
            region: region.clone(),
            trail: "homestead".to_owned(),
            home_region: "eu-west-1".to_owned(),
            backfill: false,
            from: first,
            to,
            digests: 732,
            digests_proven: 732,
            logs: 41_800,
            logs_verified: 41_800,
        }],
        counts: [(Code::TrailMovedHere.as_str(), 1)].into(),
        findings: vec![DigestFinding {
            code: Code::TrailMovedHere,
            account: Some(account),
            region: Some(region),
            trail: Some("homestead".to_owned()),
            from: Some(first),
            to: Some(first),
            object: Some("AWSLogs/evil\u{1b}[31m<b>.json.gz".to_owned()),
            count: 1,
            event_id: Some("0f0e0000-0000-4000-8000-000000000009".to_owned()),
            text: "it lay in acme-old before".to_owned(),
        }],
    }
}

/// The report of a period in which nothing happened and of which nothing was read.
pub(super) fn empty() -> Report {
    Report {
        schema: SCHEMA,
        tool: Tool { version: "0.0.0" },
        generated_at: at("2026-11-01T06:00:00.987654Z"),
        period: Period { from: at("2026-10-01T00:00:00Z"), to: at("2026-11-01T00:00:00Z") },
        as_of: at("2026-11-01T00:00:00Z"),
        figures: Figures::default(),
        windows: Vec::new(),
        events: Vec::new(),
        reconciliation: Vec::new(),
        leftover_devices: Vec::new(),
        coverage: Coverage::default(),
        notices: Vec::new(),
        policy: Settings::default(),
        accounts: Vec::new(),
        trend: Vec::new(),
        changes: None,
        exceptions: Vec::new(),
        proof: Vec::new(),
        posture: None,
        inputs: Vec::new(),
        watch: None,
        redacted: false,
    }
}

fn lost_phone() -> Window {
    Window {
        integrity: None,
        exceptions: Vec::new(),
        kind: WindowKind::Removed,
        account: "111122223333".to_owned(),
        principal: user("alice", Some("AIDAEXAMPLEALICE00001")),
        owner: Some("alice@example.com".to_owned()),
        opened_at: Some(at("2026-10-06T09:00:00Z")),
        open_since_before: None,
        opened_by_event: Some("0f0e0000-0000-4000-8000-000000000001".to_owned()),
        opened_by: Some("DeactivateMFADevice".to_owned()),
        device: Some("arn:aws:iam::111122223333:mfa/alice-phone".to_owned()),
        actor: Some("arn:aws:sts::111122223333:assumed-role/Helpdesk/bob".to_owned()),
        actor_mfa: Some(true),
        source_ip: Some("192.0.2.10".to_owned()),
        delivered_at: Some(at("2026-10-06T09:05:00Z")),
        closed_at: Some(at("2026-10-06T09:42:00Z")),
        closed_by_event: Some("0f0e0000-0000-4000-8000-000000000002".to_owned()),
        close_reason: Some(CloseReason::Reenabled),
        duration_s: 2520,
        certainty: Certainty::Confirmed,
        class: Some(Class::Replacement),
        legitimate: Some(true),
        reasons: vec![Reason {
            rule: "replacement",
            event_ids: vec!["0f0e0000-0000-4000-8000-000000000002".to_owned()],
        }],
        detection: Some(Detected {
            at: at("2026-10-06T09:10:00Z"),
            kind: DetectionKind::Reported,
            source: "siem".to_owned(),
            reference: "ALERT-17".to_owned(),
            time_to_detect_s: 600,
        }),
        approval: None,
        console_password: ConsolePassword::Yes,
        active_access_keys: Some(1),
        privileged: Some(false),
        activity: Activity::default(),
    }
}

fn takeover() -> Window {
    Window {
        integrity: None,
        exceptions: Vec::new(),
        kind: WindowKind::Removed,
        account: "000000000042".to_owned(),
        principal: user(HOSTILE_NAME, None),
        owner: None,
        opened_at: Some(at("2026-10-20T10:00:00Z")),
        open_since_before: None,
        opened_by_event: Some("0f0e0000-0000-4000-8000-000000000003".to_owned()),
        opened_by: Some("DeactivateMFADevice".to_owned()),
        device: None,
        actor: Some(format!("arn:aws:iam::000000000042:user/{HOSTILE_NAME}")),
        actor_mfa: Some(false),
        source_ip: Some("203.0.113.9".to_owned()),
        delivered_at: None,
        closed_at: None,
        closed_by_event: None,
        close_reason: None,
        duration_s: 1_000_800,
        certainty: Certainty::Possible,
        class: Some(Class::SuspectedTakeover),
        legitimate: Some(false),
        reasons: vec![
            Reason { rule: "suspected_takeover", event_ids: vec!["0f0e0000-0000-4000-8000-000000000003".to_owned()] },
            Reason { rule: "actor_without_mfa", event_ids: vec!["0f0e0000-0000-4000-8000-000000000003".to_owned()] },
            Reason { rule: "new_source", event_ids: vec!["0f0e0000-0000-4000-8000-000000000004".to_owned()] },
        ],
        detection: None,
        approval: None,
        console_password: ConsolePassword::Unknown,
        active_access_keys: None,
        privileged: None,
        activity: Activity {
            events: 12,
            console_logins_without_mfa: 1,
            writes: 4,
            errors: 3,
            source_ips: vec!["=HYPERLINK(0)".to_owned(), "203.0.113.9".to_owned()],
            services: vec!["iam.amazonaws.com".to_owned(), "signin.amazonaws.com".to_owned()],
            by_actor: None,
        },
    }
}

fn never_enrolled() -> Window {
    Window {
        integrity: None,
        exceptions: Vec::new(),
        kind: WindowKind::NeverEnrolled,
        principal: Principal { kind: PrincipalKind::Root, name: "root".to_owned(), id: None },
        opened_at: Some(at("2026-10-25T12:00:00Z")),
        open_since_before: None,
        opened_by_event: Some("0f0e0000-0000-4000-8000-000000000005".to_owned()),
        opened_by: Some("CreateLoginProfile".to_owned()),
        device: None,
        closed_at: Some(at("2026-10-28T12:00:30Z")),
        closed_by_event: None,
        close_reason: Some(CloseReason::SeenInIam),
        duration_s: 259_230,
        class: None,
        legitimate: None,
        reasons: Vec::new(),
        detection: Some(Detected {
            at: at("2026-10-25T13:00:00Z"),
            kind: DetectionKind::Inferred,
            source: "arn:aws:iam::111122223333:user/auditor".to_owned(),
            reference: "0f0e0000-0000-4000-8000-000000000006".to_owned(),
            time_to_detect_s: 3600,
        }),
        approval: Some(Approved { ticket: "OPS-1".to_owned(), approver: "carol@example.com".to_owned() }),
        privileged: Some(true),
        ..lost_phone()
    }
}

/// What IAM shows and no event explains: an old root user whose password is not known, proven from a moment of the period.
pub(super) fn standing_root() -> Window {
    Window {
        kind: WindowKind::Standing,
        account: "444455556666".to_owned(),
        principal: Principal { kind: PrincipalKind::Root, name: "root".to_owned(), id: None },
        owner: None,
        opened_at: None,
        open_since_before: Some(at("2026-10-12T08:00:00Z")),
        opened_by_event: None,
        opened_by: None,
        device: None,
        actor: None,
        actor_mfa: None,
        source_ip: None,
        delivered_at: None,
        closed_at: None,
        closed_by_event: None,
        close_reason: None,
        duration_s: 1_699_200,
        certainty: Certainty::Possible,
        class: None,
        legitimate: None,
        reasons: Vec::new(),
        detection: None,
        console_password: ConsolePassword::Unknown,
        active_access_keys: None,
        privileged: None,
        ..lost_phone()
    }
}

pub(super) fn standing_user() -> Window {
    Window {
        principal: user("old-timer", Some("AIDAEXAMPLEOLDTIMER01")),
        open_since_before: Some(at("2026-09-01T00:00:03Z")),
        duration_s: 5_270_397,
        certainty: Certainty::Confirmed,
        console_password: ConsolePassword::Yes,
        ..standing_root()
    }
}

/// Over when IAM state was taken, nobody knows since when.
pub(super) fn ended_unseen() -> Window {
    Window {
        principal: user("gone", None),
        opened_at: Some(at("2026-10-08T00:00:00Z")),
        opened_by_event: Some("0f0e0000-0000-4000-8000-000000000009".to_owned()),
        closed_at: None,
        closed_by_event: None,
        close_reason: Some(CloseReason::EndedUnseen),
        duration_s: 172_800,
        certainty: Certainty::Possible,
        class: Some(Class::Unexplained),
        legitimate: Some(false),
        reasons: vec![Reason {
            rule: "unexplained",
            event_ids: vec!["0f0e0000-0000-4000-8000-000000000009".to_owned()],
        }],
        detection: None,
        ..lost_phone()
    }
}

/// A takeover that a ticket covers, with what the actor left behind.
fn contested() -> Window {
    let opening = || vec!["0f0e0000-0000-4000-8000-000000000010".to_owned()];
    let made = |what, id: &str, still_there| Made {
        event_id: "0f0e0000-0000-4000-8000-000000000011".to_owned(),
        at: at("2026-10-22T03:10:00Z"),
        what,
        id: id.to_owned(),
        still_there,
    };
    Window {
        principal: user("zelda", None),
        opened_at: Some(at("2026-10-22T03:00:00Z")),
        opened_by_event: Some("0f0e0000-0000-4000-8000-000000000010".to_owned()),
        actor: Some("arn:aws:iam::111122223333:user/mallory".to_owned()),
        actor_mfa: Some(false),
        source_ip: Some("198.51.100.7".to_owned()),
        closed_at: Some(at("2026-10-22T04:00:00Z")),
        duration_s: 3600,
        class: Some(Class::SuspectedTakeover),
        legitimate: Some(false),
        reasons: ["suspected_takeover", "approval_contested", "actor_without_mfa", "new_source"]
            .map(|rule| Reason { rule, event_ids: opening() })
            .into(),
        detection: None,
        approval: Some(Approved { ticket: "CHG-7".to_owned(), approver: "security-lead".to_owned() }),
        activity: Activity {
            by_actor: Some(ActorActivity {
                events: Some(9),
                writes: Some(3),
                made_left_out: 0,
                made: vec![
                    made("access_key", "AKIAEXAMPLEKEY000001", Some(true)),
                    made("password", "zelda", Some(false)),
                    made("policy", "=AdministratorAccess for zelda", None),
                ],
            }),
            ..Activity::default()
        },
        ..lost_phone()
    }
}

/// A report in which everything was read and nothing happened: what may reassure.
pub(super) fn clean() -> Report {
    let coverage = MfaCoverage {
        users: Some(4),
        users_with_mfa: Some(4),
        console_users: Some(3),
        console_users_with_mfa: Some(3),
        roots: Some(2),
        roots_with_mfa: Some(1),
        roots_without_credentials: Some(1),
        privileged_users: Some(1),
        privileged_users_with_mfa: Some(1),
        accounts: Some(2),
        accounts_in_report: Some(2),
        taken_at: Some(at("2026-11-01T00:00:00Z")),
        ..MfaCoverage::default()
    };
    let figures = Figures { mfa_coverage: Some(coverage), ..Figures::default() };
    let accounts = ["111122223333", "444455556666"];
    Report {
        accounts: accounts
            .map(|account| AccountFigures {
                account: account.to_owned(),
                figures: Figures {
                    mfa_coverage: Some(MfaCoverage { accounts: Some(1), accounts_in_report: Some(1), ..coverage }),
                    ..Figures::default()
                },
            })
            .into(),
        figures,
        coverage: Coverage {
            objects_listed: 62,
            objects_read: 62,
            records: 620,
            first_record: Some(at("2026-09-01T00:00:03Z")),
            last_record: Some(at("2026-10-31T23:59:58Z")),
            complete: true,
            days: accounts
                .iter()
                .flat_map(|account| {
                    (1..=31).map(|day| CoverageDay {
                        account: (*account).to_owned(),
                        region: "us-east-1".to_owned(),
                        day: format!("2026-10-{day:02}"),
                        objects: 1,
                        records: 10,
                    })
                })
                .collect(),
            ..Coverage::default()
        },
        ..empty()
    }
}

fn event(id: &str, time: &str, name: &str) -> LifecycleEvent {
    LifecycleEvent {
        event_id: id.to_owned(),
        event_time: at(time),
        event_name: name.to_owned(),
        addenda: Vec::new(),
        outcome: Outcome::Success,
        error_code: None,
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        principal: Some(user("alice", Some("AIDAEXAMPLEALICE00001"))),
        device: Some("arn:aws:iam::111122223333:mfa/alice-phone".to_owned()),
        actor: "arn:aws:sts::111122223333:assumed-role/Helpdesk/bob".to_owned(),
        actor_mfa: Some(true),
        source_ip: Some("192.0.2.10".to_owned()),
        user_agent: Some("aws-cli/2.17".to_owned()),
        remaining_devices: Some(0),
        objects: vec!["AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/06/one.json.gz".to_owned()],
        integrity: None,
    }
}

/// A report with something in every field.
pub(super) fn full() -> Report {
    let mttd = DetectStat { stat: stat(1, 600.0, 600.0, 600.0, 600.0), undetected: 3 };
    let mttr = CloseStat { stat: stat(1, 2520.0, 2520.0, 2520.0, 2520.0), open: 1 };
    let iam = KindFigures {
        mttd,
        mttd_not_legitimate: DetectStat { undetected: 3, ..DetectStat::default() },
        mttr,
        mttr_not_legitimate: CloseStat { open: 1, ..CloseStat::default() },
        delivery: stat(2, 305.5, 305.5, 311.0, 311.0),
        enrolment: CloseStat { stat: stat(1, 259_230.0, 259_230.0, 259_230.0, 259_230.0), open: 0 },
        deactivations: Deactivations {
            total: 7,
            opened_window: 4,
            legitimate: 1,
            not_legitimate: 3,
            left_another_device: 1,
            no_password: 1,
            denied: 1,
            failed_attempts: 1,
            by_class: ByClass { suspected_takeover: 2, replacement: 1, unexplained: 1, ..ByClass::default() },
        },
        exposure: Exposure {
            principal_hours: 278.7,
            open_at_end: 1,
            carried_in: 0,
            standing: Standing { open: 2, principal_hours: 1216.0 },
        },
    };
    let later = |time: &str, hours| [at(time), at(time) + TimeDelta::hours(hours)];
    Report {
        figures: Figures {
            identity_center: Some(KindFigures::default()),
            mfa_coverage: Some(MfaCoverage {
                users: Some(3),
                users_with_mfa: Some(1),
                console_users: Some(0),
                console_users_with_mfa: Some(0),
                users_mfa_enforced: None,
                users_with_mfa_and_enforced: None,
                roots: Some(1),
                roots_with_mfa: Some(1),
                roots_without_credentials: Some(0),
                privileged_users: Some(2),
                privileged_users_with_mfa: Some(1),
                accounts: Some(1),
                accounts_in_report: Some(3),
                taken_at: Some(at("2026-11-02T00:00:00Z")),
            }),
            iam: iam.clone(),
        },
        windows: vec![
            lost_phone(),
            takeover(),
            never_enrolled(),
            standing_root(),
            standing_user(),
            ended_unseen(),
            contested(),
        ],
        events: vec![
            event("0f0e0000-0000-4000-8000-000000000001", "2026-10-06T09:00:00Z", "DeactivateMFADevice"),
            event("0f0e0000-0000-4000-8000-000000000002", "2026-10-06T09:42:00Z", "EnableMFADevice"),
            LifecycleEvent {
                outcome: Outcome::Failed,
                error_code: Some("AccessDenied".to_owned()),
                principal: None,
                device: None,
                actor_mfa: None,
                source_ip: None,
                user_agent: Some(HOSTILE_AGENT.to_owned()),
                remaining_devices: None,
                actor: "x".repeat(500),
                objects: vec!["a.gz".to_owned(), "b;c.gz".to_owned()],
                ..event("0f0e0000-0000-4000-8000-000000000007", "2026-10-21T00:00:00Z", "DeactivateMFADevice")
            },
        ],
        reconciliation: vec![
            Finding {
                account: "111122223333".to_owned(),
                principal: Some(user("@dave", None)),
                device: Some("arn:aws:iam::111122223333:mfa/dave".to_owned()),
                finding: FindingCode::EnableNotInArchive,
                between: later("2026-10-02T00:00:00Z", 48),
            },
            Finding {
                account: "111122223333".to_owned(),
                principal: None,
                device: Some("arn:aws:iam::111122223333:mfa/unused".to_owned()),
                finding: FindingCode::DeviceWithoutOwner,
                between: later("2026-10-01T00:00:00Z", 1),
            },
            Finding {
                account: "444455556666".to_owned(),
                principal: Some(user("gone", None)),
                device: None,
                finding: FindingCode::DeleteNotInArchive,
                between: later("2026-10-10T00:00:00Z", 400),
            },
        ],
        leftover_devices: vec![
            LeftoverDevice {
                account: "111122223333".to_owned(),
                device: "arn:aws:iam::111122223333:mfa/phones/alice's $(id)".to_owned(),
                cause: "deactivated",
                principal: Some(user("alice", Some("AIDAEXAMPLEALICE00001"))),
                event_id: "0f0e0000-0000-4000-8000-000000000001".to_owned(),
                since: at("2026-10-06T09:00:00Z"),
            },
            LeftoverDevice {
                account: "111122223333".to_owned(),
                device: "arn:aws:iam::111122223333:mfa/spare".to_owned(),
                cause: "never_enabled",
                principal: None,
                event_id: "0f0e0000-0000-4000-8000-000000000012".to_owned(),
                since: at("2026-10-03T09:00:00Z"),
            },
        ],
        coverage: Coverage {
            objects_listed: 41_870,
            objects_read: 41_800,
            objects_failed: 2,
            objects_skipped: 68,
            records: 1_234_567,
            bytes_compressed: 157_286_400,
            bytes_raw: 2_147_483_648,
            first_record: Some(at("2026-09-01T00:00:03Z")),
            last_record: Some(at("2026-10-31T23:59:58Z")),
            complete: false,
            days: vec![
                CoverageDay {
                    account: "111122223333".to_owned(),
                    region: "us-east-1".to_owned(),
                    day: "2026-10-06".to_owned(),
                    objects: 3,
                    records: 40,
                },
                CoverageDay {
                    account: "111122223333".to_owned(),
                    region: "us-east-1".to_owned(),
                    day: "2026-10-07".to_owned(),
                    objects: 4,
                    records: 50,
                },
            ],
            gaps: vec![
                Gap {
                    account: "444455556666".to_owned(),
                    region: Some("us-east-1".to_owned()),
                    from: at("2026-10-01T00:00:00Z"),
                    to: at("2026-11-01T00:00:00Z"),
                    cause: "iam_region_not_read".to_owned(),
                    event_id: None,
                },
                Gap {
                    account: "111122223333".to_owned(),
                    region: None,
                    from: at("2026-10-10T00:00:00Z"),
                    to: at("2026-10-11T00:00:00Z"),
                    cause: "StopLogging".to_owned(),
                    event_id: Some("0f0e0000-0000-4000-8000-000000000008".to_owned()),
                },
                Gap {
                    account: "111122223333".to_owned(),
                    region: Some("us-east-1".to_owned()),
                    from: at("2026-10-12T00:00:00Z"),
                    to: at("2026-10-14T00:00:00Z"),
                    cause: "no_objects".to_owned(),
                    event_id: None,
                },
            ],
            conflicts: Vec::new(),
            failures: vec![
                ReadFailure {
                    object: "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/08/a.json.gz".to_owned(),
                    error: "gzip stream ends early".to_owned(),
                },
                ReadFailure {
                    object: "evil\u{1b}[31m<b>.json.gz".to_owned(),
                    error: "no JSON at line 1\ncolumn 7".to_owned(),
                },
            ],
            integrity: Some(ArchiveIntegrity::Verified(verification())),
        },
        accounts: vec![
            AccountFigures { account: "000000000042".to_owned(), figures: Figures::default() },
            AccountFigures {
                account: "111122223333".to_owned(),
                figures: Figures { iam: iam.clone(), ..Figures::default() },
            },
        ],
        trend: vec![TrendPeriod {
            period: Period { from: at("2026-09-01T00:00:00Z"), to: at("2026-10-01T00:00:00Z") },
            source: TrendSource::EarlierReport,
            measured_to: at("2026-10-01T00:00:00Z"),
            figures: KindFigures {
                mttr: CloseStat { stat: stat(2, 900.0, 900.0, 1200.0, 1200.0), open: 0 },
                ..iam.clone()
            },
            mfa_coverage: None,
        }],
        proof: vec![Proof {
            event_id: "0f0e0000-0000-4000-8000-000000000001".to_owned(),
            event_name: "DeactivateMFADevice".to_owned(),
            event_time: at("2026-10-06T09:00:00Z"),
            account: "111122223333".to_owned(),
            actor: "arn:aws:iam::111122223333:user/bob".to_owned(),
            objects: vec!["AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/06/one.json.gz".to_owned()],
            sha256: vec![Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned())],
        }],
        inputs: vec![InputFile {
            kind: "iam",
            path: "111122223333/mfa-devices-alice.json".to_owned(),
            sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        }],
        notices: vec![Notice {
            code: NoticeCode::ApprovalMatchedNothing,
            text: "approval OPS-9|<img src=x> for user dave of account 111122223333 matched no deactivation".to_owned(),
        }],
        ..empty()
    }
}

/// The full report beside an earlier one, and with risks that somebody accepted; names are a stranger's.
pub(super) fn changed() -> Report {
    let window = |change, who: Principal, class| WindowChange {
        change,
        window: Some(1),
        account: "111122223333".to_owned(),
        principal: who,
        kind: WindowKind::Removed,
        opened_at: Some(at("2026-10-06T09:00:00Z")),
        open_since_before: None,
        opened_by_event: Some("0f0e0000-0000-4000-8000-000000000001".to_owned()),
        closed_at: None,
        close_reason: None,
        certainty: Certainty::Confirmed,
        class: Some(class),
        class_before: Some(Class::Unexplained),
    };
    let root = Principal { kind: PrincipalKind::Root, name: "root".to_owned(), id: None };
    let covered =
        |with| MfaCoverage { console_users: Some(2), console_users_with_mfa: Some(with), ..MfaCoverage::default() };
    let changes = Changes {
        since: EarlierReport {
            period: Period { from: at("2026-09-01T00:00:00Z"), to: at("2026-10-01T00:00:00Z") },
            as_of: at("2026-10-02T00:00:00Z"),
            generated_at: at("2026-10-02T06:00:00Z"),
            version: "0.0.0-acme-old".to_owned(),
            complete: false,
        },
        caveats: vec![Caveat {
            code: CaveatCode::EarlierIncomplete,
            text: "the earlier report is from incomplete evidence".to_owned(),
        }],
        counts: Some(WindowCounts { new: 1, missing: 1, changed_class: 1, ..WindowCounts::default() }),
        windows: vec![
            window(WindowChangeKind::New, user("alice", Some("AIDAEXAMPLE")), Class::SuspectedTakeover),
            window(WindowChangeKind::New, user(HOSTILE_NAME, None), Class::Approved),
            WindowChange {
                kind: WindowKind::Standing,
                window: None,
                opened_at: None,
                open_since_before: Some(at("2026-09-01T00:00:00Z")),
                class: None,
                class_before: None,
                ..window(WindowChangeKind::Missing, root, Class::Approved)
            },
        ],
        accounts: vec![AccountChange {
            account: "111122223333".to_owned(),
            membership: Membership::Both,
            before: Some(covered(1)),
            now: Some(covered(2)),
        }],
        guardrails: vec![GuardrailChange {
            code: PostureCode::RootMfa,
            account: "444455556666".to_owned(),
            before: Some(Verdict::Pass),
            now: Some(Verdict::Fail),
        }],
        figures: vec![FigureChange { figure: HeadlineFigure::MttdMeanS, before: Some(900.0), now: None }],
    };
    let exception = |number, user: Option<&str>, valid_until: &str, expired| RiskException {
        number,
        account: "111122223333".to_owned(),
        user: user.map(str::to_owned),
        guardrail: user.is_none().then_some(PostureCode::RootMfa),
        accepted_by: "auditor <b>".to_owned(),
        reason: "homestead has no phones".to_owned(),
        reference: Some("OPS-1".to_owned()),
        valid_until: at(valid_until),
        expired,
        windows: 1,
        open_windows: 1,
        checks: 0,
    };
    let mut report = Report { changes: Some(changes), ..full() };
    report.exceptions = vec![
        exception(1, Some("alice"), "2027-01-01T00:00:00Z", false),
        exception(2, Some("*dave*"), "2026-10-08T00:00:00Z", true),
        exception(3, None, "2027-01-01T00:00:00Z", false),
    ];
    let marks = [Exemption { number: 1, in_force: true }, Exemption { number: 2, in_force: false }];
    for (window, mark) in report.windows.iter_mut().zip(marks) {
        window.exceptions = vec![mark];
    }
    report
}
