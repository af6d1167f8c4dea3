//! Files that mean harm, given to `import` and brought out again by `export`: every line's fault has its name, the rest
//! goes in, and nothing that went in acts on whoever opens the export (I8).

use std::fs;

use entente_tests::network::{Network, Node, log_of, run};
use serde_json::{Value, json};

use crate::PROGRAM;

/// Imports a file and gives what it counted, and the report's lines: where, code, reason.
#[track_caller]
fn import(network: &Network, node: &Node, name: &str, bytes: &[u8]) -> (Value, Vec<String>) {
    let (path, report) = (network.directory().join(name), network.directory().join(format!("{name}.report")));
    fs::write(&path, bytes).unwrap();
    let args = ["import", path.to_str().unwrap(), "--category", "incites", "--report", report.to_str().unwrap()];
    let counts = node.call(&args).ended(0).document();
    let faults = fs::read_to_string(&report).unwrap().lines().map(str::to_owned).collect();
    (counts, faults)
}

/// Each fault is told of its line, by its code.
#[track_caller]
fn told(faults: &[String], expected: &[(&str, &str)]) {
    for (place, code) in expected {
        let begin = format!("{place}: {code}: ");
        assert!(faults.iter().any(|fault| fault.starts_with(&begin)), "no {begin:?} in {faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn every_hostile_line_is_named_and_what_goes_in_does_no_harm_on_its_way_out() {
    let network = Network::running(PROGRAM, &["BE"]);
    let node = network.node("BE");

    let mut csv = b"target,description,evidence\n".to_vec();
    let mut line = |cells: &[&[u8]]| {
        csv.extend(cells.join(&b","[..]));
        csv.push(b'\n');
    };
    let long = format!("https://long.example/{}", "a".repeat(100_000));
    let deep = format!("\"{}\"", "[".repeat(100_000));
    line(&[b"formula.example", b"\"=HYPERLINK(\"\"https://evil.example\"\";\"\"click\"\")\"", b""]);
    line(&[b"bidi.example", "safe \u{202e}txt.exe".as_bytes(), b""]);
    line(&[b"isolate.example", "\u{2066}hidden\u{2069}".as_bytes(), b""]);
    line(&[long.as_bytes(), b"", b""]);
    line(&[b"latin.example", b"caf\xe9", b""]);
    line(&[b"bell.example", b"ding\x07", b""]);
    line(&[b"deep.example", b"", deep.as_bytes()]);
    line(&["a\u{202e}b.example".as_bytes(), b"", b""]);
    line(&["pаypal.example".as_bytes(), b"", b""]);
    line(&[b"plus.example", b"+1+1", b""]);
    let (counts, faults) = import(&network, node, "hostile.csv", &csv);
    assert_eq!((&counts["taken"], &counts["refused"], &counts["warned"]), (&3.into(), &7.into(), &1.into()));
    told(
        &faults,
        &[
            ("line 3", "invalid"),
            ("line 4", "invalid"),
            ("line 5", "too-long"),
            ("line 6", "not-utf8"),
            ("line 7", "control-character"),
            ("line 8", "bad-field"),
            ("line 9", "bidi-control"),
            ("line 10", "warning"),
        ],
    );

    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let lines = [
        json!({ "target": "sum.example", "description": "@SUM(1+1)*cmd|' /C calc'!A0" }).to_string(),
        format!(r#"{{"target":"deep.example","seen":{}}}"#, nested(50_000)),
        format!(r#"{{"target":{}}}"#, nested(100)),
        r#"{"target":"half\ud800.example"}"#.to_owned(),
        r#"{"target":"cut.exa"#.to_owned(),
        format!(r#"{{"target":"big.example","description":"{}"}}"#, "x".repeat(200_000)),
        r#"{"target":"minus.example","description":"-2+3"}"#.to_owned(),
    ];
    let (counts, faults) = import(&network, node, "hostile.jsonl", lines.join("\n").as_bytes());
    assert_eq!((&counts["taken"], &counts["refused"]), (&2.into(), &5.into()), "{faults:#?}");
    let named =
        [("line 2", "json"), ("line 3", "no-target"), ("line 4", "json"), ("line 5", "json"), ("line 6", "invalid")];
    told(&faults, &named);

    // Nothing in the exported table is a formula, and what it says comes back as it was.
    let at = node.directory().to_str().unwrap();
    let table = run(PROGRAM, &["export", "--format", "csv", "--home", at], b"").ended(0).out;
    for cell in ["=HYPERLINK", "+1+1", "@SUM", "-2+3"] {
        assert!(table.contains(&format!("'{cell}")) && !table.contains(&format!(",{cell}")), "{cell}: {table}");
        assert!(!table.contains(&format!("\"{cell}")), "{cell}: {table}");
    }
    let size = |node: &Node| log_of(&node.status(), "BE")["size"].as_u64().unwrap();
    let before = size(node);
    let (counts, faults) = import(&network, node, "again.csv", table.as_bytes());
    assert_eq!(
        (&counts["taken"], &counts["known"], &counts["refused"]),
        (&0.into(), &5.into(), &0.into()),
        "{faults:#?}"
    );
    assert_eq!(size(node), before);
    let rows = node.call(&["list", "--text", "HYPERLINK"]).ended(0).documents();
    assert_eq!(rows[0]["referrals"][0]["description"], r#"=HYPERLINK("https://evil.example";"click")"#);
}

#[test]
fn a_packed_file_is_refused_in_words_and_nothing_is_unpacked() {
    let network = Network::running(PROGRAM, &["BE"]);
    let node = network.node("BE");
    node.until_certified("BE", 1);
    // Ten bytes that gunzip makes two of; what counts is how it begins.
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let packed: [(&str, &[u8], &str); 3] = [
        ("list.csv.gz", gzip, "packed, as gzip (gunzip unpacks it)"),
        ("list.xlsx", b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "save it as CSV"),
        ("list.txt", b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
    ];
    for (name, bytes, words) in packed {
        let path = network.directory().join(name);
        fs::write(&path, bytes).unwrap();
        for format in [&[][..], &["--format", "lines"], &["--format", "misp"], &["--dry-run"]] {
            let args = [&["import", path.to_str().unwrap(), "--category", "incites"], format].concat();
            node.call(&args).ended(1).says(&[words, "give what is in it"]);
        }
        node.call_with(&["import", "-", "--category", "incites"], bytes).ended(1).says(&[words]);
    }
    assert_eq!(log_of(&node.status(), "BE")["size"], 1);
}
