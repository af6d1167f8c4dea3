//! Names to block: a response policy zone for BIND and others (`draft-vixie-dnsop-dns-rpz`), and a hosts file.
//!
//! The serial of a zone is the number of certified entries of all logs, modulo 2^32: it grows with every change of the
//! list, a withdrawal too, and is the same at every unit with the same list (RFC 1982 has its arithmetic). The highest
//! time of a statement in the list would fall back when that statement is withdrawn, and secondaries would keep the name.

use std::io::{self, Write};

use entente_proto::wire::ListedRow;

use super::names::blockable;
use super::{Counts, Heading, Sheet};

/// Longest name on the wire, in bytes (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// A response policy zone.
pub(super) struct Zone<'a> {
    heading: &'a Heading,
    out: Box<dyn Write + 'a>,
}

impl<'a> Zone<'a> {
    pub(super) fn begin(heading: &'a Heading, mut out: Box<dyn Write + 'a>) -> io::Result<Self> {
        let Heading { network, zone, .. } = heading;
        let serial = heading.entries & u64::from(u32::MAX);
        writeln!(
            out,
            "; Domains referred in {network}. For a zone with a response policy; not to be served to anybody."
        )?;
        writeln!(out, "$TTL 300")?;
        writeln!(out, "$ORIGIN {zone}.")?;
        writeln!(out, "@ IN SOA localhost. hostmaster.localhost. {serial} 3600 600 604800 300")?;
        writeln!(out, "@ IN NS localhost.")?;
        Ok(Self { heading, out })
    }
}

impl Sheet for Zone<'_> {
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()> {
        let name = match blockable(row, &self.heading.held) {
            Ok(name) => name,
            Err(reason) => {
                counts.left(reason);
                return Ok(());
            }
        };
        // Each label has a byte of length before it, the root has one, and a wildcard is a label of one.
        let wildcard = if name.below { 2 } else { 0 };
        if name.name.len().saturating_add(self.heading.zone.len()).saturating_add(wildcard + 3) > NAME_BYTES_MAX {
            counts.left("too long a name for the zone");
            return Ok(());
        }
        writeln!(self.out, "{} IN CNAME .", name.name)?;
        if name.below {
            writeln!(self.out, "*.{} IN CNAME .", name.name)?;
        }
        counts.took(1);
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}

/// A hosts file. It knows no names below a name.
pub(super) struct Hosts<'a> {
    heading: &'a Heading,
    out: Box<dyn Write + 'a>,
}

impl<'a> Hosts<'a> {
    pub(super) fn begin(heading: &'a Heading, mut out: Box<dyn Write + 'a>) -> io::Result<Self> {
        writeln!(out, "# Domains referred in {}, without the names under them.", heading.network)?;
        Ok(Self { heading, out })
    }
}

impl Sheet for Hosts<'_> {
    fn row(&mut self, row: &ListedRow, counts: &mut Counts) -> io::Result<()> {
        match blockable(row, &self.heading.held) {
            Ok(name) => {
                writeln!(self.out, "0.0.0.0 {}", name.name)?;
                counts.took(1);
            }
            Err(reason) => counts.left(reason),
        }
        Ok(())
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
