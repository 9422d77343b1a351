//! The tables of the audit log, as the object mapper knows them. Times are milliseconds since the
//! epoch.

use storage::entity;

entity! {
    /// The chains, each with its newest entry.
    chain, "audit_chain", {
        #[sea_orm(primary_key, auto_increment = false)]
        chain_id: Uuid,
        worker: String,
        sequence: i64,
        hash: Vec<u8>,
        open_time: i64,
        close_time: Option<i64>,
    }
}

entity! {
    /// The entries of all chains.
    entry, "audit_entry", {
        #[sea_orm(primary_key, auto_increment = false)]
        chain_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        sequence: i64,
        time: i64,
        caller_id: String,
        caller_kind: String,
        address: String,
        action: String,
        object: String,
        subject: Vec<u8>,
        outcome: String,
        trace_parent: String,
        previous_hash: Vec<u8>,
        hash: Vec<u8>,
    }
}

entity! {
    /// The entries that were removed from the beginning of each chain.
    pruned, "audit_pruned", {
        #[sea_orm(primary_key, auto_increment = false)]
        chain_id: Uuid,
        sequence: i64,
        hash: Vec<u8>,
        first_time: i64,
        last_time: i64,
        record_time: i64,
    }
}

entity! {
    /// The keys by which entries name customers.
    subject, "audit_subject", {
        #[sea_orm(primary_key, auto_increment = false)]
        customer_id: Uuid,
        key: Vec<u8>,
    }
}
