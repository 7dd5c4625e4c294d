// Draws windows of the corpus (core/src/ops/batch.rs). Stream::Batch is 2.
const STREAM: u32 = 2u;

@group(0) @binding(0) var<storage, read> corpus: array<u32>;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> targets: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i >= B * T {
        return;
    }
    let row = i / T;
    var window = state[ROW] + row;
    if RANDOM {
        window = threefry(vec2u(state[SEED], STREAM), vec2u(row, state[DRAW])).x;
    }
    let at = window % WINDOWS * STRIDE + i % T;
    tokens[i] = corpus[at];
    targets[i] = corpus[at + 1u];
}
