//! The one way in which two results are compared.

use crate::array::Array;

/// How far a result may be from its reference. Both must hold.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// ‖a − b‖₂ / ‖b‖₂ over the tensor.
    pub rel_l2: f64,
    /// |a − b| of any one element, as a share of the tensor's largest |b| (of 1, where that is smaller).
    pub max: f64,
}

impl Tolerance {
    /// For f32 arithmetic on a processor.
    pub const F32: Self = Self { rel_l2: 2e-5, max: 5e-5 };
    /// For f32 on a GPU, whose compiler may reassociate and whose `exp` may err by 3 + 2|x| ULP.
    pub const GPU: Self = Self { rel_l2: 2e-4, max: 5e-4 };
    /// For f64 against other f64 arithmetic.
    pub const F64: Self = Self { rel_l2: 1e-11, max: 1e-11 };
}

/// Compares `got` with `want`; integers must be equal. The error names `what` and the first bad element.
pub fn compare(what: &str, got: &Array, want: &Array, tolerance: Tolerance) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{what}: {} elements, expected {}", got.len(), want.len()));
    }
    match (got, want) {
        (Array::U32(got), Array::U32(want)) => match got.iter().zip(want).position(|(a, b)| a != b) {
            Some(i) => {
                Err(format!("{what}: element {i} of {} is {}, expected {}", got.len(), got[i], want[i]))
            }
            None => Ok(()),
        },
        (Array::Float(got), Array::Float(want)) => compare_reals(what, got, want, tolerance),
        _ => Err(format!("{what}: integers and reals cannot be compared")),
    }
}

fn compare_reals(what: &str, got: &[f64], want: &[f64], tolerance: Tolerance) -> Result<(), String> {
    if let Some(i) = want.iter().position(|x| !x.is_finite()) {
        return Err(format!("{what}: the reference itself is {} at element {i}", want[i]));
    }
    let largest = want.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    let bound = tolerance.max * largest.max(1.0);
    let (mut difference, mut norm, mut worst) = (0.0, 0.0, 0.0f64);
    for (a, b) in got.iter().zip(want) {
        difference += (a - b) * (a - b);
        norm += b * b;
        worst = worst.max((a - b).abs());
    }
    // Where the reference is all but zero a relative error means nothing: `max` alone decides.
    let rel = if norm.sqrt() > tolerance.max { (difference / norm).sqrt() } else { 0.0 };
    // `within` is false for NaN, whichever way the comparison is written above.
    let within = |i: usize| (got[i] - want[i]).abs() <= bound;
    let bad = (0..got.len()).find(|&i| !within(i));
    if bad.is_none() && rel <= tolerance.rel_l2 {
        return Ok(());
    }
    let at = bad.unwrap_or_else(|| (0..got.len()).find(|&i| (got[i] - want[i]).abs() >= worst).unwrap_or(0));
    Err(format!(
        "{what}: element {at} of {} is {:e}, expected {:e}; rel-L2 {rel:.2e} (limit {:.0e}), \
         max abs {worst:.2e} (limit {bound:.1e})",
        got.len(),
        got[at],
        want[at],
        tolerance.rel_l2
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOSE: Tolerance = Tolerance { rel_l2: 1e-3, max: 1e-3 };

    fn reals(got: &[f64], want: &[f64]) -> Result<(), String> {
        compare("test", &Array::Float(got.to_vec()), &Array::Float(want.to_vec()), LOOSE)
    }

    #[test]
    fn close_passes_and_each_way_of_being_wrong_fails() {
        assert!(reals(&[1.0, 2.0], &[1.0, 2.0005]).is_ok());
        assert!(reals(&[1.0, 2.1], &[1.0, 2.0]).unwrap_err().contains("element 1"));
        assert!(reals(&[1.0, f64::NAN], &[1.0, 2.0]).unwrap_err().contains("element 1"));
        assert!(reals(&[1.0, f64::INFINITY], &[1.0, 2.0]).is_err());
        assert!(reals(&[1.0], &[1.0, 2.0]).is_err());
        assert!(reals(&[f64::NAN], &[f64::NAN]).is_err());
        assert!(reals(&[0.5], &[0.0]).is_err());
        // Small everywhere in absolute terms, yet wrong as a whole.
        assert!(reals(&[2e-3; 100], &[1.5e-3; 100]).unwrap_err().contains("rel-L2"));
    }

    #[test]
    fn integers_must_be_equal() {
        let compare = |a: &[u32]| compare("ids", &Array::U32(a.to_vec()), &Array::U32(vec![1, 2]), LOOSE);
        assert!(compare(&[1, 2]).is_ok());
        assert!(compare(&[1, 3]).unwrap_err().contains("element 1 of 2 is 3, expected 2"));
    }
}
