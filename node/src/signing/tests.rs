use super::*;

fn signed(texts: &[(Place, u8)]) -> Signed {
    texts.iter().map(|(place, text)| (place.number(), Hash([*text; 32]))).collect()
}

fn place(refounded: u32, attempt: u16, version: u32) -> Place {
    Place::since(refounded, attempt, version)
}

fn check(place: Place, text: u8, before: &[(Place, u8)]) -> Result<(), String> {
    place.check(Hash([text; 32]), &signed(before), None)
}

#[test]
fn a_place_is_the_number_that_is_remembered() {
    assert_eq!(place(0, 1, 7).number(), 7);
    assert_eq!(place(1, 1, 2).number(), (1 << 32) + 2);
    assert_eq!(place(1, 3, 1).number(), (2 << 48) + (1 << 32) + 1);
    for of in [place(0, 1, 1), place(2, 9, 1), place(u32::MAX, u16::MAX, u32::MAX)] {
        assert_eq!(Place::of_number(of.number()), of);
    }
}

#[test]
fn one_text_is_signed_for_each_version_of_each_founding() {
    let before = [(place(0, 1, 2), 1), (place(1, 1, 2), 2)];
    check(place(0, 1, 2), 1, &before).unwrap();
    check(place(1, 1, 2), 2, &before).unwrap();
    check(place(2, 1, 2), 3, &before).unwrap();
    check(place(1, 1, 3), 3, &before).unwrap();
    let words = check(place(0, 1, 2), 2, &before).unwrap_err();
    assert!(words.contains("another text of version 2"), "{words}");
}

#[test]
fn attempts_to_found_anew_are_signed_one_text_each_and_in_ascending_order() {
    let first = [(place(1, 1, 1), 1)];
    let words = check(place(1, 1, 1), 2, &first).unwrap_err();
    assert!(words.contains("charter refound --attempt 2"), "{words}");
    check(place(1, 2, 1), 2, &first).unwrap();
    let both = [(place(1, 1, 1), 1), (place(1, 2, 1), 2)];
    check(place(1, 2, 1), 2, &both).unwrap();
    for text in [1, 3] {
        // Not the same text again either: it would be taken up otherwise.
        let words = check(place(1, 1, 1), text, &both).unwrap_err();
        assert!(words.contains("has signed a later attempt"), "{words}");
    }
    // Another founding begins with its first attempt.
    check(place(2, 1, 1), 3, &both).unwrap();
    // Nobody is made to use up all numbers.
    check(place(1, 18, 1), 3, &both).unwrap();
    check(place(1, 16, 1), 3, &[]).unwrap();
    for (attempt, before) in [(19, &both[..]), (17, &[])] {
        let words = check(place(1, attempt, 1), 3, before).unwrap_err();
        assert!(words.contains("at most 16 larger"), "{words}");
    }
}

#[test]
fn where_the_founding_is_not_known_no_other_text_of_the_version_is_signed() {
    let unknown = u32::from(UNKNOWN);
    let words = check(place(unknown, 1, 2), 2, &[(place(1, 1, 2), 1)]).unwrap_err();
    assert!(words.contains("--from DIR"), "{words}");
    check(place(unknown, 1, 2), 1, &[(place(1, 1, 2), 1)]).unwrap();
    check(place(unknown, 1, 3), 2, &[(place(1, 1, 2), 1)]).unwrap();
    // Nor afterwards, where it is known.
    let words = check(place(1, 1, 2), 2, &[(place(unknown, 1, 2), 1)]).unwrap_err();
    assert!(words.contains("another text of version 2"), "{words}");
}
