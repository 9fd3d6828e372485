//! The binary layout of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): label bytes, then 3072 pixel bytes, channel by channel.

use anyhow::{Result, bail};
use warmstart_schema::experiment::Labels;

/// Pictures in memory, with one or two labels each.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// `[N, 3, 32, 32]`, row-major.
    pub pixels: Vec<u8>,
    pub fine: Vec<u8>,
    /// Empty where the dataset has none.
    pub coarse: Vec<u8>,
}

impl Pictures {
    /// Height and width in pixels.
    pub const SIDE: i64 = 32;

    pub fn len(&self) -> usize {
        self.fine.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fine.is_empty()
    }

    pub fn labels(&self, which: Labels) -> &[u8] {
        match which {
            Labels::Fine => &self.fine,
            Labels::Coarse => &self.coarse,
        }
    }

    /// Keeps the first `len` pictures.
    pub(super) fn truncate(&mut self, len: usize) {
        self.pixels.truncate(len * PIXELS);
        self.fine.truncate(len);
        self.coarse.truncate(len);
    }

    pub(super) fn append(&mut self, other: Self) {
        self.pixels.extend(other.pixels);
        self.fine.extend(other.fine);
        self.coarse.extend(other.coarse);
    }
}

/// What a record consists of.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Whether a coarse label precedes the fine one.
    pub coarse: bool,
    pub classes: u8,
    pub coarse_classes: u8,
}

const PIXELS: usize = 3 * 32 * 32;

impl Layout {
    /// Bytes of one record.
    pub fn record(self) -> usize {
        PIXELS + if self.coarse { 2 } else { 1 }
    }

    /// Reads exactly `images` records; labels must be of the dataset's classes.
    pub fn read(self, bytes: &[u8], images: usize) -> Result<Pictures> {
        let expected = images * self.record();
        if bytes.len() != expected {
            // Callers read no more than shows that a file is too long.
            let found = if bytes.len() > expected {
                "more".to_owned()
            } else {
                bytes.len().to_string()
            };
            bail!(
                "expected {expected} bytes ({images} records of {}), found {found}",
                self.record()
            );
        }
        let mut pictures = Pictures {
            pixels: Vec::with_capacity(images * PIXELS),
            ..Pictures::default()
        };
        for record in bytes.chunks_exact(self.record()) {
            let (labels, pixels) = record.split_at(record.len() - PIXELS);
            pictures.pixels.extend_from_slice(pixels);
            if let [coarse, fine] = *labels {
                pictures.coarse.push(coarse);
                pictures.fine.push(fine);
            } else {
                pictures.fine.extend_from_slice(labels);
            }
        }
        check(&pictures.fine, self.classes)?;
        check(&pictures.coarse, self.coarse_classes)?;
        Ok(pictures)
    }
}

/// Refuses a label that no class has.
fn check(labels: &[u8], classes: u8) -> Result<()> {
    let wrong = (0_u64..).zip(labels).find(|(_, label)| **label >= classes);
    if let Some((record, label)) = wrong {
        bail!("record {record} has the label {label}, expected a number below {classes}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        coarse: true,
        classes: 100,
        coarse_classes: 20,
    };

    fn records(labels: &[[u8; 2]]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|pair| {
                pair.iter()
                    .copied()
                    .chain((0..PIXELS).map(|i| u8::try_from(i % 251).unwrap()))
            })
            .collect()
    }

    #[test]
    fn records_are_split_into_labels_and_pixels() {
        let pictures = LAYOUT.read(&records(&[[3, 77], [19, 0]]), 2).unwrap();
        assert_eq!((pictures.coarse, pictures.fine), (vec![3, 19], vec![77, 0]));
        assert_eq!(
            (pictures.pixels.len(), pictures.pixels[PIXELS + 250]),
            (2 * PIXELS, 250)
        );
    }

    #[test]
    fn a_truncated_an_overlong_and_a_mislabelled_file_are_refused() {
        let good = records(&[[0, 0], [1, 1]]);
        for (bytes, sign) in [
            (&good[..good.len() - 1], "found 6147"),
            (&records(&[[0, 0]; 3])[..], "found more"),
            (
                &records(&[[0, 0], [0, 100]]),
                "record 1 has the label 100, expected a number below 100",
            ),
            (
                &records(&[[20, 0], [0, 0]]),
                "record 0 has the label 20, expected a number below 20",
            ),
        ] {
            let error = LAYOUT.read(bytes, 2).unwrap_err().to_string();
            assert!(error.contains(sign), "{error}");
        }
    }
}
