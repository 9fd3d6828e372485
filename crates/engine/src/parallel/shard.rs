//! Which images of a batch a rank works on.

use std::ops::Range;

/// The places of a rank's images in a batch of `images`, two or more, on `size` ranks. Ranks follow each other, and their shares
/// differ by at most one image. No rank gets a single image, because batch normalization has no variance of one: a batch that is
/// too small for two each goes to the first ranks in pairs.
pub fn shard(images: usize, rank: usize, size: usize) -> Range<usize> {
    if size > 1 && images < 2 * size {
        let (pairs, odd) = (images / 2, images % 2);
        let up_to = |rank: usize| match rank {
            0 => 0,
            rank if rank < pairs => 2 * rank + odd,
            _ => images,
        };
        return up_to(rank)..up_to(rank + 1);
    }
    let (each, more) = (images / size, images % size);
    let up_to = |rank: usize| rank * each + rank.min(more);
    up_to(rank)..up_to(rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_a_batch_once_and_none_has_a_single_image() {
        for size in 1..=16 {
            for images in 2..=300 {
                let shards: Vec<_> = (0..size).map(|rank| shard(images, rank, size)).collect();
                let mut next = 0;
                for shard in &shards {
                    assert_eq!(shard.start, next, "{images} on {size}: {shards:?}");
                    assert_ne!(shard.len(), 1, "{images} on {size}: {shards:?}");
                    next = shard.end;
                }
                assert_eq!(next, images, "{images} on {size}: {shards:?}");
                let lengths = || shards.iter().map(Range::len);
                let differ = lengths().max().unwrap() - lengths().min().unwrap();
                assert!(
                    differ <= 1 || images < 2 * size && lengths().max().unwrap() <= 3,
                    "{images} on {size}: {shards:?}"
                );
            }
        }
    }

    #[test]
    fn no_share_of_a_smaller_batch_is_larger() {
        for size in 1..=8 {
            // Validation asks for four images of a batch on each device.
            for images in 4 * size..=100 {
                for fewer in 2..images {
                    for rank in 0..size {
                        let (all, some) = (shard(images, rank, size), shard(fewer, rank, size));
                        assert!(
                            some.len() <= all.len(),
                            "{fewer} of {images}: {rank}/{size}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn small_batches_go_to_the_first_ranks_in_pairs() {
        let shards = |images| [0, 1, 2].map(|rank| shard(images, rank, 3));
        assert_eq!(shards(2), [0..2, 2..2, 2..2]);
        assert_eq!(shards(3), [0..3, 3..3, 3..3]);
        assert_eq!(shards(5), [0..3, 3..5, 5..5]);
        assert_eq!(shards(7), [0..3, 3..5, 5..7]);
        assert_eq!(shards(8), [0..3, 3..6, 6..8]);
    }
}
