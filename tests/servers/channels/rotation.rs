//! Secrets that are replaced while a watch runs: a channel that refuses has them read again, and not again and again.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{WEBHOOK, watch::configuration};
use crate::queue::{object, record};
use crate::standin::webhook::Webhook;
use crate::standin::{Answer, Api, Request, StandIn};
use crate::support::run::{HANG, end, mfatrail};

/// AWS Secrets Manager, with one secret.
struct Vault {
    text: String,
    /// How often it was asked for.
    asked: usize,
}

impl Api for Vault {
    fn answer(&mut self, request: &Request) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(request.header("x-amz-target"), "secretsmanager.GetSecretValue");
        assert_eq!(body, json!({"SecretId": "prod/soc"}));
        self.asked += 1;
        Answer::json(200, &json!({"Name": "prod/soc", "SecretString": self.text}))
    }
}

/// A watch of an archive that grows, and its receiver.
struct Stage {
    home: tempfile::TempDir,
    server: StandIn<Webhook>,
    vault: StandIn<Vault>,
    written: u32,
}

impl Stage {
    fn new(secret: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = StandIn::start((WEBHOOK.fresh)());
        let vault = StandIn::start(Vault { text: String::new(), asked: 0 });
        configuration(home.path(), &[("soc", "webhook", format!("url = \"{}/mfa\"\n{secret}", server.url))]);
        let config = fs::read_to_string(home.path().join("watch.toml")).unwrap();
        let line = config.lines().find(|line| line.starts_with("source")).unwrap();
        let config = config.replace(line, "source = \"archive\"\nevery = \"1s\"\ndays = 365");
        fs::write(home.path().join("watch.toml"), config).unwrap();
        fs::create_dir(home.path().join("archive")).unwrap();
        Self { home, server, vault, written: 0 }
    }

    fn start(&self) -> Child {
        let mut command = mfatrail();
        command
            .current_dir(self.home.path())
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.vault.url)
            .envs([("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing"), ("AWS_REGION", "us-east-1")])
            .args(["watch", "--config", "watch.toml", "--store", "store", "--from", "2026-10-01"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Both ends, or the receiver alone, have another secret.
    fn rotate(&self, text: &str, both: bool) {
        self.server.with(|hook| text.clone_into(&mut hook.secret));
        if both {
            fs::write(self.home.path().join("soc"), format!("{text}\n")).unwrap();
            self.vault.with(|vault| text.clone_into(&mut vault.text));
        }
    }

    /// Something more happens to Zoe's device.
    fn happens(&mut self, name: &str) {
        self.written += 1;
        let (id, time) = (format!("e-{}", self.written), format!("2026-10-05T{:02}:00:00Z", self.written));
        let place = self.home.path().join("archive").join(format!("{}.json", self.written));
        let draft = place.with_extension("draft");
        fs::write(&draft, object(&[record(&id, &time, name, "zoe")])).unwrap();
        fs::rename(draft, place).unwrap();
    }

    /// Waits until the receiver has had so many requests, and done so many of them.
    fn wait(&self, requests: usize, done: usize) {
        let begun = Instant::now();
        loop {
            // What it did is there before the request is.
            let had = self.server.requests().len();
            let count = (had, self.server.with(|hook| hook.done.len()));
            if count == (requests, done) {
                return;
            }
            assert!(count.0 <= requests && count.1 <= done, "{count:?} are more than {:?}", (requests, done));
            assert!(begun.elapsed() < HANG, "{count:?} of {:?}", (requests, done));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_secret_that_was_replaced_is_read_when_the_channel_refuses() {
    for (secret, in_aws) in [("secret = \"file:soc\"", false), ("secret = \"aws-sm:prod/soc\"", true)] {
        let mut stage = Stage::new(secret);
        stage.rotate("hunter2-the-first", true);
        stage.happens("EnableMFADevice");
        let child = stage.start();
        stage.happens("DeactivateMFADevice");
        stage.wait(1, 1);
        // Another one at both ends: the alert is refused once, and signed anew.
        stage.rotate("hunter2-the-second", true);
        stage.happens("EnableMFADevice");
        stage.wait(3, 2);
        // At the other end alone: each alert is refused once.
        stage.rotate("hunter2-the-third", false);
        stage.happens("DeactivateMFADevice");
        stage.wait(4, 2);
        stage.happens("EnableMFADevice");
        stage.wait(5, 2);
        std::thread::sleep(Duration::from_millis(500));
        stage.wait(5, 2);
        // AWS is asked at the start and once in two minutes.
        assert_eq!(stage.vault.with(|vault| vault.asked), if in_aws { 2 } else { 0 });
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let ran = end(child);
        assert_eq!(ran.stderr.matches("its secrets have changed").count(), 1, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("outcome=\"refused\"").count(), 2, "{}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}
