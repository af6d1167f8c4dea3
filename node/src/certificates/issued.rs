//! What the unit's authority gave out: a certificate that was renewed, or whose files went to another machine, is good until it
//! expires. Who revokes a holder has to revoke those too, so the home directory remembers them in `certs/issued`.
//!
//! A line `<SHA-256 of the public key> <last second, since 1970, at which it is valid> <role>` each, such as
//! `2f1e...90ab 1795648800 officer/anna`. It names no secret.

use std::collections::BTreeMap;
use std::io;

use entente_certs::identity::{Described, Role};
use entente_proto::hash::Hash;

use super::FILE_BYTES_MAX;
use crate::files::{read_bounded, replace_file};
use crate::home::Home;

/// Longest file, in bytes: about 100,000 certificates.
const ISSUED_BYTES_MAX: usize = 16 << 20;

/// A certificate that was given out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Given {
    /// To whom.
    pub(crate) role: Role,
    /// SHA-256 of its public key.
    pub(crate) spki: Hash,
    /// The last second, since 1970, at which it is valid.
    pub(crate) not_after_s: i64,
}

impl From<Described> for Given {
    fn from(described: Described) -> Self {
        Self { role: described.identity.role, spki: described.spki, not_after_s: described.not_after_s }
    }
}

/// Remembers certificates, durably. To be called before anybody is given one: one that nobody was given does no harm here.
///
/// # Errors
/// In words: the file cannot be read or written.
pub(crate) fn remember(home: &Home, given: impl IntoIterator<Item = Given>) -> Result<(), String> {
    let mut all = remembered(home)?;
    let before = all.len();
    for new in given {
        if !all.contains(&new) {
            all.push(new);
        }
    }
    if all.len() == before {
        return Ok(());
    }
    let line = |given: &Given| format!("{} {} {}\n", given.spki, given.not_after_s, given.role);
    let text: String = all.iter().map(line).collect();
    let path = home.issued();
    replace_file(&path, text.as_bytes(), 0o600).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Every certificate that was given out, one a key with its latest end: those that are remembered, and those whose files are in
/// the home directory. The authorities' are not among them.
///
/// # Errors
/// In words: the file cannot be read. A certificate's that cannot be read is left out.
pub(crate) fn given(home: &Home, network: &entente_proto::ids::NetworkName) -> Result<Vec<Given>, String> {
    let mut all: BTreeMap<(Role, Hash), i64> = BTreeMap::new();
    let files = std::fs::read_dir(home.certificates()).into_iter().flatten().filter_map(Result::ok);
    let here = files.filter_map(|file| {
        let pem = read_bounded(&file.path(), FILE_BYTES_MAX).ok()?;
        // Authorities and whatever else lies there name nobody.
        Described::of_pem(&pem, network).ok().map(Given::from)
    });
    for Given { role, spki, not_after_s } in remembered(home)?.into_iter().chain(here) {
        let end = all.entry((role, spki)).or_insert(not_after_s);
        *end = not_after_s.max(*end);
    }
    Ok(all.into_iter().map(|((role, spki), not_after_s)| Given { role, spki, not_after_s }).collect())
}

fn remembered(home: &Home) -> Result<Vec<Given>, String> {
    let path = home.issued();
    let bytes = match read_bounded(&path, ISSUED_BYTES_MAX) {
        Ok(bytes) => bytes,
        // A home directory of a release that remembered none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().enumerate().map(|(at, line)| {
        read(line).ok_or_else(|| {
            format!(
                "{} line {}: write `<SHA-256 of a public key> <seconds since 1970> <role>`, or take the file from a backup",
                path.display(),
                at.saturating_add(1)
            )
        })
    });
    lines.collect()
}

fn read(line: &str) -> Option<Given> {
    let mut words = line.split(' ');
    let (spki, not_after_s, role) = (Hash::from_hex(words.next()?)?, words.next()?.parse().ok()?, words.next()?);
    let role = role.parse().ok()?;
    words.next().is_none().then_some(Given { role, spki, not_after_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, key: u8, not_after_s: i64) -> Given {
        Given { role: Role::Officer(name.into()), spki: Hash([key; 32]), not_after_s }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path());
        std::fs::create_dir(home.certificates()).unwrap();
        (directory, home)
    }

    #[test]
    fn what_was_given_out_is_remembered_once_with_its_latest_end() {
        let (_directory, home) = home();
        let network = "takedown.example".parse().unwrap();
        assert_eq!(super::given(&home, &network).unwrap(), []);
        remember(&home, [given("anna", 1, 10), given("anna", 2, 20)]).unwrap();
        remember(&home, [given("anna", 2, 30), given("anna", 1, 10), given("otto", 3, 5)]).unwrap();
        let all = super::given(&home, &network).unwrap();
        assert_eq!(all, [given("anna", 1, 10), given("anna", 2, 30), given("otto", 3, 5)]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_nothing_is_taken_for_all() {
        let (_directory, home) = home();
        remember(&home, [given("anna", 1, 10)]).unwrap();
        let text = std::fs::read_to_string(home.issued()).unwrap();
        for bad in
            ["x", "00 1 node", &format!("{} 1 officer/anna more", Hash([1; 32])), &format!("{} x node", Hash([1; 32]))]
        {
            std::fs::write(home.issued(), format!("{text}{bad}\n")).unwrap();
            let said = super::given(&home, &"takedown.example".parse().unwrap()).unwrap_err();
            assert!(said.contains("issued line 2"), "{said}");
            assert!(remember(&home, [given("anna", 2, 10)]).is_err());
        }
    }
}
