//! The tables of the storage, as the object mapper knows them. Times are milliseconds since the
//! epoch.

/// Makes a module of a table, as the object mapper knows it, out of its name and its columns.
/// Whoever calls it depends on `sea-orm`.
#[macro_export]
macro_rules! entity {
    ($(#[$meta:meta])* $module:ident, $table:literal, { $($(#[$column:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        pub(crate) mod $module {
            use sea_orm::entity::prelude::*;

            #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub(crate) struct Model {
                $($(#[$column])* pub(crate) $field: $type,)+
            }

            #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
            pub(crate) enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity! {
    /// The settings that an installation was created with.
    meta, "store_meta", {
        #[sea_orm(primary_key, auto_increment = false)]
        name: String,
        value: String,
    }
}

entity! {
    /// The requests that were seen, each with its answer; absent while it is under way.
    request, "request", {
        #[sea_orm(primary_key, auto_increment = false)]
        request_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        method: String,
        body_hash: Vec<u8>,
        response: Option<Vec<u8>>,
        create_time: i64,
        expire_time: i64,
    }
}
