// dQ, a thread for HELD query rows, two keys at a time, P recomputed from the log-sum-exp
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
#repeat r 0 HELD
    let query_#r = query(at.b, at.first + #ru, at.h);
    let out_#r = output(at.b, at.first + #ru, at.h);
    let line_#r = (at.b * H + at.h) * T + min(at.first + #ru, T - 1u);
    let lse_#r = lse[line_#r];
    let delta_#r = delta[line_#r];
#repeat d 0 D4
    let q_#r_#d = SCALE * left(query_#r + #du);
    let g_#r_#d = right(out_#r + #du);
    var dq_#r_#d = vec4f();
#end
#end
    let end = last_key(at.first);
    for (var j = 0u; j < end; j += 2u) {
#repeat t 0 2
        let key_#t = query(at.b, j + #tu, at.h) + C4;
#end
#repeat r 0 HELD
        var score_#r = vec2f();
        var dp_#r = vec2f();
#end
#repeat d 0 D4
        let k_#d = mat2x4f(left(key_0 + #du), left(key_1 + #du));
        let v_#d = mat2x4f(left(key_0 + C4 + #du), left(key_1 + C4 + #du));
#repeat r 0 HELD
        score_#r = along(score_#r, q_#r_#d, k_#d);
        dp_#r = along(dp_#r, g_#r_#d, v_#d);
#end
#end
#repeat r 0 HELD
        let p_#r = select(vec2f(), exp(score_#r - lse_#r), sees(at.first + #ru, j));
        let ds_#r = SCALE * p_#r * (dp_#r - delta_#r);
#repeat d 0 D4
        dq_#r_#d = plus(dq_#r_#d, ds_#r, k_#d);
#end
#end
    }
#repeat r 0 HELD
    if at.first + #ru < T {
#repeat d 0 D4
        dqkv[query_#r + #du] = dq_#r_#d;
#end
    }
#end
}
