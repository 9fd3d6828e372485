//! `warmstart models`

use clap::Args;
use serde::Serialize;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_schema::architecture::{Architecture, Backbone, InputSize, TensorSpec};
use warmstart_schema::catalog::Pretrained;
use warmstart_schema::text;

use super::{Context, Exit, output};
use warmstart_report::compare::thousands;
use warmstart_report::fit::Column;

/// Side of the images that costs are given for.
const PIXELS: u32 = 224;

/// List the backbones with their parameters, their multiply-adds at 224 pixels, and their published weights
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only those with all of these texts in their names, for example `vit dinov2`
    #[arg(value_name = "TEXT")]
    name: Vec<String>,
    /// Only those with at least so many parameters: 5M, 500k, 5000000
    #[arg(long, value_name = "COUNT", value_parser = parameters)]
    min_params: Option<u64>,
    /// Only those with at most so many parameters: 12M
    #[arg(long, value_name = "COUNT", value_parser = parameters)]
    max_params: Option<u64>,
    #[command(flatten)]
    columns: output::ColumnsArgument,
}

/// A count, in thousands (k), millions (M) or billions (G) where a letter follows it.
fn parameters(written: &str) -> Result<u64, String> {
    const MOST: f64 = 1e15;
    let (digits, unit) = match written.chars().last() {
        Some('k' | 'K') => (&written[..written.len() - 1], 1e3),
        Some('m' | 'M') => (&written[..written.len() - 1], 1e6),
        Some('g' | 'G') => (&written[..written.len() - 1], 1e9),
        _ => (written, 1.0),
    };
    let count = digits.parse::<f64>().map(|count| count * unit);
    match count {
        Ok(count) if (0.0..=MOST).contains(&count) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range was checked"
            )]
            let whole = count.round() as u64;
            Ok(whole)
        }
        _ => Err("expected a count such as 5M, 500k or 5000000".to_owned()),
    }
}

#[derive(Serialize)]
struct Model {
    backbone: &'static str,
    /// Parameters of the base, without a head.
    params: u64,
    statistics: u64,
    /// Of one image of 224 pixels, without the head.
    multiply_adds_224: u64,
    features: usize,
    blocks: Vec<String>,
    /// Side of the images that the published weights were trained or tuned on.
    pixels: u32,
    /// It takes only images whose side is a multiple of this; null if it takes any.
    multiple_of: Option<u32>,
    /// The smallest image that it takes; null if it takes any.
    least_pixels: Option<u32>,
    /// The default published weights: where they are, and their tag.
    pretrained: &'static str,
    tag: &'static str,
    mean: [f32; 3],
    std: [f32; 3],
    /// The other published weights that `model.weights` takes.
    others: Vec<Other>,
}

/// Published weights besides the default ones.
#[derive(Serialize)]
struct Other {
    tag: &'static str,
    pretrained: &'static str,
    pixels: u32,
    mean: [f32; 3],
    std: [f32; 3],
}

impl From<Pretrained> for Other {
    fn from(weights: Pretrained) -> Self {
        Self {
            tag: weights.tag(),
            pretrained: weights.hub,
            pixels: weights.pixels,
            mean: weights.mean,
            std: weights.std,
        }
    }
}

impl Model {
    fn of(backbone: Backbone) -> Self {
        let (architecture, pretrained) = (Architecture::new(backbone), Pretrained::of(backbone));
        let others = Pretrained::all(backbone).skip(1);
        let count = |statistic: bool| {
            architecture
                .tensors()
                .filter(|t| t.kind.is_statistic() == statistic)
                .map(TensorSpec::len)
                .sum()
        };
        let (multiple_of, least_pixels) = match backbone.input_size() {
            InputSize::Any => (None, None),
            InputSize::Patches { side, least, .. } => (Some(side), Some(least)),
        };
        Self {
            backbone: backbone.as_str(),
            params: count(false),
            statistics: count(true),
            multiply_adds_224: architecture.multiply_adds(PIXELS),
            features: architecture.features,
            pixels: pretrained.pixels,
            multiple_of,
            least_pixels,
            pretrained: pretrained.hub,
            tag: pretrained.tag(),
            mean: pretrained.mean,
            std: pretrained.std,
            others: others.map(Other::from).collect(),
            blocks: architecture
                .blocks
                .into_iter()
                .map(|block| block.name)
                .collect(),
        }
    }
}

impl Arguments {
    /// Whether the list shows a model, with this limit in place of the one that was given.
    fn takes(&self, model: &Model, max_params: Option<u64>) -> bool {
        let has = |part: &String| contains(model.backbone, part);
        self.name.iter().all(has)
            && self.min_params.is_none_or(|least| model.params >= least)
            && max_params.is_none_or(|most| model.params <= most)
    }

    /// What to do where no backbone is left.
    fn none_left(&self) -> Failure {
        let names = Backbone::ALL.map(Backbone::as_str);
        // A text that a name has is no typing error.
        let is_unknown = |part: &&String| !names.iter().any(|name| contains(name, part));
        let mut unknown = self.name.iter().filter(is_unknown);
        let near = unknown.find_map(|part| text::closest(&part.to_lowercase(), names));
        // `12` for 12 million, if that leaves a backbone.
        let leaves_one = |most: u64| {
            let mut models = Backbone::ALL.into_iter().map(Model::of);
            models.any(|model| self.takes(&model, Some(most * 1_000_000)))
        };
        let millions = self
            .max_params
            .filter(|most| *most < 1000 && leaves_one(*most));
        let help = match (near, millions) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(most)) => format!("did you mean `--max-params {most}M`?"),
            (None, None) => "`warmstart models` without a filter lists all".to_owned(),
        };
        Failure::new(Kind::NotFound, "no backbone has that name and size").help(help)
    }
}

/// Whether a backbone's name has this text, in upper or lower case.
fn contains(backbone: &str, part: &str) -> bool {
    backbone.contains(&part.to_lowercase())
}

pub(super) fn models(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let models: Vec<Model> = Backbone::ALL
        .into_iter()
        .map(Model::of)
        .filter(|model| arguments.takes(model, arguments.max_params))
        .collect();
    if models.is_empty() {
        return Err(arguments.none_left().into());
    }
    if context.json {
        output::answer_json(&models)?;
    } else {
        output::answer(&output::chosen(
            &columns(),
            &models.iter().map(row).collect::<Vec<_>>(),
            &arguments.columns,
        )?)?;
    }
    Ok(Exit::Done)
}

/// The columns of the table.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::names("backbone"),
        Column::figures("params", 1),
        Column::figures("GMACs", 2),
        Column::figures("px", 3),
        Column::words("pretrained weights", 4),
        Column::figures("features", 5),
        Column::figures("blocks", 6),
        Column::figures("statistics", 7),
    ]
}

fn row(model: &Model) -> Vec<String> {
    let tags = model.others.iter().map(|other| other.tag);
    let weights: Vec<&str> = std::iter::once(model.pretrained).chain(tags).collect();
    vec![
        model.backbone.to_owned(),
        thousands(model.params),
        format!("{:.2}", model.multiply_adds_224 as f64 / 1e9),
        model.pixels.to_string(),
        weights.join(", "),
        model.features.to_string(),
        model.blocks.len().to_string(),
        thousands(model.statistics),
    ]
}
