// Accepts or rejects a round's proposals, one sequence a workgroup (core/src/ops/speculative.rs).
// Stream::Accept is 10.
const STREAM: u32 = 10u;
const THREADS: u32 = 64u;
const SPAN: u32 = (V + THREADS - 1u) / THREADS;
// Counts of a row: done, calls, made, bonus, then tried and accepted, each K.
const COUNTS: u32 = 4u + 2u * K;

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> settings: array<u32>;
@group(0) @binding(3) var<storage, read> ends: array<u32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(5) var<storage, read_write> positions: array<u32>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<storage, read_write> overlap: array<f32>;

fn mass(at_p: u32, at_q: u32, corrected: bool, i: u32) -> f32 {
    let full = p[at_p + i];
    return select(full, max(full - q[at_q + i], 0.0), corrected);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let b = flat_group(group);
    if b >= ROWS {
        return;
    }
    let first = min(thread * SPAN, V);
    let end = min(first + SPAN, V);
    let position = min(positions[b], P - 1u);
    let live = counts[b * COUNTS] == 0u;
    let room = P - 1u - position;
    let next = b * P + position + 1u;
    var accepted = 0u;
    var rejected = false;
    for (var i = 0u; i < K; i++) {
        let at_p = (b * (K + 1u) + i) * WIDTH;
        let at_q = i * SLAB + b * WIDTH;
        var part = 0.0;
        for (var v = first; v < end; v++) {
            part += min(p[at_p + v], q[at_q + v]);
        }
        let shared_mass = sum_all(thread, part);
        if live && !rejected && i < room {
            let x = tokens[next + i];
            let coin = unit(threefry(vec2u(settings[3], STREAM), vec2u(position + 1u + i, b)).x);
            rejected = coin * q[at_q + x] >= p[at_p + x];
            accepted += select(1u, 0u, rejected);
            if thread == 0u {
                overlap[b * K + i] += shared_mass;
                counts[b * COUNTS + 4u + i] += 1u;
                counts[b * COUNTS + 4u + K + i] += select(1u, 0u, rejected);
            }
        }
    }

    let at_p = (b * (K + 1u) + accepted) * WIDTH;
    let at_q = min(accepted, K - 1u) * SLAB + b * WIDTH;
    let corrected = rejected && RESIDUAL;
    var sum = 0.0;
    for (var i = first; i < end; i++) {
        sum += mass(at_p, at_q, corrected, i);
    }
    let word = threefry(vec2u(settings[3], STREAM), vec2u(position + 1u + accepted, b)).y;
    let found = stretch(thread, sum, unit(word));
    let drawn = live && accepted < room;
    if drawn && found.mine {
        var running = found.start;
        var token = first;
        for (var i = first; i < end; i++) {
            let w = mass(at_p, at_q, corrected, i);
            if w > 0.0 {
                token = i;
                running += w;
                if running > found.draw {
                    break;
                }
            }
        }
        tokens[next + accepted] = token;
    }
    storageBarrier();
    if thread == 0u && live {
        var made = accepted + select(0u, 1u, drawn);
        var stopped = false;
        for (var i = 0u; i < made; i++) {
            if tokens[next + i] == settings[4] {
                made = i + 1u;
                stopped = true;
            }
        }
        let now = position + made;
        positions[b] = now;
        counts[b * COUNTS] = select(0u, 1u, stopped || now + 1u >= min(ends[b], P));
        counts[b * COUNTS + 1u] += 1u;
        counts[b * COUNTS + 2u] += made;
        counts[b * COUNTS + 3u] += select(0u, 1u, drawn && !rejected && made == accepted + 1u);
    }
}
