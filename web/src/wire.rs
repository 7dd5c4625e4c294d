//! What goes over `postMessage` between the page and the worker.
//!
//! The first thing a worker says is a plain string, so that two builds can always understand that they
//! differ: `ready <build>`. A panic is a string too. All else is `[head, blob?]`: the postcard bytes of a
//! [`Command`] or [`Event`], and beside it the zip that it carries, if any. The zip is taken out because
//! it may be a hundred megabytes: it is transferred, and the page never copies it into its own memory.

use gradus_core::protocol::{Command, Event};
use js_sys::{Array, Uint8Array};
use std::mem;
use wasm_bindgen::{JsCast, JsValue};

/// Identity of the sources that this binary was built from; the page and the worker must agree on it.
pub const BUILD: &str = env!("GRADUS_BUILD");

/// A command or event in bytes, its zip beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parcel {
    /// Postcard bytes of the message, its zip left empty.
    pub head: Vec<u8>,
    /// The zip.
    pub blob: Option<Vec<u8>>,
}

/// A worker's message, as the page receives it.
#[derive(Debug)]
pub enum FromWorker {
    /// The worker listens; it was built from these sources.
    Ready {
        /// The worker's [`BUILD`].
        build: String,
    },
    /// The worker is lost.
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The session's event; its zip, where it has one, is still outside this memory.
    Event(Event, Option<Uint8Array>),
}

/// The zip inside a command, if it carries one.
fn command_zip(command: &mut Command) -> Option<&mut Vec<u8>> {
    match command {
        Command::Import { zip } | Command::Restore { zip, .. } => Some(zip),
        _ => None,
    }
}

/// The zip inside an event, if it carries one.
fn event_zip(event: &mut Event) -> Option<&mut Vec<u8>> {
    match event {
        Event::Checkpoint { zip, .. } | Event::Exported { zip, .. } => Some(zip),
        _ => None,
    }
}

/// Bytes of an event, its zip beside it.
///
/// # Errors
/// Never for the events of the protocol; postcard's own error otherwise.
pub fn pack_event(mut event: Event) -> postcard::Result<Parcel> {
    let blob = event_zip(&mut event).map(mem::take);
    Ok(Parcel { head: postcard::to_stdvec(&event)?, blob })
}

/// The command that was packed.
///
/// # Errors
/// Bytes that are no command.
pub fn unpack_command(parcel: Parcel) -> postcard::Result<Command> {
    let mut command = postcard::from_bytes(&parcel.head)?;
    if let (Some(zip), Some(blob)) = (command_zip(&mut command), parcel.blob) {
        *zip = blob;
    }
    Ok(command)
}

/// A command for the worker: `[head, blob?]`. The blob is copied by the browser, not given away, because
/// the supervisor may need it again.
///
/// # Errors
/// Never for the commands of the protocol; postcard's own error otherwise.
pub fn command_to_js(command: &Command, blob: Option<&Uint8Array>) -> postcard::Result<JsValue> {
    let head = Uint8Array::from(postcard::to_stdvec(command)?.as_slice());
    let message = Array::of1(&head);
    if let Some(blob) = blob {
        message.push(blob);
    }
    Ok(message.into())
}

/// The bytes of `[head, blob?]`; `None` for anything else.
pub fn parcel_from_js(message: &JsValue) -> Option<Parcel> {
    let (head, blob) = halves(message)?;
    Some(Parcel { head: head.to_vec(), blob: blob.map(|b| b.to_vec()) })
}

/// `[head, blob?]` and the buffers to transfer with it.
pub fn parcel_to_js(parcel: &Parcel) -> (JsValue, Array) {
    let message = Array::new();
    let transfer = Array::new();
    for bytes in [Some(&parcel.head), parcel.blob.as_ref()].into_iter().flatten() {
        let bytes = Uint8Array::from(bytes.as_slice());
        transfer.push(&bytes.buffer());
        message.push(&bytes);
    }
    (message.into(), transfer)
}

/// What the worker meant; `None` for a message that is not ours.
pub fn from_worker(message: &JsValue) -> Option<FromWorker> {
    if let Some(text) = message.as_string() {
        return if let Some(build) = text.strip_prefix("ready ") {
            Some(FromWorker::Ready { build: build.into() })
        } else {
            text.strip_prefix("panic ").map(|m| FromWorker::Panicked { message: m.into() })
        };
    }
    let (head, blob) = halves(message)?;
    Some(FromWorker::Event(postcard::from_bytes(&head.to_vec()).ok()?, blob))
}

fn halves(message: &JsValue) -> Option<(Uint8Array, Option<Uint8Array>)> {
    let parts: &Array = message.dyn_ref()?;
    Some((parts.get(0).dyn_into().ok()?, parts.get(1).dyn_into().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zips_travel_beside_the_message() -> postcard::Result<()> {
        let parcel = pack_event(Event::Checkpoint { step: 7, zip: vec![1, 2, 3] })?;
        assert_eq!(parcel.blob.as_deref(), Some(&[1, 2, 3][..]));
        let head: Event = postcard::from_bytes(&parcel.head)?;
        assert_eq!(head, Event::Checkpoint { step: 7, zip: vec![] });

        let restore = postcard::to_stdvec(&Command::Restore { zip: vec![], device: None })?;
        let whole = unpack_command(Parcel { head: restore, blob: Some(vec![9; 5]) })?;
        assert_eq!(whole, Command::Restore { zip: vec![9; 5], device: None });
        Ok(())
    }

    #[test]
    fn every_setting_of_a_run_survives() -> postcard::Result<()> {
        let config = crate::settings::Settings::default().world();
        let command = Command::Start(Box::new(config));
        let head = postcard::to_stdvec(&command)?;
        assert_eq!(unpack_command(Parcel { head, blob: None })?, command);
        Ok(())
    }

    #[test]
    fn garbage_is_refused() {
        assert!(unpack_command(Parcel { head: vec![255; 3], blob: None }).is_err());
    }
}
