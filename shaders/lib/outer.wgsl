// The sum over M of outer products a[m] ⊗ b[m], where a `[M, ROWS]` and b `[M, COLUMNS]`: a 4 × 4 tile a
// thread, added into dw `[ROWS, COLUMNS]`. The kernel declares x, dy and dw; x gives the columns if
// TRANSPOSED, the rows otherwise. Returns the sum of dy over M at this thread's tile.
const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;

fn outer(row: u32, column: u32) -> vec4f {
    var d0 = vec4f();
    var d1 = vec4f();
    var d2 = vec4f();
    var d3 = vec4f();
    var sum = vec4f();
    for (var m = 0u; m < M; m++) {
        var a: vec4f;
        var b: vec4f;
        if TRANSPOSED {
            a = dy[m * ROWS4 + row];
            b = x[m * COLUMNS4 + column];
            sum += a;
        } else {
            a = x[m * ROWS4 + row];
            b = dy[m * COLUMNS4 + column];
            sum += b;
        }
        d0 += a.x * b;
        d1 += a.y * b;
        d2 += a.z * b;
        d3 += a.w * b;
    }
    let at = row * 4u * COLUMNS4 + column;
    dw[at] += d0;
    dw[at + COLUMNS4] += d1;
    dw[at + 2u * COLUMNS4] += d2;
    dw[at + 3u * COLUMNS4] += d3;
    return sum;
}
