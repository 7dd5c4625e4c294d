// Layer normalisation, one row a thread (core/src/ops/norm.rs).
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gain: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;

// The columns that fours make up.
const WHOLE: u32 = C / 4u * 4u;

fn four(at: u32) -> vec4f {
    return vec4f(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
}

fn put(at: u32, c: u32, mu: f32, r: f32) {
    y[at + c] = (x[at + c] - mu) * r * gain[c] + bias[c];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group) * 64u + thread;
    if row >= ROWS {
        return;
    }
    let at = row * C;
    // Four columns a turn, since turns cost too; then those that are left.
    var sums = vec4f();
    for (var c = 0u; c < WHOLE; c += 4u) {
        sums += four(at + c);
    }
    for (var c = WHOLE; c < C; c++) {
        sums.x += x[at + c];
    }
    let mu = dot(sums, vec4f(1.0)) / f32(C);
    var squares = vec4f();
    for (var c = 0u; c < WHOLE; c += 4u) {
        let d = four(at + c) - mu;
        squares += d * d;
    }
    for (var c = WHOLE; c < C; c++) {
        let d = x[at + c] - mu;
        squares.x += d * d;
    }
    let r = 1.0 / sqrt(dot(squares, vec4f(1.0)) / f32(C) + 1e-5);
    for (var c = 0u; c < WHOLE; c += 4u) {
#repeat k 0 4
        put(at, c + #ku, mu, r);
#end
    }
    for (var c = WHOLE; c < C; c++) {
        put(at, c, mu, r);
    }
    mean[row] = mu;
    rstd[row] = r;
}
