//! The connections that are open: counted, so that one peer cannot take them all, and cut when their peer may no longer
//! be here (a `Revoke` record, a new charter, the deny list).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entente_certs::identity::Identity;
use tokio::sync::oneshot;

use super::PeerInfo;

/// One identity has as many connections as it may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{identity} has {most} connections already")]
pub struct Crowded {
    /// Who.
    pub identity: Identity,
    /// How many it may have.
    pub most: usize,
}

/// The open connections. Clones share them. The lock is held for a walk over at most some hundred entries, never across
/// an await.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, (PeerInfo, oneshot::Sender<()>)>,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a connection, of which this peer may have `most`.
    ///
    /// # Errors
    /// [`Crowded`] if it has them.
    pub fn enter(&self, peer: &PeerInfo, most: usize) -> Result<Entered, Crowded> {
        let mut table = self.lock();
        if table.open.values().filter(|(open, _)| open.identity() == peer.identity()).count() >= most {
            return Err(Crowded { identity: peer.identity().clone(), most });
        }
        let (cutter, cut) = oneshot::channel();
        let id = table.next;
        table.next = id.wrapping_add(1);
        table.open.insert(id, (peer.clone(), cutter));
        drop(table);
        Ok(Entered { connections: self.clone(), id, cut, is_cut: false })
    }

    /// Cuts every connection for which `which` says so, in the middle of whatever it carries, and returns how many.
    pub fn cut(&self, mut which: impl FnMut(&PeerInfo) -> bool) -> usize {
        let mut table = self.lock();
        let before = table.open.len();
        // Dropping a sender only wakes: the streams are dropped by the tasks that own them, after the lock is free.
        table.open.retain(|_, (peer, _)| !which(peer));
        before.saturating_sub(table.open.len())
    }

    /// Who is connected, in the order in which they came.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.lock().open.values().map(|(peer, _)| peer.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change to the table is one call on a map, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in [`Connections`]; given back when it is dropped.
pub struct Entered {
    connections: Connections,
    id: u64,
    cut: oneshot::Receiver<()>,
    is_cut: bool,
}

impl Entered {
    /// Whether the connection was cut; if not, whoever polls is woken when it is.
    pub(crate) fn poll_cut(&mut self, context: &mut std::task::Context<'_>) -> bool {
        use std::future::Future;
        // A receiver must not be polled again once it has answered. A sender that is gone cuts as well.
        if !self.is_cut && std::pin::Pin::new(&mut self.cut).poll(context).is_ready() {
            self.is_cut = true;
        }
        self.is_cut
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connections.lock().open.remove(&self.id);
    }
}
