//! The tables of keys, as the object mapper knows them. Times are milliseconds since the epoch.

storage::entity! {
    /// The keys.
    key, "api_key", {
        #[sea_orm(primary_key, auto_increment = false)]
        id: String,
        kind: i32,
        name: String,
        scopes: String,
        creator: String,
        create_time: i64,
        expire_time: Option<i64>,
        revoke_time: Option<i64>,
    }
}

storage::entity! {
    /// The secrets of keys, by their hashes.
    secret, "api_key_secret", {
        #[sea_orm(primary_key, auto_increment = false)]
        key_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        hash: Vec<u8>,
        create_time: i64,
        expire_time: Option<i64>,
    }
}

storage::entity! {
    /// The sources of the keys that send for one.
    source, "api_key_source", {
        #[sea_orm(primary_key, auto_increment = false)]
        key_id: String,
        source: String,
    }
}

storage::entity! {
    /// The number of changes, in one row.
    revision, "api_key_revision", {
        #[sea_orm(primary_key, auto_increment = false)]
        id: i32,
        revision: i64,
    }
}
