//! What a user does to runs: launch, resume, stop. Dashboard and command line call the same functions.

mod annotate;
mod folder;
mod launch;
mod resume;
mod room;
mod start;
mod stop;
pub mod waiting;

pub use self::annotate::annotate;
pub use self::launch::{GroupLaunch, launch, launch_group};
pub use self::resume::{ResumeFrom, is_gone, resume, resume_from};
pub use self::room::{Room, room};
pub use self::start::advance;
pub use self::stop::{Stop, stop};
