//! The tables, as the object mapper knows them. Times are milliseconds since the epoch.

use storage::entity;

entity! {
    /// Fragments, each with a redirect to the customer that it belongs to now; never a chain of
    /// them.
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
        found_by: Option<String>,
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
        found_by: Option<String>,
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
        found_by: Option<String>,
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
    /// Customers that are not merged into others. The epoch grows with each change of what belongs
    /// to them.
    customer, "identity_customer", {
        #[sea_orm(primary_key, auto_increment = false)]
        customer_id: Uuid,
        create_time: i64,
        epoch: i64,
        fragment_count: i64,
        identifier_counts: String,
        /// 0: a customer; 1: an account.
        kind: i16,
    }
}

entity! {
    /// Merges, with their times and reasons. Announced once the merged customer's stream says so.
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

/// The members of accounts. Not by the macro, since confidences are equal to none but themselves.
pub(crate) mod membership {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_membership")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) membership_id: Uuid,
        pub(crate) customer_fragment_id: Uuid,
        pub(crate) account_fragment_id: Uuid,
        pub(crate) role: String,
        pub(crate) source: i16,
        pub(crate) confidence: f64,
        pub(crate) valid_from: i64,
        pub(crate) valid_to: Option<i64>,
        pub(crate) primary_time: Option<i64>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

entity! {
    /// Counts of accounts, by fragment.
    account_tally, "identity_account_tally", {
        #[sea_orm(primary_key, auto_increment = false)]
        fragment_id: Uuid,
        membership_count: i64,
        news_number: i64,
        told_count: Option<i64>,
        told_time: Option<i64>,
    }
}

entity! {
    /// The customers and accounts that there is something to tell of.
    account_news, "identity_account_news", {
        #[sea_orm(primary_key, auto_increment = false)]
        news_id: Uuid,
        account_id: Uuid,
        customer_id: Uuid,
        role: String,
        due_time: i64,
        claim_time: i64,
        version: i64,
        is_bulk: bool,
        /// 0 until there is one.
        news_number: i64,
    }
}

entity! {
    /// Fragments that went elsewhere, and whose memberships are not looked through yet.
    account_move, "identity_account_move", {
        #[sea_orm(primary_key, auto_increment = false)]
        move_id: Uuid,
        fragment_id: Uuid,
        from_id: Uuid,
        into_id: Uuid,
        after_id: Option<Uuid>,
        claim_time: i64,
    }
}

entity! {
    /// Buying groups of accounts.
    buying_group, "identity_buying_group", {
        #[sea_orm(primary_key, auto_increment = false)]
        buying_group_id: Uuid,
        account_fragment_id: Uuid,
        opportunity: String,
        create_time: i64,
        update_time: i64,
    }
}

entity! {
    /// The roles of buying groups in their order.
    buying_group_slot, "identity_buying_group_slot", {
        #[sea_orm(primary_key, auto_increment = false)]
        buying_group_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        place: i16,
        role: String,
        required_count: i16,
    }
}

entity! {
    /// The people in these roles.
    buying_group_member, "identity_buying_group_member", {
        #[sea_orm(primary_key, auto_increment = false)]
        buying_group_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        slot_place: i16,
        #[sea_orm(primary_key, auto_increment = false)]
        place: i16,
        customer_fragment_id: Uuid,
    }
}
