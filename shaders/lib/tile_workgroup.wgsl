// y = x · w, 32 × 32 elements a workgroup, 4 × 4 a thread: tiles of x and w, DEPTH deep, pass through workgroup
// memory, where each element is read by 8 threads. x `[M, K]` is the left factor, w (`[K, N]`, or `[N, K]` if
// TRANSPOSED) the right one. The kernel declares first(column of four), which is what sums begin with, and put(row,
// column of four, value), which writes out. K and N are multiples of 4.
const K4: u32 = K / 4u;
const N4: u32 = N / 4u;
const DEPTH4: u32 = DEPTH / 4u;
const WIDTH: u32 = 8u;
const HEIGHT: u32 = 8u;
// Rows and columns of a workgroup.
const SIDE: u32 = 32u;
const SIDE4: u32 = SIDE / 4u;
// Workgroups side by side.
const ACROSS: u32 = (N + SIDE - 1u) / SIDE;
// Rows and columns of four of a thread.
const EACH: vec2u = vec2u(4u, 1u);

// The first row and column of four of a thread.
fn corner(group: vec3u, thread: vec3u) -> vec2u {
    let at = flat_group(group);
    return (vec2u(at / ACROSS, at % ACROSS) * SIDE4 + thread.yx) * EACH;
}

// SIDE rows of x, DEPTH4 vectors each.
var<workgroup> tile_x: array<vec4f, SIDE * DEPTH4>;
// DEPTH rows of w, SIDE4 vectors each; if TRANSPOSED SIDE rows, DEPTH4 vectors each.
var<workgroup> tile_w: array<vec4f, SIDE * DEPTH4>;

fn x_or_zero(row: u32, k: u32) -> vec4f {
    if row < M && k < K4 {
        return left(row * K4 + k);
    }
    return vec4f();
}

// Four columns of row k of w; if TRANSPOSED, row `column` from 4 · k on.
fn w_or_zero(k: u32, column: u32) -> vec4f {
    if TRANSPOSED && k < K4 && column < N {
        return right(column * K4 + k);
    }
    if !TRANSPOSED && k < K && column < N4 {
        return right(k * N4 + column);
    }
    return vec4f();
}

fn bring(group: u32, thread: u32, start: u32) {
    let row = group / ACROSS * SIDE;
    let column = group % ACROSS * SIDE;
    workgroupBarrier();
    for (var i = thread; i < SIDE * DEPTH4; i += WIDTH * HEIGHT) {
        tile_x[i] = x_or_zero(row + i / DEPTH4, start + i % DEPTH4);
        if TRANSPOSED {
            tile_w[i] = w_or_zero(start + i % DEPTH4, column + i / DEPTH4);
        } else {
            tile_w[i] = w_or_zero(start * 4u + i / SIDE4, column / 4u + i % SIDE4);
        }
    }
    workgroupBarrier();
}

// Rows 4 · k.. of the tile of w, the thread's four columns.
fn weights(k: u32, column: u32) -> mat4x4f {
    if TRANSPOSED {
        let at = column * 4u * DEPTH4 + k;
        return transpose(mat4x4f(
            tile_w[at],
            tile_w[at + DEPTH4],
            tile_w[at + 2u * DEPTH4],
            tile_w[at + 3u * DEPTH4],
        ));
    }
    let at = k * 4u * SIDE4 + column;
    return mat4x4f(tile_w[at], tile_w[at + SIDE4], tile_w[at + 2u * SIDE4], tile_w[at + 3u * SIDE4]);
}

fn put_within(row: u32, column: u32, value: vec4f) {
    if row < M && column < N4 {
        put(row, column, value);
    }
}

fn product(group: vec3u, thread: vec3u) {
    let at = corner(group, thread);
    let begin = first(min(at.y, N4 - 1u));
#repeat r 0 4
    var sum_#r = begin;
#end
    for (var start = 0u; start < K4; start += DEPTH4) {
        bring(flat_group(group), thread.y * WIDTH + thread.x, start);
        for (var k = 0u; k < DEPTH4; k++) {
            let w = weights(k, thread.x);
#repeat r 0 4
            sum_#r += w * tile_x[(thread.y * 4u + #ru) * DEPTH4 + k];
#end
        }
    }
#repeat r 0 4
    put_within(at.x + #ru, at.y, sum_#r);
#end
}
