// dlogits = dlogp · (onehot(target) − softmax(logits)) (core/src/ops/log_prob.rs).
@group(0) @binding(0) var<storage, read> dlogp: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 256u + thread;
    if i >= N {
        return;
    }
    let row = i / WIDTH;
    let token = i % WIDTH;
    var d = 0.0;
    if token < V {
        let hit = select(0.0, 1.0, token == targets[row]);
        d = dlogp[row] * (hit - exp(logits[i] - lse[row]));
    }
    dlogits[i] = d;
}
