//! The structure of every model as data, without tensors. The dashboard counts parameters from it and the engine builds its
//! modules from it, so the two agree. Tensor names and their order are timm's.

mod backbone;
mod block;
mod convnext;
mod count;
mod depth;
mod efficientnet;
mod head;
mod inverted;
mod layer;
mod mobilenet;
mod pretrained;
mod resnet;
mod vit;

use backbone::Structure;
pub use backbone::{Backbone, UnknownBackbone};
pub use block::{Architecture, Block};
pub use count::{BlockCounts, ModelCounts, ParamCounts, count};
pub use head::HeadSpec;
pub use layer::{
    Activation, Attention, Conv, ConvNorm, Gate, Layer, LayerNorm, Mlp, Padding, Patches, Residual,
    Shortcut, SqueezeExcite, TensorKind, TensorSpec,
};
pub use pretrained::Pretrained;

impl Architecture {
    /// The structure of `backbone`.
    pub fn new(backbone: Backbone) -> Self {
        match backbone.structure() {
            Structure::ResNet(block, depths) => resnet::architecture(backbone, block, depths),
            Structure::EfficientNet(variant, width, depth) => {
                efficientnet::scaled(backbone, variant, width, depth)
            }
            Structure::MobileNetV3 => mobilenet::architecture(backbone),
            Structure::ConvNeXt => convnext::architecture(backbone),
            Structure::VisionTransformer => vit::architecture(backbone),
        }
    }
}
