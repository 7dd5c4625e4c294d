// ln Σ exp over a row of logits that begins at `at`, the same on all threads. `logits`, V and THREADS are the kernel's.
fn log_sum_exp(thread: u32, at: u32) -> f32 {
    var largest = logits[at];
    for (var i = thread; i < V; i += THREADS) {
        largest = max(largest, logits[at + i]);
    }
    largest = max_all(thread, largest);
    var sum = 0.0;
    for (var i = thread; i < V; i += THREADS) {
        sum += exp(logits[at + i] - largest);
    }
    return largest + log(sum_all(thread, sum));
}
