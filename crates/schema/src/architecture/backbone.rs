//! The backbones, by timm's names: one row a model, as timm's `default_cfgs`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pretrained::{Pretrained, half, imagenet};

/// Side of the only image that the vision transformer takes: it has a learned position for each of its patches.
pub(super) const VIT_PIXELS: u32 = 224;

/// The structure of a backbone's family, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// Blocks in each of the four stages.
    ResNet(ResidualBlock, [usize; 4]),
    /// Tenths of B0's width and depth.
    EfficientNet(EfficientNetVariant, i64, usize),
    MobileNetV3,
    ConvNeXt,
    VisionTransformer,
}

/// Which residual block the stages of a `ResNet` repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResidualBlock {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, four times as wide at the end.
    Bottleneck,
}

/// What distinguishes `EfficientNet`s apart from their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EfficientNetVariant {
    /// As trained in `PyTorch`.
    PyTorch,
    /// As trained in TensorFlow.
    TensorFlow,
    /// For mobile hardware.
    Lite,
    /// For mobile hardware, as trained in TensorFlow.
    TensorFlowLite,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    classifier: &'static str,
    fixed_pixels: Option<u32>,
    structure: Structure,
    pretrained: Pretrained,
}

/// Makes the enum and the table from rows of: name, classifying module, side of the only input (if any), structure, weights.
macro_rules! backbones {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal, $classifier:literal, $pixels:expr, $structure:expr, $pretrained:expr;
    )+) => {
        /// A pretrained base, named as in timm.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Backbone {
            $( $(#[doc = $doc])+ #[serde(rename = $name)] $variant, )+
        }

        /// In the order of the variants.
        static ROWS: [Row; Backbone::ALL.len()] = [
            $( Row {
                name: $name,
                classifier: $classifier,
                fixed_pixels: $pixels,
                structure: $structure,
                pretrained: $pretrained,
            }, )+
        ];

        impl Backbone {
            /// Every backbone, in the order in which lists show them.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];
        }
    };
}

backbones! {
    /// He et al., "Deep Residual Learning for Image Recognition" (2015).
    Resnet18 = "resnet18", "fc", None,
        Structure::ResNet(ResidualBlock::Basic, [2, 2, 2, 2]),
        imagenet("timm/resnet18.a1_in1k", 224);
    /// The same, deeper.
    Resnet34 = "resnet34", "fc", None,
        Structure::ResNet(ResidualBlock::Basic, [3, 4, 6, 3]),
        imagenet("timm/resnet34.a1_in1k", 224);
    /// As `resnet34` with bottlenecks, whose 3×3 convolution has the stride.
    Resnet50 = "resnet50", "fc", None,
        Structure::ResNet(ResidualBlock::Bottleneck, [3, 4, 6, 3]),
        imagenet("timm/resnet50.a1_in1k", 224);
    /// `resnet50` with 23 blocks instead of 6 in its third stage.
    Resnet101 = "resnet101", "fc", None,
        Structure::ResNet(ResidualBlock::Bottleneck, [3, 4, 23, 3]),
        imagenet("timm/resnet101.a1h_in1k", 224);
    /// Tan and Le, "`EfficientNet`: Rethinking Model Scaling for Convolutional Neural Networks" (2019).
    EfficientnetB0 = "efficientnet_b0", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::PyTorch, 10, 10),
        imagenet("timm/efficientnet_b0.ra_in1k", 224);
    /// B0, 1.1 times as deep.
    EfficientnetB1 = "efficientnet_b1", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::PyTorch, 10, 11),
        half("timm/efficientnet_b1.ra4_e3600_r240_in1k", 240);
    /// B0, 1.1 times as wide and 1.2 times as deep.
    EfficientnetB2 = "efficientnet_b2", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::PyTorch, 11, 12),
        imagenet("timm/efficientnet_b2.ra_in1k", 256);
    /// B0, 1.2 times as wide and 1.4 times as deep.
    EfficientnetB3 = "efficientnet_b3", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::PyTorch, 12, 14),
        imagenet("timm/efficientnet_b3.ra2_in1k", 288);
    /// B0 with TensorFlow's padding and batch normalization.
    TfEfficientnetB0 = "tf_efficientnet_b0", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::TensorFlow, 10, 10),
        imagenet("timm/tf_efficientnet_b0.ns_jft_in1k", 224);
    /// B1 likewise.
    TfEfficientnetB1 = "tf_efficientnet_b1", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::TensorFlow, 10, 11),
        imagenet("timm/tf_efficientnet_b1.ns_jft_in1k", 240);
    /// B2 likewise.
    TfEfficientnetB2 = "tf_efficientnet_b2", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::TensorFlow, 11, 12),
        imagenet("timm/tf_efficientnet_b2.ns_jft_in1k", 260);
    /// B3 likewise.
    TfEfficientnetB3 = "tf_efficientnet_b3", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::TensorFlow, 12, 14),
        imagenet("timm/tf_efficientnet_b3.ns_jft_in1k", 300);
    /// B0 without squeeze-and-excitation, with `ReLU6`.
    EfficientnetLite0 = "efficientnet_lite0", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::Lite, 10, 10),
        imagenet("timm/efficientnet_lite0.ra_in1k", 224);
    /// B0 without squeeze-and-excitation, with `ReLU6` and TensorFlow's padding.
    TfEfficientnetLite0 = "tf_efficientnet_lite0", "classifier", None,
        Structure::EfficientNet(EfficientNetVariant::TensorFlowLite, 10, 10),
        half("timm/tf_efficientnet_lite0.in1k", 224);
    /// Howard et al., "Searching for `MobileNetV3`" (2019).
    MobilenetV3Large100 = "mobilenetv3_large_100", "classifier", None,
        Structure::MobileNetV3,
        imagenet("timm/mobilenetv3_large_100.ra_in1k", 224);
    /// Liu et al., "A `ConvNet` for the 2020s" (2022).
    ConvnextTiny = "convnext_tiny", "head.fc", None,
        Structure::ConvNeXt,
        imagenet("timm/convnext_tiny.in12k_ft_in1k", 224);
    /// Dosovitskiy et al., "An Image is Worth 16×16 Words" (2021), in the small size of Steiner et al.; 224 pixels only.
    VitSmallPatch16 = "vit_small_patch16_224", "head", Some(VIT_PIXELS),
        Structure::VisionTransformer,
        half("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 224);
}

impl Backbone {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// timm's name, as in experiment files.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The module of timm's model that classifies; the study's head replaces it.
    pub fn classifier(self) -> &'static str {
        self.row().classifier
    }

    /// Side in pixels of the only input that it takes; `None` if it takes any.
    pub fn fixed_pixels(self) -> Option<u32> {
        self.row().fixed_pixels
    }

    pub(super) fn structure(self) -> Structure {
        self.row().structure
    }
}

impl Pretrained {
    /// The weights that timm loads if the user names no tag.
    pub fn of(backbone: Backbone) -> Self {
        backbone.row().pretrained
    }
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An unknown backbone name.
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
