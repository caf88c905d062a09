//! One report through every format.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

#[path = "../../tests/support/schema.rs"]
mod schema;

use super::fixture::{HOSTILE_AGENT, HOSTILE_NAME, at, changed, empty, full};
use super::*;
use crate::inputs::Signal;

fn all(report: &Report) -> Vec<(String, String)> {
    let formats = [Format::Html, Format::Markdown, Format::Json, Format::Csv];
    let mut files: Vec<_> = render(report, &formats, true)
        .expect("renders")
        .into_iter()
        .map(|(name, contents)| (name, String::from_utf8(contents.bytes().expect("read")).expect("UTF-8")))
        .collect();
    files.push(("summary".to_owned(), summary(report, Some(80))));
    files.push(("summary, whole".to_owned(), summary(report, None)));
    files
}

fn files(report: &Report) -> Vec<File> {
    render(report, &Format::USUAL, false).expect("renders")
}

/// What one renderer writes.
fn written<E: std::fmt::Debug>(render: impl Fn(&Report, &mut Vec<u8>) -> Result<(), E>, report: &Report) -> Vec<u8> {
    let mut bytes = Vec::new();
    render(report, &mut bytes).expect("renders");
    bytes
}

fn file(report: &Report, name: &str) -> String {
    all(report).into_iter().find(|(n, _)| n == name).expect("the file").1
}

fn parsed(report: &Report) -> Value {
    serde_json::from_slice(&written(json, report)).expect("JSON")
}

/// The keys that every object at `path` must have, from the specification; further ones are allowed.
fn assert_keys(value: &Value, path: &str, keys: &str) {
    let found: BTreeSet<&str> =
        value.as_object().unwrap_or_else(|| panic!("{path} is no object")).keys().map(String::as_str).collect();
    for key in keys.split_whitespace() {
        assert!(found.contains(key), "{path} lacks `{key}`");
    }
}

#[test]
fn reports_are_what_the_schema_says() {
    let full = full();
    let changed = changed();
    for report in [
        &full,
        &empty(),
        &changed,
        &redact(changed.clone(), None),
        &redact(full.clone(), None),
        &redact(full.clone(), Some(b"key")),
    ] {
        schema::hold(&parsed(report));
    }
    schema::hold(&sample());
}

fn sample() -> Value {
    serde_json::from_str(include_str!("../../reports/sample/report.json")).expect("JSON")
}

/// The path of every object in a document.
fn objects(value: &Value, path: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| objects(field, format!("{path}/{name}"), into));
            into.push(path);
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| objects(item, format!("{path}/{at}"), into));
        }
        _ => {}
    }
}

/// Leaves two of each list: enough to see what becomes of its items.
fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.truncate(2);
            items.iter_mut().for_each(shorten);
        }
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// A field that is added, removed or of another type is a fault, wherever it is.
#[test]
fn the_schema_lets_nothing_pass_that_it_does_not_name() {
    let mut sound = sample();
    shorten(&mut sound);
    schema::hold(&sound);
    let mut paths = Vec::new();
    objects(&sound, String::new(), &mut paths);
    let faults = |path: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut report = sound.clone();
        change(report.pointer_mut(path).and_then(Value::as_object_mut).expect("an object"));
        schema::faults(&schema::SCHEMA, &report)
    };
    assert!(paths.len() > 30, "{paths:?}");
    for path in &paths {
        let at = path.replace('/', ".").replace(".0", "[0]").replace(".1", "[1]");
        let added = faults(path, &|fields| drop(fields.insert("surplus".to_owned(), Value::Null)));
        assert_eq!(added, [format!("{at}.surplus: it is unknown")]);
        for name in sound.pointer(path).and_then(Value::as_object).expect("an object").keys() {
            let lost = faults(path, &|fields| drop(fields.remove(name)));
            assert_eq!(lost, [format!("{at}: it lacks \"{name}\"")]);
            // No field can be either.
            for other in [serde_json::json!(-1.5), serde_json::json!([[]])] {
                let changed = faults(path, &|fields| drop(fields.insert(name.clone(), other.clone())));
                assert!(!changed.is_empty(), "{path}/{name}: {other}");
            }
        }
    }
}

/// Every value in a schema, with its path.
fn parts<'s>(schema: &'s Value, path: String, into: &mut Vec<(String, &'s Value)>) {
    let fields = schema.as_object().into_iter().flatten();
    fields.for_each(|(name, field)| parts(field, format!("{path}/{name}"), into));
    let items = schema.as_array().into_iter().flatten().enumerate();
    items.for_each(|(at, item)| parts(item, format!("{path}/{at}"), into));
    into.push((path, schema));
}

#[test]
fn the_schema_says_everything_of_every_field() {
    let mut all = Vec::new();
    parts(&schema::SCHEMA, String::new(), &mut all);
    let mut fields = 0;
    for (path, part) in &all {
        if part["type"] == "object" {
            assert_eq!(part["additionalProperties"], false, "{path}");
            let known: BTreeSet<&str> =
                part["properties"].as_object().expect("fields").keys().map(String::as_str).collect();
            let required = part["required"].as_array().into_iter().flatten().map(|name| name.as_str().expect("a name"));
            let absent: Vec<&str> = known.difference(&required.collect()).copied().collect();
            let may = path.ends_with("/verification/properties/counts")
                || absent.is_empty()
                || [
                    &["integrity"][..],
                    &["exceptions"],
                    &["exceptions", "integrity"],
                    &["made_left_out"],
                    &["changes", "exceptions", "posture", "watch"],
                ]
                .iter()
                .any(|one| absent == **one);
            assert!(may, "{path}: {absent:?}");
        }
        let Some((parent, name)) = path.rsplit_once('/').filter(|(parent, _)| parent.ends_with("/properties")) else {
            continue;
        };
        assert_ne!(name, "properties", "{parent}: this test would take its fields for keywords");
        fields += 1;
        assert!(part["description"].as_str().is_some_and(|text| text.ends_with('.') && text.len() > 5), "{path}");
        let typed = ["type", "$ref", "anyOf", "const"].iter().filter(|keyword| part.get(keyword).is_some()).count();
        assert_eq!(typed, 1, "{path}: one of them says of what type it is");
        let unit = match name {
            _ if name.ends_with("_s") => Some("seconds"),
            _ if name.ends_with("_hours") => Some("hours"),
            _ if name.split('_').any(|word| word == "bytes") => Some("bytes"),
            _ => None,
        };
        assert_eq!(part["unit"].as_str(), unit, "{path}");
    }
    assert!(fields > 250, "{fields}");
}

#[test]
fn json_has_the_keys_of_the_contract() {
    const STAT: &str = "n mean_s median_s p90_s max_s";
    for report in [full(), empty()] {
        let json = parsed(&report);
        assert_keys(&json, "$", "schema tool generated_at period as_of figures windows events reconciliation coverage");
        assert_eq!(json["schema"], "mfatrail.report/1");
        assert_keys(&json["tool"], "tool", "version");
        assert_keys(&json["period"], "period", "from to");
        let figures = &json["figures"];
        assert_keys(
            figures,
            "figures",
            "mttd mttd_not_legitimate mttr mttr_not_legitimate enrolment deactivations exposure mfa_coverage",
        );
        for name in ["mttd", "mttd_not_legitimate"] {
            assert_keys(&figures[name], name, &format!("{STAT} undetected"));
        }
        for name in ["mttr", "mttr_not_legitimate", "enrolment"] {
            assert_keys(&figures[name], name, &format!("{STAT} open"));
        }
        assert_keys(
            &figures["deactivations"],
            "deactivations",
            "total opened_window legitimate not_legitimate left_another_device no_password denied failed_attempts by_class",
        );
        assert_keys(
            &figures["deactivations"]["by_class"],
            "by_class",
            "approved offboarding suspected_takeover replacement workaround unexplained",
        );
        assert_keys(&figures["exposure"], "exposure", "principal_hours open_at_end carried_in standing");
        assert_keys(&figures["exposure"]["standing"], "standing", "open principal_hours");
        assert_keys(
            &json["coverage"],
            "coverage",
            "objects_listed objects_read objects_failed objects_skipped records bytes_compressed bytes_raw complete \
             gaps failures integrity",
        );
    }
    let json = parsed(&full());
    assert_keys(
        &json["figures"]["mfa_coverage"],
        "mfa_coverage",
        "users users_with_mfa console_users console_users_with_mfa users_mfa_enforced users_with_mfa_and_enforced \
         roots roots_with_mfa",
    );
    for window in json["windows"].as_array().expect("windows") {
        assert_keys(
            window,
            "window",
            "kind account principal owner opened_at open_since_before opened_by_event actor actor_mfa source_ip closed_at \
             closed_by_event close_reason duration_s certainty class legitimate reasons detection approval \
             console_password active_access_keys privileged activity",
        );
        assert_keys(&window["principal"], "principal", "kind name id");
        assert_keys(
            &window["activity"],
            "activity",
            "events console_logins_without_mfa writes errors source_ips services by_actor",
        );
    }
    assert_keys(&json["windows"][0]["reasons"][0], "reason", "rule event_ids");
    assert_keys(&json["windows"][0]["detection"], "detection", "at kind source reference time_to_detect_s");
    assert_keys(&json["windows"][2]["approval"], "approval", "ticket approver");
    for event in json["events"].as_array().expect("events") {
        assert_keys(
            event,
            "event",
            "event_id event_time event_name outcome error_code account region principal device actor actor_mfa \
             source_ip user_agent remaining_devices objects",
        );
    }
    assert_keys(&json["reconciliation"][0], "finding", "account principal device finding between");
    assert_keys(&json["coverage"]["failures"][0], "failure", "object error");
}

/// The values that the schema allows a field.
fn words(path: &str) -> Vec<&'static str> {
    let part = schema::SCHEMA.pointer(&format!("/$defs/{path}/enum")).and_then(Value::as_array);
    part.unwrap_or_else(|| panic!("{path}")).iter().filter_map(Value::as_str).collect()
}

#[test]
fn names_are_those_of_the_contract() {
    // `path` leads to their list in the schema.
    fn same<T: serde::Serialize + Copy>(path: &str, values: &[T], name: fn(T) -> &'static str) {
        for value in values {
            assert_eq!(serde_json::to_value(value).expect("JSON"), name(*value));
        }
        assert_eq!(words(path), values.iter().map(|value| name(*value)).collect::<Vec<_>>(), "{path}");
    }
    same(
        "principal/properties/kind",
        &[PrincipalKind::IamUser, PrincipalKind::Root, PrincipalKind::IdentityCenter],
        PrincipalKind::name,
    );
    same(
        "window/properties/kind",
        &[WindowKind::Removed, WindowKind::NeverEnrolled, WindowKind::Standing],
        WindowKind::name,
    );
    same(
        "window/properties/close_reason",
        &[
            CloseReason::Reenabled,
            CloseReason::UserDeleted,
            CloseReason::PasswordRemoved,
            CloseReason::Denied,
            CloseReason::SeenInIam,
            CloseReason::SeenInUse,
            CloseReason::EndedUnseen,
        ],
        CloseReason::name,
    );
    same("notice/properties/code", NoticeCode::ALL, NoticeCode::as_str);
    same("window/properties/certainty", &[Certainty::Confirmed, Certainty::Possible], Certainty::name);
    same("window/properties/class", &Class::ALL, Class::name);
    same(
        "window/properties/console_password",
        &[ConsolePassword::Yes, ConsolePassword::No, ConsolePassword::Unknown],
        ConsolePassword::name,
    );
    same("detection/properties/kind", &[DetectionKind::Reported, DetectionKind::Inferred], DetectionKind::name);
    same("lifecycle_event/properties/outcome", &[Outcome::Success, Outcome::Failed], Outcome::name);
    same(
        "reconciliation_finding/properties/finding",
        &[
            FindingCode::EnableNotInArchive,
            FindingCode::DeactivateNotInArchive,
            FindingCode::DeviceWithoutOwner,
            FindingCode::WithoutMfaUnexplained,
            FindingCode::DeleteNotInArchive,
            FindingCode::PasswordDisagrees,
            FindingCode::DenyDisagrees,
            FindingCode::StateContradicts,
            FindingCode::UnseenDevice,
        ],
        FindingCode::name,
    );
    same("policy/properties/takeover_signals/items", &Signal::ALL, Signal::name);
    let classes = Class::ALL.map(Class::name);
    let rules = [&classes[..], &Signal::ALL.map(Signal::name), &["approval_contested"]].concat();
    assert_eq!(words("reason/properties/rule"), rules);
}

#[test]
fn json_values_are_exact_and_times_whole() {
    let mut report = full();
    report.figures.iam.mttr.stat.mean_s = Some(2520.25);
    report.windows[0].closed_at = Some(at("2026-10-06T09:42:00.75Z"));
    let text = file(&report, "report.json");
    let json = parsed(&report);
    assert_eq!(json["generated_at"], "2026-11-01T06:00:00Z");
    assert_eq!(json["windows"][0]["closed_at"], "2026-10-06T09:42:00Z");
    assert_eq!(json["reconciliation"][0]["between"][1], "2026-10-04T00:00:00Z");
    assert!(text.contains("\"mean_s\": 2520.25") && text.contains("\"mean_s\": 600,"), "{text}");
    assert_eq!(json["events"][2]["user_agent"], HOSTILE_AGENT, "text survives as it is");
    assert_eq!(json["windows"][1]["account"], "000000000042");
    assert!(text.ends_with("}\n"));
}

#[test]
fn nothing_is_shown_as_a_number_that_is_none() {
    let mut broken = empty();
    broken.figures.iam.exposure.principal_hours = f64::NAN;
    broken.figures.iam.mttd.stat.mean_s = Some(f64::INFINITY);
    for report in [empty(), broken] {
        for (name, text) in all(&report) {
            for word in ["NaN", "None", "Some(", "inf "] {
                assert!(!text.contains(word), "{name} has {word}");
            }
        }
    }
    let text = file(&empty(), "report.md");
    assert!(text.contains("> **Incomplete evidence.** Nothing at all was read"), "{text}");
    assert!(text.contains("| Time to detect (MTTD) | – (nothing detected) | 0 |"), "{text}");
    assert!(text.contains("| Time to remediate (MTTR) | – (no closed window) | 0 | – | – | – | 0 open |"), "{text}");
}

#[test]
fn a_complete_report_needs_no_warning() {
    let mut report = full();
    report.coverage.complete = true;
    report.coverage.gaps.clear();
    assert!(file(&report, "report.md").starts_with("# MFA exposure"));
    assert!(!file(&report, "index.html").contains("role=\"note\""));
    assert!(!file(&report, "report.md").contains("incomplete evidence"));
}

#[test]
fn what_is_missing_stands_at_the_top() {
    let markdown = file(&full(), "report.md");
    let top = markdown.split("| Headline").next().expect("a top");
    assert!(top.contains("2 of 41,870 objects could not be read"), "{top}");
    assert!(top.contains("cannot see IAM") && top.contains("`444455556666`"), "{top}");
    let html = file(&full(), "index.html");
    let (top, _) = html.split_once("<dl class=\"cards\">").expect("cards");
    assert!(top.contains("2 of 41,870 objects could not be read") && top.contains("444455556666"));
}

#[test]
fn the_page_is_inert() {
    let html = file(&full(), "index.html");
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{html}");
    let content = |name: &str| {
        let (_, rest) = html.split_once(&format!("<{name}>")).expect("it begins");
        rest.split_once(&format!("</{name}>")).expect("it ends").0
    };
    for name in ["style", "script"] {
        use base64::Engine as _;
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(content(name).as_bytes()));
        assert!(html.contains(&format!("{name}-src 'sha256-{hash}'")), "{name}");
        assert_eq!(html.matches(&format!("<{name}")).count(), 1, "{name}");
    }
    assert!(html.contains("default-src 'none';") && !html.contains("unsafe-"));
    let html = html.replace(content("script"), "");
    let lower = html.to_lowercase();
    for word in [
        "<script>a",
        "<b>",
        "<img",
        "javascript:",
        "<link",
        "<iframe",
        "@import",
        " src=\"",
        "href=\"http",
        " style=\"",
    ] {
        assert!(!lower.contains(word), "{word}");
    }
    assert_eq!(lower.matches("url(").count(), lower.matches("url(#p-").count(), "only patterns of its own");
    // No attribute that begins with `on`, within any tag.
    for tag in html.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        assert!(!tag.split_whitespace().skip(1).any(|attribute| attribute.starts_with("on")), "{tag}");
    }
    assert!(html.contains("&#60;script&#62;"), "shown, not dropped");
    assert!(!html.contains('\u{202e}') && !html.contains('\u{1b}'));
}

#[test]
fn every_link_of_the_page_leads_somewhere_once() {
    let html = file(&full(), "index.html");
    let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
    for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&target), "{target}");
    }
}

#[test]
fn no_text_format_holds_hidden_characters() {
    for (name, text) in all(&full()) {
        for c in text.chars() {
            assert!(c == '\n' || !c.is_control(), "{name} holds {c:?}");
            assert_ne!(c, '\u{202e}', "{name}");
        }
    }
}

#[test]
fn markdown_tables_keep_their_shape() {
    let markdown = file(&full(), "report.md");
    let mut width = None;
    for line in markdown.lines() {
        if !line.starts_with('|') {
            width = None;
            continue;
        }
        let cells = line.replace("\\|", "").matches('|').count();
        assert_eq!(*width.get_or_insert(cells), cells, "{line}");
    }
    for line in markdown.lines() {
        // Between code spans, whose fences differ in length, there is no markup of anybody else's.
        let mut own = String::new();
        let mut rest = line;
        while let Some(start) = rest.find('`') {
            own.push_str(&rest[..start]);
            let fence = &rest[start..][..rest[start..].len() - rest[start..].trim_start_matches('`').len()];
            let inside = &rest[start + fence.len()..];
            let end = inside
                .match_indices(fence)
                .find(|(at, _)| !inside[..*at].ends_with('`') && !inside[at + fence.len()..].starts_with('`'));
            rest = &inside[end.expect("a closing fence").0 + fence.len()..];
        }
        own.push_str(rest);
        let own = own.strip_prefix("> ").unwrap_or(&own);
        assert!(!own.contains(['<', '>', '@']) && !own.contains("https:"), "{line}");
    }
}

#[test]
fn what_is_left_out_of_what_an_actor_made_is_counted_in_every_format() {
    let mut report = full();
    let actor = report.windows.iter_mut().find_map(|window| window.activity.by_actor.as_mut()).expect("an actor");
    actor.made_left_out = 1_234;
    schema::hold(&parsed(&report));
    for (name, words) in [
        ("index.html", "the actor made 1,234 more"),
        ("report.md", "the actor made 1,234 more"),
        ("report.json", "\"made_left_out\": 1234"),
        ("windows.csv", "and 1234 more"),
    ] {
        assert!(file(&report, name).contains(words), "{name}");
        assert!(!file(&full(), name).contains("left_out"), "{name}");
    }
}

#[test]
fn csv_says_what_json_says() {
    let report = full();
    let windows = written(windows_csv, &report);
    let mut reader = ::csv::Reader::from_reader(windows.as_slice());
    let headers = reader.headers().expect("headers").clone();
    let column = |name: &str| headers.iter().position(|h| h == name).unwrap_or_else(|| panic!("no {name}"));
    let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    assert_eq!(rows.len(), 7);
    assert_eq!(&rows[0][column("duration_s")], "2520");
    assert_eq!(&rows[0][column("opened_at")], "2026-10-06T09:00:00Z");
    assert_eq!(&rows[0][column("actor_mfa")], "true");
    assert_eq!(&rows[1][column("account")], "000000000042");
    assert_eq!(&rows[1][column("principal")], HOSTILE_NAME);
    assert_eq!(&rows[1][column("closed_at")], "");
    assert_eq!(&rows[1][column("activity_source_ips")], "'=HYPERLINK(0);203.0.113.9");
    assert_eq!(&rows[1][column("reasons")], "suspected_takeover;actor_without_mfa;new_source");
    assert_eq!(&rows[2][column("time_to_detect_s")], "3600");

    let events = written(events_csv, &report);
    let mut reader = ::csv::Reader::from_reader(events.as_slice());
    let headers = reader.headers().expect("headers").clone();
    let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    let agent = headers.iter().position(|h| h == "user_agent").expect("user_agent");
    assert!(rows[2][agent].starts_with("'=cmd|"), "{}", &rows[2][agent]);

    let head = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(written(windows_csv, &empty())).len(), 1, "the header, without rows");
    assert_eq!(head(written(events_csv, &empty())).len(), 1);
}

/// Every leaf of a window and an event in the JSON has a column: a field added to one must be added to the other.
#[test]
fn csv_has_a_column_for_every_field() {
    let flat = |value: &Value| -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (key, field) in value.as_object().expect("an object") {
            match (key.as_str(), field) {
                ("reasons", _) => names.extend(["reasons".to_owned(), "reason_event_ids".to_owned()]),
                ("principal", Value::Object(_)) => {
                    names.extend(["principal", "principal_kind", "principal_id"].map(str::to_owned));
                }
                ("detection", _) => names.extend(
                    ["detected_at", "detection_kind", "detection_source", "detection_reference", "time_to_detect_s"]
                        .map(str::to_owned),
                ),
                ("approval", _) => names.extend(["approval_ticket", "approval_approver"].map(str::to_owned)),
                ("activity", Value::Object(fields)) => {
                    names.extend(fields.keys().filter(|k| *k != "by_actor").map(|k| format!("activity_{k}")));
                    names.extend(["events", "writes", "made"].map(|k| format!("activity_by_actor_{k}")));
                }
                _ => {
                    names.insert(key.clone());
                }
            }
        }
        names
    };
    let json = parsed(&full());
    let columns = |bytes: Vec<u8>| -> BTreeSet<String> {
        ::csv::Reader::from_reader(bytes.as_slice()).headers().expect("headers").iter().map(str::to_owned).collect()
    };
    let mut windows = flat(&json["windows"][0]);
    windows.extend(["window", "exceptions"].map(str::to_owned));
    assert_eq!(columns(written(windows_csv, &full())), windows);
    assert_eq!(columns(written(events_csv, &full())), flat(&json["events"][0]));
}

#[test]
fn the_summary_fits_a_screen() {
    let mut report = full();
    let window = report.windows[1].clone();
    report.windows.extend(std::iter::repeat_n(window, 17));
    let failure = report.coverage.failures[0].clone();
    report.coverage.failures.extend(std::iter::repeat_n(failure, 50));
    let notice = report.notices[0].clone();
    report.notices.extend(std::iter::repeat_n(notice, 50));
    for width in [40, 60, 80, 120] {
        let text = summary_with_path(&report, Path::new("out"), Some(width));
        assert!(text.lines().count() <= 24, "{} lines:\n{text}", text.lines().count());
        for line in text.lines() {
            assert!(crate::escape::columns(line) <= width, "{line}");
        }
        assert!(text.contains("… and 17 more") && text.ends_with("report: out\n"), "{text}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let digests =
        |files: Vec<File>| files.into_iter().map(|(name, it)| (name, it.sha256().to_owned())).collect::<Vec<_>>();
    assert_eq!(digests(files(&full())), digests(files(&full().clone())));
}

#[test]
fn markdown_snapshot() {
    insta::assert_snapshot!(file(&full(), "report.md"));
}

#[test]
fn html_snapshot() {
    let html = file(&full(), "index.html");
    let (_, body) = html.split_once("</style>").expect("a style");
    let (body, _) = body.split_once("<script>").expect("a script");
    insta::assert_snapshot!(body);
}

#[test]
fn json_snapshot() {
    insta::assert_snapshot!(file(&full(), "report.json"));
}

#[test]
fn csv_snapshot() {
    insta::assert_snapshot!(format!("{}\n{}", file(&full(), "windows.csv"), file(&full(), "events.csv")));
}

#[test]
fn summary_snapshot() {
    insta::assert_snapshot!(format!("{}-----\n{}", summary(&full(), Some(80)), summary(&empty(), Some(80))));
}

#[test]
fn two_accounts_have_two_pages() {
    let mut report = full();
    let ids = ["a-b", "a_b", "A.B"];
    for id in ids {
        let mut event = report.events[0].clone();
        id.clone_into(&mut event.account);
        event.event_id = format!("event of {id}");
        report.events.push(event);
        let mut own = report.accounts[0].clone();
        id.clone_into(&mut own.account);
        report.accounts.push(own);
    }
    let files = render(&report, &[Format::Html], true).expect("rendered");
    for id in ids {
        let title = format!("account {id}");
        let pages: Vec<&str> = files
            .iter()
            .filter(|(name, _)| name != "index.html")
            .filter(|(_, page)| String::from_utf8_lossy(&page.bytes().expect("read")).contains(&title))
            .map(|(name, _)| name.as_str())
            .collect();
        let [page] = pages[..] else { panic!("{id}: {pages:?}") };
        let index = &files.iter().find(|(name, _)| name == "index.html").expect("the index").1;
        assert!(String::from_utf8_lossy(&index.bytes().expect("read")).contains(&format!("href=\"{page}\"")), "{page}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

const NAMES: [&str; 7] =
    ["MANIFEST.sha256", "events.csv", "index.html", "report.json", "report.md", "report.xlsx", "windows.csv"];

#[test]
fn a_report_is_written_whole_with_its_manifest() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("deep/report");
    let place = OutputDir::prepare(&target).expect("free");
    assert!(!target.exists());
    let written = place.commit(files(&full()), None).expect("written");
    assert_eq!(names(&written), NAMES);
    assert_eq!(names(&dir.path().join("deep")), ["report"], "nothing is left beside it");

    let manifest = std::fs::read_to_string(target.join("MANIFEST.sha256")).expect("a manifest");
    let listed: Vec<(&str, &str)> = manifest.lines().map(|line| line.split_once("  ").expect("two spaces")).collect();
    assert_eq!(listed.iter().map(|(_, name)| *name).collect::<Vec<_>>(), NAMES[1..]);
    for (digest, name) in listed {
        let bytes = std::fs::read(target.join(name)).expect("the file");
        let own: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, own, "{name}");
    }
}

#[test]
fn an_earlier_report_is_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("report");
    OutputDir::prepare(&target).expect("free").commit(files(&empty()), None).expect("written");
    let before = std::fs::read(target.join("report.json")).expect("the file");
    let place = OutputDir::prepare(&target).expect("replaceable");
    assert_eq!(std::fs::read(target.join("report.json")).expect("the file"), before, "kept until the commit");
    place.commit(files(&full()), None).expect("written");
    assert_ne!(std::fs::read(target.join("report.json")).expect("the file"), before);
    assert_eq!(names(dir.path()), ["report"]);
    std::fs::create_dir(dir.path().join("empty")).expect("made");
    OutputDir::prepare(&dir.path().join("empty"))
        .expect("an empty one will do")
        .commit(files(&full()), None)
        .expect("written");
    assert_eq!(names(dir.path()), ["empty", "report"]);
}

#[test]
fn nothing_is_left_without_a_commit() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = OutputDir::prepare(&dir.path().join("report")).expect("free");
    assert_eq!(names(dir.path()).len(), 1);
    drop(place);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_failed_commit_leaves_what_was_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("report");
    let place = OutputDir::prepare(&target).expect("free");
    // Somebody takes the name of a file in the unfinished directory: writing fails halfway.
    let unfinished = dir.path().join(names(dir.path()).remove(0));
    std::fs::create_dir(unfinished.join("report.md")).expect("made");
    let error = place.commit(files(&full()), None).expect_err("cannot be written");
    assert!(error.to_string().starts_with("could not write `"), "{error}");
    assert!(names(dir.path()).is_empty());

    let place = OutputDir::prepare(&target).expect("free");
    std::fs::create_dir(&target).expect("made");
    std::fs::write(target.join("notes.txt"), "mine").expect("written");
    let error = place.commit(files(&full()), None).expect_err("somebody put something there");
    assert!(matches!(error, OutputError::Occupied { .. }), "{error}");
    assert_eq!(names(dir.path()), ["report"]);
    assert_eq!(names(&target), ["notes.txt"]);
}

#[test]
fn what_is_no_report_is_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("report");
    let write = |name: &str, text: &str| std::fs::write(target.join(name), text).expect("written");
    let error = || OutputDir::prepare(&target).expect_err("foreign").to_string();
    std::fs::create_dir(&target).expect("made");
    write("report.json", "{}");
    assert!(error().contains("`MANIFEST.sha256` is missing or empty") && error().contains("(hint: "), "{}", error());
    for manifest in ["", "notes\n", &format!("{}  a-note.txt\n", "0".repeat(64))] {
        write("MANIFEST.sha256", manifest);
        assert!(error().contains("`MANIFEST.sha256` is missing or empty"), "{}", error());
    }
    write("a-note.txt", "mine");
    assert!(error().contains("did not write: `a-note.txt` (hint: "), "{}", error());
    let error = OutputDir::prepare(&target.join("a-note.txt")).expect_err("a file");
    assert!(matches!(error, OutputError::NotADirectory(_)), "{error}");
    let error = OutputDir::prepare(&target.join("a-note.txt/report")).expect_err("below a file");
    assert!(matches!(error, OutputError::Io { .. }), "{error}");
    let error = OutputDir::prepare(Path::new("/")).expect_err("no name");
    assert!(matches!(error, OutputError::NoName(_)), "{error}");
    assert_eq!(names(dir.path()), ["report"]);
}

/// What happened to a report after it was written, and what an error then says.
#[test]
fn a_report_that_was_changed_is_not_replaced() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let outside = elsewhere.path().join("report.md");
    std::fs::write(&outside, "# mine").expect("written");
    type Change<'c> = &'c dyn Fn(&Path);
    let cases: [(&str, Change<'_>); 6] = [
        ("contains `report.md`, which was changed", &|report| {
            std::fs::write(report.join("report.md"), "# mine").expect("written")
        }),
        ("did not write: `report.pdf`", &|report| std::fs::write(report.join("report.pdf"), "%PDF-").expect("written")),
        ("did not write: `account-7.html`", &|report| {
            std::fs::write(report.join("account-7.html"), "").expect("written")
        }),
        ("did not write: `index.html`", &|report| {
            std::fs::remove_file(report.join("index.html")).expect("removed");
            std::fs::create_dir(report.join("index.html")).expect("made");
        }),
        ("`MANIFEST.sha256` is missing or empty", &|report| {
            std::fs::remove_file(report.join("MANIFEST.sha256")).expect("removed")
        }),
        #[cfg(unix)]
        ("did not write: `report.md`", &|report| {
            std::fs::remove_file(report.join("report.md")).expect("removed");
            std::os::unix::fs::symlink(&outside, report.join("report.md")).expect("linked");
        }),
    ];
    for (expected, change) in cases {
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("report");
        OutputDir::prepare(&target).expect("free").commit(files(&full()), None).expect("written");
        let place = OutputDir::prepare(&target).expect("as it was written");
        change(&target);
        let before = names(&target);
        let error = OutputDir::prepare(&target).expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("hint: "), "{error}");
        // What comes there during the work is left alone, too.
        let error = place.commit(files(&empty()), None).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(names(&target), before);
        assert_eq!(names(dir.path()), ["report"]);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("report");
    OutputDir::prepare(&target).expect("free").commit(files(&full()), None).expect("written");
    std::fs::remove_file(target.join("report.xlsx")).expect("removed");
    OutputDir::prepare(&target)
        .expect("what is gone is not overwritten")
        .commit(files(&full()), None)
        .expect("written");
    assert_eq!(names(&target), NAMES);
}

#[cfg(unix)]
#[test]
fn a_report_in_the_making_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().expect("a directory");
    let usual = dir.path().join("usual");
    std::fs::create_dir(&usual).expect("made");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let place = OutputDir::prepare(&dir.path().join("report")).expect("free");
    assert_eq!(mode(place.temporary()), 0o700);
    let written = place.commit(files(&full()), None).expect("written");
    assert_eq!(mode(&written), mode(&usual));
}

#[cfg(unix)]
#[test]
fn files_follow_the_umask_and_links_are_followed() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().expect("a directory");
    let usual = dir.path().join("usual");
    std::fs::write(&usual, "").expect("written");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let target = dir.path().join("report");
    OutputDir::prepare(&target).expect("free").commit(files(&full()), None).expect("written");
    assert_eq!(mode(&target.join("report.json")), mode(&usual));

    let link = dir.path().join("latest");
    std::os::unix::fs::symlink(&target, &link).expect("linked");
    OutputDir::prepare(&link).expect("a report").commit(files(&full()), None).expect("written");
    assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
}

#[test]
fn what_changed_is_in_every_format_and_the_caveats_come_first() {
    let report = changed();
    let text = String::from_utf8(
        files(&report).into_iter().find(|(name, _)| name == "changes.txt").expect("the text").1.bytes().expect("read"),
    )
    .expect("UTF-8");
    let expected = [
        "MFA exposure, October 2026: what changed since September 2026",
        "Note: the earlier report is from incomplete evidence.",
        "Compared with September 2026: 1 new window, 1 window that was open and is not in this report, 1 window of another class.",
        "  new: alice in account 111122223333, suspected takeover, was unexplained, since 2026-10-06T09:00:00Z, open",
        "  not in this report: the root user in account 111122223333, standing, since before 2026-09-01T00:00:00Z, whether it ended is not known",
        "  account 111122223333: 1 of 2 (50.0 %), now 2 of 2 (100 %)",
        "  root-mfa in account 444455556666: pass, now fail",
        "  Mean time to detect (MTTD): 15 min, now \u{2013}",
    ];
    let mut rest = text.as_str();
    for line in expected {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is not in its place in:\n{text}"));
        rest = &rest[at + line.len()..];
    }
    assert!(!text.contains(char::is_control) || text.chars().filter(|c| c.is_control()).all(|c| c == '\n'), "{text:?}");
    let markdown = file(&report, "report.md");
    let section = markdown.split("## What changed").nth(1).expect("the section");
    let at = |what: &str| section.find(what).unwrap_or_else(|| panic!("{what:?} is not in:\n{section}"));
    assert!(at("from incomplete evidence") < at("1 new window"), "what stands against it comes first");
    assert!(file(&report, "index.html").contains("id=\"changes\""));
    assert!(
        summary(&report, None).contains("compared with September 2026: 1 new window"),
        "{}",
        summary(&report, None)
    );
    // Without an earlier report there is none.
    assert!(files(&full()).iter().all(|(name, _)| name != "changes.txt"));
}

#[test]
fn accepted_risks_stand_beside_what_they_are_about_and_change_no_figure() {
    let report = changed();
    assert_eq!(report.figures, full().figures);
    for name in ["report.md", "index.html"] {
        let text = file(&report, name);
        for what in
            ["Accepted risks", "3 accepted risks, 1 expired", "risk accepted", "acceptance expired", "Risk accepted by"]
        {
            assert!(text.contains(what), "{name}: {what}");
        }
    }
    let csv = file(&report, "windows.csv");
    assert!(csv.contains("\"1 in force\"") && csv.contains("\"2 expired\""), "{csv}");
    assert!(summary(&report, None).contains("3 accepted risks, 1 expired; figures include what they are about"));
    let pages = file(&report, "account-111122223333.html");
    assert!(pages.contains("Accepted risks"));
}

#[test]
fn what_to_do_is_the_worst_first_and_of_everything() {
    let mut report = changed();
    report.posture = Some(Posture::new(
        report.as_of,
        vec![PostureCheck {
            code: PostureCode::RootMfa,
            account: "111122223333".to_owned(),
            region: None,
            resource: None,
            verdict: Verdict::Fail,
            reason: format!("no device {HOSTILE_NAME}"),
            fix: Some("aws iam one\naws iam two".to_owned()),
            controls: Vec::new(),
            exceptions: Vec::new(),
        }],
    ));
    let json = parsed(&report);
    schema::hold(&json);
    let actions = json["actions"].as_array().expect("actions");
    let all = report.windows.len() + report.reconciliation.len() + report.notices.len() + 1;
    assert_eq!(actions.len(), all);
    let rank =
        |one: &Value| ["critical", "error", "warning", "info"].iter().position(|known| one["severity"] == *known);
    assert!(actions.is_sorted_by_key(rank), "{actions:#?}");
    assert!(actions.iter().all(|one| one["next_step"].as_str().is_some_and(|text| text.len() > 5)));
    let guardrail = actions.iter().find(|one| one["about"] == "guardrail").expect("a guardrail");
    assert_eq!((&guardrail["severity"], &guardrail["code"]), (&"critical".into(), &"root-mfa".into()));
    assert!(guardrail["next_step"].as_str().expect("text").contains("aws iam one, then aws iam two"));
    let markdown = file(&report, "report.md");
    assert!(markdown.contains("## What to do") && markdown.contains("risk accepted"));
    // A redacted report names nobody in it.
    let redacted = parsed(&redact(report, None));
    assert!(!redacted["actions"].to_string().contains("alice"), "{}", redacted["actions"]);
}

#[test]
fn machine_forms_hold_no_markup_of_a_stranger() {
    let mut report = changed();
    report.windows[0].principal.name = format!("a\u{0}\u{1b}\u{fffe}]]>{HOSTILE_NAME}{}", "x".repeat(9000));
    let made = render(&report, &Format::ALL, false).expect("renders");
    let text = |name: &str| {
        let found = made.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("{name}"));
        String::from_utf8(found.1.bytes().expect("read")).expect("UTF-8")
    };
    let junit = text("junit.xml");
    assert!(!junit.contains("<script>") && !junit.contains("]]>") && !junit.contains('\u{fffe}'), "{junit}");
    assert!(junit.chars().all(|c| !c.is_control() || c == '\n'));
    assert_eq!(junit.matches("<testcase ").count(), parsed(&report)["actions"].as_array().expect("a list").len());
    assert!(junit.contains("<skipped message=\"risk accepted\"/>"), "what was accepted does not fail");
    for line in text("findings.ocsf.jsonl").lines() {
        let finding: Value = serde_json::from_str(line).expect("JSON");
        assert!(finding["message"].as_str().is_some_and(|text| text.chars().count() <= 4096));
    }
    let findings: Value = serde_json::from_str(&text("findings.asff.json")).expect("JSON");
    for finding in findings.as_array().expect("a list") {
        let length = |pointer: &str| finding.pointer(pointer).and_then(Value::as_str).expect(pointer).chars().count();
        assert!(length("/Title") <= 256 && length("/Description") <= 1024, "{finding}");
        assert!(length("/Remediation/Recommendation/Text") <= 512 && length("/Resources/0/Id") <= 512, "{finding}");
    }
    let ids: BTreeSet<&str> =
        findings.as_array().expect("a list").iter().filter_map(|one| one["Id"].as_str()).collect();
    assert_eq!(ids.len(), findings.as_array().expect("a list").len(), "each has an id of its own");
    let sarif: Value = serde_json::from_str(&text("report.sarif")).expect("JSON");
    assert_eq!(
        sarif["runs"][0]["results"].as_array().expect("results").len(),
        parsed(&report)["actions"].as_array().expect("a list").len()
    );
}
