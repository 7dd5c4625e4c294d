// Draws a draft's proposal, one sequence a workgroup (core/src/ops/speculative.rs). Stream::Propose is 9.
const STREAM: u32 = 9u;
const THREADS: u32 = 64u;
const SPAN: u32 = (V + THREADS - 1u) / THREADS;

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let b = flat_group(group);
    if b >= ROWS {
        return;
    }
    let index = positions[b] + 1u + OFFSET;
    let first = min(thread * SPAN, V);
    let end = min(first + SPAN, V);
    var sum = 0.0;
    for (var i = first; i < end; i++) {
        sum += q[b * WIDTH + i];
    }
    let found = stretch(thread, sum, unit(threefry(vec2u(settings[3], STREAM), vec2u(index, b)).x));
    if found.mine && index < P {
        var running = found.start;
        var token = first;
        for (var i = first; i < end; i++) {
            let w = q[b * WIDTH + i];
            if w > 0.0 {
                token = i;
                running += w;
                if running > found.draw {
                    break;
                }
            }
        }
        tokens[b * P + index] = token;
    }
}
