//! The small generator that spreads load over exchangers of equal preference.
//!
//! Nothing secret depends on it (query ids and source ports are hickory's business).

use std::hash::{BuildHasher, RandomState};

/// A SplitMix64 sequence.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at a place that differs from process to process.
    pub fn new() -> Self {
        Self(RandomState::new().hash_one(std::process::id()))
    }

    /// Starts at a known place, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
