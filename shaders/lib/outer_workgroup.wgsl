// The sum over M of outer products a[m] ⊗ b[m], where a `[M, ROWS]` and b `[M, COLUMNS]`, added into dw
// `[ROWS, COLUMNS]`: an 8 × 8 tile a thread, all in registers. Weight matrices are small and M is long, so
// each tile is summed by DEPTH threads over rows of their own, and their sums meet in workgroup memory,
// in one order. The kernel declares x, dy and dw; x gives the columns if TRANSPOSED, else the rows.
const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;
const HEIGHT: u32 = DEPTH;
// Vectors of a thread: 16 of the tile, 2 of the sum of dy.
const HELD: u32 = 18u;

var<workgroup> held: array<vec4f, (DEPTH - 1u) * WIDTH * HELD>;

// The sum of what all slices hold of one vector, for the first slice.
fn meet(local: vec3u, i: u32, value: vec4f) -> vec4f {
    var sum = value;
    for (var slice = 0u; slice < DEPTH - 1u; slice++) {
        sum += held[(slice * WIDTH + local.x) * HELD + i];
    }
    return sum;
}

fn put(row: u32, column: u32, value: vec4f) {
    if row < ROWS && column < COLUMNS4 {
        dw[row * COLUMNS4 + column] += value;
    }
}

// Where the thread's tile begins, in rows of four and columns of four.
fn corner(group: vec3u, local: vec3u) -> vec2u {
    let across = (COLUMNS4 + 1u) / 2u;
    let tile = flat_group(group) * WIDTH + local.x;
    return vec2u(tile / across, tile % across) * 2u;
}

// Adds the tile into dw. The sums of dy over M at the tile's rows (TRANSPOSED) or columns go to put_bias.
fn outer(group: vec3u, local: vec3u) {
    let at = corner(group, local);
    let row0 = min(at.x, ROWS4 - 1u);
    let row1 = min(at.x + 1u, ROWS4 - 1u);
    let column0 = min(at.y, COLUMNS4 - 1u);
    let column1 = min(at.y + 1u, COLUMNS4 - 1u);
    var sum0 = vec4f();
    var sum1 = vec4f();
    var l0 = vec4f(); var r0 = vec4f();
    var l1 = vec4f(); var r1 = vec4f();
    var l2 = vec4f(); var r2 = vec4f();
    var l3 = vec4f(); var r3 = vec4f();
    var l4 = vec4f(); var r4 = vec4f();
    var l5 = vec4f(); var r5 = vec4f();
    var l6 = vec4f(); var r6 = vec4f();
    var l7 = vec4f(); var r7 = vec4f();
    for (var m = local.y; m < M; m += DEPTH) {
        var a0: vec4f;
        var a1: vec4f;
        var b0: vec4f;
        var b1: vec4f;
        if TRANSPOSED {
            a0 = dy[m * ROWS4 + row0];
            a1 = dy[m * ROWS4 + row1];
            b0 = x[m * COLUMNS4 + column0];
            b1 = x[m * COLUMNS4 + column1];
            sum0 += a0;
            sum1 += a1;
        } else {
            a0 = x[m * ROWS4 + row0];
            a1 = x[m * ROWS4 + row1];
            b0 = dy[m * COLUMNS4 + column0];
            b1 = dy[m * COLUMNS4 + column1];
            sum0 += b0;
            sum1 += b1;
        }
        l0 += a0.x * b0; r0 += a0.x * b1;
        l1 += a0.y * b0; r1 += a0.y * b1;
        l2 += a0.z * b0; r2 += a0.z * b1;
        l3 += a0.w * b0; r3 += a0.w * b1;
        l4 += a1.x * b0; r4 += a1.x * b1;
        l5 += a1.y * b0; r5 += a1.y * b1;
        l6 += a1.z * b0; r6 += a1.z * b1;
        l7 += a1.w * b0; r7 += a1.w * b1;
    }
    if local.y > 0u {
        let mine = ((local.y - 1u) * WIDTH + local.x) * HELD;
        held[mine + 0u] = l0; held[mine + 1u] = r0;
        held[mine + 2u] = l1; held[mine + 3u] = r1;
        held[mine + 4u] = l2; held[mine + 5u] = r2;
        held[mine + 6u] = l3; held[mine + 7u] = r3;
        held[mine + 8u] = l4; held[mine + 9u] = r4;
        held[mine + 10u] = l5; held[mine + 11u] = r5;
        held[mine + 12u] = l6; held[mine + 13u] = r6;
        held[mine + 14u] = l7; held[mine + 15u] = r7;
        held[mine + 16u] = sum0; held[mine + 17u] = sum1;
    }
    workgroupBarrier();
    if local.y == 0u {
        let row = at.x * 4u;
        put(row + 0u, at.y, meet(local, 0u, l0)); put(row + 0u, at.y + 1u, meet(local, 1u, r0));
        put(row + 1u, at.y, meet(local, 2u, l1)); put(row + 1u, at.y + 1u, meet(local, 3u, r1));
        put(row + 2u, at.y, meet(local, 4u, l2)); put(row + 2u, at.y + 1u, meet(local, 5u, r2));
        put(row + 3u, at.y, meet(local, 6u, l3)); put(row + 3u, at.y + 1u, meet(local, 7u, r3));
        put(row + 4u, at.y, meet(local, 8u, l4)); put(row + 4u, at.y + 1u, meet(local, 9u, r4));
        put(row + 5u, at.y, meet(local, 10u, l5)); put(row + 5u, at.y + 1u, meet(local, 11u, r5));
        put(row + 6u, at.y, meet(local, 12u, l6)); put(row + 6u, at.y + 1u, meet(local, 13u, r6));
        put(row + 7u, at.y, meet(local, 14u, l7)); put(row + 7u, at.y + 1u, meet(local, 15u, r7));
        sum0 = meet(local, 16u, sum0);
        sum1 = meet(local, 17u, sum1);
        if TRANSPOSED && at.y == 0u {
            put_bias(at.x, ROWS4, sum0);
            put_bias(at.x + 1u, ROWS4, sum1);
        }
        if !TRANSPOSED && at.x == 0u {
            put_bias(at.y, COLUMNS4, sum0);
            put_bias(at.y + 1u, COLUMNS4, sum1);
        }
    }
}
