//! One picture from its file: refused before it can take too much memory, turned by its EXIF orientation, without
//! transparency, resized.

use std::fs;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, bail, ensure};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use warmstart_runs::pictures::Content;
use warmstart_schema::experiment::Interpolation;
use warmstart_schema::preparation::{Order, Preparation};

/// Larger files are not read.
const MAX_FILE: u64 = 512 << 20;
/// From so many bytes on, one file is read at a time.
const LARGE_FILE: u64 = 64 << 20;
/// Longer sides are refused: such a picture is a mistake or a trap.
const MAX_SIDE: u32 = 30_000;
/// More pixels are refused. The largest cameras of phones have 200 million.
const MAX_PIXELS: u64 = 200_000_000;
/// From so many on, one picture is decoded at a time: every decoder thread may hold as many.
const LARGE_PIXELS: u64 = 50_000_000;
/// Bytes that a decoder may take, and those of a PNG's colour profile.
const MAX_MEMORY: u64 = 1 << 30;
const MAX_PROFILE: u64 = 32 << 20;

/// How a picture becomes a square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Framing {
    /// Side length in pixels.
    pub side: u32,
    pub interpolation: Interpolation,
    /// Share of the shorter side that is kept.
    pub crop_pct: f64,
    pub order: Order,
}

impl From<&Preparation> for Framing {
    fn from(preparation: &Preparation) -> Self {
        let Preparation {
            side,
            interpolation,
            crop_pct,
            order,
            ..
        } = *preparation;
        Self {
            side,
            interpolation,
            crop_pct,
            order,
        }
    }
}

impl Framing {
    /// The largest centred square, bilinear.
    pub fn centred(side: u32) -> Self {
        Self {
            side,
            interpolation: Interpolation::Bilinear,
            crop_pct: 1.0,
            order: Order::CropFirst,
        }
    }
}

/// Held while a large picture is decoded.
static LARGE: Mutex<()> = Mutex::new(());

type LargePermit = MutexGuard<'static, ()>;

fn wait_for_large_permit() -> LargePermit {
    // One that panicked while it held this left nothing half done.
    LARGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Decodes the picture at `path` into `out`, `side`×`side` RGB bytes, row by row.
pub fn read(path: &Path, framing: Framing, resizer: &mut Resizer, out: &mut [u8]) -> Result<()> {
    let result = guarded(|| {
        let (bytes, permit) = bytes(path)?;
        with_picture(&bytes, permit, |picture, orientation| {
            resize(picture, framing, orientation, resizer, out)?;
            turn(orientation, framing.side, out)
        })
    });
    result.unwrap_or_else(|| {
        *resizer = Resizer::new();
        Err(anyhow!("the decoder panicked"))
    })
}

/// Decodes the picture at `path` and returns the size and hash of the file; an error is the one that [`read`] would give.
pub fn check(path: &Path) -> Result<Content> {
    let result = guarded(|| {
        let (bytes, permit) = bytes(path)?;
        with_picture(&bytes, permit, |_, _| Ok(()))?;
        Ok(Content::of(&bytes))
    });
    result.unwrap_or_else(|| Err(anyhow!("the decoder panicked")))
}

/// Turns a panic of a decoder into an error about the image.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Option<Result<T>> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn bytes(path: &Path) -> Result<(Vec<u8>, Option<LargePermit>)> {
    let meta = fs::metadata(path).context("cannot be read")?;
    // To open a pipe would wait for its writer.
    ensure!(meta.is_file(), "is not a file");
    ensure!(
        meta.len() <= MAX_FILE,
        "is larger than {} MB",
        MAX_FILE >> 20
    );
    let permit = (meta.len() > LARGE_FILE).then(wait_for_large_permit);
    let mut bytes = Vec::new();
    let file = fs::File::open(path).context("cannot be opened")?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .context("cannot be read")?;
    ensure!(!bytes.is_empty(), "is empty");
    ensure!(
        bytes.len() as u64 <= MAX_FILE,
        "is larger than {} MB",
        MAX_FILE >> 20
    );
    Ok((bytes, permit))
}

/// Checks and decodes a picture, and calls `work` with it and its EXIF orientation.
fn with_picture(
    bytes: &[u8],
    permit: Option<LargePermit>,
    work: impl FnOnce(&RgbImage, Orientation) -> Result<()>,
) -> Result<()> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .context("cannot be read")?;
    let format = reader.format();
    match format {
        Some(ImageFormat::Jpeg) => ensure!(is_whole_jpeg(bytes), "is a JPEG that breaks off"),
        Some(
            ImageFormat::Png
            | ImageFormat::WebP
            | ImageFormat::Bmp
            | ImageFormat::Gif
            | ImageFormat::Tiff
            | ImageFormat::Pnm,
        ) => {}
        _ => bail!("{}", what_it_is(bytes)),
    }
    let mut limits = Limits::no_limits();
    // PNG's decoder limits only data besides the image; a colour profile may claim gigabytes.
    limits.max_alloc = Some(if format == Some(ImageFormat::Png) {
        MAX_PROFILE
    } else {
        MAX_MEMORY
    });
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    // The resizer writes nothing for such a picture, and training would see a black one.
    ensure!(pixels > 0, "has no pixels: its size is {width}×{height}");
    ensure!(
        pixels <= MAX_PIXELS,
        "has {width}×{height} pixels, {:.0} million; up to {} million are read",
        pixels as f64 / 1e6,
        MAX_PIXELS / 1_000_000
    );
    ensure!(
        width.max(height) <= MAX_SIDE,
        "has {width}×{height} pixels; sides of up to {MAX_SIDE} pixels are read"
    );
    ensure!(
        decoder.total_bytes() <= MAX_MEMORY,
        "takes {} MB once it is unpacked; up to {} MB are read",
        decoder.total_bytes() >> 20,
        MAX_MEMORY >> 20
    );
    let _permit = permit.or_else(|| (pixels > LARGE_PIXELS).then(wait_for_large_permit));
    // A picture with broken EXIF is used without turning.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = opaque(DynamicImage::from_decoder(decoder)?);
    work(&picture, orientation)
}

/// What an unsupported file seems to be, by its first bytes.
fn what_it_is(bytes: &[u8]) -> String {
    let read = "supported: PNG, JPEG, WebP, BMP, TIFF, GIF, PNM";
    let brand = bytes
        .get(4..12)
        .and_then(|brand| brand.strip_prefix(b"ftyp"));
    let begins = |sign: &[u8]| bytes.starts_with(sign);
    let text = bytes.trim_ascii_start();
    let kind = match brand {
        Some(b"avif" | b"avis") => "an AVIF picture: convert it to JPEG or PNG",
        Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1") => {
            "a HEIC picture: convert it to JPEG or PNG"
        }
        Some(_) => "a video or another media file",
        None if begins(b"version https://git-lfs") => {
            "a pointer of Git LFS, not the picture: `git lfs pull` brings it"
        }
        None if begins(b"\xff\x0a") || begins(b"\0\0\0\x0cJXL ") => {
            "a JPEG XL picture: convert it to JPEG or PNG"
        }
        None if begins(b"\0\0\0\x0cjP  ") || begins(b"\xff\x4f\xff\x51") => {
            "a JPEG 2000 picture: convert it to JPEG or PNG"
        }
        None if begins(b"8BPS") => "a Photoshop file: convert it to JPEG or PNG",
        None if begins(b"%PDF") => "a PDF",
        None if text.starts_with(b"<svg") || text.starts_with(b"<?xml") => "an SVG or XML text",
        None if text
            .get(..14)
            .is_some_and(|text| text.eq_ignore_ascii_case(b"<!doctype html"))
            || text
                .get(..5)
                .is_some_and(|text| text.eq_ignore_ascii_case(b"<html")) =>
        {
            "a web page, not a picture"
        }
        None => return format!("is not a supported picture; {read}"),
    };
    format!("is {kind}; {read}")
}

/// Whether a JPEG ends as it should. The decoder would fill the rest with grey and call it good.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    // These markers have no content: fill bytes, the image's start, and markers within compressed data.
    let has_content =
        |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 1 | 0xd0..=0xd8 | 0xff);
    let mut rest = bytes;
    while let Some(next) = rest.windows(2).position(has_content) {
        let length = match rest[next + 1..] {
            [0xd9, ..] => return true,
            [_, high, low, ..] => usize::from(u16::from_be_bytes([high, low])),
            _ => return false,
        };
        rest = rest.get(next + 2 + length..).unwrap_or_default();
    }
    false
}

/// RGB with 8 bits a channel; transparent areas become white.
fn opaque(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let (width, height) = picture.dimensions();
    let over_white = |channel: u8, alpha: u8| {
        let (channel, alpha) = (u32::from(channel), u32::from(alpha));
        u8::try_from((channel * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
    };
    RgbImage::from_fn(width, height, |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        image::Rgb([red, green, blue].map(|channel| over_white(channel, alpha)))
    })
}

fn resize(
    picture: &RgbImage,
    framing: Framing,
    orientation: Orientation,
    resizer: &mut Resizer,
    out: &mut [u8],
) -> Result<()> {
    let Framing {
        side,
        interpolation,
        order,
        ..
    } = framing;
    let from = ImageRef::new(
        picture.width(),
        picture.height(),
        picture.as_raw(),
        PixelType::U8x3,
    )?;
    let mut to = Image::from_slice_u8(side, side, out, PixelType::U8x3)?;
    let options = ResizeOptions::new().resize_alg(match interpolation {
        Interpolation::Nearest => ResizeAlg::Nearest,
        Interpolation::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Interpolation::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
    });
    let options = match order {
        Order::CropFirst => options.fit_into_destination(None),
        Order::ResizeFirst => {
            let kept = crop_box(picture.dimensions(), framing, orientation);
            options.crop(kept.left, kept.top, kept.width, kept.height)
        }
    };
    Ok(resizer.resize(&from, &mut to, &options)?)
}

/// A rectangle in the pixels of the original picture.
struct CropBox {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// The square that torchvision's `Resize` and `CenterCrop` keep. Only it is resized; the filter still reads the pixels around it.
fn crop_box((width, height): (u32, u32), framing: Framing, orientation: Orientation) -> CropBox {
    let Framing { side, crop_pct, .. } = framing;
    let (shorter, longer) = (u64::from(width.min(height)), u64::from(width.max(height)));
    // The whole sides that torchvision resizes to; the longer one is truncated, not rounded.
    let shorter_after = (f64::from(side) / crop_pct).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive whole number of pixels"
    )]
    let longer_after = (shorter_after as u64 * longer / shorter.max(1)) as f64;
    let (mirrors_x, mirrors_y) = match orientation {
        Orientation::NoTransforms | Orientation::Rotate90FlipH => (false, false),
        Orientation::FlipHorizontal | Orientation::Rotate270 => (true, false),
        Orientation::FlipVertical | Orientation::Rotate90 => (false, true),
        Orientation::Rotate180 | Orientation::Rotate270FlipH => (true, true),
    };
    let along = |pixels: u32, mirrors: bool| {
        let resized = if u64::from(pixels) == shorter {
            shorter_after
        } else {
            longer_after
        };
        let excess = resized - f64::from(side);
        // As Python rounds. torchvision turns the picture before it crops, we after: an odd pixel must be cut from the opposite
        // side if the turn mirrors this axis.
        let begin = (excess / 2.0).round_ties_even();
        let begin = if mirrors { excess - begin } else { begin };
        let scale = f64::from(pixels) / resized;
        let begin = begin * scale;
        (
            begin,
            (f64::from(side) * scale).min(f64::from(pixels) - begin),
        )
    };
    let ((left, width), (top, height)) = (along(width, mirrors_x), along(height, mirrors_y));
    CropBox {
        left,
        top,
        width,
        height,
    }
}

/// Rotates after resizing, when the image is small.
fn turn(orientation: Orientation, side: u32, out: &mut [u8]) -> Result<()> {
    if orientation != Orientation::NoTransforms {
        let square =
            RgbImage::from_raw(side, side, out.to_vec()).context("a square of another size")?;
        let mut square = DynamicImage::from(square);
        square.apply_orientation(orientation);
        out.copy_from_slice(square.as_bytes());
    }
    Ok(())
}
