// What the flash attention kernels share: a thread holds one row in registers, a workgroup passes tiles
// of other rows through workgroup memory. ROWS are the workgroup's, TILE those of a tile
// (core/src/attention/tiles.rs). Rows are padded with zeros to whole vectors.
const D4: u32 = (D + 3u) / 4u;
const REST: u32 = max(D4, 17u) - 16u;

// Two tiles of TILE rows: K and V, or Q and dO.
var<workgroup> tile_a: array<vec4f, TILE * D4>;
var<workgroup> tile_b: array<vec4f, TILE * D4>;

// D numbers. The first 64 are named one by one, so that they stay in registers on every driver: an array
// that a loop walks lies in memory on some.
struct Row {
    r0: vec4f,
    r1: vec4f,
    r2: vec4f,
    r3: vec4f,
    r4: vec4f,
    r5: vec4f,
    r6: vec4f,
    r7: vec4f,
    r8: vec4f,
    r9: vec4f,
    r10: vec4f,
    r11: vec4f,
    r12: vec4f,
    r13: vec4f,
    r14: vec4f,
    r15: vec4f,
    rest: array<vec4f, REST>,
}

// Nothing beyond D is loaded, only then are counts exact.
fn four_of_qkv(at: u32, i: u32) -> vec4f {
    let j = at + 4u * i;
    if D % 4u == 0u {
        reads(4u);
        return vec4f(qkv[j], qkv[j + 1u], qkv[j + 2u], qkv[j + 3u]);
    }
    var v = vec4f(qkv[j], 0.0, 0.0, 0.0);
    if 4u * i + 1u < D { v.y = qkv[j + 1u]; }
    if 4u * i + 2u < D { v.z = qkv[j + 2u]; }
    if 4u * i + 3u < D { v.w = qkv[j + 3u]; }
    reads(min(4u, D - 4u * i));
    return v;
}

fn row_of_qkv(at: u32) -> Row {
    var row: Row;
    row.r0 = four_of_qkv(at, 0u);
    if D4 > 1u { row.r1 = four_of_qkv(at, 1u); }
    if D4 > 2u { row.r2 = four_of_qkv(at, 2u); }
    if D4 > 3u { row.r3 = four_of_qkv(at, 3u); }
    if D4 > 4u { row.r4 = four_of_qkv(at, 4u); }
    if D4 > 5u { row.r5 = four_of_qkv(at, 5u); }
    if D4 > 6u { row.r6 = four_of_qkv(at, 6u); }
    if D4 > 7u { row.r7 = four_of_qkv(at, 7u); }
    if D4 > 8u { row.r8 = four_of_qkv(at, 8u); }
    if D4 > 9u { row.r9 = four_of_qkv(at, 9u); }
    if D4 > 10u { row.r10 = four_of_qkv(at, 10u); }
    if D4 > 11u { row.r11 = four_of_qkv(at, 11u); }
    if D4 > 12u { row.r12 = four_of_qkv(at, 12u); }
    if D4 > 13u { row.r13 = four_of_qkv(at, 13u); }
    if D4 > 14u { row.r14 = four_of_qkv(at, 14u); }
    if D4 > 15u { row.r15 = four_of_qkv(at, 15u); }
    for (var i = 16u; i < D4; i++) { row.rest[i - 16u] = four_of_qkv(at, i); }
    return row;
}

fn scaled(x: Row, factor: f32) -> Row {
    var row = x;
    row.r0 *= factor;
    if D4 > 1u { row.r1 *= factor; }
    if D4 > 2u { row.r2 *= factor; }
    if D4 > 3u { row.r3 *= factor; }
    if D4 > 4u { row.r4 *= factor; }
    if D4 > 5u { row.r5 *= factor; }
    if D4 > 6u { row.r6 *= factor; }
    if D4 > 7u { row.r7 *= factor; }
    if D4 > 8u { row.r8 *= factor; }
    if D4 > 9u { row.r9 *= factor; }
    if D4 > 10u { row.r10 *= factor; }
    if D4 > 11u { row.r11 *= factor; }
    if D4 > 12u { row.r12 *= factor; }
    if D4 > 13u { row.r13 *= factor; }
    if D4 > 14u { row.r14 *= factor; }
    if D4 > 15u { row.r15 *= factor; }
    for (var i = 16u; i < D4; i++) { row.rest[i - 16u] *= factor; }
    return row;
}

// x · row j of tile_a.
fn dot_a(x: Row, j: u32) -> f32 {
    let at = j * D4;
    var sum = 0.0;
    sum += dot(x.r0, tile_a[at + 0u]);
    if D4 > 1u { sum += dot(x.r1, tile_a[at + 1u]); }
    if D4 > 2u { sum += dot(x.r2, tile_a[at + 2u]); }
    if D4 > 3u { sum += dot(x.r3, tile_a[at + 3u]); }
    if D4 > 4u { sum += dot(x.r4, tile_a[at + 4u]); }
    if D4 > 5u { sum += dot(x.r5, tile_a[at + 5u]); }
    if D4 > 6u { sum += dot(x.r6, tile_a[at + 6u]); }
    if D4 > 7u { sum += dot(x.r7, tile_a[at + 7u]); }
    if D4 > 8u { sum += dot(x.r8, tile_a[at + 8u]); }
    if D4 > 9u { sum += dot(x.r9, tile_a[at + 9u]); }
    if D4 > 10u { sum += dot(x.r10, tile_a[at + 10u]); }
    if D4 > 11u { sum += dot(x.r11, tile_a[at + 11u]); }
    if D4 > 12u { sum += dot(x.r12, tile_a[at + 12u]); }
    if D4 > 13u { sum += dot(x.r13, tile_a[at + 13u]); }
    if D4 > 14u { sum += dot(x.r14, tile_a[at + 14u]); }
    if D4 > 15u { sum += dot(x.r15, tile_a[at + 15u]); }
    for (var i = 16u; i < D4; i++) { sum += dot(x.rest[i - 16u], tile_a[at + i]); }
    return sum;
}

// x + factor · row j of tile_a.
fn plus_a(x: Row, factor: f32, j: u32) -> Row {
    let at = j * D4;
    var row = x;
    row.r0 += factor * tile_a[at + 0u];
    if D4 > 1u { row.r1 += factor * tile_a[at + 1u]; }
    if D4 > 2u { row.r2 += factor * tile_a[at + 2u]; }
    if D4 > 3u { row.r3 += factor * tile_a[at + 3u]; }
    if D4 > 4u { row.r4 += factor * tile_a[at + 4u]; }
    if D4 > 5u { row.r5 += factor * tile_a[at + 5u]; }
    if D4 > 6u { row.r6 += factor * tile_a[at + 6u]; }
    if D4 > 7u { row.r7 += factor * tile_a[at + 7u]; }
    if D4 > 8u { row.r8 += factor * tile_a[at + 8u]; }
    if D4 > 9u { row.r9 += factor * tile_a[at + 9u]; }
    if D4 > 10u { row.r10 += factor * tile_a[at + 10u]; }
    if D4 > 11u { row.r11 += factor * tile_a[at + 11u]; }
    if D4 > 12u { row.r12 += factor * tile_a[at + 12u]; }
    if D4 > 13u { row.r13 += factor * tile_a[at + 13u]; }
    if D4 > 14u { row.r14 += factor * tile_a[at + 14u]; }
    if D4 > 15u { row.r15 += factor * tile_a[at + 15u]; }
    for (var i = 16u; i < D4; i++) { row.rest[i - 16u] += factor * tile_a[at + i]; }
    return row;
}

// x · row j of tile_b.
fn dot_b(x: Row, j: u32) -> f32 {
    let at = j * D4;
    var sum = 0.0;
    sum += dot(x.r0, tile_b[at + 0u]);
    if D4 > 1u { sum += dot(x.r1, tile_b[at + 1u]); }
    if D4 > 2u { sum += dot(x.r2, tile_b[at + 2u]); }
    if D4 > 3u { sum += dot(x.r3, tile_b[at + 3u]); }
    if D4 > 4u { sum += dot(x.r4, tile_b[at + 4u]); }
    if D4 > 5u { sum += dot(x.r5, tile_b[at + 5u]); }
    if D4 > 6u { sum += dot(x.r6, tile_b[at + 6u]); }
    if D4 > 7u { sum += dot(x.r7, tile_b[at + 7u]); }
    if D4 > 8u { sum += dot(x.r8, tile_b[at + 8u]); }
    if D4 > 9u { sum += dot(x.r9, tile_b[at + 9u]); }
    if D4 > 10u { sum += dot(x.r10, tile_b[at + 10u]); }
    if D4 > 11u { sum += dot(x.r11, tile_b[at + 11u]); }
    if D4 > 12u { sum += dot(x.r12, tile_b[at + 12u]); }
    if D4 > 13u { sum += dot(x.r13, tile_b[at + 13u]); }
    if D4 > 14u { sum += dot(x.r14, tile_b[at + 14u]); }
    if D4 > 15u { sum += dot(x.r15, tile_b[at + 15u]); }
    for (var i = 16u; i < D4; i++) { sum += dot(x.rest[i - 16u], tile_b[at + i]); }
    return sum;
}

// x + factor · row j of tile_b.
fn plus_b(x: Row, factor: f32, j: u32) -> Row {
    let at = j * D4;
    var row = x;
    row.r0 += factor * tile_b[at + 0u];
    if D4 > 1u { row.r1 += factor * tile_b[at + 1u]; }
    if D4 > 2u { row.r2 += factor * tile_b[at + 2u]; }
    if D4 > 3u { row.r3 += factor * tile_b[at + 3u]; }
    if D4 > 4u { row.r4 += factor * tile_b[at + 4u]; }
    if D4 > 5u { row.r5 += factor * tile_b[at + 5u]; }
    if D4 > 6u { row.r6 += factor * tile_b[at + 6u]; }
    if D4 > 7u { row.r7 += factor * tile_b[at + 7u]; }
    if D4 > 8u { row.r8 += factor * tile_b[at + 8u]; }
    if D4 > 9u { row.r9 += factor * tile_b[at + 9u]; }
    if D4 > 10u { row.r10 += factor * tile_b[at + 10u]; }
    if D4 > 11u { row.r11 += factor * tile_b[at + 11u]; }
    if D4 > 12u { row.r12 += factor * tile_b[at + 12u]; }
    if D4 > 13u { row.r13 += factor * tile_b[at + 13u]; }
    if D4 > 14u { row.r14 += factor * tile_b[at + 14u]; }
    if D4 > 15u { row.r15 += factor * tile_b[at + 15u]; }
    for (var i = 16u; i < D4; i++) { row.rest[i - 16u] += factor * tile_b[at + i]; }
    return row;
}

// put(index, value) is the kernel's.
fn put_four(at: u32, i: u32, v: vec4f) {
    let d = 4u * i;
    put(at + d, v.x);
    if d + 1u < D { put(at + d + 1u, v.y); }
    if d + 2u < D { put(at + d + 2u, v.z); }
    if d + 3u < D { put(at + d + 3u, v.w); }
    writes(min(4u, D - d));
}

fn put_row(at: u32, row: Row) {
    put_four(at, 0u, row.r0);
    if D4 > 1u { put_four(at, 1u, row.r1); }
    if D4 > 2u { put_four(at, 2u, row.r2); }
    if D4 > 3u { put_four(at, 3u, row.r3); }
    if D4 > 4u { put_four(at, 4u, row.r4); }
    if D4 > 5u { put_four(at, 5u, row.r5); }
    if D4 > 6u { put_four(at, 6u, row.r6); }
    if D4 > 7u { put_four(at, 7u, row.r7); }
    if D4 > 8u { put_four(at, 8u, row.r8); }
    if D4 > 9u { put_four(at, 9u, row.r9); }
    if D4 > 10u { put_four(at, 10u, row.r10); }
    if D4 > 11u { put_four(at, 11u, row.r11); }
    if D4 > 12u { put_four(at, 12u, row.r12); }
    if D4 > 13u { put_four(at, 13u, row.r13); }
    if D4 > 14u { put_four(at, 14u, row.r14); }
    if D4 > 15u { put_four(at, 15u, row.r15); }
    for (var i = 16u; i < D4; i++) { put_four(at, i, row.rest[i - 16u]); }
}
