//! One gRPC server for all services of a process, from the first call to an orderly end.

use std::pin::pin;
use std::sync::Arc;

use audit::{AuditLayer, AuditRpc};
use definitions::{DefinitionRpc, Owner, ReferenceSource, RemoteReferences};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use keys::KeyRpc;
use proto::DESCRIPTOR_BYTES;
use proto::access::v1::key_service_server::SERVICE_NAME as KEY_SERVICE;
use proto::audit::v1::audit_service_server::SERVICE_NAME as AUDIT_SERVICE;
use proto::definition::v1::DefinitionKind;
use proto::definition::v1::definition_service_server::SERVICE_NAME as DEFINITION_SERVICE;
use proto::engine::v1::partition_service_server::{
    PartitionServiceServer, SERVICE_NAME as PARTITION_SERVICE,
};
use rpc::HandsOn;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::{Routes, RoutesBuilder};
use tower::Layer as _;

use crate::binary::Awaited;
use crate::calls::{Calls, Entrance};
use crate::config::Clock;
use crate::connections::serve_connections;
use crate::context::Context;
use crate::health::{has_started, start_of};
use crate::incoming::incoming;
use crate::limits;
use crate::listening::Listening;
use crate::origin::{caller_of, origin_of};
use crate::partition_service::Partitions;
use crate::peers::Peers;
use crate::service::{Front, Relay, Service};
use crate::start_error::StartError;
use crate::ways::Ways;
use crate::web_pages::WebPages;

/// Serves until [`Context::shutdown`] is cancelled, then ends in order: health says so, no more
/// calls are accepted, those under way finish, and the services hand over their leases. The port of
/// health is closed last.
///
/// # Errors
/// [`StartError::Serve`] where the server stopped by itself, and [`StartError::Refused`] where a
/// service cannot go on.
pub fn serve(services: Vec<Service>, listening: Listening, context: &Context) -> Awaited<'_, ()> {
    Box::pin(serve_all(services, listening, context))
}

async fn serve_all(
    services: Vec<Service>,
    listening: Listening,
    context: &Context,
) -> Result<(), StartError> {
    let mut routes = Routes::builder();
    routes.add_service(listening.health.server());
    if context.config.access.has_reflection {
        add_reflection(&mut routes)?;
    }
    let (mut names, mut hooks, mut engines, mut owners) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let names_of_services: Vec<_> = services.iter().map(Service::name).collect();
    warn_of_unpaced(&names_of_services, context);
    let (mut front, mut relay) = (None, None);
    for service in services {
        front = front.or(service.front);
        relay = relay.or(service.relay);
        engines.extend(service.status);
        owners.extend(service.owner);
        names.extend(service.grpc_names);
        for route in service.routes {
            route(&mut routes);
        }
        hooks.push((service.name, service.hooks));
    }
    names.push(PARTITION_SERVICE);
    names.push(DEFINITION_SERVICE);
    names.push(AUDIT_SERVICE);
    let audit = AuditRpc::new(context.audit.clone(), context.idempotency.clone());
    routes.add_service(audit.into_server());
    names.push(KEY_SERVICE);
    let elsewhere = references(&owners, &context.peers);
    let definitions = DefinitionRpc::new(owners, Some(elsewhere), context.idempotency.clone());
    routes.add_service(definitions.into_server());
    let (keys, follower) = (&context.credentials.keys, &context.credentials.follower);
    let keys = KeyRpc::new(keys.clone(), follower.clone(), context.idempotency.clone());
    routes.add_service(keys.into_server());
    routes.add_service(
        PartitionServiceServer::new(Partitions::new(
            engines.clone(),
            names_of_services,
            context.clone(),
        ))
        .max_decoding_message_size(rpc::limits::MESSAGE_BYTES),
    );
    let health = listening.health.with_services(&names).await;
    let certificate = context.credentials.server_tls.clone();
    if has_started(&engines) {
        health.serving(certificate.as_deref()).await;
    }
    let started = start_of(engines.clone());
    let told = tokio::spawn(health.follow(started, certificate, context.shutdown.clone()));

    let ways = ways(routes.routes(), relay, front, context);
    let mut serving = pin!(run_server(ways, listening.services, context, told));
    let served = tokio::select! {
        served = &mut serving => served,
        refused = refused(&engines) => {
            context.shutdown.cancel();
            serving.await.and(Err(refused))
        }
    };

    context.shutdown.cancel();
    for (service, hooks) in hooks {
        let handed_over = async {
            for hook in hooks {
                hook().await;
            }
        };
        if tokio::time::timeout(limits::HAND_OVER_TIME, handed_over)
            .await
            .is_err()
        {
            tracing::warn!(
                service,
                "hand-over not finished in time, leases lapse by themselves"
            );
        }
    }
    if let Some(writer) = &context.change_writer {
        writer.close().await;
    }
    context.audit.close().await;
    if let Some(port) = listening.health_port {
        port.close().await;
    }
    served
}

/// Warns where events cannot wait for the receipts of what those before them caused, since services
/// behind the way in are not in its process.
fn warn_of_unpaced(services: &[&str], context: &Context) {
    let has = |owner: &kernel::Owner| services.contains(&owner.name());
    if context.config.clock == Clock::Stream
        && has(&kernel::Owner::Identity)
        && !kernel::Owner::ALL.iter().all(has)
    {
        tracing::warn!(
            "on stream time a run that hears receipts decides by how fast events come, unless all \
             services run in the process that takes them in: run `happypath dev`"
        );
    }
}

/// Completes once a service cannot go on.
async fn refused(engines: &[Arc<dyn engine::Status>]) -> StartError {
    let refusals = engines.iter().map(|engine| async move {
        StartError::Refused {
            service: engine.service().name(),
            cause: engine.refused().await.into(),
        }
    });
    let mut refusals: FuturesUnordered<_> = refusals.collect();
    match refusals.next().await {
        Some(refused) => refused,
        None => std::future::pending().await,
    }
}

/// Puts the layers around the services of the process, and the ways in before them.
///
/// Every call goes through them in this order, whichever way it comes in:
///
/// 1. Its span, its deadline, and the memory of its messages.
/// 2. The guard.
/// 3. The rate of its caller.
/// 4. The relay, where the process hands calls on.
/// 5. The audit log: what is handed on is on record where it is carried out.
fn ways(
    routes: Routes,
    relay: Option<(HandsOn, Relay)>,
    front: Option<Front>,
    context: &Context,
) -> Calls {
    let config = &context.config;
    let memory = rpc::Memory::of_bytes(config.message_memory_mib << 20);
    let mut server = if config.is_measured() {
        rpc::ServerLayer::measured()
    } else {
        rpc::ServerLayer::default()
    };
    server = server.with_memory(memory.clone());
    let mut guard = rpc::GuardLayer::new(context.credentials.guard.clone());
    let audit = AuditLayer::new(context.audit.clone(), origin_of);
    let mut calls = Calls::new(audit.layer(routes));
    if let Some((hands_on, relay)) = relay {
        calls = relay(calls);
        server = server.handing_on(hands_on);
        guard = guard.keeping_credentials();
    } else if front.is_some() {
        // The way in calls services in its sender's name, who is asked for the credential again.
        guard = guard.keeping_credentials();
    }
    let rate = rpc::RateLayer::new(config.caller_rate, caller_of);
    let calls = Calls::new(server.layer(guard.layer(rate.layer(calls))));
    let pages = WebPages::new(config.web_origins.clone());
    let front = front.map(|front| {
        front(Entrance {
            calls: calls.clone(),
            memory,
            pages: pages.clone(),
        })
    });
    Calls::new(Ways::new(calls, front, pages))
}

/// Accepts calls until shutdown was `told` by health, then lets those under way finish for a while.
async fn run_server(
    ways: Calls,
    listener: TcpListener,
    context: &Context,
    told: JoinHandle<()>,
) -> Result<(), StartError> {
    let shutdown = context.shutdown.clone();
    let incoming = incoming(listener, context.credentials.server_tls.clone());
    let server = serve_connections(incoming, ways, {
        let shutdown = shutdown.clone();
        async move {
            shutdown.cancelled().await;
            // It fails where telling panicked, and the process ends all the same.
            let _ = told.await;
        }
    });
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(limits::DRAIN_TIME).await;
    };
    tokio::select! {
        () = server => {}
        () = drained => tracing::warn!("calls still under way, ending them"),
    }
    Ok(())
}

/// The names of definitions that other processes own.
fn references(owners: &[Arc<dyn Owner>], peers: &Peers) -> Arc<dyn ReferenceSource> {
    use DefinitionKind as Kind;
    let places = [
        (vec![Kind::Namespace], &peers.identity),
        (vec![Kind::Segment], &peers.segmentation),
        (
            vec![Kind::JourneyMap, Kind::HappyPath, Kind::Journey],
            &peers.journey,
        ),
        (
            vec![Kind::Channel, Kind::Template, Kind::Policy],
            &peers.activation,
        ),
    ];
    let elsewhere = places.into_iter().filter(|(kinds, _)| {
        !owners
            .iter()
            .any(|owner| owner.kinds().iter().any(|kind| kinds.contains(kind)))
    });
    Arc::new(RemoteReferences::new(
        elsewhere.map(|(kinds, channel)| (kinds, channel.clone())),
    ))
}

/// Adds both versions of reflection: tools differ in which one they speak.
fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), StartError> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_BYTES)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let failed = |error: tonic_reflection::server::Error| StartError::Serve(error.into());
    routes.add_service(builder().build_v1().map_err(failed)?);
    routes.add_service(builder().build_v1alpha().map_err(failed)?);
    Ok(())
}
