//! `mfatrail search` from the outside: on the fixtures against a plain parse, and on what is damaged.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::Value;

use crate::support::faulty::{Faulty, Plan, objects};
use crate::support::run::{Ran, mfatrail, root};

const MFA: [&str; 7] = [
    "CreateVirtualMFADevice",
    "EnableMFADevice",
    "ResyncMFADevice",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "TagMFADevice",
    "UntagMFADevice",
];

fn search(source: &Path, arguments: &[&str]) -> Ran {
    mfatrail().arg("search").arg(source).args(arguments).output().expect("it runs").into()
}

fn names<'n>(names: &[&'n str]) -> Vec<&'n str> {
    names.iter().flat_map(|name| ["--event-name", name]).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// Every record of the fixtures' log files by account and id, read the plain way.
fn fixtures() -> BTreeMap<(String, String), Value> {
    let mut paths = Vec::new();
    files(&root().join("fixtures/archive"), &mut paths);
    let mut records = BTreeMap::new();
    for path in paths.iter().filter(|path| path.to_string_lossy().contains("/CloudTrail/")) {
        let mut text = Vec::new();
        let file = std::fs::File::open(path).expect("a file");
        MultiGzDecoder::new(file).read_to_end(&mut text).expect("gzip");
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        for record in document["Records"].as_array().expect("records") {
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            records.insert((text("recipientAccountId"), text("eventID")), record.clone());
        }
    }
    records
}

fn printed(ran: &Ran) -> BTreeMap<(String, String), Value> {
    let mut records = BTreeMap::new();
    for line in ran.stdout.lines() {
        let record: Value = serde_json::from_str(line).expect("one record a line");
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let earlier = records.insert((text("recipientAccountId"), text("eventID")), record);
        assert_eq!(earlier, None, "every event once");
    }
    records
}

fn record(name: &str, id: u32, more: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","eventTime":"2026-10-01T10:{id:02}:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}","eventID":"id-{id}","recipientAccountId":"111122223333"{more}}}"#
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    std::fs::write(folder.join(name), encoder.finish().expect("memory takes it")).expect("a file");
}

#[test]
fn the_fixtures_give_what_a_plain_parse_gives() {
    let archive = root().join("fixtures/archive");
    let all = fixtures();
    assert_eq!(printed(&search(&archive, &[])), all);
    let mut each: Vec<&str> = all.values().filter_map(|record| record["eventName"].as_str()).collect();
    each.sort_unstable();
    each.dedup();
    let sets = each.iter().map(|name| vec![*name]).chain([MFA.to_vec(), each.clone(), vec!["NoSuchName"]]);
    for set in sets {
        let ran = search(&archive, &names(&set));
        let mut wanted = all.clone();
        wanted.retain(|_, record| record["eventName"].as_str().is_some_and(|name| set.contains(&name)));
        assert_eq!(printed(&ran), wanted, "{set:?}\n{}", ran.stderr);
        let found = if wanted.len() == 1 { "1 event found" } else { &format!("{} events found", wanted.len()) };
        assert!(ran.stderr.replace(',', "").contains(found), "{}", ran.stderr);
    }
}

#[test]
fn the_range_is_half_open_and_by_event_time() {
    let archive = root().join("fixtures/archive");
    let all = fixtures();
    let (from, to) = ("2026-10-05T00:00:00Z", "2026-10-12T00:00:00Z");
    let ran = search(&archive, &["--from", from, "--to", to]);
    let mut wanted = all.clone();
    wanted.retain(|_, record| record["eventTime"].as_str().is_some_and(|time| from <= time && time < to));
    assert!(!wanted.is_empty());
    assert_eq!(printed(&ran), wanted);
    let time = wanted.values().next().and_then(|record| record["eventTime"].as_str()).expect("a time").to_owned();
    let at = |arguments: &[&str]| printed(&search(&archive, arguments)).len();
    let same = all.values().filter(|record| record["eventTime"] == *time).count();
    assert_eq!(at(&["--from", &time]) + at(&["--to", &time]), all.len());
    assert!(same > 0 && at(&["--from", &time]) >= same);
}

#[test]
fn any_number_of_threads_prints_the_same_bytes() {
    let archive = root().join("fixtures/archive");
    let one = search(&archive, &["--threads", "1"]);
    assert!(!one.stdout.is_empty());
    for threads in ["2", "5"] {
        let more = search(&archive, &["--threads", threads]);
        assert_eq!((&one.stdout, &one.stderr, one.status), (&more.stdout, &more.stderr, more.status));
    }
}

#[test]
fn bytes_are_kept_and_line_breaks_are_not() {
    let home = tempfile::tempdir().expect("a folder");
    let odd = record("EnableMFADevice", 1, r#","n":12345678901234567890.10,"s":"a\nb \u003c","empty":{ }"#);
    write(home.path(), "a.json.gz", &format!("{{\n  \"Records\": [\r\n{}\n]\n}}\n", odd.replace(",\"", ",\r\n    \"")));
    let ran = search(home.path(), &names(&MFA));
    assert_eq!(ran.stdout, format!("{}\n", odd.replace(",\"", ",    \"")));
    // The same event in another object is printed once, of the object that comes first.
    write(home.path(), "b.json.gz", &format!(r#"{{"Records":[{},{}]}}"#, record("TagMFADevice", 2, ""), odd));
    let ran = search(home.path(), &names(&MFA));
    assert_eq!(ran.stdout, format!("{}\n{}\n", odd.replace(",\"", ",    \""), record("TagMFADevice", 2, "")));
    assert!(ran.stderr.contains("2 events found, 1 duplicate omitted"), "{}", ran.stderr);
    assert_eq!(ran.status, 0);
}

#[test]
fn what_could_not_be_read_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let whole = format!(r#"{{"Records":[{}]}}"#, record("EnableMFADevice", 1, ""));
    write(home.path(), "good.json.gz", &whole);
    write(home.path(), "cut.json.gz", &whole[..whole.len() - 2]);
    std::fs::write(home.path().join("plain.txt"), "no JSON").expect("a file");
    let ran = search(home.path(), &names(&MFA));
    assert_eq!((ran.status, ran.stdout.lines().count()), (3, 1));
    assert!(ran.stderr.contains("warning: cut.json.gz: document 1 is damaged at byte"), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: plain.txt: "), "{}", ran.stderr);
    let empty = tempfile::tempdir().expect("a folder");
    let ran = search(empty.path(), &[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("no object was read"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_is_told_before_any_work() {
    let archive = root().join("fixtures/archive");
    for (arguments, told) in [
        (&["--from", "2026-10-05", "--to", "2026-10-05"][..], "is not before `--to`"),
        (&["--event-name", ""], "`--event-name` is empty"),
        (&["--from", "tomorrow"], "`--from`: "),
        (&["--from", "2200-01-01"], "is in the future: now is "),
    ] {
        let ran = search(&archive, arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert_eq!(search(Path::new("no/such/folder"), &[]).status, 2);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let archive = root().join("fixtures/archive");
    for format in
        [&[][..], &["--format", "csv"], &["--format", "table"], &["--fields", "eventTime", "--format", "json"]]
    {
        let mut command = mfatrail();
        command.arg("search").arg(&archive).args(format);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        drop(child.stdout.take());
        let ran = child.wait_with_output().expect("it ends");
        assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()), (Some(0), ""), "{format:?}");
    }
}

/// Runs it with arguments that are separated by spaces.
fn ran(source: &Path, arguments: &str) -> Ran {
    search(source, &arguments.split_whitespace().collect::<Vec<_>>())
}

fn at<'v>(record: &'v Value, pointer: &str) -> &'v str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| key.contains(text) || holds(value, text)),
        Value::Array(elements) => elements.iter().any(|value| holds(value, text)),
        Value::String(string) => string.contains(text),
        Value::Number(number) => !number.is_f64() && number.to_string().contains(text),
        Value::Bool(_) | Value::Null => false,
    }
}

fn failed(record: &Value) -> bool {
    !at(record, "/errorCode").is_empty() || at(record, "/responseElements/ConsoleLogin") == "Failure"
}

fn reads(record: &Value) -> bool {
    record["readOnly"].as_bool().expect("the fixtures tell")
}

type Wanted = Box<dyn Fn(&Value) -> bool>;

/// Arguments, and what they stand for, written down once more.
fn filters() -> Vec<(&'static str, Wanted)> {
    let is =
        |pointer: &'static str, value: &'static str| -> Wanted { Box::new(move |record| at(record, pointer) == value) };
    let user = |name: &'static str| -> Wanted {
        Box::new(move |record| {
            at(record, "/userIdentity/userName") == name
                || at(record, "/requestParameters/userName") == name
                || at(record, "/userIdentity/principalId").ends_with(&format!(":{name}"))
                || at(record, "/userIdentity/arn").ends_with(&format!(":user/{name}"))
        })
    };
    let role = |record: &Value| {
        at(record, "/userIdentity/arn").contains(":assumed-role/SecurityResponder/")
            || at(record, "/requestParameters/roleArn").ends_with("/SecurityResponder")
    };
    vec![
        ("--event-source iam", is("/eventSource", "iam.amazonaws.com")),
        ("--event-source iam.amazonaws.com", is("/eventSource", "iam.amazonaws.com")),
        ("--event-source s*", Box::new(|record| at(record, "/eventSource").starts_with('s'))),
        (
            "--event-name *User --event-name ?onsoleLogin",
            Box::new(|record| at(record, "/eventName").ends_with("User") || at(record, "/eventName") == "ConsoleLogin"),
        ),
        ("--user felix.moreau", user("felix.moreau")),
        ("--user ada.brook", user("ada.brook")),
        (
            "--user root",
            Box::new(|record| {
                at(record, "/userIdentity/type") == "Root"
                    && record.pointer("/userIdentity/sessionContext/assumedRoot").is_none()
                    || at(record, "/requestParameters/userName") == "AWS ROOT USER"
            }),
        ),
        ("--role SecurityResponder", Box::new(role)),
        (
            "--role arn:aws:iam::111122223333:role/SecurityResponder",
            Box::new(move |record| {
                role(record) && holds(record, "arn:aws:sts::111122223333:assumed-role/SecurityResponder/sec.ito")
            }),
        ),
        ("--ip 198.51.100.98", is("/sourceIPAddress", "198.51.100.98")),
        ("--ip 203.0.113.0/24", Box::new(|record| at(record, "/sourceIPAddress").starts_with("203.0.113."))),
        ("--error any", Box::new(failed)),
        ("--error none", Box::new(|record| !failed(record))),
        ("--error Access*", Box::new(|record| at(record, "/errorCode").starts_with("Access"))),
        ("--read-only", Box::new(reads)),
        ("--writes", Box::new(|record| !reads(record))),
        (
            "--text arn:aws:iam::aws:policy/AWSDenyAll",
            Box::new(|record| holds(record, "arn:aws:iam::aws:policy/AWSDenyAll")),
        ),
        ("--text serialNumber", Box::new(|record| holds(record, "serialNumber"))),
        ("--text 900", Box::new(|record| holds(record, "900"))),
        ("--account 000123456789", is("/recipientAccountId", "000123456789")),
        ("--region us-east-1", is("/awsRegion", "us-east-1")),
    ]
}

#[test]
fn every_filter_gives_what_a_plain_parse_gives() {
    let archive = root().join("fixtures/archive");
    let all = fixtures();
    let check = |arguments: &str, wanted: &dyn Fn(&Value) -> bool, some: bool| {
        let ran = ran(&archive, arguments);
        let mut expected = all.clone();
        expected.retain(|_, record| wanted(record));
        assert_eq!(printed(&ran), expected, "{arguments}\n{}", ran.stderr);
        assert!(!some || !expected.is_empty() && expected.len() < all.len(), "{arguments}: {}", expected.len());
    };
    let filters = filters();
    for (arguments, wanted) in &filters {
        check(arguments, wanted, true);
    }
    // Any two of different kinds must both hold.
    let (first, second) = filters.split_at(10);
    for (one, other) in first.iter().zip(second) {
        check(&format!("{} {}", one.0, other.0), &|record| one.1(record) && other.1(record), false);
    }
    let keys: Vec<&str> = all.values().map(|record| at(record, "/userIdentity/accessKeyId")).collect();
    let ids: Vec<&str> = all.values().map(|record| at(record, "/userIdentity/principalId")).collect();
    for (kind, values, pointers) in [
        (
            "--access-key",
            keys,
            [
                "/userIdentity/accessKeyId",
                "/requestParameters/accessKeyId",
                "/responseElements/accessKey/accessKeyId",
                "/responseElements/credentials/accessKeyId",
            ],
        ),
        ("--principal-id", ids, ["/userIdentity/principalId"; 4]),
    ] {
        let mut values: Vec<&str> = values.into_iter().filter(|value| !value.is_empty()).collect();
        values.sort_unstable();
        values.dedup();
        for value in values.iter().step_by(values.len() / 7 + 1) {
            check(
                &format!("{kind} {value}"),
                &|record| pointers.iter().any(|pointer| at(record, pointer) == *value),
                true,
            );
        }
    }
}

#[test]
fn what_is_printed_can_be_chosen() {
    let archive = root().join("fixtures/archive");
    let deactivations = ran(&archive, "--event-name DeactivateMFADevice --sort");
    let times: Vec<String> = deactivations
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record")["eventTime"].to_string())
        .collect();
    assert!(times.is_sorted() && times.len() == 22, "{times:?}");
    assert!(!ran(&archive, "--event-name DeactivateMFADevice").stdout.is_empty());
    let two = ran(&archive, "--event-name DeactivateMFADevice --sort --limit 2");
    assert_eq!(two.stdout.lines().collect::<Vec<_>>(), deactivations.stdout.lines().take(2).collect::<Vec<_>>());
    assert!(two.stderr.contains("22 events found (2 printed)"), "{}", two.stderr);
    let fields = "--event-name *AttachUserPolicy --event-name DetachUserPolicy --sort --fields eventTime,requestParameters,errorCode";
    assert_eq!(
        ran(&archive, &format!("{fields} --format csv")).stdout,
        "eventTime,requestParameters,errorCode\n\
        2026-10-21T11:45:00Z,\"{\"\"userName\"\":\"\"lucas.ferri\"\",\"\"policyArn\"\":\"\"arn:aws:iam::aws:policy/AWSDenyAll\"\"}\",\n\
        2026-10-21T15:00:00Z,\"{\"\"userName\"\":\"\"lucas.ferri\"\",\"\"policyArn\"\":\"\"arn:aws:iam::aws:policy/AWSDenyAll\"\"}\",\n"
    );
    assert_eq!(
        ran(&archive, &format!("{fields} --format json --limit 1")).stdout,
        "{\"eventTime\":\"2026-10-21T11:45:00Z\",\"requestParameters\":{\"userName\":\"lucas.ferri\",\"policyArn\":\"arn:aws:iam::aws:policy/AWSDenyAll\"},\"errorCode\":null}\n"
    );
    let misspelt = ran(&archive, "--event-name DeactivateMFADevice --count-by userIdentity.nme,vpcEndpointId");
    assert_eq!(misspelt.stdout, "count  userIdentity.nme  vpcEndpointId\n22     -                 -\n");
    assert!(
        misspelt.stderr.starts_with("warning: no matching event has the field `userIdentity.nme`\n22 events found")
    );
    assert_eq!(
        ran(&archive, "--user lucas.ferri --event-name *MFADevice --count-by eventName,errorCode").stdout,
        "count  eventName               errorCode\n\
         1      CreateVirtualMFADevice  -\n\
         1      DeactivateMFADevice     -\n\
         1      DeleteVirtualMFADevice  -\n\
         1      EnableMFADevice         -\n"
    );
}

/// A chain: alice's key takes a role, that session takes another, whose key changes on its way; and what is not hers.
fn chain(folder: &Path) {
    let call = |id: u32, name: &str, identity: &str, more: &str| {
        record(name, id, &format!(r#","userIdentity":{identity}{more}"#))
    };
    let begun = |minute: u32| {
        format!(r#""sessionContext":{{"attributes":{{"creationDate":"2026-10-01T10:{minute:02}:02Z"}}}}"#)
    };
    let credentials = |key: &str, id: &str| {
        format!(
            r#","responseElements":{{"credentials":{{"accessKeyId":"{key}"}},"assumedRoleUser":{{"assumedRoleId":"{id}"}}}}"#
        )
    };
    let alice = r#"{"type":"IAMUser","userName":"alice","accessKeyId":"AKIAEXAMPLEALICE"}"#;
    let session = |key: &str, id: &str, minute| {
        format!(r#"{{"type":"AssumedRole","principalId":"{id}","accessKeyId":"{key}",{}}}"#, begun(minute))
    };
    let (one, two) = (session("ASIAEXAMPLEONE", "AROAONE:build", 2), session("ASIAEXAMPLETWO", "AROATWO:deploy", 4));
    let refreshed = session("ASIAEXAMPLENEW", "AROATWO:deploy", 4);
    let other = session("ASIAEXAMPLEOTHER", "AROATWO:deploy", 30);
    let calls = [
        call(1, "ListUsers", alice, ""),
        call(2, "AssumeRole", alice, &credentials("ASIAEXAMPLEONE", "AROAONE:build")),
        call(3, "DeleteUser", &one, ""),
        call(4, "AssumeRole", &one, &credentials("ASIAEXAMPLETWO", "AROATWO:deploy")),
        call(5, "DeleteUser", &two, ""),
        call(6, "DeleteRole", &refreshed, ""),
        call(7, "DeleteUser", &other, ""),
        call(
            8,
            "AssumeRole",
            alice,
            &format!(r#","errorCode":"AccessDenied"{}"#, credentials("ASIAEXAMPLEOTHER", "AROATWO:deploy")),
        ),
    ];
    // In an order that is not that of time, and some of it twice.
    let document = |numbers: &[usize]| {
        let calls: Vec<&str> = numbers.iter().map(|number| calls[number - 1].as_str()).collect();
        format!(r#"{{"Records":[{}]}}"#, calls.join(","))
    };
    write(folder, "a.json.gz", &document(&[6, 5, 7]));
    write(folder, "b.json.gz", &document(&[4, 2, 8, 5]));
    write(folder, "c.json.gz", &document(&[3, 1]));
}

#[test]
fn sessions_are_followed_to_the_last() {
    let home = tempfile::tempdir().expect("a folder");
    chain(home.path());
    let ids = |arguments: &str| {
        let ran = ran(home.path(), arguments);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let id =
            |line: &str| serde_json::from_str::<Value>(line).expect("a record")["eventID"].as_str().map(str::to_owned);
        (ran.stdout.lines().map(|line| id(line).expect("an id")).collect::<Vec<_>>().join(" "), ran.stderr)
    };
    for who in ["--user alice", "--access-key AKIAEXAMPLEALICE", "--user alice --threads 1"] {
        let (found, told) = ids(&format!("{who} --follow"));
        assert_eq!(found, "id-1 id-2 id-3 id-4 id-5 id-6 id-8", "{who}");
        assert!(
            told.contains("7 events found, 1 duplicate omitted, 2 sessions, keys and users followed in 1 more pass; 3 of 3 objects"),
            "{told}"
        );
    }
    assert_eq!(ids("--user alice --sort").0, "id-1 id-2 id-8");
    // Other filters choose what is shown, not what is followed; the range bounds both.
    assert_eq!(ids("--user alice --follow --event-name Delete*").0, "id-3 id-5 id-6");
    assert_eq!(ids("--user alice --follow --error any").0, "id-8");
    assert_eq!(ids("--user alice --follow --to 2026-10-01T10:04:00Z").0, "id-1 id-2 id-3");
    assert_eq!(ids("--principal-id AROAONE --follow").0, "id-3 id-4 id-5 id-6");
    // Found as it was made, too.
    assert_eq!(ids("--access-key ASIAEXAMPLETWO --follow").0, "id-4 id-5 id-6");
    assert_eq!(ids("--access-key ASIAEXAMPLETWO").0, "id-5 id-4");
    let counted = ran(home.path(), "--user alice --follow --count-by eventName --format csv");
    assert_eq!(counted.stdout, "count,eventName\n3,AssumeRole\n2,DeleteUser\n1,DeleteRole\n1,ListUsers\n");
}

#[test]
fn a_wrong_filter_is_told_before_any_work() {
    let archive = root().join("fixtures/archive");
    for (arguments, told) in [
        (
            "--ip 192.0.2.0/33",
            "error: `--ip`: `192.0.2.0/33` is neither an address nor a range\n  hint: write it like 192.0.2.7, ",
        ),
        (
            "--event-name Delete[A-Z]*",
            "`--event-name`: `Delete[A-Z]*` is not a pattern\n  hint: `*` matches any characters",
        ),
        (
            "--fields eventTime,eventname",
            "`--fields`: `eventname`: no record has `eventname`\n  hint: did you mean eventName?",
        ),
        (
            "--count-by sourceIpAddres",
            "`--count-by`: `sourceIpAddres`: no record has `sourceIpAddres`\n  hint: did you mean sourceIPAddress?",
        ),
        ("--role arn:aws:iam::111122223333:user/x", "is not the ARN of a role\n  hint: "),
        ("--access-key AKIA,ASIA", "is not an access key ID\n  hint: "),
        ("--follow", "`--follow` needs somebody to follow\n  hint: add --user"),
        ("--follow --ip 192.0.2.7", "`--follow` needs somebody to follow"),
        ("--read-only --writes", "cannot be used with"),
        ("--fields eventTime --count-by eventTime", "cannot be used with"),
        ("--format xml", "invalid value 'xml'"),
        ("--limit=-1", "--limit"),
    ] {
        let ran = ran(&archive, arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments}");
        assert!(ran.stderr.contains(told), "{arguments}: {}", ran.stderr);
    }
    let ran = ran(Path::new("-"), "--user alice --follow");
    assert_eq!(ran.status, 2);
    assert!(
        ran.stderr.contains("`--follow` reads the source more than once, which `-` does not allow\n  hint: "),
        "{}",
        ran.stderr
    );
}

/// An archive of one account with a record of IAM in each of some regions, delivered on one day.
fn regions(day: &str, regions: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    for (index, region) in regions.iter().enumerate() {
        let folder = home.path().join(format!("AWSLogs/111122223333/CloudTrail/{region}/{day}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let time = format!("{}T10:0{index}:00Z", day.replace('/', "-"));
        let record = record("GetUser", u32::try_from(index).expect("few"), &format!(r#","awsRegion":"{region}""#));
        let at = record.find("2026-10-01T").expect("a time");
        let record = record.replace(&record[at..at + time.len()], &time);
        write(&folder, "a.json.gz", &format!(r#"{{"Records":[{record}]}}"#));
    }
    home
}

#[test]
fn a_search_for_iam_reads_only_the_region_that_records_iam_and_says_so() {
    const NOTE: &str = "note: reading only the region that records IAM events";
    let iam = ["--event-source", "iam"];
    for (listed, wanted) in [
        (&["us-east-1", "eu-west-1"][..], 1),
        (&["us-gov-west-1", "us-gov-east-1"], 1),
        (&["cn-north-1", "cn-northwest-1"], 1),
        (&["eusc-de-east-1"], 1),
        (&["us-iso-east-1", "us-iso-west-1"], 1),
        (&["us-isob-east-1", "us-isob-west-1"], 1),
        // Of other partitions it is not known where IAM is.
        (&["eu-isoe-west-1"], 1),
        (&["us-isof-south-1", "us-isof-east-1"], 2),
        // IAM's region is not there at all: nothing read is not nothing found.
        (&["eu-west-1", "ap-south-1"], 0),
    ] {
        let home = regions("2026/10/01", listed);
        let found = |more: &[&str]| {
            let ran = search(home.path(), &[&iam[..], more].concat());
            (ran.stdout.lines().count(), ran.stderr.contains(NOTE), ran.status)
        };
        let status = if wanted == 0 { 3 } else { 0 };
        assert_eq!(found(&["--from", "2026-09-01"]), (wanted, true, status), "{listed:?}");
        assert_eq!(found(&["--from", "2021-11-23", "--event-name", "GetUser"]), (wanted, true, status), "{listed:?}");
        for more in [
            &["--from", "2026-09-01", "--all-regions"][..],
            &["--from", "2021-11-22"],
            &["--to", "2026-11-01"],
            &["--from", "2026-09-01", "--event-source", "sts"],
        ] {
            assert_eq!(found(more), (listed.len(), false, 0), "{listed:?} {more:?}");
        }
        let one = found(&["--from", "2026-09-01", "--region", listed[listed.len() - 1]]);
        assert_eq!(one, (1, false, 0), "{listed:?}");
    }
    let home = regions("2026/10/01", &["us-east-1", "eu-west-1"]);
    for filter in [["--event-source", "iam*"], ["--event-name", "GetUser"], ["--user", "alice"]] {
        let ran = search(home.path(), &[&filter[..], &["--from", "2026-09-01"]].concat());
        assert!(!ran.stderr.contains(NOTE) && ran.stderr.contains("2 of 2 objects read"), "{filter:?}: {}", ran.stderr);
    }
}

#[test]
fn of_seventeen_regions_one_is_read_and_the_others_are_named() {
    const REGIONS: [&str; 17] = [
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "eu-central-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "eu-north-1",
        "ap-south-1",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-southeast-1",
        "ap-southeast-2",
        "sa-east-1",
    ];
    let home = tempfile::tempdir().expect("a folder");
    let mut id = 0;
    let mut object = |account: &str, region: &str, day: &str, source: &str| {
        let folder = home.path().join(format!("AWSLogs/{account}/CloudTrail/{region}/{day}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        for number in 0..3 {
            id += 1;
            let more = format!(r#","awsRegion":"{region}","recipientAccountId":"{account}""#);
            let record = record("GetUser", id, &more).replace("iam.amazonaws.com", source);
            write(&folder, &format!("{number}.json.gz"), &format!(r#"{{"Records":[{record}]}}"#));
        }
    };
    for region in REGIONS {
        let source = if region == "us-east-1" { "iam.amazonaws.com" } else { "ec2.amazonaws.com" };
        object("111122223333", region, "2026/10/01", source);
    }
    let since = ["--event-source", "iam", "--from", "2026-09-01"];
    let check = |run: &dyn Fn(&[&str]) -> Ran, read: &dyn Fn() -> usize| {
        let before = read();
        let pruned = run(&since);
        let between = read();
        let all = run(&[&since[..], &["--all-regions"]].concat());
        assert_eq!((pruned.status, all.status), (0, 0), "{}", pruned.stderr);
        assert_eq!((&pruned.stdout, pruned.stdout.lines().count()), (&all.stdout, 3));
        assert!(pruned.stderr.contains("3 of 3 objects read"), "{}", pruned.stderr);
        assert!(all.stderr.contains("51 of 51 objects read"), "{}", all.stderr);
        assert!(pruned.stderr.contains("16 other regions were passed over") && pruned.stderr.contains("sa-east-1"));
        assert!(!pruned.stderr.contains("single region"), "{}", pruned.stderr);
        (between - before, read() - between)
    };
    check(&|more| search(home.path(), more), &|| 0);
    let server = Faulty::start(objects(home.path()), Plan::default());
    let gets = || server.log().iter().filter(|request| request.operation == "GetObject").count();
    let from_s3 = |more: &[&str]| {
        let mut command = mfatrail();
        command.env("AWS_ENDPOINT_URL", &server.endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "example");
        command.args(["search", "s3://trail"]).args(more).output().expect("it runs").into()
    };
    assert_eq!(check(&from_s3, &gets), (3, 51), "a seventeenth of the objects");

    // An account whose trail is of another region has nothing of IAM, which is not that nothing happened.
    object("444455556666", "eu-west-1", "2026/10/01", "ec2.amazonaws.com");
    let ran = search(home.path(), &since);
    assert!(ran.stderr.contains("warning: nothing of IAM's region is there of 444455556666: "), "{}", ran.stderr);
    // Before IAM moved, its events are wherever the trail was: everything is read.
    object("777788889999", "eu-west-1", "2021/11/01", "iam.amazonaws.com");
    let ran = search(home.path(), &["--event-source", "iam", "--from", "2021-10-01", "--account", "777788889999"]);
    assert!(!ran.stderr.contains("passed over") && ran.stderr.contains("3 of 3 objects read"), "{}", ran.stderr);
}

#[test]
fn a_services_name_is_no_address() {
    let home = tempfile::tempdir().expect("a folder");
    let record = |id: u32, address: &str| record("GetUser", id, &format!(r#","sourceIPAddress":"{address}""#));
    let records = [
        record(1, "192.0.2.7"),
        record(2, "::ffff:192.0.2.7"),
        record(3, "192.0.2.7:443"),
        record(4, "AWS Internal"),
        record(5, "cloudformation.amazonaws.com"),
        record(6, "2001:DB8::7"),
        record(7, "[2001:db8::7]:443"),
    ];
    write(home.path(), "a.json", &format!(r#"{{"Records":[{}]}}"#, records.join(",")));
    for (range, count) in [
        ("192.0.2.7", 3),
        ("192.0.2.0/24", 3),
        ("::ffff:192.0.2.7", 3),
        ("0.0.0.0/0", 3),
        ("2001:db8::7", 2),
        ("2001:0db8:0:0::/64", 2),
        ("::/0", 2),
    ] {
        let ran = search(home.path(), &["--ip", range]);
        assert_eq!((ran.status, ran.stdout.lines().count()), (0, count), "{range}: {}", ran.stderr);
    }
    for name in ["AWS Internal", "cloudformation.amazonaws.com", "ec2.amazonaws.com.cn", "sts.c2s.ic.gov"] {
        let ran = search(home.path(), &["--ip", name]);
        assert_eq!(ran.status, 2);
        assert!(ran.stderr.contains("is the name of a service") && ran.stderr.contains("--text"), "{}", ran.stderr);
    }
}
