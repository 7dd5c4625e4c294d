// Attention of the positions that are being decoded, one head of one query a workgroup (core/src/ops/attention_cached.rs).
const THREADS: u32 = 32u;
const C: u32 = H * D;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> cache: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read_write> o: array<f32>;

// TILE positions at a time, online: any length fits.
const TILE: u32 = 256u;
var<workgroup> weights: array<f32, TILE>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let head = flat_group(group);
    if head >= HEADS {
        return;
    }
    let h = head % H;
    let row = head / H;
    let b = row / Q;
    let q = row * 3u * C + h * D;
    let rows = b * P * 2u * C + h * D;
    let seen = min(positions[b] + OFFSET + row % Q + 1u, P);
    for (var d = thread; d < D; d += THREADS) {
        o[row * C + h * D + d] = 0.0;
    }
    var largest = -1e30;
    var sum = 0.0;
    for (var start = 0u; start < P; start += TILE) {
        let end = min(start + TILE, seen);
        var peak = largest;
        for (var j = start + thread; j < end; j += THREADS) {
            var s = 0.0;
            for (var d = 0u; d < D; d++) {
                s += qkv[q + d] * cache[rows + j * 2u * C + d];
            }
            weights[j - start] = s * SCALE;
            peak = max(peak, s * SCALE);
        }
        peak = max_all(thread, peak);
        var part = 0.0;
        for (var j = start + thread; j < end; j += THREADS) {
            let w = exp(weights[j - start] - peak);
            weights[j - start] = w;
            part += w;
        }
        let rescale = exp(largest - peak);
        sum = sum * rescale + sum_all(thread, part);
        for (var d = thread; d < D; d += THREADS) {
            var total = o[row * C + h * D + d] * rescale;
            for (var j = start; j < end; j++) {
                total += weights[j - start] * cache[rows + j * 2u * C + C + d];
            }
            o[row * C + h * D + d] = total;
        }
        largest = peak;
        workgroupBarrier();
    }
    for (var d = thread; d < D; d += THREADS) {
        o[row * C + h * D + d] /= sum;
    }
}
