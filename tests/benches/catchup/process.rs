//! A child process, and what it cost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Fault;

/// The kernel's unit of CPU time, a second's share: 100 wherever Linux runs.
const TICKS: f64 = 100.0;

/// What a process took so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// CPU time of all its threads, seconds.
    pub(crate) cpu_s: f64,
    /// The most memory it had, bytes.
    pub(crate) peak_bytes: u64,
}

/// What a process took, by its id.
pub(crate) fn cost(id: u32) -> Result<Cost, Fault> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The second field is a name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/<pid>/stat has another form")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else { return Err("no CPU time in /proc".into()) };
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let kib: u64 = peak.ok_or("no VmHWM in /proc")?;
    Ok(Cost { cpu_s: (user + system) / TICKS, peak_bytes: kib * 1_024 })
}

/// A node that runs; killed when it is dropped.
pub(crate) struct Node {
    child: Child,
}

impl Node {
    /// Starts `entente run`; what it logs goes to `log`.
    pub(crate) fn start(home: &Path, log: &Path) -> Result<Self, Fault> {
        let log = std::fs::File::create(log)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_entente-under-test"));
        command.args(["run", "--home"]).arg(home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(Self { child: command.spawn()? })
    }

    pub(crate) fn cost(&self) -> Result<Cost, Fault> {
        cost(self.child.id())
    }

    /// A fault if it has ended by itself.
    pub(crate) fn alive(&mut self) -> Result<(), Fault> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("a node ended: {status}").into()),
        }
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(mut self) -> Result<(), Fault> {
        must(Command::new("kill").arg(self.child.id().to_string()))?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended needs no killing.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Runs a command to its end.
pub(crate) fn must(command: &mut Command) -> Result<(), Fault> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// How often something that is awaited is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
