//! Accounts, who belongs to them, and buying groups, as a client sees them.

mod account;
mod buying_group;
mod contention;
mod graph;
mod membership;
mod refusals;
mod times;

use engine::TimeSource;
use identity::{AccountRpc, ResolutionRpc};
use identity_core::Rules;
use proto::identity::v1;
use proto::identity::v1::account_service_client::AccountServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use proto::identity::v1::resolution_service_client::ResolutionServiceClient;
use rpc::ServerLayer;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::transport::{Channel, Server};

use super::{Client, ingest, open};
use crate::fixture::{Fixture, Sql};

/// Nobody's id, in the form of a customer's and in that of an account's.
const NO_CUSTOMER: &str = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23";
const NO_ACCOUNT: &str = "01924f7e-1c5b-8a3e-9d2c-5f0b8a6c1d23";

/// All services of identity over stores of their own, until the test ends.
struct World {
    accounts: AccountServiceClient<Channel>,
    events: Client,
    resolution: ResolutionServiceClient<Channel>,
    fixture: Fixture,
}

impl World {
    async fn open() -> Self {
        Self::over(Sql::Sqlite).await
    }

    async fn over(sql: Sql) -> Self {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let channel = serve(&fixture).await;
        Self {
            accounts: AccountServiceClient::new(channel.clone()),
            events: IdentityServiceClient::new(channel.clone()),
            resolution: ResolutionServiceClient::new(channel),
            fixture,
        }
    }

    /// Puts an account of these identifiers.
    async fn put(&mut self, text: &str) -> v1::PutAccountResponse {
        let answer = self.try_put(put(text)).await;
        answer.unwrap_or_else(|status| panic!("{text}: {status}"))
    }

    async fn try_put(
        &mut self,
        request: v1::PutAccountRequest,
    ) -> Result<v1::PutAccountResponse, Status> {
        Ok(self.accounts.put_account(request).await?.into_inner())
    }

    /// Puts an account, and returns its id.
    async fn account(&mut self, text: &str) -> String {
        account_of(self.put(text).await.account).account_id
    }

    /// Makes a customer by an event, and returns the id.
    async fn customer(&mut self, identifiers: &str) -> String {
        let sent = ingest(&mut self.events, "", &[identifiers]).await;
        sent.expect("ingests").remove(0).customer_id
    }

    /// Says that a customer belongs to an account.
    async fn join(&mut self, customer: &str, account: &str, role: &str) -> v1::Membership {
        let answer = self
            .accounts
            .put_membership(member(customer, account, role));
        let answer = answer.await.expect("a membership").into_inner();
        answer.membership.expect("a membership")
    }

    /// The customers of the memberships of an account now, in the order of the answer.
    async fn members(&mut self, account: &str) -> Vec<String> {
        let answer = self.accounts.list_members(of_account(account)).await;
        let members = answer.expect("members").into_inner().memberships;
        members.into_iter().map(|it| it.customer_id).collect()
    }

    /// The number of members of an account.
    async fn member_count(&mut self, account: &str) -> u32 {
        let answer = self.accounts.get_account(by_id(account)).await;
        let answer = answer.expect("an account").into_inner();
        account_of(answer.account).member_count
    }
}

/// One process over the stores.
async fn serve(fixture: &Fixture) -> Channel {
    let rpc = open(fixture).await;
    let resolution = ResolutionRpc::new(rpc.clone());
    let accounts = AccountRpc::new(resolution.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        Server::builder()
            .layer(ServerLayer::default())
            .add_service(IdentityServiceServer::new(rpc))
            .add_service(resolution.into_server())
            .add_service(accounts.into_server())
            .serve_with_incoming(incoming),
    );
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    endpoint.connect().await.expect("connects")
}

/// Identifiers such as `account=a1 domain=acme.com`.
fn identifiers(text: &str) -> Vec<v1::Identifier> {
    let pairs = text.split_whitespace();
    let pairs = pairs.map(|pair| pair.split_once('=').expect("namespace=value"));
    pairs
        .map(|(namespace, value)| v1::Identifier {
            namespace: namespace.to_owned(),
            value: value.to_owned(),
        })
        .collect()
}

fn identifier(text: &str) -> v1::Identifier {
    identifiers(text).remove(0)
}

/// A request id that nobody had.
fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn put(text: &str) -> v1::PutAccountRequest {
    v1::PutAccountRequest {
        request_id: fresh(),
        identifiers: identifiers(text),
        traits: None,
    }
}

fn by_id(account: &str) -> v1::GetAccountRequest {
    v1::GetAccountRequest {
        key: Some(v1::get_account_request::Key::AccountId(account.to_owned())),
    }
}

fn by_identifier(text: &str) -> v1::GetAccountRequest {
    v1::GetAccountRequest {
        key: Some(v1::get_account_request::Key::Identifier(identifier(text))),
    }
}

fn customer_key(id: &str) -> Option<v1::CustomerKey> {
    Some(v1::CustomerKey {
        key: Some(v1::customer_key::Key::CustomerId(id.to_owned())),
    })
}

fn account_key(id: &str) -> Option<v1::AccountKey> {
    Some(v1::AccountKey {
        key: Some(v1::account_key::Key::AccountId(id.to_owned())),
    })
}

fn member(customer: &str, account: &str, role: &str) -> v1::PutMembershipRequest {
    v1::PutMembershipRequest {
        request_id: fresh(),
        customer: customer_key(customer),
        account: account_key(account),
        role: role.to_owned(),
        ..Default::default()
    }
}

fn of_account(account: &str) -> v1::ListMembersRequest {
    v1::ListMembersRequest {
        key: Some(v1::list_members_request::Key::AccountId(account.to_owned())),
        ..Default::default()
    }
}

fn of_customer(customer: &str) -> v1::ListMembershipsRequest {
    use v1::list_memberships_request::Key;
    v1::ListMembershipsRequest {
        key: Some(Key::CustomerId(customer.to_owned())),
        ..Default::default()
    }
}

fn account_of(account: Option<v1::Account>) -> v1::Account {
    account.expect("an account")
}
