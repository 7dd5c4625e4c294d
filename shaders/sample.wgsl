// Draws the next token (core/src/ops/sample.rs), one sequence a workgroup. A token's rank is found by
// counting those before it, so that nothing need be sorted. Stream::Sample is 3.
const STREAM: u32 = 3u;
const THREADS: u32 = 64u;
// Tokens a thread owns, side by side, and the words that hold a bit for each.
const SPAN: u32 = (V + THREADS - 1u) / THREADS;
const WORDS: u32 = (SPAN + 31u) / 32u;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;

var<workgroup> kept_sums: array<f32, THREADS>;

fn weight(at: u32, i: u32, best: f32, temperature: f32) -> f32 {
    return exp((logits[at + i] - best) / temperature);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let b = flat_group(group);
    if b >= ROWS {
        return;
    }
    let position = state[POSITION];
    let next = position + 1u;
    let temperature = bitcast<f32>(settings[0]);
    let top_k = settings[1];
    let top_p = bitcast<f32>(settings[2]);
    let at = b * WIDTH;
    let first = min(thread * SPAN, V);
    let end = min(first + SPAN, V);

    var best = logits[at];
    for (var i = first; i < end; i++) {
        best = max(best, logits[at + i]);
    }
    best = max_all(thread, best);
    let greedy = temperature <= 0.0;
    let divisor = select(temperature, 1.0, greedy);
    var total = 0.0;
    for (var i = first; i < end; i++) {
        total += weight(at, i, best, divisor);
    }
    total = sum_all(thread, total);

    // Which of this thread's tokens stay.
    var kept: array<u32, WORDS>;
    var sum = 0.0;
    for (var word = 0u; word < WORDS; word++) {
        kept[word] = 0u;
    }
    for (var i = first; i < end; i++) {
        let own = logits[at + i];
        var rank = 0u;
        var before = 0.0;
        if greedy || top_k > 0u || top_p < 1.0 {
            for (var j = 0u; j < V; j++) {
                let other = logits[at + j];
                if other > own || (other == own && j < i) {
                    rank++;
                    before += weight(at, j, best, divisor);
                }
            }
        }
        let limit = select(top_k, 1u, greedy);
        if rank == 0u || ((limit == 0u || rank < limit) && before < top_p * total) {
            kept[(i - first) / 32u] |= 1u << ((i - first) % 32u);
            sum += weight(at, i, best, divisor);
        }
    }
    kept_sums[thread] = sum;
    workgroupBarrier();

    // The thread in whose stretch the draw falls walks it; the last thread with anything stands in for a
    // draw that rounding puts beyond the end.
    var all = 0.0;
    var start = 0.0;
    var last_thread = 0u;
    for (var i = 0u; i < THREADS; i++) {
        if i == thread {
            start = all;
        }
        all += kept_sums[i];
        if kept_sums[i] > 0.0 {
            last_thread = i;
        }
    }
    let word = threefry(vec2u(settings[3], STREAM), vec2u(position, b)).x;
    let draw = unit(word) * all;
    let mine = start <= draw && (draw < start + sum || thread == last_thread);
    if mine && sum > 0.0 && next >= lengths[b] && next < P {
        var running = start;
        var token = first;
        for (var i = first; i < end; i++) {
            let bit = (kept[(i - first) / 32u] >> ((i - first) % 32u)) & 1u;
            if bit == 1u {
                token = i;
                running += weight(at, i, best, divisor);
                if running > draw {
                    break;
                }
            }
        }
        tokens[b * P + next] = token;
    }
}
