fn four_of_dout(at: u32, i: u32) -> vec4f {
    let j = at + 4u * i;
    let last = at + D - 1u;
    let v = vec4f(dout[j], dout[min(j + 1u, last)], dout[min(j + 2u, last)], dout[min(j + 3u, last)]);
    return select(vec4f(), v, within(i));
}
