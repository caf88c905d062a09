//! What a question to a large store costs: `cargo bench --bench history -- DIR [--events N]`.
//!
//! Writes an archive of ten years of nothing but MFA (a million events, five thousand users in twenty accounts), scans it into
//! `DIR/store` with the program itself, and asks: each question is a whole run of the program. What is in `DIR` already is
//! used again. Without arguments a small one checks itself.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by a panic")]
#![allow(clippy::print_stdout, reason = "what it measured")]

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

const DAYS: usize = 3650;
const USERS: usize = 5000;
const ACCOUNTS: usize = 20;
const STEPS: [(&str, &str); 5] = [
    ("iam.amazonaws.com", "CreateVirtualMFADevice"),
    ("iam.amazonaws.com", "EnableMFADevice"),
    ("sts.amazonaws.com", "GetSessionToken"),
    ("iam.amazonaws.com", "DeactivateMFADevice"),
    ("iam.amazonaws.com", "DeleteVirtualMFADevice"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench" && argument != "--test");
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        let folder = tempfile::tempdir()?;
        return measure(folder.path(), 4000);
    };
    let events = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--events"), Some(number)) => number.replace('_', "").parse()?,
        (None, None) => 1_000_000,
        _ => return Err("usage: cargo bench --bench history -- DIR [--events N]".into()),
    };
    measure(&folder, events)
}

fn measure(folder: &Path, events: usize) -> Result<(), Box<dyn Error>> {
    let (archive, store) = (folder.join("archive"), folder.join("store"));
    if !archive.exists() {
        write(&archive, events)?;
    }
    if !store.exists() {
        let begun = Instant::now();
        ask(&["scan".as_ref(), archive.as_os_str(), "--store".as_ref(), store.as_os_str()])?;
        println!("scan: {:.1} s", begun.elapsed().as_secs_f64());
    }
    let (user, device) = (user(USERS / 2), "user-2500-1");
    let questions: [(&str, &[&str]); 9] = [
        ("a user", &["--user", &user]),
        ("a user's devices", &["--user", &user, "--spans"]),
        ("a device", &["--device", device]),
        ("a user at a moment", &["--user", &user, "--as-of", "2021-06-01"]),
        ("deactivations of a day", &["--event", "DeactivateMFADevice", "--from", "2021-06-01", "--to", "2021-06-02"]),
        ("deactivations of a month", &["--event", "DeactivateMFADevice", "--from", "2021-06-01", "--to", "2021-07-01"]),
        ("an actor", &["--actor", "helpdesk-7"]),
        ("SQL, counting", &["--sql", "SELECT event_name, count(*) AS n FROM events GROUP BY event_name ORDER BY n"]),
        ("everything", &[]),
    ];
    for (name, question) in questions {
        let arguments = ["history", "--format", "ndjson", "--store"].map(AsRef::as_ref).into_iter();
        let arguments: Vec<_> =
            arguments.chain([store.as_os_str()]).chain(question.iter().map(AsRef::as_ref)).collect();
        let begun = Instant::now();
        let output = ask(&arguments)?;
        let rows = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        println!("{name}: {rows} rows in {:.2} s", begun.elapsed().as_secs_f64());
        assert!(rows > 0 || events < USERS * 5, "{name}: no answer");
        if name == "everything" {
            // Sign-ins and session tokens are no lifecycle events.
            assert_eq!(rows, events - (0..events).filter(|event| step(*event) == 2).count());
        }
    }
    Ok(())
}

fn ask(arguments: &[&std::ffi::OsStr]) -> Result<Output, Box<dyn Error>> {
    let output = Command::new(env!("CARGO_BIN_EXE_mfatrail")).args(arguments).output()?;
    if output.status.success() { Ok(output) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

/// How far its user is: events of one follow each other in the order of the steps, and not all are at the same.
fn turn(event: usize) -> usize {
    event / USERS + event % USERS % STEPS.len()
}

fn step(event: usize) -> usize {
    turn(event) % STEPS.len()
}

fn write(archive: &Path, events: usize) -> Result<(), Box<dyn Error>> {
    let first: DateTime<Utc> = "2016-11-01T00:00:00Z".parse()?;
    let seconds = i64::try_from(DAYS * 86_400)?;
    let mut day = None;
    let mut records: Vec<String> = Vec::new();
    for event in 0..events {
        let at = first + TimeDelta::seconds(seconds * i64::try_from(event)? / i64::try_from(events)?);
        if day != Some(at.date_naive()) {
            object(archive, day, &mut records)?;
            day = Some(at.date_naive());
        }
        records.push(record(event, at));
    }
    object(archive, day, &mut records)
}

fn object(archive: &Path, day: Option<chrono::NaiveDate>, records: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    let Some(day) = day else { return Ok(()) };
    let folder = archive.join(format!("AWSLogs/100000000000/CloudTrail/us-east-1/{}", day.format("%Y/%m/%d")));
    fs::create_dir_all(&folder)?;
    let name = format!("100000000000_CloudTrail_us-east-1_{}T2359Z_HISTORY.json.gz", day.format("%Y%m%d"));
    let mut encoder = GzEncoder::new(fs::File::create(folder.join(name))?, Compression::fast());
    write!(encoder, "{{\"Records\":[{}]}}", records.join(","))?;
    encoder.finish()?;
    records.clear();
    Ok(())
}

fn record(event: usize, at: DateTime<Utc>) -> String {
    let number = event % USERS;
    let account = format!("1{:011}", number % ACCOUNTS);
    let (source, name) = STEPS[step(event)];
    let round = turn(event) / STEPS.len();
    let (user, id) = (user(number), format!("AIDA{number:016}"));
    let serial = format!("arn:aws:iam::{account}:mfa/{user}-{round}");
    let itself = format!(
        "{{\"type\":\"IAMUser\",\"principalId\":\"{id}\",\"arn\":\"arn:aws:iam::{account}:user/{user}\",\"accountId\":\"{account}\",\"userName\":\"{user}\"}}"
    );
    let helper = event % 50;
    let helpdesk = format!(
        "{{\"type\":\"AssumedRole\",\"principalId\":\"AROA{helper:016}:helpdesk-{helper}\",\"arn\":\"arn:aws:sts::{account}:assumed-role/HelpDesk/helpdesk-{helper}\",\"accountId\":\"{account}\"}}"
    );
    let (who, parameters) = match name {
        "CreateVirtualMFADevice" => (itself, format!("{{\"virtualMFADeviceName\":\"{user}-{round}\"}}")),
        "GetSessionToken" | "DeleteVirtualMFADevice" => (itself, format!("{{\"serialNumber\":\"{serial}\"}}")),
        "EnableMFADevice" => (itself, format!("{{\"userName\":\"{user}\",\"serialNumber\":\"{serial}\"}}")),
        _ => (helpdesk, format!("{{\"userName\":\"{user}\",\"serialNumber\":\"{serial}\"}}")),
    };
    let response = match name {
        "CreateVirtualMFADevice" => format!("{{\"virtualMFADevice\":{{\"serialNumber\":\"{serial}\"}}}}"),
        _ => "null".to_owned(),
    };
    format!(
        "{{\"eventVersion\":\"1.11\",\"userIdentity\":{who},\"eventTime\":\"{}\",\"eventSource\":\"{source}\",\"eventName\":\"{name}\",\"awsRegion\":\"us-east-1\",\"sourceIPAddress\":\"203.0.113.{}\",\"userAgent\":\"console.amazonaws.com\",\"requestParameters\":{parameters},\"responseElements\":{response},\"requestID\":\"r-{event}\",\"eventID\":\"{event:08x}-5bd1-4c6e-9a31-{:012x}\",\"readOnly\":false,\"eventType\":\"AwsApiCall\",\"managementEvent\":true,\"recipientAccountId\":\"{account}\",\"eventCategory\":\"Management\"}}",
        at.format("%Y-%m-%dT%H:%M:%SZ"),
        number % 250,
        event.wrapping_mul(2_654_435_761) % 0xffff_ffff_ffff,
    )
}
