//! All published weights of the backbones: the default ones, and others of some.

use super::backbone::{Backbone, UnknownBackbone};
use super::pretrained::{Pretrained, half, imagenet};

/// Other published weights than the default ones, as timm's `default_cfgs`.
static OTHERS: [Pretrained; 9] = [
    imagenet("timm/resnet18.tv_in1k", 224),
    imagenet("timm/resnet34.tv_in1k", 224),
    imagenet("timm/resnet50.tv_in1k", 224),
    imagenet("timm/resnet50.tv2_in1k", 176),
    imagenet("timm/resnet101.tv_in1k", 224),
    imagenet("timm/resnext50_32x4d.tv_in1k", 224),
    imagenet("timm/wide_resnet50_2.tv_in1k", 224),
    imagenet("timm/densenet121.tv_in1k", 224),
    half("timm/efficientnet_b0.ra4_e3600_r224_in1k", 224),
];

impl Pretrained {
    /// The published weights of all backbones besides the default ones.
    pub fn others() -> impl Iterator<Item = Self> {
        OTHERS.iter().copied()
    }

    /// The published weights of a backbone, the default ones first.
    pub fn all(backbone: Backbone) -> impl Iterator<Item = Self> {
        let others = Self::others().filter(move |one| one.is_of(backbone));
        std::iter::once(Self::of(backbone)).chain(others)
    }

    /// The tags of a backbone's published weights, that of the default ones first.
    pub fn tags(backbone: Backbone) -> Vec<&'static str> {
        Self::all(backbone).map(|one| one.tag()).collect()
    }

    /// The published weights of a backbone with this tag.
    pub fn tagged(backbone: Backbone, tag: &str) -> Option<Self> {
        Self::all(backbone).find(|one| one.tag() == tag)
    }

    /// The weights of this name, and their backbone: `resnet50` means the default ones, `resnet50.tv_in1k` those with the tag.
    pub fn named(name: &str) -> Result<(Backbone, Self), UnknownWeights> {
        let Some((model, tag)) = name.split_once('.') else {
            let backbone: Backbone = name.parse()?;
            return Ok((backbone, Self::of(backbone)));
        };
        let backbone: Backbone = model.parse()?;
        let weights = Self::tagged(backbone, tag).ok_or_else(|| UnknownWeights::Tag {
            backbone,
            tag: tag.to_owned(),
            known: Self::tags(backbone).join(", "),
        })?;
        Ok((backbone, weights))
    }

    fn is_of(&self, backbone: Backbone) -> bool {
        self.name()
            .split_once('.')
            .is_some_and(|(model, _)| model == backbone.as_str())
    }
}

/// A name that no published weights have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownWeights {
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    #[error("{backbone} has no published weights with the tag `{tag}`; expected {known}")]
    Tag {
        backbone: Backbone,
        tag: String,
        /// The tags that it has.
        known: String,
    },
}
