//! Questions to a model from the page: sent to the worker, waited for, and answered once.

use super::LessonStore;
use super::state::State;
use super::wire::{FromCourse, ToCourse};
use futures_channel::oneshot;
use gradus_lessons::ask::{
    Answer, Ask, Continuation, Continue, Description, Graded, GradedShots, ProbeText, Probed, Shots,
    ShotsAnswer,
};
use gradus_lessons::recipe::Role;
use js_sys::Uint8Array;
use leptos::prelude::*;
use std::collections::BTreeMap;

type Reply = Result<Box<Answer>, String>;

/// Why a question has no answer.
pub(super) enum Unanswered {
    /// The learner stopped the engine meanwhile: the question may be asked again.
    Stopped,
    /// What is wrong, and what to do.
    Because(String),
}

impl From<Unanswered> for String {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Stopped => "The engine was stopped before it could answer. Ask again.".into(),
            Unanswered::Because(why) => why,
        }
    }
}

/// The questions that wait for an answer.
#[derive(Default)]
pub(crate) struct Asks {
    waiting: BTreeMap<u32, oneshot::Sender<Reply>>,
    last: u32,
}

impl Asks {
    /// Gives up all of them: the worker is gone.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    fn answer(&mut self, id: u32, reply: Reply) {
        if let Some(sender) = self.waiting.remove(&id) {
            // Whoever asked may have left.
            let _ = sender.send(reply);
        }
    }
}

const OTHER: &str = "The engine answered something else. Reload the page.";

impl LessonStore {
    /// Asks a model of the course. An error says what to do.
    async fn ask(self, role: Role, ask: Ask) -> Result<Answer, Unanswered> {
        let zip = self.zip(role).ok_or_else(|| {
            Unanswered::Because(format!(
                "There is no “{}” model here yet: run the lesson that makes it, or open one from a file.",
                role.slug()
            ))
        })?;
        self.ask_zip(zip, ask).await
    }

    /// Asks the model of this zip, which need not be one of the course.
    async fn ask_zip(self, zip: Uint8Array, ask: Ask) -> Result<Answer, Unanswered> {
        let (sender, receiver) = oneshot::channel();
        let id = self
            .with_asks(|asks| {
                asks.last = asks.last.wrapping_add(1);
                asks.waiting.insert(asks.last, sender);
                asks.last
            })
            .ok_or(Unanswered::Stopped)?;
        self.send(ToCourse::Ask { id, ask: Box::new(ask) }, vec![zip]);
        let reply = receiver.await.map_err(|_| Unanswered::Stopped)?;
        reply.map(|answer| *answer).map_err(Unanswered::Because)
    }

    /// How large a model is and how well it predicts.
    pub(super) async fn ask_describe(self, role: Role) -> Result<Description, Unanswered> {
        match self.ask(role, Ask::Describe).await? {
            Answer::Description(answer) => Ok(answer),
            _ => Err(Unanswered::Because(OTHER.into())),
        }
    }

    /// Whether the engine can read this zip and what is in it computes.
    pub(super) async fn ask_whole(self, zip: Uint8Array) -> Result<(), Unanswered> {
        self.ask_zip(zip, Ask::Describe).await.map(drop)
    }

    /// A text, continued.
    pub(crate) async fn ask_continue(self, role: Role, ask: Continue) -> Result<Continuation, String> {
        match self.ask(role, Ask::Continue(ask)).await? {
            Answer::Continuation(answer) => Ok(answer),
            _ => Err(OTHER.into()),
        }
    }

    /// All numbers of attention over a text.
    pub(crate) async fn ask_probe(self, role: Role, ask: ProbeText) -> Result<Probed, String> {
        match self.ask(role, Ask::Probe(ask)).await? {
            Answer::Probed(answer) => Ok(*answer),
            _ => Err(OTHER.into()),
        }
    }

    /// One list with ever more examples.
    pub(crate) async fn ask_shots(self, role: Role, ask: Shots) -> Result<ShotsAnswer, String> {
        match self.ask(role, Ask::Shots(ask)).await? {
            Answer::Shots(answer) => Ok(answer),
            _ => Err(OTHER.into()),
        }
    }

    /// Many lists.
    pub(crate) async fn ask_grade(self, role: Role, ask: Graded) -> Result<Vec<GradedShots>, String> {
        match self.ask(role, Ask::Grade(ask)).await? {
            Answer::Graded(answer) => Ok(answer),
            _ => Err(OTHER.into()),
        }
    }

    /// Takes an answer out of what the worker says, and a failure that is a question's and no run's.
    pub(super) fn hear_answer(self, message: FromCourse) -> Option<FromCourse> {
        match message {
            FromCourse::Answered { id, answer } => {
                self.with_asks(|asks| asks.answer(id, answer));
                None
            }
            FromCourse::Failed { message } => {
                let waiting = self.with_asks(|asks| std::mem::take(&mut asks.waiting)).unwrap_or_default();
                let own = !waiting.is_empty() && !self.state.with_untracked(State::busy);
                for sender in waiting.into_values() {
                    let _ = sender.send(Err(message.clone()));
                }
                (!own).then_some(FromCourse::Failed { message })
            }
            message => Some(message),
        }
    }
}
