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

entity! {
    /// The imports whose events are known, by the digest of their names.
    import, "identity_import", {
        #[sea_orm(primary_key, auto_increment = false)]
        import: String,
        accept_time: i64,
    }
}

entity! {
    /// The batches that each import has taken.
    import_batch, "identity_import_batch", {
        #[sea_orm(primary_key, auto_increment = false)]
        import: String,
        #[sea_orm(primary_key, auto_increment = false)]
        number: i64,
        create_time: i64,
        marks: Vec<u8>,
    }
}

entity! {
    /// The records of batches that may not be in their streams yet.
    import_pending, "identity_import_pending", {
        #[sea_orm(primary_key, auto_increment = false)]
        batch_id: Uuid,
        import: String,
        call_id: Uuid,
        number: i64,
        create_time: i64,
        stream: i16,
        records: Vec<u8>,
    }
}
