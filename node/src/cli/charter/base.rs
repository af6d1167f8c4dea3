//! `entente charter base`: from where a log could go on with a new key.

use entente_proto::charter::Base;
use entente_proto::hash::Hash;
use entente_proto::ids::{Size, UnitId};
use entente_proto::wire;
use entente_proto::wire::charter_request::What;
use serde::Serialize;

use super::running;
use crate::cli::Global;
use crate::cli::client::misfit;
use crate::cli::error::CliError;
use crate::cli::output::Output;

/// `charter base`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The unit whose log key is to be replaced
    #[arg(value_name = "UNIT")]
    unit: UnitId,
}

#[derive(Serialize)]
struct AdviceJson {
    unit: String,
    base: String,
    size: u64,
    root: String,
    certified: u64,
    held: u64,
    forked: bool,
    needed: u32,
    inside: usize,
    cosigned: Vec<WordJson>,
}

#[derive(Serialize)]
struct WordJson {
    unit: String,
    size: u64,
    inside: bool,
}

/// A unit whose log goes on from a base, as it is written on the command line: `UNIT=SIZE:ROOT`, or `UNIT` alone for what the
/// running node advises.
pub(super) fn parse(text: &str) -> Result<(UnitId, Option<Base>), String> {
    let (unit, base) = text.split_once('=').map_or((text, None), |(unit, base)| (unit, Some(base)));
    let unit = unit.parse().map_err(|error| format!("{error}"))?;
    let Some(base) = base else { return Ok((unit, None)) };
    let form = || "write UNIT, or UNIT=SIZE:ROOT with the root as 64 lower-case hexadecimal digits".to_owned();
    let (size, root) = base.split_once(':').ok_or_else(form)?;
    let size = size.parse().ok().and_then(|size| Size::new(size).ok()).ok_or_else(form)?;
    Ok((unit, Some(Base { size, root: Hash::from_hex(root).ok_or_else(form)? })))
}

/// Asks the running node.
pub(super) fn ask(unit: &UnitId, global: &Global) -> Result<(Base, wire::BaseAdvice), CliError> {
    let reply = running::ask(global, wire::CharterRequest { what: Some(What::Base(unit.to_string())) })?;
    let advice = reply.base.ok_or_else(|| misfit("it names no base"))?;
    let size = Size::new(advice.size).map_err(|_| misfit("the base has no size"))?;
    let root = Hash::from_slice(&advice.root).ok_or_else(|| misfit("the base has no root"))?;
    Ok((Base { size, root }, advice))
}

/// Why a base is safe, or is not known to be, a line each.
pub(super) fn reasons(unit: &UnitId, advice: &wire::BaseAdvice) -> Vec<String> {
    let inside = advice.words.iter().filter(|word| word.inside).count();
    let mut lines = vec![format!(
        "{unit}: {} entries are certified here, {} are held{}",
        advice.certified,
        advice.held,
        if advice.forked { "; its key signed two branches" } else { "" }
    )];
    for word in &advice.words {
        lines.push(match (word.size, word.inside) {
            (0, _) => format!("  {} is not known to have cosigned anything of it", word.unit),
            (size, true) => format!("  {} cosigned {size} entries: the base contains them", word.unit),
            (size, false) => format!(
                "  {} cosigned {size} entries that the base does not contain: they are replaced; it signs after the others",
                word.unit
            ),
        });
    }
    let needed = usize::try_from(advice.needed).unwrap_or(usize::MAX);
    lines.push(if inside >= needed {
        format!(
            "  safe as far as is known here: what the base cuts off was cosigned by too few to be certified, since it contains all that \
             {inside} units cosigned, and {needed} are needed. Each node looks again before it signs"
        )
    } else {
        format!(
            "  NOT SAFE as far as is known here: only {inside} units cosigned nothing beyond, {needed} are needed. Ask at the other \
             units' nodes: one on the other branch may know a better one"
        )
    });
    lines
}

pub(super) fn run(args: &Args, global: &Global) -> Result<(), CliError> {
    let (base, advice) = ask(&args.unit, global)?;
    let mut out = Output::new(global.json);
    let option = format!("{}={}:{}", args.unit, base.size, base.root);
    if out.is_json() {
        let word = |word: &wire::BaseWord| WordJson { unit: word.unit.clone(), size: word.size, inside: word.inside };
        out.document(&AdviceJson {
            unit: args.unit.to_string(),
            base: option,
            size: base.size.get(),
            root: base.root.to_string(),
            certified: advice.certified,
            held: advice.held,
            forked: advice.forked,
            needed: advice.needed,
            inside: advice.words.iter().filter(|word| word.inside).count(),
            cosigned: advice.words.iter().map(word).collect(),
        })?;
        return out.flush();
    }
    reasons(&args.unit, &advice).into_iter().try_for_each(|line| out.line(line))?;
    out.line(format_args!(
        "next  {} makes a new log key (entente charter rotate-keys --log) and hands out its unit.toml; then\n      \
         entente charter new --from DIR --update UNIT.TOML --base {option} --out FILE",
        args.unit
    ))?;
    out.flush()
}
