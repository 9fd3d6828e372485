//! What warmstart knows by name: datasets, and where pretrained weights of a backbone come from.

use crate::architecture::Backbone;
pub use crate::dataset_name::{DatasetName, Labels};

impl DatasetName {
    pub const ALL: [Self; 3] = [Self::Emoji98, Self::Cifar100, Self::Cifar10];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emoji98 => "emoji98",
            Self::Cifar100 => "cifar100",
            Self::Cifar10 => "cifar10",
            Self::ImageFolder => "image_folder",
        }
    }

    /// Side length of its pictures; of one's own, which come in any size, the side that they are resized to by default.
    pub fn pixels(self) -> u32 {
        if self == Self::ImageFolder { 224 } else { 32 }
    }

    /// Number of classes, where the name alone tells.
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

    /// Whether a picture has a coarse label beside its fine one.
    pub fn has_coarse_labels(self) -> bool {
        matches!(self, Self::Emoji98 | Self::Cifar100)
    }

    /// Training and test files of the published binary version, inside its folder; none for the embedded one and for pictures.
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

    /// The archive that its publisher offers; none for the embedded one and for pictures.
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

    /// Name of the folder that the published archive unpacks to.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Self::Emoji98 | Self::ImageFolder => None,
            Self::Cifar100 => Some("cifar-100-binary"),
            Self::Cifar10 => Some("cifar-10-batches-bin"),
        }
    }
}

/// An archive as its publisher describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    pub file: &'static str,
    pub bytes: u64,
    /// In hexadecimal, as the dataset's page has it.
    pub md5: &'static str,
}

/// Where the published `ImageNet` weights of a backbone are, and what they expect of their input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pretrained {
    /// Repository on the Hugging Face hub.
    pub hub: &'static str,
    /// Side in pixels of the images that the weights were trained or tuned on.
    pub pixels: u32,
    /// Mean of each channel of pixels in 0..1 that the weights were trained with.
    pub mean: [f32; 3],
    /// Standard deviation likewise.
    pub std: [f32; 3],
}

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What `TensorFlow`'s models and some later ones scale pixels with, to -1..1.
const HALF: [f32; 3] = [0.5; 3];

impl Pretrained {
    /// What timm takes where no tag is named.
    pub fn of(backbone: Backbone) -> Self {
        // Normalization belongs to the weights: two sets of one backbone may differ in it.
        let imagenet = |hub, pixels| Self {
            hub,
            pixels,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        };
        let half = |hub, pixels| Self {
            hub,
            pixels,
            mean: HALF,
            std: HALF,
        };
        match backbone {
            Backbone::Resnet18 => imagenet("timm/resnet18.a1_in1k", 224),
            Backbone::Resnet34 => imagenet("timm/resnet34.a1_in1k", 224),
            Backbone::Resnet50 => imagenet("timm/resnet50.a1_in1k", 224),
            Backbone::Resnet101 => imagenet("timm/resnet101.a1h_in1k", 224),
            Backbone::EfficientnetB0 => imagenet("timm/efficientnet_b0.ra_in1k", 224),
            Backbone::EfficientnetB1 => half("timm/efficientnet_b1.ra4_e3600_r240_in1k", 240),
            Backbone::EfficientnetB2 => imagenet("timm/efficientnet_b2.ra_in1k", 256),
            Backbone::EfficientnetB3 => imagenet("timm/efficientnet_b3.ra2_in1k", 288),
            Backbone::TfEfficientnetB0 => imagenet("timm/tf_efficientnet_b0.ns_jft_in1k", 224),
            Backbone::TfEfficientnetB1 => imagenet("timm/tf_efficientnet_b1.ns_jft_in1k", 240),
            Backbone::TfEfficientnetB2 => imagenet("timm/tf_efficientnet_b2.ns_jft_in1k", 260),
            Backbone::TfEfficientnetB3 => imagenet("timm/tf_efficientnet_b3.ns_jft_in1k", 300),
            Backbone::EfficientnetLite0 => imagenet("timm/efficientnet_lite0.ra_in1k", 224),
            Backbone::TfEfficientnetLite0 => half("timm/tf_efficientnet_lite0.in1k", 224),
            Backbone::MobilenetV3Large100 => imagenet("timm/mobilenetv3_large_100.ra_in1k", 224),
            Backbone::ConvnextTiny => imagenet("timm/convnext_tiny.in12k_ft_in1k", 224),
            Backbone::VitSmallPatch16 => {
                half("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 224)
            }
        }
    }

    /// File name in warmstart's own folders: timm's name with its tag.
    pub fn file_name(&self) -> String {
        format!("{}.safetensors", self.hub.trim_start_matches("timm/"))
    }
}
