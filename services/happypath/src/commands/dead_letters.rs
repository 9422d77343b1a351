//! `happypath dead-letters`: events that could not be taken, and their way in or out.
//!
//! Events are shown as they were sent to whoever may read them, but for what a terminal would act
//! upon: anybody can send with a write key.

mod replay;

use proto::gateway::v1::{
    DeadLetter, DeadLetterFilter, DeadLetterIds, DiscardDeadLettersRequest, ListDeadLettersRequest,
    discard_dead_letters_request as discard,
};
use serde_json::{Value, json};

use self::replay::ReplayArgs;
use crate::client::{Connection, ask, request_id};
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print, print_json, visible};
use crate::when::{time_of_flag, when};

/// Dead letters of one page, where one is looked for.
const PAGE_SIZE: u32 = 100;

/// Arguments of `dead-letters`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Once a source, a namespace or the event itself is mended, replay them: what is taken counts once, and is removed. A replay sends
events in your name, so it needs the scope events:write beside quarantine:write.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists dead letters, newest first, each with its id and the reason
    List(ListArgs),
    /// Shows one with the event as it was sent
    Show(ShowArgs),
    /// Sends them once more; what is refused again stays, with the reason of now
    Replay(ReplayArgs),
    /// Removes them for good
    Discard(DiscardArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// A filter of dead letters.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only those of this source
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// Only those with this reason, such as NO_IDENTIFIER
    #[arg(long, default_value = "", hide_default_value = true, value_parser = reason)]
    reason: String,
    /// Only those received from this time on: RFC 3339, or a date in UTC
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    from: Option<prost_types::Timestamp>,
    /// Only those received before this time
    #[arg(long, value_name = "TIME", value_parser = time_of_flag)]
    to: Option<prost_types::Timestamp>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// The most to list
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The id, as `list` shows it
    id: String,
    #[command(flatten)]
    common: Common,
}

/// The dead letters to act on.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Selection {
    /// The ids, as `list` shows them, 500 at the most
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// The oldest 500, or those of them that --source, --reason, --from and --to leave
    #[arg(long)]
    all: bool,
    /// With --all: only those of this source
    #[arg(long, requires = "all", conflicts_with = "ids")]
    source: Option<String>,
    /// With --all: only those with this reason
    #[arg(long, requires = "all", conflicts_with = "ids", value_parser = reason)]
    reason: Option<String>,
    /// With --all: only those received from this time on
    #[arg(long, value_name = "TIME", requires = "all", conflicts_with = "ids", value_parser = time_of_flag)]
    from: Option<prost_types::Timestamp>,
    /// With --all: only those received before this time
    #[arg(long, value_name = "TIME", requires = "all", conflicts_with = "ids", value_parser = time_of_flag)]
    to: Option<prost_types::Timestamp>,
}

#[derive(Debug, clap::Args)]
struct DiscardArgs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Where to ask.
    pub(crate) const fn connection(&self) -> &Connection {
        let common = match &self.command {
            Command::List(args) => &args.common,
            Command::Show(args) => &args.common,
            Command::Replay(args) => &args.common,
            Command::Discard(args) => &args.common,
        };
        &common.connection
    }
}

/// Does what the command says.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
        Command::Replay(args) => replay::replay(args).await,
        Command::Discard(args) => discard(args).await,
    }
}

/// Reads a reason as people write it: `no-identifier`, `NO_IDENTIFIER`.
fn reason(text: &str) -> Result<String, String> {
    Ok(text.to_ascii_uppercase().replace('-', "_"))
}

impl Filter {
    fn read(self) -> DeadLetterFilter {
        DeadLetterFilter {
            source: self.source,
            reason: self.reason,
            start_time: self.from,
            end_time: self.to,
        }
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.intake()?;
    let filter = args.filter.read();
    let (mut letters, mut page_token) = (Vec::new(), String::new());
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // Pages of large events are shorter than asked for.
    let is_cut = loop {
        let left = limit.saturating_sub(letters.len());
        let request = ListDeadLettersRequest {
            filter: Some(filter.clone()),
            page_size: u32::try_from(left).unwrap_or(u32::MAX),
            page_token,
        };
        let page = client.list_dead_letters(ask(request)).await?.into_inner();
        letters.extend(page.dead_letters);
        page_token = page.next_page_token;
        if page_token.is_empty() || letters.len() >= limit {
            break !page_token.is_empty();
        }
    };
    if args.common.format.json {
        let letters: Result<Vec<Value>, Failure> = letters.iter().map(value).collect();
        return print_json(&json!({ "dead_letters": letters?, "has_more": is_cut }));
    }
    let mut rows = Rows::new(&[
        "id",
        "received",
        "source",
        "reason",
        "#replays",
        "what is wrong",
    ]);
    for letter in &letters {
        rows.row([
            letter.id.clone(),
            when(letter.receive_time.as_ref()),
            letter.source.clone(),
            visible(&letter.reason),
            letter.replay_count.to_string(),
            wrong(letter),
        ]);
    }
    rows.print_or("There are no dead letters: everything that was sent was taken.")?;
    if is_cut {
        return print(
            "There are more: --limit shows up to 1000, and --source, --reason, --from and --to choose.",
        );
    }
    Ok(())
}

/// Says in a line what is wrong with an event.
fn wrong(letter: &DeadLetter) -> String {
    match letter.field.as_str() {
        "" => visible(&letter.description),
        field => format!("{} {}", visible(field), visible(&letter.description)),
    }
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.intake()?;
    let mut page_token = String::new();
    loop {
        let request = ListDeadLettersRequest {
            filter: around(&args.id),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_dead_letters(ask(request)).await?.into_inner();
        if let Some(letter) = page.dead_letters.iter().find(|it| it.id == args.id) {
            return print_json(&value(letter)?);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Err(gone(&args.id));
        }
    }
}

/// A filter of the millisecond in which a dead letter was received, which its id begins with.
fn around(id: &str) -> Option<DeadLetterFilter> {
    let id: uuid::Uuid = id.parse().ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let time = |nanos: u32| prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).unwrap_or(0),
    };
    let end = match nanos + 1_000_000 {
        1_000_000_000.. => prost_types::Timestamp {
            nanos: 0,
            seconds: time(0).seconds + 1,
        },
        nanos => time(nanos),
    };
    Some(DeadLetterFilter {
        start_time: Some(time(nanos)),
        end_time: Some(end),
        ..DeadLetterFilter::default()
    })
}

fn gone(id: &str) -> Failure {
    Failure::mismatch(format!(
        "there is no dead letter `{id}`: `happypath dead-letters list` shows those that are there"
    ))
}

/// Says how many of those that were named were not there.
fn refuse_missing(asked: usize, found: u32) -> Result<(), Failure> {
    match asked.saturating_sub(usize::try_from(found).unwrap_or(usize::MAX)) {
        0 => Ok(()),
        missing => Err(Failure::mismatch(format!(
            "not there: {missing} of those that were named; `happypath dead-letters list` shows what is"
        ))),
    }
}

async fn discard(args: DiscardArgs) -> Result<(), Failure> {
    let mut client = args.common.connection.intake()?;
    let asked = args.selection.ids.len();
    let request = DiscardDeadLettersRequest {
        request_id: request_id(),
        which: Some(match args.selection.read() {
            Selected::Ids(ids) => discard::Which::Ids(ids),
            Selected::All(filter) => discard::Which::Filter(filter),
        }),
    };
    let answer = client.discard_dead_letters(ask(request)).await?;
    let answer = answer.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    print(&format!("Removed for good: {}.", answer.discarded_count))?;
    refuse_missing(asked, answer.discarded_count)
}

/// The selected dead letters.
enum Selected {
    Ids(DeadLetterIds),
    All(DeadLetterFilter),
}

impl Selection {
    fn read(self) -> Selected {
        if !self.all {
            return Selected::Ids(DeadLetterIds { ids: self.ids });
        }
        Selected::All(DeadLetterFilter {
            source: self.source.unwrap_or_default(),
            reason: self.reason.unwrap_or_default(),
            start_time: self.from,
            end_time: self.to,
        })
    }
}

/// A dead letter as JSON, with its event as JSON in place of its text where that is whole.
fn value(letter: &DeadLetter) -> Result<Value, Failure> {
    let mut value = json_of(letter)?;
    if !letter.is_cut
        && let Ok(read) = serde_json::from_str(&letter.payload)
    {
        value["payload"] = read;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proto::convert::instant;

    use super::*;

    #[test]
    fn an_event_is_shown_as_json_within_json_where_it_is_whole() {
        let mut letter = DeadLetter {
            payload: r#"{"userId":7}"#.to_owned(),
            ..DeadLetter::default()
        };
        assert_eq!(value(&letter).expect("JSON")["payload"]["userId"], 7);
        letter.is_cut = true;
        assert_eq!(value(&letter).expect("JSON")["payload"], r#"{"userId":7}"#);
    }

    #[test]
    fn a_letter_is_looked_for_around_its_time() {
        let id = uuid::Builder::from_unix_timestamp_millis(1_900_000_000_999, &[7; 10]);
        let filter = around(&id.into_uuid().to_string()).expect("a time");
        let time = |time: Option<prost_types::Timestamp>| {
            time.as_ref().map(|time| instant(time).as_millis())
        };
        assert_eq!(time(filter.start_time), Some(1_900_000_000_999));
        assert_eq!(time(filter.end_time), Some(1_900_000_001_000));
        assert_eq!(around("x"), None);
    }

    #[test]
    fn what_is_wrong_is_shown_without_orders_to_a_terminal() {
        let letter = DeadLetter {
            field: "a\u{1b}[2J".to_owned(),
            description: "is no text".to_owned(),
            ..DeadLetter::default()
        };
        assert_eq!(wrong(&letter), "a\\u{1b}[2J is no text");
    }
}
