//! Questions about the list.
//!
//! | file | answers |
//! |---|---|
//! | `list` | which rows there are |
//! | `show` | the story of a target or record |
//! | `family` | which targets belong together |
//! | `late` | what is overdue, at a moment |
//! | `operation` | which operations there are, and their boards |
//! | `check` | whether something is on the list, or stands below something that is |
//! | `watch` | what changes |

mod check;
mod family;
mod late;
mod list;
mod operation;
mod show;
mod watch;

use entente_proto::record::{self, Target};
use entente_proto::wire;

pub(super) use self::check::check;
pub(super) use self::list::{Filter, Pages};
pub(super) use self::operation::{operation, operations};
pub(super) use self::show::{show, shown};
pub(super) use self::watch::follow;
use super::withheld::Withheld;
use super::words::record_ref;
use crate::core::Core;
use crate::list::{ListError, State, Stored};

fn listed_row(core: &Core, state: &State, withheld: &Withheld, target: &Target) -> Result<wire::ListedRow, ListError> {
    let mut certified = state.fold.row(target, &Stored(&*core.store))?;
    if let Some(row) = &mut certified {
        withheld.strip(row);
    }
    let mut pending = Vec::new();
    for id in state.pending.about(target) {
        let Some(entry) = core.store.entry(&id.unit, id.index)? else { continue };
        let statement = entry.payload().and_then(|payload| record::parse(entry.header().kind, payload).ok());
        pending.push(wire::Pending {
            id: Some(record_ref(id)),
            time_ms: entry.header().time_ms,
            record: statement.map(record::Statement::into_record),
        });
    }
    let row = certified.unwrap_or_else(|| wire::Row { target: target.to_string(), ..Default::default() });
    Ok(wire::ListedRow { row: Some(row), pending, ..wire::ListedRow::default() })
}
