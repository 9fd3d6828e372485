//! The cache file: a header, an index with its checksum, the shared values, then a block for each run. A window reads blocks one
//! by one, because memory for all of them at once costs more time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::run::RunId;
use serde::{Deserialize, Serialize};

/// A larger file is neither read nor written.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Bytes read at once: blocks are read in about the order in which they lie.
const WINDOW: u64 = 256 << 10;
/// Bytes of the index's length and checksum.
const FRAME: u64 = 8;

/// Where a block lies after the index, its length in bytes, and its checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    begin: u64,
    pub length: u32,
    sum: u32,
}

impl Block {
    /// A block of these bytes that has no place yet; none if they are longer than a block may be.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            begin: 0,
            length: bytes.len().try_into().ok()?,
            sum: crc32fast::hash(bytes),
        })
    }
}

/// The file's content, in the order of its bytes.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The shared values, by the numbers that blocks use.
    pub shared: Vec<(u32, Vec<u8>)>,
    pub runs: Vec<(RunId, Block)>,
}

/// The index as it is written: lengths in bytes and checksums, in the order of the blocks.
#[derive(Serialize, Deserialize)]
struct Written {
    shared: Vec<WrittenValue>,
    runs: Vec<WrittenRun>,
}

#[derive(Serialize, Deserialize)]
struct WrittenValue {
    number: u32,
    length: u32,
    sum: u32,
}

#[derive(Serialize, Deserialize)]
struct WrittenRun {
    id: String,
    length: u32,
    sum: u32,
}

impl Index {
    /// Everything before the runs' blocks.
    pub(super) fn encode(&self, header: &str) -> io::Result<Vec<u8>> {
        // A value that is too long has neither an entry nor bytes; who needs it reads the log.
        let written = self.shared.iter().filter_map(|(number, bytes)| {
            let Block { length, sum, .. } = Block::of(bytes)?;
            let number = *number;
            let value = WrittenValue {
                number,
                length,
                sum,
            };
            Some((value, bytes.as_slice()))
        });
        let (shared, values): (Vec<WrittenValue>, Vec<&[u8]>) = written.unzip();
        let runs = self.runs.iter().map(|(id, block)| WrittenRun {
            id: id.to_string(),
            length: block.length,
            sum: block.sum,
        });
        let runs = runs.collect();
        let index = Written { shared, runs };
        let index = rmp_serde::to_vec(&index).map_err(io::Error::other)?;
        let length = u32::try_from(index.len()).map_err(io::Error::other)?;
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(crc32fast::hash(&index).to_le_bytes());
        bytes.extend(index);
        bytes.extend(values.concat());
        Ok(bytes)
    }
}

/// The cache file, read through a window.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    file: Option<File>,
    length: u64,
    /// Where the index ends.
    begin: u64,
    window: Vec<u8>,
    /// Where the window begins in the file.
    at: u64,
}

impl Blocks {
    /// Opens a file and reads its index; none if it does not begin with `header`, is damaged there, or is too large.
    pub(super) fn open(path: &Path, header: &str) -> Option<(Self, Index)> {
        let file = File::open(path).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.len() > MAX_BYTES {
            return None;
        }
        let mut blocks = Self {
            file: Some(file),
            length: meta.len(),
            ..Self::default()
        };
        let frame = header.len() as u64;
        if blocks.bytes(0, frame)? != header.as_bytes() {
            return None;
        }
        let (length, sum) = blocks.bytes(frame, FRAME)?.split_at(4);
        let [length, sum] =
            [length, sum].map(|word| word.first_chunk().map(|word| u32::from_le_bytes(*word)));
        let index = Block {
            begin: frame + FRAME,
            length: length?,
            sum: sum?,
        };
        let written: Written = rmp_serde::from_slice(blocks.read(index)?).ok()?;
        blocks.begin = index.begin + u64::from(index.length);
        let mut end = 0_u64;
        let mut place = |length: u32, sum: u32| {
            let begin = end;
            end = end.checked_add(u64::from(length))?;
            Some(Block { begin, length, sum })
        };
        let shared: Option<Vec<(u32, Block)>> = written
            .shared
            .iter()
            .map(|value| Some((value.number, place(value.length, value.sum)?)))
            .collect();
        let runs: Option<Vec<(RunId, Block)>> = written
            .runs
            .iter()
            .map(|run| Some((run.id.parse().ok()?, place(run.length, run.sum)?)))
            .collect();
        let read = |(number, block)| Some((number, blocks.read(block)?.to_vec()));
        let shared = shared?.into_iter().filter_map(read).collect();
        Some((
            blocks,
            Index {
                shared,
                runs: runs?,
            },
        ))
    }

    /// A block's bytes; none if they are damaged.
    pub(super) fn read(&mut self, block: Block) -> Option<&[u8]> {
        let begin = self.begin.checked_add(block.begin)?;
        self.bytes(begin, block.length.into())
            .filter(|bytes| crc32fast::hash(bytes) == block.sum)
    }

    fn bytes(&mut self, begin: u64, length: u64) -> Option<&[u8]> {
        let end = begin
            .checked_add(length)
            .filter(|end| *end <= self.length)?;
        if begin < self.at || end > self.at + self.window.len() as u64 {
            let size = length.max(WINDOW).min(self.length - begin);
            self.window.resize(size.try_into().ok()?, 0);
            let is_read = self
                .file
                .as_ref()?
                .read_exact_at(&mut self.window, begin)
                .is_ok();
            self.at = begin;
            if !is_read {
                self.window.clear();
                return None;
            }
        }
        let offset = usize::try_from(begin - self.at).ok()?;
        self.window.get(offset..)?.get(..length.try_into().ok()?)
    }
}
