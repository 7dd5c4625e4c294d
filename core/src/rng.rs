//! The one source of randomness: Threefry-2x32, a counter-based generator.
//!
//! A counter-based generator has no state to carry: the random integer is a function of a key and a
//! counter. So the CPU and `shaders/lib/rng.wgsl` give the same integers, a run can resume anywhere, and
//! parallel threads need no coordination. Twenty rounds, as in Salmon et al. 2011, "Parallel random
//! numbers: as easy as 1, 2, 3", §4.2; it uses only 32-bit addition, rotation and exclusive or, all of
//! which WGSL has.

/// What a stream of random numbers is for. Streams of one seed are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights.
    Init = 1,
    /// Which windows of the corpus a batch holds.
    Batch = 2,
    /// Sampling of generated tokens.
    Sample = 3,
    /// The world's documents.
    World = 4,
    /// The world's tables (who likes what).
    Tables = 5,
    /// Anything in a test.
    Test = 6,
    /// What a draft model proposes.
    Propose = 9,
    /// Whether the target model accepts it, and what it draws instead.
    Accept = 10,
    /// Questions, demonstrations and labels of the chat lessons.
    Chat = 7,
    /// Weights of a bootstrap.
    Bootstrap = 8,
}

const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// Threefry-2x32-20: two random words from a key and a counter.
pub fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let ks = [key[0], key[1], 0x1BD1_1BDA ^ key[0] ^ key[1]];
    let mut x = [counter[0].wrapping_add(ks[0]), counter[1].wrapping_add(ks[1])];
    for group in 0..5u32 {
        for r in ROTATIONS[(group % 2) as usize] {
            x[0] = x[0].wrapping_add(x[1]);
            x[1] = x[1].rotate_left(r) ^ x[0];
        }
        let g = group as usize + 1;
        x[0] = x[0].wrapping_add(ks[g % 3]);
        x[1] = x[1].wrapping_add(ks[(g + 1) % 3]).wrapping_add(group + 1);
    }
    x
}

/// A number in [0, 1) from a random word: its upper 24 bits, so that f32 holds it exactly.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A sequential reader of one stream: counter 0, 1, 2, …
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    counter: [u32; 2],
    spare: Option<u32>,
}

impl Rng {
    /// The stream `stream` of `seed`, from its beginning.
    pub fn new(seed: u32, stream: Stream) -> Self {
        Self::at(seed, stream, 0)
    }

    /// The same stream, at the independent sub-stream `sub` (a row, a document, a worker).
    pub fn at(seed: u32, stream: Stream, sub: u32) -> Self {
        Self { key: [seed, stream as u32], counter: [0, sub], spare: None }
    }

    /// The next random word.
    pub fn next_u32(&mut self) -> u32 {
        if let Some(word) = self.spare.take() {
            return word;
        }
        let [a, b] = threefry(self.key, self.counter);
        self.counter[0] = self.counter[0].wrapping_add(1);
        self.spare = Some(b);
        a
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn next_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        (((high << 32) | low) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n, without bias (Lemire 2019). `n` must not be 0.
    pub fn below(&mut self, n: u32) -> u32 {
        debug_assert!(n > 0);
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.next_f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.next_f64()).cos()
    }

    /// Puts `items` into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of Random123 1.14, `kat_vectors`, threefry2x32 with 20 rounds.
    #[test]
    fn threefry_known_answers() {
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([!0, !0], [!0, !0]), [0x1cb9_96fc, 0xbb00_2be7]);
        assert_eq!(threefry([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]), [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn moments() {
        let mut rng = Rng::new(7, Stream::Test);
        let n = 200_000;
        let (mut mean, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let x = rng.normal();
            mean += x / n as f64;
            square += x * x / n as f64;
        }
        assert!(mean.abs() < 0.01 && (square - 1.0).abs() < 0.02, "{mean} {square}");
        let mut counts = [0; 10];
        for _ in 0..n {
            counts[rng.below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|&c| (c - n / 10i32).abs() < 700), "{counts:?}");
    }
}
