//! What a line of a scenario caused: the difference between what was known of each customer before
//! and after it.

use std::collections::{BTreeMap, HashMap};

use proto::activation::v1::{ActivationStatus, ListActivationsRequest};
use proto::journey::v1::{GetCustomerJourneysRequest, GetCustomerJourneysResponse};
use proto::segmentation::v1::GetProfileRequest;
use tonic::Code;

use crate::format::{short, when};
use crate::installation::{Installation, taken};
use crate::people::People;

/// What the transcript has told of each customer already.
#[derive(Debug, Default)]
pub(crate) struct News {
    told: HashMap<String, Known>,
}

/// What is known of one customer.
#[derive(Debug, Default, Clone)]
struct Known {
    /// Segments, with the time of entry.
    segments: BTreeMap<String, String>,
    /// Lines of the history.
    history: Vec<String>,
    /// Lines of activations, by id.
    activations: Vec<(String, String)>,
}

impl News {
    /// What is new since the last time, customer by customer.
    pub(crate) async fn tell(&mut self, on: &mut Installation, people: &People) -> Vec<String> {
        let mut lines = Vec::new();
        for (id, name) in people.everybody() {
            let now = Known::ask(on, &id).await;
            let before = self.told.insert(id, now.clone()).unwrap_or_default();
            lines.extend(
                now.since(&before)
                    .into_iter()
                    .map(|line| format!("{name}: {line}")),
            );
        }
        lines
    }

    /// What was told of a customer who was merged was told of the survivor.
    pub(crate) fn merge(&mut self, from: &str, into: &str) {
        let from = self.told.remove(from).unwrap_or_default();
        let into = self.told.entry(into.to_owned()).or_default();
        into.history.extend(from.history);
        into.activations.extend(from.activations);
    }
}

impl Known {
    async fn ask(on: &mut Installation, id: &str) -> Self {
        let profile = on
            .segmentation
            .get_profile(GetProfileRequest {
                customer_id: id.to_owned(),
                after: String::new(),
            })
            .await;
        let profile = match profile {
            Err(status) if status.code() == Code::NotFound => None,
            answer => taken(answer).profile,
        };
        let memberships = profile.unwrap_or_default().memberships.into_iter();
        Self {
            segments: memberships
                .map(|own| (own.segment, when(own.enter_time.as_ref())))
                .collect(),
            history: history(on, id).await,
            activations: activations(on, id).await,
        }
    }

    fn since(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (segment, time) in &self.segments {
            if before.segments.get(segment) != Some(time) {
                lines.push(format!("{time} in segment {segment}"));
            }
        }
        for segment in before.segments.keys() {
            if !self.segments.contains_key(segment) {
                lines.push(format!("no longer in segment {segment}"));
            }
        }
        let mut told = before.history.clone();
        for line in &self.history {
            // The same line twice is news once more.
            match told.iter().position(|own| own == line) {
                Some(place) => drop(told.remove(place)),
                None => lines.push(line.clone()),
            }
        }
        let new = self
            .activations
            .iter()
            .filter(|own| !before.activations.contains(own));
        lines.extend(new.map(|(_, line)| line.clone()));
        lines
    }
}

async fn history(on: &mut Installation, id: &str) -> Vec<String> {
    let request = GetCustomerJourneysRequest {
        customer_id: id.to_owned(),
        after: String::new(),
    };
    let customer = match on.journey.get_customer_journeys(request).await {
        Err(status) if status.code() == Code::NotFound => return Vec::new(),
        answer => taken(answer),
    };
    let entries = customer.history.iter();
    entries
        .map(|entry| {
            let place = [
                entry.subject.clone() + &key(&customer, &entry.run_id),
                entry.step.clone(),
            ];
            let place = place.join("/");
            let line = format!(
                "{} {} {} {}",
                when(entry.time.as_ref()),
                place.trim_end_matches('/'),
                entry.reason,
                entry.detail
            );
            line.trim_end().to_owned()
        })
        .collect()
}

/// The key of a run among others, in brackets; nothing where it has none.
fn key(customer: &GetCustomerJourneysResponse, run: &str) -> String {
    let found = customer.runs.iter().find(|own| own.run_id == run);
    match found.map_or("", |own| own.key.as_str()) {
        "" => String::new(),
        key => format!("[{key}]"),
    }
}

async fn activations(on: &mut Installation, id: &str) -> Vec<(String, String)> {
    let request = ListActivationsRequest {
        customer_id: id.to_owned(),
        page_size: 100,
        ..ListActivationsRequest::default()
    };
    let newest_first = taken(on.activation.list_activations(request).await).activations;
    newest_first
        .into_iter()
        .rev()
        .map(|one| {
            let status = short(
                one.status().as_str_name(),
                ActivationStatus::Unspecified.as_str_name(),
            );
            let time = when(one.update_time.as_ref());
            let line = format!(
                "{time} {} by {} for {}/{}: {status} {}",
                one.template, one.channel, one.journey, one.step, one.reason
            );
            (one.activation_id, line)
        })
        .collect()
}
