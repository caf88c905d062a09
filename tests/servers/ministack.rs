//! A second stand-in of AWS on the loopback interface, for what moto does not do: ministack, installed once under cargo's temporary directory.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::venv;

const PACKAGE: &str = "ministack==1.5.33";

/// Ends when its standard input closes, as moto does: a test that is killed leaves no server behind.
const LAUNCHER: &str = "\
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
from ministack.app import main
sys.argv = ['ministack']
main()
";

/// A running server; dropping it ends it. It accepts any credentials and keeps everything in memory.
pub struct Ministack {
    child: Child,
    port: u16,
}

impl Ministack {
    /// Starts one on a free port, and waits until it answers.
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
                .expect("ministack starts");
            if let Some(server) = (Self { child, port }).ready() {
                return server;
            }
        }
        panic!("ministack did not start; try: {} -m ministack.app", python.display());
    }

    /// The endpoint URL, such as `http://127.0.0.1:5555`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn ready(mut self) -> Option<Self> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(120) {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Some(self);
            }
            if self.child.try_wait().expect("a state").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("ministack did not answer within two minutes");
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
