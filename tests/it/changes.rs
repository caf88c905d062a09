//! What changed since an earlier report: every kind of change and of caveat, and earlier reports that strangers wrote. And risks that
//! somebody accepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::run::{self, OCTOBER, Ran, mfatrail};

const SEPTEMBER: [&str; 2] = ["2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"];

/// A store of the fixtures, and October's report from it.
static HOME: LazyLock<(tempfile::TempDir, Value)> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let ran: Ran = mfatrail().args(["scan", "fixtures/archive", "--store"]).arg(&store).output().unwrap().into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let (ran, folder) = october(home.path(), &[]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = run::json(&folder);
    (home, report)
});

fn october(home: &Path, more: &[&str]) -> (Ran, PathBuf) {
    let store = home.join("store");
    run::report(&[&["--store", store.to_str().unwrap()], OCTOBER, more].concat(), "report")
}

/// October's report as if it were September's, with a change.
fn earlier(change: impl FnOnce(&mut Value)) -> Value {
    let mut report = HOME.1.clone();
    report["period"] = json!({"from": SEPTEMBER[0], "to": SEPTEMBER[1]});
    report["as_of"] = "2026-10-01T00:00:00Z".into();
    report["generated_at"] = "2026-10-01T06:00:00Z".into();
    change(&mut report);
    report
}

fn with_previous(file: &Path) -> (Ran, PathBuf) {
    october(HOME.0.path(), &["--previous", file.to_str().unwrap()])
}

fn written(report: &Value) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("september.json");
    fs::write(&file, serde_json::to_vec_pretty(report).unwrap()).unwrap();
    (folder, file)
}

/// What October's report says of an earlier one.
fn changes(previous: &Value) -> Value {
    let (_folder, file) = written(previous);
    let (ran, out) = with_previous(&file);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(out.join("changes.txt").is_file());
    run::json(&out)["changes"].clone()
}

fn codes(changes: &Value) -> Vec<&str> {
    changes["caveats"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

fn is_open(window: &Value) -> bool {
    window["closed_at"].is_null() && window["close_reason"].is_null()
}

/// The numbers of the windows that fulfill a condition.
fn numbers(condition: impl Fn(&Value) -> bool) -> Vec<usize> {
    let windows = HOME.1["windows"].as_array().unwrap().iter().enumerate();
    windows.filter(|(_, window)| condition(window)).map(|(at, _)| at).collect()
}

fn counts(
    new: usize,
    late: usize,
    reopened: usize,
    missing: usize,
    still_open: usize,
    closed: usize,
    changed_class: usize,
) -> Value {
    json!({"new": new, "late": late, "reopened": reopened, "missing": missing, "still_open": still_open, "closed": closed, "changed_class": changed_class})
}

#[test]
fn every_kind_of_change_is_told() {
    let open = numbers(is_open);
    let closed = numbers(|window| !is_open(window) && !window["closed_at"].is_null() && !window["class"].is_null());
    let standing = numbers(|window| window["kind"] == "standing");
    let in_october = numbers(|window| window["opened_at"].as_str().is_some_and(|at| at >= SEPTEMBER[1]));
    assert!(open.len() > 2 && closed.len() > 2 && !standing.is_empty() && in_october.len() > 2);
    let n = open.len();
    let by_event = *open.iter().find(|at| !standing.contains(at)).unwrap();

    let same = changes(&earlier(|_| ()));
    assert_eq!(same["counts"], counts(0, 0, 0, 0, n, 0, 0), "the same windows");
    assert_eq!(codes(&same), [""; 0], "nothing stands against it: {same}");

    let none = changes(&earlier(|report| report["windows"] = json!([])));
    let all = HOME.1["windows"].as_array().unwrap().len();
    assert_eq!(none["counts"], counts(in_october.len(), all - in_october.len(), 0, 0, 0, 0, 0));
    assert_eq!(none["windows"].as_array().unwrap().len(), all);

    let was_open = changes(&earlier(|report| {
        report["windows"][closed[0]]["closed_at"] = Value::Null;
        report["windows"][closed[0]]["close_reason"] = Value::Null;
    }));
    assert_eq!(was_open["counts"], counts(0, 0, 0, 0, n, 1, 0));

    let was_closed = changes(&earlier(|report| {
        report["windows"][by_event]["closed_at"] = "2026-09-30T00:00:00Z".into();
        report["windows"][by_event]["close_reason"] = "reenabled".into();
    }));
    assert_eq!(was_closed["counts"], counts(0, 0, 1, 0, n - 1, 0, 0));

    let class = |now: &Value| if now == "approved" { "workaround" } else { "approved" };
    let other = changes(&earlier(|report| {
        let window = &mut report["windows"][closed[1]];
        window["class"] = class(&window["class"]).into();
    }));
    assert_eq!(other["counts"], counts(0, 0, 0, 0, n, 0, 1));
    let told = other["windows"].as_array().unwrap().iter().find(|one| one["change"] == "changed_class").unwrap();
    assert_ne!(told["class"], told["class_before"]);
    assert_eq!(told["window"], closed[1] + 1);

    // Seen by nobody any more: that is no end.
    let gone = changes(&earlier(|report| {
        let mut window = report["windows"][by_event].clone();
        window["opened_by_event"] = "00000000-0000-4000-8000-000000000000".into();
        window["principal"] = json!({"kind": "iam_user", "name": "somebody.else", "id": null});
        report["windows"].as_array_mut().unwrap().push(window);
    }));
    assert_eq!(gone["counts"], counts(0, 0, 0, 1, n, 0, 0));
    let missing = gone["windows"].as_array().unwrap().iter().find(|one| one["change"] == "missing").unwrap();
    assert!(missing["window"].is_null() && missing["closed_at"].is_null());

    // Only IAM showed it then, and its event was read since.
    let unseen = changes(&earlier(|report| {
        let window = &mut report["windows"][by_event];
        window["kind"] = "standing".into();
        window["open_since_before"] = "2026-08-02T00:00:00Z".into();
        window["opened_at"] = Value::Null;
        window["opened_by_event"] = Value::Null;
        window["class"] = Value::Null;
        report["as_of"] = "2026-10-31T00:00:00Z".into();
    }));
    assert_eq!(unseen["counts"]["still_open"], n, "{}", unseen["windows"]);
    assert_eq!(unseen["counts"]["missing"], 0);
}

#[test]
fn what_stands_against_a_comparison_comes_first() {
    let set = |path: &'static str, value: Value| {
        earlier(move |report| *report.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value)
    };
    let cases: [(&str, Value, &str); 9] = [
        ("incomplete", set("/coverage/complete", false.into()), "earlier-incomplete"),
        (
            "IAM not seen",
            earlier(|report| report["notices"] = json!([{"code": "iam-not-seen", "text": "account 111122223333"}])),
            "earlier-incomplete",
        ),
        (
            "without a coverage",
            earlier(|report| drop(report.as_object_mut().unwrap().remove("coverage"))),
            "earlier-incomplete",
        ),
        ("redacted", set("/redacted", true.into()), "redacted"),
        (
            "another organization",
            earlier(|report| {
                for one in report["windows"].as_array_mut().unwrap() {
                    one["account"] = "999999999999".into();
                }
                report["accounts"] = json!([{"account": "999999999999", "mfa_coverage": null}]);
            }),
            "other-accounts",
        ),
        ("policy", set("/policy/takeover_threshold", 3.into()), "policy-differs"),
        ("partial", set("/as_of", "2026-09-20T00:00:00Z".into()), "earlier-partial"),
        ("a month between", set("/period/to", "2026-09-15T00:00:00Z".into()), "time-between"),
        ("no IAM state", set("/figures/mfa_coverage", Value::Null), "iam-state-differs"),
    ];
    for (what, previous, code) in cases {
        let (_folder, file) = written(&previous);
        let (ran, out) = with_previous(&file);
        assert_eq!(ran.status, 0, "{what}: {}", ran.stderr);
        let changes = &run::json(&out)["changes"];
        assert!(codes(changes).contains(&code), "{what}: {:?}", codes(changes));
        let text = fs::read_to_string(out.join("changes.txt")).unwrap();
        let caveat = changes["caveats"].as_array().unwrap().iter().find(|one| one["code"] == code).unwrap();
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{what}: {needle} in {text}"));
        assert!(at(caveat["text"].as_str().unwrap()) < at("ithout MFA"), "{what}: {text}");
        let compared = !matches!(code, "redacted" | "other-accounts");
        assert_eq!(changes["counts"].is_null(), !compared, "{what}");
        assert_eq!(changes["windows"].as_array().unwrap().is_empty(), !compared, "{what}");
        assert_eq!(changes["figures"].as_array().unwrap().is_empty(), code == "other-accounts", "{what}");
        if code == "policy-differs" {
            assert!(caveat["text"].as_str().unwrap().contains("takeover_threshold"), "{caveat}");
        }
    }
}

#[test]
fn an_earlier_report_of_a_stranger_is_refused_with_its_place() {
    let text = |change: &dyn Fn(&mut Value)| serde_json::to_string_pretty(&earlier(|report| change(report))).unwrap();
    let line = |text: &str, needle: &str| text.lines().position(|line| line.contains(needle)).unwrap() + 1;
    let wrong_class = text(&|report| report["windows"][0]["kind"] = "surplus".into());
    let wrong_time = text(&|report| report["windows"][1]["opened_at"] = "yesterday".into());
    let at = |text: &str, needle: &str| format!("line {}", line(text, needle));
    let cases = [
        ("a kind", wrong_class.clone(), at(&wrong_class, "surplus")),
        ("a time", wrong_time.clone(), at(&wrong_time, "yesterday")),
        (
            "a long name",
            text(&|report| report["windows"][0]["principal"]["name"] = "x".repeat(5000).into()),
            "windows[0] has a text of more than 2048 bytes".to_owned(),
        ),
        (
            "a window without a time",
            text(&|report| {
                report["windows"][1]["opened_at"] = Value::Null;
                report["windows"][1]["open_since_before"] = Value::Null;
            }),
            "windows[1] has neither".to_owned(),
        ),
        (
            "an empty period",
            text(&|report| report["period"]["to"] = SEPTEMBER[0].into()),
            "its period is empty".to_owned(),
        ),
        ("a version", text(&|report| report["tool"]["version"] = "9".repeat(3000).into()), "tool[0]".to_owned()),
        ("another document", "{\"schema\": \"mfatrail.posture/1\"}".to_owned(), "line 1".to_owned()),
    ];
    for (what, text, needle) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.json");
        fs::write(&file, text).unwrap();
        let (ran, out) = with_previous(&file);
        assert_eq!(ran.status, 2, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains(&needle) && ran.stderr.contains("hint:"), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains("r.json") && !out.exists(), "{what}");
    }
}

#[test]
fn a_folder_is_held_to_its_manifest() {
    let (_folder, file) = written(&earlier(|_| ()));
    let (ran, _) = with_previous(&file);
    assert_eq!(ran.status, 0);
    let september = {
        let store = HOME.0.path().join("store");
        let (ran, out) = run::report(&["--store", store.to_str().unwrap(), "--month", "2026-09"], "september");
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        out
    };
    let (ran, out) = with_previous(&september);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = run::json(&out);
    assert_eq!(codes(&report["changes"]), ["iam-state-differs"], "the months follow each other");
    let input = report["inputs"].as_array().unwrap().last().unwrap();
    assert_eq!((input["kind"].as_str(), input["path"].as_str()), (Some("previous"), Some("report.json")));
    // A bundle makes the same of it.
    let bundle = HOME.0.path().join("changes.zip");
    let (made, whole) =
        october(HOME.0.path(), &["--previous", september.to_str().unwrap(), "--bundle", bundle.to_str().unwrap()]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    let (again, copy) = run::report(&["--from-bundle", bundle.to_str().unwrap()], "again");
    assert_eq!(again.status, 0, "{}", again.stderr);
    assert_eq!(fs::read(whole.join("changes.txt")).unwrap(), fs::read(copy.join("changes.txt")).unwrap());
    // Changed after it was made, or without the list.
    let mut bytes = fs::read(september.join("report.json")).unwrap();
    bytes.push(b'\n');
    fs::write(september.join("report.json"), bytes).unwrap();
    let (ran, _) = with_previous(&september);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("was changed after mfatrail wrote it"), "{}", ran.stderr);
    fs::remove_file(september.join("MANIFEST.sha256")).unwrap();
    let (ran, _) = with_previous(&september);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("could not read MANIFEST.sha256"), "{}", ran.stderr);
}

#[test]
fn a_redacted_report_names_nobody_who_changed() {
    let (_folder, file) = written(&earlier(|report| report["windows"] = json!([])));
    let (ran, out) = october(HOME.0.path(), &["--redact", "--previous", file.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let text = fs::read_to_string(out.join("changes.txt")).unwrap();
    assert!(text.contains("user-") && text.contains("account-"), "{text}");
    for window in HOME.1["windows"].as_array().unwrap() {
        let name = window["principal"]["name"].as_str().unwrap();
        assert!(name == "root" || !text.contains(name), "{name}: {text}");
        assert!(!text.contains(window["account"].as_str().unwrap()), "{text}");
    }
}

/// A file of accepted risks beside October's report.
fn with_exceptions(rows: &str, more: &[&str]) -> (Ran, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exceptions.csv");
    fs::write(&file, format!("account,user,guardrail,accepted_by,reason,reference,valid_until\n{rows}")).unwrap();
    october(HOME.0.path(), &[&["--exceptions", file.to_str().unwrap()], more].concat())
}

#[test]
fn accepted_risks_remove_nothing_and_expire() {
    let window = |at: usize| HOME.1["windows"][at].clone();
    let open = numbers(|window| is_open(window) && window["principal"]["kind"] == "iam_user");
    let (first, second) = (window(open[0]), window(*open.last().unwrap()));
    let name = |window: &Value| window["principal"]["name"].as_str().unwrap().to_owned();
    let account = |window: &Value| window["account"].as_str().unwrap().to_owned();
    let rows = format!(
        "{},{},,Jane Roe,\"no phone, yet\",RISK-1,2027-01-01T00:00:00Z\n\
         {},{},,Jane Roe,pilot,,2026-10-15T00:00:00Z\n\
         *,nobody.at.all,,Jane Roe,none,,2027-01-01T00:00:00Z\n",
        account(&first),
        name(&first),
        account(&second),
        name(&second),
    );
    let (ran, out) = with_exceptions(&rows, &["--fail-on", "expired-exception"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("expired-exception: 1 accepted risk has expired"), "{}", ran.stderr);
    let report = run::json(&out);
    for part in ["figures", "accounts", "events", "reconciliation"] {
        assert_eq!(report[part], HOME.1[part], "{part}");
    }
    let windows = report["windows"].as_array().unwrap();
    assert_eq!(windows.len(), HOME.1["windows"].as_array().unwrap().len());
    assert_eq!(windows[open[0]]["exceptions"], json!([{"number": 1, "in_force": true}]));
    assert_eq!(windows[*open.last().unwrap()]["exceptions"], json!([{"number": 2, "in_force": false}]));
    let all = report["exceptions"].as_array().unwrap();
    let expired: Vec<bool> = all.iter().map(|one| one["expired"].as_bool().unwrap()).collect();
    assert_eq!(expired, [false, true, false]);
    let codes: Vec<&str> =
        report["notices"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"exception-expired") && codes.contains(&"exception-matched-nothing"), "{codes:?}");
    assert_eq!(report["inputs"].as_array().unwrap().iter().filter(|one| one["kind"] == "exceptions").count(), 1);
    // Who accepted what is nobody's business who reads a redacted report.
    let (ran, redacted) = with_exceptions(&rows, &["--redact"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for entry in ["report.json", "report.md", "windows.csv"] {
        let text = fs::read_to_string(redacted.join(entry)).unwrap();
        for hidden in ["Jane Roe", "RISK-1", "no phone", "pilot", "nobody.at.all", &name(&first)] {
            assert!(!text.contains(hidden), "{entry}: {hidden}");
        }
    }
}

#[test]
fn the_root_user_is_accepted_by_name_alone() {
    let root = numbers(|window| window["principal"]["kind"] == "root");
    assert!(!root.is_empty());
    let about = |user: &str| {
        let (ran, out) = with_exceptions(&format!("?????????*,{user},,Jane Roe,why,,2027-01-01T00:00:00Z\n"), &[]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let report = run::json(&out);
        let windows = report["windows"].as_array().unwrap().iter().enumerate();
        windows.filter(|(_, window)| window.get("exceptions").is_some()).map(|(at, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(about("root"), root);
    assert_eq!(about("*"), numbers(|window| window["principal"]["kind"] != "root"));
    assert_eq!(about("user/root"), [0; 0]);
}

#[test]
fn guardrails_can_be_accepted_and_a_stranger_cannot_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let check = |code: &str, verdict: &str| {
        json!({"code": code, "account": "111122223333", "region": null, "resource": null, "verdict": verdict, "reason": "because",
            "fix": null, "controls": ["x"], "exceptions": [{"number": 9, "in_force": true}]})
    };
    let posture = json!({"schema": "mfatrail.posture/1", "taken_at": "2026-11-01T00:00:00Z",
        "checks": [check("root-mfa", "fail"), check("scp-deny", "fail"), check("owner-tag", "pass")]});
    let file = folder.path().join("posture.json");
    fs::write(&file, posture.to_string()).unwrap();
    let rows = "111122223333,,scp-deny,Jane Roe,pilot,,2027-01-01T00:00:00Z\n*,,owner-tag,Jane Roe,late,,2027-01-01T00:00:00Z\n";
    let (ran, out) = with_exceptions(rows, &["--posture", file.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report = run::json(&out);
    let checks = report["posture"]["checks"].as_array().unwrap();
    let of = |code: &str| checks.iter().find(|one| one["code"] == code).unwrap().get("exceptions").cloned();
    assert_eq!(of("root-mfa"), None);
    assert_eq!(of("scp-deny"), Some(json!([{"number": 1, "in_force": true}])));
    assert_eq!(of("owner-tag"), None, "what stands needs no exception");
    assert_eq!(report["exceptions"][0]["checks"], 1);
    let markdown = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(markdown.contains("(high, risk accepted)"), "{markdown}");
}
