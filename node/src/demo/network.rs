//! The processes: founding a network, starting and stopping its nodes, asking them.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::{LOOK_EVERY, PATIENCE, say};
use crate::cli::CliError;

/// The name of the demo's network.
pub(super) const NAME: &str = "takedown.example";

/// One unit with its node.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) unit: String,
    pub(super) home: PathBuf,
    pub(super) address: String,
    child: Option<Child>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Network {
    directory: Option<TempDir>,
    members: Vec<Member>,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    /// The one JSON document on stdout, of a command that did what it was asked.
    pub(super) fn json(&self) -> Result<Value, CliError> {
        match self.code {
            Some(0) => self.document(),
            code => Err(failed(format_args!("a command ended with exit code {code:?}: {}", self.err.trim()))),
        }
    }

    /// The one JSON document on stdout, whatever the exit code.
    fn document(&self) -> Result<Value, CliError> {
        let line = self.out.lines().next().unwrap_or_default();
        serde_json::from_str(line).map_err(|e| failed(format_args!("a command printed no JSON ({e}): {}", self.out)))
    }
}

pub(super) fn failed(words: impl std::fmt::Display) -> CliError {
    CliError::Refused(format!("the demo did not go as it should: {words}"))
}

/// Looks until something is there.
pub(super) fn until<T>(what: &str, look: impl Fn() -> Result<Option<T>, CliError>) -> Result<T, CliError> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            return Err(failed(format_args!("waited {} s until {what}", PATIENCE.as_secs())));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Runs this very program.
fn entente(args: &[&str]) -> Result<Said, CliError> {
    let program = std::env::current_exe().map_err(failed)?;
    let output =
        Command::new(program).args(args).env_remove("ENTENTE_HOME").stdin(Stdio::null()).output().map_err(failed)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) })
}

fn must(args: &[&str]) -> Result<(), CliError> {
    let said = entente(args)?;
    match said.code {
        Some(0) => Ok(()),
        code => {
            Err(failed(format_args!("`entente {}` ended with exit code {code:?}: {}", args.join(" "), said.err.trim())))
        }
    }
}

impl Member {
    /// Runs a command with this unit's home directory.
    pub(super) fn call(&self, args: &[&str]) -> Result<Said, CliError> {
        let home = self.home.to_string_lossy();
        entente(&[args, &["--json", "--home", &home]].concat())
    }

    /// As [`call`](Self::call), as a person sees it.
    pub(super) fn call_plain(&self, args: &[&str]) -> Result<Said, CliError> {
        let home = self.home.to_string_lossy();
        let said = entente(&[args, &["--home", &home]].concat())?;
        if said.code == Some(0) { Ok(said) } else { Err(failed(said.err.trim())) }
    }

    /// `entente status`.
    pub(super) fn status(&self) -> Result<Value, CliError> {
        self.call(&["status"])?.json()
    }

    /// A target's status on this node's list.
    pub(super) fn check(&self, target: &str) -> Result<Value, CliError> {
        // Exit code 1 says that it is not on the list.
        self.call(&["check", target])?.document()
    }

    /// Starts the node.
    pub(super) fn start(&mut self) -> Result<(), CliError> {
        let program = std::env::current_exe().map_err(failed)?;
        let log = File::options().create(true).append(true).open(self.home.join("node.log")).map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["run", "--home"]).arg(&self.home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Kills the node, as a power cut would: nothing is written any more.
    pub(super) fn kill(&mut self) -> Result<(), CliError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait()).map(drop).map_err(failed)
    }

    /// Ends with the reason if the node has ended by itself.
    pub(super) fn alive(&mut self) -> Result<(), CliError> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait().map_err(failed)?,
            None => None,
        };
        let Some(status) = ended else { return Ok(()) };
        let log = fs::read_to_string(self.home.join("node.log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default();
        Err(failed(format_args!("the node of {} ended ({status}): {last}", self.unit)))
    }
}

impl Network {
    /// Makes keys, certificates and homes, and founds a charter that all sign.
    pub(super) fn found(units: &[(&str, &str)]) -> Result<Self, CliError> {
        let directory = tempfile::Builder::new().prefix("entente-demo-").tempdir().map_err(failed)?;
        let root = directory.path().to_owned();
        say(format_args!("A network of {} units on this machine, in {}", units.len(), root.display()));
        // All ports are taken at once, so that they differ, and let go before the nodes bind them.
        let free: Vec<TcpListener> =
            (0..units.len() * 2).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>().map_err(failed)?;
        let mut addresses = Vec::new();
        for listener in &free {
            addresses.push(listener.local_addr().map_err(failed)?.to_string());
        }
        drop(free);
        let mut members = Vec::new();
        for ((unit, name), pair) in units.iter().zip(addresses.chunks_exact(2)) {
            let [address, api] = pair else { continue };
            let home = root.join(unit.to_lowercase());
            let at = home.to_string_lossy();
            let own = ["init", "--network", NAME, "--unit", unit, "--name", name];
            must(&[own.as_slice(), &["--address", address, "--api", api, "--home", &at]].concat())?;
            members.push(Member {
                unit: (*unit).to_owned(),
                home: home.clone(),
                address: address.clone(),
                child: None,
            });
        }
        let network = Self { directory: Some(directory), members };
        network.agree(&root)?;
        Ok(network)
    }

    fn agree(&self, root: &Path) -> Result<(), CliError> {
        let charter = root.join("charter.note");
        let charter = charter.to_string_lossy();
        let descriptions: Vec<String> =
            self.members.iter().map(|member| member.home.join("unit.toml").to_string_lossy().into_owned()).collect();
        let mut new = vec!["charter", "new", "--out", &charter];
        new.extend(descriptions.iter().map(String::as_str));
        must(&new)?;
        for verb in ["sign", "adopt"] {
            for member in &self.members {
                must(&["charter", verb, &charter, "--home", &member.home.to_string_lossy()])?;
            }
        }
        Ok(())
    }

    /// Keeps two units from reaching each other, from their next start on.
    pub(super) fn separate(&self, one: &str, other: &str) -> Result<(), CliError> {
        for (unit, blocked) in [(one, other), (other, one)] {
            let path = self.member(unit)?.home.join("node.toml");
            let text = fs::read_to_string(&path).map_err(failed)?;
            let changed = text.replace("block = []", &format!("block = [\"{blocked}\"]"));
            fs::write(&path, changed).map_err(failed)?;
        }
        Ok(())
    }

    /// Cuts a unit off from all others: restarts its node so. Gives its settings as they were.
    pub(super) fn isolate(&mut self, unit: &str) -> Result<String, CliError> {
        let others: Vec<String> = self
            .members
            .iter()
            .filter(|member| member.unit != unit)
            .map(|member| format!("\"{}\"", member.unit))
            .collect();
        let before = fs::read_to_string(self.member(unit)?.home.join("node.toml")).map_err(failed)?;
        let changed = before.replacen("block = []", &format!("block = [{}]", others.join(", ")), 1);
        if changed == before {
            return Err(failed(format_args!("node.toml of {unit} has no empty block list")));
        }
        self.restart_with(unit, &changed)?;
        Ok(before)
    }

    /// Restarts a node with these settings.
    pub(super) fn restart_with(&mut self, unit: &str, settings: &str) -> Result<(), CliError> {
        let member = self.member_mut(unit)?;
        member.kill()?;
        fs::write(member.home.join("node.toml"), settings).map_err(failed)?;
        member.start()
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// A unit's member.
    pub(super) fn member(&self, unit: &str) -> Result<&Member, CliError> {
        self.members.iter().find(|member| member.unit == unit).ok_or_else(|| failed(format_args!("there is no {unit}")))
    }

    pub(super) fn member_mut(&mut self, unit: &str) -> Result<&mut Member, CliError> {
        let found = self.members.iter_mut().find(|member| member.unit == unit);
        found.ok_or_else(|| failed(format_args!("there is no {unit}")))
    }

    /// Where files may be put.
    pub(super) fn directory(&self) -> Result<&Path, CliError> {
        self.directory.as_ref().map(TempDir::path).ok_or_else(|| failed("its directory is gone"))
    }

    /// Leaves everything running and says how to look around.
    pub(super) fn keep(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        let root = directory.keep();
        let pids: Vec<String> =
            self.members.iter_mut().filter_map(|member| Some(member.child.take()?.id().to_string())).collect();
        let program = std::env::current_exe().unwrap_or_else(|_| "entente".into());
        let (program, home) = (program.display(), root.join("be"));
        let home = home.display();
        say(format_args!("\nThe network goes on running in {}. Look around:", root.display()));
        for words in ["status", "list", "check https://outlet-1.example/page", "operation list", "watch --pending"] {
            say(format_args!("  {program} {words} --home {home}"));
        }
        say(format_args!(
            "  {program} refer https://another.example/x --category incites --wait certified --home {home}"
        ));
        say("Each unit has a directory beside it, with its log in node.log. Stop them with:");
        say(format_args!("  kill {}", pids.join(" ")));
    }

    /// Stops the nodes but leaves their files, for whoever looks for the reason.
    pub(super) fn leave_files(&mut self) {
        if let Some(directory) = self.directory.take() {
            say(format_args!("\nThe nodes' files and logs stay in {}", directory.keep().display()));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for member in &mut self.members {
            // A node that has ended already needs no killing.
            let _ = member.kill();
        }
    }
}
