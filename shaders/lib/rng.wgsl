// Threefry-2x32-20 (Salmon et al. 2011, §4.2): the integers of core/src/rng.rs.
fn rotate(x: u32, r: u32) -> u32 {
    return (x << r) | (x >> (32u - r));
}

fn turn(x: vec2u, r: u32) -> vec2u {
    let sum = x.x + x.y;
    return vec2u(sum, rotate(x.y, r) ^ sum);
}

fn four_rounds(x: vec2u, r: vec4u) -> vec2u {
    return turn(turn(turn(turn(x, r.x), r.y), r.z), r.w);
}

fn threefry(key: vec2u, counter: vec2u) -> vec2u {
    let even = vec4u(13u, 15u, 26u, 6u);
    let odd = vec4u(17u, 29u, 16u, 24u);
    let third = 0x1BD11BDAu ^ key.x ^ key.y;
    var x = counter + key;
    x = four_rounds(x, even) + vec2u(key.y, third + 1u);
    x = four_rounds(x, odd) + vec2u(third, key.x + 2u);
    x = four_rounds(x, even) + vec2u(key.x, key.y + 3u);
    x = four_rounds(x, odd) + vec2u(key.y, third + 4u);
    return four_rounds(x, even) + vec2u(third, key.x + 5u);
}

// In [0, 1): the upper 24 bits.
fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 16777216.0);
}
