// Where a head lies in qkv `[B, T, 3C]` and in o `[B, T, C]`, C = H · D.
const C: u32 = H * D;

fn query(b: u32, t: u32, h: u32) -> u32 {
    return (b * T + t) * 3u * C + h * D;
}

fn output(b: u32, t: u32, h: u32) -> u32 {
    return (b * T + t) * C + h * D;
}
