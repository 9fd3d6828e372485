//! The structure of every model, without a single tensor: the dashboard counts parameters from it and the engine builds
//! its modules from it, so the two cannot disagree. Tensor names and their order are timm's.

mod backbone;
mod block;
mod convnext;
mod count;
mod efficientnet;
mod head;
mod inverted;
mod layer;
mod mobilenet;
mod resnet;
mod vit;

pub use backbone::{Backbone, UnknownBackbone};
pub use block::{Architecture, Block};
pub use count::{BlockCounts, ModelCounts, ParamCounts, count};
pub use head::HeadSpec;
pub use layer::{
    Activation, Attention, Conv, ConvNorm, Gate, Layer, LayerNorm, Mlp, Padding, Patches, Residual,
    Shortcut, SqueezeExcite, TensorKind, TensorSpec,
};

impl Architecture {
    /// The structure of `backbone`.
    pub fn new(backbone: Backbone) -> Self {
        use efficientnet::{LITE, PYTORCH, TENSORFLOW, TENSORFLOW_LITE, scaled};
        use resnet::Kind::{Basic, Bottleneck};
        match backbone {
            Backbone::Resnet18 => resnet::architecture(backbone, Basic, [2, 2, 2, 2]),
            Backbone::Resnet34 => resnet::architecture(backbone, Basic, [3, 4, 6, 3]),
            Backbone::Resnet50 => resnet::architecture(backbone, Bottleneck, [3, 4, 6, 3]),
            Backbone::Resnet101 => resnet::architecture(backbone, Bottleneck, [3, 4, 23, 3]),
            Backbone::EfficientnetB0 => scaled(backbone, &PYTORCH, 10, 10),
            Backbone::EfficientnetB1 => scaled(backbone, &PYTORCH, 10, 11),
            Backbone::EfficientnetB2 => scaled(backbone, &PYTORCH, 11, 12),
            Backbone::EfficientnetB3 => scaled(backbone, &PYTORCH, 12, 14),
            Backbone::TfEfficientnetB0 => scaled(backbone, &TENSORFLOW, 10, 10),
            Backbone::TfEfficientnetB1 => scaled(backbone, &TENSORFLOW, 10, 11),
            Backbone::TfEfficientnetB2 => scaled(backbone, &TENSORFLOW, 11, 12),
            Backbone::TfEfficientnetB3 => scaled(backbone, &TENSORFLOW, 12, 14),
            Backbone::EfficientnetLite0 => scaled(backbone, &LITE, 10, 10),
            Backbone::TfEfficientnetLite0 => scaled(backbone, &TENSORFLOW_LITE, 10, 10),
            Backbone::MobilenetV3Large100 => mobilenet::architecture(backbone),
            Backbone::ConvnextTiny => convnext::architecture(backbone),
            Backbone::VitSmallPatch16 => vit::architecture(backbone),
        }
    }
}
