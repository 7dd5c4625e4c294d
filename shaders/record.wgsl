// Puts the step's metrics and gradient norm into the ring (core/src/ops/record.rs).
const PARTS: u32 = 64u;

@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> ring: array<f32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;

@compute @workgroup_size(1)
fn main() {
    var square = 0.0;
    for (var i = 0u; i < PARTS; i++) {
        square += parts[i];
    }
    let at = state[STEP] % RING * (METRICS + 1u);
    for (var i = 0u; i < METRICS; i++) {
        ring[at + i] = metrics[i];
        metrics[i] = 0.0;
    }
    ring[at + METRICS] = sqrt(square);
}
