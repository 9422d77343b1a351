//! How an engine makes sure that its definitions are the newest.

use async_trait::async_trait;
use hot::HotError;

/// Reads what was published, where another process may have published since.
///
/// The engine asks before it works on a partition that another process worked on, and where a core finds that something
/// is not defined: what others decided by newer definitions must not be judged by older ones.
#[async_trait]
pub trait Refresh: Send + Sync + 'static {
    /// Brings into force what is the newest when this is called.
    ///
    /// # Errors
    /// [`HotError::Unavailable`] where that cannot be learnt now.
    async fn refresh(&self) -> Result<Freshness, HotError>;
}

/// How new the definitions in force are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// There are no newer ones.
    Newest,
    /// There are newer ones that this program does not understand: another version of it published them.
    Older,
}
