// dx = rstd · (g − mean(g) − x̂ · mean(g · x̂)) with g = dy · gain and x̂ = (x − mean) · rstd, for one row.
// The kernel declares the bindings and put(index, value).
// Four columns a turn, since turns cost too; then those that are left.
const WHOLE: u32 = C / 4u * 4u;

// g and g · x̂ of one element.
fn of_column(at: u32, c: u32, mu: f32, r: f32) -> vec2f {
    let g = dy[at + c] * gain[c];
    return g * vec2f(1.0, (x[at + c] - mu) * r);
}

fn put_column(at: u32, c: u32, mu: f32, r: f32, means: vec2f) {
    put(at + c, r * (dy[at + c] * gain[c] - means.x - (x[at + c] - mu) * r * means.y));
}

fn norm_grad_row(row: u32) {
    let at = row * C;
    let mu = mean[row];
    let r = rstd[row];
    var sums = vec2f();
    for (var c = 0u; c < WHOLE; c += 4u) {
        sums += (of_column(at, c, mu, r) + of_column(at, c + 1u, mu, r))
            + (of_column(at, c + 2u, mu, r) + of_column(at, c + 3u, mu, r));
    }
    for (var c = WHOLE; c < C; c++) {
        sums += of_column(at, c, mu, r);
    }
    let means = sums / f32(C);
    for (var c = 0u; c < WHOLE; c += 4u) {
#repeat k 0 4
        put_column(at, c + #ku, mu, r, means);
#end
    }
    for (var c = WHOLE; c < C; c++) {
        put_column(at, c, mu, r, means);
    }
}
