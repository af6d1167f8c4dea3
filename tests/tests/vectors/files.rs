//! The files of vectors: put together in memory, compared with what is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Set to anything, it makes the tests write the files instead of comparing them.
const WRITE: &str = "ENTENTE_WRITE_VECTORS";

/// Files by name, relative to `tests/vectors`.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Adds a file.
    pub(crate) fn put(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        assert!(self.0.insert(name.into(), bytes.into()).is_none(), "each file is made once");
    }

    /// Adds a JSON document.
    pub(crate) fn put_json(&mut self, name: &str, value: &Value) {
        let mut text = serde_json::to_string_pretty(value).unwrap();
        text.push('\n');
        self.put(name, text);
    }

    /// The names.
    pub(crate) fn into_names(self) -> impl Iterator<Item = String> {
        self.0.into_keys()
    }
}

/// Compares files with the committed ones, or writes them where that is asked for.
pub(crate) fn check(files: Files) {
    for (name, made) in files.0 {
        let path = directory().join(&name);
        if std::env::var_os(WRITE).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, made).unwrap();
            continue;
        }
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Some(at) = first_difference(&found, &made) {
            let around = |bytes: &[u8]| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(60)..bytes.len().min(at + 60)]).into_owned()
            };
            panic!(
                "{name} differs at byte {at}\n--- committed\n{}\n--- computed\n{}\n{WRITE}=1 writes it anew",
                around(&found),
                around(&made)
            );
        }
    }
}

fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    (same < one.len().max(other.len())).then_some(same)
}

/// An input: the committed file, made once where it is missing and the files are written anew.
pub(crate) fn input(name: &str, make: impl FnOnce() -> String) -> String {
    let path = directory().join(name);
    if !path.exists() && std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Several tests may be at it: whoever comes first makes it.
        let whole = path.with_extension(format!("{:?}", std::thread::current().id()));
        fs::write(&whole, make()).unwrap();
        drop(fs::hard_link(&whole, &path));
        fs::remove_file(&whole).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all committed files, ascending.
pub(crate) fn committed() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![directory()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(directory()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of such digits.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

/// Adds the order of the group, 2^252 + 27742317777372353535851937790883648493, to a little-endian number.
pub(crate) fn add_order(number: &mut [u8]) {
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    for (byte, more) in number.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}
