//! Charts as PNG, rendered from the SVG. The program contains the font, so a chart looks the same on every machine.

use anyhow::Context;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// `DejaVu Sans`, reduced to Latin, Greek and Cyrillic letters, digits and signs of units.
const FONTS: [&[u8]; 2] = [
    include_bytes!("../../../../assets/fonts/DejaVuSans.ttf"),
    include_bytes!("../../../../assets/fonts/DejaVuSans-Bold.ttf"),
];
const FAMILY: &str = "DejaVu Sans";
/// Pixels for each unit of the SVG, enough for print.
const SCALE: f32 = 2.0;

/// Renders an SVG of this crate. Fails if the pixels need too much memory.
pub fn from_svg(svg: &str) -> anyhow::Result<Vec<u8>> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    for font in FONTS {
        fonts.load_font_data(font.to_vec());
    }
    fonts.set_sans_serif_family(FAMILY);
    fonts.set_serif_family(FAMILY);
    let tree = Tree::from_str(svg, &options).context("the charts' SVG cannot be drawn")?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(SCALE)
        .context("the charts have no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height())
        .context("the charts are too large for a picture")?;
    resvg::render(
        &tree,
        Transform::from_scale(SCALE, SCALE),
        &mut pixels.as_mut(),
    );
    pixels
        .encode_png()
        .context("the charts cannot be written as PNG")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(body: &str) -> Pixmap {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">{body}</svg>"#
        );
        Pixmap::decode_png(&from_svg(&svg).unwrap()).unwrap()
    }

    #[test]
    fn png_has_the_svgs_shapes_at_twice_its_size() {
        let picture = drawn(r##"<rect width="20" height="20" fill="#0072B2"/>"##);
        assert_eq!((picture.width(), picture.height()), (80, 40));
        let colour = |x, y| {
            picture
                .pixel(x, y)
                .map(|pixel| (pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()))
        };
        assert_eq!(
            (colour(39, 39), colour(41, 0)),
            (Some((0, 0x72, 0xB2, 255)), Some((0, 0, 0, 0)))
        );
    }

    #[test]
    fn text_is_drawn_in_both_weights_for_any_family() {
        let ink = |attributes: &str| {
            let text = format!(
                r#"<text x="0" y="15" font-family="Helvetica, sans-serif" {attributes}>Δ 0.5</text>"#
            );
            drawn(&text)
                .pixels()
                .iter()
                .map(|pixel| u64::from(pixel.alpha()))
                .sum::<u64>()
        };
        let (plain, bold) = (ink(""), ink(r#"font-weight="bold""#));
        assert!(
            plain > 10_000 && bold > plain + plain / 10,
            "{plain} {bold}"
        );
    }
}
