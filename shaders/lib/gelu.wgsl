// GELU in its tanh form (Hendrycks & Gimpel 2016), and its derivative. tanh through exp, clamped: some
// drivers' tanh is far off.
const ROOT_2_OVER_PI: f32 = 0.7978845608028654;
const CUBIC: f32 = 0.044715;

fn gelu(x: vec4f) -> mat2x4f {
    let z = clamp(ROOT_2_OVER_PI * (x + CUBIC * x * x * x), vec4f(-20.0), vec4f(20.0));
    let t = 1.0 - 2.0 / (1.0 + exp(2.0 * z));
    let inner = ROOT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
    let half = 0.5 * (1.0 + t);
    return mat2x4f(x * half, half + 0.5 * x * (1.0 - t * t) * inner);
}
