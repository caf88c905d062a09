//! A real AWS API on the loopback interface: moto's server, installed once under cargo's temporary directory.
//!
//! Addresses are IPs: with a host name the SDK would put the bucket into it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::run::Background;
use super::venv;

pub const PACKAGE: &str = "moto[server]==5.2.5";

/// Ends moto when its standard input closes: a test process that is killed leaves no server behind, and neither does a
/// server in a `static`, which is never dropped.
const LAUNCHER: &str = "\
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', sys.argv[1]])
";

/// A running moto server; dropping it ends it. Accept any credentials, keep everything in memory.
pub struct Moto {
    process: Background,
    port: u16,
}

impl Moto {
    /// Starts a server of its own, on a free port, and waits until it answers. The first start in a target directory
    /// installs moto, which takes a minute.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one after some lines of Python that change it.
    pub fn with(changes: &str) -> Self {
        let python = Self::python();
        // Another process may take the port between the look and the start; then moto ends at once, and the next
        // round tries another.
        for _round in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
            let child = Command::new(&python)
                .args(["-c", &format!("{changes}{LAUNCHER}"), &port.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("moto starts");
            let server = Self { process: Background(child), port };
            if let Some(server) = server.ready() {
                return server;
            }
        }
        panic!("moto did not start; try: {} -m moto.server", python.display());
    }

    /// The Python that has moto, and with it boto3.
    pub fn python() -> std::path::PathBuf {
        venv::python("moto", PACKAGE)
    }

    /// The endpoint URL, such as `http://127.0.0.1:5555`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes an IAM call by the query protocol, such as `Action=CreateUser&UserName=ada&Version=2010-05-08`.
    pub fn iam(&self, query: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let length = query.len();
        write!(
            stream,
            "POST / HTTP/1.0\r\nHost: iam.amazonaws.com\r\nAuthorization: AWS4-HMAC-SHA256 Credential=testing/20260308/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{query}"
        )
        .expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(" 200 "), "{answer}");
    }

    fn ready(mut self) -> Option<Self> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(120) {
            if self.http("GET", "/moto-api/").is_some_and(|answer| answer.contains(" 200 ")) {
                return Some(self);
            }
            if self.process.0.try_wait().expect("a state").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("moto did not answer within two minutes");
    }

    /// The first line of the answer to a request without a body.
    fn http(&self, method: &str, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).lines().next()?.to_owned())
    }
}
