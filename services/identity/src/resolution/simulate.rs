//! Decides events by rules of the caller's choice, in memory.

use std::sync::Arc;

use ::rpc::{Failure, Violation};
use definitions::Flaw;
use identity_core::{CustomerOutcome, EventOutcome, Identifier, Policy, Rules};
use kernel::Timestamp;
use proto::convert;
use proto::definition::v1::Definition;
use proto::definition::v1::definition::Kind;
use proto::identity::v1;

use super::{ResolutionRpc, Simulation, compile_rules, shown};
use crate::rpc::dropped_identifier;

impl ResolutionRpc {
    /// Decides the events of a request.
    pub(super) async fn simulate_all(
        &self,
        request: v1::SimulateRequest,
    ) -> Result<v1::SimulateResponse, Failure> {
        let times = times(&request.events)?;
        let rules = self.rules_of(&request)?;
        let permit = self.simulations.acquire().await;
        let _held = permit.map_err(Failure::internal)?;
        // It takes longer than other calls should wait for.
        let decide = move || simulate(&rules, request.events, &times);
        let work = tokio::task::spawn_blocking(decide);
        work.await.map_err(Failure::internal)
    }

    /// The rules of a request: those in force, but for what it says.
    fn rules_of(&self, request: &v1::SimulateRequest) -> Result<Rules, Failure> {
        let in_force = Arc::clone(&self.rpc.intake.namespaces.borrow());
        let policy = v1::IdentityPolicy {
            name: "default".to_owned(),
            conflict_rule: request.conflict_rule,
            identifier_limit: request.identifier_limit,
            ..v1::IdentityPolicy::default()
        };
        let namespaces = request.namespaces.iter().cloned().map(Kind::Namespace);
        let kinds = namespaces.chain([Kind::IdentityPolicy(policy)]);
        let definitions = kinds.map(|kind| Definition { kind: Some(kind) });
        let tried = compile_rules(&definitions.collect::<Vec<_>>()).map_err(flawed)?;
        let namespaces = match request.namespaces.is_empty() {
            true => in_force.namespaces.clone(),
            false => tried.namespaces,
        };
        let own = match request.conflict_rule() {
            v1::ConflictRule::Unspecified => in_force.policy,
            _ => tried.policy,
        };
        let policy = match request.identifier_limit {
            0 => own,
            identifier_limit => Policy {
                identifier_limit,
                ..own
            },
        };
        Ok(in_force.with(namespaces, policy))
    }
}

/// When the events happen: each that has no time with the one before.
fn times(events: &[v1::SimulatedEvent]) -> Result<Vec<Timestamp>, Failure> {
    let mut last = Timestamp::from_millis(0);
    let mut wrong = Vec::new();
    let times = events.iter().enumerate().map(|(place, event)| {
        match &event.time {
            None => {}
            Some(time) if convert::is_instant(time) => last = convert::instant(time),
            Some(_) => {
                let field = format!("events[{place}].time");
                wrong.push(Violation::new(field, convert::NO_INSTANT));
            }
        }
        last
    });
    let times = times.collect();
    match wrong.is_empty() {
        true => Ok(times),
        false => Err(Failure::invalid(wrong)),
    }
}

fn simulate(
    rules: &Rules,
    events: Vec<v1::SimulatedEvent>,
    times: &[Timestamp],
) -> v1::SimulateResponse {
    let mut simulation = Simulation::new(rules);
    let outcomes = events.into_iter().zip(times).map(|(event, time)| {
        let identifiers = event.identifiers.into_iter().map(|own| Identifier {
            namespace: own.namespace,
            value: own.value,
        });
        simulation.event(*time, identifiers)
    });
    let outcomes: Vec<EventOutcome> = outcomes.collect();
    let events = outcomes.into_iter().map(|it| outcome(&simulation, it));
    let events = events.collect();
    let customers = simulation.customers().into_iter().map(customer);
    v1::SimulateResponse {
        events,
        customers: customers.collect(),
    }
}

fn outcome(simulation: &Simulation<'_>, outcome: EventOutcome) -> v1::SimulatedOutcome {
    let then = outcome.customer;
    let now = outcome.fragment.map(|own| simulation.customer_of(own));
    let refusal = match then {
        None => "NOBODY",
        Some(_) => "",
    };
    v1::SimulatedOutcome {
        customer: now.map(name).unwrap_or_default(),
        customer_then: then.map(name).unwrap_or_default(),
        dropped: outcome
            .dropped
            .into_iter()
            .map(dropped_identifier)
            .collect(),
        merged: outcome.merged.into_iter().map(name).collect(),
        refusal: refusal.to_owned(),
    }
}

fn customer(customer: CustomerOutcome) -> v1::SimulatedCustomer {
    v1::SimulatedCustomer {
        customer: name(customer.customer),
        identifiers: customer.identifiers.into_iter().map(shown).collect(),
    }
}

fn name(number: u32) -> String {
    format!("c{number}")
}

/// The failure of a request by its namespaces, with its own fields.
fn flawed(flaws: Vec<Flaw>) -> Failure {
    let violations = flaws.into_iter().map(|flaw| {
        let field = flaw.violation.field;
        let path = match field.strip_prefix("namespace") {
            Some(path) => format!("namespaces[{}]{path}", flaw.index),
            None => field.replacen("identity_policy.", "", 1),
        };
        Violation::new(path, flaw.violation.description)
    });
    Failure::invalid(violations.collect::<Vec<_>>())
}
