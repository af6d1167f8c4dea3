//! `entente list`: the rows of the list.

use std::time::Duration;

use clap::ValueEnum;
use entente_proto::wire::{Availability, Category, ListRequest, ListedRow, Sort, Status};
use tokio::time::timeout;

use super::Global;
use super::client::{Deadline, Node};
use super::error::CliError;
use super::json::{RowJson, status_word};
use super::output::{Output, say, table};
use super::summary::who;
use super::words::{parse_moment, parser, plain};

/// How long the whole list may take unless `--timeout` says otherwise.
const LIST: Duration = Duration::from_secs(600);
/// Rows of one table: column widths are those of so many rows, and memory holds no more.
const TABLE_ROWS: usize = 1_000;

/// Print the target list
///
/// Prints all rows, ascending by target, unless asked for a page. Targets that are not yet certified are marked
/// `pending`; all others are what every unit agrees on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  entente list --status held\n  entente list --unit BE --json | jq -r .target\n  \
                        entente list --overdue --sort oldest\n  entente list --limit 100 --after domain:m.example")]
pub(crate) struct Args {
    /// Only targets with this status; may be given more than once
    #[arg(long, value_parser = parser::<Status>())]
    status: Vec<Status>,
    /// Only targets that this unit refers
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Only targets that contain this text, or about which something was said that does; capitals do not matter
    #[arg(long)]
    text: Option<String>,
    /// Only targets that are referred in this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// Only targets whose referral names this provider, or was sent to it; a part of the name will do
    #[arg(long)]
    provider: Option<String>,
    /// Only targets that are referred in this category; may be given more than once
    #[arg(long, value_delimiter = ',', value_parser = parser::<Category>())]
    category: Vec<Category>,
    /// Only targets that were last seen so; may be given more than once
    #[arg(long, value_parser = parser::<Availability>())]
    availability: Vec<Availability>,
    /// Only targets with something overdue: a provider's answer, a review, the end of a hold
    #[arg(long)]
    overdue: bool,
    /// Only targets of closed operations that were seen online again, and what succeeds them
    #[arg(long)]
    resurfaced: bool,
    /// For --overdue: how many hours a provider has to answer [default: 1 after a removal order, else 24]
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=87_600))]
    answer_within: Option<u64>,
    /// For --overdue: at this moment instead of now, such as 2026-12-31
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<u64>,
    /// Only targets about which something was said at or after this time, such as 2026-11-23T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<u64>,
    /// In which order
    #[arg(long, value_enum, default_value = "target")]
    sort: SortWord,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only rows that come after this one in the order asked for: its target, or the cursor that --json tells beside each
    /// row, which holds also when the row has changed or gone since
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    #[command(flatten)]
    deadline: Deadline,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortWord {
    /// Ascending by target
    Target,
    /// What was said last comes first
    Newest,
    /// What was said last comes last
    Oldest,
    /// Held, disputed, listed, cleared
    Status,
}

impl From<SortWord> for Sort {
    fn from(word: SortWord) -> Self {
        match word {
            SortWord::Target => Self::Target,
            SortWord::Newest => Self::Newest,
            SortWord::Oldest => Self::Oldest,
            SortWord::Status => Self::Status,
        }
    }
}

pub(crate) async fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let node = Node::connect(global, args.deadline).await?;
    let deadline = args.deadline.or(LIST);
    let limit = args.limit;
    let request = ListRequest {
        status: args.status.iter().map(|status| *status as i32).collect(),
        unit: args.unit.unwrap_or_default(),
        after: args.after.unwrap_or_default(),
        limit: args.limit.unwrap_or_default(),
        text: args.text.unwrap_or_default(),
        campaign: args.campaign.unwrap_or_default(),
        provider: args.provider.unwrap_or_default(),
        category: args.category.iter().map(|category| *category as i32).collect(),
        availability: args.availability.iter().map(|availability| *availability as i32).collect(),
        overdue: args.overdue,
        since_ms: args.since.unwrap_or_default(),
        sort: Sort::from(args.sort).into(),
        at_ms: args.at.unwrap_or_default(),
        answer_within_ms: args.answer_within.unwrap_or_default().saturating_mul(3_600_000),
        withdrawn: false,
        resurfaced: args.resurfaced,
    };
    let printing = async {
        let mut rows = node.client().list(node.request_within(request, deadline)).await?.into_inner();
        let mut page = Page { out: Output::new(global.json), rows: Vec::new(), count: 0, limit, last: String::new() };
        while let Some(row) = rows.message().await? {
            page.row(row)?;
        }
        page.end()
    };
    timeout(deadline, printing)
        .await
        .unwrap_or_else(|_| Err(tonic::Status::deadline_exceeded("the list did not end in time").into()))
}

struct Page {
    out: Output,
    rows: Vec<ListedRow>,
    count: u64,
    limit: Option<u64>,
    /// The cursor of the last row.
    last: String,
}

impl Page {
    fn row(&mut self, row: ListedRow) -> Result<(), CliError> {
        self.count = self.count.saturating_add(1);
        if self.out.is_json() {
            return self.out.document(&RowJson::from(&row));
        }
        self.last.clone_from(&row.cursor);
        self.rows.push(row);
        if self.rows.len() >= TABLE_ROWS { self.print() } else { Ok(()) }
    }

    fn print(&mut self) -> Result<(), CliError> {
        let mut rows = table(["STATUS", "TARGET", "BY"]);
        for listed in self.rows.drain(..) {
            let row = listed.row.as_ref();
            let status = row.map_or("pending", status_word);
            rows.add_row([status.to_owned(), row.map(|row| plain(&row.target)).unwrap_or_default(), who(&listed)]);
        }
        self.out.table(&rows)
    }

    fn end(mut self) -> Result<(), CliError> {
        if !self.out.is_json() {
            if !self.rows.is_empty() {
                self.print()?;
            }
            self.out.flush()?;
            say(format_args!("{} targets", self.count));
            if self.limit == Some(self.count) {
                say(format_args!("more: --after '{}'", plain(&self.last)));
            }
        }
        self.out.flush()
    }
}
