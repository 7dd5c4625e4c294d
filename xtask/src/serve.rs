//! A static file server, as plain as the hosts that the site must work on.
//!
//! It knows the types of the files that the site consists of, answers a folder with its `index.html`
//! and anything unknown with `404.html` and status 404, and forbids caching, so that a rebuilt site is
//! seen at once. It listens on the loopback address only.

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use std::net::TcpListener;
use std::path::Path;
use tokio::runtime::{Builder, Runtime};
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

/// A running server; dropping it stops it.
pub struct SiteServer {
    port: u16,
    runtime: Option<Runtime>,
}

impl SiteServer {
    /// Serves `folder` on `127.0.0.1:port`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the folder holds no `index.html` or the port is taken.
    pub fn start(folder: &Path, port: u16) -> Result<Self> {
        Self::serve(folder, port, false)
    }

    /// As [`start`](Self::start), with the two headers under which browsers allow shared memory.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_isolated(folder: &Path, port: u16) -> Result<Self> {
        Self::serve(folder, port, true)
    }

    fn serve(folder: &Path, port: u16, isolated: bool) -> Result<Self> {
        if !folder.join("index.html").is_file() {
            bail!("{} holds no site: run `cargo xtask build` first", folder.display());
        }
        let listener = TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("cannot listen on port {port}; choose another with --port"))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let site = site(folder, isolated);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_io().build()?;
        runtime.spawn(async move {
            // It ends with the runtime; a browser that hangs up in the middle is no fault of ours.
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                let _ = axum::serve(listener, site).await;
            }
        });
        Ok(Self { port, runtime: Some(runtime) })
    }

    /// Serves `folder` on `first`, or on the next free port of the hundred after it.
    ///
    /// # Errors
    /// When the folder holds no site or none of those ports is free.
    pub fn start_near(folder: &Path, first: u16) -> Result<Self> {
        let last = first.saturating_add(100);
        for port in first..last {
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return Self::start(folder, port);
            }
        }
        bail!("no port from {first} to {last} is free; choose another with --port")
    }

    /// The address of the site, with a slash at its end.
    pub fn address(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// Serves until the process is ended.
    pub fn join(self) -> ! {
        loop {
            std::thread::park();
        }
    }
}

impl Drop for SiteServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The files of a folder, under the headers that all have.
fn site(folder: &Path, isolated: bool) -> Router {
    let files = ServeDir::new(folder).not_found_service(ServeFile::new(folder.join("404.html")));
    let always = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    let shared = [
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    ];
    let headers = always.into_iter().chain(shared.into_iter().filter(|_| isolated));
    headers.fold(Router::new().fallback_service(files), |site, (name, value)| {
        site.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    /// What the server says to a path that is sent as it stands.
    fn ask(server: &SiteServer, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.to_lowercase()
    }

    #[test]
    fn finds_files_and_never_leaves_the_folder() {
        let folder = std::env::temp_dir().join(format!("gradus-serve-{}/site", std::process::id()));
        fs::create_dir_all(folder.join("lesson/one")).expect("a folder");
        fs::write(folder.join("../secret.txt"), "secret").expect("a file");
        for name in ["index.html", "404.html", "lesson/one/index.html", "a b.wasm", "x.js", "math.woff2"] {
            fs::write(folder.join(name), format!("this is {name}")).expect("a file");
        }
        let server = SiteServer::start(&folder, 0).expect("a server");
        let says = |path: &str, parts: &[&str]| {
            let answer = ask(&server, path);
            for part in parts {
                assert!(answer.contains(part), "{path}: no {part} in {answer}");
            }
        };
        says(
            "/",
            &["200 ok", "text/html", "this is index.html", "no-store", "nosniff", "content-length: 18"],
        );
        says("/a%20b.wasm", &["200 ok", "application/wasm", "this is a b.wasm"]);
        says("/x.js", &["text/javascript"]);
        says("/math.woff2", &["font/woff2"]);
        says("/lesson/one", &["location: /lesson/one/"]);
        says("/lesson/one/", &["200 ok", "this is lesson/one/index.html"]);
        for outside in ["/../secret.txt", "/%2e%2e/secret.txt", "//etc/passwd", "/nowhere"] {
            says(outside, &["404 not found", "this is 404.html"]);
        }
        assert!(!ask(&server, "/%zz").contains("200 ok"));
        // Connections that are kept open, more than a browser has, do not keep others waiting.
        let idle: Vec<_> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", server.port))).collect();
        says("/", &["200 ok"]);
        drop(idle);
        let isolated = SiteServer::start_isolated(&folder, 0).expect("a server");
        assert!(ask(&isolated, "/").contains("cross-origin-embedder-policy: require-corp"));
        assert!(!ask(&server, "/").contains("cross-origin"));
    }
}
