//! Files altered by chance, for tests: each alteration comes from a seed, and the same seed always gives the same one.

use std::thread;

/// A generator that gives the same numbers everywhere (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % end as u64) as usize
    }
}

/// Runs a test for each seed, on all cores.
pub(crate) fn each_seed(count: u64, test: impl Fn(u64, &mut Chance) + Sync) {
    let cores = thread::available_parallelism().map_or(2, usize::from) as u64;
    thread::scope(|scope| {
        for core in 0..cores {
            let test = &test;
            scope.spawn(move || (core..count).step_by(cores as usize).for_each(|seed| test(seed, &mut Chance(seed))));
        }
    });
}

/// Flips one bit; gives the line in which it lies, from 0, and which bit it was.
pub(crate) fn flip(bytes: &mut [u8], chance: &mut Chance) -> (usize, String) {
    let (at, bit) = (chance.below(bytes.len()), chance.below(8));
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
    bytes[at] ^= 1 << bit;
    (line, format!("bit {bit} of byte {at} flipped, in line {line}"))
}

/// Deletes, doubles, swaps or cuts lines; gives those that are concerned, from 0, and what was done. Nothing where the bytes
/// stay as they were.
pub(crate) fn alter_lines(bytes: &mut Vec<u8>, chance: &mut Chance) -> Option<(Vec<usize>, String)> {
    let before = bytes.clone();
    let mut lines: Vec<Vec<u8>> = before.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
    let (concerned, how) = match chance.below(5) {
        0 => (vec![one], format!("line {one} deleted: {}", String::from_utf8_lossy(&lines.remove(one)))),
        1 => {
            lines.insert(one, lines[one].clone());
            (vec![one], format!("line {one} doubled"))
        }
        2 => {
            lines.swap(one, other);
            (vec![one, other], format!("lines {one} and {other} swapped"))
        }
        3 => {
            let length = chance.below(lines[one].len());
            lines[one].truncate(length);
            (vec![one], format!("line {one} cut after {length} bytes"))
        }
        _ => {
            let length = lines.iter().take(one).map(Vec::len).sum::<usize>() + chance.below(lines[one].len());
            let rest = (one..lines.len()).collect();
            lines = vec![before[..length].to_vec()];
            (rest, format!("all cut off after {length} bytes, in line {one}"))
        }
    };
    *bytes = lines.concat();
    (*bytes != before).then_some((concerned, how))
}
