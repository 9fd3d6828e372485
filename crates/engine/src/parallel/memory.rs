//! The memory that the processes of a run share. It is read and written as a file, which needs no unsafe code.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

/// At the beginning: the flag, the numbers of [`Shape`], and the lengths of the [`Parts`].
const FLAG: u64 = 0;
const SHAPE: u64 = 8;
const LENGTHS: u64 = 24;
const HEADER: u64 = 64;
/// Bytes of a float32 number, and of a float64 number.
pub(super) const FLOAT: usize = 4;
pub(super) const DOUBLE: usize = 8;
/// The most float64 numbers that ranks sum at once.
pub(super) const MOST_DOUBLES: usize = 64;

/// Memory without a name in any folder. It ends with the last process that has it.
#[derive(Debug)]
pub(super) struct Memory(File);

/// How the ranks divide their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// The number of ranks.
    pub size: usize,
    /// The bytes that each rank has for its numbers.
    pub stride: u64,
}

/// What rank 0 prepares and each other rank reads when it starts.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// All that is no tensor, as JSON.
    pub job: Vec<u8>,
    /// The model's tensors as a safetensors file.
    pub model: Vec<u8>,
    /// The optimizer's tensors as a safetensors file.
    pub optimizer: Vec<u8>,
}

impl Shape {
    /// Each rank has room for `max_floats` float32 numbers, and behind them for [`MOST_DOUBLES`] float64 numbers.
    pub(super) fn new(size: usize, max_floats: usize) -> Self {
        let stride = (max_floats * FLOAT + MOST_DOUBLES * DOUBLE) as u64;
        Self { size, stride }
    }

    /// Where the numbers of a rank begin. Behind the last rank begins what all have computed together.
    pub(super) fn place(self, rank: usize) -> u64 {
        HEADER + self.stride * rank as u64
    }
}

impl Memory {
    pub(super) fn new(shape: Shape) -> Result<Self> {
        let memory = Self(unnamed().context("getting memory for several processes")?);
        memory.write(FLAG, &[0])?;
        memory.write_numbers(SHAPE, &[shape.size as u64, shape.stride])?;
        Ok(memory)
    }

    /// The memory that rank 0 made, and how the ranks divide it.
    pub(super) fn of(file: OwnedFd) -> Result<(Self, Shape)> {
        let memory = Self(file.into());
        let [size, stride] = memory.numbers(SHAPE)?;
        let size = usize::try_from(size)?;
        Ok((memory, Shape { size, stride }))
    }

    pub(super) fn share(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    pub(super) fn into_file(self) -> File {
        self.0
    }

    /// Keeps the parts until [`Self::forget_parts`].
    pub(super) fn keep_parts(&self, parts: &Parts) -> Result<()> {
        let parts = [&parts.job, &parts.model, &parts.optimizer];
        let mut at = HEADER;
        self.write_numbers(LENGTHS, &parts.map(|part| part.len() as u64))?;
        for part in parts {
            self.write(at, part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    pub(super) fn parts(&self) -> Result<Parts> {
        let mut at = HEADER;
        let mut next = |length: u64| -> Result<Vec<u8>> {
            let part = self.read(at, usize::try_from(length)?)?;
            at += length;
            Ok(part)
        };
        let [job, model, optimizer] = self.numbers(LENGTHS)?;
        Ok(Parts {
            job: next(job)?,
            model: next(model)?,
            optimizer: next(optimizer)?,
        })
    }

    /// Gives the memory of the parts back.
    pub(super) fn forget_parts(&self) -> Result<()> {
        Ok(self.0.set_len(HEADER)?)
    }

    pub(super) fn raise_flag(&self) -> Result<()> {
        self.write(FLAG, &[1])
    }

    pub(super) fn is_flag_raised(&self) -> Result<bool> {
        Ok(self.read(FLAG, 1)? == [1])
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let written = self.0.write_all_at(bytes, at);
        written.context("writing to the memory of several processes")
    }

    pub(super) fn read(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.0.read_exact_at(&mut bytes, at);
        read.context("reading from the memory of several processes")?;
        Ok(bytes)
    }

    fn write_numbers(&self, at: u64, numbers: &[u64]) -> Result<()> {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.write(at, &bytes)
    }

    fn numbers<const COUNT: usize>(&self, at: u64) -> Result<[u64; COUNT]> {
        let bytes = self.read(at, 8 * COUNT)?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        ensure!(rest.is_empty() && numbers.len() == COUNT, "half a number");
        let mut found = [0; COUNT];
        for (found, bytes) in found.iter_mut().zip(numbers) {
            *found = u64::from_le_bytes(*bytes);
        }
        Ok(found)
    }
}

#[cfg(target_os = "linux")]
fn unnamed() -> Result<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    Ok(memfd_create("warmstart", MFdFlags::MFD_CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn unnamed() -> Result<File> {
    anyhow::bail!("only Linux can train with train.devices above 1")
}
