//! The embedded dataset.

use std::io::Read;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Dataset;
use super::binary::Layout;

/// `make_emoji98.py` writes it: 3,038 training records, then 774 test records, in CIFAR-100's layout.
static RECORDS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../assets/emoji98.bin.gz"
));
static ABOUT: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../assets/emoji98.json"
));
const TRAIN: usize = 3_038;
const TEST: usize = 774;

/// What the embedded dataset's script wrote down of it.
#[derive(Deserialize)]
struct About {
    fine: Vec<String>,
    coarse: Vec<String>,
}

pub(super) fn load() -> Result<Dataset> {
    let layout = Layout {
        coarse: true,
        classes: 98,
        coarse_classes: 9,
    };
    let mut bytes = Vec::with_capacity((TRAIN + TEST) * layout.record());
    flate2::read::GzDecoder::new(RECORDS)
        .read_to_end(&mut bytes)
        .context("unpacking the embedded emoji98")?;
    let (train, test) = bytes.split_at(TRAIN * layout.record());
    let About { fine, coarse } =
        serde_json::from_slice(ABOUT).context("the embedded emoji98's description")?;
    Ok(Dataset {
        names: [fine, coarse],
        train: layout
            .read(train, TRAIN)
            .context("embedded emoji98, training part")?,
        test: layout
            .read(test, TEST)
            .context("embedded emoji98, test part")?,
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_embedded_dataset_matches_its_script() {
        let about: serde_json::Value = serde_json::from_slice(ABOUT).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(RECORDS)
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(about["sha256"], format!("{:x}", Sha256::digest(&bytes)));
        let data = load().unwrap();
        assert_eq!(
            (about["train"].as_u64(), about["test"].as_u64()),
            (Some(data.train.len() as u64), Some(data.test.len() as u64))
        );
        // Every fine class is in the coarse class that the script recorded.
        for part in [&data.train, &data.test] {
            for (&fine, &coarse) in part.fine.iter().zip(&part.coarse) {
                assert_eq!(
                    about["fine_to_coarse"][usize::from(fine)].as_u64(),
                    Some(u64::from(coarse))
                );
            }
        }
    }
}
