//! Quorums by the formula.

use entente_proto::limits::UNITS_MAX;
use entente_proto::quorum::Quorum;
use serde_json::{Value, json};

use crate::files::Files;

pub(crate) fn files() -> Files {
    let table = (0..UNITS_MAX).map(|m| {
        let quorum = Quorum::of(m);
        json!([m, quorum.faulty(), quorum.needed(), quorum.answers_to_start()])
    });
    let mut files = Files::default();
    files.put_json("quorum.json", &json!({ "m_f_q_answers": table.collect::<Vec<Value>>() }));
    files
}
