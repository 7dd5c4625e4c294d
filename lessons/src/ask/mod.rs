//! Questions to a model outside of a run: what it says to a prompt and how sure it is, what its heads look at, how it
//! does after a few examples, how large and how good it is. A question and its answer are plain data, so that the
//! page can send the one to the worker and draw the other.

mod continuation;
mod description;
mod open;
mod probe;
mod shots;
mod words;

pub use continuation::{Continuation, Continue, Place};
pub use description::{Description, HeldOut};
pub use probe::{ProbeText, Probed};
pub use shots::{Expected, Graded, GradedShots, Shot, Shots, ShotsAnswer};
pub use words::{Candidate, PromptText, near, tidy, unknown_words};

use gradus_core::Result;
use gradus_core::device::Device;
use gradus_core::model::ModelFolder;
use serde::{Deserialize, Serialize};

/// What can be asked of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// How large it is and how well it predicts held-out text.
    Describe,
    /// To go on with a text.
    Continue(Continue),
    /// For every number of its attention over a text.
    Probe(ProbeText),
    /// A list with 0, 1, … K solved examples.
    Shots(Shots),
    /// Many such lists: accuracy against the number of examples.
    Grade(Graded),
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Ask::Describe`].
    Description(Description),
    /// To [`Ask::Continue`].
    Continuation(Continuation),
    /// To [`Ask::Probe`].
    Probed(Box<Probed>),
    /// To [`Ask::Shots`].
    Shots(ShotsAnswer),
    /// To [`Ask::Grade`].
    Graded(Vec<GradedShots>),
}

/// Asks `model` on `device`, which is cleared afterwards.
///
/// # Errors
/// [`Error::Text`](gradus_core::Error::Text) names the words that the model does not know,
/// [`Error::Config`](gradus_core::Error::Config) what is out of range; both say what to do. And the device's errors.
pub async fn ask(device: &mut dyn Device, model: &ModelFolder, ask: &Ask) -> Result<Answer> {
    let answer = match ask {
        Ask::Describe => description::describe(device, model).await.map(Answer::Description),
        Ask::Continue(ask) => continuation::go_on(device, model, ask).await.map(Answer::Continuation),
        Ask::Probe(ask) => probe::probe(device, model, ask).await.map(|p| Answer::Probed(Box::new(p))),
        Ask::Shots(ask) => shots::shots(device, model, ask).await.map(Answer::Shots),
        Ask::Grade(ask) => shots::grade(device, model, ask).await.map(Answer::Graded),
    };
    device.clear();
    answer
}
