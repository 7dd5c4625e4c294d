//! `y = x · W + b`, with GELU or a residual added on the way out. GPT-2 stores W as `[K, N]` (Conv1D);
//! the tied head multiplies by the transpose of the embedding, `[N, K]`.

use super::{ALONE, Constant, Dispatch, Family, Mul, Op, expect, flag, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real, Start};
use crate::graph::{Backward, Spec, Step, Value};

/// reads x `[.., K]`, w `[K, N]` (or `[N, K]` if `transposed`), then b `[N]` if `bias`, then a residual
/// `[.., N]` if `residual`; writes y `[.., N]`, and if `gelu` also the GELU's slope there, by
/// which a gradient is multiplied on its way back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linear {
    /// w is `[N, K]`.
    pub transposed: bool,
    /// There is a bias.
    pub bias: bool,
    /// GELU (tanh form, Hendrycks & Gimpel 2016) on the way out.
    pub gelu: bool,
    /// Another value is added on the way out.
    pub residual: bool,
}

impl Linear {
    fn sizes(&self, w: &Spec) -> (usize, usize) {
        let (rows, last) = (w.rows(), w.last());
        if self.transposed { (last, rows) } else { (rows, last) }
    }

    fn strides(&self, k: usize, n: usize) -> [usize; 2] {
        if self.transposed { [1, k] } else { [n, 1] }
    }
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn outputs(&self) -> &'static [&'static str] {
        if self.gelu { &["", "slope"] } else { &[""] }
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 + usize::from(self.bias) + usize::from(self.residual), self.name(), reads)?;
        let (k, n) = self.sizes(&reads[1]);
        // GELU and residual are ways out of a layer with a bias, one at a time: there are no other kernels.
        let epilogue = self.bias || !(self.gelu || self.residual);
        let ok = epilogue
            && !(self.gelu && self.residual)
            && reads[0].last() == k
            && k % 4 == 0
            && n % 4 == 0
            && (!self.bias || reads[2].len() == n)
            && (!self.residual || reads[reads.len() - 1].len() == reads[0].rows() * n);
        expect(ok, self.name(), reads)?;
        let mut shape = reads[0].shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = n;
        }
        Ok(vec![Spec::float(shape); if self.gelu { 2 } else { 1 }])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (m, (k, n)) = (io.read_spec(0).rows(), self.sizes(io.read_spec(1)));
        let (x, w, y) = (io.f(0), io.f(1), io.out(0));
        let start = match (self.bias, self.residual) {
            (false, _) => Start::Zero,
            (true, false) => Start::Row(io.f(2)),
            (true, true) => Start::RowAnd(io.f(2), io.f(3)),
        };
        if self.gelu {
            F::gemm([m, n, k], (x, [k, 1]), (w, self.strides(k, n)), (&mut *y, n), start);
            F::gelu(y, io.out(1));
        } else {
            F::gemm([m, n, k], (x, [k, 1]), (w, self.strides(k, n)), (y, n), start);
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        // The gradient of the sums: of y, times the slope, unless the step after this one has multiplied already.
        let d = match (back.only(step), self.slope().map(|output| step.writes[output])) {
            (Some(dy), Some(slope)) => back.push(slope, Mul, &[dy, slope])?,
            (Some(dy), None) => dy,
            (None, Some(slope)) if let Some(d) = back.grad(slope) => d,
            (None, _) => return Ok(()),
        };
        let (x, w) = (step.reads[0], step.reads[1]);
        if self.residual {
            back.set(step.reads[step.reads.len() - 1], d)?;
        }
        if let Some(dw) = back.parameter(w) {
            // A bias may be frozen (a mask on the logits) where the matrix learns.
            let bias = if self.bias { back.parameter(step.reads[2]) } else { None };
            let op = LinearGradWeight { transposed: self.transposed, bias: bias.is_some() };
            let writes: Vec<Value> = [Some(dw), bias].into_iter().flatten().collect();
            back.push_into(op, &[x, d], &writes)?;
        }
        let op = LinearGradInput { transposed: self.transposed, scaled: false };
        if let Some(slope) = back.slope(x) {
            let d = back.push(slope, LinearGradInput { scaled: true, ..op }, &[d, w, slope])?;
            return back.set(slope, d);
        }
        let dx = back.push(x, op, &[d, w])?;
        back.set(x, dx)
    }

    fn slope(&self) -> Option<usize> {
        self.gelu.then_some(1)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        self.launch(Family::Workgroups, reads)
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        self.launch(Family::Threads, reads)
    }
}

impl Linear {
    fn launch(&self, family: Family, reads: &[Spec]) -> Dispatch {
        let (m, (k, n)) = (reads[0].rows(), self.sizes(&reads[1]));
        let shader = match (self.bias, self.gelu, self.residual) {
            (true, true, _) => "linear_gelu",
            (true, _, true) => "linear_residual",
            (true, ..) => "linear",
            _ => "linear_plain",
        };
        product(family, shader, [m, k, n], self.transposed)
    }
}

/// The launch of a product: a tile of each thread that works alone; or 32 × 32 elements a workgroup, which brings
/// tiles 16 deep.
fn product(family: Family, shader: &'static str, [m, k, n]: [usize; 3], transposed: bool) -> Dispatch {
    let mut constants = vec![u("M", m), u("K", k), u("N", n), flag("TRANSPOSED", transposed)];
    let workgroups = match family {
        Family::Threads => {
            let (tile, texels) = Tile::of(m, n, k);
            let tiles = tile.number(m, n);
            constants.extend([u("TALL", tile.0), u("WIDE", tile.0 / 4), u("WIDTH", few(tiles))]);
            constants.push(fours(texels.is_some() && k.is_multiple_of(8)));
            constants.extend(texels);
            groups(tiles, few(tiles))
        }
        Family::Workgroups => {
            constants.extend(depth(family, 16));
            groups(m.div_ceil(32) * n.div_ceil(32), 1)
        }
    };
    Dispatch { shader, constants, workgroups }
}

/// The constant that says how many fours of what is summed over a turn takes: sums are carried from turn to turn at a price. But
/// where factors are buffers two fours are too long a text.
fn fours(two: bool) -> (&'static str, Constant) {
    u("FOURS", if two { 2 } else { 1 })
}

/// Threads of a workgroup, of threads that work alone: few where there are few at all, so that all cores have some.
fn few(threads: usize) -> usize {
    if threads < 512 { 4 } else { ALONE }
}

/// The part of a matrix that a thread works on alone: a square of so many rows and columns, a multiple of 4.
#[derive(Clone, Copy, Debug)]
struct Tile(usize);

impl Tile {
    /// The part of each thread, and the constant that chooses kernels whose factors are textures, of a product that multiplies
    /// and adds `depth` times for each element. As large as pays (shaders/README.md); smaller where factors are not textures,
    /// or where there would be too few for all of a processor's cores.
    fn of(rows: usize, columns: usize, depth: usize) -> (Self, Option<(&'static str, Constant)>) {
        let [large, small, least] = [16, 8, 4].map(Self);
        let enough = |t: Self| {
            let number = t.number(rows, columns);
            number >= 32 && 2 * number * t.0 * t.0 <= 3 * rows * columns
        };
        let texels = Family::texels(rows * columns * depth, &[rows * depth, depth * columns]);
        // A factor that is read once or twice is better left where it is.
        let often = |t: Self| rows.min(columns).div_ceil(t.0) >= 3;
        let textured = |t: Self| texels.filter(|_| enough(t) && often(t));
        match (textured(large), enough(small)) {
            (Some(texels), _) => (large, Some(texels)),
            (None, true) => (small, textured(small)),
            (None, false) => (least, None),
        }
    }

    /// How many there are.
    fn number(self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.0) * columns.div_ceil(self.0)
    }
}

/// The constant that chooses the kernels with workgroup memory: how many rows pass through it at a time.
fn depth(family: Family, rows: usize) -> Option<(&'static str, Constant)> {
    (family == Family::Workgroups).then(|| u(Family::DEPTH, rows))
}

/// reads dy `[.., N]`, w, and if `scaled` a slope `[.., K]`; writes dx `[.., K]`, times the slope.
#[derive(Clone, Copy, Debug)]
pub struct LinearGradInput {
    /// w is `[N, K]`.
    pub transposed: bool,
    /// The product is multiplied by a slope on the way out: that of the GELU before the layer.
    pub scaled: bool,
}

impl LinearGradInput {
    fn forward(&self) -> Linear {
        Linear { transposed: self.transposed, ..Linear::default() }
    }
}

impl Op for LinearGradInput {
    fn name(&self) -> &'static str {
        "linear_grad_input"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 + usize::from(self.scaled), self.name(), reads)?;
        let (k, n) = self.forward().sizes(&reads[1]);
        let fits = !self.scaled || reads[2].len() == reads[0].rows() * k;
        expect(reads[0].last() == n && fits, self.name(), reads)?;
        let mut shape = reads[0].shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = k;
        }
        Ok(vec![Spec::float(shape)])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (m, (k, n)) = (io.read_spec(0).rows(), self.forward().sizes(io.read_spec(1)));
        let [a, b] = self.forward().strides(k, n);
        let (dy, w, dx) = (io.f(0), io.f(1), io.out(0));
        F::gemm([m, k, n], (dy, [n, 1]), (w, [b, a]), (&mut *dx, k), Start::Zero);
        if self.scaled {
            for (dx, &slope) in dx.iter_mut().zip(io.f(2)) {
                *dx *= slope;
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        self.launch(Family::Workgroups, reads)
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        self.launch(Family::Threads, reads)
    }
}

impl LinearGradInput {
    // dx = dy · Wᵀ is a plain product with the other orientation.
    fn launch(&self, family: Family, reads: &[Spec]) -> Dispatch {
        let (m, (k, n)) = (reads[0].rows(), self.forward().sizes(&reads[1]));
        let shader = if self.scaled { "linear_scaled" } else { "linear_plain" };
        product(family, shader, [m, n, k], !self.transposed)
    }
}

/// reads x `[.., K]`, dy `[.., N]`; adds to dw (shaped as w), and db `[N]` if `bias`.
#[derive(Debug)]
pub struct LinearGradWeight {
    /// w is `[N, K]`.
    pub transposed: bool,
    /// There is a bias.
    pub bias: bool,
}

impl Op for LinearGradWeight {
    fn name(&self) -> &'static str {
        "linear_grad_weight"
    }

    fn outputs(&self) -> &'static [&'static str] {
        if self.bias { &["", "bias"] } else { &[""] }
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0].rows() == reads[1].rows(), self.name(), reads)?;
        let (k, n) = (reads[0].last(), reads[1].last());
        let mut specs = vec![Spec::float(if self.transposed { [n, k] } else { [k, n] })];
        if self.bias {
            specs.push(Spec::float([n]));
        }
        Ok(specs)
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (m, k, n) = (io.read_spec(0).rows(), io.read_spec(0).last(), io.read_spec(1).last());
        let (x, dy, dw) = (io.f(0), io.f(1), io.out(0));
        if self.transposed {
            F::gemm([n, k, m], (dy, [1, n]), (x, [k, 1]), (dw, k), Start::Held);
        } else {
            F::gemm([k, n, m], (x, [1, k]), (dy, [n, 1]), (dw, n), Start::Held);
        }
        if self.bias {
            let db = io.out(1);
            for row in dy.chunks_exact(n) {
                for (d, &g) in db.iter_mut().zip(row) {
                    *d += g;
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        self.launch(Family::Workgroups, reads)
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        self.launch(Family::Threads, reads)
    }
}

impl LinearGradWeight {
    fn launch(&self, family: Family, reads: &[Spec]) -> Dispatch {
        let (m, k, n) = (reads[0].rows(), reads[0].last(), reads[1].last());
        let (rows, columns) = if self.transposed { (n, k) } else { (k, n) };
        let mut constants =
            vec![u("M", m), u("ROWS", rows), u("COLUMNS", columns), flag("TRANSPOSED", self.transposed)];
        let (tiles, width) = match family {
            Family::Threads => {
                let (tile, texels) = Tile::of(rows, columns, m);
                let tiles = tile.number(rows, columns);
                constants.extend([u("TALL", tile.0 / 4), u("WIDE", tile.0 / 4), fours(texels.is_some())]);
                constants.extend(texels);
                (tiles, few(tiles))
            }
            // 8 × 8 elements, summed by four threads.
            Family::Workgroups => (rows.div_ceil(8) * columns.div_ceil(8), 16),
        };
        constants.push(u("WIDTH", width));
        constants.extend(depth(family, 4));
        let shader = if self.bias { "linear_grad_weight" } else { "linear_grad_weight_plain" };
        Dispatch { shader, constants, workgroups: groups(tiles, width) }
    }
}
