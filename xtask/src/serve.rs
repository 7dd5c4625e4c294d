//! A static file server, as plain as the hosts that the site must work on.
//!
//! It knows the types of the files that the site consists of, answers a folder with its `index.html`
//! and anything unknown with `404.html` and status 404, and forbids caching, so that a rebuilt site is
//! seen at once. It listens on the loopback address only.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tiny_http::{Header, Method, Request, Response, Server};

/// Requests answered at once; a browser opens at most six connections to one host.
const THREADS: usize = 6;

/// A running server; dropping it stops it.
pub struct SiteServer {
    server: Arc<Server>,
    port: u16,
    threads: Vec<JoinHandle<()>>,
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
        let server = Server::http(("127.0.0.1", port))
            .map_err(|e| anyhow::anyhow!("{e}"))
            .with_context(|| format!("cannot listen on port {port}; choose another with --port"))?;
        let port = server.server_addr().to_ip().map_or(port, |a| a.port());
        let server = Arc::new(server);
        let threads = (0..THREADS)
            .map(|_| {
                let (server, folder) = (Arc::clone(&server), folder.to_path_buf());
                std::thread::spawn(move || {
                    while let Ok(request) = server.recv() {
                        // A browser that hangs up in the middle is no fault of ours.
                        let _ = answer(request, &folder, isolated);
                    }
                })
            })
            .collect();
        Ok(Self { server, port, threads })
    }

    /// Serves `folder` on `first`, or on the next free port of the hundred after it.
    ///
    /// # Errors
    /// When the folder holds no site or none of those ports is free.
    pub fn start_near(folder: &Path, first: u16) -> Result<Self> {
        let last = first.saturating_add(100);
        for port in first..last {
            if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
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
    pub fn join(mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for SiteServer {
    fn drop(&mut self) {
        // One wake-up ends one waiting thread.
        for _ in &self.threads {
            self.server.unblock();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(request: Request, folder: &Path, isolated: bool) -> io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(Response::empty(405));
    }
    let url = request.url().to_owned();
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match find(folder, path) {
        Found::File(file) => send(request, &file, 200, isolated),
        // Relative links in a folder's page need the slash.
        Found::Folder => {
            request.respond(Response::empty(301).with_header(header("Location", &format!("{path}/"))))
        }
        Found::Nothing => {
            let page = folder.join("404.html");
            if page.is_file() {
                send(request, &page, 404, isolated)
            } else {
                request.respond(Response::empty(404))
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Found {
    File(PathBuf),
    Folder,
    Nothing,
}

/// The file that `path`, as it stands in a request, names below `folder`.
fn find(folder: &Path, path: &str) -> Found {
    let Some(relative) = percent_decode(path.trim_start_matches('/')) else { return Found::Nothing };
    let relative = Path::new(&relative);
    // No way out of the folder: no `..`, no root, no drive.
    if relative.components().any(|c| !matches!(c, Component::Normal(_))) {
        return Found::Nothing;
    }
    let file = folder.join(relative);
    if file.is_file() {
        Found::File(file)
    } else if file.join("index.html").is_file() {
        if path.ends_with('/') { Found::File(file.join("index.html")) } else { Found::Folder }
    } else {
        Found::Nothing
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn send(request: Request, file: &Path, status: u16, isolated: bool) -> io::Result<()> {
    // The length is sent, so that the page can show how far a download has got.
    let length = fs::metadata(file)?.len() as usize;
    let mut headers = vec![
        header("Content-Type", media_type(file)),
        header("Cache-Control", "no-store"),
        header("X-Content-Type-Options", "nosniff"),
    ];
    if isolated {
        headers.push(header("Cross-Origin-Opener-Policy", "same-origin"));
        headers.push(header("Cross-Origin-Embedder-Policy", "require-corp"));
    }
    request.respond(
        Response::new(status.into(), headers, File::open(file)?, Some(length), None)
            .with_chunked_threshold(usize::MAX),
    )
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).unwrap_or_else(|()| unreachable!("{name}: {value} is a valid header"))
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("gradus-serve-{}", std::process::id()));
        fs::create_dir_all(folder.join("lesson/one")).unwrap();
        for name in ["index.html", "lesson/one/index.html", "a b.wasm"] {
            fs::write(folder.join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn finds_files_and_never_leaves_the_folder() {
        let folder = site();
        let file = |name: &str| Found::File(folder.join(name));
        assert_eq!(find(&folder, "/"), file("index.html"));
        assert_eq!(find(&folder, "/a%20b.wasm"), file("a b.wasm"));
        assert_eq!(find(&folder, "/lesson/one"), Found::Folder);
        assert_eq!(find(&folder, "/lesson/one/"), file("lesson/one/index.html"));
        for outside in ["/../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/%zz", "/%2", "/nowhere"] {
            assert_eq!(find(&folder, outside), Found::Nothing, "{outside}");
        }
    }

    #[test]
    fn every_kind_of_file_in_the_site_has_its_type() {
        assert_eq!(media_type(Path::new("x.wasm")), "application/wasm");
        assert!(media_type(Path::new("x.js")).starts_with("text/javascript"));
    }
}
