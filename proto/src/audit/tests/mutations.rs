//! Any alteration of an export is detected and named.

use super::world::{InMemory, World};
use crate::alteration::{Chance, each_seed};
use crate::audit::Asked;

/// A file, drawn so that small ones come as often as large ones.
fn any_file(files: &InMemory, chance: &mut Chance) -> String {
    files.0.keys().nth(chance.below(files.0.len())).unwrap().clone()
}

/// Every fault that is found, in words; they must name the file, and begin where the alteration is.
fn named(files: &InMemory, altered: &[String], how: &str) {
    let found = files.verify_as(&Asked { withheld: true, ..Asked::default() });
    let words: Vec<String> = found.faults.kept().iter().map(ToString::to_string).collect();
    for file in altered {
        assert!(words.iter().any(|words| words.contains(file)), "{how} {file}: {words:?}");
    }
    let place = |file: &String| match file.split('/').nth(1).filter(|_| file.starts_with("logs/")) {
        Some(unit) => unit.to_owned(),
        None => file.clone(),
    };
    let first = found.faults.first().unwrap().to_string();
    assert!(altered.iter().any(|file| first.contains(&place(file))), "{how} {altered:?}: first of all {first}");
}

/// Runs so many alterations of an export, each from a seed of its own.
fn each(
    whole: &InMemory,
    count: u64,
    alter: impl Fn(&mut InMemory, &mut Chance) -> Option<(Vec<String>, String)> + Sync,
) {
    each_seed(count, |seed, chance| {
        let mut files = whole.clone();
        if let Some((altered, how)) = alter(&mut files, chance) {
            named(&files, &altered, &format!("seed {seed}: {how}"));
        }
    });
}

#[test]
fn one_flipped_bit_anywhere_is_detected_and_named() {
    let world = World::new();
    for (whole, count) in [(world.export(), 500), (world.export_withheld(), 200)] {
        each(&whole, count, |files, chance| {
            let file = any_file(files, chance);
            let bytes = files.0.get_mut(&file).unwrap();
            let (at, bit) = (chance.below(bytes.len()), chance.below(8));
            bytes[at] ^= 1 << bit;
            Some((vec![file], format!("bit {bit} of byte {at} of")))
        });
    }
}

#[test]
fn a_deleted_doubled_swapped_cut_or_lengthened_file_is_detected_and_named() {
    each(&World::new().export(), 100, |files, chance| {
        let (file, other) = (any_file(files, chance), any_file(files, chance));
        let mut altered = vec![file.clone()];
        let how = match chance.below(5) {
            0 => {
                files.0.remove(&file);
                "deleted"
            }
            1 => {
                let double = format!("{file}.1");
                files.0.insert(double, files.0[&file].clone());
                "doubled"
            }
            2 => {
                let (one, two) = (files.0[&file].clone(), files.0[&other].clone());
                if one == two {
                    return None;
                }
                files.0.insert(file.clone(), two);
                files.0.insert(other.clone(), one);
                altered.push(other);
                "swapped"
            }
            3 => {
                let bytes = files.0.get_mut(&file).unwrap();
                bytes.truncate(chance.below(bytes.len()));
                "cut"
            }
            _ => {
                files.0.get_mut(&file).unwrap().push(b'\n');
                "lengthened"
            }
        };
        Some((altered, how.to_owned()))
    });
}
