//! The tables of erasures, as the object mapper knows them. Times are milliseconds since the epoch.

use storage::entity;

entity! {
    /// Keyed hashes of identifiers, with what becomes of events that carry them.
    tombstone, "identity_tombstone", {
        #[sea_orm(primary_key, auto_increment = false)]
        hash: Vec<u8>,
        erase_time: Option<i64>,
        suppress_time: Option<i64>,
        version: i64,
    }
}

entity! {
    /// Secrets of the installation.
    secret, "identity_secret", {
        #[sea_orm(primary_key, auto_increment = false)]
        name: String,
        secret: String,
        create_time: i64,
    }
}

entity! {
    /// Erasures, each with how far it is.
    erasure, "identity_erasure", {
        #[sea_orm(primary_key, auto_increment = false)]
        operation_id: Uuid,
        customer_ids: Vec<u8>,
        fragment_ids: Vec<u8>,
        mode: i16,
        reason: String,
        erase_time: i64,
        create_time: i64,
        deadline: i64,
        is_urgent: bool,
        found_count: i64,
        not_found_count: i64,
        identifier_count: i64,
        event_count: Option<i64>,
        version: i64,
        value_list: String,
        steps: Vec<u8>,
        is_announced: bool,
        claim_time: i64,
        done_time: Option<i64>,
    }
}
