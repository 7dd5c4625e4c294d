//! Copies of operands in the order in which tiles read them.

/// Lines that are turned at once: a square of 4 × 4 is two rounds of shuffles.
const LINES: usize = 4;

/// `out[p, r] = x[r, p]` for r below `lines` and p below `depth`, and zeros from `lines` to W: a panel. Strides are
/// those of lines and of steps.
#[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
pub(super) fn pack<const W: usize>(
    x: &[f32],
    [x_lines, x_steps]: [usize; 2],
    [lines, depth]: [usize; 2],
    out: &mut [f32],
) {
    let out = &mut out.as_chunks_mut::<W>().0[..depth];
    if lines < W {
        out.fill([0.0; W]);
    }
    if x_lines == 1 {
        for (p, out) in out.iter_mut().enumerate() {
            let x = &x[p * x_steps..];
            match x.first_chunk() {
                Some(x) if lines == W => *out = *x,
                _ => out.iter_mut().zip(&x[..lines]).for_each(|(out, x)| *out = *x),
            }
        }
    } else if x_steps == 1 {
        for r in (0..lines).step_by(LINES) {
            let take = LINES.min(lines - r);
            // Lines beyond the last repeat it, and are not stored.
            let line: [&[f32]; LINES] =
                std::array::from_fn(|i| &x[(r + i).min(lines - 1) * x_lines..][..depth]);
            let whole = depth / LINES;
            let squares = line.map(|line| &line.as_chunks::<LINES>().0[..whole]);
            let (steps, rest) = out.as_chunks_mut::<LINES>();
            for (q, steps) in steps.iter_mut().enumerate().take(whole) {
                let turned = turn(std::array::from_fn(|l| squares[l][q]));
                for (out, turned) in steps.iter_mut().zip(turned) {
                    match out[r..].first_chunk_mut() {
                        Some(out) if take == LINES => *out = turned,
                        _ => out[r..r + take].copy_from_slice(&turned[..take]),
                    }
                }
            }
            for (out, p) in rest.iter_mut().zip(whole * LINES..) {
                (0..take).for_each(|l| out[r + l] = line[l][p]);
            }
        }
    } else {
        for (p, out) in out.iter_mut().enumerate() {
            (0..lines).for_each(|r| out[r] = x[r * x_lines + p * x_steps]);
        }
    }
}

/// A square's transpose.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn turn(square: [[f32; LINES]; LINES]) -> [[f32; LINES]; LINES] {
    std::array::from_fn(|i| square.map(|line| line[i]))
}

/// A square's transpose, with the shuffles that LLVM does not find in wasm.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn turn(square: [[f32; LINES]; LINES]) -> [[f32; LINES]; LINES] {
    use core::arch::wasm32::{f32x4, f32x4_extract_lane, i32x4_shuffle, i64x2_shuffle};
    let [a, b, c, d] = square.map(|x| f32x4(x[0], x[1], x[2], x[3]));
    let (left, right) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
    let (below, beside) = (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        i64x2_shuffle::<0, 2>(left, below),
        i64x2_shuffle::<1, 3>(left, below),
        i64x2_shuffle::<0, 2>(right, beside),
        i64x2_shuffle::<1, 3>(right, beside),
    ]
    .map(|x| {
        let lanes = [f32x4_extract_lane::<0>(x), f32x4_extract_lane::<1>(x)];
        [lanes[0], lanes[1], f32x4_extract_lane::<2>(x), f32x4_extract_lane::<3>(x)]
    })
}
