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
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic_web::GrpcWebLayer;

use crate::binary::Awaited;
use crate::config::Clock;
use crate::context::Context;
use crate::health::{has_started, start_of};
use crate::incoming::incoming;
use crate::limits;
use crate::listening::Listening;
use crate::origin::{caller_of, origin_of};
use crate::partition_service::Partitions;
use crate::peers::Peers;
use crate::service::Service;
use crate::start_error::StartError;

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
    for service in services {
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

    let mut serving = pin!(run_server(
        routes.routes(),
        listening.services,
        context,
        told
    ));
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

/// Accepts calls until shutdown was `told` by health, then lets those under way finish for a while.
async fn run_server(
    routes: Routes,
    listener: TcpListener,
    context: &Context,
    told: JoinHandle<()>,
) -> Result<(), StartError> {
    let shutdown = context.shutdown.clone();
    let credentials = &context.credentials;
    let incoming = incoming(listener, credentials.server_tls.clone());
    let guard = rpc::GuardLayer::new(credentials.guard.clone());
    let calls = if context.config.is_measured() {
        rpc::ServerLayer::measured()
    } else {
        rpc::ServerLayer::default()
    };
    let memory = rpc::Memory::of_bytes(context.config.message_memory_mib << 20);
    let calls = calls.with_memory(memory);
    // Clients connect again with the certificates that there are by then, and look for replicas:
    // those that came meanwhile get their share.
    let server = Server::builder()
        .max_connection_age(connection_age())
        .accept_http1(true)
        .http2_keepalive_interval(Some(limits::KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
        .layer(GrpcWebLayer::new())
        .layer(calls)
        .layer(guard)
        .layer(rpc::RateLayer::new(context.config.caller_rate, caller_of))
        .layer(AuditLayer::new(context.audit.clone(), origin_of))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, {
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
        served = server => served.map_err(|error| StartError::Serve(error.into())),
        () = drained => {
            tracing::warn!("calls still under way, ending them");
            Ok(())
        }
    }
}

/// The age at which a connection ends in order. Those that were opened together do not end so.
fn connection_age() -> std::time::Duration {
    let spread = uuid::Uuid::now_v7().as_u64_pair().1 % limits::CONNECTION_AGE_SPREAD_SECONDS;
    limits::CONNECTION_AGE + std::time::Duration::from_secs(spread)
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
