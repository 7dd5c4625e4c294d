// dw += xᵀ · dy (transposed: dyᵀ · x), dbias += Σ dy (core/src/ops/linear.rs).
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let tile = flat_group(group) * 64u + thread;
    let row = tile / COLUMNS4;
    let column = tile % COLUMNS4;
    if row >= ROWS4 {
        return;
    }
    let sum = outer(row, column);
    if TRANSPOSED && column == 0u {
        dbias[row] += sum;
    }
    if !TRANSPOSED && row == 0u {
        dbias[column] += sum;
    }
}
