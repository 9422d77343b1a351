//! Gathers what all services know about a customer or an account: by their own RPCs, in the name of
//! whoever asks, one page at a time. A caller who reads slowly is waited for.

mod account;
mod gather;
mod line;
mod subject;

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use access::Peer;
use futures::Stream;
use proto::gateway::v1::export_service_server::{ExportService, ExportServiceServer};
use proto::gateway::v1::{
    ExportAccountRequest, ExportAccountResponse, ExportCustomerRequest, ExportCustomerResponse,
};
use rpc::{Failure, SentCredential, validate};
use runtime::Calls;
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use self::account::GatherAccount;
use self::gather::Gather;
use self::line::{Line, Sender};
use crate::limits::SEND_TIME;

/// The header of a credential.
const AUTHORIZATION: &str = "authorization";
/// Lines that wait for the caller: one page is read ahead at the most.
const LINES_AHEAD: usize = 16;

/// Serves exports. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ExportRpc {
    /// The calls of the process, which are there while it listens. Exports are among them, so that
    /// a hold on them would be one of the process on itself.
    calls: Arc<OnceLock<Weak<Calls>>>,
}

/// The credential of whoever asks, with which services are asked.
#[derive(Clone)]
pub(super) struct Asker {
    calls: Calls,
    authorization: Option<MetadataValue<Ascii>>,
    peer: Option<Peer>,
}

impl Asker {
    /// The calls of the process.
    fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// A request of the same caller.
    fn asks<T>(&self, message: T) -> Request<T> {
        let mut request = self.watches(message);
        request.set_timeout(SEND_TIME);
        request
    }

    /// The same for a stream, which lasts as long as it has something to tell.
    fn watches<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        request
    }
}

impl ExportRpc {
    /// Serves exports once it is connected.
    pub(crate) fn new() -> Self {
        Self {
            calls: Arc::default(),
        }
    }

    /// Asks with these calls from now on. Once only.
    pub(crate) fn connect(&self, calls: &Arc<Calls>) {
        // Others would be those of the same process.
        let _ = self.calls.set(Arc::downgrade(calls));
    }

    /// The server for `tonic`'s router.
    pub(crate) fn into_server(self) -> ExportServiceServer<Self> {
        ExportServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }

    fn asker<T>(&self, request: &Request<T>) -> Result<Asker, Failure> {
        let calls = self.calls.get().and_then(Weak::upgrade);
        let calls = calls.ok_or_else(|| Failure::internal("the process does not listen"))?;
        Ok(Asker {
            calls: calls.as_ref().clone(),
            authorization: credential_of(request),
            peer: request.extensions().get::<Peer>().cloned(),
        })
    }
}

/// The credential of a request, which the guard has taken out of its headers.
fn credential_of<T>(request: &Request<T>) -> Option<MetadataValue<Ascii>> {
    let sent = request.extensions().get::<SentCredential>()?;
    let mut value = MetadataValue::try_from(sent.value().as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Lines of an export, or the reason why there are no more.
type Lines<L> = Pin<Box<dyn Stream<Item = Result<L, Status>> + Send>>;

/// Does the work of an export beside the call, whose answer are the lines that it sends.
fn answer<L: Line>(
    work: impl Future<Output = Result<(), Status>> + Send + 'static,
    sender: Sender<L>,
    lines: mpsc::Receiver<Result<L, Status>>,
) -> Response<Lines<L>> {
    let work = async move {
        if let Err(status) = work.await {
            // Nobody hears it who is gone.
            let _ = sender.send(Err(status)).await;
        }
    };
    tokio::spawn(audit::Operation::carry(work).in_current_span());
    let lines = futures::stream::unfold(lines, async |mut lines| {
        lines.recv().await.map(|line| (line, lines))
    });
    Response::new(Box::pin(lines))
}

#[tonic::async_trait]
impl ExportService for ExportRpc {
    type ExportCustomerStream = Lines<ExportCustomerResponse>;

    async fn export_customer(
        &self,
        request: Request<ExportCustomerRequest>,
    ) -> Result<Response<Self::ExportCustomerStream>, Status> {
        let asker = self.asker(&request)?;
        let request = request.into_inner();
        validate(&request)?;
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        // Before the first line, so that a customer who is not known is the answer to the call.
        let gather = Gather::begin(asker, request, sender.clone()).await?;
        Ok(answer(gather.run(), sender, lines))
    }

    type ExportAccountStream = Lines<ExportAccountResponse>;

    async fn export_account(
        &self,
        request: Request<ExportAccountRequest>,
    ) -> Result<Response<Self::ExportAccountStream>, Status> {
        let asker = self.asker(&request)?;
        let request = request.into_inner();
        validate(&request)?;
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        let gather = GatherAccount::begin(asker, request, sender.clone()).await?;
        Ok(answer(gather.run(), sender, lines))
    }
}
