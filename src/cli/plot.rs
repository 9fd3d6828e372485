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
    /// Write into this file, *.svg or *.png, which must not be there yet; without it the SVG goes to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output file if it is there
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// What to draw
    #[arg(
        long,
        value_name = "FIGURES",
        value_delimiter = ',',
        default_value = "accuracy,loss"
    )]
    figures: Vec<Figures>,
    /// What the axis counts
    #[arg(long, value_name = "AXIS", default_value = "epoch")]
    along: AxisArgument,
    /// How much of what happened within epochs
    #[arg(long, value_name = "HOW", default_value = "epochs")]
    detail: DetailArgument,
    /// Every run from the beginning, also one that continues another of them; else it is drawn behind that one
    #[arg(long)]
    apart: bool,
    /// Logarithmic height
    #[arg(long)]
    log_y: bool,
    /// Logarithmic axis
    #[arg(long)]
    log_x: bool,
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Svg,
    Png,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Figures {
    Accuracy,
    Loss,
    LearningRate,
    Throughput,
    GradientNorm,
    Usage,
    Memory,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AxisArgument {
    Epoch,
    Step,
    Time,
    TrainingTime,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DetailArgument {
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
    let chosen = arguments
        .runs
        .iter()
        .map(|name| names::run(&runs, name))
        .collect::<Result<Vec<&Run>, _>>()?;
    let drawn = Drawn::continued(&chosen, arguments.along.into(), arguments.apart);
    let plot = Plot {
        quantities: arguments
            .figures
            .iter()
            .map(|figures| figures.quantity())
            .collect(),
        along: arguments.along.into(),
        detail: arguments.detail.into(),
        log_x: arguments.log_x,
        log_y: arguments.log_y,
        window: None,
    };
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

impl Figures {
    fn quantity(self) -> ChartKind {
        match self {
            Self::Accuracy => ChartKind::Accuracy,
            Self::Loss => ChartKind::Loss,
            Self::LearningRate => ChartKind::LearningRate,
            Self::Throughput => ChartKind::Throughput,
            Self::GradientNorm => ChartKind::GradientNorm,
            Self::Usage => ChartKind::Usage,
            Self::Memory => ChartKind::Memory,
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

impl From<DetailArgument> for Smoothing {
    fn from(detail: DetailArgument) -> Self {
        match detail {
            DetailArgument::Epochs => Self::Epochs,
            DetailArgument::Points => Self::Points,
            DetailArgument::Light => Self::Light,
            DetailArgument::Medium => Self::Medium,
            DetailArgument::Strong => Self::Strong,
        }
    }
}
