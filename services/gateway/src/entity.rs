//! The tables of the gateway, as the object mapper knows them. Times are milliseconds since the
//! epoch.

storage::entity! {
    /// Events that could not be taken.
    dead_letter, "dead_letter", {
        #[sea_orm(primary_key, auto_increment = false)]
        id: Uuid,
        digest: Vec<u8>,
        source: String,
        path: String,
        reason: String,
        field: String,
        description: String,
        payload: String,
        is_cut: bool,
        receive_time: i64,
        sent_time: Option<i64>,
        replay_count: i32,
    }
}

storage::entity! {
    /// Events and calls by day, source and outcome.
    intake_count, "intake_count", {
        #[sea_orm(primary_key, auto_increment = false)]
        day: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        source: String,
        #[sea_orm(primary_key, auto_increment = false)]
        reason: String,
        number: i64,
        last_time: i64,
    }
}

storage::entity! {
    /// The progress of subscriptions.
    subscription_state, "subscription_state", {
        #[sea_orm(primary_key, auto_increment = false)]
        name: String,
        position: String,
        standing: i32,
        batch_id: Option<String>,
        batch_end: Option<String>,
        batch_filter: Option<String>,
        failures: i32,
        first_failure_time: Option<i64>,
        next_attempt_time: Option<i64>,
        last_error: String,
        last_success_time: Option<i64>,
        owner: String,
        epoch: i64,
    }
}
