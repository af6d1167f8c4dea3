//! Random batches: both stores must say and hold the same.

use super::*;

/// Numbers that look random and are the same in every run: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn unit(&mut self) -> &'static str {
        ["BE", "FR"][self.below(2) as usize]
    }

    fn batch(&mut self, store: &dyn Store) -> Batch {
        let mut batch = Batch::default();
        if self.below(12) == 0 {
            let of = unit(self.unit());
            let end = store.size(&of).get();
            let back = [0, 1, 7, 256, 1_000][self.below(5) as usize];
            batch.rewind = Some((of, size(end.saturating_sub(back) + self.below(2))));
            return batch;
        }
        for of in ["BE", "FR"] {
            let end = store.size(&unit(of)).get();
            match self.below(8) {
                0..=3 => {
                    let from = end.saturating_sub([0, 0, 0, 5, 300][self.below(5) as usize]) + self.below(20) / 19;
                    let to = from + [1, 2, 30, 300][self.below(4) as usize];
                    let other = self.below(10) == 0;
                    let mut append =
                        append_sized(of, from, to, |index| length(index) + usize::from(other && index % 9 == 0));
                    for entry in &mut append.entries {
                        if self.below(12) == 0 {
                            *entry = entry.without_body();
                        }
                    }
                    batch.appends.push(append);
                }
                4 => {
                    for _ in 0..self.below(4) {
                        let index = self.below(end + 1);
                        let body = entry(index, length(index)).body().unwrap().clone();
                        batch.fills.push(Fill { unit: unit(of), index, body });
                    }
                }
                5 => {
                    batch.erasures.extend((0..self.below(5)).map(|_| (unit(of), self.below(end + 1))));
                    batch.settled.extend((0..self.below(5)).map(|_| (unit(of), self.below(end + 2))));
                    batch.announced.extend((0..self.below(3)).map(|_| erasure(of, self.below(end + 1), end)));
                    batch.erased_ms = (self.below(2) == 0).then(|| self.below(100));
                }
                6 => {
                    let kind = [HeadKind::Newest, HeadKind::Certified][self.below(2) as usize];
                    batch.heads.push((unit(of), kind, Bytes::from(vec![1; self.below(20_000) as usize])));
                }
                _ => batch.submissions.push(([self.below(9) as u8; 16], self.below(3))),
            }
        }
        batch
    }
}

fn length(index: u64) -> usize {
    [30, 400, 900, 20, 7_000][index as usize % 5]
}

fn say(results: Vec<Result<(), StoreError>>) -> Vec<String> {
    results.into_iter().map(|result| format!("{result:?}")).collect()
}

#[test]
fn both_stores_say_and_hold_the_same_whatever_is_committed() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let (mut on_disk, mut in_memory) = (OnDisk::new(), InMemory::new());
        for round in 0..60 {
            let group: Vec<_> = (0..=random.below(4)).map(|_| random.batch(in_memory.store())).collect();
            let said = say(on_disk.store().commit(&group).unwrap());
            assert_eq!(said, say(in_memory.store().commit(&group).unwrap()), "seed {seed} round {round}");
            if random.below(10) == 0 {
                on_disk.reopen();
                in_memory.reopen();
            }
            let noted = |store: &dyn Store| (store.all_withheld(), store.scrub_due());
            assert_eq!(noted(on_disk.store()), noted(in_memory.store()), "seed {seed} round {round}");
            let of = random.unit();
            assert_eq!(on_disk.store().log(&unit(of)).unwrap(), in_memory.store().log(&unit(of)).unwrap());
        }
        for of in ["BE", "FR"] {
            assert!(all(on_disk.store(), of) == all(in_memory.store(), of), "seed {seed}");
            // Less than a bundle at once: what is committed here has no level-1 hashes that it would have to fit.
            let folded = |store: &dyn Store| -> Vec<Entry> {
                let stretch = |at: u64| store.entries_to_fold(&unit(of), at * 100, 100, usize::MAX).unwrap();
                (0..=store.size(&unit(of)).get() / 100).flat_map(stretch).collect()
            };
            assert!(folded(on_disk.store()) == folded(in_memory.store()), "seed {seed}");
        }
    }
}
