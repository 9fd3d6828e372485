//! The bytes of one image.

/// Three planes of bytes: red, green, blue.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    bytes: &'a mut [u8],
    height: usize,
    width: usize,
}

impl<'a> Picture<'a> {
    /// `bytes` are three planes of `height` rows of `width`.
    pub(super) fn new(bytes: &'a mut [u8], (height, width): (usize, usize)) -> Self {
        Self {
            bytes,
            height,
            width,
        }
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }

    pub(super) fn planes_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let plane = (self.height * self.width).max(1);
        self.bytes.chunks_exact_mut(plane)
    }

    /// The lightness of each pixel, as Pillow's `convert("L")` rounds it.
    pub(super) fn gray(&self) -> Vec<u8> {
        let plane = self.height * self.width;
        let (red, rest) = self.bytes.split_at(plane);
        let (green, blue) = rest.split_at(plane);
        let pixels = red.iter().zip(green).zip(blue);
        let lightness = |((&red, &green), &blue): ((&u8, &u8), &u8)| {
            let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471;
            u8::try_from((sum + 0x8000) >> 16).unwrap_or(u8::MAX)
        };
        pixels.map(lightness).collect()
    }
}
