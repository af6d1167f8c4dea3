//! What statements are about: arguments, or with `--from` the lines of a file or of stdin.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::error::CliError;
use crate::import::fields::Fields;
use crate::import::{Fault, Format, ImportError, Item, Reader};

/// One thing to make a statement about.
#[derive(Debug)]
pub(crate) struct Input {
    /// What to call it in messages: itself, or its line.
    pub(crate) name: String,
    /// It.
    pub(crate) content: Result<Item, Fault>,
}

/// Arguments and, behind them, the lines of a file.
pub(crate) fn inputs(
    arguments: Vec<String>,
    from: Option<&str>,
    format: Option<Format>,
) -> Result<impl Iterator<Item = Result<Input, CliError>>, CliError> {
    let lines = from.map(|from| Reader::new(BufReader::new(open(from)?), format).map_err(|e| unreadable(from, &e)));
    let name = from.unwrap_or_default().to_owned();
    let arguments = arguments
        .into_iter()
        .map(|target| Ok(Input { name: target.clone(), content: Ok(Item::new(target, Fields::default())) }));
    let lines = lines.transpose()?.into_iter().flatten().map(move |line| {
        let line = line.map_err(|e| unreadable(&name, &e.into()))?;
        Ok(Input { name: line.place().to_string(), content: line.content })
    });
    Ok(arguments.chain(lines))
}

/// A file, or stdin for `-`.
pub(crate) fn open(name: &str) -> Result<Box<dyn Read + Send>, CliError> {
    if name == "-" {
        return Ok(Box::new(io::stdin()));
    }
    let path = Path::new(name);
    Ok(Box::new(File::open(path).map_err(|e| CliError::file(path, "open", &e))?))
}

/// A file that cannot be read to its end, or not at all.
pub(crate) fn unreadable(name: &str, error: &ImportError) -> CliError {
    CliError::Refused(format!("{}: {error}", if name == "-" { "stdin" } else { name }))
}
