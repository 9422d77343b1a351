//! The tables, as the object mapper knows them. Times are milliseconds since the epoch.

use storage::entity;

entity! {
    /// Fragments, each with a redirect to the customer that it belongs to now; never a chain of them.
    fragment, "identity_fragment", {
        #[sea_orm(primary_key, auto_increment = false)]
        fragment_id: Uuid,
        root_id: Uuid,
        create_time: i64,
    }
}

entity! {
    /// Identifiers, each under the fragment that it was seen with first. One holder a value.
    identifier, "identity_identifier", {
        #[sea_orm(primary_key, auto_increment = false)]
        namespace: String,
        #[sea_orm(primary_key, auto_increment = false)]
        value: String,
        fragment_id: Uuid,
        create_time: i64,
        sent_as: Option<i64>,
    }
}

entity! {
    /// Customers that are not merged into others. The epoch grows with each change of what belongs to them.
    customer, "identity_customer", {
        #[sea_orm(primary_key, auto_increment = false)]
        customer_id: Uuid,
        create_time: i64,
        epoch: i64,
        fragment_count: i64,
        identifier_counts: String,
    }
}

entity! {
    /// What was joined, when and why. Announced once the merged customer's stream says so.
    merge, "identity_merge", {
        #[sea_orm(primary_key, auto_increment = false)]
        merge_id: Uuid,
        from_customer_id: Uuid,
        into_customer_id: Uuid,
        reason: String,
        request_id: String,
        create_time: i64,
        announced: bool,
        claim_time: i64,
        sent_as: Option<i64>,
    }
}

entity! {
    /// The mark of each ordered source, by the digest of its name.
    source, "identity_source", {
        #[sea_orm(primary_key, auto_increment = false)]
        source: String,
        mark: i64,
        accept_time: i64,
    }
}

entity! {
    /// The virtual clock of an installation on stream time; one row.
    clock, "identity_clock", {
        #[sea_orm(primary_key, auto_increment = false)]
        id: i32,
        time: i64,
    }
}
