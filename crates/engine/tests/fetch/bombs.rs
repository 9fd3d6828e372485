//! Archives, data files and pictures that try to do harm: each is refused, and none takes much memory.

use std::fs::{self, File};
use std::path::Path;

use fast_image_resize::Resizer;
use image::{ImageFormat, RgbImage};
use tar::EntryType;
use warmstart_engine::data::folder::decode::{self, Framing};
use warmstart_engine::data::{self, Layout};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment;

use crate::archives::{HOSTILE, unpack, with};
use crate::memory;
use crate::pictures::{broken, crc32, encoded, formula};
use crate::place::{entry, gzip, noise, tiny};

/// Limit on the memory of a refused file, above what a good file takes.
const MOST: u64 = 64 << 20;

/// The number of refused files, and the most memory that one of them took.
#[derive(Default)]
struct Refused {
    number: usize,
    most: u64,
    /// Bytes that a good file takes.
    cap: u64,
}

impl Refused {
    fn refuse<T>(&mut self, what: &str, read: impl FnOnce() -> Result<T, String>) {
        let (result, grown) = memory::grown(|| read().map(drop));
        let grown = grown.saturating_sub(self.cap);
        let error = result.unwrap_err();
        assert!(
            !error.contains("panicked") && error.len() < 4000,
            "{what}: {error}"
        );
        assert!(grown <= MOST, "{what}: {} MB more", grown >> 20);
        (self.number, self.most) = (self.number + 1, self.most.max(grown));
    }
}

fn archives() -> Vec<(String, Vec<u8>)> {
    let zeros = vec![0; 64 << 20];
    let mut archives: Vec<(String, Vec<u8>)> = HOSTILE
        .iter()
        .map(|(kind, name, link, _)| (format!("{kind:?} {name}"), with(*kind, name, b"", *link)))
        .collect();
    archives.push((
        "64 MB of zeros".to_owned(),
        with(EntryType::Regular, "tiny/huge", &zeros, None),
    ));
    archives.push((
        "a name of 64 MB".to_owned(),
        with(EntryType::GNULongName, "tiny/long", &zeros, None),
    ));
    archives.push((
        "a link of 64 MB".to_owned(),
        with(EntryType::GNULongLink, "tiny/long", &zeros, None),
    ));
    archives.push((
        "attributes of 64 MB".to_owned(),
        with(EntryType::XHeader, "tiny/pax", &zeros, None),
    ));
    archives.push((
        "another size".to_owned(),
        with(EntryType::Regular, "tiny/train.bin", b"short", None),
    ));
    archives.push((
        "twice".to_owned(),
        with(
            EntryType::Regular,
            "tiny/train.bin",
            &noise(300_000, 1),
            None,
        ),
    ));
    let mut many = tar::Builder::new(Vec::new());
    for _ in 0..20_000 {
        entry(&mut many, EntryType::Regular, "tiny/empty", b"", None);
    }
    archives.push((
        "20,000 empty files".to_owned(),
        gzip(&many.into_inner().unwrap()),
    ));
    let (_, whole) = tiny();
    archives.push(("half".to_owned(), whole[..whole.len() / 2].to_vec()));
    archives.push(("noise".to_owned(), noise(5000, 3)));
    archives.push(("packed noise".to_owned(), gzip(&noise(5000, 3))));
    archives.push(("nothing".to_owned(), Vec::new()));
    archives
}

/// Reads a folder with CIFAR-100 files; `train` writes its training file.
fn cifar(train: impl FnOnce(&Path)) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    train(&folder.path().join("train.bin"));
    File::create(folder.path().join("test.bin"))
        .unwrap()
        .set_len(10_000 * 3074)
        .unwrap();
    let yaml = format!(
        "name: x\ndataset: {{ name: cifar100, path: {} }}\nmodel: {{ backbone: resnet18 }}\n\
         train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n",
        folder.path().display()
    );
    let experiment = experiment::parse(&yaml, "x.yaml").unwrap();
    let read = data::splits(&experiment, &SearchPaths::from_env(), tch::Device::Cpu);
    read.map(drop).map_err(|error| format!("{error:#}"))
}

/// A PNG with one more chunk before its pixels.
fn with_chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let png = encoded(RgbImage::new(9, 9), ImageFormat::Png);
    let named = [&kind[..], content].concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [
        &png[..33],
        &length,
        &named,
        &crc32(&named).to_be_bytes(),
        &png[33..],
    ]
    .concat()
}

/// A JPEG whose header claims this size.
fn claiming_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = encoded(formula(20, 20), ImageFormat::Jpeg);
    let frame = jpeg
        .windows(2)
        .position(|pair| matches!(pair, [0xff, 0xc0..=0xc2]))
        .unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// Compressed zeros, as PNG stores its texts and colour profiles.
fn deflated(bytes: usize) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..bytes >> 12 {
        encoder.write_all(&[0; 1 << 12]).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn hostile_archives_data_files_and_pictures_are_refused_in_little_memory() {
    if !memory::is_alone(
        "bombs::hostile_archives_data_files_and_pictures_are_refused_in_little_memory",
    ) {
        return;
    }
    let mut refused = Refused::default();
    for (what, archive) in archives() {
        refused.refuse(&what, || unpack(&archive));
    }
    let empty = |path: &Path, length: u64| File::create(path).unwrap().set_len(length).unwrap();
    // At most the published size of the file is read.
    refused.cap = 50_000 * 3074;
    refused.refuse("a data file of 8 GB", || cifar(|path| empty(path, 8 << 30)));
    refused.refuse("a data file that lacks a byte", || {
        cifar(|path| empty(path, 50_000 * 3074 - 1))
    });
    refused.cap = 0;
    refused.refuse("a data file of nothing", || cifar(|path| empty(path, 0)));
    let layout = Layout {
        coarse: true,
        classes: 100,
        coarse_classes: 20,
    };
    for labels in [[20, 0], [0, 100], [255, 255]] {
        let record = [&labels[..], &[0; 3072]].concat();
        refused.refuse("a label of no class", || {
            layout
                .read(&record, 1)
                .map_err(|error| format!("{error:#}"))
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture");
    let profile = [b"x\0\0".as_slice(), &deflated(256 << 20)].concat();
    let pictures = broken()
        .into_iter()
        .map(|(name, bytes, _)| (name, bytes))
        .chain([
            ("claims.jpg", claiming_jpeg(65_500, 65_500)),
            ("wide.jpg", claiming_jpeg(65_500, 8)),
            (
                "wide.png",
                encoded(RgbImage::new(30_001, 1), ImageFormat::Png),
            ),
        ]);
    for (name, bytes) in pictures {
        fs::write(&path, bytes).unwrap();
        refused.refuse(name, || {
            let read = decode::read(
                &path,
                Framing::centred(8),
                &mut Resizer::new(),
                &mut [0; 3 * 8 * 8],
            );
            read.map_err(|error| format!("{error:#}"))
        });
    }
    // The reader skips texts and profiles of a picture, whatever their size, so these pictures are readable.
    for kind in [*b"zTXt", *b"iCCP"] {
        fs::write(&path, with_chunk(kind, &profile)).unwrap();
        let (read, grown) = memory::grown(|| {
            decode::read(
                &path,
                Framing::centred(8),
                &mut Resizer::new(),
                &mut [0; 3 * 8 * 8],
            )
        });
        assert!(
            read.is_ok() && grown <= MOST,
            "{kind:?}: {} MB more, {read:?}",
            grown >> 20
        );
        refused.most = refused.most.max(grown);
    }
    let (number, most) = (refused.number, refused.most >> 20);
    println!(
        "FIGURE D6\thostile archives, data files and pictures refused, memory at most\t{number} of {number}, {most} MB\t20, 64 MB\tok"
    );
    assert!(number >= 20);
}
