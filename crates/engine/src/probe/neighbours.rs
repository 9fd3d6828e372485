//! k nearest neighbours by cosine similarity: the class that most of the k most similar training pictures have.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

/// Pictures that are compared with all training pictures at once.
const ROWS: i64 = 512;

/// Training pictures to compare with.
#[derive(Debug)]
pub struct Neighbours {
    /// `[n, F]`, float64, each row of length 1.
    features: Tensor,
    /// Class numbers `[n]`.
    labels: Tensor,
    classes: i64,
}

impl Neighbours {
    /// Of features `[n, F]` and class numbers `[n]` below `classes`.
    pub fn new(features: &Tensor, labels: &Tensor, classes: usize) -> Result<Self> {
        ensure!(
            features.size2()?.0 > 0,
            "there are no features to compare with"
        );
        Ok(Self {
            features: unit(features)?,
            labels: labels.shallow_clone(),
            classes: i64::try_from(classes)?,
        })
    }

    /// The classes `[m]` of features `[m, F]` for each k, in the order of `ks`; a k above n counts as n. Of classes with equally
    /// many neighbours the smallest number wins, as in scikit-learn; of equally similar pictures, the first.
    pub fn classify(&self, features: &Tensor, ks: &[u32]) -> Result<Vec<Tensor>> {
        tch::no_grad(|| self.vote(features, ks))
    }

    fn vote(&self, features: &Tensor, ks: &[u32]) -> Result<Vec<Tensor>> {
        let (wanted, known) = (unit(features)?, self.labels.size1()?);
        let mut found: Vec<Vec<Tensor>> = ks.iter().map(|_| Vec::new()).collect();
        for rows in wanted.f_split(ROWS, 0)? {
            let similar = rows.f_matmul(&self.features.f_tr()?)?;
            // A stable order makes equals deterministic.
            let order = similar.f_argsort_stable(true, -1, true)?;
            for (&k, found) in ks.iter().zip(&mut found) {
                let nearest = order.f_narrow(1, 0, i64::from(k).clamp(1, known))?;
                let classes = self
                    .labels
                    .f_index_select(0, &nearest.f_reshape([-1])?)?
                    .f_reshape_as(&nearest)?;
                // One-hot rows would take `k` times the memory of the votes.
                let size = [rows.size2()?.0, self.classes];
                let votes = Tensor::f_zeros(size, (Kind::Int64, rows.device()))?.f_scatter_add(
                    1,
                    &classes,
                    &classes.f_ones_like()?,
                )?;
                found.push(votes.f_argmax(-1, false)?);
            }
        }
        found
            .iter()
            .map(|parts| Ok(Tensor::f_cat(parts, 0)?))
            .collect()
    }
}

/// Rows of length 1 in float64; a row of zeros stays.
fn unit(features: &Tensor) -> Result<Tensor> {
    let features = features.f_to_kind(Kind::Double)?;
    let lengths = features
        .f_square()?
        .f_sum_dim_intlist(1_i64, true, Kind::Double)?
        .f_sqrt()?
        .f_clamp_min(f64::MIN_POSITIVE)?;
    Ok(features.f_div(&lengths)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_scikit_learns_nearest_neighbours() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/reference/probe.json")).unwrap();
        let matrix = |value: &serde_json::Value| {
            let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
            let width = i64::try_from(rows[0].len()).unwrap();
            Tensor::from_slice(&rows.concat()).view([-1, width])
        };
        let integers = |value: &serde_json::Value| {
            let numbers: Vec<i64> = serde_json::from_value(value.clone()).unwrap();
            Tensor::from_slice(&numbers)
        };
        let neighbours = Neighbours::new(
            &matrix(&table["train"]),
            &integers(&table["train_labels"]),
            4,
        )
        .unwrap();
        let cases = table["neighbours"].as_array().unwrap();
        let ks: Vec<u32> = cases
            .iter()
            .map(|case| case["k"].as_u64().unwrap().try_into().unwrap())
            .collect();
        let found = neighbours.classify(&matrix(&table["test"]), &ks).unwrap();
        for (case, found) in cases.iter().zip(found) {
            assert_eq!(found, integers(&case["predicted"]), "k = {}", case["k"]);
        }
    }

    #[test]
    fn the_length_of_features_does_not_matter_and_ties_go_to_the_smaller_class() {
        let known = Tensor::from_slice2(&[[1.0_f64, 0.0], [0.0, 7.0]]);
        let neighbours = Neighbours::new(&known, &Tensor::from_slice(&[1_i64, 0]), 2).unwrap();
        let wanted = Tensor::from_slice2(&[[9.0_f64, 1.0], [0.0, 0.1], [0.0, 0.0]]);
        let found = neighbours.classify(&wanted, &[1, 2, 99]).unwrap();
        let classes = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(classes(&found[0]), [1, 0, 1]);
        // One vote each.
        assert_eq!(classes(&found[1]), [0, 0, 0]);
        assert_eq!(classes(&found[2]), classes(&found[1]));
    }

    #[test]
    fn many_neighbours_of_many_classes_take_the_memory_of_the_votes_alone() {
        let (pictures, classes) = (10_000_i64, 50_000_i64);
        let on_cpu = |kind| (kind, tch::Device::Cpu);
        let angles = Tensor::arange(pictures, on_cpu(Kind::Double)) / pictures;
        let known = Tensor::stack(&[angles.cos(), angles.sin()], 1);
        // All but the first are of the last class.
        let labels = Tensor::full([pictures], classes - 1, on_cpu(Kind::Int64));
        let _ = labels.get(0).fill_(3_i64);
        let classes = usize::try_from(classes).unwrap();
        let neighbours = Neighbours::new(&known, &labels, classes).unwrap();
        // With a number for each neighbour and class, 64 pictures would take 256 GB.
        let wanted = known.narrow(0, 0, 64);
        let k = u32::try_from(pictures).unwrap();
        let found = neighbours.classify(&wanted, &[1, k]).unwrap();
        let first = [0, 1].map(|picture| found[0].int64_value(&[picture]));
        assert_eq!(first, [3, 49_999]);
        assert_eq!(found[1], found[1].full_like(49_999_i64));
    }
}
