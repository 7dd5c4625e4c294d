//! What the site's pages load: the modules, style sheets and pictures, under names made of their content, so that a
//! browser may keep them for ever; and `index.html` with the links to them.

use crate::module::{Kind, Module};
use crate::setup::Tools;
use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::thread;

const HOME: Module = Module { package: "gradus-web", bin: "home", features: "app", kind: Kind::Page };
const LESSON: Module = Module { bin: "lesson", ..HOME };
const WORKER: Module =
    Module { package: "gradus-web", bin: "worker", features: "worker", kind: Kind::Worker };
const RELAXED: Module = Module { kind: Kind::Relaxed, ..WORKER };

/// What index.html links to, and the site has under another name.
const ASSETS: [&str; 3] = ["web/style.css", "web/lesson.css", "web/icon.svg"];
/// The font of the formulas, which a style sheet names.
const MATH: &str = "web/math/math.woff2";
/// The workers' files keep their names: each says of which build it is, and the page refuses others.
const LOADER: &str = "worker_loader.js";

/// What the pages are made of.
pub(crate) struct Bundle {
    /// `index.html` with links to the style sheets, and without a program.
    pub(crate) html: String,
    /// Names of the home page's program and of the lessons'.
    home: String,
    lesson: String,
}

impl Bundle {
    /// The home page.
    pub(crate) fn home(&self) -> Result<String> {
        with_program(&self.html, &self.home)
    }

    /// The frame of a lesson's page.
    pub(crate) fn lesson(&self) -> Result<String> {
        with_program(&self.html, &self.lesson)
    }
}

/// Fills `dist` with all but the pages, in place of what was there.
pub(crate) fn make(tools: &Tools, dist: &Path) -> Result<Bundle> {
    // The last step of each build is one long link on one processor.
    let (pages, workers) = thread::scope(|scope| {
        let workers = scope.spawn(|| Ok((WORKER.compile(tools)?, RELAXED.compile(tools)?)));
        let pages = HOME.compile(tools).and_then(|home| Ok((home, LESSON.compile(tools)?)));
        (pages, workers.join().unwrap_or_else(|_| Err(anyhow!("a build panicked"))))
    });
    let ((home, lesson), (worker, relaxed)) = (pages?, workers?);

    if dist.exists() {
        fs::remove_dir_all(dist).with_context(|| format!("cannot empty {}", dist.display()))?;
    }
    fs::create_dir_all(dist)?;
    let names = (named("home", &fs::read(&home)?), named("lesson", &fs::read(&lesson)?));
    HOME.bind(tools, &home, dist, &names.0)?;
    LESSON.bind(tools, &lesson, dist, &names.1)?;
    WORKER.bind(tools, &worker, dist, "worker")?;
    RELAXED.bind(tools, &relaxed, dist, "worker_relaxed")?;
    fs::copy(Path::new("web").join(LOADER), dist.join(LOADER))?;
    fs::copy(MATH, dist.join("math.woff2")).context(MATH)?;

    let mut html = fs::read_to_string("index.html").context("index.html")?;
    for asset in ASSETS {
        let content = fs::read(asset).with_context(|| asset.to_owned())?;
        let file = Path::new(asset);
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("{}.{}", named(&part(file.file_stem()), &content), part(file.extension()));
        html = linked(&html, asset, &name)?;
        fs::write(dist.join(name), content)?;
    }
    Ok(Bundle { html, home: names.0, lesson: names.1 })
}

/// `stem-0123456789abcdef`, after the content.
fn named(stem: &str, content: &[u8]) -> String {
    let hash: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{stem}-{hash}")
}

/// The page with its link to this asset pointed at its name in the site.
fn linked(html: &str, asset: &str, name: &str) -> Result<String> {
    let link = format!("href=\"./{asset}\"");
    ensure!(html.matches(&link).count() == 1, "index.html should have {link} once");
    Ok(html.replace(&link, &format!("href=\"./{name}\"")))
}

/// The page with this program, which the browser fetches while it reads the rest. Where it cannot be had, the page says
/// so: an import that is a statement would end in silence.
fn with_program(html: &str, name: &str) -> Result<String> {
    let (head, rest) = html.split_once("</head>").context("index.html has no </head>")?;
    Ok(format!(
        "{head}  <link rel=\"modulepreload\" href=\"./{name}.js\" crossorigin />\n    \
         <link rel=\"preload\" href=\"./{name}_bg.wasm\" as=\"fetch\" type=\"application/wasm\" crossorigin />\n    \
         <script type=\"module\">import(\"./{name}.js\").then((page) => page.default({{ module_or_path: \"./{name}_bg.wasm\" }}))\
         .catch((error) => {{ document.getElementById(\"fault\")?.removeAttribute(\"hidden\"); throw error; }});</script>\n  \
         </head>{rest}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_content() {
        // printf %s a | sha256sum
        assert_eq!(named("style", b"a"), "style-ca978112ca1bbdca");
        assert_ne!(named("style", b"a"), named("style", b"b"));
    }

    #[test]
    fn links_are_pointed_at_the_names() {
        let html = "<head><link rel=\"icon\" href=\"./web/icon.svg\" /></head>";
        assert!(linked(html, "web/icon.svg", "icon-1.svg").unwrap().contains("href=\"./icon-1.svg\""));
        assert!(linked(html, "web/style.css", "style-1.css").is_err());
        let page = with_program(html, "app-1").unwrap();
        assert!(page.contains("import(\"./app-1.js\")") && page.ends_with("</head>"));
    }

    #[test]
    fn a_program_that_does_not_load_is_told() {
        let page = with_program("<head></head>", "app-1").unwrap();
        let script =
            page.split_once("<script type=\"module\">").unwrap().1.split_once("</script>").unwrap().0;
        // Nothing is imported by a statement, and what is hidden in index.html is what is shown.
        assert!(script.starts_with("import(") && script.contains(".catch("), "{script}");
        assert!(script.contains("getElementById(\"fault\")?.removeAttribute(\"hidden\")"), "{script}");
        let home = fs::read_to_string(crate::root().join("index.html")).unwrap();
        assert!(
            home.contains("<p id=\"fault\" class=\"message\" data-tone=\"error\" role=\"alert\" hidden>")
        );
    }
}
