//! A source of batches: pictures that lie on the device, features that were computed from them, or a folder whose pictures
//! are decoded while the model works.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use sha2::Sha256;
use tch::Tensor;
use warmstart_schema::experiment::Labels;

use crate::model::{Mode, Model};

/// Pictures with class numbers, numbered from 0.
pub trait Source: fmt::Debug {
    /// Batches of `size` (the last may be smaller) of the pictures named by `order`, on the device.
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches>;

    /// The facts of an image besides its pixels.
    fn described(&self, _picture: u32) -> Described {
        Described::default()
    }

    /// Hashes what these pictures and their classes are, in this order. False if the source does not know that by itself.
    fn identify(&self, _pictures: &[u32], _hash: &mut Sha256) -> Result<bool> {
        Ok(false)
    }

    /// Whether nobody wrote to the pictures since they were listed.
    fn is_unchanged(&self, _pictures: &[u32]) -> bool {
        true
    }

    /// Pictures that could not be read since this was last asked, a sentence each.
    fn unreadable(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A picture's labels, and its file if each picture is a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    pub fine: Option<u32>,
    pub coarse: Option<u32>,
    pub file: Option<PathBuf>,
}

impl Described {
    pub fn label(&self, which: Labels) -> Option<u32> {
        match which {
            Labels::Fine => self.fine,
            Labels::Coarse => self.coarse,
        }
    }
}

/// Batches in order. Dropping them ends whatever prepares the next ones.
pub type Batches = Box<dyn Iterator<Item = Result<Batch>>>;

/// Images, or values computed from them.
#[derive(Debug)]
pub struct Batch {
    pub input: Input,
    /// Class numbers `[n]`.
    pub labels: Tensor,
    /// The pictures' numbers, those left out that could not be read.
    pub members: Vec<u32>,
    /// How long the model had to wait for pictures to be decoded; none where they lie on the device.
    pub waited: Option<Duration>,
}

/// What a model is given.
#[derive(Debug)]
pub enum Input {
    /// `[n, 3, H, W]` in 0..1.
    Images(Tensor),
    /// `[n, F]`, of a frozen backbone.
    Features(Tensor),
}

impl Input {
    /// Logits `[n, classes]`.
    pub fn forward(&self, model: &Model, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Images(images) => model.forward(images, mode),
            Self::Features(features) => model.head_forward(features, mode),
        }
    }
}
