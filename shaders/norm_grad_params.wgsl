// dgain += Σ dy · x̂, dbias += Σ dy over the rows (core/src/ops/norm.rs): 8 columns a workgroup, each
// summed by 32 threads over rows of their own.
const SLICES: u32 = 32u;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> dgain: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbias: array<f32>;

var<workgroup> sums: array<vec2f, 256>;

@compute @workgroup_size(8, 32)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) thread: u32,
) {
    let column = flat_group(group) * 8u + local.x;
    var sum = vec2f();
    if column < C {
        for (var row = local.y; row < ROWS; row += SLICES) {
            let d = dy[row * C + column];
            sum += d * vec2f((x[row * C + column] - mean[row]) * rstd[row], 1.0);
        }
    }
    sums[thread] = sum;
    workgroupBarrier();
    if local.y == 0u && column < C {
        var total = vec2f();
        for (var i = 0u; i < SLICES; i++) {
            total += sums[i * 8u + local.x];
        }
        dgain[column] += total.x;
        dbias[column] += total.y;
    }
}
