//! Keys of the machine's screen.

use super::everywhere::{BACK, ENDS, FIRST, LAST, LAUNCH, MOVES, OF_A_RUN, OPEN_RUN};
use crate::dashboard::keys::Binding;

pub const BINDINGS: &[&[Binding]] = &[&[OPEN_RUN, LAUNCH], OF_A_RUN, &[BACK], MOVES, &[FIRST, LAST], ENDS];
