//! What others make of what is sent: PagerDuty's published document behind Prism, and Slack's own types of blocks. Both come from npm.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mfatrail::alert::Outcome;
use mfatrail::http::{Client, Request};
use mfatrail::incident::{State, Transition};
use serde_json::json;

use super::{PAGERDUTY, SLACK_BOT, alert, fact, insist, open, opened, resolved};
use crate::standin::StandIn;
use crate::support::run::{Background, HANG};
use crate::support::venv;

const PRISM: &str = "@stoplight/prism-cli@5.16.0";
const TYPES: [&str; 2] = ["@slack/types@3.2.0", "typescript@5.9.3"];

/// Packages of npm, installed once by whichever test process comes first.
fn modules(name: &str, packages: &[&str]) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&home).unwrap();
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    let (done, wanted) = (home.join("complete"), packages.join(" "));
    if !fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        fs::write(home.join("package.json"), "{\"private\": true}").unwrap();
        let options = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-timeout=60000"];
        venv::run(Command::new("npm").args(options).args(packages).current_dir(&home));
        fs::write(done, wanted).unwrap();
    }
    home
}

fn prism(document: &str) -> (Background, String) {
    let home = modules("prism", &[PRISM]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("node");
    command.arg(home.join("node_modules/@stoplight/prism-cli/dist/index.js")).args([
        "mock",
        "--errors",
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        document,
    ]);
    let server = Background::start(&mut command);
    let start = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < HANG, "Prism did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    (server, format!("http://127.0.0.1:{port}"))
}

/// Passes requests below `/v2` on to Prism, whose paths have no such beginning, and makes its made-up answer one to this event.
struct Proxy {
    prism: String,
    /// The status of each answer.
    statuses: Vec<u16>,
}

impl crate::standin::Api for Proxy {
    fn answer(&mut self, request: &crate::standin::Request) -> crate::standin::Answer {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.prism.trim_start_matches("http://")).unwrap();
        let path = request.path.trim_start_matches("/v2");
        let head = format!(
            "{} {path} HTTP/1.0\r\nHost: prism\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            request.method,
            request.header("content-type"),
            request.body.len()
        );
        stream.write_all(&[head.as_bytes(), &request.body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        self.statuses.push(status);
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        if status != 202 {
            return crate::standin::Answer::text(status, body);
        }
        // Prism gives the document's example: the key of another event.
        let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["dedup_key"] = request.json().unwrap()["dedup_key"].clone();
        crate::standin::Answer::json(status, &body)
    }
}

#[test]
fn pagerduty_s_published_document_allows_every_event() {
    let Ok(document) = std::env::var("PAGERDUTY_OPENAPI") else {
        eprintln!(
            "NOT RUN: PAGERDUTY_OPENAPI does not name PagerDuty's OpenAPI document of the Events API v2 \
             (reference/events-v2/openapiv3.json of PagerDuty/api-schema)"
        );
        return;
    };
    let (_server, prism) = prism(&document);
    let proxy = StandIn::start(Proxy { prism, statuses: Vec::new() });
    let folder = tempfile::tempdir().unwrap();
    let mut channel = open("pagerduty", &(PAGERDUTY.settings)(&proxy.url, folder.path()));
    let hostile = {
        let mut alert = opened();
        alert.text.title = "😀<!channel>\u{202e}".repeat(5000);
        alert.text.facts = (0..200).map(|n| fact(&format!("fact {n}"), &"\\\"".repeat(5000))).collect();
        alert
    };
    for alert in [
        opened(),
        alert(2, Transition::Updated, State::Acknowledged),
        resolved(),
        alert(3, Transition::Withdrawn, State::Withdrawn),
        hostile,
    ] {
        let outcomes = insist(channel.as_mut(), &alert, None);
        assert!(matches!(outcomes[..], [Outcome::Delivered { .. }]), "{:?}: {outcomes:?}", alert.transition);
    }
    proxy.with(|proxy| assert_eq!(proxy.statuses, [202; 6]));
    // The document can refuse.
    let event = json!({
        "routing_key": "x", "event_action": "trigger", "dedup_key": "x",
        "payload": {"summary": "x", "source": "x", "severity": "very bad"},
    });
    let client = Client::new(Duration::from_secs(10)).unwrap();
    let refused = client.send(&Request {
        method: "POST".parse().unwrap(),
        url: format!("{}/v2/enqueue", proxy.url),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: event.to_string().into_bytes(),
    });
    assert!(matches!(refused, Ok(answer) if (400..500).contains(&answer.status)));
}

#[test]
fn slack_s_own_types_allow_the_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start((SLACK_BOT.fresh)());
    let mut channel = open("slack", &(SLACK_BOT.settings)(&server.url, folder.path()));
    let mut long = alert(2, Transition::Updated, State::Open);
    long.test = true;
    long.text.facts = (0..200).map(|n| fact(&format!("fact {n}"), &"*x* <!here>".repeat(1000))).collect();
    let place = super::reference(&insist(channel.as_mut(), &opened(), None)[0]);
    insist(channel.as_mut(), &long, place.as_deref());
    let home = modules("slack-types", &TYPES);
    let blocks: Vec<String> =
        server.requests().iter().map(|request| request.json().unwrap()["blocks"].to_string()).collect();
    assert_eq!(blocks.len(), 3);
    let check = |name: &str, blocks: &[String]| {
        let text = format!(
            "import type {{ KnownBlock }} from \"@slack/types\";\nexport const all: KnownBlock[][] = [{}];\n",
            blocks.join(",\n")
        );
        fs::write(home.join(name), text).unwrap();
        let tsc = home.join("node_modules/typescript/bin/tsc");
        Command::new("node")
            .arg(tsc)
            .args(["--noEmit", "--strict", "--skipLibCheck", name])
            .current_dir(&home)
            .output()
            .unwrap()
    };
    let right = check("right.ts", &blocks);
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stdout));
    // The check can fail.
    let wrong = check("wrong.ts", &[blocks[0].replace("rich_text_section", "rich_text_sektion")]);
    assert!(!wrong.status.success());
}
