// dx = rstd · (g − mean(g) − x̂ · mean(g · x̂)) with g = dy · gain and x̂ = (x − mean) · rstd, for one row.
// The kernel declares the bindings and put(index, value).
fn norm_grad_row(row: u32) {
    let at = row * C;
    let mu = mean[row];
    let r = rstd[row];
    var sum = 0.0;
    var dot = 0.0;
    for (var c = 0u; c < C; c++) {
        let g = dy[at + c] * gain[c];
        sum += g;
        dot += g * (x[at + c] - mu) * r;
    }
    sum /= f32(C);
    dot /= f32(C);
    for (var c = 0u; c < C; c++) {
        put(at + c, r * (dy[at + c] * gain[c] - sum - (x[at + c] - mu) * r * dot));
    }
}
