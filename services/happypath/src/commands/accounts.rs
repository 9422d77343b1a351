//! `happypath accounts`: organisations and households, who belongs to them, and buying groups.

mod buying_groups;
mod export;
mod get;
mod join;
mod members;
mod merge;
mod put;
mod unmerge;

use proto::identity::v1::{Account, Membership, MembershipSource};

pub(super) use self::members::memberships;

use super::identity::shown;
use crate::client::Connection;
use crate::failure::Failure;
use crate::limits::PAGE_SIZE;
use crate::output::{Format, Rows, print};
use crate::when::when;

/// Arguments of `accounts`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Accounts are named by an id, or by an identifier such as account:acme or domain:acme.com;
customers by an id, or by an identifier such as user_id:u1.

An account is never joined with a customer. Events that name it in `groups` make it known, and
make the customer a member of it. `identity explain`, `history` and `erase` take accounts too.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Makes an account known by identifiers, or adds identifiers and traits to one
    Put(Box<put::Args>),
    /// Shows an account: identifiers, traits, counts of its events, and how many members it has
    Get(Box<get::Args>),
    /// Lists accounts, oldest first
    List(Box<get::ListArgs>),
    /// Joins accounts into the oldest of them, with their members
    Merge(Box<merge::Args>),
    /// Takes an account apart, for good: events do not join the parts again
    Unmerge(Box<unmerge::Args>),
    /// Lists the members of an account, now or as of a time
    Members(Box<members::Args>),
    /// Lists the accounts that a customer is a member of, the primary one first
    Memberships(Box<members::OfCustomerArgs>),
    /// Says that a customer is a member of an account, or changes what was said of that
    Join(Box<join::Args>),
    /// Says that a membership ended; it stays in lists as of earlier times
    Leave(Box<join::LeaveArgs>),
    /// Makes, shows and deletes buying groups: who decides on an opportunity of an account
    #[command(visible_alias = "buying-group")]
    BuyingGroups(Box<buying_groups::Args>),
    /// Writes all that is known about an account as JSON Lines
    Export(Box<export::Args>),
}

/// The place that a command asks, and the form of its answer.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

impl Args {
    /// Returns the address to ask.
    pub(crate) const fn connection(&self) -> &Connection {
        let common = match &self.action {
            Action::Put(args) => &args.common,
            Action::Get(args) => &args.common,
            Action::List(args) => &args.common,
            Action::Merge(args) => &args.common,
            Action::Unmerge(args) => &args.common,
            Action::Members(args) => &args.common,
            Action::Memberships(args) => &args.common,
            Action::Join(args) => &args.common,
            Action::Leave(args) => &args.common,
            Action::BuyingGroups(args) => args.common(),
            Action::Export(args) => return &args.connection,
        };
        &common.connection
    }
}

/// Runs it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Put(args) => put::run(*args).await,
        Action::Get(args) => get::run(*args).await,
        Action::List(args) => get::list(*args).await,
        Action::Merge(args) => merge::run(*args).await,
        Action::Unmerge(args) => unmerge::run(*args).await,
        Action::Members(args) => members::run(*args).await,
        Action::Memberships(args) => members::of_customer(*args).await,
        Action::Join(args) => join::run(*args).await,
        Action::Leave(args) => join::leave(*args).await,
        Action::BuyingGroups(args) => buying_groups::run(*args).await,
        Action::Export(args) => export::run(*args).await,
    }
}

/// Prints accounts with their identifiers.
fn show_accounts(accounts: &[Account]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["account", "type", "first seen", "#fragments", "identifiers"]);
    for account in accounts {
        let identifiers: Vec<String> = account.identifiers.iter().map(shown).collect();
        rows.row([
            account.account_id.clone(),
            account.r#type.clone(),
            when(account.create_time.as_ref()),
            account.fragment_ids.len().to_string(),
            identifiers.join(", "),
        ]);
    }
    rows.print_or("There is no account.")
}

/// Reads pages until there are as many as are asked for, or no more: `next` is given the size of a
/// page and its token, and returns what is on it and the token of the next one. Returns all, and
/// whether there are more.
async fn pages<T>(
    limit: u32,
    mut next: impl AsyncFnMut(u32, String) -> Result<(Vec<T>, String), Failure>,
) -> Result<(Vec<T>, bool), Failure> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (page, following) = next(PAGE_SIZE.min(limit), token).await?;
        all.extend(page);
        token = following;
        if token.is_empty() || all.len() >= most {
            break;
        }
    }
    let is_cut = all.len() > most || !token.is_empty();
    all.truncate(most);
    Ok((all, is_cut))
}

/// Prints that there are more than were asked for.
fn show_cut(is_cut: bool) -> Result<(), Failure> {
    match is_cut {
        true => print("There are more: raise --limit."),
        false => Ok(()),
    }
}

/// The word of who said that somebody is a member.
fn source_word(membership: &Membership) -> &'static str {
    // A newer server may know more of them.
    match MembershipSource::try_from(membership.source) {
        Ok(MembershipSource::Call) => "call",
        Ok(MembershipSource::Event) => "event",
        Ok(MembershipSource::Domain) => "domain",
        Ok(MembershipSource::Unspecified) | Err(_) => "?",
    }
}
