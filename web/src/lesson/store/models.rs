//! The models of a lesson's page: the learner's own, those that came with the page, and files of them.

use super::super::ask::Unanswered;
use super::super::keep::{self, Made};
use super::super::pictures;
use super::{LessonStore, Model};
use crate::browser;
use crate::format::sentence;
use gradus_core::model::MAX_ZIP_BYTES;
use gradus_lessons::recipe::Role;
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;

impl LessonStore {
    /// Finds the models that this lesson's recipe and the lineage need.
    pub(super) fn gather(self) {
        Role::ALL.into_iter().for_each(|role| self.expect(role));
        // First those that a run would wait for.
        let needs = pictures::needs(self.lesson);
        let others = Role::ALL.into_iter().filter(|role| !needs.contains(role));
        spawn_local(async move {
            let list = self.shipped_list().await.models;
            for role in needs.iter().copied().chain(others) {
                if let Some((made, zip)) = keep::model(role).await {
                    self.add_first(role, Some(made), zip);
                } else if list.iter().any(|m| m == role.slug()) {
                    self.take_shipped(role).await;
                }
                self.arrived(role);
            }
        });
    }

    /// A run that begins from a model of this role waits from now on until it has [`arrived`](Self::arrived).
    fn expect(self, role: Role) {
        self.inner.update_value(|i| i.outbox.expect(role));
    }

    /// The model has come, or never will.
    fn arrived(self, role: Role) {
        self.inner.try_update_value(|i| i.outbox.arrived(role));
        self.post();
    }

    /// The models that a run begins from as things stand, and their zips.
    pub(super) fn begins_from(self, needs: &[Role]) -> (Vec<Role>, Vec<Uint8Array>) {
        let shipped_first = self.shipped_first.get_untracked();
        self.inner.with_value(|i| {
            let zip = |role: &Role| {
                let shipped = i.shipped.get(role).filter(|_| shipped_first.contains(role));
                shipped.or_else(|| i.zips.get(role)).cloned()
            };
            needs.iter().filter_map(|role| Some((*role, zip(role)?))).unzip()
        })
    }

    async fn take_shipped(self, role: Role) {
        match browser::fetch_bytes(&self.shipped(&format!("{}.zip", role.slug()))).await {
            Some(zip) => self.add_first(role, None, zip),
            None if pictures::needs(self.lesson).contains(&role) => self.notice.set(Some(format!(
                "The “{}” model that comes with the page could not be fetched: a run makes one on its way, which takes \
                 longer. For the other check the connection and reload the page.",
                role.slug()
            ))),
            None => {}
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
        self.expect(role);
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
            self.arrived(role);
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
        self.expect(role);
        spawn_local(async move {
            keep::forget_model(role).await;
            if self.shipped_list().await.models.iter().any(|m| m == role.slug()) {
                self.take_shipped(role).await;
            }
            self.arrived(role);
        });
    }

    pub(super) fn add(self, role: Role, made: Option<Made>, zip: Uint8Array) {
        let bytes = u64::from(zip.length());
        self.models.update(|m| drop(m.insert(role, Model { made, bytes })));
        self.inner.update_value(|i| drop(i.zips.insert(role, zip)));
    }

    /// Adds a model that was looked for, unless the learner made or opened one meanwhile.
    fn add_first(self, role: Role, made: Option<Made>, zip: Uint8Array) {
        if !self.models.with_untracked(|m| m.contains_key(&role)) {
            self.add(role, made, zip);
        }
    }

    /// The zip of a model, if there is one.
    pub(in super::super) fn zip(self, role: Role) -> Option<Uint8Array> {
        self.inner.with_value(|i| i.zips.get(&role).cloned())
    }

    /// Lets the learner save a model as a zip of its Hugging Face folder.
    pub(crate) fn download(self, role: Role) {
        if let Some(zip) = self.zip(role) {
            browser::save_file(&format!("gradus-{}.zip", role.slug()), &zip);
        }
    }

    /// Takes a model from a file in place of the course's own, once the engine has read it.
    pub(crate) fn open_file(self, role: Role, file: web_sys::File) {
        self.notice.set(None);
        self.expect(role);
        spawn_local(async move {
            let problem = match self.read_model(&file).await {
                Ok(zip) => self.take_model(role, zip).await,
                Err(why) => Some(format!("“{}” was not opened, and nothing has changed. {why}", file.name())),
            };
            if problem.is_some() {
                self.notice.set(problem);
            }
            self.arrived(role);
        });
    }

    /// The zip in a file, if it is one of a model; an error says what to do.
    async fn read_model(self, file: &web_sys::File) -> Result<Uint8Array, String> {
        within_limit(file.size())?;
        let zip = browser::read_bytes(file).await;
        let zip = zip.ok_or("The browser could not read this file. Choose it again.")?;
        match self.ask_whole(zip.clone()).await {
            Ok(()) => Ok(zip),
            Err(Unanswered::Stopped) => {
                Err("The engine was stopped before it had read it. Open it again.".into())
            }
            Err(Unanswered::Because(why)) => Err(sentence(&why)),
        }
    }

    /// Puts a model from a file in the place of this role's, here and in the browser; says so where it cannot be kept.
    async fn take_model(self, role: Role, zip: Uint8Array) -> Option<String> {
        self.take_own(role);
        let made = Made { lesson: None, seed: 0, device: String::new(), when: js_sys::Date::now() };
        self.add(role, Some(made.clone()), zip.clone());
        keep::keep_model(role, &made, &zip).await.err().map(|_| {
            "This browser keeps nothing more for this site (a private window, or no room), so the opened model will be \
             gone after a reload. Keep its file, and open it again then."
                .into()
        })
    }
}

/// Whether a file of so many bytes may be opened.
fn within_limit(bytes: f64) -> Result<(), String> {
    if bytes > 0.0 && bytes <= MAX_ZIP_BYTES as f64 {
        return Ok(());
    }
    Err(format!(
        "It has {bytes} bytes. Choose the zip of a Hugging Face folder (config.json, model.safetensors and \
         tokenizer.json) of at most {} MiB, as “Download” below gives it.",
        MAX_ZIP_BYTES >> 20
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_too_large_are_refused_with_the_limit() {
        assert_eq!(within_limit(MAX_ZIP_BYTES as f64), Ok(()));
        for bytes in [0.0, MAX_ZIP_BYTES as f64 + 1.0] {
            assert!(within_limit(bytes).is_err_and(|why| why.contains("256 MiB")), "{bytes}");
        }
    }
}
