//! Lesson 3: the same mathematics, less traffic. Needs no trained model: Q, K and V are random.
//!
//! Both algorithms run forward and backward on the course's device, with counters in their kernels: results
//! against f64, counts against formulas. Then where tiles lose, how memory grows, how long both take.

mod bench;
mod checks;

pub use bench::{Kernel, Shape};

use super::{Course, Report, Size};
use gradus_core::attention::memory::{Algorithm, Memory, planned};
use gradus_core::attention::{Problem, Tiles, Traffic};
use gradus_core::device::Device;
use gradus_core::device::timer::Timing;
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Shapes that both algorithms run with counters.
    pub counted: Vec<Shape>,
    /// N at which the head size is raised until tiles lose.
    pub crossing: usize,
    /// Head sizes tried there.
    pub heads: Vec<usize>,
    /// Workgroup memory there, in f32 elements.
    pub memory: usize,
    /// Ns whose planned memory is shown.
    pub planned: Vec<usize>,
    /// Ns that are timed.
    pub timed: Vec<usize>,
    /// Head size of the last two, and of the curve over the size of the memory.
    pub d: usize,
    /// Runs of each time.
    pub repetitions: usize,
    /// An algorithm that took longer than this, in seconds, is not timed at a larger N.
    pub patience: f64,
}

impl Settings {
    /// Smoke: N to 256. Default: counts to 1024, times to 2048. Full: times to 4096.
    pub fn of(size: Size) -> Self {
        let shape = |n, d, (queries, keys), causal| Shape {
            problem: Problem { n, d, causal },
            tiles: Tiles { queries, keys },
        };
        let mut counted = vec![
            shape(256, 32, (32, 32), true),
            shape(100, 20, (17, 9), true),
            shape(100, 20, (9, 31), false),
        ];
        if size != Size::Smoke {
            counted.extend([shape(1024, 64, (16, 16), true), shape(777, 16, (24, 64), false)]);
        }
        let (crossing, timed, repetitions) = match size {
            Size::Smoke => (256, vec![64, 128, 256], 3),
            Size::Default => (1024, vec![64, 128, 256, 512, 1024, 2048], 5),
            Size::Full => (1024, vec![64, 128, 256, 512, 1024, 2048, 4096], 9),
        };
        Self {
            counted,
            crossing,
            heads: vec![16, 32, 64],
            memory: 4096,
            planned: vec![512, 1024, 2048, 4096, 8192],
            timed,
            d: 32,
            repetitions,
            patience: 0.3,
        }
    }
}

/// One counter beside its formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Whose.
    pub kernel: Kernel,
    /// At which shape.
    pub shape: Shape,
    /// What the kernel counted.
    pub counted: Traffic,
    /// What the formula says.
    pub formula: Traffic,
}

/// How far results are from f64, as a share of the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// At which shape.
    pub shape: Shape,
    /// O, tiled and naive.
    pub output: [f64; 2],
    /// dQ, dK, dV, tiled and naive.
    pub gradients: [f64; 2],
}

/// Forward traffic at one head size, full attention, with algorithm 1's tiles. Elements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// N, d and the tiles.
    pub shape: Shape,
    /// Naive, each kernel reading each input once: 4N² + 4Nd.
    pub ideal_naive: u64,
    /// FlashAttention's algorithm 1, by its formula.
    pub algorithm_1: u64,
    /// Our tiled kernel (FlashAttention-2's order), counted.
    pub counted: u64,
    /// Our naive kernel, counted: no cache.
    pub naive_counted: u64,
}

/// Forward traffic against the size of the memory, full attention. Elements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// M.
    pub memory: usize,
    /// N²d²/M.
    pub bound: f64,
    /// Algorithm 1.
    pub algorithm_1: u64,
    /// Naive, ideally cached.
    pub ideal_naive: u64,
}

/// Planned memory at one N. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// N.
    pub n: usize,
    /// With the matrix.
    pub naive: Memory,
    /// Without.
    pub flash: Memory,
}

/// Times at one N, forward and backward. None: not tried, for the N before it took too long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// N.
    pub n: usize,
    /// With the matrix.
    pub naive: Option<Timing>,
    /// Without.
    pub flash: Option<Timing>,
}

/// Data for the pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Every counter.
    pub counts: Vec<Count>,
    /// Every result.
    pub errors: Vec<Errors>,
    /// Where tiles begin to lose.
    pub crossing: Vec<Crossing>,
    /// The lower curve of traffic.
    pub curve: Vec<Curve>,
    /// How memory grows.
    pub planned: Vec<Planned>,
    /// How long both take; shown, never checked.
    pub times: Vec<Times>,
}

/// Runs the lesson.
///
/// # Errors
/// Settings that do not fit the device ([`Error::Config`], naming the remedy), those of the device, and
/// [`Error::Stopped`].
pub async fn run(course: &mut Course<'_>, settings: &Settings) -> Result<Report<Figures>> {
    let problems = settings.counted.iter().flat_map(|s| [s.problem.n, s.problem.d]);
    let lists = [&settings.heads, &settings.planned, &settings.timed].into_iter().flatten().copied();
    if problems.chain(lists).chain([settings.crossing, settings.d]).any(|size| size == 0) {
        return Err(Error::Config(
            "attention needs a row and a channel at least: give every N and d 1 or more".into(),
        ));
    }
    let mut device = course.take_device()?;
    let figures = figures(course, settings, &mut *device).await;
    course.put_back(device);
    let figures = figures?;
    Ok(Report { checks: checks::checks(settings, &figures), figures })
}

async fn figures(course: &mut Course<'_>, settings: &Settings, device: &mut dyn Device) -> Result<Figures> {
    let mut figures = Figures::default();
    course.stage("counting what both algorithms move").await?;
    for (i, &shape) in settings.counted.iter().enumerate() {
        course.progress(i as u64, settings.counted.len() as u64).await?;
        count(course.seed, device, shape, &mut figures).await?;
    }
    course.stage("raising the head size until tiles lose").await?;
    for (i, &d) in settings.heads.iter().enumerate() {
        course.progress(i as u64, settings.heads.len() as u64).await?;
        let problem = Problem { n: settings.crossing, d, causal: false };
        let shape = Shape { problem, tiles: Tiles::algorithm_1(settings.memory, d) };
        let at = figures.counts.len();
        count(course.seed, device, shape, &mut figures).await?;
        let counted = |kernel| {
            let of = figures.counts[at..].iter().find(|c| c.kernel == kernel);
            of.map_or(0, |c| c.counted.total())
        };
        let row = Crossing {
            shape,
            ideal_naive: problem.ideal_naive_forward().total(),
            algorithm_1: problem.algorithm_1(settings.memory).total(),
            counted: counted(Kernel::FlashForward),
            naive_counted: counted(Kernel::NaiveForward),
        };
        figures.crossing.push(row);
    }
    figures.curve = curve(Problem { n: 1024, d: settings.d, causal: false });
    for &n in &settings.planned {
        let [naive, flash] = [Algorithm::Naive, Algorithm::Flash].map(|a| planned(a, n, 1, settings.d));
        figures.planned.push(Planned { n, naive: naive?, flash: flash? });
    }
    course.stage("timing both").await?;
    let mut patient = [true, true];
    for (i, &n) in settings.timed.iter().enumerate() {
        let mut times = [None, None];
        for (j, algorithm) in [Algorithm::Naive, Algorithm::Flash].into_iter().enumerate() {
            course.progress((2 * i + j) as u64, 2 * settings.timed.len() as u64).await?;
            if patient[j] {
                let runs = (course.seed, settings.repetitions);
                let timing = bench::timed(device, algorithm, (n, settings.d), runs).await?;
                patient[j] = timing.seconds <= settings.patience;
                times[j] = Some(timing);
            }
        }
        let [naive, flash] = times;
        let ms = |t: Option<Timing>| t.map_or(f64::NAN, |t| 1e3 * t.seconds);
        let values: Vec<_> = [("naive_ms", ms(naive)), ("flash_ms", ms(flash))]
            .into_iter()
            .filter(|v| v.1.is_finite())
            .collect();
        course.metrics("time", n as u64, &values).await?;
        figures.times.push(Times { n, naive, flash });
    }
    Ok(figures)
}

/// Runs one shape with counters, and holds its results against f64.
async fn count(seed: u32, device: &mut dyn Device, shape: Shape, figures: &mut Figures) -> Result<()> {
    let (got, counters) = bench::counted(device, shape, seed).await?;
    let want = bench::exact(shape, seed)?;
    let rows = Kernel::ALL.into_iter().zip(counters);
    figures.counts.extend(rows.map(|(kernel, counted)| Count {
        kernel,
        shape,
        counted,
        formula: kernel.formula(shape),
    }));
    figures.errors.push(Errors {
        shape,
        // f64's naive result is the reference: no tile has touched it.
        output: [0, 1].map(|i| bench::distance(&got.o[i], &want.o[1])),
        gradients: [0, 1].map(|i| bench::distance(&got.grads[i], &want.grads[1])),
    });
    Ok(())
}

/// M from d to Nd, doubled each time.
fn curve(problem: Problem) -> Vec<Curve> {
    let sizes = std::iter::successors(Some(problem.d), |m| Some(2 * m));
    let point = |memory| Curve {
        memory,
        bound: problem.bound(memory),
        algorithm_1: problem.algorithm_1(memory).total(),
        ideal_naive: problem.ideal_naive_forward().total(),
    };
    sizes.take_while(|&m| m <= problem.n * problem.d).map(point).collect()
}
