//! The simultaneous action: Belgium leads.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::network::{Member, Network, failed, until};
use super::story::{id, ready, step};
use crate::cli::CliError;
use crate::cli::words::moment;
use crate::clock::{Clock, SystemClock};

/// How many targets the action has: names and channels of an outlet, all under names that are free for examples.
const TARGETS: usize = 40;
/// How long after the go the moment is.
const NOTICE: Duration = Duration::from_secs(4);

/// Everything from the first referral of its targets to what comes back afterwards.
pub(super) fn play(network: &mut Network) -> Result<(), CliError> {
    let mut of = String::new();
    step(
        10,
        "The units refer 40 domains and channels of one outlet, and BE begins an operation on them",
        "Each unit acts in its own country, on the same list.",
        || {
            refer_all(network)?;
            of = begin(network)?;
            Ok(format!(
                "{of}: {} units have joined, and each has its share of the targets to act on",
                network.members().len()
            ))
        },
    )?;
    let mut digest = String::new();
    step(11, "CA is cut off while BE fixes the list", "Who is missing is known before the moment, not after.", || {
        let before = network.isolate("CA")?;
        digest = freeze(network, &of)?;
        network.restart_with("CA", &before)?;
        Ok(format!("{:.16}... is the digest of 40 targets; all but CA are ready for exactly it", digest))
    })?;
    step(12, "CA is back", "Every unit can prove that it stands before the same list.", || {
        ready(network.member_mut("CA")?)?;
        let ca = network.member("CA")?;
        shown(ca, &of, "the same digest", |page| page["digest"] == digest.as_str())?;
        ca.call(&["operation", "ready", &of, "--digest", &digest, "--wait", "certified"])?.json()?;
        let be = network.member("BE")?;
        let count = network.members().len();
        shown(be, &of, "that all are ready", |page| ready_units(page) == count)?;
        Ok(format!("it finds the same digest, and all {count} are ready for it"))
    })?;
    let mut at_ms = 0;
    step(
        13,
        "BE says go, and then FR asks to leave one target online",
        "Late is late everywhere, and people decide.",
        || {
            at_ms = go_and_late_hold(network, &of)?;
            Ok(format!(
                "go for {}; FR's hold came after it: every board shows it as late, none hides it",
                moment(at_ms)
            ))
        },
    )?;
    step(14, "The moment", "One list, one moment, and every report on record.", || strike(network, &of, at_ms))?;
    step(
        15,
        "FR hands a seized server over to BE",
        "Each side signs for the same item; nobody has to believe either.",
        || hand_over(network, &of),
    )?;
    step(16, "BE closes the operation", "Auditors check the report line by line against the log.", || {
        close(network, &of)
    })?;
    step(17, "Two targets come back under another name", "In 2016 nobody saw it in time.", || come_back(network, &of))
}

fn target(number: usize) -> String {
    match number % 4 {
        0 => format!("channel:videos/outlet-{number}"),
        1 => format!("mirror-{number}.outlet.example"),
        2 => format!("https://files-{number}.example/outlet/{number}"),
        _ => format!("outlet-news-{number}.example"),
    }
}

/// The targets that a unit refers and acts on, by its place.
fn share(place: usize, units: usize) -> Vec<String> {
    (0..TARGETS).filter(|number| number % units == place).map(target).collect()
}

/// Does the same at every unit at once.
fn at_each(members: &[Member], act: impl Fn(usize, &Member) -> Result<(), CliError> + Sync) -> Result<(), CliError> {
    let act = &act;
    thread::scope(|scope| {
        let acting: Vec<_> =
            members.iter().enumerate().map(|(place, member)| scope.spawn(move || act(place, member))).collect();
        acting.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err(failed("a thread panicked"))))
    })
}

/// Runs a command whose answer is one line for each statement, none of them refused.
fn all_taken(member: &Member, args: &[&str]) -> Result<(), CliError> {
    let said = member.call(args)?;
    if said.code == Some(0) { Ok(()) } else { Err(failed(format_args!("{}: {}", member.unit, said.err.trim()))) }
}

fn refer_all(network: &Network) -> Result<(), CliError> {
    let units = network.members().len();
    at_each(network.members(), |place, member| {
        let targets = share(place, units);
        let names = targets.iter().map(String::as_str);
        let args: Vec<&str> =
            ["refer", "--category", "incites", "--wait", "certified"].into_iter().chain(names).collect();
        all_taken(member, &args)
    })
}

fn file(network: &Network, name: &str, lines: &[String]) -> Result<PathBuf, CliError> {
    let path = network.directory()?.join(name);
    fs::write(&path, lines.join("\n") + "\n").map_err(failed)?;
    Ok(path)
}

/// BE begins the operation, all join, and each is assigned its share.
fn begin(network: &Network) -> Result<String, CliError> {
    let (be, units) = (network.member("BE")?, network.members().len());
    let all: Vec<String> = (0..TARGETS).map(target).collect();
    until("BE lists all targets", || {
        let args: Vec<&str> = ["check"].into_iter().chain(all.iter().map(String::as_str)).collect();
        let said = be.call(&args)?;
        Ok((said.out.matches("\"status\":\"listed\"").count() == TARGETS).then_some(()))
    })?;
    let from = file(network, "targets.txt", &all)?;
    let others: Vec<&str> =
        network.members().iter().map(|member| member.unit.as_str()).filter(|unit| *unit != "BE").collect();
    let (from, others) = (from.to_string_lossy(), others.join(","));
    let new = ["operation", "new", "--title", "The outlet's last day", "--invite", &others, "--from", &from];
    let of = id(&be.call(&[&new[..], &["--wait", "certified"]].concat())?.json()?)?;
    at_each(network.members(), |_, member| {
        if member.unit == "BE" {
            return Ok(());
        }
        shown(member, &of, "the operation", |_| true)?;
        member.call(&["operation", "join", &of, "--wait", "certified"])?.json().map(drop)
    })?;
    for (place, member) in network.members().iter().enumerate() {
        let targets = share(place, units);
        let names = targets.iter().map(String::as_str);
        let args: Vec<&str> = ["operation", "assign", &of, &member.unit].into_iter().chain(names).collect();
        be.call(&args)?.json()?;
    }
    Ok(of)
}

/// The page of an operation, once it is so.
fn shown(member: &Member, of: &str, what: &str, so: impl Fn(&Value) -> bool) -> Result<Value, CliError> {
    until(&format!("{} shows of {of}: {what}", member.unit), || {
        let said = member.call(&["operation", "show", of])?;
        if said.code != Some(0) {
            return Ok(None);
        }
        Ok(Some(said.json()?).filter(|page| so(page)))
    })
}

fn ready_units(page: &Value) -> usize {
    page["units"].as_array().into_iter().flatten().filter(|unit| !unit["ready"].is_null()).count()
}

/// BE fixes the targets, and everybody but CA is ready. Gives the digest.
fn freeze(network: &Network, of: &str) -> Result<String, CliError> {
    let be = network.member("BE")?;
    be.call(&["operation", "freeze", of, "--wait", "certified"])?.json()?;
    let page = shown(be, of, "that CA cannot be reached", |page| {
        let ca = page["units"].as_array().into_iter().flatten().find(|unit| unit["unit"] == "CA").cloned();
        ca.is_some_and(|ca| ca["connected"] == false)
    })?;
    let digest = page["digest"].as_str().unwrap_or_default().to_owned();
    at_each(network.members(), |_, member| {
        if member.unit == "CA" {
            return Ok(());
        }
        shown(member, of, "the digest", |page| page["digest"] == digest.as_str())?;
        member.call(&["operation", "ready", of, "--digest", &digest, "--wait", "certified"])?.json().map(drop)
    })?;
    let early = be.call(&["operation", "go", of])?;
    if early.code != Some(1) || !early.err.contains("CA") {
        return Err(failed(format_args!("BE could say go without CA: {}", early.err)));
    }
    Ok(digest)
}

/// BE says go for a moment to come; FR's hold comes after it. Gives the moment.
fn go_and_late_hold(network: &Network, of: &str) -> Result<u64, CliError> {
    let (be, fr) = (network.member("BE")?, network.member("FR")?);
    let notice_ms = u64::try_from(NOTICE.as_millis()).unwrap_or_default();
    let at_ms = SystemClock.now_ms().saturating_add(notice_ms);
    be.call(&["operation", "go", of, "--at", &moment(at_ms), "--wait", "certified"])?.json()?;
    shown(fr, of, "the go", |page| page["phase"] == "go")?;
    let held = target(1);
    fr.call(&["hold", &held, "--reason", "a source is in there", "--wait", "certified"])?.json()?;
    at_each(network.members(), |_, member| {
        let page = shown(member, of, "the late hold", |page| late(page) == 1)?;
        let covered = page["targets"].as_array().into_iter().flatten().filter(|target| target["covered"] == true);
        if covered.count() == TARGETS { Ok(()) } else { Err(failed("the late hold changed what the go covers")) }
    })?;
    Ok(at_ms)
}

fn late(page: &Value) -> usize {
    let against = page["targets"].as_array().into_iter().flatten().filter_map(|target| target["against"].as_array());
    against.flatten().filter(|against| against["kind"] == "hold" && against["in_go"] == false).count()
}

/// Every unit waits for the moment and acts on its share; the one target that is held late is left alone by its unit.
fn strike(network: &Network, of: &str, at_ms: u64) -> Result<String, CliError> {
    let units = network.members().len();
    let held = target(1);
    let left = Duration::from_millis(at_ms.saturating_sub(SystemClock.now_ms()));
    at_each(network.members(), |place, member| {
        thread::sleep(left);
        let line = |target: String| {
            let (result, words) =
                if target == held { ("skipped", "FR asks to leave it online") } else { ("done", "taken down") };
            format!("{target} {result} {} {words}", moment(SystemClock.now_ms()))
        };
        let lines: Vec<String> = share(place, units).into_iter().map(line).collect();
        let from = file(network, &format!("done-{}.txt", member.unit), &lines)?;
        all_taken(member, &["operation", "executed", of, "--from", &from.to_string_lossy(), "--wait", "certified"])
    })?;
    let be = network.member("BE")?;
    let page =
        shown(be, of, "all reports", |page| page["total"]["done"] == TARGETS - 1 && page["total"]["refused"] == 1)?;
    Ok(format!("{} of {TARGETS} targets are done, one was left alone on purpose", page["total"]["done"]))
}

/// What FR seized goes to BE: both say so, every unit shows it, and whoever has the charter alone can verify it.
fn hand_over(network: &Network, of: &str) -> Result<String, CliError> {
    let (be, fr) = (network.member("BE")?, network.member("FR")?);
    let image = file(network, "server.img", &["what was on the disk of a server".to_owned()])?;
    let image = image.to_string_lossy();
    let seized = ["evidence", &image, "--description", "a server", "--operation", of, "--wait", "certified"];
    let item = id(&fr.call(&seized)?.json()?)?;
    let give = id(&fr
        .call(&["custody", "give", &item, "--unit", "BE", "--text", "sealed bag 7", "--wait", "certified"])?
        .json()?)?;
    let custody = |member: &Member| -> Result<Value, CliError> {
        let said = member.call(&["show", &item])?;
        Ok(if said.code == Some(0) { said.json()?["custody"].take() } else { Value::Null })
    };
    until("BE knows what FR gives", || Ok((custody(be)?["open"][0] == give.as_str()).then_some(())))?;
    let take = ["custody", "take", &item, "--unit", "FR", "--file", &image, "--wait", "certified"];
    let take = id(&be.call(&take)?.json()?)?;
    at_each(network.members(), |_, member| {
        until(&format!("{} shows that BE holds {item}", member.unit), || {
            let custody = custody(member)?;
            Ok((custody["holder"] == "BE" && custody["chain"][0]["intact"] == true).then_some(()))
        })
    })?;
    for record in [&item, &give, &take] {
        let out = network.directory()?.join(format!("{}.receipt", record.replace('/', "-")));
        let out = out.to_string_lossy();
        fr.call(&["receipt", record, "--out", &out])?.json()?;
        // Without a node: only the charter is read.
        be.call(&["receipt", "verify", &out])?.json()?;
    }
    Ok(format!(
        "{item}: FR gave it ({give}), BE took it ({take}), the hashes agree, and the three receipts verify offline"
    ))
}

/// BE closes it; every board is the same, and the report is written.
fn close(network: &Network, of: &str) -> Result<String, CliError> {
    let be = network.member("BE")?;
    be.call(&["operation", "close", of, "--text", "done", "--wait", "certified"])?.json()?;
    let page = shown(be, of, "that it is closed", |page| page["phase"] == "closed")?;
    at_each(network.members(), |_, member| {
        shown(member, of, "the same board", |other| other["board_digest"] == page["board_digest"]).map(drop)
    })?;
    let report = be.call_plain(&["operation", "report", of, "--format", "html"])?;
    let path = network.directory()?.join("report.html");
    fs::write(&path, &report.out).map_err(failed)?;
    Ok(format!("every unit has the same board; the report, report.html, has {} KiB", report.out.len() / 1_024))
}

/// What the outlet rebuilt is seen, and linked to what it was.
fn come_back(network: &Network, of: &str) -> Result<String, CliError> {
    let be = network.member("BE")?;
    let finder = network.members().iter().find(|member| member.unit == "UK").unwrap_or(be);
    let mut back = Vec::new();
    for (was, now) in [(target(3), "outlet-reborn.example"), (target(5), "mirror-reborn.example")] {
        finder.call(&["link", &was, now, "--as-a", "successor", "--wait", "certified"])?.json()?;
        back.push(format!("{was} as {now}"));
    }
    shown(be, of, "what came back", |page| page["resurfaced"].as_array().map(Vec::len) == Some(2))?;
    Ok(format!("{}; `entente list --resurfaced` shows them at every unit", back.join(", ")))
}
