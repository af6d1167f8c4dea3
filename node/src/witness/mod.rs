//! Witnesses from outside (C2SP `tlog-witness`, [`entente_proto::witness`]): this node as one for the logs of others, and
//! those that it asks to sign its own.
//!
//! # As a witness
//! `witness.listen` in `node.toml` opens `POST /add-checkpoint`, to anybody: what is asked and answered is public and signed.
//! Whose logs it signs for stands in `HOME/witness/logs`, a public key a line ([`LogKeys`](entente_proto::witness::LogKeys)),
//! which is looked at with each call and read again when it changed. The own log is never among them.
//!
//! It signs with a key of its own, `keys/witness.key`. What it signed of a log, size, root and time, stands in the
//! [journal](crate::journal), fsynced, before the answer leaves (I2); the journal refuses what contradicts it (I1), and it
//! alone says which key may sign: one that was made while this very journal was whole. So a key whose journal was lost,
//! damaged, put back from a backup or found to be behind what partners know never signs again, for nobody else could tell
//! what it signed; `entente witness key --renew` makes a new one, and whoever trusted the old one is told. What is still
//! known of the old one's signatures binds the new one.
//!
//! It signs only while the node [runs](entente_proto::sync::Standing::Running) and its clock agrees with its partners'. A machine
//! that was rolled back as a whole, journal and key together, is found out before it signs only if one of the partners that
//! answer at its start has seen something of its own log since: of `m` partners `m - q + 1 + f` are waited for, so where that was
//! seen by others alone, where nothing was written to the own log since, and always where the unit has no partners, it
//! cannot be told from a clean start, and may sign a second history of somebody's log. Whoever rolls back a machine makes a
//! new witness key.
//!
//! The time of a log's cosignatures never goes back, so what a wrong clock had it sign at a time to come stands in the way of
//! true ones: nothing is signed for that log until the time has come, and `status` says so. A new key, which has signed
//! nothing, begins with the time as it is; sizes and roots bind it.
//!
//! # Asking witnesses
//! `[[witness.ask]]` names them. Each is sent the newest certified checkpoint when there is a new one, with a proof from what
//! it signed last. Its word counts once it verifies, and then stands in `HOME/witness/asked/<key id>.note`; `status` shows it,
//! and exports carry it. Proxies that the environment names are not used.
//!
//! | file | holds |
//! |---|---|
//! | `logs.rs` | the list of logs, read again when it changed |
//! | `keeper.rs` | [`Keeper`]: judges, journals, signs |
//! | `server.rs` | the listener |
//! | `crowd.rs` | who may be connected to it |
//! | `ask.rs` | [`Asking`]: the witnesses of the own log |
//! | `call.rs` | one call to one of them |

mod ask;
mod call;
mod crowd;
mod keeper;
mod logs;
mod server;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use entente_proto::wire;

pub use ask::Asking;
pub use keeper::{Keeper, Word};
pub use server::{Tls, serve};

/// What the node has to do with witnesses.
#[derive(Debug, Clone)]
pub struct Witnesses {
    /// Those that it asks.
    pub asking: Arc<Asking>,
    /// It as one, with where it listens.
    pub keeper: Option<(Arc<Keeper>, String)>,
}

impl Witnesses {
    /// Puts it into a status.
    pub async fn tell(&self, status: &mut wire::StatusReply) {
        status.witnesses = self.asking.status();
        let Some((keeper, listen)) = self.keeper.clone() else { return };
        // The list of logs may have to be read, and a call may wait for the journal with what is to be told.
        let told = tokio::task::spawn_blocking(move || (keeper.status(&listen), keeper.warnings()));
        // What panicked has been reported where it happened.
        let Ok((witnessing, warnings)) = told.await else { return };
        if !witnessing.reason.is_empty() {
            status.warnings.push(format!("as a witness for others this node signs nothing: {}", witnessing.reason));
        }
        status.warnings.extend(warnings);
        status.witnessing = Some(witnessing);
    }
}
