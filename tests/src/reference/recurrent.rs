//! A gated recurrent unit, one number at a time, from the equations of `torch.nn.GRU`.

/// Sizes: batch, time, width.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// B.
    pub b: usize,
    /// T.
    pub t: usize,
    /// C.
    pub c: usize,
}

fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// h `[B, T, C]` and the gates `[B, T, 4C]` (r, z, n, W_hn·h + b_hn), from x `[B, T, 3C]`.
pub fn gru(x: &[f64], w: &[f64], bias: &[f64], s: Sizes) -> [Vec<f64>; 2] {
    let Sizes { b, t, c } = s;
    let (mut h, mut gates) = (vec![0.0; b * t * c], vec![0.0; b * t * 4 * c]);
    for row in 0..b {
        let mut state = vec![0.0; c];
        for i in 0..t {
            let at = row * t + i;
            let u = |g: usize, j: usize| {
                bias[g * c + j] + (0..c).map(|k| w[(g * c + j) * c + k] * state[k]).sum::<f64>()
            };
            let x = |g: usize, j: usize| x[at * 3 * c + g * c + j];
            let mut next = vec![0.0; c];
            for j in 0..c {
                let (r, z) = (sigma(x(0, j) + u(0, j)), sigma(x(1, j) + u(1, j)));
                let n = (x(2, j) + r * u(2, j)).tanh();
                next[j] = (1.0 - z) * n + z * state[j];
                for (g, value) in [r, z, n, u(2, j)].into_iter().enumerate() {
                    gates[at * 4 * c + g * c + j] = value;
                }
            }
            h[at * c..][..c].copy_from_slice(&next);
            state = next;
        }
    }
    [h, gates]
}

/// Gradients of x and of the recurrent product, and h one position earlier: what dh `[B, T, C]` says of
/// each position's h, and through it of every earlier one.
pub fn gru_grad(dh: &[f64], h: &[f64], gates: &[f64], w: &[f64], s: Sizes) -> [Vec<f64>; 3] {
    let Sizes { b, t, c } = s;
    let (mut dx, mut du) = (vec![0.0; b * t * 3 * c], vec![0.0; b * t * 3 * c]);
    let mut before = vec![0.0; b * t * c];
    for row in 0..b {
        let mut total = vec![0.0; c];
        for i in (0..t).rev() {
            let at = row * t + i;
            let mut next = vec![0.0; c];
            for j in 0..c {
                let g = |k: usize| gates[at * 4 * c + k * c + j];
                let old = if i == 0 { 0.0 } else { h[(at - 1) * c + j] };
                before[at * c + j] = old;
                let d = dh[at * c + j] + total[j];
                // ∂h/∂n = 1 − z, ∂h/∂z = h' − n, ∂h/∂h' = z; then the slopes of tanh and σ.
                let dn = d * (1.0 - g(1)) * (1.0 - g(2).powi(2));
                let dz = d * (old - g(2)) * g(1) * (1.0 - g(1));
                let dr = dn * g(3) * g(0) * (1.0 - g(0));
                for (k, (x, u)) in [(dr, dr), (dz, dz), (dn, dn * g(0))].into_iter().enumerate() {
                    dx[at * 3 * c + k * c + j] = x;
                    du[at * 3 * c + k * c + j] = u;
                }
                next[j] += d * g(1);
            }
            for j in 0..c {
                next[j] += (0..3 * c).map(|k| du[at * 3 * c + k] * w[k * c + j]).sum::<f64>();
            }
            total = next;
        }
    }
    [dx, du, before]
}
