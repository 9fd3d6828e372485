//! Sources that lie on the device as a whole.

use anyhow::Result;
use sha2::{Digest, Sha256};
use tch::{Device, IndexOp, Kind, Tensor};
use warmstart_schema::experiment::Labels;

use super::{Batch, Batches, Described, Input, Pictures, Source};
use crate::model;

/// Pictures that are hashed at once.
const HASHED: usize = 4096;

/// Pictures and the labels that are learnt, on the device.
#[derive(Debug)]
pub struct OnDevice {
    /// Bytes `[N, 3, H, W]`.
    pixels: Tensor,
    /// Class numbers `[N]`.
    labels: Tensor,
    /// Labels of both kinds, to describe single pictures; empty if the dataset lacks the kind.
    fine: Vec<u8>,
    coarse: Vec<u8>,
}

impl OnDevice {
    pub fn new(pictures: &Pictures, labels: Labels, device: Device) -> Result<Self> {
        let count = i64::try_from(pictures.len())?;
        let pixels = Tensor::f_from_data_size(
            &pictures.pixels,
            &[count, 3, Pictures::SIDE, Pictures::SIDE],
            Kind::Uint8,
        )?;
        let labels: Vec<i64> = pictures
            .labels(labels)
            .iter()
            .map(|&label| i64::from(label))
            .collect();
        Ok(Self {
            pixels: pixels.f_to_device(device)?,
            labels: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
            fine: pictures.fine.clone(),
            coarse: pictures.coarse.clone(),
        })
    }
}

impl Source for OnDevice {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let pixels = self.pixels.shallow_clone();
        let images = move |indices: &Tensor| -> Result<Input> {
            Ok(Input::Images(
                pixels
                    .f_index_select(0, indices)?
                    .f_to_kind(Kind::Float)?
                    .f_div_scalar(255.0)?,
            ))
        };
        picked(order, size, &self.labels, images)
    }

    fn identify(&self, pictures: &[u32], hash: &mut Sha256) -> Result<bool> {
        for some in pictures.chunks(HASHED) {
            let some: Vec<i64> = some.iter().copied().map(i64::from).collect();
            let indices = Tensor::f_from_slice(&some)?.f_to_device(self.labels.device())?;
            for all in [&self.pixels, &self.labels] {
                hash.update(model::bytes(&all.f_index_select(0, &indices)?)?);
            }
        }
        Ok(true)
    }

    fn described(&self, picture: u32) -> Described {
        let label = |labels: &[u8]| labels.get(picture as usize).copied().map(u32::from);
        Described {
            fine: label(&self.fine),
            coarse: label(&self.coarse),
            file: None,
        }
    }
}

/// Features of pictures, and their labels.
#[derive(Debug)]
pub struct Features {
    /// `[N, F]`.
    features: Tensor,
    /// Class numbers `[N]`.
    labels: Tensor,
}

impl Features {
    pub fn new(features: &[Tensor], labels: &[Tensor]) -> Result<Self> {
        Ok(Self {
            features: Tensor::f_cat(features, 0)?,
            labels: Tensor::f_cat(labels, 0)?,
        })
    }

    /// The same features in the memory of a device.
    pub(crate) fn moved_to(self, device: Device) -> Result<Self> {
        Ok(Self {
            features: self.features.f_to_device(device)?,
            labels: self.labels.f_to_device(device)?,
        })
    }

    /// How many pictures they are of.
    pub fn len(&self) -> usize {
        self.labels
            .size()
            .first()
            .map_or(0, |&len| usize::try_from(len).unwrap_or(0))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of each.
    pub fn classes(&self) -> Result<Vec<u32>> {
        let classes = Vec::<i64>::try_from(&self.labels.f_to_device(Device::Cpu)?)?;
        classes
            .into_iter()
            .map(|class| Ok(u32::try_from(class)?))
            .collect()
    }

    /// The features `[N, F]`.
    pub fn features(&self) -> &Tensor {
        &self.features
    }

    /// The class numbers `[N]`.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }
}

impl Source for Features {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let features = self.features.shallow_clone();
        picked(order, size, &self.labels, move |indices| {
            Ok(Input::Features(features.f_index_select(0, indices)?))
        })
    }
}

/// Batches that are picked from tensors by index.
fn picked(
    order: &[u32],
    size: usize,
    labels: &Tensor,
    input: impl Fn(&Tensor) -> Result<Input> + 'static,
) -> Result<Batches> {
    let indices: Vec<i64> = order.iter().map(|&index| i64::from(index)).collect();
    let (indices, labels) = (
        Tensor::f_from_slice(&indices)?.f_to_device(labels.device())?,
        labels.shallow_clone(),
    );
    let batches: Vec<Vec<u32>> = order.chunks(size).map(<[u32]>::to_vec).collect();
    let mut start = 0;
    Ok(Box::new(batches.into_iter().map(move |members| {
        let end = start + i64::try_from(members.len())?;
        let indices = indices.f_i(start..end)?;
        start = end;
        Ok(Batch {
            input: input(&indices)?,
            labels: labels.f_index_select(0, &indices)?,
            members,
            waited: None,
        })
    })))
}
