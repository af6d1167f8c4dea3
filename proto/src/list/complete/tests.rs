use proptest::prelude::*;

use super::*;

fn size(value: u64) -> Size {
    Size::new(value).unwrap()
}

#[test]
fn a_log_without_gaps_is_complete_at_every_size() {
    assert_eq!(Gaps::new().complete_prefix(size(17)), size(17));
    assert_eq!(Gaps::new().first_missing(), None);
}

#[test]
fn an_erase_outside_the_prefix_does_not_complete_it() {
    let mut gaps = Gaps::new();
    gaps.note_missing(3, RecordKind::Hold).unwrap();
    gaps.note_erase(3, 7).unwrap();
    let complete: Vec<u64> = (0..10).map(|at| gaps.complete_prefix(size(at)).get()).collect();
    assert_eq!(complete, [0, 1, 2, 3, 3, 3, 3, 3, 8, 9]);
}

#[test]
fn a_record_that_cannot_be_erased_must_come_itself() {
    let mut gaps = Gaps::new();
    gaps.note_missing(0, RecordKind::Adopt).unwrap();
    gaps.note_missing(2, RecordKind::Unknown(77)).unwrap();
    gaps.note_erase(0, 1).unwrap();
    assert_eq!(gaps.complete_prefix(size(5)), Size::ZERO);
    gaps.gap_filled(0).unwrap();
    assert_eq!((gaps.complete_prefix(size(5)), gaps.first_missing()), (size(2), Some(2)));
}

#[test]
fn what_lies_behind_is_forgotten() {
    let mut gaps = Gaps::new();
    gaps.note_missing(1, RecordKind::Refer).unwrap();
    gaps.note_missing(5, RecordKind::Refer).unwrap();
    gaps.note_erase(1, 3).unwrap();
    gaps.note_erase(5, 9).unwrap();
    gaps.forget_below(size(4));
    assert_eq!(gaps.closed.len(), 1);
    assert_eq!(gaps.complete_prefix(size(9)), size(5));
}

#[test]
fn memory_is_bounded_and_stretches_count_once() {
    let mut gaps = Gaps::new();
    for index in 0..3_000_000 {
        gaps.note_missing(index, RecordKind::Refer).unwrap();
    }
    assert_eq!(gaps.open.len(), 1);
    let mut gaps = Gaps::new();
    for index in 0..GAPS_MAX as u64 {
        gaps.note_missing(index * 2, RecordKind::Refer).unwrap();
    }
    assert_eq!(gaps.note_missing(GAPS_MAX as u64 * 2, RecordKind::Refer), Err(TooManyGaps));
    assert_eq!(gaps.note_missing(1, RecordKind::Refer), Ok(()));
    assert_eq!(gaps.open.len(), GAPS_MAX - 1);
}

proptest! {
    #[test]
    fn it_agrees_with_the_definition(
        missing in proptest::collection::btree_map(0_u64..40, prop_oneof![Just(None), (0_u64..40).prop_map(Some)], 0..12),
        filled in proptest::collection::btree_set(0_u64..40, 0..4),
        at in 0_u64..45,
    ) {
        let mut gaps = Gaps::new();
        let mut left = missing.clone();
        for index in missing.keys() {
            gaps.note_missing(*index, RecordKind::Refer).unwrap();
        }
        for index in filled {
            gaps.gap_filled(index).unwrap();
            left.remove(&index);
        }
        for (index, erase) in &missing {
            if let Some(erase) = erase {
                gaps.note_erase(*index, *erase).unwrap();
            }
        }
        let complete = |size: u64| {
            left.iter().all(|(index, erase)| size <= *index || erase.is_some_and(|erase| erase > *index && erase < size))
        };
        let want = (0..=at).rev().find(|size| complete(*size)).unwrap();
        prop_assert_eq!(gaps.complete_prefix(size(at)).get(), want);
    }
}
