//! A look whether Redis has anything of an installation, before it is created there with another
//! number of partitions. Nothing is loaded or changed.

use std::sync::Arc;

use futures::future::BoxFuture;
use kernel::PartitionCount;
use redis::cmd;

use super::RedisOptions;
use super::address::refused;
use super::keys::Keys;
use super::link::Link;
use super::source::Source;
use crate::{HotError, Owner, Slot};

/// Returns a key that an installation of so many partitions has in Redis; absent where there is
/// none.
///
/// # Errors
/// [`HotError::Mismatch`] for an address that is none, [`HotError::Unavailable`] where it does not
/// answer.
pub fn find_leftovers(
    options: RedisOptions,
    partitions: PartitionCount,
) -> BoxFuture<'static, Result<Option<String>, HotError>> {
    Box::pin(async move {
        let options = options.with_query()?;
        let mut link = Link::connect(&Arc::new(Source::new(&options)?))
            .await
            .map_err(refused)?;
        let keys = Keys::new(partitions, options.installation.as_ref());
        // Whoever created it left the first one, and whoever deleted that by hand the others.
        let heads = partitions.iter().flat_map(|partition| {
            let slots = Owner::ALL.map(|owner| Slot { owner, partition });
            slots.map(|slot| keys.meta(slot))
        });
        for key in std::iter::once(keys.installation().to_owned()).chain(heads) {
            let is_there: bool = cmd("EXISTS")
                .arg(&key)
                .query_async(&mut link)
                .await
                .map_err(refused)?;
            if is_there {
                return Ok(Some(key));
            }
        }
        Ok(None)
    })
}
