//! Loss and accuracy in inference mode.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_runs::checkpoint::Sums;
use warmstart_schema::experiment::{Evaluate, NumberFormat};

use super::batches::{Examples, autocast};
use crate::data::{Batch, Input};
use crate::interrupt::Interrupt;
use crate::metric;
use crate::model::{Mode, Model};
use crate::parallel::{self, Decision, Rank};
use crate::views;

/// Categorical cross-entropy of logits `[n, C]` against one-hot labels of the classes `[n]`, mean over the batch.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let classes = logits.size2()?.1;
    let one_hot = labels.f_one_hot(classes)?.f_to_kind(Kind::Float)?;
    let log_probabilities = logits
        .f_to_kind(Kind::Float)?
        .f_log_softmax(-1, Kind::Float)?;
    Ok((log_probabilities * one_hot)
        .f_sum(Kind::Float)?
        .f_neg()?
        .f_div_scalar(labels.size1()? as f64)?)
}

/// A cross-entropy in which an image weighs as its class does: `sum` over `weight` is the weighted mean, as in `PyTorch`.
#[derive(Debug)]
pub struct Weighted {
    /// Of loss times weight, a scalar.
    pub sum: Tensor,
    /// Of the weights, a scalar that no gradient flows through.
    pub weight: Tensor,
}

/// The cross-entropy of logits `[n, C]` whose images weigh as their classes do in `weights` `[C]`.
pub fn weighted_cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    weights: &Tensor,
) -> Result<Weighted> {
    let one_hot = labels
        .f_one_hot(logits.size2()?.1)?
        .f_to_kind(Kind::Float)?;
    let log_probabilities = logits
        .f_to_kind(Kind::Float)?
        .f_log_softmax(-1, Kind::Float)?;
    let sum = (log_probabilities * one_hot)
        .f_mul(weights)?
        .f_sum(Kind::Float)?
        .f_neg()?;
    Ok(Weighted {
        sum,
        weight: weights.f_index_select(0, labels)?.f_sum(Kind::Float)?,
    })
}

/// Measures all examples by the views of each image. Each rank measures some batches, and all get all sums. Calls
/// `each` after each batch of this process with its sums so far, and with the images that are done. `None` if interrupted.
pub fn evaluate(
    model: &Model,
    examples: &Examples,
    batch_size: usize,
    (format, views): (NumberFormat, &Evaluate),
    interrupt: &Interrupt,
    mut rank: Option<&mut Rank>,
    mut each: impl FnMut(&dyn Fn() -> Result<Sums>, usize) -> Result<()>,
) -> Result<Option<Sums>> {
    let _autocast = autocast(format, model)?;
    let mut sums = metric::to_tensor(&Sums::default())?.f_to_device(model.device())?;
    let mut images = 0;
    let (number, size) = rank
        .as_deref()
        .map_or((0, 1), |rank| (rank.number(), rank.size()));
    let mut is_asked = false;
    for (batch, done) in examples.of_rank(batch_size, (number, size))?.zip(1..) {
        is_asked = is_asked_to_end(interrupt, rank.as_deref())?;
        if is_asked {
            break;
        }
        let Batch {
            input,
            labels,
            members,
            ..
        } = batch?;
        images += members.len();
        if !members.is_empty() {
            let logits = tch::no_grad(|| match &input {
                Input::Images(images) => views::logits(model, images, views),
                Input::Features(_) => input.forward(model, Mode::Eval),
            })?;
            let loss = tch::no_grad(|| cross_entropy(&logits, &labels))?;
            sums = sums.f_add(&metric::batch_sums(&loss, &logits, &labels)?)?;
        }
        each(
            &|| metric::from_tensor(&sums, images),
            examples.len().min(done * size * batch_size),
        )?;
    }
    if let Some(rank) = &mut rank {
        let next = if is_asked {
            Decision::Stop
        } else {
            Decision::Proceed
        };
        is_asked = rank.decision(next)? == Decision::Stop;
    }
    if is_asked {
        return Ok(None);
    }
    if let Some(rank) = rank {
        (sums, images) = of_all(rank, &sums, images)?;
    }
    if images == 0 {
        return Err(examples.none_readable());
    }
    metric::from_tensor(&sums, images).map(Some)
}

/// Whether an evaluation ends early. Rank 0 tells the others.
fn is_asked_to_end(interrupt: &Interrupt, rank: Option<&Rank>) -> Result<bool> {
    match rank {
        Some(rank) if !rank.is_first() => rank.is_asked_to_end(),
        Some(rank) if interrupt.is_requested() => rank.ask_to_end().map(|()| true),
        Some(_) => Ok(false),
        None => Ok(interrupt.is_requested()),
    }
}

/// The sums over all ranks, on the CPU, and the number of images in them.
fn of_all(rank: &mut Rank, sums: &Tensor, images: usize) -> Result<(Tensor, usize)> {
    let mut doubles = Vec::<f64>::try_from(sums)?;
    doubles.push(images as f64);
    let (_, mut doubles) = rank.all_reduce_sum(parallel::flat(&[])?, &doubles)?;
    let images = doubles.pop().map_or(0, parallel::whole);
    Ok((Tensor::f_from_slice(&doubles)?, images))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_with_balanced_weights_equals_pytorchs() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/reference/pictures.json")).unwrap();
        let case = &table["weighted"];
        let floats = |value: &serde_json::Value| -> Vec<f32> {
            serde_json::from_value(value.clone()).unwrap()
        };
        let matrix = |value: &serde_json::Value| {
            let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
            Tensor::from_slice(&rows.concat()).view([4, 4])
        };
        let counts: Vec<u32> = serde_json::from_value(case["counts"].clone()).unwrap();
        let weights = warmstart_schema::policy::balanced_weights(&counts);
        assert_eq!(weights, floats(&case["weights"]));
        let labels: Vec<i64> = serde_json::from_value(case["labels"].clone()).unwrap();
        let logits = matrix(&case["logits"]).set_requires_grad(true);
        let Weighted { sum, weight } = weighted_cross_entropy(
            &logits,
            &Tensor::from_slice(&labels),
            &Tensor::from_slice(&weights),
        )
        .unwrap();
        let loss = sum / weight;
        loss.backward();
        assert!((loss.double_value(&[]) - case["loss"].as_f64().unwrap()).abs() < 1e-6);
        assert!(
            logits
                .grad()
                .allclose(&matrix(&case["gradient"]), 1e-5, 1e-7, false),
            "{}",
            logits.grad()
        );
    }

    #[test]
    fn cross_entropy_matches_a_hand_computed_case() {
        // -ln softmax: row 1 is -ln(e^2 / (e^2 + e^1 + e^0)) = 0.407606, row 2 is ln 3 = 1.098612.
        let logits = Tensor::from_slice2(&[[2.0_f32, 1.0, 0.0], [5.0, 5.0, 5.0]]);
        let labels = Tensor::from_slice(&[0_i64, 2]);
        let loss = cross_entropy(&logits, &labels).unwrap();
        assert!((loss.double_value(&[]) - f64::midpoint(0.407_606, 1.098_612)).abs() < 1e-5);
        let sums = metric::batch_sums(&loss, &logits, &labels).unwrap();
        // With equal logits the first class is predicted, so only the first row is right.
        let sums = metric::from_tensor(&sums, 2).unwrap();
        assert!(
            (sums.accuracy() - 0.5).abs() < 1e-12 && (sums.mean_loss() - 0.753_109).abs() < 1e-5
        );
    }
}
