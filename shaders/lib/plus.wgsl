// sum + x · w, four multiply-adds in a chain.
fn plus(sum: vec4f, x: vec4f, w: mat4x4f) -> vec4f {
    let half = fma(vec4f(x.y), w[1], fma(vec4f(x.x), w[0], sum));
    return fma(vec4f(x.w), w[3], fma(vec4f(x.z), w[2], half));
}
