//! The RPCs of the intake: dead letters and statistics.

mod replay;

use std::sync::Arc;

use kernel::limits::MESSAGE_BYTES;
use prost::Message as _;
use proto::convert::timestamp;
use proto::gateway::v1::discard_dead_letters_request::Which as Discarded;
use proto::gateway::v1::intake_service_server::{IntakeService, IntakeServiceServer};
use proto::gateway::v1::replay_dead_letters_request::Which;
use proto::gateway::v1::{
    DeadLetter, DeadLetterIds, DiscardDeadLettersRequest, DiscardDeadLettersResponse,
    GetIntakeStatisticsRequest, GetIntakeStatisticsResponse, IntakeCount, ListDeadLettersRequest,
    ListDeadLettersResponse, ReplayDeadLettersRequest, ReplayDeadLettersResponse,
};
use rpc::{Failure, Idempotency, PageRequest, Violation, validate};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use self::replay::Sender;
pub(crate) use self::replay::{Replays, read_kept};
use crate::dead_letters::{DeadLetters, LetterFilter, StoredLetter};
use crate::limits::{LETTERS_PER_ORDER, PAGE_SIZE};
use crate::statistics::{Counted, Statistics};

const SERVICE: &str = "happypath.gateway.v1.IntakeService";

/// Serves dead letters and statistics. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct IntakeRpc {
    dead_letters: DeadLetters,
    statistics: Statistics,
    replays: Arc<Replays>,
    idempotency: Idempotency,
}

impl IntakeRpc {
    /// Serves what is in the tables.
    pub(crate) fn new(
        dead_letters: DeadLetters,
        statistics: Statistics,
        replays: Arc<Replays>,
        idempotency: Idempotency,
    ) -> Self {
        Self {
            dead_letters,
            statistics,
            replays,
            idempotency,
        }
    }

    /// The server for `tonic`'s router.
    pub(crate) fn into_server(self) -> IntakeServiceServer<Self> {
        IntakeServiceServer::new(self).max_decoding_message_size(MESSAGE_BYTES)
    }

    async fn list(
        &self,
        request: &ListDeadLettersRequest,
    ) -> Result<ListDeadLettersResponse, Failure> {
        let filter = LetterFilter::read("filter", request.filter.as_ref())?;
        let parts = filter.parts();
        let mut words = vec!["ListDeadLetters"];
        words.extend(parts.iter().map(String::as_str));
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&words, size, token, PAGE_SIZE)?;
        let before = page.after().map(Uuid::from_slice).transpose();
        let before = before.map_err(Failure::internal)?;
        let mut bytes = 0;
        let is_enough = |letter: &StoredLetter| {
            bytes += letter.payload.len();
            bytes > rpc::limits::ANSWER_BYTES
        };
        let most = page.size() + 1;
        let found = self.dead_letters.list(&filter, before, most, is_enough);
        let found: Vec<StoredLetter> = found.await?;
        audit::about(about(found.len(), filter.source()));
        let key = |letter: &DeadLetter| {
            let id = letter.id.parse::<Uuid>();
            id.map_or_else(|_| Vec::new(), |id| id.as_bytes().to_vec())
        };
        let found = found.into_iter().map(DeadLetter::from).collect();
        let (dead_letters, next_page_token) = page.cut(found, key, DeadLetter::encoded_len);
        Ok(ListDeadLettersResponse {
            dead_letters,
            next_page_token,
        })
    }

    async fn replay(
        &self,
        request: &ReplayDeadLettersRequest,
        sender: &Sender,
    ) -> Result<ReplayDeadLettersResponse, Status> {
        let letters = match &request.which {
            Some(Which::Ids(ids)) => {
                let ids = read_ids(ids)?;
                refuse_strangers(request, &ids)?;
                self.dead_letters.find(&ids).await?
            }
            Some(Which::Filter(filter)) => {
                refuse_strangers(request, &[])?;
                self.oldest("filter", filter).await?
            }
            None => Vec::new(),
        };
        audit::about(about(letters.len(), ""));
        let replays = Arc::clone(&self.replays);
        let answer = replays
            .replay(&self.dead_letters, letters, &request.payloads, sender)
            .await?;
        for (source, number) in answer.taken {
            let accepted = gateway_core::Reason::Accepted;
            self.statistics.count(&source, accepted, number);
        }
        Ok(answer.response)
    }

    async fn discard(
        &self,
        request: &DiscardDeadLettersRequest,
    ) -> Result<DiscardDeadLettersResponse, Failure> {
        let ids = match &request.which {
            Some(Discarded::Ids(ids)) => read_ids(ids)?,
            Some(Discarded::Filter(filter)) => {
                let letters = self.oldest("filter", filter).await?;
                letters.iter().map(|letter| letter.id).collect()
            }
            None => Vec::new(),
        };
        let removed = self.dead_letters.discard(&ids).await?;
        let number = usize::try_from(removed).unwrap_or(usize::MAX);
        audit::about(about(number, ""));
        Ok(DiscardDeadLettersResponse {
            discarded_count: u32::try_from(removed).unwrap_or(u32::MAX),
        })
    }

    async fn oldest(
        &self,
        field: &str,
        filter: &proto::gateway::v1::DeadLetterFilter,
    ) -> Result<Vec<StoredLetter>, Failure> {
        let filter = LetterFilter::read(field, Some(filter))?;
        self.dead_letters.oldest(&filter, LETTERS_PER_ORDER).await
    }

    async fn figures(
        &self,
        request: &GetIntakeStatisticsRequest,
    ) -> Result<GetIntakeStatisticsResponse, Failure> {
        let most = crate::limits::STATISTICS_KEPT_DAYS;
        let days = i32::try_from(request.days).unwrap_or(most);
        if days > most {
            let text = format!("must be at most {most}: older days are not kept");
            return Err(Failure::invalid([Violation::new("days", text)]));
        }
        let counted = self
            .statistics
            .read(&request.source, days.max(1), access::now());
        let counts = counted.await?.into_iter().map(shown).collect();
        let letters = self.dead_letters.counts(&request.source).await?;
        Ok(GetIntakeStatisticsResponse {
            counts,
            dead_letter_counts: letters.into_iter().collect(),
        })
    }
}

fn shown(counted: Counted) -> IntakeCount {
    IntakeCount {
        source: counted.source,
        reason: counted.reason,
        count: counted.number,
        last_time: Some(timestamp(counted.last_time)),
    }
}

/// Words for the audit log.
fn about(number: usize, source: &str) -> String {
    let of = if source.is_empty() { "" } else { " of " };
    format!("{number} dead letters{of}{source}")
}

fn read_ids(ids: &DeadLetterIds) -> Result<Vec<Uuid>, Failure> {
    let ids = ids.ids.iter().map(|id| id.parse::<Uuid>());
    let ids: Result<Vec<Uuid>, _> = ids.collect();
    // The rules of the contract hold already.
    ids.map_err(|_| Failure::invalid([Violation::new("ids", "has a text that is no id")]))
}

/// Refuses payloads for dead letters that are not named.
fn refuse_strangers(request: &ReplayDeadLettersRequest, ids: &[Uuid]) -> Result<(), Failure> {
    let strangers = request.payloads.keys();
    let mut strangers =
        strangers.filter(|id| id.parse::<Uuid>().map_or(true, |id| !ids.contains(&id)));
    let Some(stranger) = strangers.next() else {
        return Ok(());
    };
    let text = format!("has {stranger}, which ids do not name: name it there, or leave it out");
    Err(Failure::invalid([Violation::new("payloads", text)]))
}

#[tonic::async_trait]
impl IntakeService for IntakeRpc {
    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.list(&request).await?))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<ReplayDeadLettersRequest>,
    ) -> Result<Response<ReplayDeadLettersResponse>, Status> {
        let sender = Sender::of(&request);
        let request = request.into_inner();
        validate(&request)?;
        let method = format!("{SERVICE}/ReplayDeadLetters");
        let (id, work) = (&request.request_id, || self.replay(&request, &sender));
        let answer = self.idempotency.run(&method, id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<DiscardDeadLettersRequest>,
    ) -> Result<Response<DiscardDeadLettersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let method = format!("{SERVICE}/DiscardDeadLetters");
        let (id, work) = (&request.request_id, || self.discard(&request));
        let answer = self.idempotency.run(&method, id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn get_intake_statistics(
        &self,
        request: Request<GetIntakeStatisticsRequest>,
    ) -> Result<Response<GetIntakeStatisticsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.figures(&request).await?))
    }
}
