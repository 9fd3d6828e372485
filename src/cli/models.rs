//! `warmstart models`

use clap::Args;
use serde::Serialize;
use warmstart_schema::architecture::{Architecture, Backbone, TensorSpec};
use warmstart_schema::catalog::Pretrained;

use super::{Context, Exit, output};
use warmstart_report::compare::thousands;
use warmstart_report::fit::Column;

/// List the backbones with their parameters, their published weights and the size those are made for
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    columns: output::ColumnsArgument,
}

#[derive(Serialize)]
struct Model {
    backbone: &'static str,
    /// Parameters of the base, without a head.
    params: u64,
    statistics: u64,
    features: usize,
    blocks: Vec<String>,
    /// Side of the images that the published weights were trained or tuned on.
    pixels: u32,
    /// Whether it takes only images of that size.
    fixed_pixels: bool,
    pretrained: &'static str,
    mean: [f32; 3],
    std: [f32; 3],
}

impl Model {
    fn of(backbone: Backbone) -> Self {
        let (architecture, pretrained) = (Architecture::new(backbone), Pretrained::of(backbone));
        let count = |statistic: bool| {
            architecture
                .tensors()
                .filter(|t| t.kind.is_statistic() == statistic)
                .map(TensorSpec::len)
                .sum()
        };
        Self {
            backbone: backbone.as_str(),
            params: count(false),
            statistics: count(true),
            features: architecture.features,
            pixels: pretrained.pixels,
            fixed_pixels: backbone.fixed_pixels().is_some(),
            pretrained: pretrained.hub,
            mean: pretrained.mean,
            std: pretrained.std,
            blocks: architecture
                .blocks
                .into_iter()
                .map(|block| block.name)
                .collect(),
        }
    }
}

pub(super) fn models(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let models: Vec<Model> = Backbone::ALL.into_iter().map(Model::of).collect();
    if context.json {
        output::answer_json(&models)?;
    } else {
        let columns = [
            Column::names("backbone"),
            Column::words("pretrained weights", 3),
            Column::figures("params", 1),
            Column::figures("statistics", 6),
            Column::figures("features", 4),
            Column::figures("blocks", 5),
            Column::figures("px", 2),
        ];
        output::answer(&output::chosen(
            &columns,
            &models.iter().map(row).collect::<Vec<_>>(),
            &arguments.columns,
        )?)?;
    }
    Ok(Exit::Done)
}

fn row(model: &Model) -> Vec<String> {
    vec![
        model.backbone.to_owned(),
        model.pretrained.to_owned(),
        thousands(model.params),
        thousands(model.statistics),
        model.features.to_string(),
        model.blocks.len().to_string(),
        format!(
            "{}{}",
            model.pixels,
            if model.fixed_pixels { " only" } else { "" }
        ),
    ]
}
