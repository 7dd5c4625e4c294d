//! Self-attention tile by tile: no `[T, T]` matrix is ever stored.
//!
//! Forward: FlashAttention-2 (Dao 2023, arXiv 2307.08691), algorithm 1. A block of query rows stays in
//! place while tiles of K and V pass by; each row keeps its largest score m, the sum ℓ of its weights and
//! the output O so far, and rescales ℓ and O by e^(m − m′) when a larger score m′ turns up. At the end O is
//! divided by ℓ, and the log-sum-exp m + ln ℓ is kept. Causal: tiles above the diagonal are skipped.
//!
//! The backward pass is in `flash_attention_grad.rs`. Both count the elements they move, if told to
//! ([`Form::counted`]); the formulas are those of [`traffic`](crate::attention::traffic).

use super::attention::Sizes;
use super::{
    ALONE, Dispatch, Family, FlashAttentionDelta, FlashAttentionGradKv, FlashAttentionGradQ, Form, Op, f,
    flag, groups, u,
};
use crate::attention::{Meter, Tiles, tiles::seen};
use crate::device::cpu::{Flash, Io, Real, Start};
use crate::graph::{Backward, Spec, Step};
use crate::{Error, Result};

/// What the CPU device takes where nothing else is asked for.
pub(super) const CPU_TILES: Tiles = Tiles::square(32);

/// reads qkv `[B, T, 3C]`; writes o `[B, T, C]`, lse `[B, H, T]`, and adds to a counter, if counted.
#[derive(Debug)]
pub struct FlashAttention {
    /// H.
    pub heads: usize,
    /// Rows of the tiles; None: what suits the device. A counted kernel must be told.
    pub tiles: Option<Tiles>,
    /// Causal or full, counted or not.
    pub form: Form,
}

impl FlashAttention {
    /// Causal, not counted, with tiles that suit the device: what models are made of. `scaled`: scores are
    /// divided by √D.
    pub fn new(heads: usize, scaled: bool) -> Self {
        Self { heads, tiles: None, form: Form::model(scaled) }
    }

    #[inline(always)]
    fn run<F: Real>(&self, io: &mut Io<'_, F>, meter: &mut dyn Meter) {
        let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
        let tiles = self.tiles.unwrap_or(CPU_TILES);
        let (qkv, o, lse) = (io.f(0), io.out(0), io.out(1));
        let (t, d, c, row, scale) = (s.t, s.d, s.c(), 3 * s.c(), F::of(s.scale()));
        let (mut q, mut k, mut v) = (Vec::new(), Vec::new(), Vec::new());
        let mut scores = vec![F::zero(); tiles.queries * tiles.keys];
        for (head, query, out) in s.heads() {
            for queries in tiles.query_blocks(t) {
                let rows = queries.len();
                bring(meter, (&qkv[query + queries.start * row..], row), (rows, d), &mut q);
                let mut m = vec![F::neg_infinity(); rows];
                let mut l = vec![F::zero(); rows];
                let mut sum = vec![F::zero(); rows * d];
                for keys in tiles.keys_for(&queries, t, self.form.causal) {
                    let columns = keys.len();
                    bring(meter, (&qkv[query + c + keys.start * row..], row), (columns, d), &mut k);
                    bring(meter, (&qkv[query + 2 * c + keys.start * row..], row), (columns, d), &mut v);
                    F::gemm(
                        [rows, columns, d],
                        (&q, [d, 1]),
                        (&k, [1, d]),
                        (&mut scores, columns),
                        Start::Zero,
                    );
                    for r in 0..rows {
                        let line = &mut scores[r * columns..][..columns];
                        let seen = seen(queries.start + r, &keys, self.form.causal);
                        if seen == 0 {
                            line.fill(F::zero());
                            continue;
                        }
                        // e^−∞ is 0: whole lines keep their loops free of ragged ends.
                        line[seen..].fill(F::neg_infinity());
                        let largest = m[r].max(F::largest(line) * scale);
                        let rescale = (m[r] - largest).expo();
                        m[r] = largest;
                        line.iter_mut().for_each(|x| *x = (*x * scale - largest).expo());
                        l[r] = l[r] * rescale + F::total(line);
                        sum[r * d..][..d].iter_mut().for_each(|o| *o *= rescale);
                    }
                    F::gemm(
                        [rows, d, columns],
                        (&scores, [columns, 1]),
                        (&v, [d, 1]),
                        (&mut sum, d),
                        Start::Held,
                    );
                }
                for r in 0..rows {
                    sum[r * d..][..d].iter_mut().for_each(|o| *o /= l[r]);
                    lse[head * t + queries.start + r] = m[r] + l[r].ln();
                }
                put(meter, &sum, d, &mut o[out + queries.start * c..], c);
                meter.wrote(rows);
            }
        }
    }
}

/// The CPU device's own kernels, where nothing is counted and no tiles are asked for.
pub(super) fn kernels<F: Real>(tiles: Option<Tiles>, form: Form) -> Option<Flash<F>> {
    if tiles.is_none() && !form.counted { F::flash() } else { None }
}

/// The launch of a tiled kernel: one workgroup for `held` rows, sequence and head, past which tiles of
/// `staged` rows go.
pub(super) fn launch(
    shader: &'static str,
    s: Sizes,
    (held, staged): (usize, usize),
    (form, counter): (Form, usize),
) -> Dispatch {
    let tiles = vec![u("ROWS", held), u("TILE", staged)];
    let constants = [s.constants(), tiles, form.constants(counter)].concat();
    let workgroups = [s.t.div_ceil(held) as u32, s.h as u32, s.b as u32];
    Dispatch { shader, constants, workgroups }
}

/// The launch of a kernel with a thread for several rows, which are at most `most` and about `numbers` numbers
/// together: more of them share what is loaded, until they no longer stay near. None: the kernel is asked to count
/// or to cut tiles, or heads are no whole vectors.
pub(super) fn launch_threads(
    shader: &'static str,
    s: Sizes,
    (most, numbers): (usize, usize),
    (form, tiles): (Form, Option<Tiles>),
) -> Option<Dispatch> {
    if form.counted || tiles.is_some() || !s.d.is_multiple_of(4) {
        return None;
    }
    let held = (numbers / s.d).min(s.t.div_ceil(8)).clamp(1, most);
    let mut constants = vec![
        u("B", s.b),
        u("T", s.t),
        u("H", s.h),
        u("D4", s.d / 4),
        u("HELD", held),
        u("THREADS", ALONE),
        f("SCALE", s.scale()),
        flag("CAUSAL", form.causal),
    ];
    let often = s.t.div_ceil(held) >= 6;
    let rows = s.b * s.t;
    constants.extend(Family::texels(rows * s.t * s.c(), &[3 * rows * s.c()]).filter(|_| often));
    let workgroups = groups(s.b * s.h * s.t.div_ceil(held), ALONE);
    Some(Dispatch { shader, constants, workgroups })
}

/// Errors: a counted kernel without tiles, or tiles that do not fit.
pub(super) fn check_tiles(
    op: &str,
    tiles: Option<Tiles>,
    form: Form,
    fits: impl Fn(Tiles) -> Result<()>,
) -> Result<()> {
    match tiles {
        Some(tiles) => fits(tiles),
        None if form.counted => Err(Error::Graph(format!("{op} counts, so it must be told its tiles"))),
        None => Ok(()),
    }
}

/// Brings `n` rows of `d` that lie `stride` apart into a tile.
#[inline(always)]
pub(super) fn bring<F: Real>(
    meter: &mut dyn Meter,
    (from, stride): (&[F], usize),
    (n, d): (usize, usize),
    tile: &mut Vec<F>,
) {
    tile.clear();
    for row in from.chunks(stride).take(n) {
        tile.extend_from_slice(&row[..d]);
    }
    meter.read(n * d);
}

/// Puts the rows of a tile back, `stride` apart.
#[inline(always)]
pub(super) fn put<F: Real>(meter: &mut dyn Meter, tile: &[F], d: usize, to: &mut [F], stride: usize) {
    for (row, to) in tile.chunks_exact(d).zip(to.chunks_mut(stride)) {
        to[..d].copy_from_slice(row);
    }
    meter.wrote(tile.len());
}

impl Op for FlashAttention {
    fn name(&self) -> &'static str {
        "flash_attention"
    }

    fn outputs(&self) -> &'static [&'static str] {
        if self.form.counted { &["", "lse", "traffic"] } else { &["", "lse"] }
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let s = Sizes::check(self.name(), reads, self.heads)?;
        check_tiles(self.name(), self.tiles, self.form, |tiles| tiles.check_forward(s.d))?;
        Ok(self.form.with_counter(vec![Spec::float([s.b, s.t, s.c()]), Spec::float([s.b, s.h, s.t])]))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        if let Some(kernels) = kernels::<F>(self.tiles, self.form) {
            let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
            let (qkv, o, lse) = (io.f(0), io.out(0), io.out(1));
            return (kernels.forward)(s.of_heads(self.form.causal, qkv), o, lse);
        }
        self.form.metered(io, 2, |io, meter| self.run(io, meter));
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(d) = back.only(step) else { return Ok(()) };
        let (qkv, o, lse) = (step.reads[0], step.writes[0], step.writes[1]);
        let (heads, tiles, form) = (self.heads, self.tiles, self.form.uncounted());
        let delta = back.push(lse, FlashAttentionDelta { heads, form }, &[o, d])?;
        let dqkv = back.partial(qkv);
        let reads = [qkv, d, lse, delta];
        back.push_into(FlashAttentionGradKv { heads, tiles, form }, &reads, &[dqkv])?;
        back.push_into(FlashAttentionGradQ { heads, tiles, form }, &reads, &[dqkv])?;
        back.set(qkv, dqkv)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        let tiles = self.tiles.unwrap_or_else(|| Tiles::of_forward(s.d));
        launch("flash_attention", s, (tiles.queries, tiles.keys), (self.form, 3))
    }

    fn dispatch_threads(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        launch_threads("flash_attention_threads", s, (8, 256), (self.form, self.tiles))
            .unwrap_or_else(|| self.dispatch(reads, writes))
    }
}
