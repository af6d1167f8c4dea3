//! The Traffic Light Protocol in other formats: STIX's marking definitions and MISP's tags.
//!
//! Version 1.0 knows no `amber+strict`, and calls `clear` white. Where several labels stand the strictest counts.

use entente_proto::wire::Tlp;

/// STIX's marking definitions: the ids are fixed, for TLP 2.0 in OASIS' repository of common objects
/// (`cti-stix-common-objects`), for TLP 1.0 in STIX 2.1 section 7.2.1.4.
const MARKINGS: [(&str, Tlp); 9] = [
    ("marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", Tlp::Clear),
    ("marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", Tlp::Green),
    ("marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421", Tlp::Amber),
    ("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", Tlp::AmberStrict),
    ("marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1", Tlp::Red),
    ("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", Tlp::Clear),
    ("marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da", Tlp::Green),
    ("marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", Tlp::Amber),
    ("marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", Tlp::Red),
];

/// The label of a marking definition; `None` where it is of something else.
#[must_use]
pub fn of_marking(id: &str) -> Option<Tlp> {
    MARKINGS.iter().find(|(known, _)| *known == id).map(|(_, tlp)| *tlp)
}

/// The TLP 2.0 marking definition of a label.
#[must_use]
pub fn marking(tlp: Tlp) -> Option<&'static str> {
    MARKINGS.iter().find(|(_, known)| *known == tlp).map(|(id, _)| *id)
}

/// The label that a MISP tag says; `None` for any other tag.
#[must_use]
pub fn of_tag(tag: &str) -> Option<Tlp> {
    Some(match tag.trim().to_ascii_lowercase().as_str() {
        "tlp:white" | "tlp:clear" => Tlp::Clear,
        "tlp:green" => Tlp::Green,
        "tlp:amber" => Tlp::Amber,
        "tlp:amber+strict" => Tlp::AmberStrict,
        "tlp:red" => Tlp::Red,
        _ => return None,
    })
}

/// The strictest of some labels.
#[must_use]
pub fn strictest(labels: impl IntoIterator<Item = Tlp>) -> Option<Tlp> {
    // The wire numbers them from the strictest on, and the number 0 is none.
    labels.into_iter().filter(|tlp| *tlp != Tlp::Unspecified).min_by_key(|tlp| *tlp as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_go_both_ways_and_the_strictest_counts() {
        for tlp in [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
            assert_eq!(of_marking(marking(tlp).unwrap()), Some(tlp));
        }
        assert_eq!(of_tag("TLP:White"), Some(Tlp::Clear));
        assert_eq!(of_tag("tlp:ex:chr"), None);
        assert_eq!(strictest([Tlp::Green, Tlp::AmberStrict, Tlp::Amber, Tlp::Unspecified]), Some(Tlp::AmberStrict));
        assert_eq!(strictest([Tlp::Unspecified]), None);
    }
}
