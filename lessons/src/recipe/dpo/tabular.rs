//! DPO where everything can be written down.

use gradus_core::objective::dpo;

/// Five answers to one prompt, all pairs compared, each label as often
/// as Bradley and Terry say. Gradient descent on the logits must find `π_ref · e^(r/β) / Z` (Rafailov et al.
/// 2023, eq. 4). Gives the reference, the rewards, the closed form, and what was found.
pub(super) fn tabular(beta: f64) -> [Vec<f64>; 4] {
    let reference = vec![0.4, 0.25, 0.2, 0.1, 0.05];
    let rewards = vec![0.0, 0.6, -0.5, 1.2, 0.3];
    let normed = |weights: Vec<f64>| {
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / total).collect::<Vec<f64>>()
    };
    let closed = normed(reference.iter().zip(&rewards).map(|(p, r)| p * (r / beta).exp()).collect());
    // ln π − ln Z is the same for all answers and falls out of every difference.
    let mut logits: Vec<f64> = reference.iter().map(|p: &f64| p.ln()).collect();
    // The loss curves by at most β²/4 a pair, and each logit stands in pairs with all five: a longer step overshoots.
    let step = 1.0 / (beta * beta / 4.0 * 5.0);
    for _ in 0..400 {
        let reward = |i: usize| dpo::reward(beta, logits[i], reference[i].ln());
        let mut gradient = [0.0; 5];
        for i in 0..5 {
            for j in (0..5).filter(|&j| j != i) {
                let preferred = 1.0 / (1.0 + f64::exp(rewards[j] - rewards[i]));
                let slope = preferred * beta * dpo::slope(reward(i) - reward(j), 0.0);
                gradient[i] += slope;
                gradient[j] -= slope;
            }
        }
        logits.iter_mut().zip(gradient).for_each(|(l, g)| *l -= step * g);
    }
    let found = normed(logits.iter().map(|l| l.exp()).collect());
    [reference, rewards, closed, found]
}

#[cfg(test)]
mod tests {
    use super::tabular;

    #[test]
    fn gradient_descent_finds_the_closed_form() {
        for beta in [0.3, 0.5, 1.0] {
            let [reference, _, closed, found] = tabular(beta);
            assert!(
                closed.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-6),
                "{beta}: {closed:?} {found:?}"
            );
            assert!(closed.iter().zip(&reference).any(|(a, b)| (a - b).abs() > 0.1));
        }
    }
}
