//! Building the static site.
//!
//! The home page, with the links to all that was compiled and copied, is made fit for any static host:
//! - a content-security policy, as a `<meta>` since such a host sends no headers of ours, with the hashes
//!   of the inline scripts and styles (a nonce on a static page would be the same for all visitors);
//! - one page for each lesson (`lesson/NAME/index.html`), so that it loads on its own address without
//!   rewriting rules, under whatever path the site lives;
//! - `404.html` for hosts that serve it for unknown addresses: it loads no program.

use crate::module::checked;
use crate::prose::{self, Glossary, escape};
use crate::ship::SHIPPED;
use crate::{bundle, bundle::Bundle, setup, setup::Tools};
use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the site is left, from the repository's root.
pub(crate) const DIST: &str = "dist";

/// Builds the site into `dist/`. `public_url` is the path at which it will live, `./` for any.
pub(crate) fn build(tools: &Tools, public_url: &str) -> Result<()> {
    let dist = Path::new(DIST);
    pages(dist, &bundle::make(tools, dist)?, public_url)?;
    println!("The site is in {DIST}/");
    Ok(())
}

/// Writes pictures of the built site to `target/shots`.
pub(crate) fn shots() -> Result<()> {
    let tools = setup::for_building()?;
    setup::for_testing(&tools)?;
    build(&tools, "./")?;
    checked(Command::new("cargo").args(["run", "--quiet", "-p", "gradus-tests", "--example", "shots"]))
}

/// Writes the site's pages, which are made of the home page, and what comes with them.
fn pages(dist: &Path, bundle: &Bundle, public_url: &str) -> Result<()> {
    fs::write(dist.join("index.html"), with_policy(&with_prefix(&bundle.home()?, public_url))?)?;
    fs::write(dist.join("404.html"), with_policy(&not_found(&with_prefix(&bundle.html, public_url))?)?)?;
    let html = bundle.lesson()?;
    let lessons = lessons(Path::new("lessons"))?;
    let glossary = fs::read_to_string("lessons/glossary.md").context("lessons/glossary.md")?;
    let glossary = Glossary::read(&glossary).context("in lessons/glossary.md")?;
    for (i, lesson) in lessons.iter().enumerate() {
        let folder = dist.join("lesson").join(&lesson.slug);
        fs::create_dir_all(&folder)?;
        let page =
            lesson_page(&html, &lessons, i, &glossary).with_context(|| format!("in {}", lesson.slug))?;
        fs::write(folder.join("index.html"), with_policy(&page)?)?;
    }
    copy_shipped(Path::new(SHIPPED), &dist.join("shipped"))
}

/// A lesson that has a text.
#[derive(Debug, PartialEq)]
struct Lesson {
    /// `lessons/05-sft`.
    folder: PathBuf,
    /// `sft`: the folder's name without the number.
    slug: String,
    /// 5: its place in the course.
    number: usize,
}

/// The lessons that have a text, in the order of their numbers.
fn lessons(folder: &Path) -> Result<Vec<Lesson>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let (true, Some((number, slug))) = (folder.join("lesson.md").is_file(), name.split_once('-')) {
            let number = number.parse().with_context(|| format!("{name} does not begin with a number"))?;
            found.push(Lesson { slug: slug.to_owned(), folder, number });
        }
    }
    found.sort_by_key(|l| l.number);
    Ok(found)
}

/// How far a lesson's page lies below the site's root.
const ROOT: &str = "../../";

/// The page of a lesson: the home page's frame around the lesson's text and an empty laboratory.
fn lesson_page(html: &str, lessons: &[Lesson], index: usize, glossary: &Glossary) -> Result<String> {
    let Lesson { folder, slug, number } = &lessons[index];
    let text = fs::read_to_string(folder.join("lesson.md"))?;
    let prose = prose::lesson(&text, glossary)?;
    let (title, question, lede) =
        (escape(&prose.front.title), escape(&prose.front.question), escape(&prose.front.lede));
    let turn = |index: Option<usize>, class: &str, word: &str| {
        let lesson = index.and_then(|i| lessons.get(i));
        lesson.map_or(String::new(), |l| {
            let name = name(&l.slug);
            format!("<a class=\"button {class}\" href=\"{ROOT}lesson/{}/\">{word}: {name}</a>", l.slug)
        })
    };
    // Checked by themselves is what was run: on a narrow screen the laboratory comes before it.
    let (text, after) =
        prose.html.split_at(prose.html.find("<form class=\"quiz\"").unwrap_or(prose.html.len()));
    let main = format!(
        "<main class=\"lesson\" data-lesson=\"{slug}\" style=\"--step: var(--g{number})\">\
         <p id=\"fault\" class=\"message\" data-tone=\"error\" role=\"alert\" hidden>The page's program could \
         not be loaded or hit a fault of its own, and stands still. Check the connection and reload the page: finished \
         runs and models are kept.</p>\
         <article class=\"prose\"><p class=\"kicker\">Step {number} of 8</p><h1>{question}</h1><p class=\"lede\">{lede}</p>\
         {text}</article><section id=\"laboratory\" class=\"lab\" data-lesson=\"{slug}\" data-root=\"{ROOT}\" aria-label=\"Laboratory\" \
         aria-busy=\"true\" tabindex=\"-1\"><div class=\"card\"><p>Loading the laboratory …</p><noscript><p>The runs of this \
         lesson need JavaScript and WebAssembly. The text beside does not.</p></noscript></div></section>\
         <section class=\"prose\" aria-label=\"Check yourself, and read on\">{after}<nav class=\"turn\" \
         aria-label=\"Neighbouring lessons\">{previous}{next}</nav></section></main>",
        previous = turn(index.checked_sub(1), "previous", "Before"),
        next = turn(Some(index + 1), "next", "Next"),
    );
    let frame = with_prefix(&frame(html, &format!("{title}: {question} Gradus"))?, ROOT);
    // The formulas' font at once, so that no line moves when it comes.
    let font = format!(
        "<link rel=\"preload\" href=\"{ROOT}math.woff2\" as=\"font\" type=\"font/woff2\" crossorigin />"
    );
    let frame = frame.replacen("</head>", &format!("{font}</head>"), 1);
    // The place in the list of lessons.
    let link = format!("href=\"{ROOT}lesson/{slug}/\"");
    let frame = frame.replacen(&format!("<a {link}"), &format!("<a aria-current=\"page\" {link}"), 1);
    Ok(frame.replacen('\u{1}', &main, 1))
}

/// A lesson's name: `sft` is SFT, `scaling-laws` are Scaling laws.
fn name(slug: &str) -> String {
    match slug {
        "sft" | "rlhf" | "dpo" => slug.to_uppercase(),
        "few-shot" => "Few-shot".into(),
        _ => slug[..1].to_uppercase() + &slug[1..].replace('-', " "),
    }
}

/// The home page without its content, for which the character U+0001 stands, under another title.
fn frame(html: &str, title: &str) -> Result<String> {
    let (start, end) = (html.find("<main").context("index.html has no <main>")?, "</main>");
    let after = html[start..].find(end).context("index.html has no </main>")? + start + end.len();
    let frame = format!("{}\u{1}{}", &html[..start], &html[after..]);
    let (open, close) = (
        frame.find("<title>").context("index.html has no <title>")?,
        frame.find("</title>").context("index.html has no </title>")?,
    );
    Ok(format!("{}<title>{title}{}", &frame[..open], &frame[close..]))
}

/// Points the links of a page that stands at an unknown address at the site's root: the folder above `lesson/`, or
/// the one in which the address lies. Where the site was built for a known path there is nothing to point.
const TO_ROOT: &str = "const p=location.pathname,i=p.indexOf('/lesson/'),\
    r=i<0?p.slice(0,p.lastIndexOf('/')+1):p.slice(0,i+1);\
    for(const e of document.querySelectorAll('[href^=\"./\"]'))e.setAttribute('href',r+e.getAttribute('href').slice(2))";

/// The page for addresses that name nothing; it has no program, since it trains nothing.
fn not_found(html: &str) -> Result<String> {
    let page = frame(html, "No such page: Gradus")?;
    let main = format!(
        "<main id=\"laboratory\" class=\"not-found\" tabindex=\"-1\"><h1>There is no such page.</h1><p class=\"lede\">The address may be mistyped, or the page \
         was moved. The eight lessons stand above; the course begins with the <a href=\"./\">home page</a>.</p></main>\
         <script>{TO_ROOT}</script>"
    );
    Ok(page.replacen('\u{1}', &main, 1).replacen("Skip to the running model", "Skip to the content", 1))
}

/// Copies the models and runs that come with the site, and writes a list of them, so that no page asks for one that
/// is not there.
fn copy_shipped(from: &Path, to: &Path) -> Result<()> {
    let mut list = serde_json::Map::new();
    for (kind, folder, end) in [("models", "", ".zip"), ("runs", "runs", ".json")] {
        let (from, to) = (from.join(folder), to.join(folder));
        fs::create_dir_all(&to)?;
        let mut names = Vec::new();
        for entry in from.is_dir().then(|| fs::read_dir(&from)).transpose()?.into_iter().flatten() {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(name) = file.strip_suffix(end) {
                fs::copy(&path, to.join(&file))?;
                names.push(name.to_owned());
            }
        }
        names.sort();
        list.insert(kind.into(), names.into());
    }
    fs::write(to.join("list.json"), serde_json::Value::Object(list).to_string())?;
    Ok(())
}

/// Points the page's relative links at the site's root, `prefix` away.
fn with_prefix(html: &str, prefix: &str) -> String {
    html.replace("\"./", &format!("\"{prefix}"))
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
    // The charset must come first.
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<meta charset=\"utf-8\"><link rel=\"stylesheet\" href=\"./a.css\" />\
        <link rel=\"preload\" href=\"./c.wasm\" />\
        <script type=\"module\">import init from \"./a.js\";</script><script src=\"./b.js\"></script>";

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
        for link in ["\"../../a.css\"", "\"../../c.wasm\"", "\"../../a.js\"", "\"../../b.js\""] {
            assert!(page.contains(link), "{link} is not in {page}");
        }
    }

    #[test]
    fn an_unknown_address_is_answered_without_a_program() {
        let html = "<title>t</title><header><a href=\"./\">Gradus</a></header><main>run</main>";
        let page = not_found(html).unwrap();
        assert!(page.contains("There is no such page.") && page.contains("<a href=\"./\">Gradus</a>"));
        assert!(!page.contains("run"), "{page}");
        // The one that points its links at the root.
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn lessons_are_the_folders_with_a_text() {
        let dist = std::env::temp_dir().join(format!("gradus-site-{}", std::process::id()));
        fs::create_dir_all(dist.join("lessons/01-scaling-laws")).unwrap();
        fs::write(dist.join("lessons/01-scaling-laws/lesson.md"), "# A lesson").unwrap();
        let folder = dist.join("lessons/01-scaling-laws");
        let slug = "scaling-laws".to_owned();
        assert_eq!(lessons(&dist.join("lessons")).unwrap(), [Lesson { folder, slug, number: 1 }]);
    }
}
