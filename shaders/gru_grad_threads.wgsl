// Backward through time, four rows a workgroup, as gru_threads.wgsl goes forward (core/src/ops/gru.rs).
const C4: u32 = C / 4u;
const WIDTH: u32 = 32u;

@group(0) @binding(0) var<storage, read> dh: array<f32>;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> gates: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> recurrent: array<f32>;
@group(0) @binding(6) var<storage, read_write> before: array<f32>;

// What later positions say of h here, and the recurrent product's gradient at this position.
var<workgroup> carry: array<vec4f, C>;
var<workgroup> here: array<vec4f, 3u * C>;

fn gate(at: vec4u) -> vec4f {
    return vec4f(gates[at.x], gates[at.y], gates[at.z], gates[at.w]);
}

fn put_input(at: vec4u, value: vec4f) {
    dx[at.x] = value.x;
    dx[at.y] = value.y;
    dx[at.z] = value.z;
    dx[at.w] = value.w;
}

fn put_recurrent(at: vec4u, value: vec4f) {
    recurrent[at.x] = value.x;
    recurrent[at.y] = value.y;
    recurrent[at.z] = value.z;
    recurrent[at.w] = value.w;
}

fn put_before(at: vec4u, value: vec4f) {
    before[at.x] = value.x;
    before[at.y] = value.y;
    before[at.z] = value.z;
    before[at.w] = value.w;
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let rows = min(4u * group.x + vec4u(0u, 1u, 2u, 3u), vec4u(B - 1u));
    for (var j = thread; j < C; j += WIDTH) {
        carry[j] = vec4f();
    }
    workgroupBarrier();
    for (var i = 0u; i < T; i++) {
        let t = T - 1u - i;
        let at = rows * T + t;
        for (var j = thread; j < C; j += WIDTH) {
            let g = at * 4u * C + j;
            let r = gate(g);
            let z = gate(g + C);
            let n = gate(g + 2u * C);
            let held = at * C + j;
            var earlier = vec4f();
            if t > 0u {
                let last = held - C;
                earlier = vec4f(h[last.x], h[last.y], h[last.z], h[last.w]);
            }
            let d = vec4f(dh[held.x], dh[held.y], dh[held.z], dh[held.w]) + carry[j];
            let dn = d * (1.0 - z) * (1.0 - n * n);
            let dr = dn * gate(g + 3u * C) * r * (1.0 - r);
            let dz = d * (earlier - n) * z * (1.0 - z);
            let out = at * 3u * C + j;
            put_input(out, dr);
            put_input(out + C, dz);
            put_input(out + 2u * C, dn);
            put_recurrent(out, dr);
            put_recurrent(out + C, dz);
            put_recurrent(out + 2u * C, dn * r);
            put_before(held, earlier);
            here[j] = dr;
            here[C + j] = dz;
            here[2u * C + j] = dn * r;
            carry[j] = d * z;
        }
        workgroupBarrier();
        // Four units a thread: a column is one's sum.
        for (var j = thread; j < C4; j += WIDTH) {
            var sum = mat4x4f(carry[4u * j], carry[4u * j + 1u], carry[4u * j + 2u], carry[4u * j + 3u]);
            for (var k = 0u; k < 3u * C; k++) {
                let d = here[k];
                let weights = w[k * C4 + j];
                sum += mat4x4f(d * weights.x, d * weights.y, d * weights.z, d * weights.w);
            }
            carry[4u * j] = sum[0];
            carry[4u * j + 1u] = sum[1];
            carry[4u * j + 2u] = sum[2];
            carry[4u * j + 3u] = sum[3];
        }
        workgroupBarrier();
    }
}
