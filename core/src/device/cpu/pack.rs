//! Copies of operands in the order in which tiles read them.

/// Lines that are turned at once: a square of 4 × 4 is two rounds of shuffles.
const LINES: usize = 4;

/// `out[p, r] = x[r, p]` for r below `lines` and p below `depth`: a panel. Strides are those of lines and of steps.
/// From `lines` to W the panel holds numbers that nobody reads.
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
            // Lines beyond the last repeat it: nobody reads them.
            let line = |i: usize| &x[(r + i).min(lines - 1) * x_lines..][..depth];
            pack_lines(line(0), line(1), line(2), line(3), r, out);
        }
    } else {
        for (p, out) in out.iter_mut().enumerate() {
            (0..lines).for_each(|r| out[r] = x[r * x_lines + p * x_steps]);
        }
    }
}

/// `out[p][r..r + 4] = [a[p], b[p], c[p], d[p]]`.
#[inline(always)]
fn pack_lines<const W: usize>(a: &[f32], b: &[f32], c: &[f32], d: &[f32], r: usize, out: &mut [[f32; W]]) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LINES>(), b.as_chunks::<LINES>());
    let ((c, c_rest), (d, d_rest)) = (c.as_chunks::<LINES>(), d.as_chunks::<LINES>());
    let (steps, rest) = out.as_chunks_mut::<LINES>();
    let put = |out: &mut [f32; W], x: [f32; LINES]| {
        if let Some(out) = out[r..].first_chunk_mut() {
            *out = x;
        }
    };
    for ((((steps, a), b), c), d) in steps.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let [first, second, third, fourth] = turn([*a, *b, *c, *d]);
        put(&mut steps[0], first);
        put(&mut steps[1], second);
        put(&mut steps[2], third);
        put(&mut steps[3], fourth);
    }
    for ((((out, &a), &b), &c), &d) in rest.iter_mut().zip(a_rest).zip(b_rest).zip(c_rest).zip(d_rest) {
        put(out, [a, b, c, d]);
    }
}

/// A square's transpose.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
fn turn([a, b, c, d]: [[f32; LINES]; LINES]) -> [[f32; LINES]; LINES] {
    let column = |i: usize| [a[i], b[i], c[i], d[i]];
    [column(0), column(1), column(2), column(3)]
}

/// A square's transpose, with the shuffles that LLVM does not find in wasm.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
fn turn([a, b, c, d]: [[f32; LINES]; LINES]) -> [[f32; LINES]; LINES] {
    use core::arch::wasm32::{f32x4, f32x4_extract_lane, i32x4_shuffle, i64x2_shuffle, v128};
    let vector = |x: [f32; LINES]| f32x4(x[0], x[1], x[2], x[3]);
    let numbers = |x: v128| {
        let (a, b) = (f32x4_extract_lane::<0>(x), f32x4_extract_lane::<1>(x));
        [a, b, f32x4_extract_lane::<2>(x), f32x4_extract_lane::<3>(x)]
    };
    let (a, b, c, d) = (vector(a), vector(b), vector(c), vector(d));
    let (left, right) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
    let (below, beside) = (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
    [
        numbers(i64x2_shuffle::<0, 2>(left, below)),
        numbers(i64x2_shuffle::<1, 3>(left, below)),
        numbers(i64x2_shuffle::<0, 2>(right, beside)),
        numbers(i64x2_shuffle::<1, 3>(right, beside)),
    ]
}
