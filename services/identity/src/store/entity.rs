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
        state: i16,
        fan_out: Option<Vec<u8>>,
        event_id: Option<String>,
        source: Option<String>,
        event_time: Option<i64>,
        policy_version: Option<i64>,
    }
}

entity! {
    /// The holders of values that may have several.
    shared, "identity_shared", {
        #[sea_orm(primary_key, auto_increment = false)]
        namespace: String,
        #[sea_orm(primary_key, auto_increment = false)]
        value: String,
        #[sea_orm(primary_key, auto_increment = false)]
        fragment_id: Uuid,
        create_time: i64,
        is_alone: bool,
        event_id: Option<String>,
        source: Option<String>,
        event_time: Option<i64>,
        policy_version: Option<i64>,
    }
}

entity! {
    /// Evidence beside that of the rows of identifiers.
    evidence, "identity_evidence", {
        #[sea_orm(primary_key, auto_increment = false)]
        evidence_id: Uuid,
        fragment_id: Uuid,
        joined_fragment_id: Option<Uuid>,
        namespace: Option<String>,
        value: Option<String>,
        kind: i16,
        event_id: String,
        source: String,
        event_time: i64,
        first_time: i64,
        last_time: i64,
        count: i64,
        policy_version: i64,
        reason: String,
        operation_id: Option<Uuid>,
        retracted_by: Option<Uuid>,
    }
}

entity! {
    /// Operations that changed who is who, but merges.
    operation, "identity_operation", {
        #[sea_orm(primary_key, auto_increment = false)]
        operation_id: Uuid,
        kind: i16,
        request_id: String,
        event_id: String,
        from_ids: String,
        to_ids: String,
        reason: String,
        create_time: i64,
        retracted_by: Option<Uuid>,
        outcome: Option<Vec<u8>>,
    }
}

entity! {
    /// The fragments that operations were about.
    operation_fragment, "identity_operation_fragment", {
        #[sea_orm(primary_key, auto_increment = false)]
        fragment_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        operation_id: Uuid,
    }
}

entity! {
    /// Fragments that are never to be of one customer, the smaller id first.
    cannot_link, "identity_cannot_link", {
        #[sea_orm(primary_key, auto_increment = false)]
        fragment_a: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        fragment_b: Uuid,
        operation_id: Uuid,
        reason: String,
        create_time: i64,
    }
}

entity! {
    /// Customers who came out of others. Announced once their streams say so.
    split, "identity_split", {
        #[sea_orm(primary_key, auto_increment = false)]
        split_id: Uuid,
        operation_id: Uuid,
        customer_id: Uuid,
        from_customer_id: Uuid,
        fragment_ids: String,
        merge_time: i64,
        announced: bool,
        claim_time: i64,
        sent_as: Option<i64>,
        graph_epoch: Option<i64>,
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
        event_id: Option<String>,
        retracted_by: Option<Uuid>,
        graph_epoch: Option<i64>,
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
