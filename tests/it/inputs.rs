//! The files beside the archive, as spreadsheets and shells of any country write them: what is read, and where an error is.

use std::fs;
use std::path::Path;

use crate::support::run::{self, Ran, json, report};

const APPROVALS: &str = "ticket,account,user,approver,valid_from,valid_to";
const DETECTIONS: &str = "detected_at,source,reference,event_id,account,user";

fn given(option: &str, name: &str, bytes: &[u8]) -> (Ran, std::path::PathBuf) {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join(name);
    fs::write(&path, bytes).expect("written");
    report(&["fixtures/archive", "--month", "2026-10", option, path.to_str().expect("UTF-8")], "report")
}

/// A malformed file says where, nothing is written, and the status is 2.
fn refused(option: &str, name: &str, bytes: &[u8], expected: &str) {
    let (ran, out) = given(option, name, bytes);
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!(ran.status, 2, "{shown:?}: {}", ran.stderr);
    assert!(ran.stderr.contains(expected) && ran.stderr.contains(name), "{shown:?}: {expected}: {}", ran.stderr);
    assert!(!out.exists(), "{shown:?}");
}

fn utf_16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn every_reader_names_the_line_that_an_editor_shows() {
    for end in ["\n", "\r\n", "\r"] {
        for (before, between, more) in [("", "", 0), (end, "", 1), ("", end, 1), (end, &end.repeat(2), 3)] {
            let text = |lines: &[&str]| {
                format!("{before}{}{end}{between}{}{end}", lines[..lines.len() - 1].join(end), lines[lines.len() - 1])
            };
            let at = |line: usize, column: usize| format!("line {}, column {column}", line + more);
            let approvals = text(&[
                APPROVALS,
                "CHG-1,111122223333,alice,lead,2026-10-06T08:00:00Z,2026-10-06T12:00:00Z",
                "CHG-2,111122223333,alice,lead,soon,2026-10-06T12:00:00Z",
            ]);
            let detections = text(&[
                DETECTIONS,
                &format!("2026-10-06T09:10:00Z,siem,\"A{end}1\",,111122223333,alice"),
                "soon,siem,A-2,,111122223333,alice",
            ]);
            let policy = text(&["# graces", "lookback = \"7d\"", "takeover_threshold = 0"]);
            for mark in ["", "\u{feff}"] {
                let bytes = |text: &str| format!("{mark}{text}").into_bytes();
                refused("--approvals", "a.csv", &bytes(&approvals), &at(3, 5));
                refused("--detections", "d.csv", &bytes(&detections), &at(4, 1));
                refused("--policy", "p.toml", &bytes(&policy), &at(3, 22));
                let json = text(&["[", "{\"ticket\": \"x\",", " \"account\": 7}]"]);
                refused("--approvals", "a.json", &bytes(&json), &at(3, 13));
                let json = text(&["[", "{\"source\": \"x\"", " \"account\": 7}]"]);
                refused("--detections", "d.json", &bytes(&json), &at(3, 2));
                let json = text(&[
                    "{\"schema\": \"mfatrail.report/1\",",
                    "\"period\": {\"from\": \"2026-09-01T00:00:00Z\",",
                    "\"to\": x}}",
                ]);
                refused("--previous", "r.json", &bytes(&json), &at(3, 7));
            }
            refused("--approvals", "a.txt", &utf_16(&approvals.replace(',', "\t")), &at(3, 5));
            refused("--policy", "p.toml", &utf_16(&policy), &at(3, 22));
        }
    }
}

/// The approvals that the shipped archive's report uses, by way of its windows.
fn approved(out: &Path) -> Vec<String> {
    let report = json(out);
    let windows = report["windows"].as_array().expect("windows");
    windows.iter().filter_map(|window| window["approval"]["ticket"].as_str().map(str::to_owned)).collect()
}

#[test]
fn what_spreadsheets_write_is_read() {
    let plain = fs::read_to_string(run::root().join("fixtures/approvals.csv")).expect("the fixtures");
    let (ran, out) = given("--approvals", "approvals.csv", plain.as_bytes());
    assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
    let expected = approved(&out);
    assert!(!expected.is_empty());
    let windows = plain.replace('\n', "\r\n");
    let more = plain.replace('\n', ",\"a, b\"\n").replacen("\"a, b\"", "Remarks; of ours", 1);
    for (name, bytes) in [
        ("crlf.csv", windows.clone().into_bytes()),
        ("semicolons.csv", windows.replace(',', ";").into_bytes()),
        ("declared.csv", format!("sep=;\r\n{}\r\n\r\n", windows.replace(',', ";")).into_bytes()),
        ("tabs.txt", utf_16(&windows.replace(',', "\t"))),
        ("upper.csv", windows.replacen(APPROVALS, &APPROVALS.to_uppercase().replace(',', " , "), 1).into_bytes()),
        ("mac.csv", plain.replace('\n', "\r").into_bytes()),
        ("more.csv", format!("\u{feff}{more}").into_bytes()),
    ] {
        let (ran, out) = given("--approvals", name, &bytes);
        assert!([0, 3].contains(&ran.status), "{name}: {}", ran.stderr);
        assert_eq!(approved(&out), expected, "{name}");
        let warned = ran.stderr.contains("column `Remarks; of ours` is not used");
        assert_eq!(warned, name == "more.csv", "{name}: {}", ran.stderr);
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let row = "CHG-1,111122223333,alice,lead,2026-10-06T08:00:00Z,2026-10-06T12:00:00Z";
    for (text, expected) in [
        (format!("{APPROVALS},\"x\"y\n{row}\n"), "line 1"),
        (format!("{APPROVALS}\n{row}\n\"CHG-2,1\n"), "line 3, column 1: has an opening quote that is not closed"),
        (format!("{APPROVALS}\n{row},lead, Jane\n"), "line 2, column 7: `lead` is beyond the 6 columns"),
        (format!("{APPROVALS},\n{row},lead\n"), "line 2, column 7: `lead` is in a column without a name"),
        (
            format!("{APPROVALS};x;user\n{row}\n"),
            "line 1, column 1: the columns are separated by commas and by semicolons",
        ),
        (format!("sep=:\n{APPROVALS}\n{row}\n"), "line 1, column 1: `sep=:` is not a supported separator"),
        (format!("sep=;\n{APPROVALS}\n{row}\n"), "line 2: column `ticket` is missing"),
        (format!("{}\n{row}\n", APPROVALS.replace("approver", "approved_by")), "line 1: column `approver` is missing"),
        (format!("{APPROVALS},user\n{row},bob\n"), "line 1, column 7 (`user`): is named twice"),
    ] {
        refused("--approvals", "a.csv", text.as_bytes(), expected);
    }
}
