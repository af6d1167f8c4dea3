use entente_certs::authority::{Authority, Validity};
use entente_certs::identity::Identity;
use entente_certs::verifier::{Admission, Admits, Refusal, Usage, Verified};
use entente_proto::charter::{UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::ids::NetworkName;
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::*;
use crate::net::{Entered, PeerInfo};

const NOW_MS: u64 = 1_767_225_600_000;

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn unit(id: &str) -> UnitId {
    id.parse().unwrap()
}

fn authority(id: &str) -> Authority {
    Authority::create(&network(), &unit(id), NOW_MS).unwrap()
}

/// A charter of these units with these authorities.
fn terms(units: &[(&str, &[&Authority])]) -> Terms {
    let description = |(seed, (id, authorities)): (usize, &(&str, &[&Authority]))| {
        let key = |name: KeyName, algorithm, role: u8| {
            let seed = [u8::try_from(seed * 3 + 1).unwrap() + role; 32];
            MemorySigner::from_seed(name, algorithm, &seed).unwrap().key().clone()
        };
        let (network, unit) = (network(), unit(id));
        let draft = UnitDraft {
            id: unit.clone(),
            name: (*id).to_owned(),
            charter_key: key(KeyName::charter(&network, &unit), Algorithm::Ed25519, 0),
            log_key: key(KeyName::log(&network, &unit), Algorithm::Ed25519, 1),
            mirror_key: key(KeyName::mirror(&network, &unit), Algorithm::Cosignature, 2),
            ca: authorities.iter().map(|authority| authority.certificate_der().to_vec()).collect(),
            addresses: Vec::new(),
        };
        UnitDescription::new(network, draft).unwrap()
    };
    let descriptions: Vec<_> = units.iter().enumerate().map(description).collect();
    UnverifiedCharter::compose(&descriptions, None).unwrap().terms().clone()
}

/// A node whose certificate was just issued, and what comes of its handshakes.
struct Peer {
    der: CertificateDer<'static>,
    spki: Hash,
}

impl Peer {
    fn of(authority: &Authority) -> Self {
        let identity = Identity::node(authority.unit().clone());
        let issued = authority.issue(&identity, &[], Validity::days(NOW_MS, 365).unwrap()).unwrap();
        let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
        Self { der, spki: issued.spki }
    }

    fn judged(&self, admissions: &Admissions) -> Result<Verified, Refusal> {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(NOW_MS));
        let admission = Admission::new(admissions.members(), Admits::Peers { own: unit("ZZ") });
        admission.verify(std::slice::from_ref(&self.der), Usage::Client, now)
    }

    fn connect(&self, admissions: &Admissions) -> Entered {
        let holder = Arc::new(self.judged(admissions).unwrap());
        let peer = PeerInfo { holder, remote: "127.0.0.1:1".parse().unwrap() };
        admissions.connections().enter(&peer, 8).unwrap()
    }
}

fn connected(admissions: &Admissions) -> Vec<String> {
    admissions.connections().peers().iter().map(|peer| peer.identity().unit.to_string()).collect()
}

#[test]
fn a_record_cuts_connections_of_its_own_unit_alone_and_for_good() {
    let (be, fr) = (authority("BE"), authority("FR"));
    let terms = terms(&[("BE", &[&be]), ("FR", &[&fr])]);
    let admissions = Admissions::new(vec![terms.clone()], BTreeSet::new()).unwrap();
    let (of_be, of_fr) = (Peer::of(&be), Peer::of(&fr));
    let _standing = [of_be.connect(&admissions), of_fr.connect(&admissions)];
    admissions.revoked(&unit("FR"), [of_be.spki]);
    assert_eq!(connected(&admissions), ["BE", "FR"], "a unit speaks for its own");
    admissions.revoked(&unit("BE"), [of_be.spki]);
    assert_eq!(connected(&admissions), ["FR"]);
    admissions.govern(vec![terms]).unwrap();
    admissions.deny(BTreeSet::new());
    assert!(matches!(of_be.judged(&admissions), Err(Refusal::Revoked { .. })));
    assert!(of_fr.judged(&admissions).is_ok());
}

#[test]
fn what_is_denied_is_cut_and_may_come_back_when_it_is_not_any_more() {
    let be = authority("BE");
    let admissions = Admissions::new(vec![terms(&[("BE", &[&be])])], BTreeSet::new()).unwrap();
    let peer = Peer::of(&be);
    let _standing = peer.connect(&admissions);
    admissions.deny(BTreeSet::from([Hash::of(b"another")]));
    assert_eq!(connected(&admissions), ["BE"]);
    admissions.deny(BTreeSet::from([peer.spki]));
    assert!(connected(&admissions).is_empty() && peer.judged(&admissions).is_err());
    admissions.deny(BTreeSet::new());
    assert!(peer.judged(&admissions).is_ok());
}

#[test]
fn while_two_charters_are_in_force_the_units_of_both_stay_and_then_those_who_left_are_cut() {
    let (be, next_be, fr, nl) = (authority("BE"), authority("BE"), authority("FR"), authority("NL"));
    let before = terms(&[("BE", &[&be]), ("FR", &[&fr])]);
    let after = terms(&[("BE", &[&next_be]), ("NL", &[&nl])]);
    let admissions = Admissions::new(vec![before.clone()], BTreeSet::new()).unwrap();
    let (old, leaver, next, joiner) = (Peer::of(&be), Peer::of(&fr), Peer::of(&next_be), Peer::of(&nl));
    let _standing = [old.connect(&admissions), leaver.connect(&admissions)];
    assert!(next.judged(&admissions).is_err() && joiner.judged(&admissions).is_err());
    admissions.govern(vec![after.clone(), before]).unwrap();
    let _joined = [next.connect(&admissions), joiner.connect(&admissions)];
    assert_eq!(connected(&admissions), ["BE", "FR", "BE", "NL"]);
    admissions.govern(vec![after]).unwrap();
    assert_eq!(connected(&admissions), ["BE", "NL"], "BE's connection under its old authority is gone too");
    assert!(matches!(old.judged(&admissions), Err(Refusal::OtherAuthority(_))));
    assert!(matches!(leaver.judged(&admissions), Err(Refusal::UnknownUnit(_))));
}

#[test]
fn a_key_that_a_charter_revokes_is_cut_whoevers_it_is() {
    let (be, fr) = (authority("BE"), authority("FR"));
    let terms = terms(&[("BE", &[&be]), ("FR", &[&fr])]);
    let admissions = Admissions::new(vec![terms.clone()], BTreeSet::new()).unwrap();
    let (of_be, of_fr) = (Peer::of(&be), Peer::of(&fr));
    let _standing = [of_be.connect(&admissions), of_fr.connect(&admissions)];
    let mut next = terms.clone();
    next.revoked.insert(of_be.spki);
    // Also while the one before, which does not know of it, is still in force.
    admissions.govern(vec![next, terms]).unwrap();
    assert_eq!(connected(&admissions), ["FR"]);
    assert!(matches!(of_be.judged(&admissions), Err(Refusal::Revoked { .. })));
}

#[test]
fn what_was_revoked_before_the_start_is_known() {
    let be = authority("BE");
    let admissions = Admissions::new(vec![terms(&[("BE", &[&be])])], BTreeSet::new()).unwrap();
    let peer = Peer::of(&be);
    admissions.known([(unit("FR"), peer.spki)], None);
    assert!(peer.judged(&admissions).is_ok());
    admissions.known([(unit("BE"), peer.spki)], None);
    assert!(matches!(peer.judged(&admissions), Err(Refusal::Revoked { .. })));
}

#[test]
fn charters_that_cannot_be_in_force_together_change_nothing() {
    let (be, fr) = (authority("BE"), authority("FR"));
    let before = terms(&[("BE", &[&be])]);
    let admissions = Admissions::new(vec![before.clone()], BTreeSet::new()).unwrap();
    let peer = Peer::of(&be);
    let _standing = peer.connect(&admissions);
    // BE's authority in the hands of FR.
    let after = terms(&[("FR", &[&fr, &be])]);
    assert!(matches!(admissions.govern(vec![after, before]), Err(MembersError::Shared(..))));
    assert_eq!(admissions.govern(Vec::new()), Err(MembersError::NoCharter));
    assert!(connected(&admissions) == ["BE"] && peer.judged(&admissions).is_ok());
}
