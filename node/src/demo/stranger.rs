//! Somebody with a certificate that is none.

use std::fs;
use std::sync::Arc;

use entente_certs::authority::{Authority, Validity};
use entente_certs::identity::{Identity, Role};
use entente_certs::members::SharedMembers;
use entente_certs::tls::{Credentials, client_config};
use entente_proto::ids::{NetworkName, UnitId};
use entente_proto::wire;
use entente_proto::wire::peer_client::PeerClient;

use super::network::{NAME, Network, failed};
use crate::cli::CliError;
use crate::clock::{Clock as _, SystemClock};
use crate::home::Home;
use crate::membership;
use crate::net::{DialError, TlsTime, connect};

/// Dials NL (or else the last unit) as BE's node, with a certificate that FR's authority made.
pub(super) fn knocks(network: &Network) -> Result<String, CliError> {
    let name: NetworkName = NAME.parse().map_err(failed)?;
    let (be, fr): (UnitId, UnitId) = ("BE".parse().map_err(failed)?, "FR".parse().map_err(failed)?);
    let host =
        network.members().iter().rev().find(|member| member.unit != "FR").ok_or_else(|| failed("nobody is there"))?;
    let home = Home::at(&network.member("FR")?.home);
    // The stranger has FR's authority key, and makes a certificate for BE with it.
    let key = fs::read_to_string(home.ca_key()).map_err(failed)?;
    let certificate = fs::read_to_string(home.ca_certificate()).map_err(failed)?;
    let forger = Authority::load(&name, &fr, &certificate, &key).map_err(failed)?;
    let validity = Validity::days(SystemClock.now_ms(), 1).map_err(failed)?;
    let forged = forger.forge(&Identity { unit: be, role: Role::Node }, validity).map_err(failed)?;
    let credentials =
        Credentials::from_pem(forged.certificate_pem.as_bytes(), forged.key_pem.as_bytes()).map_err(failed)?;
    let charter = membership::load_charter(&home).map_err(failed)?;
    let members = membership::members(charter.terms(), &std::collections::BTreeSet::new()).map_err(failed)?;
    let expected = Identity { unit: host.unit.parse().map_err(failed)?, role: Role::Node };
    let time = Arc::new(TlsTime(Arc::new(SystemClock)));
    let tls = client_config(&credentials, SharedMembers::new(members), expected, time).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let answered = runtime.block_on(async {
        // In TLS 1.3 the client learns only from the first answer that it was turned away.
        let channel = connect(&host.address, tls).await?;
        let frames = tokio_stream::pending::<wire::Frame>();
        Ok(PeerClient::new(channel).sync(frames).await.map(drop))
    });
    match answered {
        Err(DialError::RefusedUs { .. }) => Ok(format!("{} turned it away", host.unit)),
        Err(error) => Err(failed(error)),
        Ok(answer) => Err(failed(format_args!("{} let it in: {answer:?}", host.unit))),
    }
}
