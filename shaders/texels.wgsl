// Copies a buffer into a texture, four numbers a texel and TEXELS texels a row (core/src/device/gpu/texels.rs).
@group(0) @binding(0) var<storage, read> buffer: array<vec4f>;
@group(0) @binding(1) var texture: texture_storage_2d<rgba32float, write>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    let first = (flat_group(group) * WIDTH + thread.x) * EACH;
    for (var i = first; i < min(first + EACH, LENGTH); i++) {
        textureStore(texture, vec2u(i % TEXELS, i / TEXELS), buffer[i]);
    }
}
