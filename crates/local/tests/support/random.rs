//! Random numbers that a seed repeats.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end - 1`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A generator for another client, which draws other numbers.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// The seed of a run, which a failing test prints.
pub struct Seed(pub u64);

impl Seed {
    /// The seed that `SHORELINE_SEED` gives; else `usual`, or a new one each time in a soak.
    pub fn choose(usual: u64) -> Self {
        if let Ok(text) = std::env::var("SHORELINE_SEED") {
            return Self(text.parse().expect("SHORELINE_SEED must be a number"));
        }
        if !super::soaks() {
            return Self(usual);
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self(u64::from(now.subsec_nanos()) ^ usual)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with SHORELINE_SEED={}", self.0);
        }
    }
}
