//! Lines about what their author took back: the officer has to know which records of the own unit rest on it.

use entente_proto::wire::CheckRequest;

use crate::cli::client::{Node, misfit};
use crate::cli::error::CliError;
use crate::cli::words::{plain, record_id};
use crate::import::Fault;

/// Most targets of one call.
const TARGETS: usize = 500;

/// Adds to what was taken back by which record the unit still refers it.
pub(super) async fn name_own(node: &Node, faults: impl Iterator<Item = &mut Fault>) -> Result<(), CliError> {
    let mut faults: Vec<&mut Fault> = faults.filter(|fault| fault.taken_back.is_some()).collect();
    for faults in faults.chunks_mut(TARGETS) {
        let inputs: Vec<String> = faults.iter().filter_map(|fault| fault.taken_back.clone()).collect();
        let request = CheckRequest { inputs, likeness: None };
        let checked = node.client().check(node.request(request)).await?.into_inner().checked;
        if checked.len() != faults.len() {
            return Err(misfit("it has not one answer for each input"));
        }
        for (fault, checked) in faults.iter_mut().zip(checked) {
            if let Some(id) = checked.own.as_ref().map(record_id) {
                let words = format!(
                    "; {id} of this unit still refers {}: if it rests on this, entente withdraw {id} --reason ...",
                    plain(&checked.target)
                );
                fault.reason.push_str(&words);
            }
        }
    }
    Ok(())
}
