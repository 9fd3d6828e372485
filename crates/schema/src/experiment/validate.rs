//! Rules that types cannot express: ranges, and fields that only make sense together. One function a rule.

use std::ops::RangeInclusive;

use super::forbidden::Finding;
use super::{
    Every, Experiment, Freeze, Length, Optimizer, RunKind, Shape, Weights, cache_views, probe,
    unfreeze,
};
use crate::architecture::{Architecture, Backbone, InputSize, Pretrained, Stem};

/// The fields that take whole numbers.
const RANGES: [(&str, RangeInclusive<u32>); 18] = [
    ("dataset.limit", 10..=1_000_000),
    ("input.resize", 32..=1024),
    // No image is smaller than 32 pixels, and a mirrored border must fit into it.
    ("augment.padding_crop.pixels", 1..=31),
    ("augment.rand_augment.operations", 1..=15),
    ("model.head.hidden", 1..=65_536),
    ("train.epochs", 1..=100_000),
    // Batch normalization needs two examples to have a variance.
    ("train.batch_size", 2..=65_536),
    ("train.accumulate", 1..=1000),
    ("train.devices", 1..=64),
    ("train.checkpoint.keep", 2..=1000),
    ("train.schedule.step_epochs", 1..=100_000),
    ("train.schedule.step_steps", 1..=1_000_000_000),
    ("train.schedule.warmup_steps", 0..=1_000_000_000),
    ("train.schedule.patience", 0..=100_000),
    ("train.early_stopping.patience", 1..=100_000),
    ("probe.strengths", 2..=1000),
    ("probe.neighbours", 0..=10_000),
    ("probe.batch_size", 2..=65_536),
];

pub(super) fn all(experiment: &Experiment) -> Vec<Finding> {
    let rules: [fn(&Experiment, &mut Vec<Finding>); 13] = [
        validate_texts,
        validate_dataset,
        validate_input,
        validate_progressive,
        validate_augment,
        validate_crops,
        validate_rand_augment,
        validate_colors,
        validate_weights,
        validate_stem,
        validate_freeze,
        validate_head,
        validate_slurm,
    ];
    let training: [fn(&Experiment, &mut Vec<Finding>); 15] = [
        validate_length,
        validate_devices,
        unfreeze::validate,
        validate_optimizer,
        validate_groups,
        validate_schedule,
        validate_early_stopping,
        validate_step,
        validate_sampler,
        validate_mix,
        validate_ema,
        cache_views::validate,
        validate_saving,
        validate_evaluate,
        validate_reference,
    ];
    let mut findings = Vec::new();
    for rule in rules {
        rule(experiment, &mut findings);
    }
    match experiment.kind() {
        RunKind::Train(_) => {
            for rule in training {
                rule(experiment, &mut findings);
            }
        }
        RunKind::Probe(probe) => {
            whole(&mut findings, "probe.strengths", probe.strengths);
            whole(&mut findings, "probe.neighbours", probe.neighbours);
            whole(&mut findings, "probe.batch_size", probe.batch_size);
            findings.extend(probe::misfits(experiment));
            validate_reference(experiment, &mut findings);
        }
    }
    findings
}

fn validate_slurm(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let mistakes = experiment.slurm.clone().take_mistakes();
    findings.extend(mistakes.into_iter().map(|mistake| Finding {
        field: format!("slurm.{}", mistake.field).into(),
        message: mistake.message,
        help: Some(mistake.help),
    }));
}

fn number(
    findings: &mut Vec<Finding>,
    field: &'static str,
    value: f64,
    allowed: impl Fn(f64) -> bool,
    expected: &str,
) {
    if !value.is_finite() || !allowed(value) {
        findings.push(Finding::new(field, expected, value));
    }
}

/// The range of a whole-number field, for messages about numbers out of range and about other values.
pub(super) fn whole_number(field: &str) -> Option<String> {
    let (_, allowed) = RANGES.iter().find(|(name, _)| *name == field)?;
    Some(format!(
        "a whole number from {} to {}",
        allowed.start(),
        allowed.end()
    ))
}

fn whole(findings: &mut Vec<Finding>, field: &'static str, value: u32) {
    let is_allowed = RANGES
        .iter()
        .any(|(name, allowed)| *name == field && allowed.contains(&value));
    if !is_allowed {
        findings.push(Finding::new(
            field,
            &whole_number(field).unwrap_or_default(),
            value,
        ));
    }
}

fn validate_texts(experiment: &Experiment, findings: &mut Vec<Finding>) {
    for (field, text) in [("name", &experiment.name), ("group", &experiment.group)] {
        if crate::text::line(text, 80).is_empty() {
            findings.push(Finding::new(field, "a visible text", format!("{text:?}")));
        }
    }
    if experiment
        .init
        .as_ref()
        .is_some_and(|init| init.from.trim().is_empty())
    {
        findings.push(Finding::new(
            "init.from",
            "the file stem of another experiment",
            "nothing",
        ));
    }
}

fn validate_dataset(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let dataset = &experiment.dataset;
    number(
        findings,
        "dataset.validation",
        dataset.validation,
        |x| x > 0.0 && x <= 0.9,
        "a share above 0 and up to 0.9",
    );
    if let Some(limit) = dataset.limit {
        whole(findings, "dataset.limit", limit);
    }
    if let Some(test) = dataset.folder().and_then(|folder| folder.test) {
        number(
            findings,
            "dataset.test",
            test,
            |x| x > 0.0 && x <= 0.9,
            "a share above 0 and up to 0.9",
        );
    }
}

fn validate_input(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(pixels) = experiment.input.resize {
        whole(findings, "input.resize", pixels);
    }
    let (backbone, found) = (experiment.model.backbone, experiment.pixels());
    if let InputSize::Patches { side, least, .. } = backbone.input_size()
        && !backbone.input_size().takes(found)
    {
        // If no size is given, show the line of the backbone.
        let field = if experiment.input.resize.is_some() {
            "input.resize"
        } else {
            "model.backbone"
        };
        let expected = format!("for {backbone} a multiple of {side} pixels, {least} or more");
        let help = format!(
            "it sees pictures as patches of {side} by {side} pixels; write `input: {{ resize: 224 }}`"
        );
        findings.push(Finding::new(field, &expected, found).help(&help));
    }
}

fn validate_progressive(experiment: &Experiment, findings: &mut Vec<Finding>) {
    const FIELD: &str = "input.progressive";
    let stages = &experiment.input.progressive;
    let backbone = experiment.model.backbone;
    if let (InputSize::Patches { .. }, Some(first)) = (backbone.input_size(), stages.first()) {
        let expected = format!("for {backbone} the same size in all epochs");
        let help = "its position embeddings are made for one size; remove the line";
        findings.push(Finding::new(FIELD, &expected, first).help(help));
    }
    let mut before = 0;
    for stage in stages {
        if !(32..=1024).contains(&stage.resize) {
            let expected = "a side from 32 to 1024 pixels";
            findings.push(Finding::new(FIELD, expected, stage.resize));
        }
        if stage.until_epoch <= before {
            let expected = format!("`until_epoch` above {before}, so that the epochs rise");
            findings.push(Finding::new(FIELD, &expected, stage.until_epoch));
        }
        before = before.max(stage.until_epoch);
    }
    let epochs = experiment.train.epochs;
    if before >= epochs && epochs > 0 {
        let expected = format!("its last `until_epoch` below the {epochs} epochs");
        let help = "the last epochs have the size of validation and the test";
        findings.push(Finding::new(FIELD, &expected, before).help(help));
    }
}

fn validate_augment(experiment: &Experiment, findings: &mut Vec<Finding>) {
    for (field, value, allowed, expected) in experiment.augment.numbers() {
        number(findings, field, value, |x| allowed.contains(&x), expected);
    }
}

/// Areas and shapes of random rectangles.
fn validate_areas(
    fields: [&'static str; 3],
    (min_area, max_area, max_aspect): (f64, f64, f64),
    findings: &mut Vec<Finding>,
) {
    let [min_field, max_field, aspect_field] = fields;
    let is_share = |x: f64| x > 0.0 && x <= 1.0;
    let expected = "a share of the area above 0 and up to 1";
    number(findings, min_field, min_area, is_share, expected);
    number(findings, max_field, max_area, is_share, expected);
    if is_share(min_area) && is_share(max_area) && min_area > max_area {
        let expected = format!("at most the largest area of {max_area}");
        findings.push(Finding::new(min_field, &expected, min_area));
    }
    let expected = "a ratio of sides from 1 to 100";
    number(
        findings,
        aspect_field,
        max_aspect,
        |x| (1.0..=100.0).contains(&x),
        expected,
    );
}

fn validate_crops(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let augment = &experiment.augment;
    if let Some(crop) = &augment.resized_crop {
        validate_areas(
            [
                "augment.resized_crop.min_area",
                "augment.resized_crop.max_area",
                "augment.resized_crop.max_aspect",
            ],
            (crop.min_area, crop.max_area, crop.max_aspect),
            findings,
        );
    }
    if let Some(crop) = &augment.padding_crop {
        whole(findings, "augment.padding_crop.pixels", crop.pixels);
    }
    if let Some(erasing) = &augment.erasing {
        number(
            findings,
            "augment.erasing.probability",
            erasing.probability,
            |x| (0.0..=1.0).contains(&x),
            "a share from 0 to 1",
        );
        validate_areas(
            [
                "augment.erasing.min_area",
                "augment.erasing.max_area",
                "augment.erasing.max_aspect",
            ],
            (erasing.min_area, erasing.max_area, erasing.max_aspect),
            findings,
        );
    }
}

fn validate_rand_augment(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(settings) = &experiment.augment.rand_augment else {
        return;
    };
    number(
        findings,
        "augment.rand_augment.magnitude",
        settings.magnitude,
        |x| (0.0..=10.0).contains(&x),
        "0 to 10",
    );
    number(
        findings,
        "augment.rand_augment.deviation",
        settings.deviation,
        |x| (0.0..=10.0).contains(&x),
        "0 to 10",
    );
    number(
        findings,
        "augment.rand_augment.probability",
        settings.probability,
        |x| (0.0..=1.0).contains(&x),
        "a share from 0 to 1",
    );
    whole(
        findings,
        "augment.rand_augment.operations",
        settings.operations,
    );
}

fn validate_colors(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(jitter) = &experiment.augment.color_jitter else {
        return;
    };
    for (field, strength) in [
        ("augment.color_jitter.brightness", jitter.brightness),
        ("augment.color_jitter.contrast", jitter.contrast),
        ("augment.color_jitter.saturation", jitter.saturation),
    ] {
        number(
            findings,
            field,
            strength,
            |x| (0.0..=10.0).contains(&x),
            "0 to 10",
        );
    }
    number(
        findings,
        "augment.color_jitter.hue",
        jitter.hue,
        |x| (0.0..=0.5).contains(&x),
        "a share of a turn from 0 to 0.5",
    );
}

fn validate_weights(experiment: &Experiment, findings: &mut Vec<Finding>) {
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

fn validate_stem(experiment: &Experiment, findings: &mut Vec<Finding>) {
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
        let found = format!("`freeze: {}`", model.freeze);
        findings.push(Finding::new(FIELD, expected, found).help(help));
    }
}

fn validate_freeze(experiment: &Experiment, findings: &mut Vec<Finding>) {
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

fn validate_head(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let head = &experiment.model.head;
    whole(findings, "model.head.hidden", head.hidden);
    number(
        findings,
        "model.drop_path",
        experiment.model.drop_path,
        |x| (0.0..1.0).contains(&x),
        "a share from 0 to below 1",
    );
    number(
        findings,
        "model.head.dropout",
        head.dropout,
        |x| (0.0..1.0).contains(&x),
        "a share from 0 to below 1",
    );
}

fn validate_length(experiment: &Experiment, findings: &mut Vec<Finding>) {
    whole(findings, "train.epochs", experiment.train.epochs);
    whole(findings, "train.batch_size", experiment.train.batch_size);
    whole(findings, "train.accumulate", experiment.train.accumulate);
}

/// Batch normalization computes its statistics from the images of a device alone.
const LEAST_ON_A_DEVICE: u32 = 4;

fn validate_devices(experiment: &Experiment, findings: &mut Vec<Finding>) {
    const FIELD: &str = "train.devices";
    let (devices, batch_size) = (experiment.train.devices, experiment.train.batch_size);
    whole(findings, FIELD, devices);
    if devices > 1 && batch_size / devices < LEAST_ON_A_DEVICE {
        let most = (batch_size / LEAST_ON_A_DEVICE).max(1);
        let expected = format!("at most {most} for batches of {batch_size} images");
        let help = format!(
            "each device needs {LEAST_ON_A_DEVICE} images of a batch or more; raise train.batch_size, or lower train.devices"
        );
        findings.push(Finding::new(FIELD, &expected, devices).help(&help));
    }
}

fn validate_step(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let train = &experiment.train;
    number(
        findings,
        "train.label_smoothing",
        train.label_smoothing,
        |x| (0.0..1.0).contains(&x),
        "a share from 0 to below 1",
    );
    if let Some(norm) = train.clip_norm {
        number(
            findings,
            "train.clip_norm",
            norm,
            |x| x > 0.0 && x <= 1e6,
            "a norm above 0 and up to 1000000",
        );
    }
}

fn validate_sampler(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let train = &experiment.train;
    if train.sampler.is_some() && train.class_weights.is_some() {
        let help = "each makes up for uneven classes, both would do so twice; remove one of them";
        findings.push(
            Finding::new("train.sampler", "it only without `class_weights`", "both").help(help),
        );
    }
}

fn validate_ema(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(ema) = &experiment.train.ema {
        let expected = "a share above 0 and below 1";
        number(
            findings,
            "train.ema.decay",
            ema.decay,
            |x| x > 0.0 && x < 1.0,
            expected,
        );
    }
}

fn validate_mix(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(mix) = &experiment.train.mixing else {
        return;
    };
    for (field, parameter) in [
        ("train.mixing.mixup", mix.mixup),
        ("train.mixing.cutmix", mix.cutmix),
    ] {
        number(
            findings,
            field,
            parameter,
            |x| (0.0..=100.0).contains(&x),
            "0 to 100",
        );
    }
    for (field, share) in [
        ("train.mixing.probability", mix.probability),
        ("train.mixing.switch", mix.switch),
    ] {
        let expected = "a share from 0 to 1";
        number(
            findings,
            field,
            share,
            |x| (0.0..=1.0).contains(&x),
            expected,
        );
    }
    if mix.mixup == 0.0 && mix.cutmix == 0.0 {
        let help = "add `mixup: 0.2`, or remove `mixing`";
        findings.push(
            Finding::new("train.mixing", "`mixup` or `cutmix` above 0", "neither").help(help),
        );
    }
}

fn validate_saving(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let saving = &experiment.train.checkpoint;
    let expected = "minutes above 0 and up to 1440";
    number(
        findings,
        "train.checkpoint.every_minutes",
        saving.every_minutes,
        |x| x > 0.0 && x <= 1440.0,
        expected,
    );
    // With one checkpoint, damage to it would lose the run.
    whole(findings, "train.checkpoint.keep", saving.keep);
}

fn validate_evaluate(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(share) = experiment.evaluate.five_crops {
        number(
            findings,
            "evaluate.five_crops",
            share,
            |x| (0.25..=1.0).contains(&x),
            "a share of the side from 0.25 to 1",
        );
    }
}

fn validate_optimizer(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let optimizer = &experiment.train.optimizer;
    let rate = optimizer.learning_rate();
    number(
        findings,
        "train.optimizer.learning_rate",
        rate,
        |x| x > 0.0 && x <= 100.0,
        "a rate above 0 and up to 100",
    );
    if let Optimizer::Sgd {
        momentum, nesterov, ..
    } = *optimizer
    {
        number(
            findings,
            "train.optimizer.momentum",
            momentum,
            |x| (0.0..1.0).contains(&x),
            "a share from 0 to below 1",
        );
        if nesterov && momentum == 0.0 {
            let field = "train.optimizer.nesterov";
            findings.push(Finding::new(field, "it only with momentum", "momentum 0"));
        }
    }
    number(
        findings,
        "train.optimizer.weight_decay",
        optimizer.weight_decay(),
        |x| (0.0..=10.0).contains(&x),
        "0 to 10",
    );
}

fn validate_groups(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let groups = &experiment.train.groups;
    for (field, factor) in [
        ("train.groups.stem", groups.stem),
        ("train.groups.blocks", groups.blocks),
        ("train.groups.head", groups.head),
    ] {
        let expected = "a factor above 0 and up to 1000";
        number(
            findings,
            field,
            factor,
            |x| x > 0.0 && x <= 1000.0,
            expected,
        );
    }
    number(
        findings,
        "train.groups.layer_decay",
        groups.layer_decay,
        |x| x > 0.0 && x <= 1.0,
        "a factor above 0 and up to 1",
    );
}

fn validate_schedule(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let schedule = &experiment.train.schedule;
    let epochs = f64::from(experiment.train.epochs);
    match schedule.warmup {
        Length::Epochs(warmup) => {
            // Epochs of 0 are reported already.
            let most = if epochs > 0.0 { epochs } else { f64::MAX };
            let expected = "0 up to the number of epochs";
            let field = "train.schedule.warmup_epochs";
            number(
                findings,
                field,
                warmup,
                |x| (0.0..=most).contains(&x),
                expected,
            );
        }
        Length::Steps(steps) => whole(findings, "train.schedule.warmup_steps", steps),
    }
    let mut gamma = |gamma| {
        let expected = "a factor above 0 and up to 1";
        let field = "train.schedule.gamma";
        number(findings, field, gamma, |x| x > 0.0 && x <= 1.0, expected);
    };
    match schedule.shape {
        Shape::Constant | Shape::Cosine => {}
        Shape::Exponential { gamma: factor, .. } => gamma(factor),
        Shape::Step {
            count,
            unit,
            gamma: factor,
        } => {
            gamma(factor);
            let field = match unit {
                Every::Epoch => "train.schedule.step_epochs",
                Every::Step => "train.schedule.step_steps",
            };
            whole(findings, field, count);
        }
        Shape::OneCycle {
            rise,
            start_divisor,
            end_divisor,
        } => {
            number(
                findings,
                "train.schedule.rise",
                rise,
                |x| x > 0.0 && x < 1.0,
                "a share above 0 and below 1",
            );
            for (field, divisor) in [
                ("train.schedule.start_divisor", start_divisor),
                ("train.schedule.end_divisor", end_divisor),
            ] {
                let expected = "a number from 1 to 1000000000";
                number(
                    findings,
                    field,
                    divisor,
                    |x| (1.0..=1e9).contains(&x),
                    expected,
                );
            }
        }
        Shape::Plateau {
            gamma: factor,
            patience,
        } => {
            gamma(factor);
            whole(findings, "train.schedule.patience", patience);
        }
    }
}

fn validate_early_stopping(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(stop) = &experiment.train.early_stopping {
        whole(findings, "train.early_stopping.patience", stop.patience);
        number(
            findings,
            "train.early_stopping.min_delta",
            stop.min_delta,
            |x| x >= 0.0,
            "0 or more",
        );
    }
}

fn validate_reference(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(reference) = &experiment.reference else {
        return;
    };
    let figures = [
        ("reference.train_time", reference.train_time, f64::MAX),
        ("reference.train_acc", reference.train_acc, 1.0),
        ("reference.val_acc", reference.val_acc, 1.0),
        ("reference.train_loss", reference.train_loss, f64::MAX),
        ("reference.val_loss", reference.val_loss, f64::MAX),
        ("reference.test_acc", reference.test_acc, 1.0),
    ];
    for (field, figure, most) in figures {
        if let Some(figure) = figure {
            let expected = if most > 1.0 {
                "0 or more"
            } else {
                "an accuracy from 0 to 1"
            };
            number(
                findings,
                field,
                figure,
                |x| (0.0..=most).contains(&x),
                expected,
            );
        }
    }
    if !reference.doubtful.is_empty() && reference.note.is_none() {
        let help = "say in `reference.note` what is wrong with the figure";
        findings.push(
            Finding::new("reference.doubtful", "it only beside a `note`", "no note").help(help),
        );
    }
}
