//! How training draws its images where classes are uneven.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::seed::{SplitMix64, derive};

/// How each epoch draws its training images. By default it visits each of them once. A sampler draws as many, with replacement, as
/// `PyTorch`'s `WeightedRandomSampler` does: images of common classes are then left out, those of rare classes come several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// Draw every class equally often.
    Balanced,
    /// Draw a class in proportion to the square root of its images, between balanced and as they are.
    Sqrt,
}

impl Sampler {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Sqrt => "sqrt",
        }
    }

    /// The share of an epoch's images that each class gets on average, from the number of training images of each. A class without
    /// images gets 0.
    pub fn shares(self, images: &[u32]) -> Vec<f64> {
        let weights: Vec<f64> = images
            .iter()
            .map(|&count| match self {
                Self::Balanced => f64::from(u8::from(count > 0)),
                Self::Sqrt => f64::from(count).sqrt(),
            })
            .collect();
        let all: f64 = weights.iter().sum();
        let all = if all > 0.0 { all } else { 1.0 };
        weights.into_iter().map(|weight| weight / all).collect()
    }

    /// The positions that an epoch visits, in order: as many as there are images, whose classes are `classes`. A function of the
    /// seed, the epoch and the classes alone.
    pub fn order(self, run_seed: u64, epoch: u64, classes: &[u32]) -> Vec<u32> {
        let mut images: Vec<Vec<u32>> = Vec::new();
        for (position, &class) in (0..).zip(classes) {
            let class = class as usize;
            if images.len() <= class {
                images.resize(class + 1, Vec::new());
            }
            images[class].push(position);
        }
        let counts: Vec<u32> = images
            .iter()
            .map(|of_class| u32::try_from(of_class.len()).unwrap_or(u32::MAX))
            .collect();
        // Only classes with images, so that rounding never leads to an empty one.
        let mut ends = Vec::new();
        let mut end = 0.0;
        for (of_class, share) in images.iter().zip(self.shares(&counts)) {
            if !of_class.is_empty() {
                end += share;
                ends.push((end, of_class));
            }
        }
        let mut random = SplitMix64::new(derive(run_seed, "sampler", epoch, 0));
        let mut draw = || {
            let place = random.uniform() * end;
            let class = ends.partition_point(|(end, _)| *end <= place);
            let (_, of_class) = ends.get(class).or(ends.last())?;
            let index = random.below(of_class.len() as u64);
            of_class.get(usize::try_from(index).ok()?).copied()
        };
        classes.iter().filter_map(|_| draw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &serde_json::Value) -> Sampler {
        serde_json::from_value(name.clone()).unwrap()
    }

    /// `crates/engine/tests/reference/sampler.py` writes the table.
    fn cases() -> Vec<serde_json::Value> {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../../engine/tests/reference/sampler.json"))
                .unwrap();
        table["cases"].as_array().unwrap().clone()
    }

    #[test]
    fn classes_are_drawn_as_often_as_pytorchs_weighted_random_sampler_draws_them() {
        for case in cases() {
            let sampler = named(&case["sampler"]);
            let counts: Vec<u32> = serde_json::from_value(case["counts"].clone()).unwrap();
            let expected: Vec<f64> = serde_json::from_value(case["probabilities"].clone()).unwrap();
            let drawn: Vec<f64> = serde_json::from_value(case["drawn"].clone()).unwrap();
            for (found, expected) in sampler.shares(&counts).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{found}: {case}");
            }
            let classes: Vec<u32> = (0..)
                .zip(&counts)
                .flat_map(|(class, &count)| vec![class; count as usize])
                .collect();
            let (mut seen, mut all) = (vec![0_u32; counts.len()], 0);
            for epoch in 1..=200 {
                let order = sampler.order(3, epoch, &classes);
                assert_eq!(order.len(), classes.len());
                for position in order {
                    seen[classes[position as usize] as usize] += 1;
                    all += 1;
                }
            }
            for ((seen, expected), drawn) in seen.into_iter().zip(expected).zip(drawn) {
                let found = f64::from(seen) / f64::from(all);
                // Four standard errors of each of the two.
                let error = 4.0 * (expected * (1.0 - expected) / f64::from(all)).sqrt();
                assert!((found - expected).abs() <= error, "{found}: {case}");
                assert!((found - drawn).abs() <= 2.0 * error, "{found}: {case}");
            }
        }
    }

    #[test]
    fn images_of_a_class_are_drawn_alike_and_each_epoch_differs() {
        let classes: Vec<u32> = [vec![0; 8], vec![2; 4]].concat();
        let mut seen = [0_u32; 12];
        for epoch in 1..=2000 {
            for position in Sampler::Balanced.order(5, epoch, &classes) {
                seen[position as usize] += 1;
            }
        }
        // Each of the 24,000 draws takes either class; a common image gets 1500, a rare one 3000.
        assert!(
            seen[..8].iter().all(|n| (1350..1650).contains(n)),
            "{seen:?}"
        );
        assert!(
            seen[8..].iter().all(|n| (2800..3200).contains(n)),
            "{seen:?}"
        );
        let order = |seed, epoch| Sampler::Sqrt.order(seed, epoch, &classes);
        assert_eq!(order(1, 1), order(1, 1));
        assert_ne!(order(1, 1), order(1, 2));
        assert_ne!(order(1, 1), order(2, 1));
        assert!(Sampler::Sqrt.order(1, 1, &[]).is_empty());
    }
}
