//! Many tensors as one row of numbers, and back.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

/// The numbers of all tensors one after the other, on their device.
pub fn flat(tensors: &[Tensor]) -> Result<Tensor> {
    if tensors.is_empty() {
        return Ok(Tensor::f_zeros([0], (Kind::Float, Device::Cpu))?);
    }
    tch::no_grad(|| {
        let rows: Vec<Tensor> = tensors
            .iter()
            .map(|tensor| tensor.f_detach()?.f_reshape([-1]))
            .collect::<Result<_, _>>()?;
        Ok(Tensor::f_cat(&rows, 0)?)
    })
}

/// Puts the numbers that [`flat`] gave into the tensors.
pub fn put_back(numbers: &Tensor, tensors: &[Tensor]) -> Result<()> {
    let expected: usize = tensors.iter().map(Tensor::numel).sum();
    ensure!(
        numbers.numel() == expected,
        "expected {expected} numbers for {} tensors, found {}",
        tensors.len(),
        numbers.numel()
    );
    let Some(first) = tensors.first() else {
        return Ok(());
    };
    let numbers = numbers.f_to_device(first.device())?;
    tch::no_grad(|| {
        let mut at = 0;
        for tensor in tensors {
            let length = i64::try_from(tensor.numel())?;
            let row = numbers.f_narrow(0, at, length)?;
            tensor.shallow_clone().f_copy_(&row.f_view_as(tensor)?)?;
            at += length;
        }
        Ok(())
    })
}

/// A count that was summed as a float64 number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a sum of counts"
)]
pub(crate) fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_from_a_row_in_their_layout() {
        let kind = (Kind::Float, Device::Cpu);
        let tensors = [
            Tensor::rand([3], kind),
            crate::ffi::channels_last(&Tensor::rand([2, 3, 4, 5], kind)).unwrap(),
            Tensor::rand([], kind),
        ];
        let row = flat(&tensors).unwrap();
        assert_eq!(row.size(), [3 + 120 + 1]);
        let others = tensors.each_ref().map(Tensor::zeros_like);
        put_back(&row, &others).unwrap();
        assert_eq!(others, tensors);
        assert_eq!(others[1].stride(), tensors[1].stride());
        assert!(put_back(&row, &others[..2]).is_err());
    }
}
