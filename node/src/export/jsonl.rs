//! A JSON object a referral, as `import` reads it; what a referral does not say is left out. `status`, `unit`, `id` and
//! `time` tell where a line comes from; `import` does not read them.

use std::io::{self, Write};

use entente_proto::wire::ListedRow;

use super::line::Line;
use super::{Counts, NO_REFERRAL};

pub(super) struct Sheet<'a> {
    out: Box<dyn Write + 'a>,
}

impl<'a> Sheet<'a> {
    pub(super) fn begin(out: Box<dyn Write + 'a>) -> Self {
        Self { out }
    }
}

impl super::Sheet for Sheet<'_> {
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()> {
        let Some(row) = row.row.as_ref().filter(|row| !row.referrals.is_empty()) else {
            counts.left(NO_REFERRAL);
            return Ok(());
        };
        for line in row.referrals.iter().filter_map(|referral| Line::of(row, referral)) {
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")?;
        }
        counts.took(row.referrals.len() as u64);
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
