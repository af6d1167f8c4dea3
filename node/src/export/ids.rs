//! The names under which other formats know our units and records. They depend on nothing but the network, the unit and
//! the record's index, so every unit of a network exports the same ones, today and next year.
//!
//! All are UUIDs of version 5 (RFC 9562 section 5.5) in the namespace [`NAMESPACE`]:
//!
//! | what | name in the namespace |
//! |---|---|
//! | a network | `takedown.example` |
//! | a unit | `takedown.example/BE` |
//! | a record | `takedown.example/BE/17` |
//! | a target in a network (MISP attribute) | `takedown.example domain:news.example` |

use uuid::Uuid;

/// The namespace of all of Entente's names. Never changes.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x65ad_6322_46cd_4a43_9d13_2104_c60b_81d6);

/// The STIX property extension that holds what STIX has no field for. Never changes; a new shape gets a new one.
pub const EXTENSION: &str = "extension-definition--28e6ccb1-7cdf-4c87-ae66-678931965578";

/// The STIX identity of the program, which created the extension.
pub const PROGRAM: &str = "identity--86df3d05-a5ca-491a-9370-19f5fb5fe254";

/// The UUID of a name.
#[must_use]
pub fn of(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}
