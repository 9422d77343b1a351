//! The bytes of a body as they come: decompressed, charged and bounded.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use rpc::{Memory, Partial};
use tonic::body::Body;

use super::inflate::{Encoding, Inflate};
use super::{Trouble, broken_off, not_gzip, too_long};

/// Bytes of a stream for which the charge of those that were used up is kept, before it is given
/// back.
const STALE_BYTES: usize = 64 * 1024;

/// A body from which messages are taken.
pub(super) struct Source {
    body: Body,
    inflate: Option<Inflate>,
    memory: Memory,
    partial: Partial,
    /// Bytes that `partial` stands for.
    charged: usize,
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no end of a line.
    searched: usize,
    lines: usize,
    is_over: bool,
}

impl Source {
    pub(super) fn new(body: Body, encoding: Encoding, memory: Memory) -> Self {
        Self {
            body,
            inflate: (encoding == Encoding::Gzip).then(Inflate::new),
            partial: memory.partial(),
            memory,
            charged: 0,
            buffer: BytesMut::new(),
            searched: 0,
            lines: 0,
            is_over: false,
        }
    }

    /// The memory that it is charged to.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// Returns how many lines were taken.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// All of the body.
    pub(super) async fn whole(&mut self, most: usize) -> Result<Bytes, Trouble> {
        while self.fill().await? {
            if self.buffer.len() > most {
                return Err(too_long());
            }
        }
        self.partial.whole();
        Ok(self.buffer.split().freeze())
    }

    /// The next line without its end; none at the end of the body.
    pub(super) async fn line(&mut self, most: usize) -> Result<Option<Bytes>, Trouble> {
        loop {
            let rest = self.buffer[self.searched..].iter();
            if let Some(end) = rest.into_iter().position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                let line = self.buffer.split_to(end + 1).freeze();
                self.searched = 0;
                self.lines += 1;
                return Ok(Some(line.slice(..end)));
            }
            self.searched = self.buffer.len();
            if self.searched > most {
                return Err(too_long());
            }
            if !self.fill().await? {
                self.searched = 0;
                self.lines += 1;
                let line = self.buffer.split().freeze();
                return Ok((!line.is_empty()).then_some(line));
            }
        }
    }

    /// So many bytes; none where the body ends before the first of them.
    pub(super) async fn exactly(&mut self, bytes: usize) -> Result<Option<Bytes>, Trouble> {
        while self.buffer.len() < bytes {
            if !self.fill().await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(broken_off()),
                };
            }
        }
        Ok(Some(self.buffer.split_to(bytes).freeze()))
    }

    /// Takes some bytes more into the buffer; false at the end.
    async fn fill(&mut self) -> Result<bool, Trouble> {
        if self.charged > 2 * self.buffer.len() + STALE_BYTES {
            self.partial = self.memory.partial();
            self.charged = 0;
            self.charge(self.buffer.len()).await?;
        }
        let Some(bytes) = self.bytes().await? else {
            return Ok(false);
        };
        self.charge(bytes.len()).await?;
        self.buffer.extend_from_slice(&bytes);
        Ok(true)
    }

    async fn charge(&mut self, bytes: usize) -> Result<(), Trouble> {
        if bytes > 0 {
            self.partial.grow(bytes).await?;
            self.charged += bytes;
        }
        Ok(())
    }

    /// The next bytes, decompressed; they may be none before the end.
    async fn bytes(&mut self) -> Result<Option<Bytes>, Trouble> {
        if let Some(inflate) = &mut self.inflate
            && inflate.has_more()
        {
            return Ok(Some(inflate.next().map_err(|_| not_gzip())?.into()));
        }
        if self.is_over {
            return Ok(None);
        }
        let frame = tokio::select! {
            biased;
            frame = self.body.frame() => frame,
            full = self.partial.gives_way() => return Err(full.into()),
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(status)) => return Err(status.into()),
            None => {
                self.is_over = true;
                return match &mut self.inflate {
                    Some(inflate) => Ok(Some(inflate.end().map_err(|_| not_gzip())?.into())),
                    None => Ok(None),
                };
            }
        };
        // Requests have no trailers that matter.
        let bytes = frame.into_data().unwrap_or_default();
        match &mut self.inflate {
            None => Ok(Some(bytes)),
            Some(inflate) => {
                inflate.push(bytes);
                Ok(Some(Bytes::new()))
            }
        }
    }
}
