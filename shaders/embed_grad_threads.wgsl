// dwte and dwpe (core/src/ops/embed.rs). A thread for each column of the tokens' table, which walks all places in
// order: nobody else writes its column. Then a thread for each element of the positions' table.
@group(0) @binding(0) var<storage, read> dx: array<f32>;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> dwte: array<f32>;
@group(0) @binding(3) var<storage, read_write> dwpe: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * THREADS + thread;
    if i < C {
        for (var place = 0u; place < B * T; place++) {
            dwte[tokens[place] * C + i] += dx[place * C + i];
        }
    } else if i < C + T * C {
        let at = i - C;
        var sum = 0.0;
        for (var b = 0u; b < B; b++) {
            sum += dx[b * T * C + at];
        }
        dwpe[at] += sum;
    }
}
