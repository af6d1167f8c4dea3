//! The command line against a TLS end of the tests' own, with the files that `init` makes.

use std::path::{Path, PathBuf};

use clap::Parser;
use entente_certs::tls::server_config;
use entente_certs::verifier::{Admission, Admits};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::cli::submit::tests::Keeper;
use crate::cli::{Cli, dispatch};

struct Homes {
    dir: tempfile::TempDir,
}

impl Homes {
    /// Homes of two units, whose nodes are reached at the same address.
    async fn init(api: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let homes = Self { dir };
        for unit in ["BE", "FR"] {
            let home = homes.of(unit);
            let line =
                format!("init --network takedown.example --unit {unit} --name x --address 127.0.0.1:1 --api {api}");
            homes.call(&line, &home).await.unwrap();
        }
        homes
    }

    fn of(&self, unit: &str) -> PathBuf {
        self.dir.path().join(unit)
    }

    /// Runs a command as the program does.
    async fn call(&self, line: &str, home: &Path) -> Result<(), CliError> {
        let words = format!("entente {line} --home {}", home.display());
        let cli = Cli::try_parse_from(words.split(' ')).unwrap();
        spawn_blocking(move || dispatch(cli)).await.unwrap()
    }

    /// A TLS end with the certificate of a unit's node, which takes the people of a unit and hands them to the fake node.
    fn listen(&self, listener: TcpListener, certificate: &str, people: &str, fake: std::net::SocketAddr) {
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let home = Home::at(self.of(certificate));
        let credentials = pair::load(&home.node_certificate(), &home.node_key());
        let unit: UnitId = people.parse().unwrap();
        let authority = CertificateDer::from_pem_slice(&read(Home::at(self.of(people)).ca_certificate())).unwrap();
        let roots = [authority.to_vec()];
        let network = "takedown.example".parse().unwrap();
        let members = Members::new(network, [(unit.clone(), roots.as_slice())], BTreeSet::new()).unwrap();
        let admission = Admission::new(SharedMembers::new(members), Admits::People { of: unit });
        let time = Arc::new(TlsTime(Arc::new(SystemClock)));
        let acceptor = TlsAcceptor::from(server_config(&credentials.unwrap(), admission, time).unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut to = TcpStream::connect(fake).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut to).await;
                }
            }
        });
    }
}

/// What a command says when BE's command line finds the node of `certificate`, which takes the people of `people`.
async fn found(line: &str, certificate: &str, people: &str) -> (Result<(), CliError>, Keeper) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let homes = Homes::init(&listener.local_addr().unwrap().to_string()).await;
    let keeper = Keeper::start([]).await;
    homes.listen(listener, certificate, people, keeper.address());
    (homes.call(line, &homes.of("BE")).await, keeper)
}

#[tokio::test]
async fn an_officer_reaches_the_own_node() {
    let (said, keeper) = found("refer a.example b.example --category incites --json", "BE", "BE").await;
    said.unwrap();
    assert_eq!(keeper.targets().len(), 2);
}

#[tokio::test]
async fn one_refused_target_does_not_keep_the_others_back() {
    let (said, keeper) = found("refer a.example me@b.example c.example --category incites", "BE", "BE").await;
    assert!(matches!(said, Err(CliError::SomeRefused { refused: 1, of: 3 })), "{said:?}");
    assert_eq!(keeper.targets().into_keys().collect::<Vec<_>>(), ["a.example", "c.example"]);
}

#[tokio::test]
async fn a_record_that_is_not_known_is_not_found() {
    let (said, _) = found("show BE/7", "BE", "BE").await;
    assert_eq!(said.unwrap_err().code(), 1);
}

#[tokio::test]
async fn whoever_is_not_the_own_node_does_not_verify() {
    let (said, keeper) = found("refer a.example --category incites", "FR", "BE").await;
    assert!(matches!(said, Err(CliError::Verification(_))), "{said:?}");
    assert_eq!(keeper.targets().len(), 0);
}

#[tokio::test]
async fn an_officer_whom_the_node_turns_away_is_told_so() {
    let (said, _) = found("status", "BE", "FR").await;
    assert!(matches!(&said, Err(CliError::Refused(words)) if words.contains("certificate")), "{said:?}");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let homes = Homes::init(&listener.local_addr().unwrap().to_string()).await;
    drop(listener);
    for line in ["status", "list", "check a.example", "watch", "withdraw BE/0 --reason x", "show BE/0"] {
        let said = homes.call(line, &homes.of("BE")).await;
        assert!(
            matches!(&said, Err(CliError::Unreachable(words)) if words.contains("entente run")),
            "{line}: {said:?}"
        );
    }
}

#[tokio::test]
async fn an_officer_s_name_cannot_lead_out_of_the_home_directory() {
    let homes = Homes::init("127.0.0.1:1").await;
    let at = |line: &'static str| homes.call(line, Path::new("/dev/null"));
    assert_eq!(at("status").await.unwrap_err().code(), 1, "no home directory");
    let said = homes.call("status --as ../../x", &homes.of("BE")).await;
    assert_eq!(said.unwrap_err().code(), 2);
    let said = homes.call("status --as nobody", &homes.of("BE")).await;
    assert!(matches!(&said, Err(CliError::Refused(words)) if words.contains("--as")), "{said:?}");
}
