//! Embedding, layer normalisation, linear maps, GELU. Matrices are row-major.

/// x`[b, t]` = wte`[tokens[b, t]]` + wpe`[t]`.
pub fn embed(tokens: &[u32], wte: &[f64], wpe: &[f64], t: usize, c: usize) -> Vec<f64> {
    let mut x = Vec::new();
    for i in 0..tokens.len() {
        for j in 0..c {
            x.push(wte[tokens[i] as usize * c + j] + wpe[(i % t) * c + j]);
        }
    }
    x
}

/// Adds dx to the rows that [`embed`] read.
pub fn embed_grad(dx: &[f64], tokens: &[u32], dwte: &mut [f64], dwpe: &mut [f64], t: usize, c: usize) {
    for i in 0..tokens.len() {
        for j in 0..c {
            dwte[tokens[i] as usize * c + j] += dx[i * c + j];
            dwpe[(i % t) * c + j] += dx[i * c + j];
        }
    }
}

/// y, mean, 1/σ of each row of c numbers; σ² = variance + 1e-5.
pub fn norm(x: &[f64], gain: &[f64], bias: &[f64]) -> [Vec<f64>; 3] {
    let c = gain.len();
    let (mut y, mut means, mut rstds) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..x.len() / c {
        let mut mean = 0.0;
        for j in 0..c {
            mean += x[row * c + j] / c as f64;
        }
        let mut variance = 0.0;
        for j in 0..c {
            variance += (x[row * c + j] - mean).powi(2) / c as f64;
        }
        let rstd = (variance + 1e-5).powf(-0.5);
        for j in 0..c {
            y.push((x[row * c + j] - mean) * rstd * gain[j] + bias[j]);
        }
        means.push(mean);
        rstds.push(rstd);
    }
    [y, means, rstds]
}

/// dx of [`norm`], by the Jacobian ∂x̂ᵢ/∂xⱼ = (δᵢⱼ − 1/c − x̂ᵢ·x̂ⱼ/c)/σ.
pub fn norm_grad(dy: &[f64], x: &[f64], mean: &[f64], rstd: &[f64], gain: &[f64]) -> Vec<f64> {
    let c = gain.len();
    let n = c as f64;
    let mut dx = vec![0.0; x.len()];
    for row in 0..mean.len() {
        let hat = |j: usize| (x[row * c + j] - mean[row]) * rstd[row];
        for j in 0..c {
            for i in 0..c {
                let delta = if i == j { 1.0 } else { 0.0 };
                let jacobian = (delta - 1.0 / n - hat(i) * hat(j) / n) * rstd[row];
                dx[row * c + j] += dy[row * c + i] * gain[i] * jacobian;
            }
        }
    }
    dx
}

/// Adds the gradients of [`norm`]'s gain and bias.
pub fn norm_grad_params(
    dy: &[f64],
    x: &[f64],
    mean: &[f64],
    rstd: &[f64],
    dgain: &mut [f64],
    dbias: &mut [f64],
) {
    let c = dgain.len();
    for row in 0..mean.len() {
        for j in 0..c {
            dgain[j] += dy[row * c + j] * (x[row * c + j] - mean[row]) * rstd[row];
            dbias[j] += dy[row * c + j];
        }
    }
}

/// aᵀ, of a `[rows, columns]`.
pub fn transpose(a: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut b = vec![0.0; a.len()];
    for i in 0..rows {
        for j in 0..columns {
            b[j * rows + i] = a[i * columns + j];
        }
    }
    b
}

/// a`[m, k]` · b`[k, n]`.
pub fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            for l in 0..k {
                c[i * n + j] += a[i * k + l] * b[l * n + j];
            }
        }
    }
    c
}

/// x·Φ(x) in the tanh form (Hendrycks & Gimpel 2016).
pub fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

/// d/dx of [`gelu`]: the derivative of tanh is 1/cosh².
pub fn gelu_slope(x: f64) -> f64 {
    let k = (2.0 / std::f64::consts::PI).sqrt();
    let z = k * (x + 0.044715 * x.powi(3));
    0.5 * (1.0 + z.tanh()) + 0.5 * x * z.cosh().powi(-2) * k * (1.0 + 3.0 * 0.044715 * x * x)
}
