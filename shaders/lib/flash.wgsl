// What the flash attention kernels share: a thread holds one row in registers, a workgroup passes tiles
// of other rows through workgroup memory. Rows are padded with zeros to whole vectors; tiles shrink with
// D, so that two of them fit 16 KiB.
const ROWS: u32 = 32u;
const D4: u32 = (D + 3u) / 4u;
const TILE: u32 = min(ROWS, 512u / D4);

alias Row = array<vec4f, D4>;

// How much of the i-th vector lies within D.
fn within(i: u32) -> vec4<bool> {
    return vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(D);
}

fn four_of_qkv(at: u32, i: u32) -> vec4f {
    let j = at + 4u * i;
    let last = at + D - 1u;
    let v = vec4f(qkv[j], qkv[min(j + 1u, last)], qkv[min(j + 2u, last)], qkv[min(j + 3u, last)]);
    return select(vec4f(), v, within(i));
}
