//! The principal components of features, in which a fit is fast, and classifiers to and from them.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::classifier::Classifier;

/// The principal components of features: centred, then turned so that they do not correlate.
#[derive(Debug)]
pub(super) struct Components {
    /// `[F]`.
    mean: Tensor,
    /// The directions, orthonormal, as columns `[F, F]`.
    directions: Tensor,
    /// The variance of each component, `[F]`.
    pub(super) variances: Tensor,
}

impl Components {
    /// Finds the components of features `[n, F]`. Also returns the features in them, `[n, F]`.
    pub(super) fn of(features: &Tensor) -> Result<(Self, Tensor)> {
        let mean = features.f_mean_dim(0_i64, false, Kind::Double)?;
        let centred = features.f_sub(&mean)?;
        let covariance = centred
            .f_tr()?
            .f_matmul(&centred)?
            .f_div_scalar(features.size2()?.0 as f64)?;
        // On a GPU this needs another library, and the matrix is small.
        let (variances, directions) = covariance.f_to_device(Device::Cpu)?.f_linalg_eigh("L")?;
        let components = Self {
            mean,
            variances: variances.f_clamp_min(0.0)?.f_to_device(features.device())?,
            directions: directions.f_to_device(features.device())?,
        };
        let turned = centred.f_matmul(&components.directions)?;
        Ok((components, turned))
    }

    /// The classifier of components that gives the same logits.
    pub(super) fn enter(&self, classifier: &Classifier) -> Result<Classifier> {
        Ok(Classifier {
            intercepts: classifier
                .intercepts
                .f_add(&classifier.weights.f_mv(&self.mean)?)?,
            weights: classifier.weights.f_matmul(&self.directions)?,
        })
    }

    /// The classifier of features that gives the same logits as this one of components.
    pub(super) fn leave(&self, classifier: &Classifier) -> Result<Classifier> {
        let weights = classifier.weights.f_matmul(&self.directions.f_tr()?)?;
        Ok(Classifier {
            intercepts: classifier.intercepts.f_sub(&weights.f_mv(&self.mean)?)?,
            weights,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Correlated features `[8, 3]`.
    fn features() -> Tensor {
        let rows: [[f64; 3]; 8] = [
            [1.0, 2.1, 0.3],
            [2.0, 3.9, -0.4],
            [3.0, 6.2, 0.9],
            [4.0, 8.1, 0.1],
            [5.0, 9.8, -0.7],
            [6.0, 12.3, 0.2],
            [7.0, 13.9, 0.5],
            [8.0, 16.1, -0.6],
        ];
        Tensor::from_slice(&rows.concat()).view([-1, 3])
    }

    fn largest(difference: &Tensor) -> f64 {
        difference.abs().max().double_value(&[])
    }

    #[test]
    fn components_are_centred_and_do_not_correlate() {
        let (components, turned) = Components::of(&features()).unwrap();
        let mean = turned.mean_dim(0_i64, false, Kind::Double);
        assert!(largest(&mean) < 1e-12);
        let covariance = turned.tr().matmul(&turned) / 8.0;
        let expected = components.variances.diag_embed(0, 0, 1);
        assert!(largest(&(covariance - expected)) < 1e-9);
    }

    #[test]
    fn a_classifier_keeps_its_logits_among_components_and_comes_back() {
        let features = features();
        let (components, turned) = Components::of(&features).unwrap();
        let classifier = Classifier {
            weights: Tensor::from_slice(&[0.5, -1.0, 2.0, 0.1, 0.7, -0.3]).view([2, 3]),
            intercepts: Tensor::from_slice(&[0.4, -0.2]),
        };
        let expected = classifier.logits(&features).unwrap();
        let entered = components.enter(&classifier).unwrap();
        let among = entered.logits(&turned).unwrap();
        assert!(largest(&(among - &expected)) < 1e-9);
        let left = components.leave(&entered).unwrap();
        let back = left.logits(&features).unwrap();
        assert!(largest(&(back - &expected)) < 1e-9);
    }
}
