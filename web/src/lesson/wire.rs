//! What the page of a lesson and its worker say to each other: `[json, zip…]`. The zips are the models, in the
//! order in which the message names their roles.

use gradus_core::protocol::{DeviceChoice, DeviceReport};
use gradus_lessons::ask::{Answer, Ask};
use gradus_lessons::check::Check;
use gradus_lessons::recipe::{Lesson, Moment, Role, Size};
use js_sys::{Array, JsString, Uint8Array};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Which lesson.
    pub lesson: Lesson,
    /// Seed of everything random.
    pub seed: u32,
    /// How much.
    pub size: Size,
    /// Where.
    pub device: DeviceChoice,
    /// Settings that the learner changed; null for none.
    pub patch: Value,
    /// Models to begin from, as far as the lesson needs them.
    pub roles: Vec<Role>,
}

/// The page to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToCourse {
    /// Run this.
    Run(Box<Request>),
    /// Wait after the next step.
    Pause,
    /// Go on.
    Resume,
    /// While paused: one step more.
    Step,
    /// At most so many steps a second; 0 for as many as it can.
    Pace(f64),
    /// Ask the model whose zip comes with it, on the CPU; during a run too, between two of its turns.
    Ask {
        /// By which the answer is known.
        id: u32,
        /// The question.
        ask: Box<Ask>,
    },
}

/// What a run has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    /// Seconds it has worked, pauses left out.
    pub seconds: f64,
    /// Tokens that its models have read, in training and in writing; what two models read counts twice.
    pub tokens: u64,
    /// Bytes that the device holds now.
    pub bytes: u64,
}

/// The worker to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromCourse {
    /// It listens; it was built from these sources.
    Ready {
        /// The build.
        build: String,
    },
    /// The run begins on this device.
    Device(DeviceReport),
    /// What happened since the last message.
    Moments(Vec<Moment>),
    /// What it has cost so far.
    Meter(Meter),
    /// It waits, or goes on.
    Paused(bool),
    /// It came to its end.
    Done {
        /// Measured beside expected.
        checks: Vec<Check>,
        /// The recipe's figures, with as many digits as are kept.
        figures: Value,
        /// What is kept of all that happened.
        moments: Vec<Moment>,
        /// Seconds it took, pauses included.
        seconds: f64,
        /// Models that it made or began from; their zips follow.
        roles: Vec<Role>,
    },
    /// What a model answered, or why it did not and what to do.
    Answered {
        /// Of the question.
        id: u32,
        /// The answer.
        answer: Result<Box<Answer>, String>,
    },
    /// It failed; the page may start anew with other settings.
    Failed {
        /// What happened and what to do.
        message: String,
    },
    /// The worker is lost.
    Panicked {
        /// What the panic said.
        message: String,
    },
}

/// `[json, zip…]`, and the buffers to transfer with it.
pub fn to_js(message: &impl Serialize, zips: &[Uint8Array]) -> (JsValue, Array) {
    let json = serde_json::to_string(message).unwrap_or_default();
    let (parts, transfer) = (Array::of1(&JsString::from(json)), Array::new());
    for zip in zips {
        parts.push(zip);
        transfer.push(&zip.buffer());
    }
    (parts.into(), transfer)
}

/// The message and its zips.
///
/// # Errors
/// What cannot be read, with what to do: nothing that is said may be lost in silence, for the other side waits for it.
pub fn from_js<M: DeserializeOwned>(message: &JsValue) -> Result<(M, Vec<Uint8Array>), String> {
    let parts: Option<&Array> = message.dyn_ref();
    let json = parts.and_then(|p| p.get(0).as_string()).unwrap_or_default();
    let zips = parts.into_iter().flat_map(|p| p.iter().skip(1)).filter_map(|part| part.dyn_into().ok());
    Ok((read(&json)?, zips.collect()))
}

fn read<M: DeserializeOwned>(json: &str) -> Result<M, String> {
    serde_json::from_str(json).map_err(|error| {
        format!(
            "What the engine said cannot be read ({error}): most likely a number in it is not finite. Run it again with \
             the lesson's usual settings and models; finished runs and models are kept."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_lessons::ask::{Description, HeldOut};
    use gradus_lessons::check::Expected;

    #[test]
    fn numbers_that_are_not_finite_do_not_keep_a_run_from_its_end() {
        let metrics =
            Moment::Metrics { run: "a".into(), step: 1, values: vec![("loss".into(), f64::INFINITY)] };
        let done = FromCourse::Done {
            checks: vec![Check::new("share", "a share of nothing", f64::NAN, "", Expected::AtLeast(0.0), "")],
            figures: Value::Null,
            moments: vec![metrics],
            seconds: 1.0,
            roles: vec![],
        };
        let json = serde_json::to_string(&done).expect("it is plain data");
        let Ok(FromCourse::Done { checks, moments, .. }) = read(&json) else { panic!("{json} is lost") };
        assert!(checks[0].measured.is_nan() && !checks[0].passes());
        let [Moment::Metrics { values, .. }] = moments.as_slice() else { panic!("{moments:?}") };
        assert!(values[0].0 == "loss" && values[0].1.is_nan());
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let held_out = Some(HeldOut { loss: f64::NAN, floor: 1.0, tokens: 1 });
        let known = Description {
            parameters: 1,
            n_layer: 1,
            n_head: 1,
            n_embd: 1,
            n_positions: 1,
            scored: false,
            held_out,
        };
        let answer = FromCourse::Answered { id: 1, answer: Ok(Box::new(Answer::Description(known))) };
        let json = serde_json::to_string(&answer).expect("it is plain data");
        let why = read::<FromCourse>(&json).expect_err("null is no loss");
        assert!(why.contains("not finite") && why.contains("usual settings"), "{why}");
        assert!(read::<FromCourse>("").is_err());
    }
}
