// The sum over M of outer products a[m] ⊗ b[m], where a `[M, ROWS]` and b `[M, COLUMNS]`, added into dw
// `[ROWS, COLUMNS]`: an 8 × 8 tile a thread, all in registers. Weight matrices are small and M is long, so
// each tile is summed by DEPTH threads over rows of their own, and their sums meet in workgroup memory,
// in one order. x is the left factor and dy the right one; x gives the columns if TRANSPOSED, else the rows. The kernel
// declares dw.
const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;
const HEIGHT: u32 = DEPTH;
// Vectors of a thread: 16 of the tile, 2 of the sum of dy.
const HELD: u32 = 18u;

// All slices but the first have a place of their own: one more would be too much for what a workgroup may have.
var<workgroup> held: array<vec4f, (DEPTH - 1u) * WIDTH * HELD>;

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

fn a_row(m: u32, at: u32) -> vec4f {
    if TRANSPOSED {
        return right(m * ROWS4 + at);
    }
    return left(m * ROWS4 + at);
}

fn b_row(m: u32, at: u32) -> vec4f {
    if TRANSPOSED {
        return left(m * COLUMNS4 + at);
    }
    return right(m * COLUMNS4 + at);
}

// Adds the tile into dw. The sums of dy over M at the tile's rows (TRANSPOSED) or columns go to put_bias.
fn outer(group: vec3u, local: vec3u) {
    let at = corner(group, local);
#repeat i 0 2
    let row_#i = min(at.x + #iu, ROWS4 - 1u);
    let column_#i = min(at.y + #iu, COLUMNS4 - 1u);
    var of_dy_#i = vec4f();
#repeat j 0 4
#repeat c 0 2
    var sum_#i_#j_#c = vec4f();
#end
#end
#end
    for (var m = local.y; m < M; m += DEPTH) {
#repeat i 0 2
        let a_#i = a_row(m, row_#i);
        let b_#i = b_row(m, column_#i);
        of_dy_#i += select(b_#i, a_#i, TRANSPOSED);
#end
#repeat i 0 2
#repeat j 0 4
#repeat c 0 2
        sum_#i_#j_#c += a_#i[#j] * b_#c;
#end
#end
#end
    }
    let mine = ((max(local.y, 1u) - 1u) * WIDTH + local.x) * HELD;
    if local.y > 0u {
#repeat i 0 2
#repeat j 0 4
#repeat c 0 2
        held[mine + #iu * 8u + #ju * 2u + #cu] = sum_#i_#j_#c;
#end
#end
        held[mine + 16u + #iu] = of_dy_#i;
#end
    }
    workgroupBarrier();
    // The first slice adds to what the second holds.
    if local.y == 0u {
#repeat i 0 2
#repeat j 0 4
#repeat c 0 2
        held[mine + #iu * 8u + #ju * 2u + #cu] += sum_#i_#j_#c;
#end
#end
        held[mine + 16u + #iu] += of_dy_#i;
#end
    }
    workgroupBarrier();
    // The slices share the vectors.
    for (var i = local.y; i < HELD; i += DEPTH) {
        var sum = vec4f();
        for (var slice = 0u; slice < DEPTH - 1u; slice++) {
            sum += held[(slice * WIDTH + local.x) * HELD + i];
        }
        if i < 16u {
            put(at.x * 4u + i / 2u, at.y + i % 2u, sum);
        } else if TRANSPOSED && at.y == 0u {
            put_bias(at.x + i - 16u, ROWS4, sum);
        } else if !TRANSPOSED && at.x == 0u {
            put_bias(at.y + i - 16u, COLUMNS4, sum);
        }
    }
}
