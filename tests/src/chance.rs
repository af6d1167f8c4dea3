//! Seeded choices.

/// The variable that gives another seed.
const VARIABLE: &str = "ENTENTE_SEED";

/// A source of choices that a seed determines. It prints the seed when a test fails.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// With this seed, or that in `ENTENTE_SEED`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let seed = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(seed);
        Self { seed, state: seed.wrapping_mul(2).wrapping_add(1) }
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end.max(1)
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {VARIABLE}={}", self.seed);
        }
    }
}
