//! The units of the vectors, their keys and certificates.

use entente_certs::authority::Authority;
use entente_proto::charter::{Charter, UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use entente_proto::cosignature::Cosignature;
use entente_proto::hash::Hash;
use entente_proto::ids::{NetworkName, Size, UnitId};
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::files::input;

/// The units.
pub(crate) const UNITS: [&str; 4] = ["BE", "FR", "NL", "UK"];
/// When the vectors play: 25 April 2018, midnight UTC, Unix seconds.
pub(crate) const START_S: u64 = 1_524_614_400;
/// The same in milliseconds.
pub(crate) const START_MS: u64 = START_S * 1_000;

/// The network.
pub(crate) fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

/// A unit's id.
pub(crate) fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

/// A number of entries.
pub(crate) fn size(count: usize) -> Size {
    Size::new(u64::try_from(count).unwrap()).unwrap()
}

/// Seeds are SHA-256 of what the key is for, such as `log BE`.
fn signer(name: KeyName, algorithm: Algorithm, label: &str) -> MemorySigner {
    MemorySigner::from_seed(name, algorithm, &Hash::of(label.as_bytes()).0).unwrap()
}

/// A unit's charter key.
pub(crate) fn charter_signer(of: &UnitId) -> MemorySigner {
    signer(KeyName::charter(&network(), of), Algorithm::Ed25519, &format!("charter {of}"))
}

/// A unit's log key.
pub(crate) fn log_signer(of: &UnitId) -> MemorySigner {
    signer(KeyName::log(&network(), of), Algorithm::Ed25519, &format!("log {of}"))
}

/// A unit's mirror key.
pub(crate) fn mirror_signer(of: &UnitId) -> MemorySigner {
    signer(KeyName::mirror(&network(), of), Algorithm::Cosignature, &format!("mirror {of}"))
}

/// The certificate of a unit's authority: PEM, an input.
pub(crate) fn ca(of: &UnitId) -> String {
    input(&ca_name(of), || Authority::create(&network(), of, START_MS).unwrap().certificate_pem())
}

/// Its file.
pub(crate) fn ca_name(of: &UnitId) -> String {
    format!("charter/ca/{of}.pem")
}

/// The charter without signatures.
pub(crate) fn unsigned_charter() -> UnverifiedCharter {
    let names = [
        "Federal Judicial Police, i2-IRU",
        "Sous-direction anti-terroriste, Pharos",
        "Nationale Politie, \"NL-IRU\"",
        "Counter Terrorism Internet Referral Unit",
    ];
    let units: Vec<UnitDescription> = UNITS
        .iter()
        .zip(names)
        .map(|(id, name)| {
            let id = unit(id);
            let lower = id.as_str().to_lowercase();
            let draft = UnitDraft {
                name: name.into(),
                charter_key: charter_signer(&id).key().clone(),
                log_key: log_signer(&id).key().clone(),
                mirror_key: mirror_signer(&id).key().clone(),
                ca: vec![CertificateDer::from_pem_slice(ca(&id).as_bytes()).unwrap().to_vec()],
                addresses: match id.as_str() {
                    "NL" => Vec::new(),
                    "UK" => vec!["192.0.2.44:7443".into(), "[2001:db8::44]:7443".into()],
                    _ => vec![format!("{lower}.takedown.example:7443")],
                },
                id,
            };
            UnitDescription::new(network(), draft).unwrap()
        })
        .collect();
    UnverifiedCharter::compose(&units, None).unwrap()
}

/// The charter that all units have signed.
pub(crate) fn charter() -> Charter {
    let mut charter = unsigned_charter();
    for (n, id) in UNITS.iter().map(|id| unit(id)).enumerate() {
        let (a, b, c) = (charter_signer(&id), log_signer(&id), mirror_signer(&id));
        charter.sign(&[&a, &b, &c], START_S + u64::try_from(n).unwrap()).unwrap();
    }
    charter.verify_first().unwrap()
}

/// A checkpoint of a unit's log, cosigned by these units, the n-th of them `n` seconds after `time_s`.
pub(crate) fn checkpoint(of: &UnitId, at: Size, root: Hash, cosigners: &[&str], time_s: u64) -> CosignedCheckpoint {
    let checkpoint = Checkpoint { origin: KeyName::log(&network(), of), size: at, root };
    let body = checkpoint.body();
    let mut cosigned = CosignedCheckpoint::new(SignedCheckpoint::sign(checkpoint, &log_signer(of)).unwrap());
    for (second, id) in (time_s..).zip(cosigners) {
        let id = unit(id);
        let cosignature = Cosignature::sign(&body, second, &mirror_signer(&id)).unwrap();
        assert!(cosigned.verify_and_add(id.clone(), cosignature, mirror_signer(&id).key()).unwrap());
    }
    cosigned
}
