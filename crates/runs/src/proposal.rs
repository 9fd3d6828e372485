//! A good first experiment for a folder of pictures, as a file with the reasons beside each choice.

mod written;

use std::fmt::Write as _;

use warmstart_schema::experiment::{Dataset, ImageFolder};
use warmstart_schema::text;

use crate::pictures::{Facts, UNEVEN};

pub use self::written::{Written, folder, write};

/// From this ratio of the largest class to the smallest on, classes get weights.
const SOMEWHAT_UNEVEN: f64 = 3.0;
/// A class with fewer images is named.
const FEW: usize = 10;

/// How much of the backbone to train, by how many images there are to learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Head,
    Stages,
    All,
}

impl Depth {
    fn of(images: usize) -> Self {
        match images {
            0..1000 => Self::Head,
            1000..10_000 => Self::Stages,
            _ => Self::All,
        }
    }
}

/// The experiment, with `name` and `path` as they are to be written.
fn yaml(name: &str, path: &str, facts: &Facts) -> String {
    let images = training_images(facts);
    let depth = Depth::of(images);
    let mut file = String::new();
    head(&mut file, name, path, facts, images);
    input(&mut file, facts, depth);
    model(&mut file, facts, depth);
    train(&mut file, facts, images, depth);
    file
}

/// How many images remain to train on after the splits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count"
)]
fn training_images(facts: &Facts) -> usize {
    let mut images = facts.images() as f64;
    if !facts.own_test {
        images *= 1.0 - ImageFolder::TEST;
    }
    if !facts.own_validation {
        images *= 1.0 - Dataset::VALIDATION;
    }
    images as usize
}

fn line(file: &mut String, text: &str) {
    file.push_str(text);
    file.push('\n');
}

fn comment(file: &mut String, indent: usize, text: &str) {
    for part in text::wrap(text, 100) {
        // A text cannot fail to grow.
        let _ = writeln!(file, "{:indent$}# {}", "", part.trim_end());
    }
}

fn head(file: &mut String, name: &str, path: &str, facts: &Facts, images: usize) {
    let all = facts.images();
    // The pictures of the folder's own validation and test are not counted.
    let pictures = if facts.own_validation || facts.own_test {
        "training pictures"
    } else {
        "pictures"
    };
    let mut found = format!("Found {all} {pictures} in {} classes", facts.classes.len());
    if let Some([least, most]) = facts.extremes() {
        let _ = write!(
            found,
            ", from {} ({}) to {} ({})",
            least.1, least.0, most.1, most.0
        );
    }
    comment(file, 0, &format!("{found}."));
    let split = match (facts.own_validation, facts.own_test) {
        (true, true) => {
            "The folder has its own validation and test pictures, so all of these train.".to_owned()
        }
        (true, false) => format!(
            "The test pictures are split off from the training pictures. About {images} remain to train on."
        ),
        (false, true) => format!(
            "The validation pictures are split off from the training pictures. About {images} remain to train on."
        ),
        (false, false) => format!(
            "Validation and test pictures are split off; a picture's name decides its split. About {images} remain to train on."
        ),
    };
    comment(file, 0, &split);
    let few: Vec<String> = facts
        .classes
        .iter()
        .filter(|(_, count)| *count < FEW)
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    if !few.is_empty() {
        let text = format!(
            "Classes with fewer than {FEW} pictures, whose figures say little: {}.",
            crate::pictures::listed(&few)
        );
        comment(file, 0, &text);
    }
    line(file, &format!("name: {name}"));
    line(
        file,
        &format!("dataset: {{ name: image_folder, path: {path} }}"),
    );
}

/// The least and the greatest side of images that pretrained backbones are good at.
const SIDES: [u32; 2] = [96, 224];
/// Backbones halve the image five times, so the side is a multiple of this.
const STRIDE: u32 = 32;

/// The side of the model's input: near the images' own size, within what pretrained backbones are good at.
fn side(facts: &Facts) -> u32 {
    let [least, most] = SIDES;
    let own = facts.shorter_side.unwrap_or(most).clamp(least, most);
    own.next_multiple_of(STRIDE)
}

fn input(file: &mut String, facts: &Facts, depth: Depth) {
    let side = side(facts);
    let reason = match facts.shorter_side {
        None => "No header could be read, so this is the usual size.".to_owned(),
        Some(own) if own >= SIDES[0] && own < side => format!(
            "The shorter side of a typical picture has {own} pixels. Backbones halve an image five times, so its side becomes the next multiple of {STRIDE}."
        ),
        Some(own) if own < side => format!(
            "The shorter side of a typical picture has {own} pixels. Pretrained backbones see little below {side}, so pictures are enlarged."
        ),
        Some(own) => format!(
            "The shorter side of a typical picture has {own} pixels; {side} is enough for these backbones. More is slower and often a little better."
        ),
    };
    comment(file, 0, &reason);
    line(
        file,
        &format!("input: {{ resize: {side}, interpolation: bicubic }}"),
    );
    match depth {
        Depth::Head => comment(
            file,
            0,
            "No augmentation: so the features of a frozen backbone are computed once, and an epoch takes a second.",
        ),
        Depth::Stages | Depth::All => {
            comment(
                file,
                0,
                "Remove the flip if a mirrored picture means something else, as with digits.",
            );
            line(file, "augment:");
            line(file, "  horizontal_flip: true");
            line(file, "  resized_crop: { min_area: 0.5 }");
            if depth == Depth::All {
                comment(file, 2, "With so many pictures, stronger changes pay.");
                line(file, "  rand_augment: {}");
            }
        }
    }
}

fn model(file: &mut String, facts: &Facts, depth: Depth) {
    line(file, "model:");
    match depth {
        Depth::Head => {
            comment(
                file,
                2,
                "Small and fast, and its weights come with warmstart. Only the head trains: so few pictures cannot move a backbone for \
                 the better.",
            );
            line(file, "  backbone: tf_efficientnet_lite0");
            line(file, "  freeze: backbone");
        }
        Depth::Stages => {
            comment(
                file,
                2,
                "Small and fast, and its weights come with warmstart. The head trains first, then the upper half of the backbone, \
                 then all of it, so that the random head does not disturb what the backbone knows.",
            );
            line(file, "  backbone: tf_efficientnet_lite0");
            line(file, "  freeze: backbone");
            line(
                file,
                "  unfreeze: [{ from_epoch: 4, freeze: 5 }, { from_epoch: 8, freeze: none }]",
            );
        }
        Depth::All => {
            comment(
                file,
                2,
                "There are pictures enough to fine-tune all of a better backbone. A launch downloads its weights.",
            );
            line(file, "  backbone: efficientnet_b0");
        }
    }
    let hidden = match facts.classes.len() {
        0..=256 => 256,
        257..=512 => 512,
        _ => 1024,
    };
    line(
        file,
        &format!("  head: {{ hidden: {hidden}, dropout: 0.2 }}"),
    );
}

fn train(file: &mut String, facts: &Facts, images: usize, depth: Depth) {
    let batch_size = if images < 200 { 16 } else { 32 };
    line(file, "train:");
    match depth {
        Depth::Head => {
            line(file, "  epochs: 30");
            line(file, &format!("  batch_size: {batch_size}"));
            line(file, "  optimizer: { name: adam, learning_rate: 0.001 }");
            line(file, "  schedule: { name: cosine }");
        }
        Depth::Stages | Depth::All => {
            line(
                file,
                &format!("  epochs: {}", if depth == Depth::All { 12 } else { 20 }),
            );
            line(file, &format!("  batch_size: {batch_size}"));
            comment(
                file,
                2,
                "The backbone learns at a fifth of the head's rate, its first layers at a tenth.",
            );
            line(
                file,
                "  optimizer: { name: sgd, learning_rate: 0.01, momentum: 0.9, nesterov: true, weight_decay: 0.0001 }",
            );
            line(file, "  groups: { stem: 0.1, blocks: 0.2 }");
            line(file, "  schedule: { name: cosine, warmup_epochs: 1 }");
            line(file, "  clip_norm: 5");
            line(file, "  label_smoothing: 0.1");
        }
    }
    classes(file, facts);
    comment(
        file,
        2,
        "The best epoch counts, by the loss on the validation pictures; training ends when it has not improved for long.",
    );
    line(file, "  early_stopping: { patience: 8 }");
}

/// What makes up for classes of different sizes.
fn classes(file: &mut String, facts: &Facts) {
    let Some([least, most]) = facts.extremes() else {
        return;
    };
    let ratio = most.1 as f64 / least.1.max(1) as f64;
    if ratio >= UNEVEN {
        let text = format!(
            "The largest class has {ratio:.0} times as many pictures as the smallest. Weights of that size make steps uneven, so rare \
             classes are drawn more often instead."
        );
        comment(file, 2, &text);
        line(file, "  sampler: sqrt");
    } else if ratio >= SOMEWHAT_UNEVEN {
        let text = format!(
            "The largest class has {ratio:.1} times as many pictures as the smallest; this gives rare classes a larger weight."
        );
        comment(file, 2, &text);
        line(file, "  class_weights: balanced");
    }
}

#[cfg(test)]
mod tests;
