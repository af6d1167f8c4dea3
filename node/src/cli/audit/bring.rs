//! `entente audit export` and `entente audit fetch`: the files of an export, as a node gives them.
//!
//! The node says in the manifest which files there are. What is lacking is brought: notes and the tiles above the leaf hashes
//! come with the manifest, of bundles the entries, of which their files are made here.

use std::collections::BTreeMap;
use std::path::Path;

use entente_proto::audit::{BundleFiles, Manifest, Offer, Part, bundles, part};
use entente_proto::charter::CharterChain;
use entente_proto::entry::Run;
use entente_proto::hash::Hash;
use entente_proto::limits::MANIFEST_BYTES_MAX;
use entente_proto::wire::export_reply::Part as Piece;
use entente_proto::wire::{BundlesRequest, ExportRequest};

use super::held::Held;
use super::incoming::{Brought, Incoming, is_head, size};
use super::verify::bar;
use crate::cli::client::{Node, misfit};
use crate::cli::error::CliError;

/// Bundles of one call.
const BUNDLES: usize = 256;
/// Most bytes of the files that are of no bundle.
const SMALL_BYTES_MAX: usize = 256 << 20;
/// Most bytes of the run of one bundle.
const RUN_BYTES_MAX: usize = 32 << 20;
/// How often the manifest is asked for anew when an erasure came in between.
const TRIES: usize = 5;

/// What a node says of an export: the manifest's note, its reading, and the files that are of no bundle.
struct Offered {
    note: Vec<u8>,
    manifest: Manifest,
    charters: CharterChain,
    small: BTreeMap<String, Vec<u8>>,
}

/// Brings an export into a directory.
pub(super) async fn bring(node: &Node, directory: &Path, held: &Held, bytes_max: u64) -> Result<Brought, CliError> {
    let incoming = Incoming::new(directory, held, bytes_max)?;
    for _ in 0..TRIES {
        let offered = offered(node, held).await?;
        if let Some(brought) = fill(&incoming, node, &offered).await? {
            return Ok(brought);
        }
    }
    Err(CliError::Unreachable("records are erased faster than the export is brought: call again".to_owned()))
}

async fn offered(node: &Node, held: &Held) -> Result<Offered, CliError> {
    let bar = bar("the node reads");
    let mut stream = node.client().audit_manifest(node.lasting_request(ExportRequest {})).await?.into_inner();
    let (mut note, mut small, mut bytes) = (Vec::new(), BTreeMap::new(), 0_usize);
    while let Some(reply) = stream.message().await? {
        match reply.part {
            Some(Piece::Progress(progress)) => {
                bar.set_length(progress.of);
                bar.set_position(progress.entries);
            }
            Some(Piece::File(file)) => {
                bytes = bytes.saturating_add(file.content.len());
                if bytes > SMALL_BYTES_MAX {
                    return Err(misfit("its notes and tiles have no end"));
                }
                small.insert(file.path, file.content);
            }
            Some(Piece::Manifest(piece)) if note.len() + piece.len() <= MANIFEST_BYTES_MAX => note.extend(piece),
            _ => return Err(misfit("its manifest has no end, or a part of another kind")),
        }
    }
    bar.finish_and_clear();
    let offer = Offer::read(&note).map_err(|error| misfit(&error.to_string()))?;
    held.admit(&offer)?;
    let of_charters = |path: &String| Some((path.clone(), small.get(path)?.clone()));
    let charters = offer.charters.keys().filter_map(of_charters).collect();
    let (manifest, charters) = offer
        .verify(&charters, held.pinned())
        .map_err(|error| CliError::Verification(format!("what the node gives is not taken: {error}")))?;
    let named = |(path, content): (&String, &Vec<u8>)| manifest.files().get(path) == Some(&Hash::of(content));
    if small.iter().all(named) {
        Ok(Offered { note, manifest, charters, small })
    } else {
        Err(misfit("its files are others than it says"))
    }
}

/// Puts everything together beside the directory, and in its place; nothing where what the node has is not what its manifest
/// said any more.
async fn fill(incoming: &Incoming<'_>, node: &Node, offered: &Offered) -> Result<Option<Brought>, CliError> {
    let named = offered.manifest.files();
    let (mut wanting, mut new_files) = incoming.begin(&offered.manifest)?;
    for (path, content) in &offered.small {
        if wanting.remove(path).is_some() {
            incoming.write(path, content)?;
            new_files += 1;
        }
    }
    let bar = bar("bringing");
    let mut lacking = Vec::new();
    let heads = offered.small.iter().filter(|(path, _)| is_head(path));
    for (path, note) in heads {
        let (unit, size) = size(path, note).ok_or_else(|| misfit("a checkpoint of it is none"))?;
        let lacks = |(number, width): &(u64, u16)| {
            Part::ALL.iter().any(|which| wanting.contains_key(&part(&unit, *which, *number, *width)))
        };
        let bundles: Vec<(u64, u16)> = bundles(size).filter(lacks).collect();
        bar.inc_length(bundles.iter().map(|(_, width)| u64::from(*width)).sum());
        lacking.push((unit, size, bundles));
    }
    for (unit, size, bundles) in lacking {
        for some in bundles.chunks(BUNDLES) {
            let request = BundlesRequest {
                unit: unit.to_string(),
                size: size.get(),
                numbers: some.iter().map(|(number, _)| *number).collect(),
            };
            let mut stream = node.client().audit_bundles(node.lasting_request(request)).await?.into_inner();
            for (number, width) in some {
                let mut run = Vec::new();
                loop {
                    let piece = stream.message().await?.ok_or_else(|| misfit("a bundle is missing"))?;
                    run.extend(piece.run);
                    if piece.number != *number || run.len() > RUN_BYTES_MAX {
                        return Err(misfit("a bundle is another, or has no end"));
                    }
                    if piece.last {
                        break;
                    }
                }
                let entries = Run::new(run.into()).collect::<Result<Vec<_>, _>>();
                let entries = entries.map_err(|error| misfit(&error.to_string()))?;
                let files = BundleFiles::of(&entries, offered.manifest.payloads());
                for which in Part::ALL {
                    let path = part(&unit, which, *number, *width);
                    if wanting.remove(&path).is_none() {
                        continue;
                    }
                    if named.get(&path) != Some(&Hash::of(files.part(which))) {
                        return Ok(None);
                    }
                    incoming.write(&path, files.part(which))?;
                    new_files += 1;
                }
                bar.inc(u64::from(*width));
            }
        }
    }
    bar.finish_and_clear();
    if let Some(path) = wanting.keys().next() {
        return Err(misfit(&format!("its manifest names {path}, which belongs to no log")));
    }
    incoming.conclude(&offered.note, (&offered.manifest, &offered.charters), new_files).map(Some)
}
