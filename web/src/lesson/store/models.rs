//! The models of a lesson's page: the learner's own, those that came with the page, and files of them.

use super::super::keep::{self, Made};
use super::{LessonStore, Model};
use crate::browser;
use gradus_lessons::recipe::Role;
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;

impl LessonStore {
    /// Finds the models that this lesson's recipe and the lineage need.
    pub(super) async fn gather(self) {
        let list = self.shipped_list().await.models;
        for role in Role::ALL {
            if let Some((made, zip)) = keep::model(role).await {
                self.add(role, Some(made), zip);
            } else if list.iter().any(|m| m == role.slug()) {
                self.take_shipped(role).await;
            }
        }
    }

    async fn take_shipped(self, role: Role) {
        if let Some(zip) = browser::fetch_bytes(&self.shipped(&format!("{}.zip", role.slug()))).await
            // The learner's own may have been made while it was on its way.
            && !self.models.with_untracked(|m| m.contains_key(&role))
        {
            self.add(role, None, zip);
        }
    }

    /// Takes the model that came with the page for this role, or the learner's own again.
    pub(crate) fn start_from_shipped(self, role: Role, shipped: bool) {
        if !shipped {
            return self.take_own(role);
        }
        self.shipped_first.update(|s| {
            s.insert(role);
        });
        if self.inner.with_value(|i| i.shipped.contains_key(&role)) {
            return;
        }
        spawn_local(async move {
            match browser::fetch_bytes(&self.shipped(&format!("{}.zip", role.slug()))).await {
                Some(zip) => self.inner.update_value(|i| drop(i.shipped.insert(role, zip))),
                None => {
                    self.take_own(role);
                    self.notice.set(Some(
                        "The model that comes with the page could not be fetched. Check the connection and choose it \
                         again; until then the run begins from your own."
                            .into(),
                    ));
                }
            }
        });
    }

    fn take_own(self, role: Role) {
        self.shipped_first.update(|s| {
            s.remove(&role);
        });
    }

    /// Forgets the learner's model of this role; the one that came with the page, if any, is used again.
    pub(crate) fn forget_model(self, role: Role) {
        self.models.update(|m| drop(m.remove(&role)));
        self.take_own(role);
        self.inner.update_value(|i| drop(i.zips.remove(&role)));
        spawn_local(async move {
            keep::forget_model(role).await;
            if self.shipped_list().await.models.iter().any(|m| m == role.slug()) {
                self.take_shipped(role).await;
            }
        });
    }

    pub(super) fn add(self, role: Role, made: Option<Made>, zip: Uint8Array) {
        let bytes = u64::from(zip.length());
        self.models.update(|m| drop(m.insert(role, Model { made, bytes })));
        self.inner.update_value(|i| drop(i.zips.insert(role, zip)));
    }

    /// The zip of a model, if there is one.
    pub(in super::super) fn zip(self, role: Role) -> Option<Uint8Array> {
        self.inner.with_value(|i| i.zips.get(&role).cloned())
    }

    /// Lets the learner save a model as a zip of its Hugging Face folder.
    pub(crate) fn download(self, role: Role) {
        if let Some(zip) = self.inner.with_value(|i| i.zips.get(&role).cloned()) {
            browser::save_file(&format!("gradus-{}.zip", role.slug()), &zip);
        }
    }

    /// Takes a model from a file in place of the course's own.
    pub(crate) fn open_file(self, role: Role, file: web_sys::File) {
        spawn_local(async move {
            match browser::read_bytes(&file).await {
                Some(zip) => self.upload(role, zip),
                None => {
                    self.notice.set(Some("The browser could not read this file. Choose it again.".into()));
                }
            }
        });
    }

    fn upload(self, role: Role, zip: Uint8Array) {
        if zip.length() < 4 || zip.slice(0, 2).to_vec() != *b"PK" {
            return self.notice.set(Some(
                "This file is no zip. Choose the zip of a Hugging Face folder: config.json, model.safetensors and \
                 tokenizer.json, as “Download” below gives it."
                    .into(),
            ));
        }
        self.notice.set(None);
        self.take_own(role);
        let made = Made { lesson: None, seed: 0, device: String::new(), when: js_sys::Date::now() };
        self.add(role, Some(made.clone()), zip.clone());
        spawn_local(async move {
            let _ = keep::keep_model(role, &made, &zip).await;
        });
    }
}
