//! What happens.

use std::time::Instant;

use serde_json::Value;

use super::network::{Member, Network, failed, until};
use super::{say, stranger};
use crate::cli::CliError;

/// The targets: names that RFC 2606 keeps free for examples.
const OUTLET: &str = "outlet-1.example";
const MIRRORS: [&str; 4] = ["outlet-2.example", "outlet-3.example", "mirror-1.example", "mirror-2.example"];

/// One step: it says what happened and why it matters, in one line.
pub(super) fn step(
    number: u32,
    what: &str,
    why: &str,
    play: impl FnOnce() -> Result<String, CliError>,
) -> Result<(), CliError> {
    let begun = Instant::now();
    match play() {
        Ok(seen) => {
            say(format_args!("{number:>2}. {what}: {seen} ({:.1} s). {why}", begun.elapsed().as_secs_f64()));
            Ok(())
        }
        Err(error) => {
            say(format_args!("{number:>2}. {what}: FAILED. {error}"));
            Err(error)
        }
    }
}

/// Starts all nodes.
pub(super) fn start(network: &mut Network) -> Result<(), CliError> {
    network.separate("FR", "BG")?;
    let count = network.members().len();
    step(
        1,
        "The charter is signed by all units and every node starts",
        "Nobody joins on trust: the keys are the charter's.",
        || {
            for member in network.members_mut() {
                member.start()?;
            }
            for member in network.members_mut() {
                ready(member)?;
            }
            Ok(format!("{count} nodes found each other over mutual TLS and sign"))
        },
    )
}

/// Waits until a node signs.
pub(super) fn ready(member: &mut Member) -> Result<(), CliError> {
    let unit = member.unit.clone();
    let member = std::cell::RefCell::new(member);
    until(&format!("{unit} signs"), || {
        member.borrow_mut().alive()?;
        let said = member.borrow().call(&["status"])?;
        // It may not answer yet.
        if said.code == Some(3) {
            return Ok(None);
        }
        Ok((said.json()?["state"] == "running").then_some(()))
    })
}

/// Refers, waits until it is certified, and gives the record's id.
fn refer(member: &Member, target: &str, category: &str) -> Result<String, CliError> {
    id(&member.call(&["refer", target, "--category", category, "--wait", "certified"])?.json()?)
}

pub(super) fn id(answer: &Value) -> Result<String, CliError> {
    answer["id"].as_str().map(str::to_owned).ok_or_else(|| failed(format_args!("no record id in {answer}")))
}

/// Waits until every node says this of a target.
fn all_say(network: &Network, target: &str, status: &str) -> Result<(), CliError> {
    for member in network.members() {
        until(&format!("{} says that {target} is {status}", member.unit), || {
            Ok((member.check(target)?["status"] == status).then_some(()))
        })?;
    }
    Ok(())
}

/// Everything after the start.
pub(super) fn tell(network: &mut Network) -> Result<(), CliError> {
    share(network)?;
    disagree(network)?;
    away(network)?;
    step(
        9,
        "A client shows a certificate for BE that FR's authority made",
        "One unit's authority cannot speak for another.",
        || stranger::knocks(network),
    )
}

fn share(network: &Network) -> Result<(), CliError> {
    let be = network.member("BE")?;
    step(2, "BE refers an outlet", "Every unit knows at once that it need not be referred again.", || {
        let id = refer(be, OUTLET, "incites")?;
        all_say(network, OUTLET, "listed")?;
        Ok(format!("{id} is certified by partners' signatures and on every list"))
    })?;
    step(3, "Several units refer its mirrors", "Each unit decides for itself what it refers, from one list.", || {
        let mut ids = Vec::new();
        for (target, member) in MIRRORS.iter().zip(network.members().iter().skip(1)) {
            ids.push(refer(member, target, "solicits-join")?);
            all_say(network, target, "listed")?;
        }
        Ok(ids.join(" "))
    })?;
    let second = network.member("NL").or_else(|_| network.member("FR"))?;
    step(
        4,
        &format!("{} refers what BE has referred", second.unit),
        "Nothing is lost when two units find the same, and both are named.",
        || {
            let id = refer(second, OUTLET, "incites")?;
            for member in network.members() {
                until(&format!("{} lists two referrals of {OUTLET}", member.unit), || {
                    let shown = member.call(&["list", "--text", OUTLET])?.json()?;
                    Ok((shown["referrals"].as_array().map(Vec::len) == Some(2)).then_some(()))
                })?;
            }
            Ok(format!("one row with two referrals, the second is {id}"))
        },
    )
}

fn disagree(network: &Network) -> Result<(), CliError> {
    let (be, ca, fr) = (network.member("BE")?, network.member("CA")?, network.member("FR")?);
    step(
        5,
        "CA asks to leave a target online, since it investigates",
        "A takedown would warn those it watches.",
        || {
            let held = "watched.example";
            id(&ca.call(&["hold", held, "--reason", "investigation", "--wait", "certified"])?.json()?)?;
            all_say(network, held, "held")?;
            let warned = be.call(&["refer", held, "--category", "incites"])?;
            if warned.code != Some(1) || !warned.err.contains("held by CA") {
                return Err(failed(format_args!("BE was not warned: {}", warned.err)));
            }
            all_say(network, held, "held")?;
            Ok("held on every list, and an officer of BE who refers it is told by whom and has to insist".to_owned())
        },
    )?;
    let wrong = "archive-of-news.example";
    let referral = std::cell::OnceCell::new();
    step(6, "FR objects to a referral by BE", "A wrong target is seen before it is acted on.", || {
        let id = referral.get_or_init(|| refer(be, wrong, "incites")).as_ref().map_err(failed)?;
        // FR must hold the referral before it can speak of it.
        until(&format!("FR knows {id}"), || Ok((fr.check(wrong)?["status"] == "listed").then_some(())))?;
        fr.call(&["object", id, "--ground", "protected-expression", "--text", "a library", "--wait", "certified"])?
            .json()?;
        all_say(network, wrong, "disputed")?;
        Ok(format!("{id} is disputed on every list"))
    })?;
    step(
        7,
        "BE takes the wrong referral back",
        "In 2019 an archive got 550 wrong referrals, and nobody could say whose.",
        || {
            let id = referral
                .get()
                .and_then(|id| id.as_ref().ok())
                .ok_or_else(|| failed("there is no referral to take back"))?;
            be.call(&["withdraw", id, "--reason", "wrong target", "--wait", "certified"])?.json()?;
            all_say(network, wrong, "cleared")?;
            Ok(format!("{id} is cleared everywhere, and who said what stays on record"))
        },
    )
}

fn away(network: &mut Network) -> Result<(), CliError> {
    step(
        8,
        "CA's node is killed, the others go on, it comes back",
        "What a unit missed it fetches; nothing is asked of people.",
        || {
            network.member_mut("CA")?.kill()?;
            let be = network.member("BE")?;
            for target in ["while-away-1.example", "while-away-2.example", "while-away-3.example"] {
                refer(be, target, "instructs")?;
            }
            network.member_mut("CA")?.start()?;
            ready(network.member_mut("CA")?)?;
            let ca = network.member("CA")?;
            until("CA has caught up", || Ok((ca.check("while-away-3.example")?["status"] == "listed").then_some(())))?;
            apart(network)?;
            Ok("it caught up and signs again; and FR and BG, which cannot reach each other, agree through the others"
                .to_owned())
        },
    )
}

/// FR and BG have no stream between them, and yet what one says reaches the other.
fn apart(network: &Network) -> Result<(), CliError> {
    let (fr, bg) = (network.member("FR")?, network.member("BG")?);
    let connected = |member: &Member, other: &str| -> Result<bool, CliError> {
        let status = member.status()?;
        let peer = status["peers"].as_array().into_iter().flatten().find(|peer| peer["unit"] == *other).cloned();
        Ok(peer.is_some_and(|peer| peer["connected"] == true))
    };
    if connected(fr, "BG")? || connected(bg, "FR")? {
        return Err(failed("FR and BG reach each other"));
    }
    for (from, to, target) in [(fr, bg, "from-fr.example"), (bg, fr, "from-bg.example")] {
        refer(from, target, "threatens")?;
        until(&format!("{} has what {} referred", to.unit, from.unit), || {
            Ok((to.check(target)?["status"] == "listed").then_some(()))
        })?;
    }
    Ok(())
}
