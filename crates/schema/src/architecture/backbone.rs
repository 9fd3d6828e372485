//! The backbones, by timm's names: one row a model, as timm's `default_cfgs`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

use super::input_size::InputSize;
use super::pretrained::{Pretrained, clip, half, imagenet};
use super::{convnext, efficientnet, mobilenet_v4, regnet, resnet, vit};

/// The structure of a backbone's family, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Structure {
    ResNet(resnet::Shape),
    EfficientNet(efficientnet::Shape),
    MobileNetV3,
    MobileNetV4(mobilenet_v4::Shape),
    ConvNeXt(convnext::Shape),
    RegNet(regnet::Shape),
    DenseNet,
    Vgg,
    VisionTransformer(vit::Shape),
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    classifier: &'static str,
    structure: Structure,
    pretrained: Pretrained,
}

/// Makes the enum and the table from rows of: name, classifying module, structure, weights.
macro_rules! backbones {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal, $classifier:literal, $structure:expr, $pretrained:expr;
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
    Resnet18 = "resnet18", "fc",
        Structure::ResNet(resnet::basic([2, 2, 2, 2])),
        imagenet("timm/resnet18.a1_in1k", 224);
    /// The same, deeper.
    Resnet34 = "resnet34", "fc",
        Structure::ResNet(resnet::basic([3, 4, 6, 3])),
        imagenet("timm/resnet34.a1_in1k", 224);
    /// As `resnet34` with bottlenecks, whose 3×3 convolution has the stride.
    Resnet50 = "resnet50", "fc",
        Structure::ResNet(resnet::bottleneck([3, 4, 6, 3])),
        imagenet("timm/resnet50.a1_in1k", 224);
    /// `resnet50` with 23 blocks instead of 6 in its third stage.
    Resnet101 = "resnet101", "fc",
        Structure::ResNet(resnet::bottleneck([3, 4, 23, 3])),
        imagenet("timm/resnet101.a1h_in1k", 224);
    /// Xie et al., "Aggregated Residual Transformations for Deep Neural Networks" (2017): `resnet50`, wider, in 32 groups.
    Resnext50 = "resnext50_32x4d", "fc",
        Structure::ResNet(resnet::bottleneck([3, 4, 6, 3]).wide(32)),
        imagenet("timm/resnext50_32x4d.a1h_in1k", 224);
    /// Zagoruyko and Komodakis, "Wide Residual Networks" (2016): `resnet50`, its 3×3 convolutions twice as wide.
    WideResnet50 = "wide_resnet50_2", "fc",
        Structure::ResNet(resnet::bottleneck([3, 4, 6, 3]).wide(1)),
        imagenet("timm/wide_resnet50_2.racm_in1k", 224);
    /// He et al., "Bag of Tricks for Image Classification" (2018): bottlenecks in the depths of `resnet18`, a deep stem.
    Resnet26d = "resnet26d", "fc",
        Structure::ResNet(resnet::bottleneck([2, 2, 2, 2]).deep()),
        imagenet("timm/resnet26d.bt_in1k", 224);
    /// `resnet50` with the same changes.
    Resnet50d = "resnet50d", "fc",
        Structure::ResNet(resnet::bottleneck([3, 4, 6, 3]).deep()),
        imagenet("timm/resnet50d.ra2_in1k", 224);
    /// Hu et al., "Squeeze-and-Excitation Networks" (2018): `resnet50` with gates.
    Seresnet50 = "seresnet50", "fc",
        Structure::ResNet(resnet::bottleneck([3, 4, 6, 3]).gated()),
        imagenet("timm/seresnet50.a1_in1k", 224);
    /// Radosavovic et al., "Designing Network Design Spaces" (2020), 0.8 billion multiply-adds, with gates.
    Regnety008 = "regnety_008", "head.fc",
        Structure::RegNet(regnet::Y_008),
        imagenet("timm/regnety_008.pycls_in1k", 224);
    /// The same with 1.6 billion.
    Regnety016 = "regnety_016", "head.fc",
        Structure::RegNet(regnet::Y_016),
        imagenet("timm/regnety_016.tv2_in1k", 224);
    /// The same with 3.2 billion.
    Regnety032 = "regnety_032", "head.fc",
        Structure::RegNet(regnet::Y_032),
        imagenet("timm/regnety_032.ra_in1k", 224);
    /// Huang et al., "Densely Connected Convolutional Networks" (2017).
    Densenet121 = "densenet121", "classifier",
        Structure::DenseNet,
        imagenet("timm/densenet121.ra_in1k", 224);
    /// Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014), batch-normalized.
    Vgg16Bn = "vgg16_bn", "head.fc",
        Structure::Vgg,
        imagenet("timm/vgg16_bn.tv_in1k", 224);
    /// Tan and Le, "`EfficientNet`: Rethinking Model Scaling for Convolutional Neural Networks" (2019).
    EfficientnetB0 = "efficientnet_b0", "classifier",
        Structure::EfficientNet(efficientnet::PYTORCH),
        imagenet("timm/efficientnet_b0.ra_in1k", 224);
    /// B0, 1.1 times as deep.
    EfficientnetB1 = "efficientnet_b1", "classifier",
        Structure::EfficientNet(efficientnet::PYTORCH.scaled(10, 11)),
        half("timm/efficientnet_b1.ra4_e3600_r240_in1k", 240);
    /// B0, 1.1 times as wide and 1.2 times as deep.
    EfficientnetB2 = "efficientnet_b2", "classifier",
        Structure::EfficientNet(efficientnet::PYTORCH.scaled(11, 12)),
        imagenet("timm/efficientnet_b2.ra_in1k", 256);
    /// B0, 1.2 times as wide and 1.4 times as deep.
    EfficientnetB3 = "efficientnet_b3", "classifier",
        Structure::EfficientNet(efficientnet::PYTORCH.scaled(12, 14)),
        imagenet("timm/efficientnet_b3.ra2_in1k", 288);
    /// B0 with TensorFlow's padding and batch normalization.
    TfEfficientnetB0 = "tf_efficientnet_b0", "classifier",
        Structure::EfficientNet(efficientnet::TENSORFLOW),
        imagenet("timm/tf_efficientnet_b0.ns_jft_in1k", 224);
    /// B1 likewise.
    TfEfficientnetB1 = "tf_efficientnet_b1", "classifier",
        Structure::EfficientNet(efficientnet::TENSORFLOW.scaled(10, 11)),
        imagenet("timm/tf_efficientnet_b1.ns_jft_in1k", 240);
    /// B2 likewise.
    TfEfficientnetB2 = "tf_efficientnet_b2", "classifier",
        Structure::EfficientNet(efficientnet::TENSORFLOW.scaled(11, 12)),
        imagenet("timm/tf_efficientnet_b2.ns_jft_in1k", 260);
    /// B3 likewise.
    TfEfficientnetB3 = "tf_efficientnet_b3", "classifier",
        Structure::EfficientNet(efficientnet::TENSORFLOW.scaled(12, 14)),
        imagenet("timm/tf_efficientnet_b3.ns_jft_in1k", 300);
    /// B0 without squeeze-and-excitation, with `ReLU6`.
    EfficientnetLite0 = "efficientnet_lite0", "classifier",
        Structure::EfficientNet(efficientnet::LITE),
        imagenet("timm/efficientnet_lite0.ra_in1k", 224);
    /// B0 without squeeze-and-excitation, with `ReLU6` and TensorFlow's padding.
    TfEfficientnetLite0 = "tf_efficientnet_lite0", "classifier",
        Structure::EfficientNet(efficientnet::TENSORFLOW_LITE),
        half("timm/tf_efficientnet_lite0.in1k", 224);
    /// Tan and Le, "`EfficientNetV2`: Smaller Models and Faster Training" (2021), as trained in TensorFlow.
    TfEfficientnetV2S = "tf_efficientnetv2_s", "classifier",
        Structure::EfficientNet(efficientnet::TENSORFLOW_V2_S),
        half("timm/tf_efficientnetv2_s.in21k_ft_in1k", 300);
    /// The same, as timm's author built it from the paper.
    EfficientnetV2RwS = "efficientnetv2_rw_s", "classifier",
        Structure::EfficientNet(efficientnet::RW_V2_S),
        imagenet("timm/efficientnetv2_rw_s.ra2_in1k", 288);
    /// Sandler et al., "`MobileNetV2`: Inverted Residuals and Linear Bottlenecks" (2018).
    MobilenetV2 = "mobilenetv2_100", "classifier",
        Structure::EfficientNet(efficientnet::MOBILENET_V2),
        imagenet("timm/mobilenetv2_100.ra_in1k", 224);
    /// Howard et al., "Searching for `MobileNetV3`" (2019).
    MobilenetV3Large100 = "mobilenetv3_large_100", "classifier",
        Structure::MobileNetV3,
        imagenet("timm/mobilenetv3_large_100.ra_in1k", 224);
    /// Qin et al., "`MobileNetV4`: Universal Models for the Mobile Ecosystem" (2024), small and of convolutions alone.
    MobilenetV4ConvSmall = "mobilenetv4_conv_small", "classifier",
        Structure::MobileNetV4(mobilenet_v4::SMALL),
        imagenet("timm/mobilenetv4_conv_small.e2400_r224_in1k", 224);
    /// The same in its medium size.
    MobilenetV4ConvMedium = "mobilenetv4_conv_medium", "classifier",
        Structure::MobileNetV4(mobilenet_v4::MEDIUM),
        imagenet("timm/mobilenetv4_conv_medium.e500_r256_in1k", 256);
    /// Liu et al., "A `ConvNet` for the 2020s" (2022).
    ConvnextTiny = "convnext_tiny", "head.fc",
        Structure::ConvNeXt(convnext::TINY),
        imagenet("timm/convnext_tiny.in12k_ft_in1k", 224);
    /// `convnext_tiny`, smaller, by timm's author.
    ConvnextNano = "convnext_nano", "head.fc",
        Structure::ConvNeXt(convnext::NANO),
        imagenet("timm/convnext_nano.in12k_ft_in1k", 224);
    /// `convnext_tiny` with 27 blocks instead of 9 in its third stage.
    ConvnextSmall = "convnext_small", "head.fc",
        Structure::ConvNeXt(convnext::SMALL),
        imagenet("timm/convnext_small.in12k_ft_in1k", 224);
    /// `convnext_small`, wider.
    ConvnextBase = "convnext_base", "head.fc",
        Structure::ConvNeXt(convnext::BASE),
        imagenet("timm/convnext_base.fb_in22k_ft_in1k", 224);
    /// Woo et al., "`ConvNeXt` V2" (2023), in the size of `convnext_nano`. Weights: CC BY-NC 4.0.
    ConvnextV2Nano = "convnextv2_nano", "head.fc",
        Structure::ConvNeXt(convnext::NANO.v2()),
        imagenet("timm/convnextv2_nano.fcmae_ft_in22k_in1k", 224);
    /// The same in the size of `convnext_tiny`.
    ConvnextV2Tiny = "convnextv2_tiny", "head.fc",
        Structure::ConvNeXt(convnext::TINY.v2()),
        imagenet("timm/convnextv2_tiny.fcmae_ft_in22k_in1k", 224);
    /// The same in the size of `convnext_base`.
    ConvnextV2Base = "convnextv2_base", "head.fc",
        Structure::ConvNeXt(convnext::BASE.v2()),
        imagenet("timm/convnextv2_base.fcmae_ft_in22k_in1k", 224);
    /// Dosovitskiy et al., "An Image is Worth 16×16 Words" (2021), in the small size of Steiner et al.
    VitSmallPatch16 = "vit_small_patch16_224", "head",
        Structure::VisionTransformer(vit::SMALL),
        half("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 224);
    /// `vit_small_patch16_224`, twice as wide.
    VitBasePatch16 = "vit_base_patch16_224", "head",
        Structure::VisionTransformer(vit::SMALL.base()),
        half("timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", 224);
    /// The same on patches of 32 pixels.
    VitBasePatch32 = "vit_base_patch32_224", "head",
        Structure::VisionTransformer(vit::SMALL.base().patches(32)),
        half("timm/vit_base_patch32_224.augreg_in21k_ft_in1k", 224);
    /// Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021): CLIP's image tower.
    VitBasePatch16Clip = "vit_base_patch16_clip_224", "head",
        Structure::VisionTransformer(vit::CLIP),
        clip("timm/vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", 224);
    /// The same on patches of 32 pixels.
    VitBasePatch32Clip = "vit_base_patch32_clip_224", "head",
        Structure::VisionTransformer(vit::CLIP.patches(32)),
        clip("timm/vit_base_patch32_clip_224.laion2b_ft_in12k_in1k", 224);
    /// `vit_base_patch16_clip_224` with the activation of `OpenAI`'s original. Weights: CC BY-NC 4.0.
    VitBasePatch16ClipQuickGelu = "vit_base_patch16_clip_quickgelu_224", "head",
        Structure::VisionTransformer(vit::CLIP.quick_gelu()),
        clip("timm/vit_base_patch16_clip_224.metaclip_2pt5b", 224);
    /// The same on patches of 32 pixels.
    VitBasePatch32ClipQuickGelu = "vit_base_patch32_clip_quickgelu_224", "head",
        Structure::VisionTransformer(vit::CLIP.patches(32).quick_gelu()),
        clip("timm/vit_base_patch32_clip_224.laion400m_e32", 224);
    /// Touvron et al., "`DeiT` III: Revenge of the `ViT`" (2022).
    Deit3SmallPatch16 = "deit3_small_patch16_224", "head",
        Structure::VisionTransformer(vit::DEIT3),
        imagenet("timm/deit3_small_patch16_224.fb_in1k", 224);
    /// The same, twice as wide.
    Deit3BasePatch16 = "deit3_base_patch16_224", "head",
        Structure::VisionTransformer(vit::DEIT3.base()),
        imagenet("timm/deit3_base_patch16_224.fb_in1k", 224);
    /// Oquab et al., "`DINOv2`: Learning Robust Visual Features without Supervision" (2024).
    VitSmallPatch14DinoV2 = "vit_small_patch14_dinov2", "head",
        Structure::VisionTransformer(vit::DINO_V2),
        imagenet("timm/vit_small_patch14_dinov2.lvd142m", 518);
    /// The same, twice as wide.
    VitBasePatch14DinoV2 = "vit_base_patch14_dinov2", "head",
        Structure::VisionTransformer(vit::DINO_V2.base()),
        imagenet("timm/vit_base_patch14_dinov2.lvd142m", 518);
    /// `vit_small_patch14_dinov2` with registers (Darcet et al. 2024).
    VitSmallPatch14Reg4DinoV2 = "vit_small_patch14_reg4_dinov2", "head",
        Structure::VisionTransformer(vit::DINO_V2_REGISTERS),
        imagenet("timm/vit_small_patch14_reg4_dinov2.lvd142m", 518);
    /// The same, twice as wide.
    VitBasePatch14Reg4DinoV2 = "vit_base_patch14_reg4_dinov2", "head",
        Structure::VisionTransformer(vit::DINO_V2_REGISTERS.base()),
        imagenet("timm/vit_base_patch14_reg4_dinov2.lvd142m", 518);
    /// Siméoni et al., "`DINOv3`" (2025). Weights: Meta's `DINOv3` licence.
    VitSmallPatch16DinoV3 = "vit_small_patch16_dinov3", "head",
        Structure::VisionTransformer(vit::DINO_V3),
        imagenet("timm/vit_small_patch16_dinov3.lvd1689m", 256);
    /// The same, twice as wide.
    VitBasePatch16DinoV3 = "vit_base_patch16_dinov3", "head",
        Structure::VisionTransformer(vit::DINO_V3.base()),
        imagenet("timm/vit_base_patch16_dinov3.lvd1689m", 256);
}

impl Backbone {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// timm's name, as in experiment files.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The module of timm's model that classifies. A head of warmstart takes its place.
    pub fn classifier(self) -> &'static str {
        self.row().classifier
    }

    /// The images that it takes.
    pub fn input_size(self) -> InputSize {
        match self.structure() {
            Structure::VisionTransformer(shape) => shape.input_size(),
            Structure::ResNet(_)
            | Structure::EfficientNet(_)
            | Structure::MobileNetV3
            | Structure::MobileNetV4(_)
            | Structure::ConvNeXt(_)
            | Structure::RegNet(_)
            | Structure::DenseNet
            | Structure::Vgg => InputSize::Any,
        }
    }

    /// Whether it begins with one convolution and pooling, so that [`super::Stem::Small`] can take their place.
    pub fn takes_small_stem(self) -> bool {
        matches!(self.structure(), Structure::ResNet(shape) if shape.takes_small_stem())
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
#[error(
    "unknown backbone `{0}`; close to it are {near}; `warmstart models` lists all",
    near = text::nearest(.0, &Backbone::ALL.map(Backbone::as_str), 3).join(", ")
)]
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
