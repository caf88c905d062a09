//! A second stand-in of AWS's interfaces on the loopback interface, for what it does right: EventBridge's own way of matching patterns.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::run::Background;
use crate::support::venv;

const PACKAGE: &str = "ministack==1.5.33";

/// Ends it when its standard input closes, as moto's launcher does.
const LAUNCHER: &str = "\
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
sys.argv = ['ministack']
from ministack.app import main
main()
";

/// A running server; dropping it ends it.
pub struct Ministack {
    process: Background,
    port: u16,
}

impl Ministack {
    /// Starts a server of its own, on a free port, and waits until it answers.
    pub fn start() -> Self {
        let python = venv::python("ministack", PACKAGE);
        for _round in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
            let child = Command::new(&python)
                .args(["-c", LAUNCHER])
                .env("GATEWAY_PORT", port.to_string())
                .env("BIND_HOST", "127.0.0.1")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts");
            if let Some(server) = (Self { process: Background(child), port }).ready() {
                return server;
            }
        }
        panic!("ministack did not start; try: {} -m ministack", python.display());
    }

    /// The endpoint URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn ready(mut self) -> Option<Self> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(120) {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Some(self);
            }
            if self.process.0.try_wait().expect("a state").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("ministack did not answer within two minutes");
    }

    /// Calls an action of EventBridge: the status and the answer.
    pub fn events(&self, action: &str, body: &Value) -> (u16, Value) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let body = body.to_string();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AWSEvents.{action}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testing/20260308/us-east-1/events/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        // The one object of the body, whatever frames it.
        let object = body.find('{').zip(body.rfind('}')).and_then(|(from, to)| body.get(from..=to)).unwrap_or("null");
        (status, serde_json::from_str(object).expect("JSON"))
    }
}
