//! Controls: each reads the store and calls its methods.

mod files;
mod knobs;
mod message;
mod own_text;
mod reset;
mod transport;

pub(crate) use files::Files;
pub(crate) use knobs::Knobs;
pub(crate) use message::{Message, Spoken, Status};
pub(crate) use own_text::{OwnTextButton, OwnTextDialog};
#[cfg(test)]
pub(crate) use reset::OURS;
pub(crate) use reset::ResetEverything;
pub(crate) use transport::Transport;
