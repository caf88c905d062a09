//! The policy of `docs/iam-policy.json` against the calls that are really made: enough, no more than that, and nothing in
//! it that writes. (`tests/it/faults.rs` counts the calls to S3.)

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::run::{Ran, mfatrail, root};

fn allowed() -> BTreeSet<String> {
    actions(&fs::read(root().join("docs/iam-policy.json")).unwrap())
}

fn actions(policy: &[u8]) -> BTreeSet<String> {
    let policy: Value = serde_json::from_slice(policy).unwrap();
    let mut actions = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        match &statement["Action"] {
            Value::Array(list) => actions.extend(list.iter().map(|action| action.as_str().unwrap().to_owned())),
            one => actions.extend(one.as_str().map(str::to_owned)),
        }
    }
    actions
}

/// Passes everything on to a server, and keeps what clients sent.
fn overheard(server: &str) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (server, kept) = (server.trim_start_matches("http://").to_owned(), Arc::clone(&heard));
    // Ends with the test process.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut upstream) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (mut back, mut answers) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || {
                let _ended = std::io::copy(&mut answers, &mut back);
                let _ended = back.shutdown(Shutdown::Both);
            });
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                let mut buffer = [0; 1 << 14];
                while let Ok(length) = client.read(&mut buffer) {
                    kept.lock().unwrap().extend_from_slice(&buffer[..length]);
                    if length == 0 || upstream.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                let _ended = upstream.shutdown(Shutdown::Write);
            });
        }
    });
    (endpoint, heard)
}

/// The query protocol names the call in the request's body.
fn calls(heard: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(heard);
    let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    text.split("Action=").skip(1).map(name).collect()
}

#[test]
fn the_document_allows_what_generate_prints() {
    let command = ["report", "s3://trail-bucket", "--month", "2026-10", "--iam", "live", "--iam-role", "Auditor"];
    let printed = ["caller", "iam-role"].map(|whose| {
        let key = "arn:aws:kms:us-east-1:111122223333:key/the-key-of-the-trail";
        let before = ["generate", "iam-policy", "--kms-key", key, "--of", whose, "--"];
        let ran = Ran::from(mfatrail().args(before).args(command).output().unwrap());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        actions(ran.stdout.as_bytes())
    });
    assert_eq!(printed.into_iter().flatten().collect::<BTreeSet<_>>(), allowed());
}

/// Whether a file may be read by whom a new file may.
#[cfg(unix)]
fn follows_the_umask(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
    let new = file.with_extension("new");
    fs::write(&new, "").unwrap();
    assert_eq!(mode(file), mode(&new));
}

#[cfg(not(unix))]
fn follows_the_umask(_file: &std::path::Path) {}

#[test]
fn the_policy_allows_nothing_else_and_nothing_that_writes() {
    let source = fs::read_to_string(root().join("src/inventory/live.rs")).unwrap();
    let code = source.split("#[cfg(test)]").next().unwrap();
    let method = |action: &str| {
        let mut name = String::new();
        for c in action.replace("MFA", "Mfa").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    };
    for action in allowed() {
        let (service, name) = action.split_once(':').unwrap();
        // A report is made so that it can be read; a role is assumed, and a key used, for reading.
        let reads = ["Get", "List"].iter().any(|verb| name.starts_with(verb));
        assert!(reads || ["GenerateCredentialReport", "AssumeRole", "Decrypt"].contains(&name), "{action} writes");
        if service == "iam" {
            assert!(code.contains(&format!(".{}()", method(name))), "{action} is allowed, and never called");
        }
    }
    let help: Ran = mfatrail().args(["iam", "snapshot", "--help"]).output().unwrap().into();
    for action in allowed().iter().filter(|action| action.starts_with("iam:")) {
        assert!(help.stdout.contains(action.as_str()), "{action} is not in the help");
    }
}

/// With moto, which comes from PyPI.
mod online {
    use super::*;
    use crate::support::moto;

    #[test]
    fn the_policy_allows_every_call_that_is_made() {
        let server = moto::Moto::start();
        for name in ["alice", "bob"] {
            server.iam(&format!("Action=CreateUser&Version=2010-05-08&UserName={name}"));
        }
        server.iam("Action=CreateLoginProfile&Version=2010-05-08&UserName=alice&Password=an-example-of-one");
        server.iam("Action=CreateVirtualMFADevice&Version=2010-05-08&VirtualMFADeviceName=alice");
        let serial = "arn:aws:iam::123456789012:mfa/alice";
        server.iam(&format!(
            "Action=EnableMFADevice&Version=2010-05-08&UserName=alice&SerialNumber={serial}&AuthenticationCode1=123456&AuthenticationCode2=234567"
        ));
        let (endpoint, heard) = overheard(&server.endpoint());
        let home = tempfile::tempdir().unwrap();
        let snapshot = |more: &[&str]| -> Ran {
            let mut command = mfatrail();
            command
                .env("AWS_ENDPOINT_URL", &endpoint)
                .env("AWS_ACCESS_KEY_ID", "testing")
                .env("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret")
                .env("AWS_REGION", "us-east-1")
                .env("RUST_LOG", "trace");
            command
                .args(["iam", "snapshot", "--out"])
                .arg(home.path().join("iam.json"))
                .args(more)
                .output()
                .unwrap()
                .into()
        };
        let own = snapshot(&[]);
        assert!(matches!(own.status, 0 | 3), "{}", own.stderr);
        follows_the_umask(&home.path().join("iam.json"));
        let foreign = snapshot(&["--iam-role", "Auditor", "--account", "444455556666"]);
        assert!(matches!(foreign.status, 0 | 3), "{}", foreign.stderr);
        let made = calls(&heard.lock().unwrap());
        assert!(made.contains("AssumeRole") && made.contains("ListMFADevices"), "{made:?}");
        let allowed = allowed();
        for call in &made {
            let service = if call == "AssumeRole" { "sts" } else { "iam" };
            assert!(allowed.contains(&format!("{service}:{call}")), "{call} is made, and the policy lacks it");
        }
        // What the role's credentials are is for nobody's log.
        for log in [&own.stderr, &foreign.stderr] {
            assert!(log.len() > 10_000, "there is a log: {log}");
            let told: Vec<&str> = log
                .lines()
                .filter(|line| {
                    line.contains("an-example-of-a-secret")
                        || line.contains("<SecretAccessKey>")
                        || line.contains("<SessionToken>")
                })
                .collect();
            assert!(told.is_empty(), "{}", told[0]);
        }
    }
}
