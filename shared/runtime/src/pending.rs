//! Stand-ins for names that other crates are about to bring.
/// To be replaced by the crate of this name.
pub mod definitions {
    /// Owns kinds of definitions.
    pub trait Owner: Send + Sync {}
}
