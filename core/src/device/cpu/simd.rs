//! The widest vectors this processor has, found at run time natively and at build time in wasm, without
//! unsafe code: `pulp` compiles what it is given once for each instruction set and picks one.

use super::Io;
use crate::ops::Op;
use pulp::{Simd, WithSimd};

/// Does work on this processor's widest vectors.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(work)
}

/// Does work on 128-bit vectors, with fused multiply-adds in the build that has them. (`pulp` would compile it for
/// both, and choose when it runs.)
#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_feature = "relaxed-simd")]
    use pulp::wasm::RelaxedSimd as Vectors;
    #[cfg(not(target_feature = "relaxed-simd"))]
    use pulp::wasm::Simd128 as Vectors;
    match Vectors::try_new() {
        Some(simd) => work.with_simd(simd),
        None => unreachable!("a browser without these vectors refuses the module"),
    }
}

/// Runs `op` in f32, compiled for this processor's widest vectors.
pub(crate) fn run<O: Op>(op: &O, io: Io<'_, f32>) {
    dispatch(Run { op, io });
}

struct Run<'a, O> {
    op: &'a O,
    io: Io<'a, f32>,
}

impl<O: Op> WithSimd for Run<'_, O> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.op.cpu(self.io);
    }
}

/// Independent chains of fused multiply-adds: enough to hide the latency of four cycles at two a cycle.
const CHAINS: usize = 12;

/// The arithmetic ceiling: `rounds` of multiply-adds that never leave the registers, on the vectors that
/// the engine's kernels use. Returns the floating-point operations done; time it from outside.
pub fn fma_ceiling(rounds: usize) -> f64 {
    dispatch(Ceiling { rounds })
}

struct Ceiling {
    rounds: usize,
}

impl WithSimd for Ceiling {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (a, b) = (simd.splat_f32s(0.999), simd.splat_f32s(1e-3));
        let mut chains = [std::hint::black_box(b); CHAINS];
        for _ in 0..self.rounds {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, a, b);
            }
        }
        std::hint::black_box(chains);
        (self.rounds * CHAINS * S::F32_LANES * 2) as f64
    }
}

/// Sums kept side by side in a reduction: one vector of AVX-512, four of 128 bits.
const LANES: usize = 16;

/// Σ term(aᵢ, bᵢ), element i in sum i mod 16, then the sums pairwise: one order on every processor.
#[inline(always)]
pub(super) fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let n = a.len().min(b.len());
    let (a, a_rest) = a[..n].as_chunks::<LANES>();
    let (b, b_rest) = b[..n].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += term(a, b);
    }
    fold(sums, |a, b| a + b)
}

/// The largest number, −∞ of none.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    // Not f32::max: this form is one instruction everywhere, and its NaN rule is the same here.
    let max = |a: f32, b: f32| if b > a { b } else { a };
    let (x, rest) = x.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for x in x {
        for i in 0..LANES {
            most[i] = max(most[i], x[i]);
        }
    }
    for (most, &x) in most.iter_mut().zip(rest) {
        *most = max(*most, x);
    }
    fold(most, max)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// ln of the least power of e that is told from 0, 1.6e-28. A weight of a softmax as small as that changes no sum; but what
/// is multiplied with it can become subnormal (below 1.2e-38), and of such numbers a processor of Intel's works out one
/// where it else works out hundreds. In wasm nothing can tell it to take them for 0.
const LEAST: f32 = -64.0;

/// e^x without branches, so that loops over it become vector code. With n = round(x / ln 2) and
/// r = x − n ln 2, e^x = 2^n e^r; e^r is the polynomial of Cephes' `expf` (S. Moshier, 1992), and ln 2 is
/// taken off in two parts so that r keeps its digits. Below e^[`LEAST`]: 0. NaN stays NaN.
#[inline(always)]
#[allow(clippy::excessive_precision)]
pub(super) fn exp(x: f32) -> f32 {
    const MOST: f32 = 88.722_83; // ln of the largest
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it leaves an integer in the low bits
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_375 - n * -2.121_944_4e-4;
    let p = 1.987_569_15e-4;
    let p = p * r + 1.398_199_950_7e-3;
    let p = p * r + 8.333_451_907_3e-3;
    let p = p * r + 4.166_579_589_4e-2;
    let p = p * r + 1.666_666_545_9e-1;
    let p = p * r + 5.000_000_120_1e-1;
    let p = p * r * r + r + 1.0;
    // 2^n is added to the exponent's bits: p is near 1, so nothing spills.
    let y = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
    // Beyond the ends y is anything; both comparisons are false for NaN, and NaN · ∞ is NaN.
    let y = if x >= LEAST { y } else { 0.0 };
    if x <= MOST { y } else { x * f32::INFINITY }
}

/// As [`exp`], of a vector and with fused multiply-adds; but where e^x is beyond f32, it is f32's largest power.
/// (That is what weights of attention and sigmoids need: nothing of theirs overflows.)
#[inline(always)]
#[allow(clippy::excessive_precision)]
pub(super) fn exp_vector<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let number = |x: f32| simd.splat_f32s(x);
    let add = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (most, round) = (number(88.722_83), number(12_582_912.0));
    let x = simd.select_f32s(simd.greater_than_f32s(x, most), most, x);
    let shifted = add(x, number(std::f32::consts::LOG2_E), round);
    let n = simd.sub_f32s(shifted, round);
    let r = add(n, number(2.121_944_4e-4), add(n, number(-0.693_359_375), x));
    let p = add(number(1.987_569_15e-4), r, number(1.398_199_950_7e-3));
    let p = add(p, r, number(8.333_451_907_3e-3));
    let p = add(p, r, number(4.166_579_589_4e-2));
    let p = add(p, r, number(1.666_666_545_9e-1));
    let p = add(p, r, number(5.000_000_120_1e-1));
    let p = simd.add_f32s(add(simd.mul_f32s(p, r), r, r), number(1.0));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let y = simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), exponent));
    simd.select_f32s(simd.less_than_f32s(x, number(LEAST)), number(0.0), y)
}

/// ln x of a normal number above 0, without branches: with x = 2^n·m and m in [√½, √2), ln x = n ln 2 + ln m, and
/// ln m = 2 artanh s with s = (m − 1)/(m + 1), of whose series five terms are exact to f32.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    const ROOT: u32 = 0x3f35_04f3; // √½
    let shifted = x.to_bits().wrapping_sub(ROOT);
    let n = (shifted as i32 >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = ((z * (1.0 / 9.0) + 1.0 / 7.0) * z + 0.2) * z + 1.0 / 3.0;
    n * std::f32::consts::LN_2 + 2.0 * (s + s * z * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 4,099th bit pattern in range: about a million numbers, of all exponents.
    #[test]
    fn exp_is_within_two_ulp() {
        let mut worst = 0.0_f64;
        for bits in (0..u32::MAX).step_by(4099) {
            let x = f32::from_bits(bits);
            if !(LEAST..=88.72).contains(&x) {
                continue;
            }
            let (y, truth) = (exp(x), f64::from(x).exp());
            let ulp = f64::from(f32::from_bits((truth as f32).to_bits() + 1)) - f64::from(truth as f32);
            worst = worst.max((f64::from(y) - truth).abs() / ulp);
        }
        assert!(worst < 2.0, "{worst} ulp");
    }

    #[test]
    fn exp_at_its_ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e4), 0.0);
        assert_eq!(exp(-64.01), 0.0);
        assert!(exp(LEAST) > 1.6e-28);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert!(exp(88.722_83).is_finite());
        for bits in [0x7fc0_0000, 0x7f80_0001, 0xffff_ffff, 0x7fc0_01ff] {
            assert!(exp(f32::from_bits(bits)).is_nan());
        }
    }

    #[test]
    fn ln_is_within_its_rounding() {
        for bits in (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).step_by(4099) {
            let x = f32::from_bits(bits);
            let truth = f64::from(x).ln();
            let error = (f64::from(ln(x)) - truth).abs();
            assert!(error <= 3e-7 * truth.abs().max(0.4), "ln {x} = {truth}, off by {error}");
        }
    }

    #[test]
    fn vectors_and_numbers_have_one_exponential() {
        for x in [-1e4, -87.5, -64.01, -64.0, -3.3, -1e-6, 0.0, 1e-3, 2.5, 88.0, 1e3] {
            let (vector, number) = (exp_vector(pulp::Scalar::new(), x), exp(x));
            let number = if number.is_finite() { number } else { exp(88.722_83) };
            assert!((vector - number).abs() <= 3e-7 * number, "e^{x} = {number}, got {vector}");
        }
        assert!(exp_vector(pulp::Scalar::new(), f32::NAN).is_nan());
    }

    #[test]
    fn reductions_of_ragged_lengths() {
        for n in [0, 1, 15, 16, 17, 100] {
            let a: Vec<f32> = (0..n).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
            let b: Vec<f32> = a.iter().map(|x| 3.0 - x).collect();
            // Small whole numbers: every order of summation gives the same.
            assert_eq!(sum_of(&a, &b, |a, b| a * b), a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>());
            assert_eq!(largest(&a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
