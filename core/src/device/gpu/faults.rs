//! What the driver reports behind our back: kept until the next call, which then fails with it.

use crate::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};

/// The first fault that the device reported; a loss outranks all others.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Error>>>);

impl Faults {
    /// Makes `device` report to this store instead of panicking.
    pub(super) fn watch(&self, device: &wgpu::Device, name: &str) {
        let (faults, adapter) = (self.clone(), name.to_string());
        device.on_uncaptured_error(Arc::new(move |error| {
            faults.put(match error {
                wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory {
                    device: adapter.clone(),
                    detail: "the driver refused a buffer".into(),
                },
                other => Error::Device(format!("{adapter} reports: {other}")),
            });
        }));
        let faults = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            let why = if message.is_empty() { format!("{reason:?}") } else { message };
            faults.put(Error::DeviceLost(why));
        });
    }

    /// Keeps `error`, unless one is kept already that says more.
    pub(super) fn put(&self, error: Error) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = matches!(*kept, Some(Error::DeviceLost(_)));
        if kept.is_none() || (!lost && matches!(error, Error::DeviceLost(_))) {
            *kept = Some(error);
        }
    }

    /// Fails with what is kept. A loss stays; anything else is reported once.
    pub(super) fn check(&self) -> Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            None => Ok(()),
            Some(Error::DeviceLost(why)) => Err(Error::DeviceLost(why.clone())),
            Some(_) => kept.take().map_or(Ok(()), Err),
        }
    }
}
