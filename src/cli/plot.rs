//! `warmstart plot`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use warmstart_report::plot::{ChartKind, Drawn, Plot, Smoothing, XAxis, png};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::names;
use warmstart_runs::store::Run;

use super::output::Overwrite;
use super::{Context, Exit, output, shown};

/// Draw charts of runs into an SVG or PNG file
///
/// Of one run, training and validation are drawn; of several, only the leading line, each run in its own colour.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Arguments {
    /// Ids or experiments of runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Write into this file, *.svg or *.png; without it the SVG goes to standard output. An existing file is refused unless
    /// --overwrite is given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output file if it is there
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Which charts to draw
    #[arg(
        long,
        // Its former name, which `compare` uses for another choice.
        alias = "figures",
        value_name = "CHARTS",
        value_delimiter = ',',
        default_value = "accuracy,loss"
    )]
    charts: Vec<ChartArgument>,
    /// What the x axis counts
    #[arg(long, value_name = "AXIS", default_value = "epoch")]
    along: AxisArgument,
    /// Values within epochs: none, all, or smoothed
    #[arg(long, value_name = "HOW", default_value = "epochs")]
    detail: SmoothingArgument,
    /// Start every run at 0. Without it, a run that continues another of these runs starts where that one ended
    #[arg(long)]
    apart: bool,
    /// Logarithmic y axis
    #[arg(long)]
    log_y: bool,
    /// Logarithmic x axis
    #[arg(long)]
    log_x: bool,
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Svg,
    Png,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChartArgument {
    /// Accuracy, from 0 to 1
    Accuracy,
    /// Loss
    Loss,
    /// Learning rate
    LearningRate,
    /// Images per second
    Throughput,
    /// L2 norm of all gradients
    GradientNorm,
    /// Use of GPU and CPU, and waiting for data, in percent
    Usage,
    /// Memory of GPU and worker, in bytes
    Memory,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AxisArgument {
    /// Epochs, or the strengths of a probe
    Epoch,
    /// Optimizer steps
    Step,
    /// Time since the first event of the run, in seconds
    Time,
    /// Time of training without loading, validation or waiting, in seconds
    TrainingTime,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SmoothingArgument {
    /// A figure for each epoch
    Epochs,
    /// Every figure there is
    Points,
    /// Smoothed with a weight of 0.6
    Light,
    /// Smoothed with a weight of 0.9
    Medium,
    /// Smoothed with a weight of 0.97
    Strong,
}

pub(super) fn plot(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let output = arguments
        .output
        .as_deref()
        .map(|path| Ok::<_, anyhow::Error>((path, format(path)?)))
        .transpose()?;
    let (_, runs) = context.runs();
    let mut chosen: Vec<&Run> = Vec::new();
    for name in &arguments.runs {
        let run = names::run(&runs, name)?;
        if !chosen.iter().any(|other| other.id == run.id) {
            chosen.push(run);
        }
    }
    if let Some(run) = chosen.iter().find(|run| run.state.epochs.is_empty()) {
        let what = format!("{} ({}) has logged no epoch to draw", run.label(), run.id);
        let help = "let it train for an epoch";
        return Err(Failure::new(Kind::Input, what).help(help).into());
    }
    let drawn = Drawn::continued(&chosen, arguments.along.into(), arguments.apart);
    let plot = Plot {
        quantities: arguments.charts.iter().copied().map(Into::into).collect(),
        along: arguments.along.into(),
        detail: arguments.detail.into(),
        log_x: arguments.log_x,
        log_y: arguments.log_y,
        window: None,
    };
    for (chart, run) in plot.lacking(&drawn) {
        let (label, id, chart) = (run.label(), &run.id, chart.name());
        let text = format!("{label} ({id}) has no figures for the chart of {chart}");
        output::warn(context, &text);
    }
    let svg = plot.svg(&drawn);
    match output {
        None => output::answer(&svg)?,
        Some((path, format)) => {
            let content = match format {
                Format::Svg => svg.into_bytes(),
                Format::Png => png(&svg)?,
            };
            output::write_file(path, &content, Overwrite::of_flag(arguments.overwrite))?;
            output::note(context, &format!("charts written to {}", shown(path)));
        }
    }
    Ok(Exit::Done)
}

/// The format by the ending of the file's name.
fn format(path: &Path) -> anyhow::Result<Format> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => {
            let what = format!(
                "{} is the name of neither an SVG nor a PNG file",
                shown(path)
            );
            Err(Failure::new(Kind::Input, what)
                .help("name it *.svg or *.png")
                .into())
        }
    }
}

impl From<ChartArgument> for ChartKind {
    fn from(chart: ChartArgument) -> Self {
        match chart {
            ChartArgument::Accuracy => Self::Accuracy,
            ChartArgument::Loss => Self::Loss,
            ChartArgument::LearningRate => Self::LearningRate,
            ChartArgument::Throughput => Self::Throughput,
            ChartArgument::GradientNorm => Self::GradientNorm,
            ChartArgument::Usage => Self::Usage,
            ChartArgument::Memory => Self::Memory,
        }
    }
}

impl From<AxisArgument> for XAxis {
    fn from(axis: AxisArgument) -> Self {
        match axis {
            AxisArgument::Epoch => Self::Epoch,
            AxisArgument::Step => Self::Step,
            AxisArgument::Time => Self::Time,
            AxisArgument::TrainingTime => Self::Training,
        }
    }
}

impl From<SmoothingArgument> for Smoothing {
    fn from(detail: SmoothingArgument) -> Self {
        match detail {
            SmoothingArgument::Epochs => Self::Epochs,
            SmoothingArgument::Points => Self::Points,
            SmoothingArgument::Light => Self::Light,
            SmoothingArgument::Medium => Self::Medium,
            SmoothingArgument::Strong => Self::Strong,
        }
    }
}
