//! How a command ends badly: the exit codes of `design.md` section 11 and the words beside them.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use tonic::{Code, Status};

/// Why a command did not do what it was asked. Its words say what to do next; they go to stderr.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Refused or not found: exit code 1.
    #[error("{0}")]
    Refused(String),
    /// Some statements were refused, each with its words, and the others are done: exit code 1.
    #[error("{refused} of {of} were refused; the others are done")]
    SomeRefused {
        /// How many were.
        refused: u64,
        /// Of how many.
        of: u64,
    },
    /// Called wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The node cannot be reached, or went away: exit code 3.
    #[error("{0}")]
    Unreachable(String),
    /// Something did not verify: exit code 4.
    #[error("{0}")]
    Verification(String),
    /// Whoever read stdout has gone: nothing is left to say, and nobody to say it to.
    #[error("stdout was closed")]
    ClosedPipe,
}

impl CliError {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Refused(_) | Self::SomeRefused { .. } => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Verification(_) => 4,
        }
    }

    /// Whether there is something left to say when the command ends.
    pub(crate) const fn is_silent(&self) -> bool {
        matches!(self, Self::ClosedPipe | Self::SomeRefused { of: 1, .. })
    }

    /// The fault of a file that was named on the command line or belongs to the home directory.
    pub(crate) fn file(path: &std::path::Path, doing: &str, fault: &io::Error) -> Self {
        Self::Refused(format!("cannot {doing} {}: {fault}", path.display()))
    }
}

impl From<&CliError> for ExitCode {
    fn from(error: &CliError) -> Self {
        Self::from(error.code())
    }
}

/// The one place where an answer of the node that is an error turns into an exit code and words.
impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        let said = match status.message() {
            "" => status.code().description().to_owned(),
            message => super::words::plain(message),
        };
        match status.code() {
            _ if lost(&status) => Self::Unreachable(format!(
                "the connection to the node was lost ({}): look whether it runs (entente status), then call again",
                causes(&status)
            )),
            Code::DeadlineExceeded => Self::Unreachable(
                "the node did not answer in time: call again, with a longer --timeout if the network is slow"
                    .to_owned(),
            ),
            Code::Unavailable => Self::Unreachable(format!("the node cannot answer now: {said}")),
            Code::ResourceExhausted => Self::Refused(format!("the node is at a limit: {said}")),
            Code::Unauthenticated | Code::PermissionDenied => Self::Refused(format!(
                "the node does not allow this certificate to do that: {said} (--as NAME takes another one)"
            )),
            Code::Unimplemented => Self::Refused(format!("the node is of a release that cannot do that: {said}")),
            Code::Internal | Code::Unknown | Code::DataLoss => {
                Self::Refused(format!("the node failed: {said} (its log says more)"))
            }
            _ => Self::Refused(said),
        }
    }
}

/// Whether the status was made on this side because the connection broke: then nobody knows what the node did.
pub(crate) fn lost(status: &Status) -> bool {
    status.source().is_some() && status.code() != Code::DeadlineExceeded && status.code() != Code::OutOfRange
}

/// Whether calling again with the same submission ids may help.
pub(crate) fn passing(status: &Status) -> bool {
    lost(status)
        || matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted | Code::Cancelled
        )
}

/// An error with what lies beneath it, in one line, each part once.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(this) = next {
        let text = match this.downcast_ref::<Status>() {
            Some(status) => status.message().to_owned(),
            None => this.to_string(),
        };
        if !text.is_empty() && !words.iter().any(|before| before.contains(&text)) {
            words.push(text);
        }
        next = this.source();
    }
    super::words::plain(&words.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_has_its_exit_code() {
        let code = |status: Status| CliError::from(status).code();
        assert_eq!(code(Status::not_found("no such record")), 1);
        assert_eq!(code(Status::invalid_argument("no target")), 1);
        assert_eq!(code(Status::permission_denied("auditors read only")), 1);
        assert_eq!(code(Status::unavailable("shutting down")), 3);
        assert_eq!(code(Status::deadline_exceeded("")), 3);
        assert_eq!(CliError::Verification(String::new()).code(), 4);
        assert_eq!(CliError::Usage(String::new()).code(), 2);
        assert_eq!(CliError::ClosedPipe.code(), 0);
    }

    #[test]
    fn a_broken_connection_is_told_from_a_refusal() {
        let broken = Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)));
        assert!(lost(&broken) && passing(&broken));
        assert_eq!(CliError::from(broken).code(), 3);
        assert!(!passing(&Status::invalid_argument("no target")));
        assert!(passing(&Status::resource_exhausted("too many calls")));
    }
}
