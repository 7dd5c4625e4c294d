// Reductions over a workgroup of THREADS threads (a constant of the kernel) with two barriers and one
// order, so that runs repeat to the bit. Few barriers beat a tree on adapters that are CPUs.
var<workgroup> lanes: array<f32, THREADS>;

fn sum_all(thread: u32, value: f32) -> f32 {
    workgroupBarrier();
    lanes[thread] = value;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < THREADS; i++) {
        sum += lanes[i];
    }
    return sum;
}

fn max_all(thread: u32, value: f32) -> f32 {
    workgroupBarrier();
    lanes[thread] = value;
    workgroupBarrier();
    var largest = lanes[0];
    for (var i = 1u; i < THREADS; i++) {
        largest = max(largest, lanes[i]);
    }
    return largest;
}
