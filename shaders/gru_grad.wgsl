// Backward through time, one row a workgroup (core/src/ops/gru.rs).
@group(0) @binding(0) var<storage, read> dh: array<f32>;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> gates: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> recurrent: array<f32>;
@group(0) @binding(6) var<storage, read_write> before: array<f32>;

// What later positions say of h here, and the recurrent product's gradient at this position.
var<workgroup> carry: array<f32, C>;
var<workgroup> here: array<f32, 3u * C>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    for (var j = thread; j < C; j += THREADS) {
        carry[j] = 0.0;
    }
    for (var i = 0u; i < T; i++) {
        let t = T - 1u - i;
        let at = group.x * T + t;
        for (var j = thread; j < C; j += THREADS) {
            let g = at * 4u * C + j;
            let r = gates[g];
            let z = gates[g + C];
            let n = gates[g + 2u * C];
            var earlier = 0.0;
            if t > 0u {
                earlier = h[(at - 1u) * C + j];
            }
            let d = dh[at * C + j] + carry[j];
            let dn = d * (1.0 - z) * (1.0 - n * n);
            let dr = dn * gates[g + 3u * C] * r * (1.0 - r);
            let dz = d * (earlier - n) * z * (1.0 - z);
            let out = at * 3u * C + j;
            dx[out] = dr;
            dx[out + C] = dz;
            dx[out + 2u * C] = dn;
            recurrent[out] = dr;
            recurrent[out + C] = dz;
            recurrent[out + 2u * C] = dn * r;
            here[j] = dr;
            here[C + j] = dz;
            here[2u * C + j] = dn * r;
            before[at * C + j] = earlier;
            carry[j] = d * z;
        }
        workgroupBarrier();
        for (var j = thread; j < C; j += THREADS) {
            var sum = carry[j];
            for (var k = 0u; k < 3u * C; k++) {
                sum += here[k] * w[k * C + j];
            }
            carry[j] = sum;
        }
        workgroupBarrier();
    }
}
