//! Public keys: their written form, and those that are refused.

use entente_proto::note::{Algorithm, KeyName, Signer, VerifierKey};
use serde_json::{Value, json};

use crate::files::{Files, hex, unhex};
use crate::world::{UNITS, charter_signer, log_signer, mirror_signer, unit};

/// The eight points of small order, and other encodings of such points; then what is no point, or not its one encoding.
const REFUSED: [(&str, &str); 16] = [
    ("the identity, order 1", "0100000000000000000000000000000000000000000000000000000000000000"),
    ("order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("order 4", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("order 4", "0000000000000000000000000000000000000000000000000000000000000080"),
    ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    ("order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ("order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    ("the identity with the sign of x set", "0100000000000000000000000000000000000000000000000000000000000080"),
    ("order 2 with the sign of x set", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ("y is the prime", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y is the prime, sign of x set", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    ("y is the prime and one", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("y is 2, no point", "0200000000000000000000000000000000000000000000000000000000000000"),
    (
        "y is the prime and 3, another encoding of a point",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ),
    ("y is 2^255 - 1", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
];

pub(crate) fn files() -> Files {
    let mut keys = Vec::new();
    for id in UNITS {
        let id = unit(id);
        keys.push(shown(charter_signer(&id).key()));
        keys.push(shown(log_signer(&id).key()));
        keys.push(shown(mirror_signer(&id).key()));
    }
    let refused_publics = REFUSED.iter().map(|(why, public)| {
        let name: KeyName = "takedown.example/BE".parse().unwrap();
        let key = VerifierKey::new(name, Algorithm::Ed25519, unhex(public).try_into().unwrap());
        assert!(key.is_err(), "{why}: {public}");
        json!({ "why": why, "public": public })
    });
    let mut files = Files::default();
    files.put_json(
        "keys.json",
        &json!({
            "keys": keys,
            "refused_public_keys": refused_publics.collect::<Vec<_>>(),
            "refused_texts": refused_texts(),
        }),
    );
    files
}

fn shown(key: &VerifierKey) -> Value {
    assert_eq!(key.to_string().parse().as_ref(), Ok(key));
    json!({
        "name": key.name().as_str(),
        "type": key.algorithm().byte(),
        "id": hex(key.id()),
        "public": hex(key.public()),
        "text": key.to_string(),
    })
}

fn refused_texts() -> Vec<Value> {
    let good = log_signer(&unit("BE")).key().to_string();
    let parts: Vec<&str> = good.split('+').collect();
    let cases = [
        ("another name", good.replacen("BE", "BG", 1)),
        ("another key id", format!("{}+00000000+{}", parts[0], parts[2..].join("+"))),
        ("a key id in capitals", format!("{}+{}+{}", parts[0], parts[1].to_uppercase(), parts[2..].join("+"))),
        ("padding where none belongs", format!("{good}=")),
        ("a space in the name", good.replacen("BE", "B E", 1)),
        ("nothing for a name", good.replacen("takedown.example/BE", "", 1)),
        ("the key missing", parts[..2].join("+")),
        ("a line feed at the end", format!("{good}\n")),
    ];
    let shown = cases.into_iter().map(|(why, text)| {
        assert!(text.parse::<VerifierKey>().is_err(), "{why}");
        json!({ "why": why, "text": text })
    });
    shown.collect()
}
