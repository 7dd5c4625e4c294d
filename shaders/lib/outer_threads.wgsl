// The sum over M of outer products a[m] ⊗ b[m], where a `[M, ROWS]` and b `[M, COLUMNS]`, added into dw
// `[ROWS, COLUMNS]`: WIDE by WIDE squares of four by four a thread, all in registers, and no barrier. The kernel declares x, dy and dw;
// x gives the columns if TRANSPOSED, else the rows.
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

fn plus(sum: vec4f, a: vec4f, b: mat4x4f) -> vec4f {
    return fma(vec4f(a.w), b[3], fma(vec4f(a.z), b[2], fma(vec4f(a.y), b[1], fma(vec4f(a.x), b[0], sum))));
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
    return vec2u(tile / across, tile % across) * WIDE;
}

// Four rows of a from m on, of four columns, turned: a vector for each column. Beyond M there are zeros.
fn turned(m: u32, at: u32) -> mat4x4f {
    return transpose(mat4x4f(a_row(m, at), a_row(m + 1u, at), a_row(m + 2u, at), a_row(m + 3u, at)));
}

fn a_row(m: u32, at: u32) -> vec4f {
    if M % 4u == 0u {
        return left(m * ROWS4 + at);
    }
    return select(vec4f(), left(min(m, M - 1u) * ROWS4 + at), m < M);
}

// Four rows of b from m on, of four columns.
fn straight(m: u32, at: u32) -> mat4x4f {
    return mat4x4f(b_row(m, at), b_row(m + 1u, at), b_row(m + 2u, at), b_row(m + 3u, at));
}

fn b_row(m: u32, at: u32) -> vec4f {
    if M % 4u == 0u {
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
#repeat i 0 WIDE
    let row_#i = min(at.x + #iu, ROWS4 - 1u);
    let column_#i = min(at.y + #iu, COLUMNS4 - 1u);
    var of_dy_#i = vec4f();
#repeat j 0 4
#repeat c 0 WIDE
    var sum_#i_#j_#c = vec4f();
#end
#end
#end
    for (var m = 0u; m < M; m += 4u) {
#repeat c 0 WIDE
        let b_#c = straight(m, column_#c);
        if !TRANSPOSED {
            of_dy_#c += b_#c[0] + b_#c[1] + b_#c[2] + b_#c[3];
        }
#end
#repeat i 0 WIDE
        let a_#i = turned(m, row_#i);
        if TRANSPOSED {
            of_dy_#i += vec4f(1.0) * a_#i;
        }
#repeat j 0 4
#repeat c 0 WIDE
        sum_#i_#j_#c = plus(sum_#i_#j_#c, a_#i[#j], b_#c);
#end
#end
#end
    }
#repeat i 0 WIDE
#repeat j 0 4
#repeat c 0 WIDE
    put((at.x + #iu) * 4u + #ju, at.y + #cu, sum_#i_#j_#c);
#end
#end
#end
#repeat i 0 WIDE
    if TRANSPOSED && at.y == 0u {
        put_bias(at.x + #iu, ROWS4, of_dy_#i);
    }
    if !TRANSPOSED && at.x == 0u {
        put_bias(at.y + #iu, COLUMNS4, of_dy_#i);
    }
#end
}
