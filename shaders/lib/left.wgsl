// What a kernel reads first, from a buffer. `i` counts fours of numbers.
@group(0) @binding(0) var<storage, read> left_buffer: array<vec4f>;

fn left(i: u32) -> vec4f {
    return left_buffer[i];
}
