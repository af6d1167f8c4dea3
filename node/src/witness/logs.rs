//! The logs that the node witnesses, from a file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use entente_proto::witness::{LogKeys, Origin};

use crate::core::lock;
use crate::files::{Looks, read_bounded};

/// Largest file: the most logs, each with the longest line.
const BYTES_MAX: usize = 16 << 20;

/// The file, read again when it changed.
#[derive(Debug)]
pub(super) struct Logs {
    path: PathBuf,
    /// The own log, which is nobody's to witness here.
    own: Option<Origin>,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    looks: Option<Looks>,
    logs: Arc<LogKeys>,
    fault: Option<String>,
}

impl Logs {
    pub(super) fn new(path: PathBuf, own: Option<Origin>) -> Self {
        Self { path, own, read: Mutex::default() }
    }

    /// The logs as they are now. Reads the file if it changed, so it may block for a moment; one that cannot be read changes
    /// nothing.
    pub(super) fn now(&self) -> Arc<LogKeys> {
        let looks = Looks::of(&self.path);
        let mut read = lock(&self.read);
        if read.looks != Some(looks) {
            read.looks = Some(looks);
            match self.load() {
                Ok(logs) => {
                    tracing::info!(logs = logs.origins().count(), "read whose logs are witnessed");
                    (read.logs, read.fault) = (Arc::new(logs), None);
                }
                Err(fault) => {
                    let fault = format!("{}: {fault}; what it said before stays in force", self.path.display());
                    tracing::error!("{fault}");
                    read.fault = Some(fault);
                }
            }
        }
        read.logs.clone()
    }

    /// Why the file cannot be used.
    pub(super) fn fault(&self) -> Option<String> {
        lock(&self.read).fault.clone()
    }

    fn load(&self) -> Result<LogKeys, String> {
        let text = match read_bounded(&self.path, BYTES_MAX) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.to_string()),
        };
        let mut logs = LogKeys::parse(&text).map_err(|error| error.to_string())?;
        self.own.iter().for_each(|own| logs.remove(own));
        Ok(logs)
    }
}
