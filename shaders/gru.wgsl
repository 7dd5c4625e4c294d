// A gated recurrent unit, one row a workgroup, position by position; h lies in workgroup memory
// (core/src/ops/gru.rs).
const C4: u32 = C / 4u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> gates: array<f32>;

var<workgroup> state: array<f32, C>;

// The recurrent product of one output.
fn recurrent(row: u32) -> f32 {
    var sum = 0.0;
    for (var k = 0u; k < C4; k++) {
        let at = 4u * k;
        sum += dot(w[row * C4 + k], vec4f(state[at], state[at + 1u], state[at + 2u], state[at + 3u]));
    }
    return sum + bias[row];
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    for (var j = thread; j < C; j += THREADS) {
        state[j] = 0.0;
    }
    workgroupBarrier();
    for (var t = 0u; t < T; t++) {
        let at = group.x * T + t;
        for (var j = thread; j < C; j += THREADS) {
            let r = sigmoid(x[at * 3u * C + j] + recurrent(j));
            let z = sigmoid(x[at * 3u * C + C + j] + recurrent(C + j));
            let from_h = recurrent(2u * C + j);
            let n = 2.0 * sigmoid(2.0 * (x[at * 3u * C + 2u * C + j] + r * from_h)) - 1.0;
            let g = at * 4u * C + j;
            gates[g] = r;
            gates[g + C] = z;
            gates[g + 2u * C] = n;
            gates[g + 3u * C] = from_h;
            h[at * C + j] = n + z * (state[j] - n);
        }
        workgroupBarrier();
        for (var j = thread; j < C; j += THREADS) {
            state[j] = h[at * C + j];
        }
        workgroupBarrier();
    }
}
