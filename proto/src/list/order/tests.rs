use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::workers::Alone;

/// Distinct texts, many with long common beginnings.
fn any_texts() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof!["[ab]{1,3}", Just("0123456789abcdef".to_owned()), Just("01234567".to_owned())];
    let text = vec(word, 1..6).prop_map(|words| words.concat());
    vec(text, 1..160).prop_map(|mut texts| {
        // In the order in which they were drawn, each once.
        let mut seen = std::collections::BTreeSet::new();
        texts.retain(|text| seen.insert(text.clone()));
        texts
    })
}

fn in_order<'a>(order: &'a Order, texts: &'a [String], after: Option<&str>) -> Vec<&'a str> {
    order.after(after, |id| texts[id as usize].as_str()).map(|id| texts[id as usize].as_str()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_come_in_their_order_whether_and_whenever_they_were_sorted(
        texts in any_texts(),
        sorts in vec(any::<prop::sample::Index>(), 0..4),
        gone in any::<u64>(),
        after in any::<prop::sample::Index>(),
    ) {
        let mut order = Order::default();
        let text = |id: u32| texts[id as usize].as_str();
        let sorts: Vec<usize> = sorts.iter().map(|at| at.index(texts.len())).collect();
        for id in 0..texts.len() {
            order.add(id as u32);
            if sorts.contains(&id) {
                order.sort(text, &Alone);
                prop_assert_eq!(order.unsorted(), 0);
            }
        }
        let mut expected: Vec<&str> = texts.iter().map(String::as_str).collect();
        expected.sort_unstable();
        prop_assert_eq!(in_order(&order, &texts, None), expected.clone());
        let after = texts[after.index(texts.len())].as_str();
        let behind: Vec<&str> = expected.iter().copied().filter(|text| *text > after).collect();
        prop_assert_eq!(in_order(&order, &texts, Some(after)), behind);
        let kept = |id: u32| gone >> (id % 64) & 1 == 0;
        order.retain(kept);
        let expected: Vec<&str> =
            expected.into_iter().filter(|text| kept(texts.iter().position(|own| own == text).unwrap() as u32)).collect();
        prop_assert_eq!(in_order(&order, &texts, None), expected.clone());
        order.sort(text, &Alone);
        prop_assert_eq!(in_order(&order, &texts, None), expected);
    }
}

/// Few fresh ones take the other way than many.
#[test]
fn few_texts_find_their_places_among_many() {
    let texts: Vec<String> = (0..1_000).map(|n| format!("domain:{:03}.example", n * 619 % 1_000)).collect();
    let text = |id: u32| texts[id as usize].as_str();
    let mut order = Order::default();
    (0..950).for_each(|id| order.add(id));
    order.sort(text, &Alone);
    (950..1_000).for_each(|id| order.add(id));
    order.sort(text, &Alone);
    let all: Vec<String> = (0..1_000).map(|n| format!("domain:{n:03}.example")).collect();
    assert_eq!(in_order(&order, &texts, None), all.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(order.sorted.len() == 1_000 && order.fresh.is_empty());
}
