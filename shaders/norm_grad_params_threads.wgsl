// dgain += Σ dy · x̂, dbias += Σ dy over the rows (core/src/ops/norm.rs), one column a thread.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> dgain: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbias: array<f32>;

// What one row adds.
fn of_row(row: u32, column: u32) -> vec2f {
    let d = dy[row * C + column];
    return d * vec2f((x[row * C + column] - mean[row]) * rstd[row], 1.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let column = flat_group(group) * THREADS + thread;
    if column >= C {
        return;
    }
    var sum = vec2f();
    var row = 0u;
    for (; row + 4u <= ROWS; row += 4u) {
        sum += (of_row(row, column) + of_row(row + 1u, column))
            + (of_row(row + 2u, column) + of_row(row + 3u, column));
    }
    for (; row < ROWS; row++) {
        sum += of_row(row, column);
    }
    dgain[column] += sum.x;
    dbias[column] += sum.y;
}
