//! `warmstart params`

use clap::Args;
use serde::Serialize;
use warmstart_runs::pictures::{PictureFolder, Unusable};
use warmstart_schema::architecture::ParamCounts;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::text;

use super::output::Problems;
use super::{Context, Exit, experiment, output};
use warmstart_report::compare::thousands;
use warmstart_report::fit::Column;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::params::counts_with;

/// Count the parameters of an experiment's model, by block
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File or name of an experiment
    experiment: String,
    /// Change a field first, for example model.freeze=none
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
}

#[derive(Serialize)]
struct Counted<'a> {
    total_params: u64,
    trainable_params: u64,
    non_trainable_params: u64,
    blocks: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct Block<'a> {
    name: &'a str,
    total_params: u64,
    trainable_params: u64,
    non_trainable_params: u64,
}

pub(super) fn params(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let file = experiment::named(context, &arguments.experiment, &arguments.set)?;
    let experiment = file.loaded.map_err(Problems)?;
    let classes = classes(&experiment)?;
    let counts = counts_with(&experiment, classes);
    let blocks = counts
        .blocks
        .iter()
        .map(|block| (block.name.as_str(), &block.counts));
    if context.json {
        output::answer_json(&Counted {
            total_params: counts.total.total,
            trainable_params: counts.total.trainable,
            non_trainable_params: counts.total.non_trainable(),
            blocks: blocks.map(|(name, counts)| block(name, counts)).collect(),
        })?;
    } else {
        let rows = blocks
            .chain([("total", &counts.total)])
            .map(|(name, counts)| row(name, counts))
            .collect();
        let figures = [
            ("total", 1),
            ("trainable", 2),
            ("frozen", 4),
            ("statistics", 5),
            ("non-trainable", 3),
        ];
        let [total, trainable, frozen, statistics, rest] =
            figures.map(|(title, order)| Column::figures(title, order));
        let columns = [
            Column::names("block"),
            total,
            trainable,
            frozen,
            statistics,
            rest,
        ];
        let table = output::table(&columns, rows);
        let headline = text::wrap(
            &headline(&experiment, classes),
            output::width().unwrap_or(usize::MAX),
        )
        .join("\n");
        output::answer(&format!(
            "{headline}\n\n{table}\n{}",
            summary(&counts.total)
        ))?;
    }
    Ok(Exit::Done)
}

fn block<'a>(name: &'a str, counts: &ParamCounts) -> Block<'a> {
    Block {
        name,
        total_params: counts.total,
        trainable_params: counts.trainable,
        non_trainable_params: counts.non_trainable(),
    }
}

fn row(name: &str, counts: &ParamCounts) -> [String; 6] {
    let numbers = [
        counts.total,
        counts.trainable,
        counts.frozen,
        counts.statistics,
        counts.non_trainable(),
    ];
    let [total, trainable, frozen, statistics, non_trainable] = numbers.map(thousands);
    [
        name.to_owned(),
        total,
        trainable,
        frozen,
        statistics,
        non_trainable,
    ]
}

/// The number of classes. Your own pictures have one for each folder.
fn classes(experiment: &Experiment) -> anyhow::Result<u32> {
    let Some(folder) = experiment.dataset.folder() else {
        return Ok(experiment.classes().unwrap_or_default());
    };
    let unusable =
        |unusable: Unusable| Failure::new(Kind::NotFound, unusable.error).help(unusable.help);
    let folder = PictureFolder::open(&folder.path, folder.split_rule()).map_err(unusable)?;
    Ok(u32::try_from(folder.classes.len())?)
}

fn headline(experiment: &Experiment, classes: u32) -> String {
    let (backbone, pixels) = (experiment.model.backbone, experiment.pixels());
    format!(
        "{}: {backbone} at {pixels} px, {classes} classes",
        experiment.name
    )
}

/// The study's words, for comparison with its appendix.
fn summary(total: &ParamCounts) -> String {
    format!(
        "Total params: {}\nTrainable params: {}\nNon-trainable params: {}\n",
        thousands(total.total),
        thousands(total.trainable),
        thousands(total.non_trainable()),
    )
}
