//! The parametric law, and the best use of a budget under it.

use serde::{Deserialize, Serialize};

/// `L(N, D) = E + A/N^α + B/D^β` (Hoffmann et al. 2022, equation 2; Besiroglu et al. 2024, equation 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// What no model gets below: the entropy of the text, in nats a token.
    pub e: f64,
    /// How much too few parameters cost.
    pub a: f64,
    /// How much too few tokens cost.
    pub b: f64,
    /// How fast parameters help.
    pub alpha: f64,
    /// How fast tokens help.
    pub beta: f64,
}

/// A budget spent well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// Parameters.
    pub n: f64,
    /// Tokens.
    pub d: f64,
}

impl Law {
    /// The loss of N parameters trained on D tokens.
    pub fn loss(&self, n: f64, d: f64) -> f64 {
        self.e + self.a / n.powf(self.alpha) + self.b / d.powf(self.beta)
    }

    /// The N and D of least loss for `c` operations, C = 6·N·D, in closed form (Hoffmann et al. 2022,
    /// equation 4): `N = G·(C/6)^(β/(α+β))`, `D = (C/6)^(α/(α+β))/G`, `G = (αA/βB)^(1/(α+β))`.
    pub fn optimum(&self, c: f64) -> Optimum {
        let sum = self.alpha + self.beta;
        let g = (self.alpha * self.a / (self.beta * self.b)).powf(1.0 / sum);
        let nd = c / 6.0;
        Optimum { n: g * nd.powf(self.beta / sum), d: nd.powf(self.alpha / sum) / g }
    }
}

impl Optimum {
    /// Tokens a parameter.
    pub fn ratio(&self) -> f64 {
        self.d / self.n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_form_is_the_least_loss_of_the_budget() {
        let law = Law { e: 1.1, a: 30.0, b: 200.0, alpha: 0.55, beta: 0.5 };
        let c = 3e12;
        let best = law.optimum(c);
        assert!((6.0 * best.n * best.d / c - 1.0).abs() < 1e-12);
        let loss = |n: f64| law.loss(n, c / 6.0 / n);
        for factor in [0.5, 0.9, 0.99, 1.01, 1.1, 2.0] {
            assert!(loss(best.n * factor) > loss(best.n), "{factor}");
        }
    }
}
