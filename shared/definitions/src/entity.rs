//! The tables of definitions, as the object mapper knows them. Times are milliseconds since the
//! epoch.

/// Every version of every definition.
pub(crate) mod definition {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "definition")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) kind: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) version: i32,
        /// The definition in protobuf, with its secrets.
        pub(crate) body: Vec<u8>,
        pub(crate) etag: String,
        pub(crate) create_time: i64,
        /// When a newer version took its place, or it was deleted; absent while it is in force.
        pub(crate) delete_time: Option<i64>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The numbers of changes of owners' definitions.
pub(crate) mod revision {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "definition_revision")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) owner: String,
        pub(crate) revision: i64,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
