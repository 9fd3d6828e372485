//! Stateless randomness: every use draws from `derive(run seed, purpose, epoch, step)`. So no generator state is saved, and a
//! resumed run repeats what an unbroken one would do.

/// A generator small enough to create for each use (`SplitMix64`, Steele, Lea & Flood 2014).
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in 0..bound, without modulo bias (Lemire 2019). A bound of 0 gives 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the two halves of the product are what is wanted"
            )]
            let (high, low) = ((product >> 64) as u64, product as u64);
            if low >= bound.wrapping_neg().checked_rem(bound).unwrap_or(0) {
                return high;
            }
        }
    }

    /// Shuffles in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.below(i as u64 + 1)).unwrap_or(0);
            items.swap(i, j);
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The seed of one use: a hash of the run's seed, the purpose, epoch and step. Some uses pass another number in the place of epoch
/// or step: a class, a view, or a rank.
pub fn derive(run_seed: u64, purpose: &str, epoch: u64, step: u64) -> u64 {
    let name = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    [name, epoch, step]
        .iter()
        .fold(mix(run_seed), |hash, part| {
            mix(hash.rotate_left(23) ^ mix(part.wrapping_add(hash)))
        })
}

/// The order in which an epoch visits `len` training images.
pub fn epoch_order(run_seed: u64, epoch: u64, len: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(len).unwrap_or(u32::MAX)).collect();
    SplitMix64::new(derive(run_seed, "shuffle", epoch, 0)).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_matches_the_published_vectors() {
        // First outputs for seed 1234567 of Sebastiano Vigna's reference implementation.
        let mut rng = SplitMix64::new(1_234_567);
        assert_eq!(
            [rng.next_u64(), rng.next_u64()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn seed_depends_on_every_part_of_the_key() {
        let base = derive(1, "dropout", 2, 3);
        for other in [
            derive(2, "dropout", 2, 3),
            derive(1, "augment", 2, 3),
            derive(1, "dropout", 3, 3),
            derive(1, "dropout", 2, 4),
            derive(1, "dropout", 3, 2),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn epochs_visit_every_image_once_in_different_orders() {
        let (first, second) = (epoch_order(42, 0, 1000), epoch_order(42, 1, 1000));
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert!(order.into_iter().eq(0..1000));
        }
    }

    #[test]
    fn below_is_uniform() {
        let mut rng = SplitMix64::new(7);
        let mut counts = [0_u32; 3];
        for _ in 0..30_000 {
            counts[usize::try_from(rng.below(3)).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|&n| (9_700..10_300).contains(&n)),
            "{counts:?}"
        );
    }
}
