//! Lines of an export.

use prost_reflect::{ReflectMessage, SerializeOptions};
use proto::gateway::v1::{ExportAccountResponse, ExportCustomerResponse};
use rpc::Failure;
use tokio::sync::mpsc;
use tonic::Status;

/// The parts of an export, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Ids and identifiers.
    Customer,
    /// The evidence of these.
    Evidence,
    /// Operations that changed who the customer is.
    History,
    /// Traits, and the events that were counted.
    Profile,
    /// The segments that they are in.
    Segment,
    /// The accounts that they are members of; of an export of an account, that one.
    Account,
    /// The members of an account.
    Member,
    /// The buying groups of an account.
    BuyingGroup,
    /// Steps and decisions of journeys, and arms of experiments.
    Journey,
    /// Walks through journeys.
    Run,
    /// Progress on happy paths.
    HappyPath,
    /// Stages in maps.
    Position,
    /// Words on consent.
    Consent,
    /// Messages and actions.
    Activation,
    /// Events.
    Event,
    /// Changes, as connected tools were told.
    Change,
}

impl Section {
    /// Those of a customer, in their order.
    pub(super) const OF_CUSTOMER: &[Self] = &[
        Self::Customer,
        Self::Evidence,
        Self::History,
        Self::Profile,
        Self::Segment,
        Self::Account,
        Self::Journey,
        Self::Run,
        Self::HappyPath,
        Self::Position,
        Self::Consent,
        Self::Activation,
        Self::Event,
        Self::Change,
    ];

    /// Those of an account, in their order.
    pub(super) const OF_ACCOUNT: &[Self] = &[
        Self::Account,
        Self::Evidence,
        Self::History,
        Self::Profile,
        Self::Member,
        Self::BuyingGroup,
        Self::Event,
    ];

    /// Its name in lines.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Evidence => "evidence",
            Self::History => "history",
            Self::Profile => "profile",
            Self::Segment => "segment",
            Self::Account => "account",
            Self::Member => "member",
            Self::BuyingGroup => "buying_group",
            Self::Journey => "journey",
            Self::Run => "run",
            Self::HappyPath => "happy_path",
            Self::Position => "position",
            Self::Consent => "consent",
            Self::Activation => "activation",
            Self::Event => "event",
            Self::Change => "change",
        }
    }
}

/// The name of the last line.
const END: &str = "end";

/// The number of sections.
const COUNT: usize = 16;

/// A line of an export, as the call has it.
pub(super) trait Line: Send + 'static {
    /// Makes it of a section and a JSON object.
    fn new(section: &str, json: String) -> Self;
}

impl Line for ExportCustomerResponse {
    fn new(section: &str, json: String) -> Self {
        Self {
            section: section.to_owned(),
            json,
        }
    }
}

impl Line for ExportAccountResponse {
    fn new(section: &str, json: String) -> Self {
        Self {
            section: section.to_owned(),
            json,
        }
    }
}

/// The way to the caller of an export.
pub(super) type Sender<L> = mpsc::Sender<Result<L, Status>>;

/// Tells the caller lines, and counts them.
pub(super) struct Teller<L> {
    sender: Sender<L>,
    counts: [u64; COUNT],
}

impl<L: Line> Teller<L> {
    /// Tells whoever is behind it.
    pub(super) const fn new(sender: Sender<L>) -> Self {
        Self {
            sender,
            counts: [0; COUNT],
        }
    }

    /// Tells a line, once the caller has room for it.
    ///
    /// # Errors
    /// Where the caller is gone.
    pub(super) async fn tell<M: ReflectMessage>(
        &mut self,
        section: Section,
        message: &M,
    ) -> Result<(), Status> {
        self.counts[section as usize] += 1;
        self.send(section.name(), json_of(message)?).await
    }

    /// Tells several.
    ///
    /// # Errors
    /// As for [`tell`](Self::tell).
    pub(super) async fn tell_all<M: ReflectMessage>(
        &mut self,
        section: Section,
        all: Vec<M>,
    ) -> Result<(), Status> {
        for message in all {
            self.tell(section, &message).await?;
        }
        Ok(())
    }

    /// Tells the last line: how many lines each of these sections has.
    ///
    /// # Errors
    /// As for [`tell`](Self::tell).
    pub(super) async fn end(&self, sections: &[Section]) -> Result<(), Status> {
        self.send(END, end(sections, &self.counts)).await
    }

    async fn send(&self, section: &str, json: String) -> Result<(), Status> {
        let sent = self.sender.send(Ok(L::new(section, json))).await;
        sent.map_err(|_| Status::cancelled("the caller is gone"))
    }
}

/// A message as JSON on one line.
fn json_of<M: ReflectMessage>(message: &M) -> Result<String, Failure> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    message
        .transcode_to_dynamic()
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(Failure::internal)?;
    String::from_utf8(json).map_err(Failure::internal)
}

fn end(sections: &[Section], counts: &[u64; COUNT]) -> String {
    let counts: serde_json::Map<String, serde_json::Value> = sections
        .iter()
        .map(|section| {
            let count = counts[*section as usize];
            (section.name().to_owned(), count.into())
        })
        .collect();
    serde_json::json!({ "line_counts": counts }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_each_section() {
        let mut counts = [0; COUNT];
        counts[Section::Event as usize] = 7;
        counts[Section::Account as usize] = 2;
        let read = |sections| -> serde_json::Value {
            serde_json::from_str(&end(sections, &counts)).expect("JSON")
        };
        let told = read(Section::OF_CUSTOMER);
        assert_eq!(told["line_counts"]["event"], 7);
        assert_eq!(told["line_counts"]["customer"], 0);
        assert_eq!(told["line_counts"]["account"], 2);
        assert!(told["line_counts"]["member"].is_null());
        let told = read(Section::OF_ACCOUNT);
        assert_eq!(told["line_counts"]["member"], 0);
        assert!(told["line_counts"]["run"].is_null());
        for section in [Section::OF_CUSTOMER, Section::OF_ACCOUNT].concat() {
            assert!((section as usize) < COUNT, "{section:?}");
        }
    }
}
