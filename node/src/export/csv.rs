//! A line a referral, as `import` reads it (RFC 4180: CRLF, quotes where they are needed, a header).
//!
//! A cell that a spreadsheet would compute begins with an apostrophe, which `import` takes off again
//! ([`armour`]). Evidence is a JSON array in its cell. The columns `status`, `unit`, `id` and `time` tell
//! where a line comes from; `import` does not read them.

use std::io::{self, Write};

use entente_proto::wire::ListedRow;

use super::line::Line;
use super::{Counts, NO_REFERRAL};
use crate::import::csv::{ORIGIN, armour};

/// The columns, those that `import` does not read among them.
const COLUMNS: [&str; 19] = [
    "target",
    ORIGIN[0],
    ORIGIN[1],
    ORIGIN[2],
    ORIGIN[3],
    "categories",
    "basis",
    "provider",
    "source",
    "accuracy",
    "language",
    "description",
    "tlp",
    "handling",
    "review_by",
    "campaign",
    "prefix",
    "evidence",
    "override_reason",
];

pub(super) struct Sheet<'a> {
    out: ::csv::Writer<Box<dyn Write + 'a>>,
}

impl<'a> Sheet<'a> {
    pub(super) fn begin(out: Box<dyn Write + 'a>) -> io::Result<Self> {
        let mut out = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
        out.write_record(COLUMNS).map_err(fault)?;
        Ok(Self { out })
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let says = &line.says;
        let evidence = match says.evidence.as_slice() {
            [] => String::new(),
            items => serde_json::to_string(items)?,
        };
        let accuracy = says.accuracy.map(|accuracy| accuracy.to_string()).unwrap_or_default();
        let cells: [&str; COLUMNS.len()] = [
            line.target,
            line.status,
            line.unit,
            &line.id,
            &line.time,
            &says.categories.join(" "),
            says.basis,
            says.provider,
            says.source.unwrap_or_default(),
            &accuracy,
            says.language,
            says.description,
            says.tlp.unwrap_or_default(),
            &says.handling.join(" "),
            says.review_by.as_deref().unwrap_or_default(),
            says.campaign,
            if says.prefix { "true" } else { "" },
            &evidence,
            says.override_reason,
        ];
        self.out.write_record(cells.map(|cell| armour(cell).into_owned())).map_err(fault)
    }
}

/// The fault of the output as it is: a reader that has gone is none.
fn fault(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(fault) => fault,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl super::Sheet for Sheet<'_> {
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()> {
        let Some(row) = row.row.as_ref().filter(|row| !row.referrals.is_empty()) else {
            counts.left(NO_REFERRAL);
            return Ok(());
        };
        row.referrals.iter().filter_map(|referral| Line::of(row, referral)).try_for_each(|line| self.line(&line))?;
        counts.took(row.referrals.len() as u64);
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
