// The matrix product y = x · w, 8 × 8 elements a thread, all in registers: no barrier and no shared
// memory, which is quickest where a barrier is dear. The kernel declares x `[M, K]`, w (`[K, N]`, or
// `[N, K]` if TRANSPOSED), and put(row, column of four, value), which writes out. K and N are multiples
// of 4; loads beyond the edges repeat the last row or column, and are never put.
const K4: u32 = K / 4u;
const N4: u32 = N / 4u;

// Rows k..k+4, columns 4·column.. of w; the other way round if TRANSPOSED.
fn weights(k: u32, column: u32) -> mat4x4f {
    if TRANSPOSED {
        let at = column * 4u * K4 + k;
        return mat4x4f(w[at], w[at + K4], w[at + 2u * K4], w[at + 3u * K4]);
    }
    let at = k * 4u * N4 + column;
    return mat4x4f(w[at], w[at + N4], w[at + 2u * N4], w[at + 3u * N4]);
}

fn times(x: vec4f, w: mat4x4f) -> vec4f {
    if TRANSPOSED {
        return x * w;
    }
    return w * x;
}

fn put_row(row: u32, column: u32, left: vec4f, right: vec4f) {
    if row < M {
        if column < N4 {
            put(row, column, left);
        }
        if column + 1u < N4 {
            put(row, column + 1u, right);
        }
    }
}

fn product(group: vec3u, thread: vec3u) {
    let row = group.y * 64u + thread.y * 8u;
    let column = group.x * 16u + thread.x * 2u;
    let left = min(column, N4 - 1u);
    let right = min(column + 1u, N4 - 1u);
    let r0 = min(row, M - 1u) * K4;
    let r1 = min(row + 1u, M - 1u) * K4;
    let r2 = min(row + 2u, M - 1u) * K4;
    let r3 = min(row + 3u, M - 1u) * K4;
    let r4 = min(row + 4u, M - 1u) * K4;
    let r5 = min(row + 5u, M - 1u) * K4;
    let r6 = min(row + 6u, M - 1u) * K4;
    let r7 = min(row + 7u, M - 1u) * K4;
    var a0 = vec4f(); var b0 = vec4f();
    var a1 = vec4f(); var b1 = vec4f();
    var a2 = vec4f(); var b2 = vec4f();
    var a3 = vec4f(); var b3 = vec4f();
    var a4 = vec4f(); var b4 = vec4f();
    var a5 = vec4f(); var b5 = vec4f();
    var a6 = vec4f(); var b6 = vec4f();
    var a7 = vec4f(); var b7 = vec4f();
    for (var k = 0u; k < K4; k++) {
        let wl = weights(k, left);
        let wr = weights(k, right);
        let x0 = x[r0 + k]; a0 += times(x0, wl); b0 += times(x0, wr);
        let x1 = x[r1 + k]; a1 += times(x1, wl); b1 += times(x1, wr);
        let x2 = x[r2 + k]; a2 += times(x2, wl); b2 += times(x2, wr);
        let x3 = x[r3 + k]; a3 += times(x3, wl); b3 += times(x3, wr);
        let x4 = x[r4 + k]; a4 += times(x4, wl); b4 += times(x4, wr);
        let x5 = x[r5 + k]; a5 += times(x5, wl); b5 += times(x5, wr);
        let x6 = x[r6 + k]; a6 += times(x6, wl); b6 += times(x6, wr);
        let x7 = x[r7 + k]; a7 += times(x7, wl); b7 += times(x7, wr);
    }
    put_row(row, column, a0, b0);
    put_row(row + 1u, column, a1, b1);
    put_row(row + 2u, column, a2, b2);
    put_row(row + 3u, column, a3, b3);
    put_row(row + 4u, column, a4, b4);
    put_row(row + 5u, column, a5, b5);
    put_row(row + 6u, column, a6, b6);
    put_row(row + 7u, column, a7, b7);
}
