//! `entente evidence`: a seized or captured item enters custody.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use entente_proto::wire::record::Body;
use entente_proto::wire::{Evidence, EvidenceItem, RecordRef};

use super::Global;
use super::answers::{Entering, enter};
use super::client::Node;
use super::error::CliError;
use super::inputs::inputs;
use super::words::parse_moment;
use crate::import::{Fault, Format};

/// How much of a file is in memory while it is hashed.
const CHUNK_BYTES: usize = 256 << 10;

/// Enter seized or captured files: their hashes go to every unit, the files stay where they are
///
/// Hand an item over with `entente custody give`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: entente evidence disk1.img --description \"server of bad.example\" --target bad.example \
                        --media-type application/octet-stream --tool \"dd 9.4\""
)]
pub(crate) struct Args {
    /// Files
    #[arg(value_name = "FILE", required_unless_present = "from")]
    files: Vec<String>,
    /// What it is, in words; every unit reads it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The target it was found at
    #[arg(long)]
    target: Option<String>,
    /// The operation it was seized in, such as BE/40
    #[arg(long, value_name = "ID", value_parser = super::operation::parse_id)]
    operation: Option<RecordRef>,
    #[command(flatten)]
    of: Captured,
    #[command(flatten)]
    entering: Entering,
}

/// How a file was captured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Captured {
    /// The files' media type (RFC 6838), such as video/mp4
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// When it was captured, such as 2026-11-23T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    captured_at: Option<u64>,
    /// With which tool it was captured
    #[arg(long)]
    tool: Option<String>,
}

impl Captured {
    /// What is said of a file, which is read once for its hash and size.
    pub(crate) fn item(&self, path: &Path) -> io::Result<EvidenceItem> {
        let (sha256, size) = digest(path)?;
        Ok(EvidenceItem {
            sha256,
            media_type: self.media_type.clone().unwrap_or_default(),
            size,
            captured_at_ms: self.captured_at.unwrap_or_default(),
            tool: self.tool.clone().unwrap_or_default(),
        })
    }
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let inputs = inputs(args.files, args.entering.from.as_deref(), Some(Format::Lines))?;
    let (description, target) = (args.description.unwrap_or_default(), args.target.unwrap_or_default());
    let node = Node::connect(global, args.entering.deadline).await?;
    let state = |item: crate::import::Item| {
        let file = args.of.item(Path::new(&item.target)).map_err(|error| Fault::new("file", error.to_string()))?;
        Ok(Body::Evidence(Evidence {
            item: Some(file),
            description: description.clone(),
            target: target.clone(),
            operation: args.operation.clone(),
        }))
    };
    enter(node, inputs, state, &args.entering, global).await
}

/// SHA-256 and size of a file.
pub(crate) fn digest(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut hasher = ring::digest::Context::new(&ring::digest::SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut size = 0_u64;
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => return Ok((hasher.finish().as_ref().to_vec(), size)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(chunk.get(..read).unwrap_or_default());
        size = size.saturating_add(read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("item");
        std::fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
        let (sha256, size) = digest(&path).unwrap();
        let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        // FIPS 180-2, appendix B.3.
        assert_eq!(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
        assert_eq!(size, 1_000_000);
        assert!(digest(home.path()).is_err());
    }
}
