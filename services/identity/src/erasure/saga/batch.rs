//! Erasures that are worked on together.

use std::collections::{BTreeSet, HashSet};

use kernel::{CustomerId, Timestamp};
use prost::Message as _;
use proto::identity::v1;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;
use vault::is_sealed;

use super::{ErasureParts, SagaError};
use crate::erasure::key::KeyError;
use crate::erasure::limits::{LOOK_AGAIN, LOOK_AGAIN_LATER, SETTLE};
use crate::erasure::steps::{Step, Steps};
use crate::erasure::tables::erasure;
use crate::erasure::tombstones::ids;
use crate::erasure::words::Words;

/// An erasure under way.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) row: erasure::Model,
    /// True where the row has values of identifiers, as it is stored.
    pub(super) has_values: bool,
    pub(super) steps: Steps,
    /// The counts that the row has beside the steps.
    counts: v1::Erasure,
    pub(super) customers: Vec<CustomerId>,
    pub(super) words: Words,
}

/// Erasures that are worked on together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) all: Vec<Work>,
    pub(super) now: Timestamp,
}

impl Work {
    async fn open(row: erasure::Model, parts: &ErasureParts) -> Result<Self, SagaError> {
        let mut told = v1::Erasure::decode(row.steps.as_slice()).unwrap_or_default();
        let values = if is_sealed(&row.value_list) {
            let vault = parts.intake.tombstones.vault().ok_or(KeyError::Sealed)?;
            let place = format!("erasure {}", row.operation_id);
            let opened = vault.open(&row.value_list, &place).await;
            opened.map_err(KeyError::Vault)?
        } else {
            row.value_list.clone()
        };
        Ok(Self {
            steps: Steps::of(std::mem::take(&mut told.steps)),
            counts: told,
            customers: ids(&row.fragment_ids).map(CustomerId::new).collect(),
            words: Words::parse(&values),
            has_values: !row.value_list.is_empty(),
            row,
        })
    }

    /// When logs are written again.
    fn thorough_from(&self) -> Timestamp {
        const HOUR_MS: i64 = 3_600_000;
        let create = Timestamp::from_millis(self.row.create_time);
        if self.row.is_urgent {
            return create + SETTLE;
        }
        let left = self.row.deadline - self.row.create_time;
        let wait = kernel::Duration::from_millis((left / 4).clamp(0, HOUR_MS));
        create + Ord::max(wait, SETTLE)
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        now >= Timestamp::from_millis(self.row.create_time) + SETTLE
    }
}

impl Batch {
    pub(super) async fn open(
        rows: Vec<erasure::Model>,
        parts: &ErasureParts,
        now: Timestamp,
    ) -> Result<Self, SagaError> {
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            all.push(Work::open(row, parts).await?);
        }
        Ok(Self { all, now })
    }

    /// The erasures that wait for a step whose own conditions are done, once events under way have
    /// come to their streams.
    pub(super) fn waiting(&self, step: Step, after: &[Step]) -> Vec<usize> {
        let all = self.all.iter().enumerate();
        let waiting = all.filter(|(_, work)| {
            work.is_settled(self.now) && !work.steps.is_done(step) && work.steps.are_done(after)
        });
        waiting.map(|(place, _)| place).collect()
    }

    /// As [`Self::waiting`], of those whose logs are to be written again now.
    pub(super) fn waiting_thoroughly(&self, step: Step, after: &[Step]) -> Vec<usize> {
        let mut waiting = self.waiting(step, after);
        waiting.retain(|place| self.all[*place].thorough_from() <= self.now);
        waiting
    }

    /// The customers of some erasures, each once.
    pub(super) fn customers(&self, places: &[usize]) -> Vec<CustomerId> {
        let all = places.iter().flat_map(|place| &self.all[*place].customers);
        let all: BTreeSet<CustomerId> = all.copied().collect();
        all.into_iter().collect()
    }

    /// The same as raw ids.
    pub(super) fn raw(&self, places: &[usize]) -> BTreeSet<[u8; 16]> {
        let all = self.customers(places).into_iter();
        all.map(|it| *it.as_bytes()).collect()
    }

    /// The same as a set.
    pub(super) fn set(&self, places: &[usize]) -> HashSet<CustomerId> {
        self.customers(places).into_iter().collect()
    }

    pub(super) fn finish(&mut self, places: &[usize], step: Step) {
        for place in places {
            self.all[*place].steps.finish(step);
        }
    }

    pub(super) fn finish_with(&mut self, places: &[usize], step: Step, detail: &str) {
        for place in places {
            let steps = &mut self.all[*place].steps;
            steps.finish_with(step, detail.to_owned());
        }
    }

    pub(super) fn wait(&mut self, places: &[usize], step: Step, detail: &str) {
        for place in places {
            self.all[*place].steps.wait(step, detail);
        }
    }

    /// Writes down how far each is, and gives it back until there may be more to do.
    pub(super) async fn close(self, parts: &ErasureParts, now: Timestamp) -> Result<(), DbErr> {
        let orm = parts.intake.store.database().orm();
        for work in self.all {
            let is_done = work.steps.are_done(&Step::ALL);
            let is_urgent = work.row.is_urgent || !work.is_settled(now);
            let pause = if is_urgent {
                LOOK_AGAIN
            } else {
                LOOK_AGAIN_LATER
            };
            let ended = parts.intake.own_clock.now();
            let told = v1::Erasure {
                steps: work.steps.into_inner(),
                ..work.counts
            };
            let done_time = is_done.then_some(ended.as_millis());
            erasure::Entity::update_many()
                .col_expr(erasure::Column::Steps, Expr::value(told.encode_to_vec()))
                .col_expr(
                    erasure::Column::IsAnnounced,
                    Expr::value(work.row.is_announced),
                )
                .col_expr(
                    erasure::Column::EventCount,
                    Expr::value(work.row.event_count),
                )
                .col_expr(
                    erasure::Column::ValueList,
                    Expr::value(work.row.value_list.as_str()),
                )
                .col_expr(
                    erasure::Column::ClaimTime,
                    Expr::value((ended + pause).as_millis()),
                )
                .col_expr(erasure::Column::DoneTime, Expr::value(done_time))
                .filter(erasure::Column::OperationId.eq(work.row.operation_id))
                .filter(erasure::Column::ClaimTime.eq(work.row.claim_time))
                .exec(orm)
                .await?;
            if is_done {
                let operation: Uuid = work.row.operation_id;
                tracing::info!(%operation, "an erasure is done in every store");
            }
        }
        Ok(())
    }
}
