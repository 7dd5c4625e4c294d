// dK and dV, a thread for HELD key rows, two queries at a time, P recomputed from the log-sum-exp
// (core/src/ops/flash_attention_grad.rs).
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * THREADS + thread;
    if i >= B * H * BLOCKS {
        return;
    }
    let at = place(i);
    let line = (at.b * H + at.h) * T;
#repeat r 0 HELD
    let key_#r = query(at.b, at.first + #ru, at.h) + C4;
#repeat d 0 D4
    let k_#r_#d = SCALE * left(key_#r + #du);
    let v_#r_#d = left(key_#r + C4 + #du);
    var dk_#r_#d = vec4f();
    var dv_#r_#d = vec4f();
#end
#end
    // Queries before the first key see none of these.
    for (var j = select(0u, at.first / 2u * 2u, CAUSAL); j < T; j += 2u) {
#repeat t 0 2
        let query_#t = query(at.b, j + #tu, at.h);
        let out_#t = output(at.b, j + #tu, at.h);
        let line_#t = line + min(j + #tu, T - 1u);
#end
        let lses = vec2f(lse[line_0], lse[line_1]);
        let deltas = vec2f(delta[line_0], delta[line_1]);
        let queries = vec2u(j, j + 1u);
#repeat r 0 HELD
        var score_#r = vec2f();
        var dp_#r = vec2f();
#end
#repeat d 0 D4
        let q_#d = mat2x4f(left(query_0 + #du), left(query_1 + #du));
        let g_#d = mat2x4f(right(out_0 + #du), right(out_1 + #du));
#repeat r 0 HELD
        score_#r = along(score_#r, k_#r_#d, q_#d);
        dp_#r = along(dp_#r, v_#r_#d, g_#d);
#end
#end
#repeat r 0 HELD
        let seen_#r = (queries < vec2u(T)) & (queries >= vec2u(select(0u, at.first + #ru, CAUSAL)));
        let p_#r = select(vec2f(), exp(score_#r - lses), seen_#r);
        let ds_#r = SCALE * p_#r * (dp_#r - deltas);
#repeat d 0 D4
        dk_#r_#d = plus(dk_#r_#d, ds_#r, q_#d);
        dv_#r_#d = plus(dv_#r_#d, p_#r, g_#d);
#end
#end
    }
#repeat r 0 HELD
    if at.first + #ru < T {
#repeat d 0 D4
        dqkv[key_#r + #du] = dk_#r_#d;
        dqkv[key_#r + C4 + #du] = dv_#r_#d;
#end
    }
#end
}
