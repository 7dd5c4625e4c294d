// Which tokens may be drawn, and their weights: temperature, top-k, top-p (core/src/ops/sample.rs). `logits` and
// V are the kernel's.
struct Filter {
    // First logit of the row.
    at: u32,
    // The largest of them.
    best: f32,
    // Temperature, 1 where it is 0.
    divisor: f32,
    // 0 keeps all; 1 where the temperature is 0.
    limit: u32,
    // Kept probability.
    top_p: f32,
    // Sum of all weights.
    total: f32,
}

fn weight(row: Filter, i: u32) -> f32 {
    return exp((logits[row.at + i] - row.best) / row.divisor);
}

// A token's rank is found by counting those before it, so that nothing need be sorted. Both sums only grow, so the
// first that is too large settles it.
fn stays(row: Filter, i: u32) -> bool {
    if row.limit == 0u && row.top_p >= 1.0 {
        return true;
    }
    let own = logits[row.at + i];
    var rank = 0u;
    var before = 0.0;
    for (var j = 0u; j < V; j++) {
        let other = logits[row.at + j];
        if other > own || (other == own && j < i) {
            rank++;
            before += weight(row, j);
            if (row.limit != 0u && rank >= row.limit) || !(before < row.top_p * row.total) {
                return false;
            }
        }
    }
    return true;
}
