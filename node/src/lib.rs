//! # The Entente node and its command line
//!
//! The program `entente`. Read it in this order:
//!
//! | module | what it is |
//! |---|---|
//! | [`config`], [`home`], [`files`], [`membership`], [`signing`] | a node's home directory: settings, keys, charter, what it has signed and may sign |
//! | [`certificates`] | the node's certificate and others, taken up anew when their files change |
//! | [`clock`] | the time |
//! | `frames` | files of which a power loss can tear the end only |
//! | [`journal`] | what the node has put its name to |
//! | [`store`] | the database, which can be rebuilt |
//! | [`core`] | the threads that drive the protocol |
//! | [`list`] | the target list |
//! | [`access`] | who called the node, when and for what |
//! | [`net`] | listeners and dialler |
//! | [`admission`] | who is admitted now, and whose connections are cut |
//! | [`charters`] | the files of its charters, and of what came that does not count |
//! | [`peer`] | streams to partners |
//! | [`unit`](mod@unit) | the officers' API |
//! | [`publish`] | what is certified, brought to a place from which anybody reads it |
//! | [`witness`] | a witness for the logs of others, and the witnesses of the own |
//! | [`import`], [`export`] | files of targets, and the list in other formats |
//! | [`cli`] | the command line |
//! | [`backup`] | a copy of a node, and a node made of one |
//! | [`open`] | the files of a node that starts, and what takes the place of those that are lost |
//! | [`run`] | a node from its home directory to its end |
//! | [`demo`] | a whole network on one machine |

pub mod access;
pub mod admission;
pub mod backup;
pub mod certificates;
pub mod charters;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod demo;
pub mod export;
pub mod files;
mod frames;
pub mod guard;
pub mod home;
pub mod import;
pub mod journal;
pub mod list;
pub mod membership;
pub mod net;
pub mod open;
pub mod peer;
pub mod publish;
pub mod run;
pub mod signing;
pub mod store;
pub mod unit;
pub mod witness;

/// Ends the process at once: something failed after which nothing may be signed or acknowledged. Nothing is lost by it:
/// what was acknowledged is durable, and the next start puts the rest together.
pub(crate) fn fatal(why: &str) -> ! {
    tracing::error!(why, "the node stops at once");
    std::process::abort()
}
