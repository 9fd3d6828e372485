//! One run on several devices, with a process for each: its ranks. Each works on its part of every batch. They exchange numbers
//! through memory that they share. By messages they wait for each other, and rank 0 says what all do next.

mod flat;
mod group;
mod link;
mod memory;
mod nccl;
mod process;
mod shard;

pub(crate) use self::flat::whole;
pub use self::flat::{flat, put_back};
pub use self::group::{Rank, RankZeroExited};
pub use self::link::Decision;
pub(crate) use self::memory::Parts;
pub(crate) use self::nccl::Library as Nccl;
pub use self::shard::shard;
