// Attention with a thread for HELD rows of one head, all in registers: no barrier and no workgroup memory. Rows of
// other kinds pass by, two at a time: four were a longer text and no quicker (shaders/README.md). D is a multiple of 4.
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
fn plus(sum: vec4f, x: vec2f, m: mat2x4f) -> vec4f {
    return fma(vec4f(x.y), m[1], fma(vec4f(x.x), m[0], sum));
}

// sum + x · m, where m's columns are four numbers of each row passing by.
fn along(sum: vec2f, x: vec4f, m: mat2x4f) -> vec2f {
    let t = transpose(m);
    return fma(vec2f(x.w), t[3], fma(vec2f(x.z), t[2], fma(vec2f(x.y), t[1], fma(vec2f(x.x), t[0], sum))));
}

fn query(b: u32, t: u32, h: u32) -> u32 {
    return (b * T + min(t, T - 1u)) * 3u * C4 + h * D4;
}

fn output(b: u32, t: u32, h: u32) -> u32 {
    return (b * T + min(t, T - 1u)) * C4 + h * D4;
}

// Which of the keys j and j + 1 query `row` sees.
fn sees(row: u32, j: u32) -> vec2<bool> {
    let keys = vec2u(j, j + 1u);
    if CAUSAL {
        return keys <= vec2u(min(row, T - 1u));
    }
    return keys < vec2u(T);
}

// Where the keys end that a block of queries sees.
fn last_key(first: u32) -> u32 {
    if CAUSAL {
        return min(T, first + HELD);
    }
    return T;
}
