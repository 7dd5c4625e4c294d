// Attention, a thread for HELD query rows, two keys at a time, softmax online (core/src/ops/flash_attention.rs).
@group(0) @binding(1) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * THREADS + thread;
    if i >= B * H * BLOCKS {
        return;
    }
    let at = place(i);
#repeat r 0 HELD
    let query_#r = query(at.b, at.first + #ru, at.h);
#repeat d 0 D4
    let q_#r_#d = SCALE * left(query_#r + #du);
    var sum_#r_#d = vec4f();
#end
    var largest_#r = -1e30;
    var weight_#r = 0.0;
#end
    let end = last_key(at.first);
    for (var j = 0u; j < end; j += 2u) {
#repeat t 0 2
        let key_#t = query(at.b, j + #tu, at.h) + C4;
#end
#repeat r 0 HELD
        var score_#r = vec2f();
#end
#repeat d 0 D4
        let k_#d = mat2x4f(left(key_0 + #du), left(key_1 + #du));
#repeat r 0 HELD
        score_#r = along(score_#r, q_#r_#d, k_#d);
#end
#end
#repeat r 0 HELD
        score_#r = select(vec2f(-1e30), score_#r, sees(at.first + #ru, j));
        let peak_#r = max(largest_#r, max(score_#r.x, score_#r.y));
        let p_#r = exp(score_#r - peak_#r);
        let rescale_#r = exp(largest_#r - peak_#r);
        weight_#r = weight_#r * rescale_#r + (p_#r.x + p_#r.y);
        largest_#r = peak_#r;
#end
#repeat d 0 D4
        let v_#d = mat2x4f(left(key_0 + C4 + #du), left(key_1 + C4 + #du));
#repeat r 0 HELD
        sum_#r_#d = plus(sum_#r_#d * rescale_#r, p_#r, v_#d);
#end
#end
    }
#repeat r 0 HELD
    if at.first + #ru < T {
        let out = output(at.b, at.first + #ru, at.h);
#repeat d 0 D4
        o[out + #du] = sum_#r_#d / weight_#r;
#end
        lse[(at.b * H + at.h) * T + at.first + #ru] = largest_#r + log(weight_#r);
    }
#end
}
