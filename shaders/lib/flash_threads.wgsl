// Attention with a thread for HELD rows of one head, all in registers: no barrier and no workgroup memory. Rows of
// other kinds pass by, four at a time. D is a multiple of 4.
const C4: u32 = H * D4;
const BLOCKS: u32 = (T + HELD - 1u) / HELD;

// Which rows of which head: sequence, head, first row. Neighbours have the same rows of the next head, so that
// they walk equally far.
struct Place {
    b: u32,
    h: u32,
    first: u32,
}

fn place(i: u32) -> Place {
    return Place(i / H / BLOCKS, i % H, i / H % BLOCKS * HELD);
}

// sum + x · m, where m's columns are what x's elements weigh.
fn plus(sum: vec4f, x: vec4f, m: mat4x4f) -> vec4f {
    return fma(vec4f(x.w), m[3], fma(vec4f(x.z), m[2], fma(vec4f(x.y), m[1], fma(vec4f(x.x), m[0], sum))));
}

fn total(x: vec4f) -> f32 {
    return x.x + x.y + x.z + x.w;
}

fn query(b: u32, t: u32, h: u32) -> u32 {
    return (b * T + min(t, T - 1u)) * 3u * C4 + h * D4;
}

fn output(b: u32, t: u32, h: u32) -> u32 {
    return (b * T + min(t, T - 1u)) * C4 + h * D4;
}

// Which of the keys j..j+4 query `row` sees.
fn sees(row: u32, j: u32) -> vec4<bool> {
    let keys = vec4u(j, j + 1u, j + 2u, j + 3u);
    if CAUSAL {
        return keys <= vec4u(min(row, T - 1u));
    }
    return keys < vec4u(T);
}

// Where the keys end that a block of queries sees.
fn last_key(first: u32) -> u32 {
    if CAUSAL {
        return min(T, first + HELD);
    }
    return T;
}
