//! What a watch noticed, a report counts by itself.

use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use mfatrail::alert::Outcome;
use mfatrail::incident::Incident;
use mfatrail::incident::diff::Scope;
use mfatrail::incident::ledger::{Ledger, PLACE};
use serde_json::Value;

use crate::ledger::{incident, pass};
use crate::support::run::{Ran, json, mfatrail};

fn run(arguments: &[&str], home: &Path) -> Ran {
    let mut command = mfatrail();
    command.env("SOURCE_DATE_EPOCH", "1793577600").args(arguments).args(["--store"]).arg(home.join("store"));
    Ran::from(command.output().unwrap())
}

fn report(home: &Path, name: &str, more: &[&str]) -> Ran {
    let out = home.join(name);
    let period = ["report", "--from", "2026-10-01", "--to", "2026-11-01", "--out", out.to_str().unwrap()];
    run(&[&period[..], more].concat(), home)
}

fn windows(home: &Path, name: &str) -> Vec<Value> {
    json(&home.join(name))["windows"].as_array().unwrap().clone()
}

#[test]
fn a_delivered_alert_is_a_detection_and_a_damaged_ledger_is_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    assert_eq!(run(&["scan", "fixtures/archive"], home).status, 0);
    let ran = report(home, "before", &[]);
    let before = windows(home, "before");
    let unnoticed: Vec<&Value> =
        before.iter().filter(|one| !one["class"].is_null() && one["detection"].is_null()).collect();
    assert!(unnoticed.len() > 2, "{}", ran.stderr);

    // Two of them were told of; one in a channel that detects. And something of which this report says nothing.
    let mut ledger = Ledger::open(&home.join("store")).unwrap();
    let of = |window: &Value| Incident {
        account: window["account"].as_str().unwrap().to_owned(),
        event_id: window["opened_by_event"].as_str().unwrap().to_owned(),
        ..incident("ann")
    };
    let (told, shown) = (of(unnoticed[0]), of(unnoticed[1]));
    let opened: DateTime<Utc> = unnoticed[0]["opened_at"].as_str().unwrap().parse().unwrap();
    let at = opened + TimeDelta::seconds(240);
    pass(&mut ledger, &[told.clone(), incident("elsewhere")], &Scope::All, &["page"], at);
    pass(&mut ledger, &[told.clone(), incident("elsewhere"), shown], &Scope::All, &["soc"], at);
    let day = |text: &str| format!("2026-10-{text}Z").parse::<DateTime<Utc>>().unwrap();
    for (from, to, stopped) in [
        ("03T00:00:00", "09T12:00:00", false),
        ("09T15:30:00", "09T15:40:00", true),
        ("09T15:40:30", "31T23:59:59", true),
    ] {
        ledger.run(day(from), day(to), stopped).unwrap();
    }
    for channel in ["page", "soc"] {
        for due in ledger.take(channel, at, 10).unwrap() {
            let outcome = Outcome::Delivered { reference: Some("Q7".to_owned()), note: None };
            ledger.record(channel, &due, &outcome, at + TimeDelta::seconds(3), 1).unwrap();
        }
    }
    drop(ledger);

    let bundle = home.join("one.zip");
    report(home, "after", &["--bundle", bundle.to_str().unwrap()]);
    let after = windows(home, "after");
    let mut noticed = Vec::new();
    for (before, after) in before.iter().zip(&after) {
        if before["detection"] != after["detection"] {
            noticed.push(after);
        }
    }
    assert_eq!(noticed.len(), 1);
    assert_eq!(noticed[0]["opened_by_event"], Value::String(told.event_id));
    let detection = &noticed[0]["detection"];
    assert_eq!((&detection["kind"], &detection["source"]), (&Value::from("reported"), &Value::from("watch/page")));
    assert_eq!((&detection["reference"], &detection["time_to_detect_s"]), (&Value::from("Q7"), &Value::from(243)));
    let notices = json(&home.join("after"))["notices"].to_string();
    assert!(!notices.contains("detection-matched-nothing"), "{notices}");

    // When the watch ran is told, and that it did not run for a part of the time.
    let said = json(&home.join("after"));
    assert!(json(&home.join("before"))["watch"].is_null());
    assert_eq!(said["watch"]["since"], "2026-10-03T00:00:00Z");
    let gaps = serde_json::json!([
        {"from": "2026-10-01T00:00:00Z", "to": "2026-10-03T00:00:00Z"},
        {"from": "2026-10-09T12:00:00Z", "to": "2026-10-09T15:30:00Z"},
    ]);
    assert_eq!((&said["watch"]["gaps"], &said["watch"]["gaps_omitted"]), (&gaps, &Value::from(0)));
    assert_eq!(said["watch"]["unwatched_s"], 48 * 3600 + 12_600);
    assert!(notices.contains("not-watched") && notices.contains("did not run for 2 d 4 h"), "{notices}");
    for page in ["index.html", "report.md"] {
        let text = fs::read_to_string(home.join("after").join(page)).unwrap();
        assert!(text.contains("A watch of this store (mfatrail watch) was first started at"), "{page}");
        assert!(text.contains("Not watched: what happened then was alerted late, if at all"), "{page}");
    }

    // A bundle has no ledger, and says the same.
    let mut command = mfatrail();
    command.env("SOURCE_DATE_EPOCH", "1793577600").args(["report", "--from-bundle"]).arg(&bundle);
    let ran = Ran::from(command.arg("--out").arg(home.join("again")).output().unwrap());
    assert!(ran.status == 0 || ran.status == 3, "{}", ran.stderr);
    let read = |name: &str| fs::read(home.join(name).join("report.json")).unwrap();
    assert!(read("after") == read("again"));

    fs::write(home.join("store").join(PLACE), "nonsense that is long enough").unwrap();
    let ran = report(home, "damaged", &[]);
    assert_eq!(ran.status, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("is not a ledger that mfatrail wrote"), "{}", ran.stderr);
    assert!(!home.join("damaged").exists());
}
