//! Through a proxy: channels by its tunnel, with its user and password, which are shown nowhere; AWS likewise.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::watch::configuration;
use super::{SECRET, WEBHOOK, secret};
use crate::standin::proxy::Proxy;
use crate::standin::webhook::Webhook;
use crate::standin::{Api, StandIn};
use crate::support::run::{Ran, mfatrail};

const USER: &str = "mfatrail:hunter2-of-the-proxy";

fn place<A: Api>(server: &StandIn<A>) -> SocketAddr {
    server.url.split_once("://").unwrap().1.parse().unwrap()
}

/// A receiver that only the proxy finds, and a home with a configuration of it.
struct Stage {
    home: tempfile::TempDir,
    server: StandIn<Webhook>,
    certificate: PathBuf,
    proxy: Proxy,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, certificate) = StandIn::start_tls((WEBHOOK.fresh)(), home.path());
        let names = ["soc.example.com:443", "aws.example.com:443", "trail-bucket.aws.example.com:443"];
        let proxy = Proxy::start(&names.map(|name| (name, place(&server))), USER);
        let soc = format!("url = \"https://soc.example.com/mfa\"\nsecret = {:?}", secret(home.path(), "soc", SECRET));
        configuration(home.path(), &[("soc", "webhook", soc)]);
        Self { home, server, certificate, proxy }
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = mfatrail();
        command.current_dir(self.home.path()).args(arguments).env("SSL_CERT_FILE", &self.certificate);
        let ran: Ran = command.envs(environment.iter().copied()).output().unwrap().into();
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hunter2"), "{}{}", ran.stdout, ran.stderr);
        ran
    }
}

const TEST: [&str; 6] = ["watch", "test", "soc", "--config", "watch.toml", "-vv"];

#[test]
fn a_channel_is_reached_through_the_proxy_of_the_environment() {
    let stage = Stage::new();
    let address = stage.proxy.address;
    for (variable, value) in [
        ("HTTPS_PROXY", format!("http://{USER}@{address}")),
        ("https_proxy", format!("{USER}@{address}")),
        ("ALL_PROXY", format!("http://{USER}@{address}/")),
    ] {
        let before = (stage.server.requests().len(), stage.proxy.asked().len());
        let ran = stage.run(&TEST, &[(variable, &value)]);
        assert_eq!(ran.status, 0, "{variable}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(stage.server.requests().len(), before.0 + 2, "{variable}");
        // One tunnel carries both.
        assert_eq!(stage.proxy.asked()[before.1..], [("soc.example.com:443".to_owned(), true)], "{variable}");
    }
    let check = ["watch", "check", "--config", "watch.toml"];
    let ran = stage.run(&check, &[("HTTPS_PROXY", &format!("http://{USER}@{address}"))]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn what_needs_no_proxy_and_what_it_refuses_is_told() {
    let stage = Stage::new();
    let address = stage.proxy.address;
    let proxy = format!("http://{USER}@{address}");
    // The name is nowhere but in the proxy.
    for none in ["soc.example.com", "example.com, 192.0.2.0/24", "*"] {
        let ran = stage.run(&TEST, &[("HTTPS_PROXY", &proxy), ("NO_PROXY", none)]);
        assert!(ran.status == 4 && ran.stdout.contains("could not connect"), "{none}: {}{}", ran.stdout, ran.stderr);
    }
    assert!(stage.proxy.asked().is_empty());
    let refused = |url: &str, told: &str| {
        let ran = stage.run(&TEST, &[("HTTPS_PROXY", url)]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.status == 4 && said.contains("could not connect") && said.contains(told), "{url}: {said}");
    };
    refused(&format!("http://mfatrail:hunter2@{address}"), &format!("the proxy {address}: status 407"));
    refused(&format!("http://{address}"), "status 407");
    let other = Proxy::start(&[], USER);
    refused(&format!("http://{USER}@{}", other.address), "status 403: it gives no connection to soc.example.com:443");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused(&format!("http://{USER}@{unused}"), &format!("the proxy {unused}"));
    // What is no proxy is not passed over: the alert would go without one.
    for url in ["socks5://mfatrail:hunter2@127.0.0.1:1080", "http://hunter2 hunter2@host", "/hunter2"] {
        for arguments in [&TEST[..], &["watch", "check", "--config", "watch.toml"]] {
            let ran = stage.run(arguments, &[("HTTPS_PROXY", url)]);
            assert!(ran.status == 2 && ran.stderr.contains("the variable `HTTPS_PROXY` is not"), "{}", ran.stderr);
        }
    }
    assert!(stage.server.requests().is_empty());
}

fn keys() -> [(&'static str, &'static str); 3] {
    [("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing"), ("AWS_REGION", "us-east-1")]
}

/// AWS by the SDK, and by the requests that are signed here.
#[test]
fn aws_is_reached_through_the_same_proxy() {
    let stage = Stage::new();
    let proxy = format!("http://{USER}@{}", stage.proxy.address);
    let environment = [&keys()[..], &[("HTTPS_PROXY", proxy.as_str())]].concat();
    let asked = |arguments: &[&str], target: &str| {
        let before = stage.proxy.asked().len();
        let ran = stage.run(arguments, &environment);
        assert_ne!(ran.status, 0, "{}", ran.stderr);
        let asked = stage.proxy.asked();
        let own = &asked[before..];
        assert!(!own.is_empty() && own.iter().all(|(own, _)| own.ends_with(target)), "{target}: {own:?}");
    };
    let endpoint = ["--endpoint-url", "https://aws.example.com"];
    asked(&[&["iam", "snapshot", "--out", "iam.json"], &endpoint[..]].concat(), "aws.example.com:443");
    asked(
        &[&["search", "s3://trail-bucket", "--from", "2026-10-01", "--to", "2026-11-01"], &endpoint[..]].concat(),
        "aws.example.com:443",
    );
    queue(stage.home.path());
    asked(&["watch", "check", "--config", "queue.toml"], "sqs.us-east-1.amazonaws.com:443");
}

fn queue(home: &Path) {
    let url = "https://sqs.us-east-1.amazonaws.com/111122223333/mfatrail";
    std::fs::write(home.join("queue.toml"), format!("[[input]]\nkind = \"sqs\"\nurl = \"{url}\"\n")).unwrap();
}
