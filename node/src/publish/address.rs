//! What a place is called.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a publication is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A directory: a path, or `file:///...`.
    Directory(PathBuf),
    /// `s3://bucket/prefix`; the prefix may be empty.
    Bucket {
        /// The bucket.
        bucket: String,
        /// What all names in it begin with, without a slash at the end.
        prefix: String,
    },
    /// `https://...` or `http://...`, to be read only; without a slash at the end.
    Web(String),
}

/// An address is of none of the forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place: a directory, file:///..., s3://BUCKET/PREFIX or https://...{1}")]
pub struct AddressError(String, &'static str);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fault = |why| AddressError(text.to_owned(), why);
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(fault("")) } else { Ok(Self::Directory(text.into())) };
        };
        let rest = rest.trim_end_matches('/');
        match scheme {
            "file" if rest.starts_with('/') && !rest.contains('%') => Ok(Self::Directory(rest.into())),
            "file" => Err(fault("; after file:// comes a path that begins with / and has no %")),
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
                let whole = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
                if whole(bucket) && (prefix.is_empty() || prefix.split('/').all(whole)) {
                    return Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() });
                }
                Err(fault("; bucket and prefix have letters, digits, dots, hyphens and underscores"))
            }
            // What a name and a password stand in is shown in too many places.
            "http" | "https" if rest.contains(['@', '?', '#']) => Err(fault("; without credentials, ? and #")),
            "http" | "https" if !rest.is_empty() => Ok(Self::Web(format!("{scheme}://{rest}"))),
            _ => Err(fault("")),
        }
    }
}

impl Address {
    /// One that can be written to, by a process that may run anywhere.
    pub(crate) fn of_publication(text: &str) -> Result<Self, String> {
        match text.parse::<Self>().map_err(|error| error.to_string())? {
            Self::Directory(path) if !path.is_absolute() => Err(format!("{text:?} must begin with /")),
            Self::Web(_) => Err(format!("{text:?} can only be read: name a directory, or s3://BUCKET/PREFIX")),
            found => Ok(found),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Web(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_of_four_forms() {
        for (text, shown) in [
            ("/srv/entente", "/srv/entente"),
            ("published", "published"),
            ("file:///srv/entente/", "/srv/entente"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("https://audit.example/be/", "https://audit.example/be"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in ["", "file://host/x", "file://", "s3://", "s3://b//c", "s3://b/..", "https://", "gs://b/c"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert!("https://name:password@audit.example".parse::<Address>().is_err());
    }
}
