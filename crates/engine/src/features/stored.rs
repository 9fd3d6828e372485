//! Features as a file of the cache: safetensors with a checksum over all that it holds.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::key::Key;
use crate::data::Features;
use crate::model;
use crate::weights::{self, Dtype, Entry};

const FEATURES: &str = "features";
const LABELS: &str = "labels";
const CHECKSUM: &str = "sha256";

/// The bytes of a file.
pub(super) fn write(features: &Features, key: &Key) -> Result<Vec<u8>> {
    let (numbers, labels) = (features.features(), features.labels());
    let (data, classes) = (model::bytes(numbers)?, model::bytes(labels)?);
    let dtype = match numbers.kind() {
        Kind::Float => Dtype::F32,
        Kind::BFloat16 => Dtype::Bf16,
        other => bail!("features of kind {other:?} are not kept"),
    };
    let entries = [
        (
            FEATURES.to_owned(),
            Entry {
                dtype,
                shape: numbers.size(),
                data: &data,
            },
        ),
        (
            LABELS.to_owned(),
            Entry {
                dtype: Dtype::I64,
                shape: labels.size(),
                data: &classes,
            },
        ),
    ];
    let entries = entries
        .iter()
        .map(|(name, entry)| (name.clone(), entry))
        .collect::<Vec<_>>();
    let mut facts = key.facts.clone();
    let sum = checksum(key, &facts, &[entries[0].1, entries[1].1]);
    facts.insert(CHECKSUM.to_owned(), sum);
    weights::write_entries(&facts, &entries)
}

/// The features in a file's bytes, which must be whole, of this key and of `(images, width)`. They are in the CPU's memory.
pub(super) fn parse(bytes: &[u8], key: &Key, (images, width): (usize, usize)) -> Result<Features> {
    let mut entries = weights::parse(bytes)?;
    let mut facts = weights::metadata(bytes);
    // What every file that is written here says.
    ensure!(
        facts.remove("format").as_deref() == Some("pt"),
        "its header is another"
    );
    let said = facts.remove(CHECKSUM).context("it has no checksum")?;
    let mut take = |name: &str| {
        entries
            .remove(name)
            .with_context(|| format!("it holds no {name}"))
    };
    let (numbers, labels) = (take(FEATURES)?, take(LABELS)?);
    ensure!(
        checksum(key, &facts, &[&numbers, &labels]) == said,
        "its checksum is another"
    );
    let (images, width) = (i64::try_from(images)?, i64::try_from(width)?);
    ensure!(
        numbers.shape == [images, width] && labels.shape == [images],
        "expected {images} rows of {width}, found {:?}",
        numbers.shape
    );
    let kind = match numbers.dtype {
        Dtype::F32 => Kind::Float,
        Dtype::Bf16 => Kind::BFloat16,
        other => bail!("expected F32 or BF16, found {other:?}"),
    };
    let numbers = Tensor::f_from_data_size(numbers.data, &numbers.shape, kind)?;
    Features::new(&[numbers], &[labels.tensor()?])
}

/// SHA-256 over the key, what the file says about itself, and each tensor with its description.
fn checksum(key: &Key, facts: &BTreeMap<String, String>, entries: &[&Entry<'_>; 2]) -> String {
    let mut hash = Sha256::new();
    hash.update(&key.hash);
    hash.update(format!("{facts:?}"));
    for entry in entries {
        hash.update(format!("{:?} {:?}", entry.dtype, entry.shape));
        hash.update(entry.data);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            hash: "5".repeat(64),
            facts: BTreeMap::from([("backbone".to_owned(), "resnet18".to_owned())]),
        }
    }

    fn features(kind: Kind) -> Features {
        let numbers = Tensor::from_slice(&[1.5_f32, -2.0, 0.25, 3.0, 4.0, -0.0])
            .view([3, 2])
            .to_kind(kind);
        Features::new(&[numbers], &[Tensor::from_slice(&[2_i64, 0, 1])]).unwrap()
    }

    #[test]
    fn features_come_back_with_every_bit_and_their_number_format() {
        for kind in [Kind::Float, Kind::BFloat16] {
            let before = features(kind);
            let bytes = write(&before, &key()).unwrap();
            let after = parse(&bytes, &key(), (3, 2)).unwrap();
            assert_eq!(after.features().kind(), kind);
            assert_eq!(
                model::bytes(after.features()).unwrap(),
                model::bytes(before.features()).unwrap()
            );
            assert_eq!(
                model::bytes(after.labels()).unwrap(),
                model::bytes(before.labels()).unwrap()
            );
        }
    }

    #[test]
    fn any_changed_byte_is_found() {
        let bytes = write(&features(Kind::Float), &key()).unwrap();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            let found = parse(&damaged, &key(), (3, 2));
            assert!(found.is_err(), "byte {place}");
        }
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], &key(), (3, 2)).is_err());
        }
    }

    #[test]
    fn a_file_of_another_key_or_shape_is_refused() {
        let bytes = write(&features(Kind::Float), &key()).unwrap();
        let other = Key {
            hash: "6".repeat(64),
            ..key()
        };
        assert!(parse(&bytes, &other, (3, 2)).is_err());
        assert!(parse(&bytes, &key(), (3, 3)).is_err());
        assert!(parse(&bytes, &key(), (2, 2)).is_err());
    }
}
