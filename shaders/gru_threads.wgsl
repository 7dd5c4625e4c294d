// A gated recurrent unit, four rows a workgroup, so that a number of w is loaded once for the four; a vector holds the same
// number of each (core/src/ops/gru.rs). Rows beyond the last one are the last one again.
const C4: u32 = C / 4u;
const WIDTH: u32 = 32u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> gates: array<f32>;

var<workgroup> state: array<vec4f, C>;

fn sigmoid(x: vec4f) -> vec4f {
    return 1.0 / (1.0 + exp(-clamp(x, vec4f(-40.0), vec4f(40.0))));
}

fn inputs(at: vec4u) -> vec4f {
    return vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
}

fn put_gate(at: vec4u, value: vec4f) {
    gates[at.x] = value.x;
    gates[at.y] = value.y;
    gates[at.z] = value.z;
    gates[at.w] = value.w;
}

// The recurrent products of unit j's three gates.
fn recurrent(j: u32) -> mat3x4f {
    var r = vec4f(bias[j]);
    var z = vec4f(bias[C + j]);
    var n = vec4f(bias[2u * C + j]);
    for (var k = 0u; k < C4; k++) {
        let held = mat4x4f(state[4u * k], state[4u * k + 1u], state[4u * k + 2u], state[4u * k + 3u]);
        r += held * w[j * C4 + k];
        z += held * w[(C + j) * C4 + k];
        n += held * w[(2u * C + j) * C4 + k];
    }
    return mat3x4f(r, z, n);
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let rows = min(4u * group.x + vec4u(0u, 1u, 2u, 3u), vec4u(B - 1u));
    for (var j = thread; j < C; j += WIDTH) {
        state[j] = vec4f();
    }
    workgroupBarrier();
    for (var t = 0u; t < T; t++) {
        let at = rows * T + t;
        for (var j = thread; j < C; j += WIDTH) {
            let sums = recurrent(j);
            let place = at * 3u * C + j;
            let r = sigmoid(inputs(place) + sums[0]);
            let z = sigmoid(inputs(place + C) + sums[1]);
            let n = 2.0 * sigmoid(2.0 * (inputs(place + 2u * C) + r * sums[2])) - 1.0;
            let g = at * 4u * C + j;
            put_gate(g, r);
            put_gate(g + C, z);
            put_gate(g + 2u * C, n);
            put_gate(g + 3u * C, sums[2]);
            let next = n + z * (state[j] - n);
            let out = at * C + j;
            h[out.x] = next.x;
            h[out.y] = next.y;
            h[out.z] = next.z;
            h[out.w] = next.w;
        }
        workgroupBarrier();
        for (var j = thread; j < C; j += WIDTH) {
            let out = at * C + j;
            state[j] = vec4f(h[out.x], h[out.y], h[out.z], h[out.w]);
        }
        workgroupBarrier();
    }
}
