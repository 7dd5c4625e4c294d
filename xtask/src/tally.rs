//! Counting what test runners report.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Tests that were run, as the runners' own summary lines count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed, tests that were skipped, and runners that broke down.
    pub(crate) failed: usize,
}

impl Tally {
    /// One thing that went wrong outside any test.
    pub(crate) const BROKEN: Self = Self { passed: 0, failed: 1 };

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Nothing failed, and something was tested.
    pub(crate) fn good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// Runs a test command, shows its output as it comes, and counts.
///
/// A command that fails without a failed test (it did not compile, the browser did not start, a test
/// ran out of time) counts as one failure.
pub(crate) fn run(command: &mut Command) -> Result<Tally> {
    println!("$ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            // Line by line, since another runner may be at work beside this one.
            let mut out = std::io::stdout().lock();
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            out.flush()?;
            if let Some(found) = summary(&String::from_utf8_lossy(&line)) {
                tally.add(found);
            }
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        println!("The command above failed ({status}) although no test of it did: counted as one failure.");
        tally.add(Tally::BROKEN);
    }
    Ok(tally)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`. A skipped test counts as failed: a suite
/// that skips proves nothing about what it skipped.
fn summary(line: &str) -> Option<Tally> {
    let (_, counts) = line.split_once("test result: ")?;
    let count = |what: &str| {
        counts.split(['.', ';']).find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<usize>().ok())
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")? + count("ignored").unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summaries_of_both_runners() {
        let native = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s";
        assert_eq!(summary(native), Some(Tally { passed: 12, failed: 3 }));
        let browser = "    test result: ok. 1 passed; 0 failed; 0 ignored; 0 filtered out; finished in 0.01s";
        assert_eq!(summary(browser), Some(Tally { passed: 1, failed: 0 }));
        assert_eq!(summary("test gpu::adapter ... ok"), None);
        assert_eq!(summary("the test result: is unclear"), None);
    }

    #[test]
    fn a_runner_that_breaks_down_is_a_failure() {
        let tally = run(Command::new("rustc").arg("--no-such-flag").stderr(Stdio::null())).unwrap();
        assert_eq!(tally, Tally::BROKEN);
        assert!(run(&mut Command::new("gradus-no-such-program")).is_err());
    }

    #[test]
    fn no_test_is_not_good() {
        assert!(!Tally::default().good());
        assert!(Tally { passed: 1, failed: 0 }.good());
        assert!(!Tally { passed: 1, failed: 1 }.good());
    }
}
