//! What a device can do at best: fused multiply-adds that never leave the registers, and a copy. Measured beside
//! every row, since machines differ and their clocks wander.

use crate::Instant;
use gradus_core::device::Ceiling;
use gradus_core::device::cpu::fma_ceiling;

/// Repetitions of which the best counts: a ceiling is what is possible.
const REPEAT: usize = 20;

/// The limits of one thread of this processor, on the vectors that the engine uses.
pub(crate) fn cpu() -> Ceiling {
    let best = |work: &mut dyn FnMut() -> f64| {
        let mut rate = || {
            let start = Instant::now();
            let done = work();
            done / start.elapsed().as_secs_f64()
        };
        (0..REPEAT).map(|_| rate()).fold(0.0, f64::max)
    };
    let (from, mut to) = (vec![1.0_f32; 1 << 22], vec![0.0_f32; 1 << 22]);
    let flops = best(&mut || fma_ceiling(1 << 21));
    let bytes = best(&mut || {
        std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from));
        (8 * from.len()) as f64
    });
    Ceiling { flops, bytes }
}
