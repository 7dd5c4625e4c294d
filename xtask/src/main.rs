//! The repository's commands. `cargo xtask help` lists them.

mod bench;
mod bundle;
mod check;
mod module;
mod prose;
mod setup;
mod ship;
mod site;
mod tally;
mod tiers;

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::path::Path;
use std::process::ExitCode;
use xtask::{root, serve::SiteServer};

const HELP: &str = "\
Usage: cargo xtask COMMAND

  serve [--port N]          build the site and serve it on localhost (8080, or the next free port)
  build [--public-url URL]  build the static site into dist/ (URL: where it will live; default ./)
  test  [--tier NAME]       run the tests: cpu, gpu, browser, e2e; all four unless one is named
  bench [ARGUMENTS]         time the engine and its peers (`bench --help` lists what can be timed)
  check                     formatting, clippy, shaders, documentation
  setup [--tests]           install what building needs, and with --tests what testing needs
  ship [LESSON …]           make the models and recorded runs that come with the page anew (20 minutes)
  shots                     build the site and write pictures of it to target/shots
";

/// The port that `serve` tries first.
const PORT: u16 = 8080;

#[derive(Default)]
struct Options {
    port: Option<u16>,
    public_url: Option<String>,
    tier: Option<tiers::Tier>,
    tests: bool,
    lessons: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command; `false` when it ran to its end and found something wrong.
fn run() -> Result<bool> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    std::env::set_current_dir(root())?;
    if arguments.first().is_some_and(|first| first == "bench") {
        return bench::run(&arguments[1..]);
    }
    let (command, options) = parse(lexopt::Parser::from_args(arguments))?;
    let public_url = options.public_url.as_deref().unwrap_or("./");
    match command.as_str() {
        "help" => print!("{HELP}"),
        "setup" => {
            let tools = setup::for_building()?;
            if options.tests {
                setup::for_testing(&tools)?;
            }
        }
        "build" => site::build(&setup::for_building()?, public_url)?,
        "serve" => {
            site::build(&setup::for_building()?, public_url)?;
            let dist = Path::new(site::DIST);
            let server = match options.port {
                Some(port) => SiteServer::start(dist, port)?,
                None => SiteServer::start_near(dist, PORT)?,
            };
            println!("Gradus is at {}  (Ctrl-C ends it)", server.address());
            server.join();
        }
        "test" => return tiers::run(options.tier),
        "check" => return check::run(),
        "ship" => ship::ship(&options.lessons)?,
        "shots" => site::shots()?,
        other => bail!("there is no command `{other}`\n\n{HELP}"),
    }
    Ok(true)
}

fn parse(mut parser: lexopt::Parser) -> Result<(String, Options)> {
    let mut command = None;
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) if command.is_none() => command = Some(word.string()?),
            Value(word) if command.as_deref() == Some("ship") => options.lessons.push(word.string()?),
            Long("port") => options.port = Some(parser.value()?.parse()?),
            Long("public-url") => options.public_url = Some(parser.value()?.string()?),
            Long("tier") => options.tier = Some(parser.value()?.parse()?),
            Long("tests") => options.tests = true,
            Short('h') | Long("help") => command = Some("help".into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((command.unwrap_or_else(|| "help".into()), options))
}
