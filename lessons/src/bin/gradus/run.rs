//! `gradus run`: a lesson's recipe without a browser, and its checks.

use super::{Device, Outcome, open, output};
use clap::ValueEnum;
use gradus_core::model::{ModelFolder, Precision};
use gradus_lessons::recipe::record::{Record, cut, thin};
use gradus_lessons::recipe::{Course, GoOn, Host, Lesson, Models, Moment, Role, Size, base, runner};
use std::fs::File;
use std::io::{IsTerminal, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which lesson: base (only its model), one of the eight, or all.
    #[arg(value_parser = slugs())]
    lesson: String,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// How much to run.
    #[arg(long, value_enum, default_value = "default")]
    size: SizeArg,
    /// Print one JSON object a lesson on standard output, instead of a table.
    #[arg(long)]
    json: bool,
    /// Models made before, to begin from: a folder of model folders (base, sft, rl-start, …).
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Where the models made go, one folder each.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the models made go as small zips of their folders, weights in bf16: what comes with the page.
    #[arg(long, value_name = "DIR")]
    zips: Option<PathBuf>,
    /// Everything that happened, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The run as the page shows it (checks, figures, thinned curves), for one lesson.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Settings to change, as JSON: '{"lr": 0.01}'.
    #[arg(long, value_name = "JSON", default_value = "null")]
    settings: String,
    /// Where to compute.
    #[arg(long)]
    device: Option<Device>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SizeArg {
    Smoke,
    Default,
    Full,
}

fn slugs() -> clap::builder::PossibleValuesParser {
    let lessons = Lesson::ALL.map(Lesson::slug);
    ["base"].into_iter().chain(lessons).chain(["all"]).collect::<Vec<_>>().into()
}

/// Runs the recipes. The exit status is 1 if a check fails.
pub(crate) fn run(args: Args) -> Outcome {
    let size = match args.size {
        SizeArg::Smoke => Size::Smoke,
        SizeArg::Default => Size::Default,
        SizeArg::Full => Size::Full,
    };
    let mut models = args.from.as_deref().map_or_else(|| Ok(Models::default()), read_models)?;
    let patch = serde_json::from_str(&args.settings).map_err(|e| format!("--settings is no JSON: {e}"))?;
    let lessons: Vec<Option<Lesson>> = match args.lesson.as_str() {
        "base" => vec![None],
        "all" => Lesson::ALL.map(Some).to_vec(),
        slug => vec![Lesson::ALL.into_iter().find(|l| l.slug() == slug)],
    };
    if args.record.is_some() && !matches!(lessons[..], [Some(_)]) {
        return Err(format!(
            "--record keeps the run of one lesson, and `{}` is not one: run the lessons one by one, each with a file \
             of its own",
            args.lesson
        )
        .into());
    }
    args.out.as_deref().map_or(Ok(()), output::make_folder)?;
    args.zips.as_deref().map_or(Ok(()), output::make_folder)?;
    args.record.as_deref().map_or(Ok(()), output::check_file)?;
    let mut terminal = Terminal::new(args.log.as_deref(), args.record.is_some())?;
    let mut failed = Vec::new();
    for lesson in lessons {
        let slug = lesson.map_or("base", Lesson::slug);
        let shape = base::Settings::of(size);
        let device = open(args.device, &shape.model, shape.train.batch)?;
        let name = device.name();
        let start = Instant::now();
        (terminal.begun, terminal.timeline) = (start, Vec::new());
        eprintln!("{slug}:");
        let mut course = Course::new(device, args.seed, size, models, &mut terminal);
        let outcomes = pollster::block_on(runner::run(lesson, &mut course, &patch))?;
        models = course.models;
        terminal.clear();
        let seconds = start.elapsed().as_secs_f64();
        failed.extend(outcomes.checks.iter().filter(|c| !c.passes()).map(|c| format!("{slug}/{}", c.name)));
        if args.json {
            let report = serde_json::json!({
                "lesson": slug, "seed": args.seed, "size": size, "device": name, "seconds": seconds,
                "checks": outcomes.checks, "figures": outcomes.figures,
            });
            println!("{report}");
        } else {
            println!("{slug} (seed {}, {name}, {seconds:.1} s)", args.seed);
            for check in &outcomes.checks {
                println!("  {check}");
            }
        }
        write_models(&models, &args)?;
        // After the models: where a record was written anew, all was.
        if let (Some(file), Some(lesson)) = (&args.record, lesson) {
            let record = Record {
                lesson,
                seed: args.seed,
                size,
                patch: patch.clone(),
                device: name,
                seconds,
                timeline: std::mem::take(&mut terminal.timeline),
                moments: thin(terminal.take()),
                checks: outcomes.checks,
                figures: cut(outcomes.figures),
            };
            let mut out = output::create(file)?;
            serde_json::to_writer(&mut out, &record)?;
            out.flush().map_err(|e| output::unwritable(file, &e))?;
        }
    }
    terminal.finish()?;
    if failed.is_empty() { Ok(()) } else { Err(format!("checks that failed: {}", failed.join(", ")).into()) }
}

/// Writes the models that there are, as folders and as zips, where either is wanted.
fn write_models(models: &Models, args: &Args) -> Outcome {
    for (role, model) in models.iter() {
        if let Some(out) = &args.out {
            model.write_dir(out.join(role.slug()))?;
        }
        if let Some(zips) = &args.zips {
            let path = zips.join(role.slug()).with_extension("zip");
            let zip = model.to_small_zip(Precision::Bf16)?;
            std::fs::write(&path, zip).map_err(|e| output::unwritable(&path, &e))?;
        }
    }
    Ok(())
}

/// The models of a folder that holds model folders, or their zips, by the names of their roles.
pub(crate) fn read_models(dir: &Path) -> Result<Models, Box<dyn std::error::Error>> {
    let mut models = Models::default();
    for role in Role::ALL {
        let folder = dir.join(role.slug());
        let zip = folder.with_extension("zip");
        if folder.is_dir() {
            models.set(role, ModelFolder::read_dir(&folder)?);
        } else if zip.is_file() {
            models.set(role, ModelFolder::from_zip(&std::fs::read(zip)?)?);
        }
    }
    if models.iter().next().is_none() {
        return Err(
            format!("{} holds no model folder and no zip of one (base, sft, …)", dir.display()).into()
        );
    }
    Ok(models)
}

/// Shows what happens on standard error, and keeps it in a log.
struct Terminal {
    log: Option<LineWriter<File>>,
    /// All moments of the lesson, where they are wanted.
    kept: Option<Vec<Moment>>,
    /// When the lesson began, and how many seconds later each of its parts did.
    begun: Instant,
    timeline: Vec<f64>,
    stage: String,
    last: String,
    shown: Instant,
}

impl Terminal {
    fn new(log: Option<&Path>, keep: bool) -> Result<Self, String> {
        let log = log.map(output::create).transpose()?;
        let kept = keep.then(Vec::new);
        let (begun, timeline) = (Instant::now(), Vec::new());
        Ok(Self { log, kept, begun, timeline, stage: String::new(), last: String::new(), shown: begun })
    }

    /// The moments kept since the last call.
    fn take(&mut self) -> Vec<Moment> {
        self.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn line(&mut self, progress: Option<(u64, u64)>) {
        if !std::io::stderr().is_terminal() || self.shown.elapsed() < Duration::from_millis(100) {
            return;
        }
        self.shown = Instant::now();
        let share = progress.map_or(String::new(), |(done, of)| format!(" {}%", 100 * done / of.max(1)));
        eprint!("\r\x1b[K  {}{share} {}", self.stage, self.last);
    }

    fn clear(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }

    fn finish(self) -> Outcome {
        if let Some(mut log) = self.log {
            log.flush()?;
        }
        Ok(())
    }

    fn told(&mut self, moment: &Moment) -> Outcome {
        if let Some(log) = &mut self.log {
            serde_json::to_writer(&mut *log, moment)?;
            log.write_all(b"\n")?;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(moment.clone());
        }
        match moment {
            Moment::Stage { name } => {
                self.clear();
                eprintln!("  {name}");
                self.timeline.push(self.begun.elapsed().as_secs_f64());
                self.stage.clone_from(name);
                self.last.clear();
            }
            Moment::Progress { done, of } => self.line(Some((*done, *of))),
            Moment::Metrics { run, step, values } => {
                if let Some((name, value)) = values.first() {
                    self.last = format!("{run} {step}: {name} {value:.4}");
                }
            }
            Moment::Text { .. } | Moment::Rollouts { .. } | Moment::Data { .. } => {}
        }
        Ok(())
    }
}

impl Host for Terminal {
    fn moment(&mut self, moment: Moment) -> GoOn<'_> {
        let told = self.told(&moment).map_err(|e| gradus_core::Error::Config(format!("the log: {e}")));
        Box::pin(std::future::ready(told))
    }
}
