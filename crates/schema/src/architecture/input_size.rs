//! The sizes of the images that a backbone takes.

/// The square images that a backbone takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSize {
    Any,
    /// A whole number of patches of `side` pixels, in images of at least `least` pixels.
    Patches {
        side: u32,
        least: u32,
        /// Side of the images whose places it learned; for others it interpolates.
        learned: Option<u32>,
    },
}

impl InputSize {
    /// Whether square images of this side are among them.
    pub fn takes(self, pixels: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Patches { side, least, .. } => pixels.is_multiple_of(side) && pixels >= least,
        }
    }
}
