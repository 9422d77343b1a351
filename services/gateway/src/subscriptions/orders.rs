//! Lists subscriptions, and takes orders about them.

use std::sync::Arc;

use ::changes::{Extent, Position, ReadError};
use prost::Message as _;
use proto::gateway::v1::resume_subscription_request::From;
use proto::gateway::v1::{
    ListSubscriptionsRequest, ListSubscriptionsResponse, ResumeSubscriptionRequest,
    ResumeSubscriptionResponse, SubscriptionStatus,
};
use rpc::{ErrorReason, Failure, Idempotency, PageRequest, validate};
use tokio::sync::Notify;
use tonic::Status;

use super::defined::DefinedSubscriptions;
use super::progress::{Progress, Standing};
use super::table::{Row, SubscriptionTable};
use crate::changes::OpenLog;
use crate::changes::refusal::{no_position, not_kept, unreadable};
use crate::limits::PAGE_SIZE;

/// The full name of the method that changes something.
const RESUME: &str = "happypath.gateway.v1.ChangeService/ResumeSubscription";

/// Lists subscriptions, and takes orders about them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionOrders {
    table: SubscriptionTable,
    defined: DefinedSubscriptions,
    log: Option<OpenLog>,
    idempotency: Idempotency,
    /// Has this process look at its share.
    woken: Arc<Notify>,
}

impl SubscriptionOrders {
    pub(super) fn new(
        table: SubscriptionTable,
        defined: DefinedSubscriptions,
        log: Option<OpenLog>,
        idempotency: Idempotency,
        woken: Arc<Notify>,
    ) -> Self {
        Self {
            table,
            defined,
            log,
            idempotency,
            woken,
        }
    }

    /// Lists subscriptions by name.
    ///
    /// # Errors
    /// [`ErrorReason::InvalidRequest`], [`ErrorReason::PageTokenInvalid`],
    /// [`ErrorReason::ChangesNotKept`], [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn list(
        &self,
        request: &ListSubscriptionsRequest,
    ) -> Result<ListSubscriptionsResponse, Failure> {
        validate(request)?;
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&["ListSubscriptions"], size, token, PAGE_SIZE)?;
        let log = self.log.as_ref().ok_or_else(not_kept)?;
        let rows = self.table.all().await.map_err(Failure::store_unavailable)?;
        let end = extent(log).await?.newest;
        let definitions = Arc::clone(&self.defined.watch().borrow());
        let is_behind = |name: &str| page.after().is_none_or(|after| name.as_bytes() > after);
        let defined = definitions.subscriptions.iter();
        let shown = defined
            .filter(|(name, _)| is_behind(name))
            .map(|(name, rules)| {
                let row = rows.iter().find(|row| row.progress.name == *name);
                match row {
                    Some(row) => row.progress.status(rules.is_paused, end),
                    // A process begins with it in these moments.
                    None => Progress::new(name, end).status(rules.is_paused, end),
                }
            });
        let shown = shown.take(page.size() + 1).collect();
        let key = |it: &SubscriptionStatus| it.name.clone().into_bytes();
        let (subscriptions, next_page_token) =
            page.cut(shown, key, SubscriptionStatus::encoded_len);
        Ok(ListSubscriptionsResponse {
            subscriptions,
            next_page_token,
        })
    }

    /// Has a subscription go on, once for each request id.
    ///
    /// # Errors
    /// [`ErrorReason::SubscriptionNotFound`]; [`ErrorReason::PositionInvalid`] and
    /// [`ErrorReason::ChangesOutOfRange`] for a position; [`ErrorReason::ChangesNotKept`];
    /// [`ErrorReason::StoreUnavailable`].
    pub(crate) async fn resume(
        &self,
        request: ResumeSubscriptionRequest,
    ) -> Result<ResumeSubscriptionResponse, Status> {
        validate(&request)?;
        let (id, work) = (&request.request_id, || self.resume_once(&request));
        self.idempotency.run(RESUME, id, &request, work).await
    }

    async fn resume_once(
        &self,
        request: &ResumeSubscriptionRequest,
    ) -> Result<ResumeSubscriptionResponse, Failure> {
        let name = request.name.as_str();
        audit::about(match &request.from {
            None => format!("{name}, from where it is"),
            Some(From::Position(_)) => format!("{name}, from a position"),
            Some(From::Start(_)) => format!("{name}, from the oldest change"),
            Some(From::Now(_)) => format!("{name}, from now on"),
        });
        let definitions = self.defined.with(name).await?;
        let rules = definitions.subscriptions.get(name);
        let rules = rules.ok_or_else(|| missing(name))?;
        let log = self.log.as_ref().ok_or_else(not_kept)?;
        let extent = extent(log).await?;
        let from = self.position(log, request, &extent).await?;
        let row = match self.row(name).await? {
            Some(row) => row,
            None => {
                let begun = self.defined.begin(name, rules).await;
                begun.map_err(Failure::store_unavailable)?;
                self.row(name).await?.ok_or_else(|| missing(name))?
            }
        };
        if from.is_none() && row.progress.standing == Standing::OutOfRange {
            readable(log, row.progress.position).await?;
        }
        let resumed = self.table.resume(name, from).await;
        if !resumed.map_err(Failure::store_unavailable)? {
            return Err(missing(name));
        }
        self.woken.notify_one();
        let row = self.row(name).await?.ok_or_else(|| missing(name))?;
        let status = row.progress.status(rules.is_paused, extent.newest);
        Ok(ResumeSubscriptionResponse {
            subscription: Some(status),
        })
    }

    async fn row(&self, name: &str) -> Result<Option<Row>, Failure> {
        let row = self.table.find(name).await;
        row.map_err(Failure::store_unavailable)
    }

    /// Finds from where an order has a subscription go on; `None` for where it is.
    async fn position(
        &self,
        log: &OpenLog,
        request: &ResumeSubscriptionRequest,
        extent: &Extent,
    ) -> Result<Option<Position>, Failure> {
        match &request.from {
            None => Ok(None),
            Some(From::Start(_)) => Ok(Some(extent.oldest)),
            Some(From::Now(_)) => Ok(Some(extent.newest)),
            Some(From::Position(text)) => {
                let position = text.parse().map_err(|error| no_position(&error))?;
                readable(log, position).await?;
                Ok(Some(position))
            }
        }
    }
}

fn missing(name: &str) -> Failure {
    let message = format!("there is no subscription `{name}`");
    Failure::new(ErrorReason::SubscriptionNotFound, message)
}

async fn extent(log: &OpenLog) -> Result<Extent, Failure> {
    let extent = log.source.extent().await;
    extent.map_err(Failure::store_unavailable)
}

/// Refuses a position from which the log cannot be read.
async fn readable(log: &OpenLog, position: Position) -> Result<(), Failure> {
    let read: Result<_, ReadError> = log.tail.read(position).await;
    read.map(drop).map_err(unreadable)
}
