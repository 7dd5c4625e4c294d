//! Building the static site.
//!
//! Trunk compiles and bundles; what it leaves is then made fit for any static host:
//! - a content-security policy, as a `<meta>` since such a host sends no headers of ours, with the hashes
//!   of the inline scripts and styles (a nonce on a static page would be the same for all visitors);
//! - one page for each lesson (`lesson/NAME/index.html`), so that it loads on its own address without
//!   rewriting rules, under whatever path the site lives;
//! - `404.html` for hosts that serve it for unknown addresses.

use crate::{setup, setup::Tools};
use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where the site is left, from the repository's root.
pub(crate) const DIST: &str = "dist";

/// Builds the site into `dist/`. `public_url` is the path at which it will live, `./` for any.
pub(crate) fn build(tools: &Tools, public_url: &str) -> Result<()> {
    // Trunk is kept off the network: all it needs has been installed, and cargo's packages come first.
    checked(tools.wasm_command("cargo").args(["fetch", "--target", "wasm32-unknown-unknown"]))?;
    checked(
        tools
            .wasm_command("trunk")
            .args([
                "build",
                "--release",
                "--cargo-profile",
                "web",
                "--dist",
                DIST,
                "--public-url",
                public_url,
            ])
            .args(["--offline", "--skip-version-check"])
            // Trunk takes only `true` and `false` here and stops at the customary `1`.
            .env_remove("NO_COLOR"),
    )?;
    finish(Path::new(DIST), public_url)
}

/// Writes pictures of the built site to `target/shots`.
pub(crate) fn shots() -> Result<()> {
    let tools = setup::for_building()?;
    setup::for_testing(&tools)?;
    build(&tools, "./")?;
    checked(Command::new("cargo").args(["run", "--quiet", "-p", "gradus-tests", "--example", "shots"]))
}

/// Turns trunk's page into the pages of the site.
fn finish(dist: &Path, public_url: &str) -> Result<()> {
    let index = dist.join("index.html");
    let html = fs::read_to_string(&index).with_context(|| format!("trunk left no {}", index.display()))?;
    fs::write(&index, with_policy(&html)?)?;
    fs::write(dist.join("404.html"), with_policy(&html)?)?;
    for lesson in lessons(Path::new("lessons"))? {
        let folder = dist.join("lesson").join(lesson);
        fs::create_dir_all(&folder)?;
        let page = if public_url.starts_with('.') { with_prefix(&html, "../../") } else { html.clone() };
        fs::write(folder.join("index.html"), with_policy(&page)?)?;
    }
    println!("The site is in {DIST}/");
    Ok(())
}

/// The lessons that have a text, by the names of their folders without the number.
fn lessons(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (true, Some((_, name))) = (entry.path().join("lesson.md").is_file(), name.split_once('-')) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Points the page's relative links at the site's root, `prefix` away. The page is minified, so a link may
/// stand without quotes.
fn with_prefix(html: &str, prefix: &str) -> String {
    ['"', '\'', '`', '='].iter().fold(html.to_owned(), |html, before| {
        html.replace(&format!("{before}./"), &format!("{before}{prefix}"))
    })
}

/// Writes the content-security policy into the page's head.
fn with_policy(html: &str) -> Result<String> {
    let script = hashes(html, "script");
    let style = hashes(html, "style");
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{script}; worker-src 'self'; \
         connect-src 'self'; style-src 'self'{style}; style-src-attr 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; base-uri 'none'; form-action 'none'"
    );
    // Minified pages have no <head>; all begin with their charset, which must come first.
    let charset = html.find("<meta charset=").context("index.html has no <meta charset>")?;
    let end = charset + html[charset..].find('>').context("index.html ends within its <meta charset>")? + 1;
    let (before, after) = html.split_at(end);
    Ok(format!("{before}<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">{after}"))
}

/// The CSP hashes of the page's inline elements of this name, each with a space before it.
fn hashes(html: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut found = String::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((attributes, after)) = after.split_once('>') else { break };
        let Some((body, after)) = after.split_once(&close) else { break };
        if !attributes.contains("src=") {
            let hash = BASE64_STANDARD.encode(Sha256::digest(body));
            found.push_str(&format!(" 'sha256-{hash}'"));
        }
        rest = after;
    }
    found
}

fn checked(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<meta charset=utf-8><link href=./a.css rel=\"./c\">\
        <script type=module>import init from'./a.js';</script><script src=\"./b.js\"></script>";

    #[test]
    fn the_policy_admits_exactly_the_inline_scripts() {
        // printf %s "alert(1)" | openssl dgst -sha256 -binary | base64
        let html = "<meta charset=\"utf-8\" /><script>alert(1)</script><script src=\"./x.js\"></script>";
        let hash = " 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        assert_eq!(hashes(html, "script"), hash);
        assert_eq!(hashes(html, "style"), "");
        let page = with_policy(html).unwrap();
        assert!(page.starts_with("<meta charset=\"utf-8\" /><meta http-equiv=\"Content-Security-Policy\""));
        assert!(page.contains(&format!("'wasm-unsafe-eval'{hash};")));
        assert!(with_policy("<p>no charset</p>").is_err());
    }

    #[test]
    fn a_lesson_reaches_the_files_of_the_site() {
        let page = with_prefix(PAGE, "../../");
        for link in ["=../../a.css", "\"../../c\"", "'../../a.js'", "\"../../b.js\""] {
            assert!(page.contains(link), "{link} is not in {page}");
        }
    }

    #[test]
    fn lessons_are_the_folders_with_a_text() {
        let dist = std::env::temp_dir().join(format!("gradus-site-{}", std::process::id()));
        fs::create_dir_all(dist.join("lessons/01-scaling-laws")).unwrap();
        fs::write(dist.join("lessons/01-scaling-laws/lesson.md"), "# A lesson").unwrap();
        assert_eq!(lessons(&dist.join("lessons")).unwrap(), ["scaling-laws"]);
    }
}
