//! Batches of decoded pictures, a few ahead of the model.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use anyhow::{Context, Result};
use fast_image_resize::Resizer;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::decode::Framing;
use super::{Decoding, Listing, Unreadable, decode};
use crate::data::{Batch, Input};
use crate::device;
use crate::failure::UserError;

/// Batches that wait for the model, besides the one in decoding and the one in use.
const AHEAD: usize = 2;
const CHANNELS: usize = 3;

/// A batch in memory.
struct Decoded {
    /// RGB, picture by picture, row by row.
    pixels: Vec<u8>,
    members: Vec<u32>,
    /// What could not be read, and why.
    failed: Vec<(u32, String)>,
}

/// Batches as they come from the decoders. When it is dropped, the decoders stop after the batch that they are at.
pub(super) struct Stream {
    decoded: Receiver<Decoded>,
    listing: Arc<Listing>,
    side: i64,
    strict: bool,
    device: Device,
    unreadable: Rc<RefCell<Unreadable>>,
    batches_left: usize,
}

impl Stream {
    pub(super) fn start(
        listing: Arc<Listing>,
        decoding: Decoding,
        order: Vec<u32>,
        size: usize,
        device: Device,
        unreadable: Rc<RefCell<Unreadable>>,
    ) -> Result<Self> {
        let (sender, decoded) = sync_channel(AHEAD);
        let stream = Self {
            decoded,
            listing: Arc::clone(&listing),
            side: i64::from(decoding.framing.side),
            strict: decoding.strict,
            device,
            unreadable,
            batches_left: order.len().div_ceil(size),
        };
        let feed = move || feed(&listing, &decoding, &order, size, &sender);
        std::thread::Builder::new()
            .name("pictures".to_owned())
            .spawn(feed)
            .context("starting to read pictures")?;
        Ok(stream)
    }

    fn batch(&mut self) -> Result<Batch> {
        let waiting = Instant::now();
        let Decoded {
            pixels,
            members,
            failed,
        } = self
            .decoded
            .recv()
            .context("the decoder threads are gone")?;
        let waited = Some(waiting.elapsed());
        for (picture, why) in failed {
            if self.strict {
                let error = format!(
                    "a picture cannot be read: {}",
                    self.listing.describe(picture, &why)
                );
                return Err(UserError::input(
                    error,
                    "mend or remove it, or leave dataset.strict out",
                ));
            }
            self.unreadable
                .borrow_mut()
                .add(&self.listing, picture, &why);
        }
        let count = i64::try_from(members.len())?;
        let shape = [count, self.side, self.side, i64::try_from(CHANNELS)?];
        let pixels = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?;
        let pixels = device::upload(&pixels, self.device)?;
        let images = pixels
            .f_permute([0, 3, 1, 2])?
            .f_to_kind(Kind::Float)?
            .f_div_scalar(255.0)?;
        let labels: Vec<i64> = members
            .iter()
            .map(|&picture| i64::from(self.listing.class(picture)))
            .collect();
        let labels = device::upload(&Tensor::f_from_slice(&labels)?, self.device)?;
        Ok(Batch {
            input: Input::Images(images),
            labels,
            members,
            waited,
        })
    }
}

impl Iterator for Stream {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches_left = self.batches_left.checked_sub(1)?;
        Some(self.batch())
    }
}

/// Makes all batches, or stops if the receiver is gone.
fn feed(
    listing: &Listing,
    decoding: &Decoding,
    order: &[u32],
    size: usize,
    batches: &SyncSender<Decoded>,
) {
    for members in order.chunks(size) {
        if batches
            .send(
                decoding
                    .pool
                    .install(|| decoded(listing, decoding.framing, members)),
            )
            .is_err()
        {
            return;
        }
    }
}

fn decoded(listing: &Listing, framing: Framing, members: &[u32]) -> Decoded {
    let picture_bytes = CHANNELS * framing.side as usize * framing.side as usize;
    let mut pixels = vec![0; members.len() * picture_bytes];
    let results: Vec<Result<()>> = pixels
        .par_chunks_mut(picture_bytes)
        .zip(members)
        .map_init(Resizer::new, |resizer, (out, &picture)| {
            decode::read(&listing.path(picture), framing, resizer, out)
        })
        .collect();
    let (mut kept, mut failed) = (Vec::with_capacity(members.len()), Vec::new());
    for (index, (&picture, result)) in members.iter().zip(results).enumerate() {
        match result {
            Ok(()) => {
                // What could be read moves up into the places of what could not.
                pixels.copy_within(
                    index * picture_bytes..(index + 1) * picture_bytes,
                    kept.len() * picture_bytes,
                );
                kept.push(picture);
            }
            Err(error) => failed.push((picture, format!("{error:#}"))),
        }
    }
    pixels.truncate(kept.len() * picture_bytes);
    Decoded {
        pixels,
        members: kept,
        failed,
    }
}
