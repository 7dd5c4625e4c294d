// What a kernel reads next, from a buffer. `i` counts fours of numbers.
@group(0) @binding(1) var<storage, read> right_buffer: array<vec4f>;

fn right(i: u32) -> vec4f {
    return right_buffer[i];
}
