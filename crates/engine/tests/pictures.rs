//! Pictures from files: decoded like Pillow, refused with the file's name if broken, in the same batches for any number of
//! decoders.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

#[path = "support/memory.rs"]
mod memory;
#[path = "support/pictures.rs"]
mod pictures;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fast_image_resize::Resizer;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageFormat, LumaA, Rgb, RgbImage, Rgba, RgbaImage,
};
use pictures::{broken, crc32, encoded, folder, formula};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};
use warmstart_engine::check::check;
use warmstart_engine::data::folder::decode::Framing;
use warmstart_engine::data::folder::{Decoding, Folder, Listing, decode};
use warmstart_engine::data::{Batch, Input, Source};
use warmstart_runs::pictures::PictureFolder;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment::{self, Interpolation, SplitRule};
use warmstart_schema::finding::{Checked, Severity};
use warmstart_schema::preparation::Order;

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/pictures.json")).unwrap()
}

/// The bytes of a case's file, which the reference holds in hexadecimal.
fn file_of(case: &Value) -> Vec<u8> {
    let hex = case["file"].as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn decoded(bytes: &[u8], side: u32) -> Result<Vec<u8>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    read(file.path(), side)
}

fn read(path: &Path, side: u32) -> Result<Vec<u8>, String> {
    let mut out = vec![0; 3 * side as usize * side as usize];
    let result = decode::read(path, Framing::centred(side), &mut Resizer::new(), &mut out);
    result.map(|()| out).map_err(|error| format!("{error:#}"))
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn pictures_of_any_shape_are_resized_like_pillow() {
    let table = reference();
    let side = u32::try_from(table["side"].as_u64().unwrap()).unwrap();
    for case in table["resized"].as_array().unwrap() {
        let [width, height] =
            ["width", "height"].map(|name| u32::try_from(case[name].as_u64().unwrap()).unwrap());
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let found = decoded(&encoded(formula(width, height), format), side).unwrap();
            assert!(
                largest_difference(&found, &expected) <= 1,
                "{width}×{height} {format:?}"
            );
        }
    }
}

#[test]
fn every_file_format_is_read_like_pillow_under_any_file_name() {
    let table: Value = serde_json::from_str(include_str!("reference/formats.json")).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert!(cases.len() >= 16);
    for case in cases {
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        // `decoded` writes the bytes to a file whose name has no extension.
        let found =
            decoded(&file_of(case), 8).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        let most = if case["name"] == "photo.jfif" { 2 } else { 0 };
        assert!(
            largest_difference(&found, &expected) <= most,
            "{}\n{found:?}\n{expected:?}",
            case["name"]
        );
    }
}

#[test]
fn a_picture_of_108_million_pixels_is_read_in_little_more_memory_than_it_takes() {
    if !memory::is_alone(
        "a_picture_of_108_million_pixels_is_read_in_little_more_memory_than_it_takes",
    ) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..3)
        .map(|number| place.path().join(format!("{number}.png")))
        .collect();
    let large = GrayImage::from_fn(12_000, 9_000, |x, _| {
        image::Luma([if x < 6_000 { 30 } else { 220 }])
    });
    large.save(&paths[0]).unwrap();
    drop(large);
    paths[1..].iter().for_each(|path| {
        fs::copy(&paths[0], path).unwrap();
    });
    // Grey pixels and their RGB take four bytes each. Several decoders together use no more.
    let (results, grown) = memory::grown(|| {
        std::thread::scope(|scope| {
            let all: Vec<_> = paths
                .iter()
                .map(|path| scope.spawn(|| read(path, 8)))
                .collect();
            all.into_iter()
                .map(|one| one.join().unwrap())
                .collect::<Vec<_>>()
        })
    });
    for result in results {
        let pixels = result.unwrap();
        assert_eq!((pixels[0], pixels[21]), (30, 220));
    }
    assert!(grown < 108_000_000 * 5, "{} MB", grown >> 20);
}

/// The same JPEG with an EXIF orientation.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif =
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

#[test]
fn a_picture_is_rotated_by_its_exif_orientation() {
    // Red is left, blue is right. A clockwise quarter turn moves red to the top, a counter-clockwise one to the bottom.
    let halves = RgbImage::from_fn(32, 32, |x, _| {
        if x < 16 {
            Rgb([220, 0, 0])
        } else {
            Rgb([0, 0, 220])
        }
    });
    let jpeg = encoded(halves, ImageFormat::Jpeg);
    for (orientation, [x, y]) in [
        (1, [1, 4]),
        (2, [6, 4]),
        (3, [6, 4]),
        (6, [4, 1]),
        (8, [4, 6]),
    ] {
        let out = decoded(&with_orientation(&jpeg, orientation), 8).unwrap();
        let red = &out[(y * 8 + x) * 3..][..3];
        assert!(
            red[0] > 180 && red[2] < 60,
            "orientation {orientation}: {red:?}"
        );
    }
    // An orientation that is out of range is ignored.
    assert_eq!(decoded(&with_orientation(&jpeg, 77), 8), decoded(&jpeg, 8));
}

#[test]
fn every_kind_of_pixel_becomes_rgb_on_white() {
    let first = |picture: DynamicImage| {
        decoded(&encoded(picture, ImageFormat::Png), 4).unwrap()[..3].to_vec()
    };
    assert_eq!(
        first(GrayImage::from_pixel(9, 9, image::Luma([77])).into()),
        [77; 3]
    );
    assert_eq!(
        first(GrayAlphaImage::from_pixel(9, 9, LumaA([0, 51])).into()),
        [204; 3]
    );
    assert_eq!(
        first(RgbaImage::from_pixel(9, 9, Rgba([10, 20, 30, 0])).into()),
        [255; 3]
    );
    assert_eq!(
        first(RgbaImage::from_pixel(9, 9, Rgba([10, 20, 30, 255])).into()),
        [10, 20, 30]
    );
    let deep = image::ImageBuffer::from_pixel(9, 9, Rgb([257_u16 * 10, 257 * 128, 65_535]));
    assert_eq!(first(DynamicImage::ImageRgb16(deep)), [10, 128, 255]);
}

#[test]
fn a_cmyk_jpeg_is_decoded_like_pillow() {
    let case = &reference()["cmyk"];
    let out = decoded(&file_of(case), 32).unwrap();
    for (field, (x, y)) in
        case["fields"]
            .as_array()
            .unwrap()
            .iter()
            .zip([(8, 8), (24, 8), (8, 24), (24, 24)])
    {
        let expected: Vec<u8> = serde_json::from_value(field.clone()).unwrap();
        assert!(
            largest_difference(&out[(y * 32 + x) * 3..][..3], &expected) <= 4,
            "{:?} {expected:?}",
            &out[(y * 32 + x) * 3..][..3]
        );
    }
}

#[test]
fn broken_pictures_are_refused_with_the_reason() {
    for (name, bytes, sign) in broken() {
        let error = decoded(&bytes, 8).unwrap_err();
        assert!(
            sign.is_none_or(|sign| error.contains(sign)) && !error.contains("panicked"),
            "{name}: {error}"
        );
    }
    let place = tempfile::tempdir().unwrap();
    assert_eq!(read(place.path(), 8).unwrap_err(), "is not a file");
    assert!(
        read(&place.path().join("none"), 8)
            .unwrap_err()
            .contains("cannot be read: No such file")
    );
    let pipe = place.path().join("pipe.png");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(read(&pipe, 8).unwrap_err(), "is not a file");
    let large = decoded(&pictures::claiming(20_000, 15_000), 8).unwrap_err();
    assert_eq!(
        large,
        "has 20000×15000 pixels, 300 million; up to 200 million are read"
    );
    let hollow = place.path().join("hollow.png");
    for header in ["P6 0 0 255\n", "P5 7 0 255\n", "P4 0 7\n"] {
        fs::write(&hollow, header).unwrap();
        let checked = decode::check(&hollow).map_err(|error| format!("{error:#}"));
        for error in [read(&hollow, 8).unwrap_err(), checked.unwrap_err()] {
            assert!(error.contains("no pixels"), "{header:?}: {error}");
        }
    }
    // Bytes after the end of a JPEG do not make it unreadable.
    let jpeg = encoded(formula(20, 20), ImageFormat::Jpeg);
    assert_eq!(
        decoded(&[&jpeg[..], b"trailer \xff\xda"].concat(), 8),
        decoded(&jpeg, 8)
    );
}

/// The batches of a whole folder, in a shuffled order.
fn batches(root: &Path, threads: usize) -> (Vec<Batch>, Vec<String>, Vec<u32>) {
    let files = PictureFolder::open(root, SplitRule::ByName)
        .unwrap()
        .list()
        .unwrap()
        .train;
    let listing = Arc::new(Listing::new(root, files, &mut Sha256::new()));
    let count = u32::try_from(listing.labels().len()).unwrap();
    let order: Vec<u32> = (0..count).rev().chain(0..3).collect();
    let source = Folder::new(
        Arc::clone(&listing),
        Decoding::new(Framing::centred(12), false, Some(threads)).unwrap(),
        Device::Cpu,
    );
    let batches = source
        .batches(&order, 7)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    (batches, source.unreadable(), listing.labels())
}

fn images(batch: &Batch) -> &Tensor {
    let Input::Images(images) = &batch.input else {
        panic!("{batch:?}")
    };
    images
}

#[test]
fn batches_are_equal_for_any_number_of_decoders_and_skip_broken_pictures() {
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
    assert!(
        unreadable
            .iter()
            .any(|text| text.contains("green/text.png: is not a supported picture")),
        "{unreadable:?}"
    );
    let number = (63 + broken().len() + 3).div_ceil(7);
    assert_eq!((one.len(), many.len()), (number, number));
    let mut pixels = Vec::new();
    for (one, many) in one.iter().zip(&many) {
        assert_eq!((&one.members, images(one)), (&many.members, images(many)));
        let expected: Vec<i64> = one
            .members
            .iter()
            .map(|&member| labels[member as usize].into())
            .collect();
        assert_eq!(Vec::<i64>::try_from(&one.labels).unwrap(), expected);
        pixels.push(images(one));
    }
    // The batches without the broken pictures equal the batches before the broken ones were added.
    let before: Vec<&Tensor> = whole.iter().map(images).collect();
    let [before, after] = [before, pixels].map(|parts| Tensor::cat(&parts, 0));
    assert_eq!(
        (after.size(), after.kind()),
        (vec![66, 3, 12, 12], Kind::Float)
    );
    assert_eq!(before, after);
    assert!(after.max().double_value(&[]) <= 1.0 && after.max().double_value(&[]) > 0.5);
}

/// The formula's picture equals the one of timm's transform (resize the shorter side, crop the centre), for any shape and
/// orientation.
#[test]
fn pictures_are_framed_like_timms_transform() {
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
            let exif = [
                b"eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(),
                &[orientation, 0, 0, 0, 0, 0, 0, 0],
            ]
            .concat();
            let length = u32::try_from(exif.len() - 4).unwrap();
            let chunk = [
                &length.to_be_bytes()[..],
                &exif,
                &crc32(&exif).to_be_bytes(),
            ]
            .concat();
            png.splice(33..33, chunk);
        }
        fs::write(&path, png).unwrap();
        let mut out = vec![0; expected.len()];
        decode::read(&path, framing, &mut Resizer::new(), &mut out).unwrap();
        let (width, height) = (number("width"), number("height"));
        // Largest difference, of 255, because the two round differently.
        let most = match framing.interpolation {
            Interpolation::Nearest => 0,
            Interpolation::Bilinear => 2,
            Interpolation::Bicubic => 3,
        };
        assert!(
            largest_difference(&out, &expected) <= most,
            "{width}×{height} {framing:?}: {}",
            largest_difference(&out, &expected)
        );
    }
}

/// The result of `check` for an experiment on a folder.
fn checked(root: &Path, dataset: &str) -> Checked {
    let yaml = format!(
        "name: x\nseed: 7\ndataset: {{ name: image_folder, path: {}{dataset} }}\nmodel: {{ backbone: resnet18, weights: random }}\n\
         train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n",
        root.display()
    );
    check(
        &experiment::parse(&yaml, "x.yaml").unwrap(),
        &SearchPaths::from_env(),
    )
}

fn errors(checked: &Checked) -> Vec<&str> {
    let errors = checked
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.text.as_str()).collect()
}

fn small(path: &Path, shade: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(9, 9, Rgb([shade, 7, 7]))
        .save(path)
        .unwrap();
}

#[test]
fn check_reports_what_keeps_a_folder_from_training() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    assert!(errors(&checked(&root.join("none"), ""))[0].contains("none cannot be read"));
    for number in 0..3_u8 {
        for (class, shade) in [("cat", number), ("dog", number + 100)] {
            for (part, more) in [("train", 0), ("val", 10), ("test", 20)] {
                small(
                    &root.join(format!("{part}/{class}/{number}.png")),
                    shade + more,
                );
            }
        }
    }
    let good = checked(root, "");
    assert_eq!(good.findings, []);
    let counts = good.pictures.unwrap();
    assert_eq!(
        (counts.train, counts.validation, counts.test),
        (vec![3, 3], vec![3, 3], vec![3, 3])
    );
    assert!(counts.own_validation && counts.own_test && counts.unreadable == 0);

    small(&root.join("val/wolf/1.png"), 1);
    assert!(
        errors(&checked(root, ""))[0]
            .contains("val holds classes that training pictures lack: wolf")
    );
    fs::remove_dir_all(root.join("val/wolf")).unwrap();
    fs::write(root.join("val/cat/9.jpg"), "no picture").unwrap();
    let one = checked(root, "");
    assert!(
        errors(&one).is_empty() && one.pictures.unwrap().unreadable == 1,
        "{:?}",
        one.findings
    );
    assert!(errors(&checked(root, ", strict: true"))[0].starts_with("1 picture cannot be read: "));
    for number in 0..3 {
        fs::write(root.join(format!("train/dog/{number}.png")), "").unwrap();
    }
    let one_class = checked(root, "");
    assert_eq!(
        errors(&one_class),
        ["only class cat has training pictures that can be read"]
    );
}

#[test]
fn where_a_limit_leaves_too_few_images_check_says_to_raise_it() {
    let yaml = "name: x\ndataset: { name: emoji98, limit: 10, validation: 0.04 }\nmodel: { backbone: resnet18, weights: random }\n\
                train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n";
    let experiment = experiment::parse(yaml, "x.yaml").unwrap();
    let found = check(&experiment, &SearchPaths::from_env());
    assert!(
        errors(&found)[0].contains("10 training, 0 validation")
            && found.findings[0].help.contains("raise dataset.limit"),
        "{:?}",
        found.findings
    );
}

#[test]
fn check_says_why_a_share_by_order_is_empty() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    for (number, class) in (0..).zip(["cat", "cat", "dog", "dog"]) {
        small(&root.join(format!("{class}/{number}.png")), number);
    }
    let found = checked(root, ", split: by_order, validation: 0.1, test: 0.5");
    let empty = errors(&found)[0];
    assert!(
        empty.starts_with("no picture falls into the validation part")
            && empty.contains("0.1 (dataset.validation)"),
        "{empty}"
    );
    // Neither the names of pictures nor the seed decide how many they are.
    for finding in &found.findings {
        assert!(!finding.text.contains("its own name"), "{finding:?}");
        assert!(!finding.help.contains("seed"), "{finding:?}");
    }
}

#[test]
fn check_reports_duplicates_and_empty_parts() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    for (number, class) in [(0, "cat"), (1, "cat"), (0, "dog"), (2, "dog")] {
        small(&root.join(format!("train/{class}/{number}.png")), number);
        small(
            &root.join(format!("val/{class}/1{number}.png")),
            number + 10,
        );
    }
    small(&root.join("val/dog/deep/other-name.png"), 2);
    let found = checked(root, ", test: 0.000001");
    let empty = errors(&found)[0];
    assert!(
        empty.starts_with("no picture falls into the test part")
            && empty.contains("with a chance of 0.000001 (dataset.test)"),
        "{:?}",
        found.findings
    );
    let texts: Vec<&str> = found
        .findings
        .iter()
        .map(|finding| finding.text.as_str())
        .collect();
    let copy = "1 validation picture is an exact copy of training pictures, so that its figures may look better than they are: \
        dog/deep/other-name.png = dog/2.png";
    assert!(texts.contains(&copy), "{texts:?}");
    assert!(
        texts.contains(
            &"2 pictures lie in two classes: dog/0.png = cat/0.png, dog/10.png = cat/10.png"
        ),
        "{texts:?}"
    );
}
