// y = x · w, TALL rows and WIDE columns of four a thread, all in registers: no barrier and no workgroup memory, which is quickest
// where threads are a processor's (shaders/README.md says why of this size). x `[M, K]` is the left factor, w (`[K, N]`,
// or `[N, K]` if TRANSPOSED) the right one. The kernel declares first(column of four), which is what sums begin with, and
// put(row, column of four, value), which writes out. K and N are multiples of 4, K of 4 · FOURS, of which there are one or two
// steps a turn; loads beyond the edges repeat the last row or column, and are never put.
const K4: u32 = K / 4u;
const N4: u32 = N / 4u;
const HEIGHT: u32 = 1u;
// Rows and columns of four of a thread.
const EACH: vec2u = vec2u(TALL, WIDE);

// The first row and column of four of a thread.
fn corner(group: vec3u, thread: vec3u) -> vec2u {
    let across = (N4 + WIDE - 1u) / WIDE;
    let tile = flat_group(group) * WIDTH + thread.x;
    return vec2u(tile / across, tile % across) * EACH;
}

// Rows 4k to 4k + 3 of four columns of w.
fn weights(k: u32, column: u32) -> mat4x4f {
    if TRANSPOSED {
        let at = column * 4u * K4 + k;
        return transpose(mat4x4f(right(at), right(at + K4), right(at + 2u * K4), right(at + 3u * K4)));
    }
    let at = k * 4u * N4 + column;
    return mat4x4f(right(at), right(at + N4), right(at + 2u * N4), right(at + 3u * N4));
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
    let at_#r = min(row + #ru, M - 1u) * K4;
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
    for (var k = 0u; k < K4; k += FOURS) {
#repeat i 0 FOURS
#repeat c 0 WIDE
        let w_#c_#i = weights(k + #iu, column_#c);
#end
#end
#repeat r 0 TALL
#repeat i 0 FOURS
        let x_#r_#i = left(at_#r + k + #iu);
#end
#repeat c 0 WIDE
        let half_#r_#c = plus(sum_#r_#c, x_#r_0, w_#c_0);
#repeat once FOURS 2
        sum_#r_#c = half_#r_#c;
#end
#repeat once 1 FOURS
        sum_#r_#c = plus(half_#r_#c, x_#r_1, w_#c_1);
#end
#end
#end
    }
#repeat r 0 TALL
#repeat c 0 WIDE
    put_within(row + #ru, column + #cu, sum_#r_#c);
#end
#end
}
