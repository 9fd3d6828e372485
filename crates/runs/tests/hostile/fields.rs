//! Every field of the schema with every kind of wrong value. The problem names the field and its line, and says what was
//! expected.

use std::collections::BTreeSet;

use serde_json::Value;
use warmstart_schema::experiment::{self, Problem};

/// Experiments that together contain every field, one field a line.
const STEPS: &str = "\
name: Steps
group: hostile
question: Does it hold?
seed: 3
dataset:
  name: image_folder
  path: pictures
  validation: 0.2
  test: 0.2
  strict: true
  limit: 100
  split: by_name
input:
  resize: 96
  interpolation: nearest
  progressive: [{ until_epoch: 3, resize: 64 }]
augment:
  horizontal_flip: true
  rotation: 10
  zoom: 0.1
  resized_crop:
    min_area: 0.2
    max_area: 0.9
    max_aspect: 1.5
  padding_crop:
    pixels: 4
    fill: reflect
  rand_augment:
    magnitude: 7
    deviation: 1
    operations: 3
    probability: 0.4
  color_jitter:
    brightness: 0.4
    contrast: 0.3
    saturation: 0.2
    hue: 0.1
  erasing:
    probability: 0.5
    min_area: 0.1
    max_area: 0.3
    max_aspect: 2
    fill: black
model:
  backbone: resnet18
  weights: random
  freeze: 2
  unfreeze: [{ from_epoch: 4, freeze: none }]
  batch_norm: inference
  drop_path: 0.1
  head:
    hidden: 64
    dropout: 0.1
train:
  epochs: 10
  batch_size: 32
  accumulate: 2
  devices: 2
  precision: float32
  deterministic: true
  on_nan: skip
  class_weights: balanced
  label_smoothing: 0.1
  clip_norm: 1
  mixing:
    mixup: 0.2
    cutmix: 1
    probability: 0.9
    switch: 0.4
  ema:
    decay: 0.99
    warmup: true
  optimizer:
    name: sgd
    learning_rate: 0.01
    momentum: 0.8
    nesterov: true
    weight_decay: 0.001
  groups:
    stem: 0.1
    blocks: 0.2
    head: 2
    layer_decay: 0.9
    decay_norms_and_biases: false
  schedule:
    name: step
    step_epochs: 3
    gamma: 0.5
    warmup_epochs: 1
  early_stopping:
    monitor: val_acc
    patience: 3
    min_delta: 0.001
  checkpoint:
    every_minutes: 5
    keep: 3
slurm:
  partition: gpu
  account: lab
  qos: long
  gres: gpu:1
  cpus: 4
  memory: 16G
  time: 2:00:00
  constraint: a100
  options: [--exclusive]
  before: [module load cuda]
";
const PLATEAU: &str = "\
name: Plateau
dataset:
  name: cifar100
  labels: coarse
init:
  from: steps
model:
  backbone: resnet18
  stem: small
train:
  epochs: 10
  batch_size: 32
  optimizer:
    name: adam
    learning_rate: 0.01
  schedule:
    name: plateau
    patience: 2
    warmup_steps: 4
reference:
  source: a study
  train_time: 10
  train_acc: 0.5
  val_acc: 0.5
  train_loss: 1.5
  val_loss: 1.5
  test_acc: 0.5
  doubtful: [val_loss]
  note: none
";
const PROBE: &str = "\
name: Probe
dataset:
  name: emoji98
model:
  backbone: resnet18
  freeze: backbone
probe:
  strengths: 10
  neighbours: 20
  batch_size: 32
  precision: float32
";
const VIEWS: &str = "\
name: Views
dataset:
  name: emoji98
augment:
  horizontal_flip: true
model:
  backbone: resnet18
  freeze: backbone
train:
  epochs: 1
  batch_size: 32
  cache_views: 8
  optimizer:
    name: adam
    learning_rate: 0.1
";
const CYCLE: &str = "\
name: Cycle
seeds: [1, 2]
grid: { train.clip_norm: [1, 2] }
halving:
  epochs: [5]
dataset:
  name: emoji98
model:
  backbone: resnet18
train:
  epochs: 10
  batch_size: 32
  optimizer:
    name: adam
    learning_rate: 0.01
  schedule:
    name: one_cycle
    rise: 0.2
    start_divisor: 20
    end_divisor: 1000
";
const EXPONENTIAL: &str = "\
name: Exponential
dataset:
  name: emoji98
model:
  backbone: resnet18
train:
  epochs: 10
  batch_size: 32
  optimizer:
    name: adam
    learning_rate: 0.01
  schedule:
    name: exponential
    gamma: 0.9
    every: step
";
const OFTEN: &str = "\
name: Often
dataset:
  name: emoji98
model:
  backbone: resnet18
train:
  epochs: 10
  batch_size: 32
  sampler: sqrt
  optimizer:
    name: adam
    learning_rate: 0.01
  schedule:
    name: step
    step_steps: 100
evaluate:
  flip: true
  five_crops: 0.8
";
const ALL: [&str; 7] = [STEPS, PLATEAU, CYCLE, EXPONENTIAL, OFTEN, PROBE, VIEWS];
/// Fields that accept any finite number from 0.
const UNBOUNDED: [&str; 4] = [
    "train.early_stopping.min_delta",
    "reference.train_time",
    "reference.train_loss",
    "reference.val_loss",
];

/// A field of an experiment, from its schema.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are facts of a field, any of which may hold"
)]
struct Field {
    path: String,
    is_section: bool,
    is_number: bool,
    /// Any scalar is valid text.
    is_text: bool,
    is_required: bool,
}

fn fields(schema: &Value, of: &Value, path: &str, is_required: bool, found: &mut BTreeSet<Field>) {
    let mut of = of;
    if let Some(inner) = of["anyOf"]
        .as_array()
        .and_then(|any| any.iter().find(|inner| inner.get("$ref").is_some()))
    {
        of = inner;
    }
    if let Some(name) = of["$ref"].as_str() {
        of = schema.pointer(name.strip_prefix('#').unwrap()).unwrap();
    }
    let properties = of["properties"].as_object();
    if !path.is_empty() {
        let kinds = of["type"].to_string();
        found.insert(Field {
            path: path.to_owned(),
            is_section: properties.is_some(),
            is_number: kinds.contains("number") || kinds.contains("integer"),
            is_text: of.get("enum").is_none()
                && of.get("oneOf").is_none()
                && (kinds.contains("string") || kinds == "null"),
            is_required,
        });
    }
    for (name, inner) in properties.into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let is_required = of["required"]
            .as_array()
            .is_some_and(|required| required.iter().any(|other| other == name));
        fields(schema, inner, &below, is_required, found);
    }
}

/// The dotted path of each line.
fn paths(source: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    source
        .lines()
        .map(|line| {
            let name = line.trim_start();
            open.truncate((line.len() - name.len()) / 2);
            open.push(name.split_once(':').unwrap().0);
            open.join(".")
        })
        .collect()
}

/// The text with one line replaced, or removed with the lines below it.
fn with_line(source: &str, index: usize, replacement: Option<&str>, with_children: bool) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let children = lines[index + 1..]
        .iter()
        .take_while(|line| depth(line) > depth(lines[index]))
        .count();
    let after = index + 1 + if with_children { children } else { 0 };
    let indent = &lines[index][..depth(lines[index])];
    let changed = replacement.map(|text| format!("{indent}{text}"));
    let kept = lines[..index].iter().map(|line| (*line).to_owned());
    let all: Vec<String> = kept
        .chain(changed)
        .chain(lines[after..].iter().map(|line| (*line).to_owned()))
        .collect();
    all.join("\n") + "\n"
}

/// The problems of the text. Each problem names a line in it.
fn problems(source: &str) -> Vec<Problem> {
    let problems = experiment::parse(source, "x.yaml")
        .err()
        .unwrap_or_default();
    for problem in &problems {
        let (line, column) = problem
            .at
            .unwrap_or_else(|| panic!("no place: {problem}\n{source}"));
        assert!(
            line >= 1 && line <= source.lines().count() && column >= 1,
            "{problem}\n{source}"
        );
        assert!(
            !problem.field.is_empty() && !problem.message.is_empty(),
            "{problem}\n{source}"
        );
    }
    problems
}

/// A text with one wrong value.
struct Case<'a> {
    field: &'a Field,
    line: usize,
    source: String,
}

impl Case<'_> {
    /// Whether the text has problems. A problem of this field must be on its line.
    fn is_refused(&self) -> bool {
        let problems = problems(&self.source);
        for problem in problems
            .iter()
            .filter(|problem| problem.field == self.field.path)
        {
            assert_eq!(
                problem.at.unwrap().0,
                self.line,
                "{problem}\n{}",
                self.source
            );
        }
        !problems.is_empty()
    }

    fn must_be_refused(&self) {
        let problems = problems(&self.source);
        assert!(
            self.is_refused(),
            "accepted {}:\n{}",
            self.field.path,
            self.source
        );
        let own = problems
            .iter()
            .find(|problem| problem.field.starts_with(&self.field.path));
        let own = own.unwrap_or_else(|| {
            panic!(
                "{} is not named: {}\n{}",
                self.field.path, problems[0], self.source
            )
        });
        assert!(own.message.contains("expected"), "{own}");
    }
}

#[test]
fn wrong_values_of_every_field_are_explained_on_their_line() {
    let schema = experiment::json_schema();
    let mut all = BTreeSet::new();
    fields(&schema, &schema, "", true, &mut all);
    let covered: BTreeSet<String> = ALL.into_iter().flat_map(paths).collect();
    let missing: Vec<&Field> = all
        .iter()
        .filter(|field| !covered.contains(&field.path))
        .collect();
    assert!(
        missing.is_empty(),
        "put these into one of the experiments above: {missing:?}"
    );
    let mut cases = 0;
    for source in ALL {
        assert!(
            experiment::parse(source, "x.yaml").is_ok(),
            "{:?}",
            experiment::parse(source, "x.yaml")
        );
        for (index, path) in paths(source).iter().enumerate() {
            let field = all.iter().find(|field| field.path == *path).unwrap();
            cases += wrong_values(source, index, field) + typos(source, index, field);
        }
    }
    println!(
        "FIGURE D2\teach field with each kind of wrong value\t{cases} cases, all on their line\t100 %\tok"
    );
    assert!(cases > 500, "{cases}");
}

fn wrong_values(source: &str, index: usize, field: &Field) -> usize {
    let name = field.path.rsplit('.').next().unwrap();
    let case = |text: &str| Case {
        field,
        line: index + 1,
        source: with_line(source, index, Some(&format!("{name}: {text}")), true),
    };
    // ===== Missing and null: only some fields refuse it. =====
    let gone = problems(&with_line(source, index, None, true));
    let parent = field.path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let siblings = paths(source)
        .iter()
        .filter(|path| path.rsplit_once('.').map_or("", |(p, _)| p) == parent)
        .count();
    // A section that loses its only line is empty, and empty sections are allowed.
    if field.is_required && siblings > 1 {
        assert!(
            gone.iter()
                .any(|problem| problem.field == field.path && problem.message == "is missing"),
            "{gone:?}"
        );
    }
    case("~").is_refused();
    case("\"\"").is_refused();
    // ===== A wrong type: every field refuses it. =====
    let list = match field.path.as_str() {
        "seeds" | "halving.epochs" => "[1, -2]",
        // Any line is a line of the shell.
        "slurm.before" => "[[x]]",
        _ => "[1, 2]",
    };
    let mut wrong = vec![list];
    if !field.is_section {
        wrong.push("{ zz: 1 }");
    }
    if !field.is_section && !field.is_text {
        wrong.extend([".nan", ".inf", "-.inf"]);
    }
    if field.is_number {
        wrong.extend(["-1", "-1e300", "words", "true", "1 2"]);
        if !UNBOUNDED.contains(&field.path.as_str()) {
            wrong.extend(["1e300", "99999999999999999999"]);
        }
    }
    for text in &wrong {
        case(text).must_be_refused();
    }
    wrong.len() + 3
}

/// One letter too many, one too few, two swapped: the error names the field as written, and the field that was meant.
fn typos(source: &str, index: usize, field: &Field) -> usize {
    let name = field.path.rsplit('.').next().unwrap();
    let line = source.lines().nth(index).unwrap().trim_start();
    let mut swapped: Vec<char> = name.chars().collect();
    swapped.swap(0, 1);
    let typos = [
        format!("{name}x"),
        name[..name.len() - 1].to_owned(),
        swapped.into_iter().collect(),
    ];
    for typo in &typos {
        let wrong = with_line(source, index, Some(&line.replacen(name, typo, 1)), false);
        let problems = problems(&wrong);
        let own = problems
            .iter()
            .find(|problem| problem.field.ends_with(typo.as_str()));
        let own = own.unwrap_or_else(|| panic!("{typo} is not named: {problems:?}\n{wrong}"));
        assert_eq!(own.at.unwrap().0, index + 1, "{own}\n{wrong}");
        assert!(
            own.help
                .as_deref()
                .is_some_and(|help| help.contains(&format!("`{name}`"))),
            "{own}\n{wrong}"
        );
    }
    typos.len()
}
