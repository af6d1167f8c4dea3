//! A stream that knows its peer and ends when it is cut.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

use super::PeerInfo;
use super::connections::Entered;

/// A verified connection. Reading and writing fail from the moment at which it is cut; HTTP/2 then ends every call on it.
pub struct PeerStream<IO> {
    io: IO,
    peer: PeerInfo,
    entered: Entered,
    /// The listener's permit; dialled connections have none.
    _slot: Option<OwnedSemaphorePermit>,
}

impl<IO> PeerStream<IO> {
    pub(crate) const fn new(io: IO, peer: PeerInfo, entered: Entered, slot: Option<OwnedSemaphorePermit>) -> Self {
        Self { io, peer, entered, _slot: slot }
    }

    /// Whoever reads or writes is woken by a cut: HTTP/2 has one task for both, so the last waker is the right one.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.entered.poll_cut(context) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut"));
        }
        Ok(())
    }
}

impl<IO> Connected for PeerStream<IO> {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for PeerStream<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for PeerStream<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Not checked: a cut connection may still say goodbye, and a peer that does not take it is dropped by its owner.
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
