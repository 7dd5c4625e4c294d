//! What the page says to a run. A run waits here for the models that it begins from, and what is said to it waits behind
//! it.

use super::super::wire::ToCourse;
use gradus_lessons::recipe::Role;

/// Letters to the worker, and what they wait for.
#[derive(Default)]
pub(super) struct Outbox {
    /// Models that are being fetched or read; what is awaited twice stands here twice.
    coming: Vec<Role>,
    /// In the order in which they were written.
    letters: Vec<ToCourse>,
}

impl Outbox {
    /// A model for this role is on its way.
    pub(super) fn expect(&mut self, role: Role) {
        self.coming.push(role);
    }

    /// It has come, or never will.
    pub(super) fn arrived(&mut self, role: Role) {
        if let Some(i) = self.coming.iter().position(|r| *r == role) {
            self.coming.swap_remove(i);
        }
    }

    /// Takes a letter in.
    pub(super) fn put(&mut self, letter: ToCourse) {
        self.letters.push(letter);
    }

    /// Takes out what can be sent, where a run begins from models of the roles `needs`.
    pub(super) fn take(&mut self, needs: &[Role]) -> Vec<ToCourse> {
        let waits = matches!(self.letters.first(), Some(ToCourse::Run(_)))
            && needs.iter().any(|role| self.coming.contains(role));
        if waits { Vec::new() } else { std::mem::take(&mut self.letters) }
    }

    /// Calls off what waits.
    pub(super) fn clear(&mut self) {
        self.letters.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::Request;
    use super::*;
    use gradus_core::protocol::DeviceChoice;
    use gradus_lessons::recipe::{Lesson, Size};
    use serde_json::Value;

    fn run() -> ToCourse {
        ToCourse::Run(Box::new(Request {
            lesson: Lesson::Sft,
            seed: 1,
            size: Size::Smoke,
            device: DeviceChoice::Auto,
            patch: Value::Null,
            roles: vec![],
        }))
    }

    #[test]
    fn a_run_waits_for_the_models_that_it_needs_and_for_no_others() {
        let mut outbox = Outbox::default();
        for role in [Role::Base, Role::Draft, Role::Base] {
            outbox.expect(role);
        }
        outbox.put(run());
        assert_eq!(outbox.take(&[Role::Base]), []);
        outbox.arrived(Role::Base);
        assert_eq!(outbox.take(&[Role::Base]), [], "it was awaited twice");
        outbox.arrived(Role::Base);
        assert_eq!(outbox.take(&[Role::Base]), [run()]);
        assert_eq!(outbox.take(&[Role::Base]), []);
        // A run under way is told at once, whatever comes meanwhile.
        outbox.expect(Role::Base);
        outbox.put(ToCourse::Pause);
        assert_eq!(outbox.take(&[Role::Base]), [ToCourse::Pause]);
    }

    #[test]
    fn what_is_said_to_a_run_that_waits_follows_it() {
        let mut outbox = Outbox::default();
        outbox.expect(Role::Base);
        for letter in [run(), ToCourse::Pause, ToCourse::Step] {
            outbox.put(letter);
            assert_eq!(outbox.take(&[Role::Base]), []);
        }
        outbox.arrived(Role::Base);
        assert_eq!(outbox.take(&[Role::Base]), [run(), ToCourse::Pause, ToCourse::Step]);
        outbox.expect(Role::Base);
        outbox.put(run());
        outbox.clear();
        outbox.arrived(Role::Base);
        assert_eq!(outbox.take(&[Role::Base]), []);
    }
}
