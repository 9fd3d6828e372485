//! Fits the logistic regression of a probe to features from a file, as a probe fits the classifier that it keeps, without its limit of iterations.
//! `tests/reference/probe_features.py` compares the result with scikit-learn's.
//!
//! `cargo run -p warmstart-engine --example probe_fit -- FILE STRENGTH OUTPUT`
//!
//! FILE (safetensors) has `features` `[n, F]` and `labels` `[n]`; OUTPUT gets `weights` `[C, F]` and `intercepts` `[C]`. Fails if the
//! fit does not converge.

use anyhow::{Context, Result, bail, ensure};
use tch::Tensor;
use warmstart_engine::probe::classifier::Classifier;
use warmstart_engine::probe::logistic::{Problem, Tolerance};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, strength, output] = arguments.as_slice() else {
        bail!("expected a file, a strength and an output file");
    };
    let tensors = Tensor::read_safetensors(file)?;
    let named = |name: &str| {
        let found = tensors.iter().find(|(known, _)| known == name);
        Ok::<_, anyhow::Error>(&found.with_context(|| format!("{file} has no {name}"))?.1)
    };
    let (features, labels) = (named("features")?, named("labels")?);
    let classes = i64::try_from(labels.f_max()?)? + 1;
    let problem = Problem::new(features, labels, usize::try_from(classes)?)?.prepared()?;
    let start = Classifier::zero(classes, problem.width()?, features)?;
    let tolerance = Tolerance {
        iterations: 20_000,
        ..Tolerance::FINAL
    };
    let fit = problem.fit(strength.parse()?, &start, tolerance, || false)?;
    let fit = fit.context("the fit stopped")?;
    ensure!(
        fit.converged,
        "no convergence within {} iterations",
        fit.iterations
    );
    let Classifier {
        weights,
        intercepts,
    } = fit.classifier;
    Tensor::write_safetensors(&[("weights", weights), ("intercepts", intercepts)], output)?;
    Ok(())
}
