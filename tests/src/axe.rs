//! What axe-core finds on a page: <https://github.com/dequelabs/axe-core>, its copy in `tests/vendor/axe-core`.

use crate::browser::Browser;
use anyhow::{Context, Result};

const SOURCE: &str = include_str!("../vendor/axe-core/axe.min.js");

/// Every violation of every rule of axe's on the open page, as lines for a person: rule, what is wrong, where.
///
/// # Errors
/// When axe cannot run.
pub fn violations(browser: &Browser) -> Result<Vec<String>> {
    browser.script(&format!("if (!window.axe) {{ {SOURCE} }}"))?;
    let found = browser.script(
        "return axe.run(document, { resultTypes: ['violations'] }).then(r => r.violations.flatMap(v => \
         v.nodes.map(n => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary.replaceAll('\\n', ' ')}`)))",
    )?;
    serde_json::from_value(found).context("axe's answer")
}
