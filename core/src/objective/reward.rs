//! The reward model: the answer that people chose should score higher than the one they rejected (Bradley &
//! Terry 1952; Ouyang et al. 2022, §3.5, eq. 1, for two answers a prompt).

use super::{log_sigmoid, sigmoid};
use crate::device::cpu::Real;

/// `L = −ln σ(r_chosen − r_rejected)`, of a pair whose scores are this far apart.
pub fn loss<F: Real>(margin: F) -> F {
    -log_sigmoid(margin)
}

/// `∂L/∂ margin`.
pub fn slope<F: Real>(margin: F) -> F {
    -sigmoid(-margin)
}
