//! A whole model: normalization, resizing, backbone and head, its tensors by name, and which of them train.

mod head;
mod init;

use anyhow::{Result, bail, ensure};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::{
    self as spec, Architecture, HeadSpec, Stem, TensorKind, TensorSpec,
};
use warmstart_schema::experiment::Interpolation;

use crate::backbone::Backbone;
use crate::ffi;
use crate::layers::{Pass, Statistics, Tensors};
use head::Head;

/// What a model is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    pub backbone: spec::Backbone,
    pub stem: Stem,
    pub classes: usize,
    /// Width of the head's hidden layer; 0 for a head without one.
    pub hidden: usize,
    /// Probability of zeroing a pooled feature while training.
    pub dropout: f64,
    /// Probability of skipping the last residual path while training.
    pub drop_path: f64,
    /// How many of the backbone's first blocks are frozen; all of them are the whole backbone.
    pub frozen_blocks: usize,
    /// Keeps batch normalization of the blocks that do train on its stored statistics.
    pub norm_inference: bool,
    /// Side in pixels to resize to inside the model; `None` keeps the images' own.
    pub input_size: Option<i64>,
    pub interpolation: Interpolation,
    /// What the weights expect of each channel, for pixels in 0..1.
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

/// What is special about a step of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrainingPass {
    /// Decides which residual paths are dropped for which image.
    pub path_seed: u64,
    /// Side in pixels to resize to inside the model, in the place of [`ModelSpec::input_size`].
    pub side: Option<i64>,
}

/// Whether a forward pass is a step of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout, dropped paths and batch statistics where the model trains; autograd records.
    Train(TrainingPass),
    /// None of these, and nothing is recorded.
    Eval,
}

/// One tensor of a model.
#[derive(Debug)]
pub struct NamedTensor {
    /// timm's name, or `head.…`.
    pub name: String,
    /// The storage that the layers use, float32.
    pub tensor: Tensor,
    pub kind: TensorKind,
    /// Whether gradient descent changes it. The statistics of trained blocks change too, but not by gradients.
    pub trainable: bool,
    /// Whether it belongs to a frozen block, and must keep every bit.
    pub frozen: bool,
}

/// A model with its tensors on one device.
#[derive(Debug)]
pub struct Model {
    spec: ModelSpec,
    architecture: Architecture,
    device: Device,
    tensors: Vec<NamedTensor>,
    backbone: Backbone,
    head: Head,
    mean: Tensor,
    std: Tensor,
}

impl Model {
    /// Builds with initial weights that depend on `seed` and the tensors' names alone.
    pub fn new(spec: &ModelSpec, seed: u64, device: Device) -> Result<Self> {
        let architecture = Architecture::with_stem(spec.backbone, spec.stem);
        let head = HeadSpec {
            features: architecture.features,
            hidden: spec.hidden,
            classes: spec.classes,
            dropout: spec.dropout,
        };
        let head_tensors = head.tensors();
        let blocks = architecture
            .blocks
            .iter()
            .enumerate()
            .map(|(i, b)| (i < spec.frozen_blocks, &b.tensors));
        let mut tensors = Vec::new();
        for (frozen, described) in blocks.chain([(false, &head_tensors)]) {
            for described in described {
                tensors.push(Self::tensor(described, frozen, seed, device)?);
            }
        }
        init::zero_residuals(&architecture, &mut tensors)?;
        let by_name: Tensors = tensors
            .iter()
            .map(|t| (t.name.clone(), t.tensor.shallow_clone()))
            .collect();
        let channels = |values: [f32; 3]| {
            Tensor::f_from_slice(&values)?
                .f_view([1, 3, 1, 1])?
                .f_to_device(device)
        };
        Ok(Self {
            backbone: Backbone::new(&architecture, &by_name, spec.frozen_blocks, spec.drop_path)?,
            head: Head::new(&head, &by_name)?,
            mean: channels(spec.mean)?,
            std: channels(spec.std)?,
            spec: spec.clone(),
            architecture,
            device,
            tensors,
        })
    }

    fn tensor(
        described: &TensorSpec,
        frozen: bool,
        seed: u64,
        device: Device,
    ) -> Result<NamedTensor> {
        let mut tensor = init::draw(described, seed)?.f_to_device(device)?;
        if described.shape.len() == 4 {
            tensor = ffi::channels_last(&tensor)?;
        }
        let trainable = !frozen && !described.kind.is_statistic();
        let tensor = tensor.f_set_requires_grad(trainable)?;
        Ok(NamedTensor {
            name: described.name.clone(),
            tensor,
            kind: described.kind,
            trainable,
            frozen,
        })
    }

    /// Lets the blocks train that are behind the first `frozen`. Blocks that train already continue to.
    pub fn unfreeze(&mut self, frozen: usize) -> Result<()> {
        let frozen = frozen.min(self.spec.frozen_blocks);
        let blocks = self.architecture.blocks.iter();
        let still = blocks.take(frozen).map(|block| block.tensors.len()).sum();
        for named in self.tensors.iter_mut().skip(still) {
            named.frozen = false;
            named.trainable = !named.kind.is_statistic();
            named.tensor = named.tensor.f_set_requires_grad(named.trainable)?;
        }
        self.backbone.unfreeze(frozen);
        self.spec.frozen_blocks = frozen;
        Ok(())
    }

    /// What the model was built from, and what of it is frozen now.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The structure of its backbone.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Float images `[N, 3, H, W]` with pixels in 0..1, on the model's device, to logits `[N, classes]` in float32.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Train(TrainingPass { path_seed, side }) => {
                let pass = Pass::Train {
                    statistics: if self.spec.norm_inference {
                        Statistics::Stored
                    } else {
                        Statistics::Batch
                    },
                    path_seed: (self.spec.drop_path > 0.0).then_some(path_seed),
                };
                let images = self.prepare(images, side.or(self.spec.input_size))?;
                let features = self.backbone.forward(&images, pass)?;
                self.head_forward(&features, mode)
            }
            Mode::Eval => self.head_forward(&self.features(images)?, mode),
        }
    }

    /// Pooled features `[N, F]` in inference mode, unrecorded: what a frozen backbone gives the head, worth keeping.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        self.backbone.forward(
            &self.prepare(images, self.spec.input_size)?,
            Pass::Inference,
        )
    }

    /// Pooled features `[N, F]` to logits `[N, classes]` in float32. Training needs two images or more, because batch
    /// normalization has no variance of one.
    pub fn head_forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Train(_) => {
                let images = features.size2()?.0;
                ensure!(
                    images > 1,
                    "a training batch needs two images or more for batch normalization, this has {images}"
                );
                let pass = Pass::Train {
                    statistics: Statistics::Batch,
                    path_seed: None,
                };
                self.head.forward(features, pass)
            }
            Mode::Eval => tch::no_grad(|| self.head.forward(features, Pass::Inference)),
        }
    }

    /// Normalizes and resizes. Normalizing first costs less, on the small image, and interpolation keeps it as it is.
    fn prepare(&self, images: &Tensor, side: Option<i64>) -> Result<Tensor> {
        let (_, channels, height, width) = images.size4()?;
        if channels != 3 || images.kind() != Kind::Float {
            bail!(
                "images must be float32 [N, 3, H, W], not {:?} {:?}",
                images.kind(),
                images.size()
            );
        }
        tch::no_grad(|| {
            let mut x = images.f_sub(&self.mean)?.f_div_(&self.std)?;
            if let Some(side) = side.filter(|&side| (side, side) != (height, width)) {
                x = self.resized(&x, (side, side))?;
            }
            ffi::channels_last(&x)
        })
    }

    /// Images `[N, 3, H, W]` resized as this model resizes its input; antialiased where they shrink.
    pub fn resized(&self, images: &Tensor, (height, width): (i64, i64)) -> Result<Tensor> {
        let size = [height, width];
        let (_, _, high, wide) = images.size4()?;
        let shrinks = height < high || width < wide;
        Ok(match self.spec.interpolation {
            Interpolation::Nearest => images.f_upsample_nearest2d(size, None, None)?,
            Interpolation::Bilinear if shrinks => {
                images.f_internal_upsample_bilinear2d_aa(size, false, None, None)?
            }
            Interpolation::Bilinear => images.f_upsample_bilinear2d(size, false, None, None)?,
            // The antialiased one has Pillow's coefficients, the other has its own.
            Interpolation::Bicubic => {
                images.f_internal_upsample_bicubic2d_aa(size, false, None, None)?
            }
        })
    }

    /// All tensors, the backbone's in timm's order, then the head's.
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.tensors
    }

    /// What gradient descent changes, by name.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors
            .iter()
            .filter(|t| t.trainable)
            .map(|t| (t.name.as_str(), &t.tensor))
    }

    /// Whether all numbers that training changes are finite.
    pub fn is_finite(&self) -> Result<bool> {
        for named in self.tensors.iter().filter(|t| !t.frozen) {
            let finite = tch::no_grad(|| named.tensor.f_isfinite()?.f_all())?;
            if i64::try_from(&finite)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// SHA-256, in hexadecimal, over parameters and statistics of the frozen blocks. If it is the same after training, none of them
    /// changed.
    pub fn frozen_fingerprint(&self) -> Result<String> {
        fingerprint(self.tensors.iter().filter(|t| t.frozen))
    }

    /// SHA-256, in hexadecimal, over all tensors.
    pub fn fingerprint(&self) -> Result<String> {
        fingerprint(&self.tensors)
    }
}

fn fingerprint<'a>(tensors: impl IntoIterator<Item = &'a NamedTensor>) -> Result<String> {
    let mut hash = Sha256::new();
    for NamedTensor { name, tensor, .. } in tensors {
        // Lengths keep one tensor's end from passing for the next one's beginning.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update((tensor.numel() as u64).to_le_bytes());
        hash.update(bytes(tensor)?);
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// A tensor's numbers in row-major order as bytes, whatever its layout and device.
pub fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    copy_bytes(tensor, &mut bytes)?;
    Ok(bytes)
}

/// Copies what [`bytes`] returns to `bytes`, which has its length.
pub(crate) fn copy_bytes(tensor: &Tensor, bytes: &mut [u8]) -> Result<()> {
    let tensor = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?;
    Ok(tensor.f_copy_data_u8(bytes, tensor.numel())?)
}
