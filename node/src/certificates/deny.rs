//! The deny list of a home directory: the keys that this node does not accept, whoever says otherwise.
//!
//! A line each, SHA-256 of a public key (SPKI) in 64 lower-case hexadecimal digits; `#` begins a remark.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use entente_proto::hash::Hash;

use crate::files::read_bounded;

/// Largest file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads it; one that is not there denies nobody.
///
/// # Errors
/// In words: what the file system says, or the first line that is not a key.
pub fn denied(path: &Path) -> Result<BTreeSet<Hash>, String> {
    let bytes = match read_bounded(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    let lines =
        text.lines().enumerate().map(|(number, line)| (number + 1, line.split('#').next().unwrap_or("").trim()));
    let hash = |(number, line): (usize, &str)| {
        Hash::from_hex(line).ok_or_else(|| {
            format!(
                "{} line {number}: not a SHA-256 of a public key in 64 lower-case hexadecimal digits",
                path.display()
            )
        })
    };
    lines.filter(|(_, line)| !line.is_empty()).map(hash).collect()
}
