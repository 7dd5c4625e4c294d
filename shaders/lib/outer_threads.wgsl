// The sum over M of outer products a[m] ⊗ b[m], where a `[M, ROWS]` and b `[M, COLUMNS]`, added into dw
// `[ROWS, COLUMNS]`: TALL by WIDE squares of four by four a thread, all in registers, and no barrier. x is the left factor and
// dy the right one; x gives the columns if TRANSPOSED, else the rows. The kernel declares dw.
const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;
const HEIGHT: u32 = 1u;
// Rows that a turn adds: one or two fours.
const STEPS: u32 = 4u * FOURS;

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

// A row that is there; beyond M the last one, which counts as zeros.
fn clamped(m: u32) -> u32 {
    if M % STEPS == 0u {
        return m;
    }
    return min(m, M - 1u);
}

fn within(m: u32, row: vec4f) -> vec4f {
    if M % STEPS == 0u {
        return row;
    }
    return select(vec4f(), row, m < M);
}

// Four rows' elements of a[m].
fn a_row(m: u32, at: u32) -> vec4f {
    let i = clamped(m) * ROWS4 + at;
    if TRANSPOSED {
        return within(m, right(i));
    }
    return within(m, left(i));
}

// Four columns' elements of b[m].
fn b_row(m: u32, at: u32) -> vec4f {
    let i = clamped(m) * COLUMNS4 + at;
    if TRANSPOSED {
        return within(m, left(i));
    }
    return within(m, right(i));
}

fn a_rows(m: u32, at: u32) -> mat4x4f {
    return mat4x4f(a_row(m, at), a_row(m + 1u, at), a_row(m + 2u, at), a_row(m + 3u, at));
}

fn b_rows(m: u32, at: u32) -> mat4x4f {
    return mat4x4f(b_row(m, at), b_row(m + 1u, at), b_row(m + 2u, at), b_row(m + 3u, at));
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
    for (var m = 0u; m < M; m += STEPS) {
#repeat f 0 FOURS
#repeat c 0 WIDE
        let b_#c_#f = b_rows(m + 4u * #fu, column_#c);
        if !TRANSPOSED {
            of_column_#c += b_#c_#f[0] + b_#c_#f[1] + b_#c_#f[2] + b_#c_#f[3];
        }
#end
#end
#repeat i 0 TALL
#repeat f 0 FOURS
        let rows_#i_#f = a_rows(m + 4u * #fu, row_#i);
        let a_#i_#f = transpose(rows_#i_#f);
        if TRANSPOSED {
            of_row_#i += rows_#i_#f[0] + rows_#i_#f[1] + rows_#i_#f[2] + rows_#i_#f[3];
        }
#end
#repeat j 0 4
#repeat c 0 WIDE
        let half_#i_#j_#c = plus(sum_#i_#j_#c, a_#i_0[#j], b_#c_0);
#repeat once FOURS 2
        sum_#i_#j_#c = half_#i_#j_#c;
#end
#repeat once 1 FOURS
        sum_#i_#j_#c = plus(half_#i_#j_#c, a_#i_1[#j], b_#c_1);
#end
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
