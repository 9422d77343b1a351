//! A connection to a destination, whatever carries it.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use destination::is_public;
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes in both directions.
trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A connection to a destination.
pub struct Wire {
    carrier: Pin<Box<dyn Duplex>>,
    /// Absent until it is known where it leads.
    reach: Option<Reach>,
}

/// The network that a connection leads to; the client finds it in the extensions of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To the public internet.
    Public,
    /// Into a private network.
    Private,
}

impl Wire {
    /// Takes what carries the bytes.
    pub fn new(carrier: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self {
            carrier: Box::pin(carrier),
            reach: None,
        }
    }

    /// Says which address it leads to.
    pub(super) fn to(self, address: IpAddr) -> Self {
        let reach = match is_public(address) {
            true => Reach::Public,
            false => Reach::Private,
        };
        Self {
            reach: Some(reach),
            ..self
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        match self.reach {
            Some(reach) => Connected::new().extra(reach),
            None => Connected::new(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.carrier.as_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.carrier.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.carrier.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.carrier.as_mut().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.carrier.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.carrier.as_mut().poll_write_vectored(cx, slices)
    }
}
