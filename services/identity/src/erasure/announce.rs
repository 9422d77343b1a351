//! Tells the streams of customers that they are erased.

use hot::StreamName;
use kernel::{CustomerId, Timestamp};
use proto::convert::id_bytes;
use proto::stream::v1::{CustomerErased, Record, record::Body};
use tokio::time::Instant;
use uuid::Uuid;

use crate::append::{AppendError, Group, Sequenced};
use crate::ingest::Intake;

impl Intake {
    /// Appends the word that customers are erased, for each of their ids in the partition of that
    /// id. `round` tells one telling from the next: a store takes the same round once.
    ///
    /// # Errors
    /// [`AppendError`]; those that were told are not told again by the same round.
    pub(crate) async fn announce_erasure(
        &self,
        operation: Uuid,
        customers: &[CustomerId],
        round: i64,
        deadline: Option<Instant>,
    ) -> Result<(), AppendError> {
        let now = self.clock.now_of_partition();
        let mut turn = self.pace.turn(&self.appender, deadline).await?;
        if let Some(turn) = &mut turn {
            let partitions = customers
                .iter()
                .map(|it| self.partitions.partition_of(it.fragment()));
            turn.pass_time(partitions, now).await?;
        }
        let mut groups: Vec<Group> = Vec::new();
        for (sequence, customer) in (1..).zip(customers) {
            let partition = self.partitions.partition_of(customer.fragment());
            let own = Sequenced {
                sequence,
                stretch: None,
                record: word(operation, *customer, now),
            };
            match groups.iter_mut().find(|group| group.partition == partition) {
                Some(group) => group.records.push(own),
                None => groups.push(Group {
                    partition,
                    records: vec![own],
                }),
            }
        }
        let source = format!("erasure:{}/{round}", operation.simple());
        self.appender
            .append(StreamName::Events, groups, Some(&source), deadline)
            .await?;
        Ok(())
    }
}

fn word(operation: Uuid, customer: CustomerId, time: Timestamp) -> Record {
    Record {
        customer_id: id_bytes(customer),
        time_ms: time.as_millis(),
        body: Some(Body::Erased(CustomerErased {
            operation_id: bytes::Bytes::copy_from_slice(operation.as_bytes()),
        })),
        ..Record::default()
    }
}
