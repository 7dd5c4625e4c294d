// Draws the next token (core/src/ops/sample.rs), one sequence a workgroup. Stream::Sample is 3.
const STREAM: u32 = 3u;
const THREADS: u32 = 64u;
// Tokens a thread owns, side by side, and the words that hold a bit for each.
const SPAN: u32 = (V + THREADS - 1u) / THREADS;
const WORDS: u32 = (SPAN + 31u) / 32u;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> settings: array<u32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(4) var<storage, read_write> positions: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let b = flat_group(group);
    if b >= ROWS {
        return;
    }
    let position = positions[b];
    let next = position + 1u;
    let at = b * WIDTH;
    let first = min(thread * SPAN, V);
    let end = min(first + SPAN, V);

    var best = logits[at];
    for (var i = first; i < end; i++) {
        best = max(best, logits[at + i]);
    }
    best = max_all(thread, best);
    let temperature = bitcast<f32>(settings[0]);
    let greedy = temperature <= 0.0;
    var row = Filter(
        at,
        best,
        select(temperature, 1.0, greedy),
        select(settings[1], 1u, greedy),
        bitcast<f32>(settings[2]),
        0.0,
    );
    var total = 0.0;
    for (var i = first; i < end; i++) {
        total += weight(row, i);
    }
    row.total = sum_all(thread, total);

    // Which of this thread's tokens stay.
    var kept: array<u32, WORDS>;
    var sum = 0.0;
    for (var word = 0u; word < WORDS; word++) {
        kept[word] = 0u;
    }
    for (var i = first; i < end; i++) {
        if stays(row, i) {
            kept[(i - first) / 32u] |= 1u << ((i - first) % 32u);
            sum += weight(row, i);
        }
    }
    let found = stretch(thread, sum, unit(threefry(vec2u(settings[3], STREAM), vec2u(position, b)).x));
    if found.mine && next < P {
        var running = found.start;
        var token = first;
        for (var i = first; i < end; i++) {
            let bit = (kept[(i - first) / 32u] >> ((i - first) % 32u)) & 1u;
            if bit == 1u {
                token = i;
                running += weight(row, i);
                if running > found.draw {
                    break;
                }
            }
        }
        if next >= lengths[b] {
            tokens[b * P + next] = token;
        }
        positions[b] = next;
    }
}
