//! The floor: every file of the export read once and hashed once, each leaf, payload commitment and node hashed once, on
//! all cores, and compared with what the files say. Nothing is decoded.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ring::digest::{Context, SHA256, digest};
use ring::hmac;

use super::Fault;

/// The first argument of the process that measures it, before the directory.
pub(crate) const FLOOR: &str = "floor";

type Sha = [u8; 32];

/// One thing to do.
enum Job {
    /// A file by itself.
    File(PathBuf),
    /// The three files of a bundle: of which log, from where, and its number.
    Bundle { log: usize, number: usize, leaves: PathBuf, payloads: PathBuf, hashes: PathBuf },
}

/// Tells the roots of all logs on stdout.
pub(crate) fn run(words: &[String]) -> Result<(), Fault> {
    let [directory] = words else { return Err("which directory?".into()) };
    let (jobs, logs) = jobs(Path::new(directory))?;
    let levels = Mutex::new(vec![Vec::<(usize, Sha)>::new(); logs]);
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Fault> {
        let mut buffers = [Vec::new(), Vec::new(), Vec::new()];
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match job {
                Job::File(path) => drop(read(path, &mut buffers[0])?),
                Job::Bundle { log, number, leaves, payloads, hashes } => {
                    let found = bundle(&mut buffers, [leaves, payloads, hashes])?;
                    levels.lock().map_err(|_| "a thread panicked")?[*log].push((*number, found));
                }
            }
        }
        Ok(())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    for mut level in levels.into_inner().map_err(|_| "a thread panicked")? {
        level.sort_unstable();
        let hashes = level.into_iter().map(|(_, root)| root).collect();
        println!("{}", root(hashes).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    Ok(())
}

/// All files; those of bundles together.
fn jobs(directory: &Path) -> Result<(Vec<Job>, usize), Fault> {
    let (mut found, mut waiting) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(below) = waiting.pop() {
        for entry in fs::read_dir(below)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { waiting.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    let (mut jobs, mut logs, mut last) = (Vec::new(), 0, PathBuf::new());
    for path in found {
        let text = path.to_string_lossy().into_owned();
        match text.split_once("/tile/0/") {
            Some((log, rest)) => {
                if last != Path::new(log) {
                    (last, logs) = (log.into(), logs + 1);
                }
                let beside = |part: &str| PathBuf::from(format!("{log}/{part}/{rest}"));
                let (leaves, payloads) = (beside("tile/entries"), beside("payload"));
                let number = order(rest).ok_or("a tile has another name")?;
                jobs.push(Job::Bundle { log: logs - 1, number, leaves, payloads, hashes: path });
            }
            None if text.contains("/payload/") || text.contains("/tile/entries/") => {}
            None => jobs.push(Job::File(path)),
        }
    }
    Ok((jobs, logs))
}

/// The number of a bundle by its name.
fn order(name: &str) -> Option<usize> {
    let digits: String = name.split(".p/").next()?.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Reads a file and hashes it.
fn read<'a>(path: &Path, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Fault> {
    buffer.clear();
    File::open(path)?.read_to_end(buffer)?;
    std::hint::black_box(digest(&SHA256, buffer));
    Ok(buffer)
}

/// The root of a bundle.
fn bundle(buffers: &mut [Vec<u8>; 3], paths: [&Path; 3]) -> Result<Sha, Fault> {
    let [leaves, payloads, hashes] = buffers;
    let (mut leaves, mut payloads) = (read(paths[0], leaves)?, read(paths[1], payloads)?);
    let mut found = Vec::with_capacity(256);
    while let Some((length, rest)) = leaves.split_first_chunk::<2>() {
        let (leaf, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        leaves = rest;
        found.push(node(&[&[0], leaf]));
        let (length, rest) = payloads.split_first_chunk::<4>().ok_or("a payload is missing")?;
        let (body, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        payloads = rest;
        let (opening, payload) = body.split_at(16);
        let commitment = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, opening), payload);
        // The header ends with it.
        if !leaf.ends_with(commitment.as_ref()) {
            return Err("a payload is not what its leaf commits to".into());
        }
    }
    if found.as_flattened() != read(paths[2], hashes)? {
        return Err("a tile has other hashes".into());
    }
    Ok(root(found))
}

/// RFC 6962's root over leaf hashes, or over the roots of bundles of which the last need not be full: what has no partner on
/// a level goes up as it is.
fn root(mut level: Vec<Sha>) -> Sha {
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| if let [a, b] = pair { node(&[&[1], a, b]) } else { pair[0] }).collect();
    }
    level.first().copied().unwrap_or_default()
}

fn node(parts: &[&[u8]]) -> Sha {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}
