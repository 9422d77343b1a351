//! Names of definitions in other processes, asked over gRPC.

use async_trait::async_trait;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{DefinitionKind, ListDefinitionsRequest};
use rpc::{ErrorReason, Failure, PeerChannel};

use crate::{ReferenceSource, key_of, limits};

/// Asks the `DefinitionService` of the process that owns a kind.
pub struct RemoteReferences {
    peers: Vec<(Vec<DefinitionKind>, DefinitionServiceClient<PeerChannel>)>,
}

impl RemoteReferences {
    /// Asks these processes, each for its kinds.
    pub fn new(peers: impl IntoIterator<Item = (Vec<DefinitionKind>, PeerChannel)>) -> Self {
        let peers = peers.into_iter().map(|(kinds, channel)| {
            let client = DefinitionServiceClient::new(channel)
                .max_decoding_message_size(rpc::limits::MESSAGE_BYTES);
            (kinds, client)
        });
        Self {
            peers: peers.collect(),
        }
    }
}

#[async_trait]
impl ReferenceSource for RemoteReferences {
    async fn names(&self, kind: DefinitionKind) -> Result<Option<Vec<String>>, Failure> {
        let Some((_, client)) = self.peers.iter().find(|(kinds, _)| kinds.contains(&kind)) else {
            return Ok(None);
        };
        let mut client = client.clone();
        let mut names = Vec::new();
        let mut page_token = String::new();
        // An owner keeps at most so many: a peer that never stops is not believed.
        while names.len() <= limits::DEFINITIONS {
            let request = ListDefinitionsRequest {
                kind: kind.into(),
                page_size: limits::REMOTE_PAGE_SIZE,
                page_token,
            };
            let page = client.list_definitions(request).await.map_err(|status| {
                let message = format!(
                    "the owner of {} definitions does not answer",
                    crate::kind_word(kind)
                );
                Failure::new(ErrorReason::PeerUnavailable, message)
                    .with_retry_after(limits::POLL)
                    .with_source(status)
            })?;
            let page = page.into_inner();
            let found = page
                .definitions
                .iter()
                .filter_map(|it| it.definition.as_ref());
            names.extend(found.filter_map(key_of).map(|key| key.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(Some(names))
    }
}
