//! The published datasets: files, sizes, hashes and addresses.

pub use crate::architecture::Pretrained;
pub use crate::dataset_name::{DatasetName, Labels};

/// Where both CIFARs are published.
pub const CIFAR_URL: &str = "https://www.cs.toronto.edu/~kriz";

impl DatasetName {
    /// The datasets with fixed pictures: all but [`Self::ImageFolder`].
    pub const ALL: [Self; 3] = [Self::Emoji98, Self::Cifar100, Self::Cifar10];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emoji98 => "emoji98",
            Self::Cifar100 => "cifar100",
            Self::Cifar10 => "cifar10",
            Self::ImageFolder => "image_folder",
        }
    }

    /// Side length of its images; for an image folder, whose images have any size, the default side after resizing.
    pub fn pixels(self) -> u32 {
        if self == Self::ImageFolder { 224 } else { 32 }
    }

    /// Number of classes; none if the name does not determine it.
    pub fn classes(self, labels: Labels) -> Option<u32> {
        match (self, labels) {
            (Self::Emoji98, Labels::Fine) => Some(98),
            (Self::Emoji98, Labels::Coarse) => Some(9),
            (Self::Cifar100, Labels::Fine) => Some(100),
            (Self::Cifar100, Labels::Coarse) => Some(20),
            (Self::Cifar10, _) => Some(10),
            (Self::ImageFolder, _) => None,
        }
    }

    /// Training and test files of the published binary version, relative to its folder; none for the embedded dataset and image
    /// folders.
    pub fn files(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some((&["train.bin"], &["test.bin"])),
            Self::Cifar10 => Some((
                &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                ],
                &["test_batch.bin"],
            )),
        }
    }

    /// Bytes of one of its published files: records of label bytes and 3072 pixel bytes.
    pub fn file_bytes(self, file: &str) -> u64 {
        match (self, file) {
            (Self::Cifar100, "train.bin") => 50_000 * 3_074,
            (Self::Cifar100, _) => 10_000 * 3_074,
            _ => 10_000 * 3_073,
        }
    }

    /// The published archive; none for the embedded dataset and image folders.
    pub fn archive(self) -> Option<Archive> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some(Archive {
                file: "cifar-100-binary.tar.gz",
                bytes: 168_513_733,
                md5: "03b5dce01913d631647c71ecec9e9cb8",
            }),
            Self::Cifar10 => Some(Archive {
                file: "cifar-10-binary.tar.gz",
                bytes: 170_052_171,
                md5: "c32a1d4ab5d03f1284b67883e8d87530",
            }),
        }
    }

    /// Name of the folder in the published archive.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some("cifar-100-binary"),
            Self::Cifar10 => Some("cifar-10-batches-bin"),
        }
    }
}

/// A published archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    pub file: &'static str,
    pub bytes: u64,
    /// In hexadecimal, as the dataset's page gives it.
    pub md5: &'static str,
}
