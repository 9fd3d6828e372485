//! Pure decisions: which learning rate, whether an epoch is the best, whether to stop, which images validate.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::experiment::{EarlyStopping, Every, Monitor, Schedule, Shape};
use crate::seed::{SplitMix64, derive};

/// The smallest relative improvement that resets the plateau schedule; `PyTorch`'s.
const PLATEAU_THRESHOLD: f64 = 1e-4;

/// The learning rate of optimizer step `step`, counted from 0; skipped steps count. During the warm-up it rises linearly to
/// `base`. Cosine then falls from the end of the warm-up and would reach 0 one step after the last (Loshchilov & Hutter 2017,
/// without restarts). Step and exponential count from step 0, warm-up included, as in `PyTorch`. Only the plateau schedule reads
/// `plateau`.
pub fn learning_rate(
    schedule: &Schedule,
    base: f64,
    step: u64,
    steps_per_epoch: u64,
    epochs: u32,
    plateau: Plateau,
) -> f64 {
    let (step, per_epoch) = (step as f64, steps_per_epoch.max(1) as f64);
    let warmup = schedule.warmup.steps(per_epoch);
    if step + 1.0 < warmup {
        return base * (step + 1.0) / warmup;
    }
    match schedule.shape {
        Shape::Constant => base,
        Shape::Step { count, unit, gamma } => {
            let reductions = match unit {
                Every::Epoch => step / per_epoch / f64::from(count),
                Every::Step => step / f64::from(count),
            };
            base * gamma.powf(reductions.floor())
        }
        Shape::Exponential { gamma, every } => match every {
            Every::Epoch => base * gamma.powf((step / per_epoch).floor()),
            Every::Step => base * gamma.powf(step),
        },
        Shape::OneCycle {
            rise,
            start_divisor,
            end_divisor,
        } => {
            let (first, total) = (base / start_divisor, f64::from(epochs) * per_epoch);
            let (top, end) = (rise * total - 1.0, total - 1.0);
            if step < top {
                annealed(first, base, step / top)
            } else {
                annealed(base, first / end_divisor, (step - top) / (end - top))
            }
        }
        Shape::Cosine => {
            let total = (f64::from(epochs) * per_epoch - warmup).max(1.0);
            let done = ((step - warmup) / total).clamp(0.0, 1.0);
            base * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
        Shape::Plateau { gamma, .. } => base * gamma.powi(plateau.reductions.cast_signed()),
    }
}

/// Half a cosine from one rate to another, at a share of the way.
fn annealed(from: f64, to: f64, share: f64) -> f64 {
    let share = share.clamp(0.0, 1.0);
    to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * share).cos())
}

/// The state of the plateau schedule, as in `PyTorch`'s `ReduceLROnPlateau`: an improvement is at least a ten-thousandth of the
/// best value. Part of every checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Plateau {
    best: Option<f64>,
    /// Epochs since the best, or since the last reduction.
    waited: u32,
    /// How many times the rate was reduced.
    reductions: u32,
}

impl Plateau {
    /// Takes in the monitored metric of an epoch.
    pub fn observe(&mut self, monitor: Monitor, schedule: &Schedule, figure: f64) {
        let Shape::Plateau { patience, .. } = schedule.shape else {
            return;
        };
        let is_better = |best: f64| match monitor {
            Monitor::ValLoss => figure < best * (1.0 - PLATEAU_THRESHOLD),
            Monitor::ValAcc => figure > best * (1.0 + PLATEAU_THRESHOLD),
        };
        if figure.is_finite() && self.best.is_none_or(is_better) {
            self.best = Some(figure);
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        if self.waited > patience {
            self.reductions += 1;
            self.waited = 0;
        }
    }
}

/// The best epoch so far, and how long ago it was. Part of every checkpoint, so that patience survives a resume.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Epoch (from 1) and value of the best checkpoint.
    pub best: Option<(u32, f64)>,
    /// The value that patience counts from: the last that improved by `min_delta`.
    mark: Option<f64>,
    /// Epochs since then.
    waited: u32,
}

/// Whether an epoch is the best so far, and whether training ends after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochVerdict {
    pub is_best: bool,
    pub should_stop: bool,
}

impl Progress {
    /// Takes in the monitored metric of an epoch. NaN is never the best.
    pub fn observe(
        &mut self,
        monitor: Monitor,
        rule: Option<&EarlyStopping>,
        epoch: u32,
        figure: f64,
    ) -> EpochVerdict {
        let is_best = figure.is_finite()
            && self
                .best
                .is_none_or(|(_, best)| monitor.improves(figure, best, 0.0));
        if is_best {
            self.best = Some((epoch, figure));
        }
        let Some(rule) = rule else {
            return EpochVerdict {
                is_best,
                should_stop: false,
            };
        };
        if figure.is_finite()
            && self
                .mark
                .is_none_or(|mark| monitor.improves(figure, mark, rule.min_delta))
        {
            self.mark = Some(figure);
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        EpochVerdict {
            is_best,
            should_stop: self.is_patience_exhausted(Some(rule)),
        }
    }

    /// Whether patience is exhausted.
    pub fn is_patience_exhausted(&self, rule: Option<&EarlyStopping>) -> bool {
        rule.is_some_and(|rule| self.waited >= rule.patience)
    }
}

/// Indices into the training set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitIndices {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
}

/// Stratified split: about `share` of the images of each class validate. Largest remainders bring the total to `share` of all
/// images, rounded. Each class keeps one training image, so with very small classes fewer images validate. The split is the
/// same for every experiment with this seed. Both lists are ascending.
pub fn split(labels: &[u32], share: f64, seed: u64) -> SplitIndices {
    let classes = labels.iter().max().map_or(0, |&last| last as usize + 1);
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for (index, &label) in (0_u32..).zip(labels) {
        by_class[label as usize].push(index);
    }
    let quota = |len: usize| len as f64 * share;
    let mut counts: Vec<usize> = by_class
        .iter()
        .map(|class| whole(quota(class.len()).floor()))
        .collect();
    let mut order: Vec<usize> = (0..by_class.len())
        .filter(|&class| by_class[class].len() > 1)
        .collect();
    let remainder = |class: usize| quota(by_class[class].len()).fract();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)).then(a.cmp(&b)));
    let wanted = whole(quota(labels.len()).round());
    let missing = wanted.saturating_sub(counts.iter().sum());
    for class in order.into_iter().take(missing) {
        counts[class] = (counts[class] + 1).min(by_class[class].len() - 1);
    }
    let mut split = SplitIndices {
        train: Vec::new(),
        validation: Vec::new(),
    };
    for (class, (mut members, count)) in (0_u64..).zip(by_class.into_iter().zip(counts)) {
        SplitMix64::new(derive(seed, "split", 0, class)).shuffle(&mut members);
        split.validation.extend(&members[..count]);
        split.train.extend(&members[count..]);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    split
}

/// What an image of each class weighs in the loss so that rare classes count as much as others, from the training images of each:
/// n / (classes · n of the class), as scikit-learn's `balanced`. A class without training images has no weight.
pub fn balanced_weights(images: &[u32]) -> Vec<f32> {
    let all: f64 = images.iter().copied().map(f64::from).sum();
    let weight = |&count: &u32| {
        if count == 0 {
            0.0
        } else {
            all / (images.len() as f64 * f64::from(count))
        }
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a weight is used in float32 products"
    )]
    images.iter().map(|count| weight(count) as f32).collect()
}

/// A number in 0..1 from the SHA-256 of seed, purpose and name, uniform over names. It decides the split of a picture without
/// looking at other pictures.
pub fn name_fraction(name: &str, purpose: &str, seed: u64) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update((purpose.len() as u64).to_le_bytes());
    hash.update(purpose);
    hash.update(name);
    let first = hash.finalize()[..8]
        .iter()
        .fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
    (first >> 11) as f64 / (1_u64 << 53) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is no larger than it"
)]
fn whole(share: f64) -> usize {
    share as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Length;

    fn without_warmup(shape: Shape) -> Schedule {
        Schedule {
            warmup: Length::Epochs(0.0),
            shape,
        }
    }

    #[test]
    #[expect(
        clippy::float_cmp,
        reason = "the bits must be the same on every machine"
    )]
    fn names_get_numbers_from_their_hash_alone() {
        // From Python's hashlib: the first 53 bits of the SHA-256 of seed, length of the purpose, purpose and name.
        assert_eq!(
            name_fraction("cat/0.jpg", "test", 42),
            0.314_255_976_358_034_7
        );
        assert_eq!(
            name_fraction("cat/0.jpg", "validation", 42),
            0.705_006_797_897_111_8
        );
        assert_eq!(
            name_fraction("café/deep/1.png", "test", 0),
            0.100_048_441_480_145_69
        );
        let below = (0..10_000)
            .filter(|number| name_fraction(&format!("cat/{number}.jpg"), "test", 42) < 0.2)
            .count();
        // Three standard deviations around 2000.
        assert!((1880..=2120).contains(&below), "{below}");
    }

    #[test]
    fn warm_up_rises_linearly_to_the_full_rate() {
        for warmup in [Length::Epochs(1.0), Length::Steps(4)] {
            let constant = Schedule {
                warmup,
                shape: Shape::Constant,
            };
            let rates: Vec<f64> = (0..6)
                .map(|step| learning_rate(&constant, 0.8, step, 4, 2, Plateau::default()))
                .collect();
            assert_eq!(rates, [0.2, 0.4, 0.600_000_000_000_000_1, 0.8, 0.8, 0.8]);
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "powers of one half are exact")]
    fn steps_multiply_by_gamma() {
        let step = without_warmup(Shape::Step {
            count: 2,
            unit: Every::Epoch,
            gamma: 0.5,
        });
        assert_eq!(
            [0, 7, 8, 16].map(|at| learning_rate(&step, 1.0, at, 4, 10, Plateau::default())),
            [1.0, 1.0, 0.5, 0.25]
        );
    }

    #[test]
    fn cosine_is_half_in_the_middle_and_ends_near_zero() {
        let cosine = without_warmup(Shape::Cosine);
        let at = |step| learning_rate(&cosine, 1.0, step, 10, 10, Plateau::default());
        assert!(
            (at(0) - 1.0).abs() < 1e-12
                && (at(50) - 0.5).abs() < 1e-12
                && at(99) < 3e-4
                && at(99) > 0.0
        );
    }

    #[test]
    fn rates_equal_pytorchs_schedulers() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../tests/data/schedules.json")).unwrap();
        let (base, per_epoch) = (
            table["base"].as_f64().unwrap(),
            table["steps_per_epoch"].as_u64(),
        );
        let epochs = u32::try_from(table["epochs"].as_u64().unwrap()).unwrap();
        let cases = table["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 8);
        for case in cases {
            let schedule: Schedule = serde_json::from_value(case["schedule"].clone()).unwrap();
            let rates: Vec<f64> = serde_json::from_value(case["rates"].clone()).unwrap();
            assert_eq!(rates.len(), 60);
            for (step, expected) in (0..).zip(rates) {
                let state = Plateau::default();
                let found = learning_rate(&schedule, base, step, per_epoch.unwrap(), epochs, state);
                assert!(
                    (found / expected - 1.0).abs() < 1e-9,
                    "{schedule:?}, step {step}: {found}, PyTorch says {expected}"
                );
            }
        }
    }

    #[test]
    fn plateau_reduces_the_rate_when_pytorch_does() {
        // `ReduceLROnPlateau(factor=0.5, patience=1)` of PyTorch 2.13 for these figures.
        let plateau = without_warmup(Shape::Plateau {
            gamma: 0.5,
            patience: 1,
        });
        let cases = [
            (
                Monitor::ValLoss,
                [
                    1.0,
                    0.9,
                    0.89995,
                    0.9,
                    0.91,
                    0.8,
                    0.85,
                    0.84,
                    f64::NAN,
                    0.83,
                    0.82,
                ],
            ),
            (
                Monitor::ValAcc,
                [
                    0.1, 0.2, 0.2, 0.15, 0.20001, 0.2001, 0.1, 0.1, 0.1, 0.1, 0.3,
                ],
            ),
        ];
        for (monitor, figures) in cases {
            let mut state = Plateau::default();
            let rates = figures.map(|figure| {
                state.observe(monitor, &plateau, figure);
                learning_rate(&plateau, 1.0, 7, 4, 10, state)
            });
            let expected = [
                1.0_f64, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125,
            ]
            .map(f64::to_bits);
            assert_eq!(rates.map(f64::to_bits), expected, "{monitor:?}");
        }
    }

    #[test]
    fn patience_needs_enough_improvement_and_best_takes_any() {
        let rule = EarlyStopping {
            monitor: Monitor::ValLoss,
            patience: 2,
            min_delta: 0.1,
        };
        let mut progress = Progress::default();
        let verdicts: Vec<(bool, bool)> = [1.0, 0.95, 0.85, f64::NAN, 0.84]
            .into_iter()
            .zip(1..)
            .map(|(loss, epoch)| progress.observe(Monitor::ValLoss, Some(&rule), epoch, loss))
            .map(|verdict| (verdict.is_best, verdict.should_stop))
            .collect();
        assert_eq!(
            verdicts,
            [
                (true, false),
                (true, false),
                (true, false),
                (false, false),
                (true, true)
            ]
        );
        assert_eq!(progress.best, Some((5, 0.84)));
    }

    #[test]
    fn accuracy_is_better_when_higher() {
        let mut progress = Progress::default();
        let best = [0.1, 0.3, 0.2]
            .map(|figure| progress.observe(Monitor::ValAcc, None, 1, figure).is_best);
        assert_eq!(best, [true, true, false]);
    }

    #[test]
    fn splits_take_the_share_of_every_class_and_of_the_whole() {
        let labels: Vec<u32> = (0..1000)
            .map(|i| if i % 10 == 0 { 7 } else { i % 3 })
            .collect();
        let parts = split(&labels, 0.3, 42);
        assert_eq!((parts.validation.len(), parts.train.len()), (300, 700));
        let of = |class: u32, part: &[u32]| {
            part.iter()
                .filter(|&&i| labels[i as usize] == class)
                .count()
        };
        assert_eq!(of(7, &parts.validation), 30);
        let mut all: Vec<u32> = parts
            .train
            .iter()
            .chain(&parts.validation)
            .copied()
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn splits_depend_on_the_seed_and_leave_every_class_training_images() {
        let labels: Vec<u32> = (0..60).map(|i| i / 2).collect();
        assert_eq!(split(&labels, 0.3, 1), split(&labels, 0.3, 1));
        assert_ne!(split(&labels, 0.3, 1), split(&labels, 0.3, 2));
        let parts = split(&labels, 0.3, 1);
        assert_eq!(parts.validation.len(), 18);
        assert!((0..30).all(|class| parts.train.iter().any(|&i| labels[i as usize] == class)));
    }
}
