//! Each kernel against libtorch's own operations in float64: outputs, updated statistics, and all gradients.

use tch::{Device, Kind, Reduction, Tensor};

use super::*;
use crate::ffi::{Autocast, channels_last};

const ACTIVATIONS: [Option<Activation>; 5] = [
    None,
    Some(Activation::Relu),
    Some(Activation::Relu6),
    Some(Activation::Silu),
    Some(Activation::HardSwish),
];

/// Batch, channels, height, width: channels that do not fill a vector, one pixel, one image, and as many channels as deep layers
/// have.
const SHAPES: [[i64; 4]; 5] = [
    [2, 5, 3, 4],
    [1, 96, 8, 8],
    [3, 33, 1, 1],
    [4, 24, 17, 9],
    [2, 1152, 7, 7],
];

fn draw(shape: &[i64], low: f64, high: f64) -> Tensor {
    let tensor = Tensor::rand(shape, (Kind::Float, Device::Cpu)) * (high - low) + low;
    if shape.len() == 4 {
        channels_last(&tensor).unwrap()
    } else {
        tensor
    }
}

fn leaf(tensor: &Tensor, kind: Kind) -> Tensor {
    tensor.detach().to_kind(kind).copy().set_requires_grad(true)
}

/// The norm of the difference, relative to the norm of `expected`.
fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    let difference = found.to_kind(Kind::Double) - expected;
    difference.norm().double_value(&[]) / expected.norm().double_value(&[]).max(1e-12)
}

fn assert_close(what: &str, limit: f64, pairs: &[(&str, &Tensor, &Tensor)]) {
    for (name, found, expected) in pairs {
        let distance = distance(found, expected);
        assert!(
            distance <= limit,
            "{what}: {name} differs by {distance:e}, more than {limit:e}"
        );
    }
}

fn activated(x: &Tensor, activation: Option<Activation>) -> Tensor {
    match activation {
        None => x.shallow_clone(),
        Some(Activation::Relu) => x.relu(),
        Some(Activation::Relu6) => x.relu6(),
        Some(Activation::Silu) => x.silu(),
        Some(Activation::HardSwish) => x.hardswish(),
    }
}

/// Both backward passes, from a sum with a different weight for each output.
fn backward(found: &Tensor, expected: &Tensor) {
    let weights = draw(&found.size(), -1.0, 1.0);
    (found * &weights).sum(Kind::Float).backward();
    (expected * weights.to_kind(Kind::Double))
        .sum(Kind::Double)
        .backward();
}

/// The tensors of a normalization: weight, bias, running mean, running variance.
struct Parts([Tensor; 4]);

impl Parts {
    fn new(channels: i64) -> Self {
        Self([
            draw(&[channels], 0.5, 1.5),
            draw(&[channels], -1.0, 1.0),
            draw(&[channels], -1.0, 1.0),
            draw(&[channels], 0.5, 2.0),
        ])
    }

    fn leaves(&self, kind: Kind) -> Self {
        let [weight, bias, mean, var] = &self.0;
        Self([
            leaf(weight, kind),
            leaf(bias, kind),
            mean.to_kind(kind).copy(),
            var.to_kind(kind).copy(),
        ])
    }

    fn norm(&self, batch_statistics: bool) -> Norm<'_> {
        let [weight, bias, mean, var] = &self.0;
        Norm {
            weight,
            bias,
            mean,
            var,
            batch_statistics,
            momentum: 0.1,
            epsilon: 1e-3,
        }
    }

    fn reference(&self, x: &Tensor, batch_statistics: bool) -> Tensor {
        let [weight, bias, mean, var] = &self.0;
        x.batch_norm(
            Some(weight),
            Some(bias),
            Some(mean),
            Some(var),
            batch_statistics,
            0.1,
            1e-3,
            false,
        )
    }
}

/// One number in each channel has no variance, in libtorch either.
fn can_be_normalized([images, _, height, width]: [i64; 4], batch_statistics: bool) -> bool {
    !batch_statistics || images * height * width > 1
}

#[test]
fn normalization_equals_libtorchs_with_every_activation_and_residual() {
    tch::manual_seed(1);
    for (shape, activation) in SHAPES
        .iter()
        .flat_map(|shape| ACTIVATIONS.map(|activation| (*shape, activation)))
    {
        for (batch_statistics, has_residual) in
            [(true, false), (true, true), (false, false), (false, true)]
        {
            if !can_be_normalized(shape, batch_statistics)
                || (has_residual && !supports_sum(activation))
            {
                continue;
            }
            let what = format!("{shape:?} {activation:?} {batch_statistics} {has_residual}");
            let x = draw(&shape, -1.0, 5.0);
            let residual = draw(&shape, -2.0, 2.0);
            let parts = Parts::new(shape[1]);
            let [ours, theirs] = [Kind::Float, Kind::Double]
                .map(|kind| (leaf(&x, kind), leaf(&residual, kind), parts.leaves(kind)));
            let found = normalize(
                &ours.0,
                ours.2.norm(batch_statistics),
                has_residual.then_some(&ours.1),
                activation,
            )
            .unwrap();
            let mut expected = theirs.2.reference(&theirs.0, batch_statistics);
            if has_residual {
                expected += &theirs.1;
            }
            let expected = activated(&expected, activation);
            backward(&found, &expected);
            let (parts, references) = (&ours.2.0, &theirs.2.0);
            assert_close(
                &what,
                1e-5,
                &[
                    ("values", &found, &expected),
                    ("mean", &parts[2], &references[2]),
                    ("var", &parts[3], &references[3]),
                ],
            );
            assert_close(
                &what,
                1e-4,
                &[
                    ("gradient", &ours.0.grad(), &theirs.0.grad()),
                    ("weight", &parts[0].grad(), &references[0].grad()),
                    ("bias", &parts[1].grad(), &references[1].grad()),
                ],
            );
            if has_residual {
                assert_close(
                    &what,
                    1e-5,
                    &[("residual", &ours.1.grad(), &theirs.1.grad())],
                );
            }
        }
    }
}

#[test]
fn a_large_mean_does_not_reduce_the_precision_of_the_variance() {
    tch::manual_seed(2);
    let x = draw(&[4, 16, 9, 9], 999.5, 1000.5);
    let parts = Parts::new(16);
    let [ours, theirs] = [Kind::Float, Kind::Double].map(|kind| parts.leaves(kind));
    let found = normalize(&x.copy(), ours.norm(true), None, None).unwrap();
    let expected = theirs.reference(&x.to_kind(Kind::Double), true);
    // The precision of the pixels themselves is 6e-5, which is 2e-4 of their deviation.
    assert_close("mean of 1000", 5e-4, &[("values", &found, &expected)]);
}

#[test]
fn gated_normalization_equals_libtorchs() {
    tch::manual_seed(3);
    for shape in SHAPES {
        for (activation, hidden, gate) in [
            (Activation::Silu, Activation::Silu, Gate::Sigmoid),
            (Activation::HardSwish, Activation::Relu, Gate::HardSigmoid),
        ] {
            for batch_statistics in [true, false] {
                let what = format!("{shape:?} {gate:?} {batch_statistics}");
                let (channels, squeezed) = (shape[1], (shape[1] / 4).max(2));
                let x = draw(&shape, -2.0, 3.0);
                let parts = Parts::new(channels);
                let dense = [
                    draw(&[squeezed, channels, 1, 1], -0.3, 0.3),
                    draw(&[squeezed], -0.5, 0.5),
                    draw(&[channels, squeezed, 1, 1], -0.3, 0.3),
                    draw(&[channels], -0.5, 0.5),
                ];
                let [ours, theirs] = [Kind::Float, Kind::Double].map(|kind| {
                    (
                        leaf(&x, kind),
                        parts.leaves(kind),
                        dense.each_ref().map(|tensor| leaf(tensor, kind)),
                    )
                });
                let [reduce, reduce_bias, expand, expand_bias] = &ours.2;
                let squeeze = SqueezeExcite {
                    reduce: (reduce, reduce_bias),
                    expand: (expand, expand_bias),
                    activation: hidden,
                    gate,
                };
                let norm = ours.1.norm(batch_statistics);
                let found = normalize_gated(&ours.0, norm, squeeze, Some(activation)).unwrap();
                let [reduce, reduce_bias, expand, expand_bias] = &theirs.2;
                let y = theirs.1.reference(&theirs.0, batch_statistics);
                let y = activated(&y, Some(activation));
                let means = y.mean_dim([2_i64, 3].as_slice(), true, None);
                let dense = |x: &Tensor, weight, bias: &Tensor| {
                    x.conv2d(weight, Some(bias), [1, 1], [0, 0], [1, 1], 1)
                };
                let inner = activated(&dense(&means, reduce, reduce_bias), Some(hidden));
                let logits = dense(&inner, expand, expand_bias);
                let expected = y * match gate {
                    Gate::Sigmoid => logits.sigmoid(),
                    Gate::HardSigmoid => logits.hardsigmoid(),
                };
                backward(&found, &expected);
                assert_close(&what, 1e-5, &[("values", &found, &expected)]);
                let leaves = |side: &(Tensor, Parts, [Tensor; 4])| {
                    let mut leaves = vec![side.0.grad(), side.1.0[0].grad(), side.1.0[1].grad()];
                    leaves.extend(side.2.iter().map(Tensor::grad));
                    leaves
                };
                for (i, (a, b)) in leaves(&ours).iter().zip(&leaves(&theirs)).enumerate() {
                    assert_close(&what, 1e-4, &[(&format!("gradient {i}"), a, b)]);
                }
            }
        }
    }
}

/// libtorch's convolution of an image by a weight, with zeros at its top, left, bottom and right; and how it lies over the image.
fn convolved(
    (x, weight): &(Tensor, Tensor),
    [top, left, bottom, right]: [i64; 4],
    stride: i64,
    groups: i64,
) -> (Tensor, Geometry) {
    let padded = x.constant_pad_nd([left, right, top, bottom]);
    let y = padded.conv2d(weight, None::<&Tensor>, [stride; 2], [0, 0], [1, 1], groups);
    let size = y.size();
    let geometry = Geometry {
        stride,
        top,
        left,
        out_height: size[2],
        out_width: size[3],
    };
    (y, geometry)
}

#[test]
fn depthwise_convolution_equals_libtorchs_for_every_stride_padding_and_edge() {
    tch::manual_seed(4);
    for [images, channels, height, width] in [
        [2, 5, 9, 8],
        [1, 32, 17, 19],
        [2, 24, 1, 1],
        [2, 20, 3, 2],
        [3, 144, 14, 14],
    ] {
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)] {
            for [top, left, bottom, right] in [
                [kernel / 2; 4],
                [0, 0, kernel - 1, kernel - 1],
                [1, 0, kernel - 1, kernel],
            ] {
                let what =
                    format!("{images}x{channels}x{height}x{width} {kernel}/{stride} {top} {left}");
                let x = draw(&[images, channels, height, width], -1.0, 1.0);
                let weight = draw(&[channels, 1, kernel, kernel], -1.0, 1.0);
                let [ours, theirs] =
                    [Kind::Float, Kind::Double].map(|kind| (leaf(&x, kind), leaf(&weight, kind)));
                let (expected, geometry) =
                    convolved(&theirs, [top, left, bottom, right], stride, channels);
                assert!(supports_depthwise(&ours.0, &ours.1, channels));
                let found = depthwise(&ours.0, &ours.1, geometry).unwrap();
                backward(&found, &expected);
                assert_close(&what, 1e-5, &[("values", &found, &expected)]);
                assert_close(
                    &what,
                    1e-4,
                    &[
                        ("gradient", &ours.0.grad(), &theirs.0.grad()),
                        ("weight", &ours.1.grad(), &theirs.1.grad()),
                    ],
                );
                let parts = Parts::new(channels).leaves(Kind::Double);
                let expected = activated(&parts.reference(&expected, false), ACTIVATIONS[3]);
                let single = Parts(parts.0.each_ref().map(|t| t.detach().to_kind(Kind::Float)));
                let found = tch::no_grad(|| {
                    depthwise_normalized(
                        &ours.0,
                        &ours.1,
                        geometry,
                        single.norm(false),
                        ACTIVATIONS[3],
                    )
                    .unwrap()
                });
                assert_close(&what, 1e-5, &[("normalized", &found, &expected)]);
            }
        }
    }
}

#[test]
fn convolution_by_product_equals_libtorchs_for_every_stride_padding_and_edge() {
    tch::manual_seed(7);
    for [images, channels, height, width] in [
        [2, 5, 4, 3],
        [1, 16, 1, 1],
        [3, 24, 2, 2],
        [2, 7, 1, 5],
        [4, 32, 7, 7],
    ] {
        for (kernel, stride) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
            // The last two never let some of the kernel's places meet a pixel, where the image is small.
            for [top, left, bottom, right] in [
                [kernel / 2; 4],
                [0, 0, kernel - 1, kernel - 1],
                [1, 0, kernel - 1, kernel],
                [kernel - 1; 4],
            ] {
                let what =
                    format!("{images}x{channels}x{height}x{width} {kernel}/{stride} {top} {left}");
                let x = draw(&[images, channels, height, width], -1.0, 1.0);
                let mut weight = draw(&[9, channels, kernel, kernel], -1.0, 1.0);
                if images == 1 {
                    weight = weight.contiguous();
                }
                let bias = draw(&[9], -1.0, 1.0);
                let [ours, theirs] =
                    [Kind::Float, Kind::Double].map(|kind| (leaf(&x, kind), leaf(&weight, kind)));
                let (expected, geometry) =
                    convolved(&theirs, [top, left, bottom, right], stride, 1);
                let found = convolve_by_product(&ours.0, &ours.1, None, geometry).unwrap();
                backward(&found, &expected);
                assert_close(&what, 1e-5, &[("values", &found, &expected)]);
                assert_close(
                    &what,
                    1e-4,
                    &[
                        ("gradient", &ours.0.grad(), &theirs.0.grad()),
                        ("weight", &ours.1.grad(), &theirs.1.grad()),
                    ],
                );
                assert_eq!(ours.1.grad().stride(), ours.1.stride(), "{what}");
                let expected = expected + bias.to_kind(Kind::Double).view([1, 9, 1, 1]);
                let found = convolve_by_product(&ours.0, &ours.1, Some(&bias), geometry).unwrap();
                assert_close(&what, 1e-5, &[("with bias", &found, &expected)]);
            }
        }
    }
}

#[test]
fn winograds_convolution_equals_libtorchs_for_every_padding_and_edge() {
    tch::manual_seed(8);
    // The last has more tiles than fit into one chunk.
    for [images, channels, height, width] in [
        [2, 5, 4, 3],
        [1, 16, 1, 1],
        [3, 33, 2, 7],
        [2, 24, 9, 9],
        [3, 48, 31, 57],
    ] {
        // With the last, some outputs meet no pixel.
        for [top, left, bottom, right] in [[1; 4], [0, 0, 2, 2], [1, 0, 2, 3], [2; 4], [3; 4]] {
            let what = format!("{images}x{channels}x{height}x{width} {top} {left}");
            let x = draw(&[images, channels, height, width], -1.0, 1.0);
            let mut weight = draw(&[19, channels, 3, 3], -1.0, 1.0);
            if images == 1 {
                weight = weight.contiguous();
            }
            let [ours, theirs] =
                [Kind::Float, Kind::Double].map(|kind| (leaf(&x, kind), leaf(&weight, kind)));
            let (expected, geometry) = convolved(&theirs, [top, left, bottom, right], 1, 1);
            let found = convolve_by_winograd(&ours.0, &ours.1, geometry).unwrap();
            backward(&found, &expected);
            assert_close(&what, 1e-5, &[("values", &found, &expected)]);
            assert_close(
                &what,
                1e-4,
                &[
                    ("gradient", &ours.0.grad(), &theirs.0.grad()),
                    ("weight", &ours.1.grad(), &theirs.1.grad()),
                ],
            );
            assert_eq!(ours.1.grad().stride(), ours.1.stride(), "{what}");
        }
    }
}

#[test]
fn only_convolutions_of_many_channels_and_stride_one_are_winograds() {
    let x = |channels| draw(&[2, channels, 16, 16], 0.0, 1.0);
    for (shape, groups, stride, expected) in [
        ([64, 32, 3, 3], 1, 1, true),
        ([64, 32, 3, 3], 1, 2, false),
        ([64, 32, 3, 3], 2, 1, false),
        ([64, 32, 5, 5], 1, 1, false),
        ([64, 3, 3, 3], 1, 1, false),
        ([8, 64, 3, 3], 1, 1, false),
    ] {
        let geometry = Geometry {
            stride,
            top: 1,
            left: 1,
            out_height: 16,
            out_width: 16,
        };
        let found = supports_winograd(
            &x(shape[1] * groups),
            &draw(&shape, 0.0, 1.0),
            groups,
            geometry,
        );
        assert_eq!(
            found, expected,
            "{shape:?} {groups} groups, stride {stride}"
        );
    }
}

#[test]
fn only_convolutions_of_few_pixels_become_products() {
    let geometry = |side| Geometry {
        stride: 1,
        top: 0,
        left: 0,
        out_height: side,
        out_width: side,
    };
    let (dense, wide) = (
        draw(&[16, 8, 1, 1], 0.0, 1.0),
        draw(&[16, 8, 5, 5], 0.0, 1.0),
    );
    for (images, side, weight, groups, expected) in [
        (1, 4, &dense, 1, true),
        (2, 64, &dense, 1, false),
        (1, 4, &dense, 2, false),
        (1, 4, &wide, 1, false),
    ] {
        let x = draw(&[images, 8, side, side], 0.0, 1.0);
        let found = supports_product(&x, weight, groups, geometry(side));
        assert_eq!(
            found, expected,
            "{images} images of {side} pixels, {groups} groups"
        );
    }
}

#[test]
fn other_kernels_are_left_to_libtorch() {
    let x = draw(&[1, 8, 9, 9], 0.0, 1.0);
    for (shape, groups) in [
        ([8, 1, 2, 2], 8),
        ([8, 1, 9, 9], 8),
        ([8, 1, 3, 5], 8),
        ([16, 1, 3, 3], 8),
        ([8, 2, 3, 3], 4),
    ] {
        assert!(
            !supports_depthwise(&x, &draw(&shape, 0.0, 1.0), groups),
            "{shape:?}"
        );
    }
    let flat = Tensor::zeros([2, 8], (Kind::Float, Device::Cpu));
    assert!(supports(&x) && !supports(&flat) && !supports(&x.to_kind(Kind::BFloat16)));
    let _autocast = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
    assert!(!supports(&x));
}

#[test]
fn convolution_with_activation_equals_libtorchs() {
    tch::manual_seed(5);
    let x = draw(&[2, 16, 9, 9], -1.0, 1.0);
    for activation in ACTIVATIONS {
        for (kernel, stride, padding) in [(1, 1, 0), (3, 2, 1)] {
            let weight = draw(&[24, 16, kernel, kernel], -0.2, 0.2);
            let bias = draw(&[24], -1.0, 1.0);
            let found = tch::no_grad(|| {
                convolve_activated(&x, (&weight, &bias), (stride, padding, 1), activation).unwrap()
            });
            let expected = x.to_kind(Kind::Double).conv2d(
                &weight.to_kind(Kind::Double),
                Some(bias.to_kind(Kind::Double)),
                [stride; 2],
                [padding; 2],
                [1, 1],
                1,
            );
            let what = format!("{activation:?} {kernel}");
            assert_close(
                &what,
                1e-5,
                &[("values", &found, &activated(&expected, activation))],
            );
        }
    }
}

#[test]
fn nan_passes_through_every_activation() {
    for activation in ACTIVATIONS {
        let x = draw(&[1, 16, 2, 2], -1.0, 1.0);
        let _ = x.select(1, 3).select(1, 0).fill_(f64::NAN);
        let parts = Parts::new(16);
        let y = tch::no_grad(|| normalize(&x, parts.norm(false), None, activation).unwrap());
        let bad = y.isnan().sum(Kind::Int64).int64_value(&[]);
        assert_eq!(bad, 2, "{activation:?}");
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let threads = tch::get_num_threads();
    let run = |threads| {
        tch::set_num_threads(threads);
        tch::manual_seed(6);
        let x = leaf(&draw(&[4, 96, 20, 20], -1.0, 1.0), Kind::Float);
        let weight = leaf(&draw(&[96, 1, 3, 3], -1.0, 1.0), Kind::Float);
        let parts = Parts::new(96).leaves(Kind::Float);
        let geometry = Geometry {
            stride: 1,
            top: 1,
            left: 1,
            out_height: 20,
            out_width: 20,
        };
        let y = depthwise(&x, &weight, geometry).unwrap();
        let y = normalize(&y, parts.norm(true), None, Some(Activation::Silu)).unwrap();
        let target = y.zeros_like();
        y.mse_loss(&target, Reduction::Sum).backward();
        [y.detach(), x.grad(), weight.grad(), parts.0[0].grad()]
    };
    let (one, two) = (run(1), run(2));
    tch::set_num_threads(threads);
    assert_eq!(one, two);
}
