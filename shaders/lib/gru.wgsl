// The gates' functions, all through exp and clamped: tanh of some drivers is far off.
const THREADS: u32 = 128u;

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(x, -40.0, 40.0)));
}
