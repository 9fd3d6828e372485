//! Picture files of many formats, made when a test needs them.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// The same picture as in `reference/pictures.py`.
pub(crate) fn formula(width: u32, height: u32) -> RgbImage {
    let byte = |value: u32| u8::try_from(value % 256).unwrap();
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([
            byte(x * 5 + y * 3),
            byte(x * x / 7 + y),
            byte(y * 9 + 40 * (x / 6)),
        ])
    })
}

pub(crate) fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG whose header claims this size, with no pixels for it.
pub(crate) fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut png = encoded(RgbImage::new(1, 1), ImageFormat::Png);
    let header = [
        b"IHDR".as_slice(),
        &width.to_be_bytes(),
        &height.to_be_bytes(),
        &[8, 2, 0, 0, 0],
    ]
    .concat();
    png[12..29].copy_from_slice(&header);
    png[29..33].copy_from_slice(&crc32(&header).to_be_bytes());
    png
}

/// The CRC-32 of PNG, computed bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            crc >> 1 ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    };
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), step)
    })
}

/// Name and bytes of files that warmstart must refuse, with a part of its error message. `None` where the message is the decoder's
/// own, so that only the refusal can be checked. All are broken, except `strip.png`: that is a sound PNG whose side is longer than
/// warmstart reads.
pub(crate) fn broken() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let jpeg = encoded(formula(60, 40), ImageFormat::Jpeg);
    let png = encoded(formula(60, 40), ImageFormat::Png);
    let webp = encoded(formula(60, 40), ImageFormat::WebP);
    vec![
        (
            "half.jpg",
            jpeg[..jpeg.len() / 2].to_vec(),
            Some("breaks off"),
        ),
        (
            "end.jpg",
            jpeg[..jpeg.len() - 2].to_vec(),
            Some("breaks off"),
        ),
        ("half.png", png[..png.len() / 2].to_vec(), None),
        ("half.webp", webp[..webp.len() / 2].to_vec(), None),
        (
            "text.png",
            b"this is no picture".to_vec(),
            Some("is not a supported picture"),
        ),
        (
            "gif.jpg",
            b"GIF89a\x01\x00\x01\x00\x00\x00\x00".to_vec(),
            None,
        ),
        (
            "phone.jpg",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(),
            Some("is a HEIC picture: convert it"),
        ),
        (
            "pointer.png",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n".to_vec(),
            Some("Git LFS"),
        ),
        (
            "page.jpg",
            b"<!DOCTYPE html><title>404</title>".to_vec(),
            Some("a web page"),
        ),
        ("nothing.jpeg", Vec::new(), Some("is empty")),
        (
            "strip.png",
            encoded(RgbImage::new(60_000, 1), ImageFormat::Png),
            Some("60000"),
        ),
        ("bomb.png", claiming(25_000, 25_000), Some("25000×25000")),
        ("claim.png", claiming(u32::MAX, u32::MAX), None),
    ]
}

/// Three classes of different sizes that differ in colour, in three file formats. Written to each folder in `parts` below `root`.
pub(crate) fn folder(root: &Path, parts: &[&str]) {
    for part in parts {
        for (class, images, hue) in [("blue ones", 20, 2), ("green", 12, 1), ("red", 31, 0)] {
            let folder = root.join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for index in 0..images {
                let mut picture = formula(30 + index % 17, 50 - index % 13);
                for pixel in picture.pixels_mut() {
                    pixel[hue] = pixel[hue] / 2 + 128;
                }
                let (ending, format) = [
                    ("png", ImageFormat::Png),
                    ("jpg", ImageFormat::Jpeg),
                    ("WebP", ImageFormat::WebP),
                ][index as usize % 3];
                fs::write(
                    folder.join(format!("{index:02}.{ending}")),
                    encoded(picture, format),
                )
                .unwrap();
            }
        }
    }
}
