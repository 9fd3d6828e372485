//! Numbers of all ranks, summed or taken from rank 0.

use anyhow::{Context, Result, ensure};
use tch::{Kind, Tensor};

use super::Rank;
use crate::model;
use crate::parallel::memory::{DOUBLE, FLOAT, MOST_DOUBLES};

impl Rank {
    /// The sums over all ranks of float32 numbers `[n]`, and of float64 numbers. All ranks get all sums: the float32 ones on the CPU,
    /// or on the GPU where NCCL adds them.
    pub fn all_reduce_sum(
        &mut self,
        floats: Tensor,
        doubles: &[f64],
    ) -> Result<(Tensor, Vec<f64>)> {
        if self.nccl.is_none() || floats.numel() == 0 {
            return self.sum_in_memory(&floats, doubles);
        }
        // All meet before the GPUs wait for each other, so that a rank that has ended is noticed here.
        let none = floats.f_narrow(0, 0, 0)?;
        let (_, doubles) = self.sum_in_memory(&none, doubles)?;
        self.sum_by_nccl(&floats)?;
        Ok((floats, doubles))
    }

    /// Replaces numbers by their sums, where all ranks do so at the same time.
    pub(in crate::parallel) fn sum_by_nccl(&mut self, floats: &Tensor) -> Result<()> {
        let nccl = self.nccl.as_ref().context("NCCL is not connected")?;
        let summed = nccl.sum(floats);
        self.is_broken |= summed.is_err();
        summed
    }

    /// Adds in the order of the ranks, so that the bits are the same each time. Each rank adds one part of the numbers.
    fn sum_in_memory(&mut self, floats: &Tensor, doubles: &[f64]) -> Result<(Tensor, Vec<f64>)> {
        let count = floats.numel();
        self.ensure_room(floats, doubles.len())?;
        self.write_own(floats, doubles)?;
        self.barrier()?;
        self.sum_own_part(count)?;
        let doubles = self.sum_doubles(count, doubles.len())?;
        self.barrier()?;
        let floats = self.numbers(self.shape.place(self.size()), count)?;
        Ok((floats, doubles))
    }

    /// The float32 numbers `[n]` of rank 0, on the CPU. All ranks give as many.
    pub fn broadcast(&mut self, floats: &Tensor) -> Result<Tensor> {
        self.ensure_room(floats, 0)?;
        let place = self.shape.place(0);
        if self.is_first() {
            self.memory.write(place, &model::bytes(floats)?)?;
        }
        self.barrier()?;
        let numbers = self.numbers(place, floats.numel())?;
        // Nobody writes there before all have read.
        self.barrier()?;
        Ok(numbers)
    }

    /// An error where numbers are not float32, or a rank has no room for them and as many doubles.
    fn ensure_room(&self, floats: &Tensor, doubles: usize) -> Result<()> {
        let (kind, count) = (floats.kind(), floats.numel());
        ensure!(
            kind == Kind::Float && doubles <= MOST_DOUBLES,
            "cannot exchange {kind:?} and {doubles} doubles"
        );
        ensure!(
            (count * FLOAT + doubles * DOUBLE) as u64 <= self.shape.stride,
            "there is no room for {count} numbers"
        );
        Ok(())
    }

    /// Writes what the others add to theirs: the floats, and behind them the doubles.
    fn write_own(&self, floats: &Tensor, doubles: &[f64]) -> Result<()> {
        let (place, end) = (self.shape.place(self.number), floats.numel() * FLOAT);
        self.memory.write(place, &model::bytes(floats)?)?;
        let bytes: Vec<u8> = doubles.iter().flat_map(|one| one.to_le_bytes()).collect();
        self.memory.write(place + end as u64, &bytes)
    }

    /// Adds this rank's part of `count` floats of all ranks.
    fn sum_own_part(&self, count: usize) -> Result<()> {
        let begin = |part: usize| count * part / self.size();
        let own_part = begin(self.number)..begin(self.number + 1);
        let at = (own_part.start * FLOAT) as u64;
        let of = |other: usize| self.numbers(self.shape.place(other) + at, own_part.len());
        let mut total = of(0)?;
        for other in 1..self.size() {
            total = total.f_add_(&of(other)?)?;
        }
        let result = self.shape.place(self.size());
        self.memory.write(result + at, &model::bytes(&total)?)
    }

    /// Adds the doubles of all ranks, which are behind `count` floats.
    fn sum_doubles(&self, count: usize, doubles: usize) -> Result<Vec<f64>> {
        let at = (count * FLOAT) as u64;
        let mut sums = vec![0.0; doubles];
        for other in 0..self.size() {
            let place = self.shape.place(other) + at;
            let bytes = self.memory.read(place, doubles * DOUBLE)?;
            for (sum, one) in sums.iter_mut().zip(bytes.as_chunks::<DOUBLE>().0) {
                *sum += f64::from_le_bytes(*one);
            }
        }
        Ok(sums)
    }

    /// So many float32 numbers of the memory.
    fn numbers(&self, at: u64, count: usize) -> Result<Tensor> {
        let bytes = self.memory.read(at, count * FLOAT)?;
        Ok(Tensor::f_from_data_size(
            &bytes,
            &[i64::try_from(count)?],
            Kind::Float,
        )?)
    }
}
