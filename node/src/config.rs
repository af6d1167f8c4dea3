//! `node.toml`: the settings of a node. Reading it names every fault at once, each with its key.

mod witness;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use entente_proto::audit::Payloads;
use entente_proto::charter::split_address;
use entente_proto::ids::{NetworkName, UnitId};
use toml::{Table, Value};

pub use witness::{Ask, TlsFiles, WitnessConfig};

use crate::publish::Address;

/// Largest `node.toml`, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// The settings of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `network`: the network's name.
    pub network: NetworkName,
    /// `unit`: the own unit.
    pub unit: UnitId,
    /// `listen`: where partners connect, `host:port`.
    pub listen: String,
    /// `api`: where the unit's own officers, operators and auditors connect, `host:port`; and where the command line calls.
    pub api: String,
    /// `officer`: whose certificate the command line shows where it is not told `--as`.
    pub officer: String,
    /// `peers.block`: units that this node neither dials nor lets in.
    pub blocked: BTreeSet<UnitId>,
    /// `approvals` and `[guard]`.
    pub desk: DeskConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[access]`.
    pub access: AccessConfig,
    /// `[witness]`.
    pub witness: WitnessConfig,
    /// `[publish]`; nothing is published unless it says where to.
    pub publish: Option<PublishConfig>,
}

/// `[publish]`: what is certified, brought to a place from which anybody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishConfig {
    /// `to`: a directory, as an absolute path or `file:///...`, or `s3://bucket/prefix`.
    pub to: Address,
    /// `endpoint`: where S3-compatible storage is reached, if it is not AWS: `https://...`.
    pub endpoint: Option<String>,
    /// `region`: the bucket's region.
    pub region: Option<String>,
    /// `allow_http`: whether the endpoint may be reached without TLS. No, unless set.
    pub allow_http: bool,
    /// `every_s`: how many seconds what is new waits at most, 1 to 86,400. 60 unless set.
    pub every_s: u64,
    /// `payloads`: `none`, unless set, withholds what records say; `all` shows it to whoever can read the place.
    pub payloads: Payloads,
}

/// `[access]`: the log of who called the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessConfig {
    /// `head_every_s`: how many seconds old a call is at most when the unit's log fixes the access log up to it, 1 to 3,600.
    /// 3,600 unless set.
    pub head_every_s: u64,
    /// `purpose`: whether whoever reads has to say why (`required`), or may (`optional`, unless set).
    pub purpose_needed: bool,
    /// `keep_days`: how many days after its end, as partners see it, an epoch of the access log is deleted, at most 36,500; 0,
    /// unless set, for never.
    pub keep_days: u32,
}

/// `approvals` and `[guard]`: what stands between an officer and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeskConfig {
    /// `approvals`: how many officers agree to every statement, 1 (unless set) or 2.
    pub approvals: u64,
    /// `guard.pages`: whether an address with a path, whose host is on a guard list, is refused (`refuse`, unless set), or
    /// passes with a notice (`notice`).
    pub pages_pass: bool,
}

/// `[log]`: what the node writes to its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// `format`: `text` (as it is unless set) or `json`.
    pub format: LogFormat,
    /// `level`: `error`, `warn`, `info` (as it is unless set), `debug` or `trace`.
    pub level: LogLevel,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

/// From which weight on a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are their own explanation")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `[store]`: how the database uses the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreConfig {
    /// `low_space_mib`: with less free space than this, in MiB, nothing is accepted any more. 256 unless set.
    pub low_space_mib: u64,
    /// `cache_mib`: the database's page cache, in MiB. 64 unless set.
    pub cache_mib: u64,
    /// `scrub_after_s`: how many seconds after a record was erased for good its bytes are taken off the disk, by rewriting
    /// the database; 1 to 3,600. 1,800 unless set: an hour is the limit, and the rewriting takes time too.
    pub scrub_after_s: u64,
}

/// `node.toml` is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The path.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
    /// It is not TOML, so that nothing more can be said.
    #[error("node.toml is not TOML: {0}")]
    Toml(String),
    /// Keys and values that do not hold: all of them.
    #[error("node.toml does not hold:{0}")]
    Faults(ConfigFaults),
}

/// Every fault of a `node.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

/// One fault of a `node.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The key, with its table: `store.cache_mib`.
    pub key: String,
    /// What is wrong with it.
    pub fault: String,
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|ConfigFault { key, fault }| write!(f, "\n  {key}: {fault}"))
    }
}

impl Config {
    /// Reads `node.toml`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let io = |source| ConfigError::Io { path: path.display().to_string(), source };
        let bytes = crate::files::read_bounded(path, BYTES_MAX).map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::Toml("it is not UTF-8".into()))?;
        Self::parse(&text)
    }

    /// Reads the text of a `node.toml`.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault there is.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ConfigError::Toml(format!("line {}: {}", before.matches('\n').count() + 1, error.message().trim()))
        })?;
        let mut faults = Vec::new();
        let mut top = Section { name: "", table, faults: &mut faults };
        let network = top.required("network", |text| text.parse::<NetworkName>().map_err(|e| e.to_string()));
        let unit = top.required("unit", |text| text.parse::<UnitId>().map_err(|e| e.to_string()));
        let listen = top.required("listen", address);
        let api = top.required("api", address);
        let officer = top.required("officer", |text| Ok(text.to_owned()));
        let approvals = top.number("approvals", "officers", 1, 1, 2);
        let [peers, guard, log, store, access, publish, witness] =
            ["peers", "guard", "log", "store", "access", "publish", "witness"].map(|name| top.section(name));
        top.end();

        let mut peers = Section { name: "peers.", table: peers, faults: &mut faults };
        let blocked = peers.units("block");
        peers.end();
        let mut section = Section { name: "guard.", table: guard, faults: &mut faults };
        let pages_pass = section.word("pages", &[("refuse", false), ("notice", true)], false);
        section.end();
        let desk = DeskConfig { approvals, pages_pass };
        let mut section = Section { name: "log.", table: log, faults: &mut faults };
        let log = LogConfig {
            format: section.word("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)], LogFormat::Text),
            level: section.word("level", &LEVELS, LogLevel::Info),
        };
        section.end();
        let mut section = Section { name: "store.", table: store, faults: &mut faults };
        let store = StoreConfig {
            low_space_mib: section.mebibytes("low_space_mib", 256, 16, 1 << 20),
            cache_mib: section.mebibytes("cache_mib", 64, 8, 1 << 20),
            scrub_after_s: section.number("scrub_after_s", "seconds", 1_800, 1, 3_600),
        };
        section.end();
        let mut section = Section { name: "access.", table: access, faults: &mut faults };
        let access = AccessConfig {
            head_every_s: section.number("head_every_s", "seconds", 3_600, 1, 3_600),
            purpose_needed: section.word("purpose", &[("optional", false), ("required", true)], false),
            keep_days: u32::try_from(section.number("keep_days", "days", 0, 0, 36_500)).unwrap_or_default(),
        };
        section.end();
        let witness = WitnessConfig::read(witness, &mut faults);

        let publish = Section { name: "publish.", table: publish, faults: &mut faults }.publish();

        if let Some(own) = unit.as_ref().filter(|unit| blocked.contains(unit)) {
            faults.push(ConfigFault { key: "peers.block".into(), fault: format!("{own} is this unit itself") });
        }
        match (network, unit, listen, api, officer) {
            (Some(network), Some(unit), Some(listen), Some(api), Some(officer)) if faults.is_empty() => {
                Ok(Self { network, unit, listen, api, officer, blocked, desk, log, store, access, publish, witness })
            }
            _ => Err(ConfigError::Faults(ConfigFaults(faults))),
        }
    }

    /// The `node.toml` that `init` writes: what must be said, and the rest as comments.
    #[must_use]
    pub fn template(network: &NetworkName, unit: &UnitId, listen: &str, api: &str, officer: &str) -> String {
        format!(
            r#"# The settings of this node. What begins with # shows what holds unless it is set.

network = "{network}"
unit = "{unit}"
listen = "{listen}"    # where partners connect
api = "{api}"    # where this unit's officers, operators and auditors connect
officer = "{officer}"    # whose certificate the command line shows unless told --as

# approvals = 1    # 2: every statement waits until a second officer countersigns it

[peers]
block = []    # units that are neither dialled nor let in, for emergencies

[guard]
# pages = "refuse"    # addresses with a path on a host of a guard list; "notice" lets them pass with a notice

[log]
# format = "text"    # or "json"
# level = "info"     # error, warn, info, debug, trace

[access]
# purpose = "optional"   # "required": whoever reads has to say why, with --purpose
# head_every_s = 3600    # so many seconds after a call, at most 3600, the unit's log fixes the access log up to it
# keep_days = 0          # so many days after its end (an epoch lasts 30 at most) an epoch of the access log is deleted,
#                        # if partners agree on the time; 0: never

[publish]
# to = "/srv/entente"    # what is certified is brought here, for any number of readers; or "s3://bucket/prefix"
# endpoint = "https://..."   # of S3-compatible storage; its credentials: AWS_ACCESS_KEY_ID and so on, or keys/publish.toml
# region = "eu-west-1"
# allow_http = false     # an endpoint without TLS
# every_s = 60           # so many seconds after something was certified
# payloads = "none"      # "all": what records say, too, for a place that only those can read who may know it

[witness]    # witnesses from outside (https://c2sp.org/tlog-witness): of this log, and this node of others' logs
# listen = "127.0.0.1:7450"    # sign for the logs of HOME/witness/logs, a public key a line; off unless set
# certificate = "tls.pem"      # https, with the key beside; without them plain http, for a proxy in front
# key = "keys/witness-tls.pem"
# per_address = 16             # so many are served at once from one address, 1 to 128; with a proxy in front 128
# every_s = 60                 # at most so often, 1 to 86400, the witnesses below are asked
# [[witness.ask]]              # one for each witness that is asked to sign this unit's log
# url = "https://witness.example/"
# vkey = "witness.example/w1+..."
# ca = "ca.pem"                # the authority of its https, if it is not a public one

[store]
# low_space_mib = 256    # with less free space than this nothing is accepted any more
# cache_mib = 64         # the database's page cache
# scrub_after_s = 1800   # so many seconds after an erasure, at most 3600, its bytes are taken off the disk
"#
        )
    }
}

const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

fn address(text: &str) -> Result<String, String> {
    let words = "is no address: a host name in lower case, an IPv4 address or an IPv6 address in brackets, then a colon \
                 and a port from 1 to 65535";
    split_address(text).map(|_| text.to_owned()).ok_or_else(|| format!("{text:?} {words}"))
}

/// A table of which each key is read once; what is wrong is noted, and reading goes on.
struct Section<'a> {
    /// The table's name with a dot, or nothing.
    name: &'static str,
    table: Table,
    faults: &'a mut Vec<ConfigFault>,
}

impl Section<'_> {
    fn fault(&mut self, key: &str, fault: impl Into<String>) {
        self.faults.push(ConfigFault { key: format!("{}{key}", self.name), fault: fault.into() });
    }

    fn required<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.table.remove(key) {
            Some(Value::String(text)) => read(&text),
            Some(_) => Err("must be a string".into()),
            None => Err("is missing".into()),
        };
        read.map_err(|fault| self.fault(key, fault)).ok()
    }

    /// `[publish]`, where it says anything.
    fn publish(mut self) -> Option<PublishConfig> {
        let given = !self.table.is_empty();
        let to = if given { self.required("to", Address::of_publication) } else { None };
        let endpoint = self.optional("endpoint");
        if endpoint.as_ref().is_some_and(|text| text.contains('@') || !text.starts_with("http")) {
            self.fault("endpoint", "must be https://HOST or http://HOST, without credentials");
        }
        let region = self.optional("region");
        let allow_http = self.flag("allow_http");
        let every_s = self.number("every_s", "seconds", 60, 1, 86_400);
        let payloads =
            self.word("payloads", &[("none", Payloads::Withheld), ("all", Payloads::All)], Payloads::Withheld);
        self.end();
        Some(PublishConfig { to: to?, endpoint, region, allow_http, every_s, payloads })
    }

    fn optional(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.fault(key, "must be a string that says something");
                None
            }
        }
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.table.remove(key) {
            None => false,
            Some(Value::Boolean(set)) => set,
            Some(_) => {
                self.fault(key, "must be true or false");
                false
            }
        }
    }

    fn section(&mut self, key: &str) -> Table {
        match self.table.remove(key) {
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.fault(key, format!("must be a table, [{key}]"));
                Table::new()
            }
            None => Table::new(),
        }
    }

    fn units(&mut self, key: &str) -> BTreeSet<UnitId> {
        let values = match self.table.remove(key) {
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.fault(key, "must be a list of unit ids");
                return BTreeSet::new();
            }
            None => return BTreeSet::new(),
        };
        let mut out = BTreeSet::new();
        for value in values {
            match value.as_str().map(str::parse::<UnitId>) {
                Some(Ok(unit)) => _ = out.insert(unit),
                Some(Err(error)) => self.fault(key, error.to_string()),
                None => self.fault(key, "must be a list of unit ids"),
            }
        }
        out
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(value) = self.table.remove(key) else { return default };
        let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        match found {
            Some((_, value)) => *value,
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.fault(key, format!("must be one of {}", known.join(", ")));
                default
            }
        }
    }

    fn mebibytes(&mut self, key: &str, default: u64, least: u64, most: u64) -> u64 {
        self.number(key, "MiB", default, least, most)
    }

    fn number(&mut self, key: &str, of: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(value) = self.table.remove(key) else { return default };
        let found = value.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| (least..=most).contains(n));
        found.unwrap_or_else(|| {
            self.fault(key, format!("must be a whole number of {of} from {least} to {most}"));
            default
        })
    }

    /// Whatever is left is unknown.
    fn end(mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            self.fault(key, "is not a setting that this release knows");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> String {
        let (network, unit) = ("takedown.example".parse().unwrap(), "BE".parse().unwrap());
        Config::template(&network, &unit, "127.0.0.1:7401", "127.0.0.1:7501", "officer")
    }

    fn faults(text: &str) -> Vec<String> {
        match Config::parse(text) {
            Err(ConfigError::Faults(faults)) => faults.0.into_iter().map(|fault| fault.key).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_template_holds_and_its_comments_tell_the_defaults() {
        let config = Config::parse(&template()).unwrap();
        assert_eq!((config.unit.as_str(), config.listen.as_str()), ("BE", "127.0.0.1:7401"));
        let spoken = template().replace("# format", "format").replace("# level", "level");
        let spoken = spoken.replace("# low", "low").replace("# cache", "cache").replace("# scrub", "scrub");
        let spoken = spoken.replace("# approvals", "approvals").replace("# pages", "pages");
        let spoken = spoken
            .replace("# purpose", "purpose")
            .replace("# head", "head")
            .replace("# every_s = 60                 #", "every_s = 60 #");
        assert_ne!(spoken, template());
        assert_eq!(config.publish, None);
        assert_eq!(Config::parse(&spoken).unwrap(), config);
    }

    #[test]
    fn settings_are_taken_over() {
        let text = template().replace("block = []", "block = [\"FR\", \"UK\"]");
        let text = format!("{text}cache_mib = 8\n").replace("[log]\n", "[log]\nformat = \"json\"\nlevel = \"debug\"\n");
        let text = text
            .replace("# purpose = \"optional\"", "purpose = \"required\"")
            .replace("# keep_days = 0", "keep_days = 400");
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.blocked.iter().map(UnitId::as_str).collect::<Vec<_>>(), ["FR", "UK"]);
        assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: LogLevel::Debug });
        assert_eq!(config.store, StoreConfig { low_space_mib: 256, cache_mib: 8, scrub_after_s: 1_800 });
        assert_eq!(config.access, AccessConfig { head_every_s: 3_600, purpose_needed: true, keep_days: 400 });
    }

    #[test]
    fn what_is_published_is_withheld_unless_all_is_asked_for() {
        let with = |lines: &str| Config::parse(&template().replace("[publish]\n", &format!("[publish]\n{lines}\n")));
        let spoken = template()
            .replace("# to =", "to =")
            .replace("# every_s =", "every_s =")
            .replace("# payloads =", "payloads =")
            .replace("# allow_http =", "allow_http =");
        let plain = with("to = \"/srv/entente\"").unwrap().publish.unwrap();
        assert_eq!(Config::parse(&spoken).unwrap().publish.as_ref(), Some(&plain), "the comments tell the defaults");
        assert_eq!((plain.payloads, plain.every_s, plain.allow_http), (Payloads::Withheld, 60, false));
        let all = "to = \"s3://bucket/a/b\"\nendpoint = \"http://127.0.0.1:9000\"\nregion = \"x\"\nallow_http = true\n\
                   every_s = 5\npayloads = \"all\"";
        let all = with(all).unwrap().publish.unwrap();
        assert_eq!((all.payloads, all.every_s, all.allow_http), (Payloads::All, 5, true));
        assert_eq!((all.to.to_string(), all.region.as_deref()), ("s3://bucket/a/b".to_owned(), Some("x")));

        let faulty = |lines: &str| faults(&template().replace("[publish]\n", &format!("[publish]\n{lines}\n")));
        assert_eq!(faulty("every_s = 5"), ["publish.to"]);
        for to in ["srv/entente", "https://example.org/x", "s3://", "ftp://x/y", "s3://b/../c", "file://host/x"] {
            assert_eq!(faulty(&format!("to = \"{to}\"")), ["publish.to"], "{to}");
        }
        let wrong = "to = \"/srv\"\nendpoint = \"https://key:secret@x\"\nevery_s = 0\npayloads = \"some\"\nallow_http = 1\nsecret = \"x\"";
        let keys = ["endpoint", "allow_http", "every_s", "payloads", "secret"].map(|key| format!("publish.{key}"));
        assert_eq!(faulty(wrong), keys);
    }

    #[test]
    fn every_fault_is_named_at_once_with_its_key() {
        let text = "network = \"A B\"\nlisten = 7\nofficer = \"o\"\nfuture = 1\npeers = 3\n\
                    [log]\nformat = \"xml\"\nlevl = \"info\"\n[store]\ncache_mib = -1\nlow_space_mib = \"1\"\nscrub_after_s = 3601\n\
                    [access]\nhead_every_s = 0\npurpose = \"no\"\nkeep_days = 36501\n";
        let expected = [
            "network",
            "unit",
            "listen",
            "api",
            "peers",
            "future",
            "log.format",
            "log.levl",
            "store.low_space_mib",
            "store.cache_mib",
            "store.scrub_after_s",
            "access.head_every_s",
            "access.purpose",
            "access.keep_days",
        ];
        assert_eq!(faults(text), expected);
        let words = Config::parse(text).unwrap_err().to_string();
        assert!(words.contains("\n  listen: must be a string\n") && words.contains("\n  api: is missing\n"), "{words}");
    }

    #[test]
    fn a_node_does_not_block_itself_nor_a_name_that_is_no_unit() {
        assert_eq!(faults(&template().replace("[]", "[\"BE\"]")), ["peers.block"]);
        assert_eq!(faults(&template().replace("[]", "[\"x\", 1]")), ["peers.block", "peers.block"]);
        assert_eq!(faults(&template().replace("[]", "\"FR\"")), ["peers.block"]);
    }

    #[test]
    fn addresses_have_hosts_and_ports() {
        assert_eq!(faults(&template().replace("127.0.0.1:7401", "127.0.0.1")), ["listen"]);
        assert_eq!(faults(&template().replace("127.0.0.1:7501", "Host:1")), ["api"]);
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_place() {
        assert!(matches!(Config::parse("a = 1\nb 2\n"), Err(ConfigError::Toml(words)) if words.contains("line 2")));
    }
}
