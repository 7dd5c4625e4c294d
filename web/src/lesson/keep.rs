//! What a learner made, kept in this browser (IndexedDB): the last run of each lesson, and the models.

use gradus_lessons::recipe::record::Record;
use gradus_lessons::recipe::{Lesson, Role};
use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, TransactionMode, TransactionResult};
use js_sys::{Array, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

/// How a model was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// By which lesson; none for one that was opened from a file.
    pub(crate) lesson: Option<Lesson>,
    /// From which seed.
    pub(crate) seed: u32,
    /// On which device.
    pub(crate) device: String,
    /// When, in milliseconds since 1970.
    pub(crate) when: f64,
}

const DATABASE: &str = "gradus-course";
const RECORDS: &str = "records";
const MODELS: &str = "models";
/// Raised whenever what is kept changes its form: older records are then left aside.
const VERSION: u32 = 1;

async fn open() -> Result<Database, idb::Error> {
    let mut request = Factory::new()?.open(DATABASE, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        if let Ok(database) = event.database() {
            for store in [RECORDS, MODELS] {
                if database.store_names().iter().any(|s| s == store) {
                    let _ = database.delete_object_store(store);
                }
                let _ = database.create_object_store(store, ObjectStoreParams::new());
            }
        }
    });
    request.await
}

async fn get(store: &str, key: &str) -> Option<JsValue> {
    let database = open().await.ok()?;
    let transaction = database.transaction(&[store], TransactionMode::ReadOnly).ok()?;
    transaction.object_store(store).ok()?.get(JsValue::from_str(key)).ok()?.await.ok()?
}

async fn put(store: &str, key: &str, value: &JsValue) -> Result<(), idb::Error> {
    let database = open().await?;
    let transaction = database.transaction(&[store], TransactionMode::ReadWrite)?;
    transaction.object_store(store)?.put(value, Some(&JsValue::from_str(key)))?.await?;
    match transaction.commit()?.await? {
        TransactionResult::Committed => Ok(()),
        // A store that runs out of room may take the value and give up here.
        TransactionResult::Aborted => Err(idb::Error::TransactionCommitError("it was given up".into())),
    }
}

/// The last run of a lesson, if one is kept that can be read.
pub(crate) async fn record(lesson: Lesson) -> Option<Record> {
    serde_json::from_str(&get(RECORDS, lesson.slug()).await?.as_string()?).ok()
}

/// Keeps a lesson's run in place of its last one.
///
/// # Errors
/// A full or forbidden store (private windows): the run then does not survive a reload.
pub(crate) async fn keep_record(record: &Record) -> Result<(), idb::Error> {
    let json = serde_json::to_string(record).unwrap_or_default();
    put(RECORDS, record.lesson.slug(), &JsValue::from_str(&json)).await
}

/// The learner's model of this role: how it was made, and its zip.
pub(crate) async fn model(role: Role) -> Option<(Made, Uint8Array)> {
    let parts: Array = get(MODELS, role.slug()).await?.dyn_into().ok()?;
    let made = serde_json::from_str(&parts.get(0).as_string()?).ok()?;
    Some((made, parts.get(1).dyn_into().ok()?))
}

/// Keeps a model in place of the last of its role.
///
/// # Errors
/// As [`keep_record`].
pub(crate) async fn keep_model(role: Role, made: &Made, zip: &Uint8Array) -> Result<(), idb::Error> {
    let made = JsValue::from_str(&serde_json::to_string(made).unwrap_or_default());
    put(MODELS, role.slug(), &Array::of2(&made, zip)).await
}

/// Forgets the learner's model of this role.
pub(crate) async fn forget_model(role: Role) {
    let forget = async {
        let database = open().await?;
        let transaction = database.transaction(&[MODELS], TransactionMode::ReadWrite)?;
        transaction.object_store(MODELS)?.delete(JsValue::from_str(role.slug()))?.await?;
        transaction.commit()?.await
    };
    // Where nothing can be kept there is nothing to forget.
    let _ = forget.await;
}

/// Forgets all runs and models.
pub(crate) async fn forget() {
    let clear = async {
        let database = open().await?;
        let transaction = database.transaction(&[RECORDS, MODELS], TransactionMode::ReadWrite)?;
        for store in [RECORDS, MODELS] {
            transaction.object_store(store)?.clear()?.await?;
        }
        transaction.commit()?.await
    };
    // Where nothing can be kept there is nothing to forget.
    let _ = clear.await;
}
