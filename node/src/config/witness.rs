//! `[witness]`: the node as a witness for others, and the witnesses that it asks.

use std::path::PathBuf;

use entente_proto::note::{Algorithm, VerifierKey};
use reqwest::Url;
use toml::{Table, Value};

use super::{ConfigFault, Section, address};

/// Most witnesses that are asked.
const ASKED_MAX: usize = 64;

/// `[witness]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessConfig {
    /// `listen`: where others ask, `host:port`; nobody can unless it is set.
    pub listen: Option<String>,
    /// `certificate` and `key`: with them the listener speaks https, else plain http.
    pub tls: Option<TlsFiles>,
    /// `per_address`: so many connections from one address are served at once; of IPv6 a /64 is one. 16 unless set; where a
    /// proxy in front makes all come from one address, 128, which is all.
    pub per_address: usize,
    /// `every_s`: so many seconds lie between two calls to a witness at least. 60 unless set.
    pub every_s: u64,
    /// `[[witness.ask]]`.
    pub ask: Vec<Ask>,
}

/// A certificate and its key, PEM; paths as written, from the home directory on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `certificate`: the chain, the own one first.
    pub certificate: PathBuf,
    /// `key`: readable by its owner alone.
    pub key: PathBuf,
}

/// `[[witness.ask]]`: a witness that is asked to cosign the own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// `url`: its submission prefix.
    pub url: Url,
    /// `vkey`: its key.
    pub vkey: VerifierKey,
    /// `ca`: a file with the certificate of its https's authority, PEM, beside those that the system trusts.
    pub ca: Option<PathBuf>,
}

impl WitnessConfig {
    pub(super) fn read(table: Table, faults: &mut Vec<ConfigFault>) -> Self {
        let mut section = Section { name: "witness.", table, faults };
        let listen = section.read_if_set("listen", address);
        let path = |text: &str| if text.is_empty() { Err("is empty".into()) } else { Ok(PathBuf::from(text)) };
        let files = (section.read_if_set("certificate", path), section.read_if_set("key", path));
        let per_address = section.number("per_address", "connections", 16, 1, 128);
        let per_address = usize::try_from(per_address).unwrap_or(usize::MAX);
        let every_s = section.number("every_s", "seconds", 60, 1, 86_400);
        let tables = section.tables("ask");
        let tls = match files {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                section.fault("key", "is missing: https needs the certificate's key as well");
                None
            }
            (None, Some(_)) => {
                section.fault("certificate", "is missing: https needs the key's certificate as well");
                None
            }
        };
        section.end();
        let mut ask: Vec<Ask> = Vec::new();
        for table in tables {
            let mut one = Section { name: "witness.ask.", table, faults };
            let (url, vkey) = (one.required("url", url), one.required("vkey", vkey));
            let ca = one.read_if_set("ca", path);
            if vkey.as_ref().is_some_and(|key| ask.iter().any(|other| other.vkey.id() == key.id())) {
                one.fault("vkey", "stands there twice, or another witness's has the same key id");
            }
            one.end();
            ask.extend(url.zip(vkey).map(|(url, vkey)| Ask { url, vkey, ca }));
        }
        if ask.len() > ASKED_MAX {
            faults.push(ConfigFault {
                key: "witness.ask".into(),
                fault: format!("names more than {ASKED_MAX} witnesses"),
            });
        }
        Self { listen, tls, per_address, every_s, ask }
    }
}

fn url(text: &str) -> Result<Url, String> {
    let words =
        "is no prefix for calls, such as https://witness.example/: http or https, without user, query and fragment";
    let read = Url::parse(text).map_err(|error| format!("{words} ({error})"))?;
    let plain = read.username().is_empty() && read.password().is_none() && read.query().is_none();
    let whole = matches!(read.scheme(), "http" | "https") && read.has_host() && read.fragment().is_none();
    if plain && whole { Ok(read) } else { Err(words.into()) }
}

fn vkey(text: &str) -> Result<VerifierKey, String> {
    let key: VerifierKey = text.parse().map_err(|error: entente_proto::note::KeyError| error.to_string())?;
    match key.algorithm() {
        Algorithm::Cosignature => Ok(key),
        Algorithm::Ed25519 => Err("is a log's key; a witness's makes cosignatures (its base64 begins with B)".into()),
    }
}

impl Section<'_> {
    fn read_if_set<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if self.table.contains_key(key) { self.required(key, read) } else { None }
    }

    fn tables(&mut self, key: &str) -> Vec<Table> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let tables = match value {
            Value::Array(values) => values.into_iter().map(Value::try_into).collect::<Result<_, _>>().ok(),
            _ => None,
        };
        tables.unwrap_or_else(|| {
            self.fault(key, format!("must be tables, [[{}{key}]]", self.name));
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "takedown.example/FR/mirror+08ee9e26+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
    const LOG: &str = "takedown.example/BE+bcf4e567+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

    fn read(text: &str) -> Result<WitnessConfig, Vec<String>> {
        let mut faults = Vec::new();
        let config = WitnessConfig::read(toml::from_str(text).unwrap(), &mut faults);
        if faults.is_empty() { Ok(config) } else { Err(faults.into_iter().map(|fault| fault.key).collect()) }
    }

    #[test]
    fn nothing_is_on_unless_it_is_set() {
        let nothing = WitnessConfig { listen: None, tls: None, per_address: 16, every_s: 60, ask: Vec::new() };
        assert_eq!(read(""), Ok(nothing));
    }

    #[test]
    fn settings_are_taken_over() {
        let text = format!(
            "listen = \"127.0.0.1:7450\"\ncertificate = \"a\"\nkey = \"b\"\nper_address = 128\nevery_s = 1\n\
             [[ask]]\nurl = \"https://w.example/prefix\"\nvkey = \"{VKEY}\"\nca = \"c\""
        );
        let config = read(&text).unwrap();
        assert_eq!((config.listen.as_deref(), config.per_address, config.every_s), (Some("127.0.0.1:7450"), 128, 1));
        assert_eq!(config.tls, Some(TlsFiles { certificate: "a".into(), key: "b".into() }));
        let ask = &config.ask[0];
        assert_eq!(
            (ask.url.as_str(), ask.vkey.to_string(), &ask.ca),
            ("https://w.example/prefix", VKEY.into(), &Some("c".into()))
        );
    }

    #[test]
    fn every_fault_is_named() {
        let ask = |url: &str, vkey: &str| format!("[[ask]]\nurl = \"{url}\"\nvkey = \"{vkey}\"\n");
        for (text, keys) in [
            ("listen = 7".to_owned(), &["witness.listen"][..]),
            ("certificate = \"a\"".into(), &["witness.key"]),
            ("key = \"a\"".into(), &["witness.certificate"]),
            ("every_s = 0\nmore = 1".into(), &["witness.every_s", "witness.more"]),
            ("per_address = 129".into(), &["witness.per_address"]),
            ("ask = 1".into(), &["witness.ask"]),
            ("[[ask]]\nurl = \"https://w.example\"".into(), &["witness.ask.vkey"]),
            (ask("ftp://w.example", LOG), &["witness.ask.url", "witness.ask.vkey"]),
            (ask("https://me@w.example", VKEY), &["witness.ask.url"]),
            (ask("https://w.example/?a", VKEY), &["witness.ask.url"]),
            ([ask("https://w.example", VKEY), ask("https://v.example", VKEY)].concat(), &["witness.ask.vkey"]),
        ] {
            assert_eq!(read(&text).unwrap_err(), keys, "{text}");
        }
    }
}
