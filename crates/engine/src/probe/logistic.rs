//! Multinomial logistic regression with an L2 penalty, minimized by L-BFGS in float64. It draws nothing at random.
//!
//! The objective is scikit-learn's: `C · Σ loss + ½ ‖W‖²`, where the intercepts are not penalized. It is divided by `C · n` here,
//! so that one tolerance serves all strengths. L-BFGS: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithm 7.5.
//!
//! Features are correlated, and L-BFGS is slow where the curvatures differ much. So the fit turns the features into their principal
//! components, where the Hessian is nearly diagonal, and begins with that diagonal. The penalty and the minimum stay the same.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use tch::{Kind, Tensor};

use super::classifier::Classifier;
use super::principal::Components;

/// Pairs of steps and changes of the gradient that describe the curvature.
const HISTORY: usize = 10;
/// A step must lower the objective by this share of what its slope promises (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// A step must end where the slope is at most this share of that at its beginning (Wolfe's curvature condition).
const CURVATURE: f64 = 0.9;
const MAX_TRIALS: usize = 30;
/// Near the minimum, rounding alone moves the objective by this share of it, which then says nothing against a step.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    pub distance: Distance,
    pub iterations: usize,
}

/// How near to the minimum is near enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// Largest element of the gradient of the objective over `C · n`.
    Gradient(f64),
    /// Distance of the weights from those of the minimum, as a share of their norm. The penalty alone gives the objective a curvature of
    /// `1 / (C · n)` along the weights, so the norm of the gradient over that is no less than the distance. Along the intercepts, the
    /// curvature is about 1 over the number of classes; a tenth of that is taken, to be safe.
    Weights(f64),
}

impl Tolerance {
    /// To compare strengths: the iterations of the linear probes of CLIP (Radford et al. 2021, appendix A.3), and a tenth of
    /// scikit-learn's tolerance.
    pub const PATH: Self = Self {
        distance: Distance::Gradient(1e-5),
        iterations: 1000,
    };
    /// For the classifier that a probe keeps. Weak penalties do not get there: with features that separate the classes, the minimum is
    /// tens of thousands of iterations away.
    pub const FINAL: Self = Self {
        distance: Distance::Weights(1e-4),
        iterations: 300,
    };
}

/// Features and classes to fit.
#[derive(Debug)]
pub struct Problem {
    /// `[n, F]`, float64; the principal components if there are some.
    features: Tensor,
    /// `[n, C]`, float64: 1 in the column of the class.
    one_hot: Tensor,
    components: Option<Components>,
}

/// What a classifier reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Mean cross-entropy.
    pub loss: f64,
    pub accuracy: f64,
}

/// A classifier and how its fit ended.
#[derive(Debug)]
pub struct Fit {
    pub classifier: Classifier,
    pub iterations: usize,
    /// Whether the gradient met the tolerance.
    pub converged: bool,
}

impl Problem {
    /// Of features `[n, F]` and class numbers `[n]` below `classes`.
    pub fn new(features: &Tensor, labels: &Tensor, classes: usize) -> Result<Self> {
        let classes = i64::try_from(classes)?;
        ensure!(features.size2()?.0 > 0, "there are no features to fit");
        Ok(Self {
            features: features.f_to_kind(Kind::Double)?.f_contiguous()?,
            one_hot: labels.f_one_hot(classes)?.f_to_kind(Kind::Double)?,
            components: None,
        })
    }

    /// The same problem, ready for [`Self::fit`].
    pub fn prepared(self) -> Result<Self> {
        let (components, features) = tch::no_grad(|| Components::of(&self.features))?;
        Ok(Self {
            features,
            components: Some(components),
            ..self
        })
    }

    /// How many features an image has.
    pub fn width(&self) -> Result<i64> {
        Ok(self.features.size2()?.1)
    }

    /// How many images it has.
    pub fn len(&self) -> usize {
        let images = self.one_hot.size().first().copied().unwrap_or_default();
        usize::try_from(images).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Mean loss and accuracy of a classifier on these images.
    pub fn measure(&self, classifier: &Classifier) -> Result<Measured> {
        tch::no_grad(|| {
            let logits = match &self.components {
                Some(components) => components.enter(classifier)?.logits(&self.features)?,
                None => classifier.logits(&self.features)?,
            };
            let likely = logits.f_log_softmax(-1, Kind::Double)?;
            let loss = likely.f_mul(&self.one_hot)?.f_sum(Kind::Double)?.f_neg()?;
            let right = logits
                .f_argmax(-1, false)?
                .f_eq_tensor(&self.one_hot.f_argmax(-1, false)?)?
                .f_sum(Kind::Int64)?;
            let images = self.len() as f64;
            Ok(Measured {
                loss: number(&loss)? / images,
                accuracy: i64::try_from(&right)? as f64 / images,
            })
        })
    }

    /// Fits at the strength `c`, beginning at `start`. `is_asked_to_stop` is asked before each iteration; `None` if it says yes.
    pub fn fit(
        &self,
        c: f64,
        start: &Classifier,
        tolerance: Tolerance,
        is_asked_to_stop: impl Fn() -> bool,
    ) -> Result<Option<Fit>> {
        tch::no_grad(|| self.minimize(c, start, tolerance, is_asked_to_stop))
    }

    fn minimize(
        &self,
        c: f64,
        start: &Classifier,
        tolerance: Tolerance,
        is_asked_to_stop: impl Fn() -> bool,
    ) -> Result<Option<Fit>> {
        let classes = self.one_hot.size2()?.1;
        let components = self
            .components
            .as_ref()
            .context("the problem is not prepared")?;
        let start = components.enter(start)?;
        let scale = self.inverse_curvatures(c, &start, components)?;
        let mut at = Point::new(self, c, start.flat()?)?;
        let mut history = History::default();
        let mut iterations = 0;
        let fit = |at: &Point, iterations: usize, converged: bool| -> Result<Option<Fit>> {
            Ok(Some(Fit {
                classifier: components.leave(&Classifier::of_flat(&at.x, classes)?)?,
                iterations,
                converged,
            }))
        };
        loop {
            if at.is_within(tolerance.distance, c, self)? {
                return fit(&at, iterations, true);
            }
            if iterations == tolerance.iterations {
                return fit(&at, iterations, false);
            }
            if is_asked_to_stop() {
                return Ok(None);
            }
            iterations += 1;
            let direction = history.direction(&at.gradient, &scale)?;
            match self.search(c, &at, &direction)? {
                Some(next) => {
                    history.add(&at, &next)?;
                    at = next;
                }
                // Rounding leaves nothing to gain along this direction.
                None if history.pairs.is_empty() => return fit(&at, iterations, false),
                None => history = History::default(),
            }
        }
    }

    /// 1 over the curvature along each weight and intercept `[C · (F + 1)]`, at the beginning of a fit. The curvature of the mean loss
    /// is `p · (1 − p)` times the component's variance, here with the mean over images and classes. One factor for all classes keeps the
    /// sum of the intercepts, which nothing else determines.
    fn inverse_curvatures(
        &self,
        c: f64,
        start: &Classifier,
        components: &Components,
    ) -> Result<Tensor> {
        let (images, classes) = self.one_hot.size2()?;
        let likely = start.logits(&self.features)?.f_softmax(-1, Kind::Double)?;
        let spread = likely.f_sub(&likely.f_square()?)?.f_mean(Kind::Double)?;
        let spread = number(&spread)?.max(f64::EPSILON);
        let of_weights = components
            .variances
            .f_mul_scalar(spread)?
            .f_add_scalar(1.0 / (c * images as f64))?
            .f_reciprocal()?
            .f_repeat([classes])?;
        let of_intercepts =
            of_weights.f_new_full([classes], 1.0 / spread, (Kind::Double, of_weights.device()))?;
        Ok(Tensor::f_cat(&[of_weights, of_intercepts], 0)?)
    }

    /// A step along `direction` that meets Wolfe's conditions, by bisection; or the best that lowers the objective enough.
    fn search(&self, c: f64, at: &Point, direction: &Tensor) -> Result<Option<Point>> {
        let slope = number(&at.gradient.f_dot(direction)?)?;
        if slope >= 0.0 {
            return Ok(None);
        }
        let (mut low, mut high, mut step) = (0.0, f64::INFINITY, 1.0);
        let mut good = None;
        for _ in 0..MAX_TRIALS {
            let point = Point::new(self, c, at.x.f_add(&(direction * step))?)?;
            let most = at.value + SUFFICIENT * step * slope + ROUNDING * at.value.abs();
            if !point.value.is_finite() || point.value > most {
                high = step;
            } else if number(&point.gradient.f_dot(direction)?)? < CURVATURE * slope {
                low = step;
                good = Some(point);
            } else {
                return Ok(Some(point));
            }
            step = if high.is_finite() {
                f64::midpoint(low, high)
            } else {
                2.0 * step
            };
        }
        Ok(good)
    }
}

/// Weights with the objective over `C · n` and its gradient there.
#[derive(Debug)]
struct Point {
    /// Weights and intercepts `[C · (F + 1)]`.
    x: Tensor,
    value: f64,
    gradient: Tensor,
}

impl Point {
    fn new(problem: &Problem, c: f64, x: Tensor) -> Result<Self> {
        let (images, classes) = problem.one_hot.size2()?;
        let classifier = Classifier::of_flat(&x, classes)?;
        let images = images as f64;
        let penalty = 1.0 / (c * images);
        let log_likely = classifier
            .logits(&problem.features)?
            .f_log_softmax(-1, Kind::Double)?;
        let loss = log_likely
            .f_mul(&problem.one_hot)?
            .f_sum(Kind::Double)?
            .f_neg()?
            .f_div_scalar(images)?;
        let weights = &classifier.weights;
        let squares = weights.f_square()?.f_sum(Kind::Double)?;
        // Of the mean loss by the logits: (softmax − one-hot) / n.
        let residual = log_likely
            .f_exp()?
            .f_sub(&problem.one_hot)?
            .f_div_scalar(images)?;
        let by_weights = residual
            .f_tr()?
            .f_matmul(&problem.features)?
            .f_add(&(weights * penalty))?;
        let by_intercepts = residual.f_sum_dim_intlist(0_i64, false, Kind::Double)?;
        Ok(Self {
            value: number(&loss)? + 0.5 * penalty * number(&squares)?,
            gradient: Tensor::f_cat(&[by_weights.f_reshape([-1])?, by_intercepts], 0)?,
            x,
        })
    }
}

impl Point {
    /// Whether the minimum is that near.
    fn is_within(&self, distance: Distance, c: f64, problem: &Problem) -> Result<bool> {
        let (found, most) = match distance {
            Distance::Gradient(most) => (self.gradient.f_abs()?.f_max()?, most),
            Distance::Weights(share) => {
                let (images, classes) = problem.one_hot.size2()?;
                let curvature = (1.0 / (c * images as f64)).min(0.1 / classes as f64);
                let norm = number(&Classifier::of_flat(&self.x, classes)?.weights.f_norm()?)?;
                (self.gradient.f_norm()?, share * curvature * norm)
            }
        };
        Ok(number(&found)? <= most)
    }
}

/// The newest steps and changes of the gradient.
#[derive(Debug, Default)]
struct History {
    /// Step, change of the gradient, and 1 over their product; the newest last.
    pairs: VecDeque<(Tensor, Tensor, f64)>,
}

impl History {
    fn add(&mut self, from: &Point, to: &Point) -> Result<()> {
        let (step, change) = (to.x.f_sub(&from.x)?, to.gradient.f_sub(&from.gradient)?);
        let product = number(&step.f_dot(&change)?)?;
        // Otherwise the curvature is not positive, by rounding.
        if product > f64::EPSILON * number(&change.f_dot(&change)?)? {
            if self.pairs.len() == HISTORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back((step, change, 1.0 / product));
        }
        Ok(())
    }

    /// The direction of descent: minus the inverse Hessian's estimate times the gradient, by the two-loop recursion (algorithm 7.4). The
    /// estimate begins with the diagonal `scale`, times what the newest step says of it (equation 7.20, in the scaled variables).
    fn direction(&self, gradient: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let mut q = gradient.f_neg()?;
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (step, change, inverse) in self.pairs.iter().rev() {
            let share = inverse * number(&step.f_dot(&q)?)?;
            q = q.f_sub(&(change * share))?;
            shares.push(share);
        }
        q = q.f_mul(scale)?;
        if let Some((_, change, inverse)) = self.pairs.back() {
            q = q.f_div_scalar(inverse * number(&change.f_dot(&change.f_mul(scale)?)?)?)?;
        }
        for ((step, change, inverse), share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = inverse * number(&change.f_dot(&q)?)?;
            q = q.f_add(&(step * (share - back)))?;
        }
        Ok(q)
    }
}

fn number(scalar: &Tensor) -> Result<f64> {
    Ok(f64::try_from(scalar)?)
}

/// `count` strengths C, evenly spaced in their logarithm from 1e-6 to 1e5: the range of the linear probes of Kornblith et al.
/// (2019, "Do Better `ImageNet` Models Transfer Better?", appendix A.5), who try 45. The smallest, and so the simplest, comes first.
pub fn strengths(count: u32) -> Vec<f64> {
    let last = f64::from(count.saturating_sub(1).max(1));
    (0..count)
        .map(|place| 10.0_f64.powf(-6.0 + 11.0 * f64::from(place) / last))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/reference/probe.json")).unwrap()
    }

    fn matrix(value: &serde_json::Value) -> Tensor {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
        let width = i64::try_from(rows[0].len()).unwrap();
        Tensor::from_slice(&rows.concat()).view([-1, width])
    }

    fn integers(value: &serde_json::Value) -> Tensor {
        let numbers: Vec<i64> = serde_json::from_value(value.clone()).unwrap();
        Tensor::from_slice(&numbers)
    }

    fn problem(table: &serde_json::Value) -> Problem {
        Problem::new(
            &matrix(&table["train"]),
            &integers(&table["train_labels"]),
            4,
        )
        .and_then(Problem::prepared)
        .unwrap()
    }

    const TIGHT: Tolerance = Tolerance {
        distance: Distance::Gradient(1e-9),
        iterations: 20_000,
    };

    fn most(difference: &Tensor) -> f64 {
        difference.abs().max().double_value(&[])
    }

    #[test]
    fn weights_and_intercepts_are_those_of_scikit_learn_at_every_strength() {
        let table = table();
        let problem = problem(&table);
        let width = problem.width().unwrap();
        let tests = matrix(&table["test"]);
        for case in table["logistic"].as_array().unwrap() {
            let c = case["c"].as_f64().unwrap();
            let start = Classifier::zero(4, width, &problem.features).unwrap();
            let fit = problem.fit(c, &start, TIGHT, || false).unwrap().unwrap();
            let Classifier {
                weights,
                intercepts,
            } = &fit.classifier;
            // scikit-learn centres nothing: classes' intercepts are determined up to a constant, which starts and stays at 0.
            assert!(
                fit.converged
                    && most(&(weights - matrix(&case["weights"]))) < 1e-3
                    && most(&(intercepts - matrix(&case["intercepts"]).view([-1]))) < 1e-3,
                "C = {c}: {:e}, {:e}",
                most(&(weights - matrix(&case["weights"]))),
                most(&(intercepts - matrix(&case["intercepts"]).view([-1])))
            );
            let found = fit.classifier.logits(&tests).unwrap().argmax(-1, false);
            assert_eq!(found, integers(&case["predicted"]), "C = {c}");
        }
    }

    #[test]
    fn the_usual_tolerance_predicts_the_same_classes_from_a_warm_start() {
        let table = table();
        let problem = problem(&table);
        let tests = matrix(&table["test"]);
        let mut at = Classifier::zero(4, problem.width().unwrap(), &problem.features).unwrap();
        for case in table["logistic"].as_array().unwrap() {
            let c = case["c"].as_f64().unwrap();
            let fit = problem
                .fit(c, &at, Tolerance::PATH, || false)
                .unwrap()
                .unwrap();
            at = fit.classifier;
            let found = at.logits(&tests).unwrap().argmax(-1, false);
            let differ = found
                .not_equal_tensor(&integers(&case["predicted"]))
                .sum(Kind::Int64)
                .int64_value(&[]);
            assert!(fit.converged && differ <= 1, "C = {c}: {differ} differ");
        }
    }

    #[test]
    fn a_fit_repeats_itself_to_the_last_bit_and_stops_when_asked() {
        let table = table();
        let problem = problem(&table);
        let start = || Classifier::zero(4, problem.width().unwrap(), &problem.features).unwrap();
        let bits = || {
            let fit = problem
                .fit(1.0, &start(), Tolerance::PATH, || false)
                .unwrap()
                .unwrap();
            crate::model::bytes(&fit.classifier.weights).unwrap()
        };
        assert_eq!(bits(), bits());
        let stopped = problem.fit(1.0, &start(), Tolerance::PATH, || true);
        assert!(stopped.unwrap().is_none());
    }

    #[test]
    fn the_strengths_span_eleven_decades_evenly() {
        let all = strengths(45);
        assert_eq!(all.len(), 45);
        assert!((all[0] / 1e-6 - 1.0).abs() < 1e-12 && (all[44] / 1e5 - 1.0).abs() < 1e-12);
        // Four steps make one decade.
        assert!((all[4] / 1e-5 - 1.0).abs() < 1e-12);
    }
}
