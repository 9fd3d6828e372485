//! The sources of pretrained weights.

/// The source of a backbone's published weights, and the input that they expect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pretrained {
    /// Repository on the Hugging Face hub.
    pub hub: &'static str,
    /// Side in pixels of the images that the weights were trained or tuned on.
    pub pixels: u32,
    /// Mean of each channel of pixels in 0..1 that the weights were trained with.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, as `mean`.
    pub std: [f32; 3],
}

/// Normalization belongs to the weights: two sets of one backbone may differ in it.
pub(super) const fn imagenet(hub: &'static str, pixels: u32) -> Pretrained {
    Pretrained {
        hub,
        pixels,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    }
}

/// `TensorFlow`'s models and some later ones scale pixels to -1..1.
pub(super) const fn half(hub: &'static str, pixels: u32) -> Pretrained {
    Pretrained {
        hub,
        pixels,
        mean: [0.5; 3],
        std: [0.5; 3],
    }
}

/// CLIP's own normalization, of the pictures that it was trained on.
pub(super) const fn clip(hub: &'static str, pixels: u32) -> Pretrained {
    Pretrained {
        hub,
        pixels,
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
    }
}

impl Pretrained {
    /// timm's name with the tag, such as `resnet50.a1_in1k`.
    pub fn name(&self) -> &'static str {
        self.hub.trim_start_matches("timm/")
    }

    /// timm's tag, such as `a1_in1k`.
    pub fn tag(&self) -> &'static str {
        self.name().split_once('.').map_or("", |(_, tag)| tag)
    }

    /// File name in warmstart's folders: timm's name with its tag.
    pub fn file_name(&self) -> String {
        format!("{}.safetensors", self.name())
    }
}
