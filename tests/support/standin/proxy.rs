//! An HTTP proxy that makes tunnels to the places that it knows, and to nowhere else.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it was asked: the target of `CONNECT`, or the whole first line of something else, and whether it gave a connection.
pub type Asked = Vec<(String, bool)>;

/// A running proxy. It ends with the test process.
pub struct Proxy {
    /// Host and port.
    pub address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
}

impl Proxy {
    /// One that knows where names are, and whom it wants to see: `user:password`.
    pub fn start(places: &[(&str, SocketAddr)], user: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let places: BTreeMap<String, SocketAddr> =
            places.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect();
        let asked: Arc<Mutex<Asked>> = Arc::default();
        let (own, user) = (Arc::clone(&asked), user.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (own, places, user) = (Arc::clone(&own), places.clone(), user.clone());
                thread::spawn(move || serve(stream.unwrap(), &own, &places, &user));
            }
        });
        Self { address, asked }
    }

    pub fn asked(&self) -> Asked {
        self.asked.lock().unwrap().clone()
    }
}

/// One connection. Whoever is gone is gone.
fn serve(mut client: TcpStream, asked: &Mutex<Asked>, places: &BTreeMap<String, SocketAddr>, user: &str) -> Option<()> {
    use base64::Engine as _;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let first = head.lines().next()?;
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or(first);
    let basic = format!("basic {}", base64::engine::general_purpose::STANDARD.encode(user));
    let is_known = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value.eq_ignore_ascii_case(&basic));
    let place = places.get(target).filter(|_| is_known);
    asked.lock().unwrap().push((target.to_owned(), place.is_some()));
    let Some(place) = place else {
        let status = if is_known { "403 Forbidden" } else { "407 Proxy Authentication Required" };
        // As a proxy may: with everything that it was sent.
        let page = head.clone();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        return client.write_all(answer.as_bytes()).ok();
    };
    let mut server = TcpStream::connect(place).ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut upwards, mut to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        let _ended = std::io::copy(&mut upwards, &mut to_server);
        let _closed = to_server.shutdown(Shutdown::Write);
    });
    let _ended = std::io::copy(&mut server, &mut client);
    client.shutdown(Shutdown::Write).ok()
}
