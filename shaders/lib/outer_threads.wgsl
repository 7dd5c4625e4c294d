// The sum over M of outer products a[m] ⊗ b[m], where a `[M, ROWS]` and b `[M, COLUMNS]`, added into dw
// `[ROWS, COLUMNS]`: TALL by WIDE squares of four by four a thread, all in registers, and no barrier. The kernel declares x, dy and
// dw; x gives the columns if TRANSPOSED, else the rows.
const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;
const HEIGHT: u32 = 1u;

fn left(at: u32) -> vec4f {
    if TRANSPOSED {
        return dy[at];
    }
    return x[at];
}

fn right(at: u32) -> vec4f {
    if TRANSPOSED {
        return x[at];
    }
    return dy[at];
}

fn put(row: u32, column: u32, value: vec4f) {
    if row < ROWS && column < COLUMNS4 {
        dw[row * COLUMNS4 + column] += value;
    }
}

// Where the thread's tile begins, in rows of four and columns of four.
fn corner(group: vec3u, thread: vec3u) -> vec2u {
    let across = (COLUMNS4 + WIDE - 1u) / WIDE;
    let tile = flat_group(group) * WIDTH + thread.x;
    return vec2u(tile / across, tile % across) * vec2u(TALL, WIDE);
}

// Four rows' elements of a[m]. Beyond M there are zeros.
fn a_row(m: u32, at: u32) -> vec4f {
    if M % 2u == 0u {
        return left(m * ROWS4 + at);
    }
    return select(vec4f(), left(min(m, M - 1u) * ROWS4 + at), m < M);
}

// Four columns' elements of b[m].
fn b_row(m: u32, at: u32) -> vec4f {
    if M % 2u == 0u {
        return right(m * COLUMNS4 + at);
    }
    return select(vec4f(), right(min(m, M - 1u) * COLUMNS4 + at), m < M);
}

// Adds the tile into dw. The sums of dy over M at the tile's rows (TRANSPOSED) or columns go to put_bias.
fn outer(group: vec3u, thread: vec3u) {
    let at = corner(group, thread);
    if at.x >= ROWS4 {
        return;
    }
#repeat i 0 TALL
    let row_#i = min(at.x + #iu, ROWS4 - 1u);
    var of_row_#i = vec4f();
#repeat j 0 4
#repeat c 0 WIDE
    var sum_#i_#j_#c = vec4f();
#end
#end
#end
#repeat c 0 WIDE
    let column_#c = min(at.y + #cu, COLUMNS4 - 1u);
    var of_column_#c = vec4f();
#end
    for (var m = 0u; m < M; m += 2u) {
#repeat c 0 WIDE
        let b_#c = mat2x4f(b_row(m, column_#c), b_row(m + 1u, column_#c));
        if !TRANSPOSED {
            of_column_#c += b_#c[0] + b_#c[1];
        }
#end
#repeat i 0 TALL
        let a_#i = mat2x4f(a_row(m, row_#i), a_row(m + 1u, row_#i));
        if TRANSPOSED {
            of_row_#i += a_#i[0] + a_#i[1];
        }
#repeat j 0 4
#repeat c 0 WIDE
        sum_#i_#j_#c = fma(vec4f(a_#i[1][#j]), b_#c[1], fma(vec4f(a_#i[0][#j]), b_#c[0], sum_#i_#j_#c));
#end
#end
#end
    }
#repeat i 0 TALL
#repeat j 0 4
#repeat c 0 WIDE
    put((at.x + #iu) * 4u + #ju, at.y + #cu, sum_#i_#j_#c);
#end
#end
    if TRANSPOSED && at.y == 0u {
        put_bias(at.x + #iu, ROWS4, of_row_#i);
    }
#end
#repeat c 0 WIDE
    if !TRANSPOSED && at.x == 0u {
        put_bias(at.y + #cu, COLUMNS4, of_column_#c);
    }
#end
}
