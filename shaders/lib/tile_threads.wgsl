// y = x · w, TALL rows and WIDE columns of four a thread, all in registers: no barrier and no workgroup memory, which is quickest
// where threads are a processor's (shaders/README.md says why of this size). The kernel declares x `[M, K]`, w
// (`[K, N]`, or `[N, K]` if TURNED is 1, not 0), first(column of four), which is what sums begin with, and put(row, column
// of four, value), which writes out. K and N are multiples of 4; loads beyond the edges repeat the last row or
// column, and are never put.
const K2: u32 = K / 2u;
const N4: u32 = N / 4u;
const HEIGHT: u32 = 1u;
// Rows and columns of four of a thread.
const EACH: vec2u = vec2u(TALL, WIDE);

// What is loaded at a time: two steps of K, or four columns.
alias X = vec2f;
#repeat once 0 TURNED
alias W = vec2f;
#end
#repeat once TURNED 1
alias W = vec4f;
#end

// The first row and column of four of a thread.
fn corner(group: vec3u, thread: vec3u) -> vec2u {
    let across = (N4 + WIDE - 1u) / WIDE;
    let tile = flat_group(group) * WIDTH + thread.x;
    return vec2u(tile / across, tile % across) * EACH;
}

// Rows 2k and 2k + 1 of four columns of w.
fn weights(k: u32, column: u32) -> mat2x4f {
#repeat once 0 TURNED
    let at = column * 4u * K2 + k;
    return transpose(mat4x2f(w[at], w[at + K2], w[at + 2u * K2], w[at + 3u * K2]));
#end
#repeat once TURNED 1
    let at = k * 2u * N4 + column;
    return mat2x4f(w[at], w[at + N4]);
#end
}

fn plus(sum: vec4f, x: vec2f, w: mat2x4f) -> vec4f {
    return fma(vec4f(x.y), w[1], fma(vec4f(x.x), w[0], sum));
}

fn put_within(row: u32, column: u32, value: vec4f) {
    if (M % TALL == 0u || row < M) && (N4 % WIDE == 0u || column < N4) {
        put(row, column, value);
    }
}

fn product(group: vec3u, thread: vec3u) {
    let at = corner(group, thread);
    let row = at.x;
    let column = at.y;
    if row >= M {
        return;
    }
#repeat r 0 TALL
    let at_#r = min(row + #ru, M - 1u) * K2;
#end
#repeat c 0 WIDE
    let column_#c = min(column + #cu, N4 - 1u);
    let first_#c = first(column_#c);
#end
#repeat r 0 TALL
#repeat c 0 WIDE
    var sum_#r_#c = first_#c;
#end
#end
    for (var k = 0u; k < K2; k++) {
#repeat c 0 WIDE
        let w_#c = weights(k, column_#c);
#end
#repeat r 0 TALL
        let x_#r = x[at_#r + k];
#repeat c 0 WIDE
        sum_#r_#c = plus(sum_#r_#c, x_#r, w_#c);
#end
#end
    }
#repeat r 0 TALL
#repeat c 0 WIDE
    put_within(row + #ru, column + #cu, sum_#r_#c);
#end
#end
}
