//! `entente cert renew --ca`: from one authority of the unit to the next.
//!
//! | called when | does |
//! |---|---|
//! | there is no next one | makes it: `keys/ca-next.pem`, `certs/ca-next.pem`; `unit.toml`, from which the next charter is composed, names both |
//! | no charter in force names it | says so |
//! | the charter in force names it | it is taken up: new certificates come from it, and `unit.toml` names it alone |
//!
//! Each step can be cut off and is done again by the next call. The certificate of the authority before stays in
//! `certs/ca-old.pem`, since the node's certificate may still be from it; its key goes.

use entente_certs::authority::Authority;
use entente_certs::keyfile::{create_secret, read_secret};
use entente_proto::charter::{UnitDescription, UnitDraft};

use super::super::Global;
use super::super::error::CliError;
use super::super::output::Output;
use super::{FILE_BYTES_MAX, load_authority, put, refused};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::files::{read_bounded, replace_file, sync_directory};
use crate::home::Home;
use crate::membership::{self, load_charter};

pub(super) fn renew(home: &Home, config: &Config, global: &Global) -> Result<(), CliError> {
    let charter = load_charter(home).map_err(refused)?;
    let own = charter.units().get(&config.unit);
    let next = match next(home, config)? {
        Some(next) => next,
        None => create(home, config)?,
    };
    let der = next.certificate_der();
    let named = own.is_some_and(|own| own.ca.iter().any(|known| known == der));
    if named {
        take_up(home, &next)?;
    } else {
        describe(home, &[current(home)?, der.to_vec()])?;
    }
    tell(home, named, global)
}

/// The next authority, if it was made.
fn next(home: &Home, config: &Config) -> Result<Option<Authority>, CliError> {
    let (certificate, key) = (home.next_ca_certificate(), home.next_ca_key());
    if certificate.try_exists().map_err(|e| CliError::file(&certificate, "look for", &e))? {
        return load_authority(config, &certificate, &key).map(Some);
    }
    Ok(None)
}

fn create(home: &Home, config: &Config) -> Result<Authority, CliError> {
    let (certificate, key) = (home.next_ca_certificate(), home.next_ca_key());
    // Without its certificate nobody has been told of this key.
    match std::fs::remove_file(&key) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(CliError::file(&key, "remove", &error));
        }
        _ => {}
    }
    let authority = Authority::create(&config.network, &config.unit, SystemClock.now_ms()).map_err(refused)?;
    create_secret(&key, authority.key_pem().as_bytes()).map_err(refused)?;
    let pem = authority.certificate_pem();
    replace_file(&certificate, pem.as_bytes(), 0o600).map_err(|e| CliError::file(&certificate, "write", &e))?;
    Ok(authority)
}

/// The authority in use, DER.
fn current(home: &Home) -> Result<Vec<u8>, CliError> {
    membership::der_of_pem(&home.ca_certificate()).map_err(refused)
}

fn take_up(home: &Home, next: &Authority) -> Result<(), CliError> {
    let (path, old) = (home.ca_certificate(), home.old_ca_certificate());
    if current(home)? != next.certificate_der() {
        let before = read_bounded(&path, FILE_BYTES_MAX).map_err(|e| CliError::file(&path, "read", &e))?;
        replace_file(&old, &before, 0o600).map_err(|e| CliError::file(&old, "write", &e))?;
    }
    // Once more where a call before this one was cut off: then it changes nothing.
    let key = read_secret(&home.next_ca_key()).map_err(refused)?;
    let key = std::str::from_utf8(&key).map_err(refused)?;
    put((&path, &next.certificate_pem()), (&home.ca_key(), key))?;
    describe(home, &[next.certificate_der().to_vec()])?;
    // The certificate first: as long as it is there, the next call comes here again.
    for (file, directory) in [(home.next_ca_key(), home.keys()), (home.next_ca_certificate(), home.certificates())] {
        let gone = std::fs::remove_file(&file).and_then(|()| sync_directory(&directory));
        gone.map_err(|e| CliError::file(&file, "remove", &e))?;
    }
    Ok(())
}

/// Names these authorities in `unit.toml`.
fn describe(home: &Home, ca: &[Vec<u8>]) -> Result<(), CliError> {
    let path = home.unit_description();
    let described = UnitDescription::parse(&membership::read(&path).map_err(refused)?)
        .map_err(|error| CliError::Refused(format!("{}: {error}", path.display())))?;
    let unit = described.unit();
    if unit.ca == ca {
        return Ok(());
    }
    let draft = UnitDraft {
        id: unit.id.clone(),
        name: unit.name.clone(),
        charter_key: unit.charter_key.clone(),
        log_key: unit.log_key.clone(),
        mirror_key: unit.mirror_key.clone(),
        ca: ca.to_vec(),
        addresses: unit.addresses.clone(),
    };
    let described = UnitDescription::new(described.network().clone(), draft).map_err(refused)?;
    replace_file(&path, described.to_toml().as_bytes(), 0o600).map_err(|e| CliError::file(&path, "write", &e))
}

fn tell(home: &Home, taken_up: bool, global: &Global) -> Result<(), CliError> {
    let mut out = Output::new(global.json);
    let description = home.unit_description();
    if out.is_json() {
        let state = if taken_up { "in use" } else { "waits for a charter" };
        let file = if taken_up { home.ca_certificate() } else { home.next_ca_certificate() };
        out.document(&serde_json::json!({
            "state": state, "certificate": file.display().to_string(), "unit": description.display().to_string(),
        }))?;
    } else if taken_up {
        out.line("the charter in force names the new authority: from now on certificates come from it")?;
        out.line(
            "next   when every partner's node has that charter: entente cert renew node, and cert renew of each person",
        )?;
        out.line(format_args!(
            "then   the charter after it can leave out the authority before: {} names the new one alone",
            description.display()
        ))?;
    } else {
        out.line(format_args!(
            "{}  is the unit's next authority; it makes no certificates yet",
            home.next_ca_certificate().display()
        ))?;
        out.line(format_args!(
            "next   bring it into the next charter beside the one in use: {} names both",
            description.display()
        ))?;
        out.line("then   entente cert renew --ca   once more, when that charter is in force")?;
    }
    out.flush()
}
