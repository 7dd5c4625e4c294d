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
use leptos::prelude::*;
use std::collections::BTreeMap;

type Reply = Result<Box<Answer>, String>;

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

const GONE: &str = "The engine was stopped before it could answer. Ask again.";
const OTHER: &str = "The engine answered something else. Reload the page.";

impl LessonStore {
    /// Asks a model of the course. An error says what to do.
    async fn ask(self, role: Role, ask: Ask) -> Result<Answer, String> {
        let Some(zip) = self.zip(role) else {
            return Err(format!(
                "There is no “{}” model here yet: run the lesson that makes it, or open one from a file.",
                role.slug()
            ));
        };
        let (sender, receiver) = oneshot::channel();
        let id = self
            .with_asks(|asks| {
                asks.last = asks.last.wrapping_add(1);
                asks.waiting.insert(asks.last, sender);
                asks.last
            })
            .ok_or(GONE)?;
        self.send(ToCourse::Ask { id, ask: Box::new(ask) }, vec![zip]);
        receiver.await.map_err(|_| GONE.to_owned())?.map(|answer| *answer)
    }

    /// How large a model is and how well it predicts.
    pub(crate) async fn ask_describe(self, role: Role) -> Result<Description, String> {
        match self.ask(role, Ask::Describe).await? {
            Answer::Description(answer) => Ok(answer),
            _ => Err(OTHER.into()),
        }
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
