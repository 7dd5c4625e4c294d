// A draw by the inverse of the cumulative sum, each of THREADS threads holding the weights of one stretch: the
// thread in whose stretch the draw falls walks it. The last thread with any weight stands in for a draw that
// rounding puts beyond the end.
struct Stretch {
    // Sum of the stretches before this thread's.
    start: f32,
    // The draw, in the units of the weights.
    draw: f32,
    // Whether it falls here.
    mine: bool,
}

var<workgroup> stretches: array<f32, THREADS>;

fn stretch(thread: u32, sum: f32, uniform: f32) -> Stretch {
    stretches[thread] = sum;
    workgroupBarrier();
    var all = 0.0;
    var start = 0.0;
    var last = 0u;
    for (var i = 0u; i < THREADS; i++) {
        if i == thread {
            start = all;
        }
        all += stretches[i];
        if stretches[i] > 0.0 {
            last = i;
        }
    }
    let draw = uniform * all;
    return Stretch(start, draw, sum > 0.0 && start <= draw && (draw < start + sum || thread == last));
}
