// What a kernel reads next, from the texture that it is copied into before (left_texels.wgsl). `i` counts fours of numbers.
@group(0) @binding(1) var right_texels: texture_2d<f32>;

fn right(i: u32) -> vec4f {
    return textureLoad(right_texels, vec2u(i & (TEXELS - 1u), i >> countTrailingZeros(TEXELS)), 0);
}
