//! The backbones, by timm's names.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Side of the image that the vision transformer takes: there is one learnt position for each of its patches.
pub(super) const VIT_PIXELS: u32 = 224;

/// A pretrained base, named as in timm.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Backbone {
    /// He et al., "Deep Residual Learning for Image Recognition" (2015).
    Resnet18,
    /// The same, deeper.
    Resnet34,
    /// The same with bottlenecks, striding in the 3×3 convolution.
    Resnet50,
    /// `resnet50` with 23 blocks instead of 6 in its third stage.
    Resnet101,
    /// Tan and Le, "`EfficientNet`: Rethinking Model Scaling for Convolutional Neural Networks" (2019).
    EfficientnetB0,
    /// B0, 1.1 times as deep.
    EfficientnetB1,
    /// B0, 1.1 times as wide and 1.2 times as deep.
    EfficientnetB2,
    /// B0, 1.2 times as wide and 1.4 times as deep.
    EfficientnetB3,
    /// B0 with TensorFlow's padding and batch normalization.
    TfEfficientnetB0,
    /// B1 likewise.
    TfEfficientnetB1,
    /// B2 likewise.
    TfEfficientnetB2,
    /// B3 likewise.
    TfEfficientnetB3,
    /// B0 without squeeze-and-excitation, with `ReLU6`.
    EfficientnetLite0,
    /// B0 without squeeze-and-excitation, with `ReLU6` and TensorFlow's padding.
    TfEfficientnetLite0,
    /// Howard et al., "Searching for `MobileNetV3`" (2019).
    #[serde(rename = "mobilenetv3_large_100")]
    MobilenetV3Large100,
    /// Liu et al., "A `ConvNet` for the 2020s" (2022).
    ConvnextTiny,
    /// Dosovitskiy et al., "An Image is Worth 16×16 Words" (2021), in the small size of Steiner et al.; 224 pixels only.
    #[serde(rename = "vit_small_patch16_224")]
    VitSmallPatch16,
}

impl Backbone {
    /// Every backbone there is, in the order in which lists show them.
    pub const ALL: [Self; 17] = [
        Self::Resnet18,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::EfficientnetB0,
        Self::EfficientnetB1,
        Self::EfficientnetB2,
        Self::EfficientnetB3,
        Self::TfEfficientnetB0,
        Self::TfEfficientnetB1,
        Self::TfEfficientnetB2,
        Self::TfEfficientnetB3,
        Self::EfficientnetLite0,
        Self::TfEfficientnetLite0,
        Self::MobilenetV3Large100,
        Self::ConvnextTiny,
        Self::VitSmallPatch16,
    ];

    /// timm's name, as in experiment files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resnet18 => "resnet18",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
            Self::Resnet101 => "resnet101",
            Self::EfficientnetB0 => "efficientnet_b0",
            Self::EfficientnetB1 => "efficientnet_b1",
            Self::EfficientnetB2 => "efficientnet_b2",
            Self::EfficientnetB3 => "efficientnet_b3",
            Self::TfEfficientnetB0 => "tf_efficientnet_b0",
            Self::TfEfficientnetB1 => "tf_efficientnet_b1",
            Self::TfEfficientnetB2 => "tf_efficientnet_b2",
            Self::TfEfficientnetB3 => "tf_efficientnet_b3",
            Self::EfficientnetLite0 => "efficientnet_lite0",
            Self::TfEfficientnetLite0 => "tf_efficientnet_lite0",
            Self::MobilenetV3Large100 => "mobilenetv3_large_100",
            Self::ConvnextTiny => "convnext_tiny",
            Self::VitSmallPatch16 => "vit_small_patch16_224",
        }
    }

    /// The module of timm's model that classifies, whose place the study's head takes.
    pub fn classifier(self) -> &'static str {
        match self {
            Self::Resnet18 | Self::Resnet34 | Self::Resnet50 | Self::Resnet101 => "fc",
            Self::ConvnextTiny => "head.fc",
            Self::VitSmallPatch16 => "head",
            _ => "classifier",
        }
    }

    /// Side in pixels of the only input it takes; `None` where any will do.
    pub fn fixed_pixels(self) -> Option<u32> {
        (self == Self::VitSmallPatch16).then_some(VIT_PIXELS)
    }
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A backbone name that is none of [`Backbone::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown backbone `{0}`, expected one of: {list}", list = Backbone::ALL.map(Backbone::as_str).join(", "))]
pub struct UnknownBackbone(pub String);

impl FromStr for Backbone {
    type Err = UnknownBackbone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|backbone| backbone.as_str() == name)
            .ok_or_else(|| UnknownBackbone(name.to_owned()))
    }
}
