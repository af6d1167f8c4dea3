use std::fs;

use entente_certs::authority::{Authority, Validity};
use entente_certs::keyfile::create_secret;
use entente_proto::charter::{UnitDescription, UnitDraft, UnverifiedCharter};
use entente_proto::note::{Algorithm, KeyName, MemorySigner, Signer};

use super::*;
use crate::clock::ManualClock;

const NOW_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;

struct World {
    home: Home,
    authority: Authority,
    clock: Arc<ManualClock>,
    admissions: Arc<Admissions>,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let (network, unit) = (network(), be());
        let authority = Authority::create(&network, &unit, NOW_MS).unwrap();
        let key = |name, algorithm, seed| MemorySigner::from_seed(name, algorithm, &[seed; 32]).unwrap().key().clone();
        let draft = UnitDraft {
            id: unit.clone(),
            name: "Belgium".into(),
            charter_key: key(KeyName::charter(&network, &unit), Algorithm::Ed25519, 1),
            log_key: key(KeyName::log(&network, &unit), Algorithm::Ed25519, 2),
            mirror_key: key(KeyName::mirror(&network, &unit), Algorithm::Cosignature, 3),
            ca: vec![authority.certificate_der().to_vec()],
            addresses: Vec::new(),
        };
        let charter = UnverifiedCharter::compose(&[UnitDescription::new(network, draft).unwrap()], None).unwrap();
        let admissions = Arc::new(Admissions::new(vec![charter.terms().clone()], BTreeSet::new()).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path());
        for directory in [home.keys(), home.certificates()] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(home.ca_certificate(), authority.certificate_pem()).unwrap();
        let world =
            Self { home, authority, clock: Arc::new(ManualClock::at(NOW_MS)), admissions, _directory: directory };
        let first = world.issue(&Identity::node(be()), 365);
        create_secret(&world.home.node_key(), first.key_pem.as_bytes()).unwrap();
        fs::write(world.home.node_certificate(), &first.certificate_pem).unwrap();
        world
    }

    fn issue(&self, identity: &Identity, days: u32) -> entente_certs::authority::Issued {
        self.authority.issue(identity, &[], Validity::days(NOW_MS, days).unwrap()).unwrap()
    }

    fn open(&self) -> Result<Certificates, String> {
        let own = (network(), be());
        Certificates::open(self.home.clone(), own, self.admissions.clone(), self.clock.clone())
    }

    fn renew(&self, days: u32) -> Hash {
        let new = self.issue(&Identity::node(be()), days);
        let (certificate, key) = (self.home.node_certificate(), self.home.node_key());
        let replacement = pair::Replacement::new((&certificate, &new.certificate_pem), (&key, &new.key_pem)).unwrap();
        replacement.put_in_place().unwrap();
        new.spki
    }
}

fn network() -> NetworkName {
    "takedown.example".parse().unwrap()
}

fn be() -> UnitId {
    "BE".parse().unwrap()
}

fn warnings(certificates: &Certificates) -> Vec<String> {
    certificates.known().0.into_iter().filter_map(|known| known.warning).collect()
}

#[test]
fn a_look_takes_up_what_changed_and_every_holder_of_the_credentials_sees_it() {
    let world = World::new();
    let certificates = world.open().unwrap();
    let held = certificates.credentials();
    let before = held.spki().unwrap();
    certificates.look(false);
    assert_eq!(held.spki().unwrap(), before);
    let after = world.renew(365);
    assert_eq!(held.spki().unwrap(), before);
    certificates.look(false);
    assert_eq!((held.spki().unwrap(), certificates.known().1), (after, vec![]));
}

#[test]
fn what_cannot_be_used_yet_is_taken_up_once_its_time_has_come() {
    let world = World::new();
    let certificates = world.open().unwrap();
    let before = certificates.credentials().spki().unwrap();
    world.clock.set(NOW_MS - DAY_MS);
    let after = world.renew(365);
    certificates.look(false);
    assert_eq!(certificates.credentials().spki().unwrap(), before);
    assert!(certificates.known().1[0].contains("is not valid before"), "{:?}", certificates.known().1);
    world.clock.set(NOW_MS);
    certificates.look(false);
    assert_eq!((certificates.credentials().spki().unwrap(), certificates.known().1), (after, vec![]));
}

#[test]
fn a_node_that_its_partners_refuse_says_so() {
    let world = World::new();
    let certificates = world.open().unwrap();
    assert_eq!(warnings(&certificates), [] as [String; 0]);
    let key = certificates.credentials().spki().unwrap();
    world.admissions.revoked(&be(), [key]);
    let words = warnings(&certificates);
    assert!(words[0].contains("partners do not accept this node") && words[0].contains("is revoked"), "{words:?}");
    world.renew(365);
    certificates.look(false);
    assert_eq!(warnings(&certificates), [] as [String; 0]);
    world.clock.set(NOW_MS + 400 * DAY_MS);
    assert!(warnings(&certificates)[0].contains("expired at"));
}

#[test]
fn people_who_come_and_go_are_known_by_their_files() {
    let world = World::new();
    let certificates = world.open().unwrap();
    let holders = || certificates.known().0.into_iter().map(|known| known.holder).collect::<Vec<_>>();
    assert_eq!(holders(), ["BE node", "BE authority"]);
    let anna = entente_certs::identity::Role::Officer("anna".into());
    let issued = world.issue(&Identity { unit: be(), role: anna.clone() }, 10);
    fs::write(world.home.holder_certificate(&anna), &issued.certificate_pem).unwrap();
    fs::write(world.home.certificates().join("officer-broken.pem"), "x").unwrap();
    certificates.look(false);
    assert_eq!(holders(), ["BE node", "BE authority", "BE officer/anna"]);
    assert!(warnings(&certificates)[0].contains("entente cert renew officer/anna"));
    assert!(certificates.known().1[0].contains("officer-broken.pem"), "{:?}", certificates.known().1);
    world.admissions.revoked(&be(), [issued.spki]);
    let known = certificates.known().0;
    assert_eq!((known[2].revoked, &known[2].warning), (Some(RevokedBy::Unit), &None));
    fs::remove_file(world.home.holder_certificate(&anna)).unwrap();
    certificates.look(false);
    assert_eq!(holders(), ["BE node", "BE authority"]);
}

#[test]
fn the_deny_list_is_taken_up_as_a_whole_or_not_at_all() {
    let world = World::new();
    let certificates = world.open().unwrap();
    let key = Hash::of(b"key");
    let denied = || world.admissions.members().current().revoked_by(&be(), &key);
    fs::write(world.home.deny(), format!("# lost\n{key} # at the station\n\n")).unwrap();
    certificates.look(false);
    assert_eq!(denied(), Some(RevokedBy::DenyList));
    fs::write(world.home.deny(), format!("{}\nnot a key\n", Hash::of(b"other"))).unwrap();
    certificates.look(false);
    assert_eq!(denied(), Some(RevokedBy::DenyList), "what was denied stays denied");
    assert!(certificates.known().1[0].contains("line 2"), "{:?}", certificates.known().1);
    fs::remove_file(world.home.deny()).unwrap();
    certificates.look(false);
    assert_eq!((denied(), certificates.known().1), (None, vec![]));
}

#[test]
fn another_holders_certificate_is_no_node_s() {
    let world = World::new();
    let other = world.issue(&Identity { unit: be(), role: entente_certs::identity::Role::Officer("x".into()) }, 365);
    fs::write(world.home.node_key(), other.key_pem.as_bytes()).unwrap();
    fs::write(world.home.node_certificate(), &other.certificate_pem).unwrap();
    assert!(world.open().unwrap_err().contains("not of this unit's node"));
}
