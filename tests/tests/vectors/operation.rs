//! Digests of frozen targets.

use entente_proto::list::operation::frozen_digest;
use serde_json::{Value, json};

use crate::files::{Files, hex};
use crate::records::{reference, referrals};

/// The operation, and the referrals that are frozen.
const FROZEN: [(&str, &[&str]); 4] = [
    ("BE/4", &["BE/0"]),
    ("BE/5", &["BE/0"]),
    ("UK/1099511627775", &["BE/0", "BE/1", "BE/300", "EU-IRU/7", "FR/1099511627775", "UK/2"]),
    ("EU-IRU/0", &["FR/1", "NL/0", "US/0"]),
];

pub(crate) fn files() -> Files {
    let frozen = FROZEN.iter().map(|(operation, ids)| {
        let (id, targets) = (reference(operation).unwrap(), referrals(ids));
        let lists: Vec<Value> = targets.iter().map(|of| json!({ "unit": of.unit, "indexes": of.indexes })).collect();
        let digest = hex(frozen_digest(&id, &targets).0);
        json!({ "unit": id.unit, "index": id.index, "targets": lists, "digest": digest })
    });
    let mut files = Files::default();
    files.put_json("operation.json", &json!({ "frozen": frozen.collect::<Vec<Value>>() }));
    files
}
