//! Pictures from files: decoded as Pillow does, refused by name where they are broken, in batches whatever the number of
//! decoders.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic as tests do")]

#[path = "support/pictures.rs"]
mod pictures;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fast_image_resize::Resizer;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageFormat, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use pictures::{broken, crc32, encoded, folder, formula};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};
use warmstart_engine::data::folder::decode::Framing;
use warmstart_engine::data::folder::{Decoding, Folder, Listing, decode};
use warmstart_engine::data::{Batch, Input, Source};
use warmstart_schema::experiment::Interpolation;
use warmstart_schema::pictures::PictureFolder;
use warmstart_schema::preparation::Order;

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/pictures.json")).unwrap()
}

fn decoded(bytes: &[u8], side: u32) -> Result<Vec<u8>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    read(file.path(), side)
}

fn read(path: &Path, side: u32) -> Result<Vec<u8>, String> {
    let mut out = vec![0; 3 * side as usize * side as usize];
    let result = decode::read(path, side, &mut Resizer::new(), &mut out);
    result.map(|()| out).map_err(|error| format!("{error:#}"))
}

fn furthest(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn pictures_of_any_shape_are_resized_as_pillow_does() {
    let table = reference();
    let side = u32::try_from(table["side"].as_u64().unwrap()).unwrap();
    for case in table["resized"].as_array().unwrap() {
        let [width, height] = ["width", "height"].map(|name| u32::try_from(case[name].as_u64().unwrap()).unwrap());
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let found = decoded(&encoded(formula(width, height), format), side).unwrap();
            assert!(furthest(&found, &expected) <= 1, "{width}×{height} {format:?}");
        }
    }
}

/// The same JPEG with an EXIF orientation.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn a_picture_is_turned_as_its_camera_was_held() {
    // Red to the left, blue to the right; a quarter turn clockwise brings red to the top, one counter-clockwise to the bottom.
    let halves = RgbImage::from_fn(32, 32, |x, _| if x < 16 { Rgb([220, 0, 0]) } else { Rgb([0, 0, 220]) });
    let jpeg = encoded(halves, ImageFormat::Jpeg);
    for (orientation, [x, y]) in [(1, [1, 4]), (2, [6, 4]), (3, [6, 4]), (6, [4, 1]), (8, [4, 6])] {
        let out = decoded(&turned(&jpeg, orientation), 8).unwrap();
        let red = &out[(y * 8 + x) * 3..][..3];
        assert!(red[0] > 180 && red[2] < 60, "orientation {orientation}: {red:?}");
    }
    // One that is out of range means nothing.
    assert_eq!(decoded(&turned(&jpeg, 77), 8), decoded(&jpeg, 8));
}

#[test]
fn every_kind_of_pixel_becomes_rgb_on_white() {
    let first = |picture: DynamicImage| decoded(&encoded(picture, ImageFormat::Png), 4).unwrap()[..3].to_vec();
    assert_eq!(first(GrayImage::from_pixel(9, 9, image::Luma([77])).into()), [77; 3]);
    assert_eq!(first(GrayAlphaImage::from_pixel(9, 9, LumaA([0, 51])).into()), [204; 3]);
    assert_eq!(first(RgbaImage::from_pixel(9, 9, Rgba([10, 20, 30, 0])).into()), [255; 3]);
    assert_eq!(first(RgbaImage::from_pixel(9, 9, Rgba([10, 20, 30, 255])).into()), [10, 20, 30]);
    let deep = image::ImageBuffer::from_pixel(9, 9, Rgb([257_u16 * 10, 257 * 128, 65_535]));
    assert_eq!(first(DynamicImage::ImageRgb16(deep)), [10, 128, 255]);
}

#[test]
fn a_cmyk_jpeg_looks_as_it_does_in_pillow() {
    let case = &reference()["cmyk"];
    let hex = case["file"].as_str().unwrap();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let out = decoded(&bytes, 32).unwrap();
    for (field, (x, y)) in case["fields"].as_array().unwrap().iter().zip([(8, 8), (24, 8), (8, 24), (24, 24)]) {
        let expected: Vec<u8> = serde_json::from_value(field.clone()).unwrap();
        assert!(
            furthest(&out[(y * 32 + x) * 3..][..3], &expected) <= 4,
            "{:?} {expected:?}",
            &out[(y * 32 + x) * 3..][..3]
        );
    }
}

#[test]
fn what_is_broken_is_refused_by_its_reason() {
    for (name, bytes, sign) in broken() {
        let error = decoded(&bytes, 8).unwrap_err();
        assert!(error.contains(sign) && !error.contains("panicked"), "{name}: {error}");
    }
    let place = tempfile::tempdir().unwrap();
    assert_eq!(read(place.path(), 8).unwrap_err(), "is not a file");
    assert!(read(&place.path().join("none"), 8).unwrap_err().contains("cannot be found"));
    let pipe = place.path().join("pipe.png");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(read(&pipe, 8).unwrap_err(), "is not a file");
    // What only follows a JPEG does not break it.
    let jpeg = encoded(formula(20, 20), ImageFormat::Jpeg);
    assert_eq!(decoded(&[&jpeg[..], b"trailer \xff\xda"].concat(), 8), decoded(&jpeg, 8));
}

/// The batches of a whole folder in an odd order.
fn batches(root: &Path, threads: usize) -> (Vec<Batch>, Vec<String>, Vec<u32>) {
    let classes = PictureFolder::open(root).unwrap().classes;
    let listing = Arc::new(Listing::new(root, &classes, &mut Sha256::new()).unwrap());
    let count = u32::try_from(listing.labels().len()).unwrap();
    let order: Vec<u32> = (0..count).rev().chain(0..3).collect();
    let source = Folder::new(Arc::clone(&listing), Decoding::new(12, false, Some(threads)).unwrap(), Device::Cpu);
    let batches = source.batches(&order, 7).unwrap().map(Result::unwrap).collect();
    (batches, source.unreadable(), listing.labels())
}

fn images(batch: &Batch) -> &Tensor {
    let Input::Images(images) = &batch.input else { panic!("{batch:?}") };
    images
}

#[test]
fn batches_are_the_same_whatever_the_number_of_decoders_and_lack_what_is_broken() {
    let place = tempfile::tempdir().unwrap();
    folder(place.path(), &[""]);
    let (whole, none, _) = batches(place.path(), 2);
    assert!(none.is_empty());
    for (name, bytes, _) in broken() {
        fs::write(place.path().join("green").join(name), bytes).unwrap();
    }
    let (one, unreadable, labels) = batches(place.path(), 1);
    let (many, _, _) = batches(place.path(), 5);
    assert_eq!(unreadable.len(), broken().len(), "{unreadable:?}");
    assert!(unreadable.iter().any(|text| text.contains("green/text.png: is neither")), "{unreadable:?}");
    assert_eq!(one.len(), (63 + broken().len() + 3).div_ceil(7));
    let mut pixels = Vec::new();
    for (one, many) in one.iter().zip(&many) {
        assert_eq!((&one.members, images(one)), (&many.members, images(many)));
        let expected: Vec<i64> = one.members.iter().map(|&member| labels[member as usize].into()).collect();
        assert_eq!(Vec::<i64>::try_from(&one.labels).unwrap(), expected);
        pixels.push(images(one));
    }
    // What is left is what there was before the broken ones came.
    let before: Vec<&Tensor> = whole.iter().map(images).collect();
    let [before, after] = [before, pixels].map(|parts| Tensor::cat(&parts, 0));
    assert_eq!((after.size(), after.kind()), (vec![66, 3, 12, 12], Kind::Float));
    assert_eq!(before, after);
    assert!(after.max().double_value(&[]) <= 1.0 && after.max().double_value(&[]) > 0.5);
}

/// The formula's picture as timm's transform prepares it: shorter side resized, centre cut out, whatever its shape and how its camera
/// was held.
#[test]
fn pictures_are_framed_as_timms_transform_frames_them() {
    let table = reference();
    let folder = tempfile::tempdir().unwrap();
    for case in table["framed"].as_array().unwrap() {
        let number = |name: &str| u32::try_from(case[name].as_u64().unwrap()).unwrap();
        let framing = Framing {
            side: number("side"),
            interpolation: Interpolation::named(case["interpolation"].as_str().unwrap()).unwrap(),
            crop_pct: case["crop_pct"].as_f64().unwrap(),
            order: Order::ResizeFirst,
        };
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        let path = folder.path().join("picture.png");
        let mut png = encoded(formula(number("width"), number("height")), ImageFormat::Png);
        let orientation = u8::try_from(number("orientation")).unwrap();
        if orientation != 1 {
            // An `eXIf` chunk after the header.
            let exif =
                [b"eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]]
                    .concat();
            let length = u32::try_from(exif.len() - 4).unwrap();
            let chunk = [&length.to_be_bytes()[..], &exif, &crc32(&exif).to_be_bytes()].concat();
            png.splice(33..33, chunk);
        }
        fs::write(&path, png).unwrap();
        let mut out = vec![0; expected.len()];
        decode::read(&path, framing, &mut Resizer::new(), &mut out).unwrap();
        let (width, height) = (number("width"), number("height"));
        // Of 255, by which the two round apart on their way.
        let most = match framing.interpolation {
            Interpolation::Nearest => 0,
            Interpolation::Bilinear => 2,
            Interpolation::Bicubic => 3,
        };
        assert!(furthest(&out, &expected) <= most, "{width}×{height} {framing:?}: {}", furthest(&out, &expected));
    }
}
