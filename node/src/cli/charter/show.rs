//! `entente charter show`.

use entente_certs::identity::spki_sha256;
use entente_proto::charter::{Terms, Unit, UnverifiedCharter, changes};
use entente_proto::note::VerifierKey;
use serde::Serialize;

use entente_proto::wire;

use super::proposals::{self, Named, named};
use super::{ShowArgs, running, still_missing};
use crate::cli::Global;
use crate::cli::error::CliError;
use crate::cli::output::{Output, say, table};
use crate::home::{Home, HomeError};
use crate::membership::{load_charters, read_charter};

pub(super) fn run(args: &ShowArgs, global: &Global) -> Result<(), CliError> {
    let mut open = None;
    let charter = match args.what.as_deref().map(named) {
        Some(Named::File(file)) => in_its_place(read_charter(&file)?, global),
        Some(Named::Proposal(what)) => {
            let reply = running::proposals(global, &what)?;
            let charter = reply.proposals.first().map(proposals::charter_of);
            open = Some(reply);
            in_its_place(
                charter.ok_or_else(|| CliError::Refused(format!("the node knows no proposal {what}")))??,
                global,
            )
        }
        None => {
            open = open_proposals(global)?;
            let home = Home::open(global.home()?).map_err(super::refused)?;
            let charters = load_charters(&home)?;
            in_its_place(read_charter(&home.charter_since(charters.refounded(), charters.newest().version()))?, global)
        }
    };
    if let Some(against) = &args.against {
        return tell_changes(&read_charter(against)?, &charter, global);
    }
    let mut out = Output::new(global.json);
    if global.json {
        let listed = |open: wire::ProposalsReply| open.proposals.iter().map(Into::into).collect();
        out.document(&Shown { proposals: open.map(listed), ..Shown::of(&charter) })?;
    } else {
        print(&mut out, &charter, taken_up(&charter, global))?;
        open.map_or(Ok(()), |open| proposals::print(&mut out, &open))?;
    }
    out.flush()
}

/// What units propose, where a node runs here that knows it.
fn open_proposals(global: &Global) -> Result<Option<wire::ProposalsReply>, CliError> {
    let home = Home::open(global.home()?).map_err(super::refused)?;
    if !matches!(home.lock(), Err(HomeError::Locked(_))) {
        return Ok(None);
    }
    match running::proposals(global, "") {
        Ok(open) => Ok(Some(open)),
        // Another command may hold the home directory; the charter can be shown all the same.
        Err(error) => {
            say(format_args!("what units propose is not shown: {error}"));
            Ok(None)
        }
    }
}

/// With the version before at hand, in the home directory, one sees who of its units has signed.
fn in_its_place(charter: UnverifiedCharter, global: &Global) -> UnverifiedCharter {
    let charters = global.home().ok().and_then(|home| load_charters(&Home::at(home)).ok());
    let before = charter.terms().version.checked_sub(1).and_then(|before| charters.as_ref()?.up_to(before));
    // It may be meant to follow others than those here; then it is shown as it is.
    before.and_then(|before| before.draft(charter.clone()).ok()).unwrap_or(charter)
}

/// What a charter says otherwise than another.
fn tell_changes(before: &UnverifiedCharter, after: &UnverifiedCharter, global: &Global) -> Result<(), CliError> {
    let told = changes(before.terms(), after.terms());
    let mut out = Output::new(global.json);
    if global.json {
        let lines: Vec<String> = told.iter().map(ToString::to_string).collect();
        let digests = [before, after].map(|charter| charter.digest().to_string());
        out.document(&serde_json::json!({ "before": digests[0], "after": digests[1], "changes": lines }))?;
    } else {
        out.line(format_args!("{} (digest {})", after.terms().network, after.digest()))?;
        told.iter().try_for_each(|change| out.line(format_args!("  {change}")))?;
        if told.is_empty() {
            out.line("  says the same")?;
        }
        out.line(still_missing(after))?;
    }
    out.flush()
}

/// Whether the home directory, if there is one, has taken this very text up.
fn taken_up(charter: &UnverifiedCharter, global: &Global) -> bool {
    let charters = global.home().ok().and_then(|home| load_charters(&Home::at(home)).ok());
    charters.is_some_and(|charters| charters.all().any(|held| held.digest() == charter.digest()))
}

fn print(out: &mut Output, charter: &UnverifiedCharter, taken_up: bool) -> Result<(), CliError> {
    let terms = charter.terms();
    out.line(format_args!("{}, version {}, digest {}", terms.network, terms.version, charter.digest()))?;
    if terms.continues.is_some() {
        out.line(format_args!("attempt {} to found the network anew, once for each attempt", charter.attempt()))?;
    }
    out.line("")?;
    let mut rows = table(["UNIT", "NAME", "ADDRESS", "CHARTER KEY", "LOG KEY", "MIRROR KEY"]);
    for unit in terms.units.values() {
        let signed = |key| if charter.has_signed(key) { "signed" } else { "-" };
        let address = unit.addresses.first().map_or("(only dials)", String::as_str);
        let [charter_key, log_key, mirror_key] = unit.keys().map(signed);
        rows.add_row([unit.id.as_str(), &unit.name, address, charter_key, log_key, mirror_key]);
    }
    out.table(&rows)?;
    out.line("")?;
    for unit in terms.units.values() {
        for (role, key) in roles(unit) {
            out.line(format_args!("{}  {role:<8} {key}", unit.id))?;
        }
        for digest in ca_digests(unit) {
            out.line(format_args!("{}  ca       {digest}", unit.id))?;
        }
    }
    out.line("")?;
    quorum_words(terms).into_iter().try_for_each(|line| out.line(line))?;
    if taken_up {
        return out.line("in force: enough have signed, and this home directory has taken it up");
    }
    out.line(still_missing(charter))
}

fn roles(unit: &Unit) -> [(&'static str, &VerifierKey); 3] {
    let [charter, log, mirror] = unit.keys();
    [("charter", charter), ("log", log), ("mirror", mirror)]
}

/// The public keys of the unit's CAs, by which people compare them.
fn ca_digests(unit: &Unit) -> Vec<String> {
    let digest = |der: &Vec<u8>| match spki_sha256(der) {
        Ok(digest) => digest.to_string(),
        Err(_) => "not a certificate that can be read".into(),
    };
    unit.ca.iter().map(digest).collect()
}

/// What the quorum means, for people who are to sign it.
fn quorum_words(terms: &Terms) -> Vec<String> {
    let quorum = &terms.quorum;
    let (others, needed) = (quorum.others(), quorum.needed());
    if others == 0 {
        return vec!["one unit alone: what it writes is certified at once, and nobody else holds a copy".into()];
    }
    let set = if terms.quorum_set.is_some() { "set in the charter" } else { "by the formula" };
    let mut lines = vec![
        format!("certified is what {needed} of the {others} other units have cosigned (quorum {set})"),
        format!("up to f = {} of the {} units may be dishonest", quorum.faulty(), others.saturating_add(1)),
        format!(
            "two certified states of a log never contradict while at most {} of its cosigners are dishonest or have lost \
             their journal",
            quorum.overlap().saturating_sub(1)
        ),
    ];
    let spare = others.saturating_sub(needed);
    lines.push(if spare == 0 {
        "with one unit down nothing is certified: a network that is to live through a failure needs four units".into()
    } else {
        format!("with up to {spare} units down the others still certify")
    });
    lines
}

#[derive(Serialize)]
struct Shown {
    network: String,
    version: u32,
    digest: String,
    previous: Option<String>,
    fold: u32,
    quorum: ShownQuorum,
    revoked: Vec<String>,
    complete: bool,
    missing: Vec<String>,
    units: Vec<ShownUnit>,
    /// What units propose; nothing where no node runs.
    proposals: Option<Vec<proposals::Shown>>,
}

#[derive(Serialize)]
struct ShownQuorum {
    others: usize,
    needed: usize,
    faulty: usize,
    set: Option<u32>,
}

#[derive(Serialize)]
struct ShownUnit {
    id: String,
    name: String,
    addresses: Vec<String>,
    charter: ShownKey,
    log: ShownKey,
    mirror: ShownKey,
    ca: Vec<String>,
}

#[derive(Serialize)]
struct ShownKey {
    key: String,
    signed: bool,
}

impl Shown {
    fn of(charter: &UnverifiedCharter) -> Self {
        let terms = charter.terms();
        let missing: Vec<String> = charter.missing().iter().map(ToString::to_string).collect();
        let shown = |key: &VerifierKey| ShownKey { key: key.to_string(), signed: charter.has_signed(key) };
        let quorum = &terms.quorum;
        Self {
            network: terms.network.to_string(),
            version: terms.version,
            digest: charter.digest().to_string(),
            previous: terms.previous.map(|digest| digest.to_string()),
            fold: terms.fold,
            quorum: ShownQuorum {
                others: quorum.others(),
                needed: quorum.needed(),
                faulty: quorum.faulty(),
                set: terms.quorum_set,
            },
            revoked: terms.revoked.iter().map(ToString::to_string).collect(),
            complete: terms.version == 1 && missing.is_empty(),
            missing,
            units: terms
                .units
                .values()
                .map(|unit| ShownUnit {
                    id: unit.id.to_string(),
                    name: unit.name.clone(),
                    addresses: unit.addresses.clone(),
                    charter: shown(&unit.charter_key),
                    log: shown(&unit.log_key),
                    mirror: shown(&unit.mirror_key),
                    ca: ca_digests(unit),
                })
                .collect(),
            proposals: None,
        }
    }
}
