//! Rules of `model`.

use super::range::{number, whole};
use crate::architecture::{Architecture, Backbone, Pretrained, Stem};
use crate::experiment::forbidden::Finding;
use crate::experiment::{Experiment, Freeze, Weights};

pub(super) fn weights(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let model = &experiment.model;
    let Weights::Tag(tag) = &model.weights else {
        return;
    };
    if model.published().is_some() {
        return;
    }
    let tags = Pretrained::tags(model.backbone);
    let expected = format!(
        "`imagenet`, `random`, a .safetensors file, or a tag of {} (`{}`)",
        model.backbone,
        tags.join("`, `")
    );
    let words = tags.into_iter().chain(["imagenet", "random"]);
    let help = crate::text::closest(tag, words).map_or_else(
        || "for other weights, name a .safetensors file with timm's tensor names".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let found = format!("`{tag}`");
    findings.push(Finding::new("model.weights", &expected, found).help(&help));
}

pub(super) fn stem(experiment: &Experiment, findings: &mut Vec<Finding>) {
    const FIELD: &str = "model.stem";
    let model = &experiment.model;
    if model.stem == Stem::Original {
        return;
    }
    if !model.backbone.takes_small_stem() {
        let can = Backbone::ALL
            .into_iter()
            .filter(|one| one.takes_small_stem());
        let can: Vec<&str> = can.map(Backbone::as_str).collect();
        let help = format!("backbones that can have it: {}", can.join(", "));
        let expected = format!("`original` for {}", model.backbone);
        findings.push(Finding::new(FIELD, &expected, model.stem).help(&help));
    }
    // A file may hold such a convolution.
    let is_new = experiment.init.is_none() && !matches!(model.weights, Weights::File(_));
    if is_new && model.freeze != Freeze::None {
        let help = "its new convolution has random weights, which must train; write `freeze: none`";
        let expected = "`small` only where nothing is frozen";
        // As the file has it: a number of blocks without the word.
        let frozen = match model.freeze {
            Freeze::Blocks(count) => count.to_string(),
            named => named.to_string(),
        };
        let found = format!("`freeze: {frozen}`");
        findings.push(Finding::new(FIELD, expected, found).help(help));
    }
}

pub(super) fn freeze(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Freeze::Blocks(count) = experiment.model.freeze {
        let blocks = Architecture::new(experiment.model.backbone).blocks;
        if usize::try_from(count).is_ok_and(|count| count > blocks.len()) {
            let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
            let expected = format!("`none`, `backbone`, or at most {} blocks", blocks.len());
            findings.push(
                Finding::new("model.freeze", &expected, count)
                    .help(&format!("they are {}", names.join(", "))),
            );
        }
    }
}

pub(super) fn drop_path(experiment: &Experiment, findings: &mut Vec<Finding>) {
    number(
        findings,
        "model.drop_path",
        experiment.model.drop_path,
        |x| (0.0..1.0).contains(&x),
        "a share from 0 to below 1",
    );
}

pub(super) fn head(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let head = &experiment.model.head;
    whole(findings, "model.head.hidden", head.hidden);
    number(
        findings,
        "model.head.dropout",
        head.dropout,
        |x| (0.0..1.0).contains(&x),
        "a share from 0 to below 1",
    );
}

#[cfg(test)]
mod tests {
    use crate::experiment::parse;

    #[test]
    fn a_small_stem_on_frozen_blocks_is_refused_with_the_value_of_the_file() {
        for freeze in ["freeze: 1", "freeze: 2", "freeze: backbone"] {
            let yaml = format!(
                "name: x\ndataset: {{ name: emoji98 }}\n\
                 model: {{ backbone: resnet18, weights: random, stem: small, {freeze} }}\n\
                 train: {{ epochs: 1, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
            );
            let problems = parse(&yaml, "x.yaml").unwrap_err();
            let quoted = format!("found `{freeze}`");
            assert!(
                problems.iter().any(|it| it.to_string().contains(&quoted)),
                "{problems:?}"
            );
        }
    }
}
