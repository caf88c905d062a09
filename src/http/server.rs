//! A server of a few small pages, for those who watch this process: plain HTTP/1.1, GET alone, no body read, so many connections and
//! no more.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

/// Connections at one time.
const CONNECTIONS: usize = 16;
/// How long a request may take to come.
const SLOW: Duration = Duration::from_secs(5);

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// Its type.
    pub content_type: &'static str,
    /// What it says.
    pub text: String,
}

/// What a path shows; `None` for one that is not there.
pub type Pages = dyn Fn(&str) -> Option<Page> + Send + Sync;

/// Takes the address; where it ends in port 0, any free one, which is told.
///
/// # Errors
/// When it cannot be had.
pub fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Serves `pages` for as long as the process runs, on a thread of its own.
///
/// # Errors
/// When the thread cannot be started.
pub fn serve(listener: TcpListener, pages: Arc<Pages>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _within = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    std::thread::Builder::new().name("status".to_owned()).spawn(move || {
        runtime.block_on(async {
            let room = Arc::new(Semaphore::new(CONNECTIONS));
            loop {
                // The semaphore is never closed.
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        let answer = answer(request.method(), request.uri().path(), &*pages);
                        async { Ok::<_, Infallible>(answer) }
                    });
                    let mut http = hyper::server::conn::http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(SLOW).keep_alive(false);
                    // A client that breaks off harms itself alone.
                    let _ended = http.serve_connection(TokioIo::new(stream), service).await;
                    drop(permit);
                });
            }
        });
    })?;
    Ok(())
}

fn answer(method: &Method, path: &str, pages: &Pages) -> hyper::Response<Full<Bytes>> {
    let page = match method {
        &Method::GET | &Method::HEAD => pages(path),
        _ => Some(Page { status: 405, content_type: "text/plain", text: "only GET\n".to_owned() }),
    };
    let page = page.unwrap_or(Page { status: 404, content_type: "text/plain", text: "not here\n".to_owned() });
    let mut response = hyper::Response::new(Full::new(Bytes::from(page.text)));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;
    use crate::http::{Client, Request};

    #[test]
    fn pages_are_served_and_nothing_else() {
        let (listener, address) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let pages = |path: &str| {
            (path == "/healthz").then(|| Page { status: 200, content_type: "text/plain", text: "ok\n".to_owned() })
        };
        serve(listener, Arc::new(pages)).unwrap();
        // One that says nothing keeps nobody else waiting.
        let _silent = TcpStream::connect(address).unwrap();
        let client = Client::new(Duration::from_secs(5)).unwrap();
        let ask = |method: Method, path: &str| {
            let url = format!("http://{address}{path}");
            client.send(&Request { method, url, ..Request::default() }).unwrap()
        };
        let well = ask(Method::GET, "/healthz");
        assert_eq!((well.status, well.text().as_str()), (200, "ok\n"));
        assert_eq!(ask(Method::GET, "/etc/passwd").status, 404);
        assert_eq!(ask(Method::POST, "/healthz").status, 405);
        let mut odd = TcpStream::connect(address).unwrap();
        odd.write_all(b"\x16\x03\x01nonsense\r\n\r\n").unwrap();
        let mut said = Vec::new();
        let _ = odd.read_to_end(&mut said);
        assert_eq!(ask(Method::GET, "/healthz").status, 200);
    }
}
