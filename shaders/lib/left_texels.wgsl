// What a kernel reads first, from the texture that it is copied into before, TEXELS fours of numbers a row
// (core/src/device/gpu/texels.rs). `i` counts fours of numbers.
@group(0) @binding(0) var left_texels: texture_2d<f32>;

fn left(i: u32) -> vec4f {
    return textureLoad(left_texels, vec2u(i & (TEXELS - 1u), i >> countTrailingZeros(TEXELS)), 0);
}
