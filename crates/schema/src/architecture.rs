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
mod inverted;
mod layer;
mod mobilenet;
mod mobilenet_v4;
mod pretrained;
mod regnet;
mod resnet;
mod vit;

use backbone::Structure;
pub use backbone::{Backbone, InputSize, UnknownBackbone};
pub use block::{Architecture, Block};
pub use count::{BlockCounts, ModelCounts, ParamCounts, count};
pub use head::HeadSpec;
pub use layer::{
    Activation, Attention, Border, Conv, ConvNorm, Gate, Layer, LayerNorm, Mlp, MlpActivation,
    Norm, Padding, Patches, Positions, Residual, Rotary, Shortcut, SqueezeExcite, TensorKind,
    TensorSpec,
};
pub use pretrained::Pretrained;

impl Architecture {
    /// The structure of `backbone`.
    pub fn new(backbone: Backbone) -> Self {
        match backbone.structure() {
            Structure::ResNet(shape) => resnet::architecture(backbone, shape),
            Structure::EfficientNet(shape) => efficientnet::architecture(backbone, shape),
            Structure::MobileNetV3 => mobilenet::architecture(backbone),
            Structure::MobileNetV4(shape) => mobilenet_v4::architecture(backbone, shape),
            Structure::ConvNeXt(shape) => convnext::architecture(backbone, shape),
            Structure::RegNet(shape) => regnet::architecture(backbone, shape),
            Structure::DenseNet => densenet::architecture(backbone),
            Structure::VisionTransformer(shape) => vit::architecture(backbone, shape),
        }
    }
}
