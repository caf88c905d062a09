//! The months of a report, from the outside: MFA coverage by the IAM snapshots that a store keeps, and months that are not
//! over.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use mfatrail::store::{Holder, Writer};

use crate::support::run::{self, Ran, mfatrail, root};
use crate::support::store::wait_for_lock;

const A: &str = "111122223333";
const B: &str = "444455556666";

/// Who is in IAM: name, console password, device, and whether a policy enforces MFA.
type User = (&'static str, bool, bool, Option<bool>);

const SEPTEMBER: [User; 3] =
    [("ada.early", true, true, Some(true)), ("ben.early", true, false, Some(false)), ("ci.early", false, false, None)];
const OCTOBER: [User; 4] = [
    ("ada.later", true, true, Some(true)),
    ("ben.later", true, true, Some(true)),
    ("cleo.later", true, false, Some(false)),
    ("ci.later", false, false, Some(false)),
];

fn account(users: &[User], root: bool) -> Value {
    let user = |(name, password, device, enforced): &User| json!({"name": name, "password": password, "mfa_active": device, "mfa_enforced": enforced});
    let users: Vec<Value> = users.iter().map(user).collect();
    json!({"users": users, "users_complete": true, "root": {"mfa_active": root}})
}

fn snapshot(taken_at: &str, accounts: &Value) -> Vec<u8> {
    let all = json!({"schema": "mfatrail.iam-snapshot/1", "taken_at": taken_at, "missing": [], "accounts": accounts});
    all.to_string().into_bytes()
}

/// A store of the fixtures, which are of September to November 2026.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let ran = home.run(&["scan", root().join("fixtures/archive").to_str().unwrap(), "--store", "store"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        home
    }

    /// With snapshots: two of September, of which the last counts, one taken as October ends, and one of late November.
    fn with_snapshots() -> Self {
        let home = Self::new();
        home.keep("2026-09-02T08:00:00Z", &json!({A: account(&OCTOBER, true)}));
        home.keep("2026-09-30T22:00:00Z", &json!({A: account(&SEPTEMBER, false)}));
        home.keep("2026-11-01T00:00:00Z", &json!({A: account(&OCTOBER, true), B: account(&SEPTEMBER, false)}));
        home.keep("2026-11-20T08:00:00Z", &json!({A: account(&SEPTEMBER, true)}));
        home
    }

    fn keep(&self, taken_at: &str, accounts: &Value) {
        self.put(taken_at, snapshot(taken_at, accounts));
    }

    fn put(&self, taken_at: &str, text: Vec<u8>) {
        let holder = Holder { pid: 1, command: "test".to_owned(), started_at: taken_at.parse().unwrap() };
        let mut writer = Writer::open(self.path("store"), &holder).unwrap();
        writer.keep_iam(taken_at.parse().unwrap(), 1, text).unwrap();
        drop(writer);
        wait_for_lock(&self.path("store"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = mfatrail();
        command.current_dir(self.0.path()).env("SOURCE_DATE_EPOCH", "1793577600").args(arguments);
        command.output().unwrap().into()
    }

    /// A report from the store in `out`.
    fn report(&self, more: &[&str]) -> Value {
        let _ = fs::remove_dir_all(self.path("out"));
        let ran = self.run(&[&["report", "--store", "store", "--out", "out"], more].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        run::json(&self.path("out"))
    }
}

/// Every file of a report, and every part of its spreadsheet, as text.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".xlsx") {
            texts.push((name, fs::read_to_string(&path).unwrap()));
            continue;
        }
        let mut parts = zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
        for at in 0..parts.len() {
            let mut text = String::new();
            parts.by_index(at).unwrap().read_to_string(&mut text).unwrap();
            texts.push((format!("{name} part {at}"), text));
        }
    }
    texts.sort();
    texts
}

const MONTHS: [&str; 6] = ["--from", "2026-08", "--to", "2026-12", "--as-of", "2026-11-15T12:00:00Z"];

#[test]
fn a_month_has_the_coverage_of_its_last_snapshot() {
    let home = Home::with_snapshots();
    let report = home.report(&MONTHS);
    let trend = report["trend"].as_array().unwrap();
    let coverage: Vec<&Value> = trend.iter().map(|month| &month["mfa_coverage"]).collect();
    assert_eq!(coverage.len(), 4);
    assert!(coverage[0].is_null(), "none was taken in August: it is not known");
    let september = json!({
        "users": 3, "users_with_mfa": 1, "console_users": 2, "console_users_with_mfa": 1,
        "users_mfa_enforced": null, "users_with_mfa_and_enforced": null,
        "roots": 1, "roots_with_mfa": 0, "taken_at": "2026-09-30T22:00:00Z",
        "accounts": 1, "accounts_in_report": 3, "privileged_users": null, "privileged_users_with_mfa": null,
        "roots_without_credentials": null,
    });
    assert_eq!(*coverage[1], september, "the last of two");
    let october = json!({
        "users": 7, "users_with_mfa": 3, "console_users": 5, "console_users_with_mfa": 3,
        "users_mfa_enforced": null, "users_with_mfa_and_enforced": null,
        "roots": 2, "roots_with_mfa": 1, "taken_at": "2026-11-01T00:00:00Z",
        "accounts": 2, "accounts_in_report": 3, "privileged_users": null, "privileged_users_with_mfa": null,
        "roots_without_credentials": null,
    });
    assert_eq!(*coverage[2], october, "taken as it ends");
    assert!(coverage[3].is_null(), "November's was taken after `--as-of`");
    assert!(report["figures"]["mfa_coverage"].is_null(), "without --iam the report itself uses none");
    assert_eq!(home.report(&MONTHS[..4])["trend"][3]["mfa_coverage"]["taken_at"], "2026-11-20T08:00:00Z");

    // Of one account, where one is asked for.
    let one = home.report(&[&MONTHS[..], &["--account", A]].concat());
    let counts = json!({
        "users": 4, "users_with_mfa": 2, "console_users": 3, "console_users_with_mfa": 2,
        "users_mfa_enforced": 2, "users_with_mfa_and_enforced": 2,
        "roots": 1, "roots_with_mfa": 1, "taken_at": "2026-11-01T00:00:00Z",
        "accounts": 1, "accounts_in_report": 1, "privileged_users": null, "privileged_users_with_mfa": null,
        "roots_without_credentials": null,
    });
    assert_eq!(one["trend"][2]["mfa_coverage"], counts);
}

#[test]
fn the_state_that_is_given_tells_of_its_month_too() {
    let home = Home::with_snapshots();
    fs::write(home.path("iam.json"), snapshot("2026-11-10T00:00:00Z", &json!({A: account(&OCTOBER, true)}))).unwrap();
    let report = home.report(&[&MONTHS[..4], &["--iam", "iam.json"]].concat());
    assert_eq!(report["as_of"], "2026-11-10T00:00:00Z");
    assert_eq!(report["trend"][3]["mfa_coverage"], report["figures"]["mfa_coverage"]);
    assert_eq!(report["trend"][3]["mfa_coverage"]["taken_at"], "2026-11-10T00:00:00Z");
    let names = |report: &Value| {
        report["inputs"].as_array().unwrap().iter().map(|input| input["path"].to_string()).collect::<Vec<_>>().join(" ")
    };
    assert!(!names(&report).contains("20261120"));
    // It is of the accounts that are asked for, as all of the report is.
    let both = json!({A: account(&OCTOBER, true), B: account(&SEPTEMBER, false)});
    fs::write(home.path("both.json"), snapshot("2026-11-10T00:00:00Z", &both)).unwrap();
    let one = home.report(&["--month", "2026-10", "--iam", "both.json", "--account", A]);
    assert_eq!(one["figures"]["mfa_coverage"]["users"], 4);
    let accounts = one["accounts"].as_array().unwrap();
    assert!(accounts.iter().all(|account| account["account"] == A), "{accounts:?}");
    // Of two in a month the later, whichever it is.
    let report = home.report(&[&MONTHS[..4], &["--iam", "iam.json", "--as-of", "2026-11-25"]].concat());
    assert_eq!(report["trend"][3]["mfa_coverage"]["taken_at"], "2026-11-20T08:00:00Z");
    assert_eq!(report["figures"]["mfa_coverage"]["taken_at"], "2026-11-10T00:00:00Z");
    assert!(names(&report).contains("20261120"));
    home.keep("2026-11-05T00:00:00Z", &json!({A: account(&SEPTEMBER, true)}));
    let report = home.report(&[&MONTHS[..4], &["--iam", "iam.json"]].concat());
    assert_eq!(report["trend"][3]["mfa_coverage"]["taken_at"], "2026-11-10T00:00:00Z");
    assert!(!names(&report).contains("20261105"), "what nothing was taken of is no input");
}

#[test]
fn one_rule_tells_the_coverage_of_a_month_alone_in_a_range_and_of_an_earlier_report() {
    let home = Home::with_snapshots();
    let cases = [("2026-10-31T12:00:00Z", true), ("2026-11-01T00:00:00Z", true), ("2026-11-01T00:00:01Z", false)];
    for (taken_at, known) in cases {
        fs::write(home.path("iam.json"), snapshot(taken_at, &json!({A: account(&OCTOBER, true)}))).unwrap();
        let given = ["--iam", "iam.json", "--as-of", "2026-11-15"];
        let archive = root().join("fixtures/archive");
        let report = |more: &[&str]| {
            let _ = fs::remove_dir_all(home.path("out"));
            let ran = home.run(&[&["report", archive.to_str().unwrap(), "--out", "out"], more].concat());
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            run::json(&home.path("out"))
        };
        let single = report(&[&["--month", "2026-10"], &given[..]].concat());
        fs::copy(home.path("out/report.json"), home.path("october.json")).unwrap();
        assert_eq!(single["figures"]["mfa_coverage"]["taken_at"], taken_at, "at the snapshot, whenever that was");
        let range = report(&[&["--from", "2026-09", "--to", "2026-11"], &given[..]].concat());
        let next = report(&["--month", "2026-11", "--as-of", "2026-11-15", "--previous", "october.json"]);
        for (what, coverage) in
            [("range", &range["trend"][1]["mfa_coverage"]), ("earlier", &next["trend"][0]["mfa_coverage"])]
        {
            assert_eq!(coverage["taken_at"].as_str(), known.then_some(taken_at), "{what} {taken_at}");
        }
        // The month's own report beside an earlier one says the same of it.
        report(&["--month", "2026-09", "--as-of", "2026-11-15"]);
        fs::copy(home.path("out/report.json"), home.path("september.json")).unwrap();
        report(&[&["--month", "2026-10", "--previous", "september.json"], &given[..]].concat());
        let markdown = fs::read_to_string(home.path("out/report.md")).unwrap();
        let row = if known {
            format!("| October 2026 | {taken_at} | 2 of 4")
        } else {
            "the snapshot is of another time".to_owned()
        };
        assert!(markdown.contains(&row), "{markdown}");
    }
}

#[test]
fn coverage_is_compared_between_snapshots_of_the_same_accounts() {
    let home = Home::with_snapshots();
    let change = |more: &[&str]| {
        home.report(&[&MONTHS[..4], more].concat());
        let page = fs::read_to_string(home.path("out/index.html")).unwrap();
        let card =
            page.split("Console users with a device</a>").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
        card.split("<dd class=\"change\">").nth(1).unwrap_or_default().trim_end().trim_end_matches("</dd>").to_owned()
    };
    // Two accounts as October ended, one late in November.
    assert_eq!(change(&[]), "trend: 1 of 2 (50.0 %) on 2026-11-20 08:00");
    assert_eq!(change(&["--account", A]), "trend: 1 of 2 (50.0 %) on 2026-11-20 08:00, ▼ from 66.7 % on 2026-11-01");
    assert_eq!(change(&["--account", A, "--iam", "store"]), "▼ from 66.7 % on 2026-11-01");
}

#[test]
fn every_format_says_it_and_names_the_snapshots() {
    let home = Home::with_snapshots();
    let report = home.report(&MONTHS);
    let texts = texts(&home.path("out"));
    let file = |name: &str| &texts.iter().find(|(file, _)| file == name).unwrap().1;
    let markdown = file("report.md");
    for row in [
        "| August 2026 (no object of it was read) | 0 |",
        "| August 2026 | not known: no snapshot | – | – |",
        "| September 2026 | 2026-09-30T22:00:00Z | 1 of 3 (33.3 %) | 1 of 2 (50.0 %) |",
        "| October 2026 | 2026-11-01T00:00:00Z | 3 of 7 (42.9 %) | 3 of 5 (60.0 %) |",
        "| November 2026 (partial: to 2026-11-15T12:00:00Z) |",
    ] {
        assert!(markdown.contains(row), "{row} in {markdown}");
    }
    for text in ["1 of 3 (33.3 %)", "3 of 7 (42.9 %)", "3 of 5 (60.0 %)", "not known: no snapshot"] {
        assert!(file("index.html").contains(text), "{text}");
    }
    let sheet = |text: &str| texts.iter().any(|(name, all)| name.starts_with("report.xlsx") && all.contains(text));
    for text in ["measured_to", "iam_as_of", "users_with_mfa_and_enforced"] {
        assert!(sheet(text), "{text}");
    }
    // Which snapshots they were, by name and hash.
    let inputs = report["inputs"].as_array().unwrap();
    let stored = |name: &str| {
        let bytes = fs::read(home.path("store/iam").join(name)).unwrap();
        <sha2::Sha256 as sha2::Digest>::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(inputs.len(), 2, "{inputs:?}");
    for (input, time) in inputs.iter().zip(["20260930T220000Z", "20261101T000000Z"]) {
        let name = input["path"].as_str().unwrap();
        assert!(name.starts_with(time), "{name}");
        assert_eq!(input["sha256"], stored(name).as_str());
    }
    // What `--iam store` takes is named once.
    let report = home.report(&[&MONTHS[..], &["--iam", "store"]].concat());
    assert_eq!(report["inputs"].as_array().unwrap().len(), 2);
    assert_eq!(report["figures"]["mfa_coverage"], report["trend"][2]["mfa_coverage"]);
}

#[test]
fn nobody_of_a_snapshot_is_named_in_a_redacted_report() {
    let home = Home::with_snapshots();
    let report = home.report(&[&MONTHS[..], &["--redact", "--per-account"]].concat());
    assert_eq!(report["trend"][2]["mfa_coverage"]["users"], 7);
    for (name, text) in texts(&home.path("out")) {
        for original in [".early", ".later", A, B, "20260930T220000Z"] {
            assert!(!text.contains(original), "{name} holds `{original}`");
        }
    }
}

#[test]
fn a_bundle_carries_the_snapshots_that_were_used_and_no_others() {
    let home = Home::with_snapshots();
    home.report(&[&MONTHS[..], &["--iam", "store", "--bundle", "one.zip"]].concat());
    let made = texts(&home.path("out"));
    let mut zip = zip::ZipArchive::new(fs::File::open(home.path("one.zip")).unwrap()).unwrap();
    let names: Vec<String> = (0..zip.len()).map(|at| zip.by_index(at).unwrap().name().unwrap().into_owned()).collect();
    let carried: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("evidence/iam/")).collect();
    assert_eq!(carried.len(), 2, "{names:?}");
    assert!(carried[0].starts_with("20260930T220000Z") && carried[1].starts_with("20261101T000000Z"), "{carried:?}");
    fs::remove_dir_all(home.path("store")).unwrap();
    let ran = home.run(&["report", "--from-bundle", "one.zip", "--out", "again"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("come out the same, byte for byte"), "{}", ran.stderr);
    assert!(made == texts(&home.path("again")));
}

#[test]
fn a_broken_snapshot_is_an_error_that_names_it() {
    let home = Home::new();
    home.put("2026-10-31T08:00:00Z", b"{\"schema\": \"mfatrail.iam-snapshot/1\", \"taken_at\": 7}".to_vec());
    let fails = |home: &Home, name: &str, status: i32, why: &str| {
        let ran = home.run(&[&["report", "--store", "store", "--out", "out"], &MONTHS[..]].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{}", ran.stderr);
        assert!(ran.stderr.contains(name) && ran.stderr.contains(why), "{}", ran.stderr);
        assert!(!home.path("out").exists());
    };
    fails(&home, "20261031T080000Z-", 2, "line 1");
    // One of a month that nobody asks for is nobody's matter.
    let ran = home.run(&["report", "--store", "store", "--out", "out", "--month", "2026-10"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    fs::remove_dir_all(home.path("out")).unwrap();

    let home = Home::with_snapshots();
    let folder = fs::read_dir(home.path("store/iam")).unwrap().map(|entry| entry.unwrap().path());
    let october = folder.into_iter().find(|path| path.to_str().unwrap().contains("20261101")).unwrap();
    let text = fs::read_to_string(&october).unwrap().replace("\"mfa_active\":false", "\"mfa_active\":true");
    fs::write(&october, text).unwrap();
    fails(&home, "20261101T000000Z-", 4, "is damaged: its content has changed since it was written\n  hint: ");
}

#[test]
fn a_month_that_is_not_over_is_not_compared() {
    let home = Home::new();
    let report = home.report(&MONTHS);
    let measured: Vec<&Value> = report["trend"].as_array().unwrap().iter().map(|month| &month["measured_to"]).collect();
    assert_eq!(
        measured,
        ["2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-11-15T12:00:00Z"]
    );
    let page = fs::read_to_string(home.path("out/index.html")).unwrap();
    assert!(page.contains("November 2026 (partial: to <time datetime=\"2026-11-15T12:00:00Z\">"));
    assert!(
        page.contains("October 2026: 10, ▲ from 1 in September 2026"),
        "the last whole month is compared with the one before"
    );
    assert!(!page.contains("in October 2026</dd>"), "and the partial one with none");

    // A month that has not begun has no figures, and zeros would be some.
    let report = home.report(&["--from", "2026-09", "--to", "2026-12", "--as-of", "2026-10-15"]);
    let trend = report["trend"].as_array().unwrap();
    assert_eq!(trend.len(), 2);
    assert_eq!(trend[1]["measured_to"], "2026-10-15T00:00:00Z");
    let page = fs::read_to_string(home.path("out/index.html")).unwrap();
    assert!(!page.contains("▼") && !page.contains("▲"), "one whole month has nothing to be compared with");
    home.report(&["--from", "2026-08", "--to", "2026-11", "--as-of", "2026-10-15"]);
    let page = fs::read_to_string(home.path("out/index.html")).unwrap();
    assert!(page.contains("August 2026 (no object of it was read)"));
    assert!(!page.contains("▼") && !page.contains("▲"), "and nothing is compared with a month that nobody read");

    // One month against an earlier report: whichever of them is partial.
    let save = |name: &str| {
        fs::copy(home.path("out/report.json"), home.path(name)).unwrap();
    };
    home.report(&["--month", "2026-09", "--as-of", "2026-09-29"]);
    save("half.json");
    home.report(&["--month", "2026-09", "--as-of", "2026-10-02"]);
    save("whole.json");
    let page = |previous: &str, as_of: &str| {
        home.report(&["--month", "2026-10", "--as-of", as_of, "--previous", previous]);
        fs::read_to_string(home.path("out/index.html")).unwrap()
    };
    let compared = |text: &str| text.contains('▲') || text.contains('▼');
    let text = page("whole.json", "2026-11-01");
    assert!(text.contains("▲ from 1 in September 2026"));
    let text = page("whole.json", "2026-10-02");
    assert!(text.contains("1 in September 2026; this period is partial: to 2026-10-02") && !compared(&text));
    home.report(&["--from", "2026-10-01", "--to", "2026-10-02", "--as-of", "2026-10-02", "--previous", "whole.json"]);
    let text = fs::read_to_string(home.path("out/index.html")).unwrap();
    assert!(text.contains("1 in September 2026; a period of another length") && !compared(&text));
    let text = page("half.json", "2026-11-01");
    assert!(text.contains("in September 2026; that is partial: to 2026-09-29") && !compared(&text));
    assert!(text.contains("September 2026 (earlier report; partial: to <time datetime=\"2026-09-29T00:00:00Z\">"));
}
