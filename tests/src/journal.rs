//! What a browser noted of itself: the addresses that it asked for, and what the tasks of its threads took.
//!
//! A task's length is the time that its thread worked on it. The time from its beginning to its end, which a page can
//! observe itself, also counts what other programs and other guests of the machine took meanwhile: on shared machines
//! tasks of 75 ms were seen that had worked for 11.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What is traced for [`Journal::tasks`], as Chromium names it: the tasks, and a page's own marks.
pub const CATEGORIES: &str = "toplevel,blink.user_timing";

/// The name under which Chromium traces a task.
const TASK: &str = "ThreadControllerImpl::RunTask";

/// What was noted since it was last asked for.
#[derive(Debug, Default)]
pub struct Journal {
    /// The addresses requested, in order.
    pub requests: Vec<String>,
    /// Events of the trace, <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.
    events: Vec<Value>,
}

impl Journal {
    /// Adds entries of chromedriver's performance log.
    ///
    /// # Errors
    /// When an entry is no JSON.
    pub fn read(&mut self, entries: &[Value]) -> Result<()> {
        for entry in entries {
            let mut message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let mut message = message["message"].take();
            match message["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    let url = &message["params"]["request"]["url"];
                    self.requests.push(url.as_str().unwrap_or_default().to_owned());
                }
                Some("Tracing.dataCollected") => self.events.push(message["params"].take()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The tasks of the page's thread between two of its marks (`performance.mark`): when each began after the first
    /// mark, and how long its thread worked on it; in milliseconds.
    ///
    /// # Errors
    /// When a mark is missing, as it is where the browser was not started to trace, or no task is there.
    pub fn tasks(&self, from: &str, to: &str) -> Result<Vec<(f64, f64)>> {
        let mark = |name: &str| {
            let found =
                self.events.iter().rev().find(|e| e["name"] == name && e["cat"] == "blink.user_timing");
            found.with_context(|| format!("the trace holds no mark {name}"))
        };
        let (first, last) = (mark(from)?, mark(to)?);
        let time = |event: &Value, key: &str| event[key].as_f64().unwrap_or_default() / 1e3;
        let within = |e: &&Value| {
            e["name"] == TASK
                && e["pid"] == first["pid"]
                && e["tid"] == first["tid"]
                && (time(first, "ts")..time(last, "ts")).contains(&time(e, "ts"))
        };
        let tasks: Vec<_> = self.events.iter().filter(within).collect();
        ensure!(!tasks.is_empty(), "the trace holds no task from {from} to {to}");
        Ok(tasks.into_iter().map(|e| (time(e, "ts") - time(first, "ts"), time(e, "tdur"))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(method: &str, params: Value) -> Value {
        json!({ "message": json!({ "message": { "method": method, "params": params } }).to_string() })
    }

    #[test]
    fn tasks_of_the_page_are_told_from_others() {
        let event = |name: &str, tid: u32, ts: u64, tdur: u64| {
            let cat = if name == TASK { "toplevel" } else { "blink.user_timing" };
            entry(
                "Tracing.dataCollected",
                json!({ "name": name, "cat": cat, "pid": 1, "tid": tid, "ts": ts, "tdur": tdur, "dur": 90_000 }),
            )
        };
        let entries = [
            entry("Network.requestWillBeSent", json!({ "request": { "url": "http://a/" } })),
            event(TASK, 1, 500, 80_000),
            event("run", 1, 1_000, 0),
            event(TASK, 1, 3_000, 12_000),
            event(TASK, 2, 4_000, 70_000),
            event("done", 1, 9_000, 0),
            event(TASK, 1, 9_500, 80_000),
        ];
        let mut journal = Journal::default();
        journal.read(&entries).unwrap();
        assert_eq!(journal.requests, ["http://a/"]);
        assert_eq!(journal.tasks("run", "done").unwrap(), [(2.0, 12.0)]);
        assert!(journal.tasks("run", "never").is_err());
        assert!(journal.tasks("done", "run").is_err());
    }
}
