//! The structure of every model as data, without tensors. The dashboard counts parameters from it and the engine builds its
//! modules from it, so the two agree. Tensor names and their order are timm's.

mod backbone;
mod block;
mod convnext;
mod cost;
mod count;
mod densenet;
mod depth;
mod efficientnet;
mod head;
mod input_size;
mod inverted;
mod layer;
mod mobilenet;
mod mobilenet_v4;
mod pretrained;
mod published;
mod regnet;
mod resnet;
mod stem;
mod vgg;
mod vit;

use backbone::Structure;
pub use backbone::{Backbone, UnknownBackbone};
pub use block::{Architecture, Block};
pub use count::{BlockCounts, ModelCounts, ParamCounts, count};
pub use head::HeadSpec;
pub use input_size::InputSize;
pub use layer::{
    Activation, Attention, Border, Conv, ConvNorm, Gate, Layer, LayerNorm, Mlp, MlpActivation,
    Norm, Padding, Patches, Positions, Residual, Rotary, Shortcut, SqueezeExcite, TensorKind,
    TensorSpec,
};
pub use pretrained::Pretrained;
pub use published::UnknownWeights;
pub use stem::Stem;

impl Architecture {
    /// The structure of `backbone` with this stem; with its own where it cannot have another.
    pub fn with_stem(backbone: Backbone, stem: Stem) -> Self {
        match (backbone.structure(), stem) {
            (Structure::ResNet(shape), Stem::Small) => resnet::architecture(shape.small()),
            _ => Self::new(backbone),
        }
    }

    /// The structure of `backbone`.
    pub fn new(backbone: Backbone) -> Self {
        match backbone.structure() {
            Structure::ResNet(shape) => resnet::architecture(shape),
            Structure::EfficientNet(shape) => efficientnet::architecture(shape),
            Structure::MobileNetV3 => mobilenet::architecture(),
            Structure::MobileNetV4(shape) => mobilenet_v4::architecture(shape),
            Structure::ConvNeXt(shape) => convnext::architecture(shape),
            Structure::RegNet(shape) => regnet::architecture(shape),
            Structure::DenseNet => densenet::architecture(),
            Structure::Vgg => vgg::architecture(),
            Structure::VisionTransformer(shape) => vit::architecture(shape),
        }
    }
}
