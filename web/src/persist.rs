//! The last run, kept in this browser (IndexedDB), so that it survives a reload.

use crate::settings::Settings;
use crate::state::RunState;
use crate::url::Address;
use gradus_core::protocol::Source;
use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, TransactionMode};
use js_sys::{Array, Uint8Array};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use wasm_bindgen::{JsCast, JsValue};

/// What is kept beside the checkpoint's zip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memo {
    /// Step of the checkpoint.
    pub(crate) step: u64,
    /// The choices that the run was made with.
    pub(crate) settings: Settings,
    /// True where it learns from the user's own text.
    pub(crate) own_text: bool,
    /// Whether it was going.
    pub(crate) running: bool,
    /// Training losses so far, for the curve.
    pub(crate) losses: Vec<(u64, f32)>,
    /// Held-out losses so far.
    pub(crate) validation: Vec<(u64, f64)>,
}

impl Memo {
    /// What is to be kept of this run beside its checkpoint of `step`.
    pub(crate) fn of(run: &RunState, step: u64, running: bool) -> Option<Self> {
        let config = &run.started.as_ref()?.config;
        Some(Self {
            step,
            settings: Settings::of(config),
            own_text: matches!(config.source, Source::Text { .. }),
            running,
            losses: run.losses.iter().copied().filter(|l| l.0 <= step).collect(),
            validation: run.validation.iter().copied().filter(|v| v.0 <= step).collect(),
        })
    }

    /// Whether this is the run that the address asks for. One that asks for nothing takes what is there; one that
    /// names a setting means the world, never the reader's own text.
    pub(crate) fn answers(&self, address: &Address) -> bool {
        !address.explicit || (!self.own_text && self.settings == address.settings)
    }
}

thread_local! {
    /// Set when everything is forgotten: a checkpoint that is on its way must not bring the run back.
    static FORGOTTEN: Cell<bool> = const { Cell::new(false) };
}

const DATABASE: &str = "gradus";
const STORE: &str = "runs";
const KEY: &str = "last";
/// Raised whenever [`Memo`] changes: what an older page kept is then left aside.
const VERSION: u32 = 1;

async fn open() -> Result<Database, idb::Error> {
    let mut request = Factory::new()?.open(DATABASE, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        if let Ok(database) = event.database() {
            if database.store_names().iter().any(|s| s == STORE) {
                let _ = database.delete_object_store(STORE);
            }
            let _ = database.create_object_store(STORE, ObjectStoreParams::new());
        }
    });
    request.await
}

/// The kept run, if there is one that can be read.
pub(crate) async fn load() -> Option<(Memo, Uint8Array)> {
    let database = open().await.ok()?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadOnly).ok()?;
    let kept = transaction.object_store(STORE).ok()?.get(JsValue::from_str(KEY)).ok()?.await.ok()??;
    let parts: Array = kept.dyn_into().ok()?;
    let memo: Uint8Array = parts.get(0).dyn_into().ok()?;
    let zip: Uint8Array = parts.get(1).dyn_into().ok()?;
    Some((postcard::from_bytes(&memo.to_vec()).ok()?, zip))
}

/// Keeps a run in place of the last one.
///
/// # Errors
/// A full or forbidden store (private windows): the run then does not survive a reload.
pub(crate) async fn save(memo: &Memo, zip: &Uint8Array) -> Result<(), idb::Error> {
    if FORGOTTEN.get() {
        return Ok(());
    }
    let memo = postcard::to_stdvec(memo).unwrap_or_default();
    let value = Array::of2(&Uint8Array::from(memo.as_slice()), zip);
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
    transaction.object_store(STORE)?.put(&value, Some(&JsValue::from_str(KEY)))?.await?;
    transaction.commit()?.await?;
    Ok(())
}

/// Forgets the kept run for good: nothing is kept any more until the page is loaded anew.
pub(crate) async fn forget() {
    FORGOTTEN.set(true);
    clear().await;
}

/// Forgets the kept run.
pub(crate) async fn clear() {
    let forget = async {
        let database = open().await?;
        let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
        transaction.object_store(STORE)?.delete(JsValue::from_str(KEY))?.await?;
        transaction.commit()?.await
    };
    // Where nothing can be kept there is nothing to forget.
    let _ = forget.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url;
    use gradus_core::protocol::{DeviceChoice, DeviceReport, Event, RunConfig, Started};

    fn started(config: RunConfig) -> RunState {
        let mut run = RunState::default();
        run.apply(&Event::Started(Box::new(Started {
            config,
            parameters: 1,
            bytes: 1,
            step: 50,
            floor: None,
            bigram: None,
            tokens: None,
            device: DeviceReport::default(),
        })));
        run
    }

    fn kept(run: &RunState) -> Memo {
        Memo::of(run, 50, true).unwrap_or_else(|| panic!("nothing was kept"))
    }

    #[test]
    fn a_run_that_moved_is_found_again_at_its_address() {
        let mut run = started(Settings::default().world());
        run.apply(&Event::Device { choice: DeviceChoice::Cpu, report: DeviceReport::default() });
        let memo = kept(&run);
        assert_eq!(memo.settings.device, DeviceChoice::Cpu);
        let shown = run.started.map(|s| url::query_of(&s.config, false)).unwrap_or_default();
        assert_eq!(shown, "device=cpu");
        assert!(memo.answers(&url::parse(&shown)));
        assert!(memo.answers(&url::parse("")) && !memo.answers(&url::parse("?seed=1")));
    }

    #[test]
    fn no_link_opens_the_readers_own_text() {
        let settings = Settings::default();
        let memo = kept(&started(settings.own_text("A text of one's own.".into(), 300)));
        assert!(memo.own_text && memo.settings == settings);
        assert!(!memo.answers(&url::parse("?seed=1")));
        assert!(memo.answers(&url::parse("?faults")));
    }
}
