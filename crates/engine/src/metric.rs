//! What an epoch measures of each image besides the loss. One file per metric.

mod accuracy;

use anyhow::{Context, Result};
use tch::{Kind, Tensor};
use warmstart_runs::checkpoint::Sums;

/// A mean over the images of a split.
struct Metric {
    /// The end of its key in the log: `acc` for `train_acc` and `val_acc`.
    key: &'static str,
    /// The name of its sum in a checkpoint.
    sum_name: &'static str,
    /// The sum over a batch, from logits `[n, C]` and classes `[n]`: a float64 scalar.
    batch_sum: fn(&Tensor, &Tensor) -> Result<Tensor>,
}

/// A new metric is a file and a row here, and a row in `warmstart_schema::metric` for each split.
const METRICS: [Metric; 1] = [Metric {
    key: "acc",
    sum_name: Sums::CORRECT,
    batch_sum: accuracy::sum,
}];

/// The sums over a batch of the losses and of each metric, float64 `[1 + METRICS.len()]`, without gradient. `loss` is the mean over the
/// batch, `logits` are `[n, C]`, `labels` the classes `[n]`.
pub(crate) fn batch_sums(loss: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    tch::no_grad(|| {
        let loss = loss
            .f_detach()?
            .f_to_kind(Kind::Double)?
            .f_mul_scalar(labels.size1()? as f64)?;
        let mut sums = vec![loss];
        for metric in &METRICS {
            sums.push((metric.batch_sum)(logits, labels)?);
        }
        Ok(Tensor::f_stack(&sums, 0)?)
    })
}

/// The numbers of [`batch_sums`], added up over batches of `images` images in all. Waits for a GPU.
pub(crate) fn from_tensor(sums: &Tensor, images: usize) -> Result<Sums> {
    let sums = Vec::<f64>::try_from(sums)?;
    let (loss, sums) = sums.split_first().context("there is no sum of the loss")?;
    let names = METRICS.iter().map(|metric| metric.sum_name.to_owned());
    Ok(Sums {
        loss: *loss,
        metrics: names.zip(sums.iter().copied()).collect(),
        images: u32::try_from(images)?,
    })
}

/// The reverse of [`from_tensor`]: float64 `[1 + METRICS.len()]` on the CPU.
pub(crate) fn to_tensor(sums: &Sums) -> Result<Tensor> {
    let metrics = METRICS.iter().map(|metric| sums.sum(metric.sum_name));
    let sums: Vec<f64> = [sums.loss].into_iter().chain(metrics).collect();
    Ok(Tensor::f_from_slice(&sums)?)
}

/// The key in the log and the mean of each metric on a split (`train` or `val`).
pub(crate) fn means(split: &str, sums: &Sums) -> impl Iterator<Item = (String, f64)> {
    METRICS.iter().map(move |metric| {
        (
            format!("{split}_{}", metric.key),
            sums.mean(metric.sum_name),
        )
    })
}
