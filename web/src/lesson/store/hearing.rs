//! What the worker says, taken in: moments told to the page now and then, and the end of a run kept.

use super::super::keep::{self, Made};
use super::super::pictures;
use super::super::progress::Plan;
use super::super::wire::FromCourse;
use super::LessonStore;
use crate::{browser, stair};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::record::Record;
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;
use std::time::Duration;

/// How often the page hears of moments, in milliseconds.
const TELL_EVERY: f64 = 100.0;

impl LessonStore {
    /// Takes in one message and the zips that came with it.
    pub(super) fn hear(self, message: FromCourse, zips: Vec<Uint8Array>) {
        let Some(message) = self.hear_answer(message) else { return };
        match &message {
            FromCourse::Moments(_) => {
                self.state.update_untracked(|s| s.apply(&message));
                self.tell();
            }
            // The moments that it belongs to come next.
            FromCourse::Meter(_) => self.state.update_untracked(|s| s.apply(&message)),
            FromCourse::Done { .. } => spawn_local(self.finish(message, zips)),
            FromCourse::Failed { .. } => {
                // A run that still waited for its models is given up with the rest.
                self.inner.update_value(|i| i.outbox.clear());
                self.state.update(|s| s.apply(&message));
            }
            _ => self.state.update(|s| s.apply(&message)),
        }
    }

    /// The end of a run: its checks, figures, end and record, each in a task of its own, so that the page stays awake.
    async fn finish(self, message: FromCourse, zips: Vec<Uint8Array>) {
        let FromCourse::Done { checks, figures, .. } = &message else { return };
        let (asked, patch, run) = self.inner.with_value(|i| (i.asked.clone(), i.patch.clone(), i.runs));
        // Not stopped in the meantime, nor begun anew.
        let goes_on = || self.inner.try_with_value(|i| i.runs) == Some(run);
        let (device, timeline) = self.state.with_untracked(|s| {
            let device = s.device.as_ref().map(|d| d.name.clone());
            (device.unwrap_or_default(), s.stages.iter().map(|p| p.began).collect())
        });
        self.checks.set(checks.clone());
        browser::next_task().await;
        if !goes_on() {
            return;
        }
        self.values.set(Some(Arc::new(figures.clone())));
        // Twice: each picture changes in a task of its own, which is asked for in the first.
        browser::next_task().await;
        browser::next_task().await;
        if !goes_on() {
            return;
        }
        self.state.update(|s| s.apply(&message));
        stair::climb(self.lesson);
        browser::next_task().await;
        let FromCourse::Done { checks, figures, moments, seconds, roles } = message else { return };
        let made = Made {
            lesson: Some(self.lesson),
            seed: asked.seed,
            device: device.clone(),
            when: js_sys::Date::now(),
        };
        let record = Record {
            lesson: self.lesson,
            seed: asked.seed,
            size: asked.size,
            patch,
            device,
            seconds,
            timeline,
            moments,
            checks,
            figures,
        };
        self.plan.try_set(Plan::of(&record));
        browser::next_task().await;
        self.keep(record, made, roles, zips).await;
    }

    /// Lets the page know of new moments, at most ten times a second: they come faster than anyone can read them.
    fn tell(self) {
        let now = browser::now();
        let wait = self.inner.try_update_value(|i| {
            let wait = (i.told + TELL_EVERY - now).max(0.0);
            let waits = std::mem::replace(&mut i.telling, true);
            (!waits).then_some(wait)
        });
        if let Some(Some(wait)) = wait {
            let told = move || {
                let here = self.inner.try_update_value(|i| (i.telling, i.told) = (false, browser::now()));
                if here.is_some() {
                    self.state.notify();
                }
            };
            set_timeout(told, Duration::from_secs_f64(wait / 1e3));
        }
    }

    /// Keeps a finished run and the models that it made.
    async fn keep(self, record: Record, made: Made, roles: Vec<Role>, zips: Vec<Uint8Array>) {
        // What it began from comes back as it went.
        let given = pictures::needs(self.lesson);
        let had = self.models.get_untracked();
        let new = roles.into_iter().zip(zips).filter(|(r, _)| !(given.contains(r) && had.contains_key(r)));
        let new: Vec<_> = new.collect();
        for (role, zip) in &new {
            self.add(*role, Some(made.clone()), zip.clone());
        }
        let mut kept = keep::keep_record(&record).await.is_ok();
        for (role, zip) in new {
            kept &= keep::keep_model(role, &made, &zip).await.is_ok();
        }
        if !kept {
            self.notice.set(Some(
                "This browser keeps nothing for this site (a private window, or no room), so the run will be gone after \
                 a reload. Export what you want to keep."
                    .into(),
            ));
        }
    }
}
