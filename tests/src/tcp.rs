//! The TCP connections of this machine, as its kernel knows them: a connection that was closed and opened again has another
//! port, so nobody can mistake it for the one before.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};

/// `ESTABLISHED` in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// The other ends of the connections that stand with whoever listens at an address (`127.x.y.z:PORT`).
#[must_use]
pub fn connections(address: &str) -> BTreeSet<SocketAddrV4> {
    let address: SocketAddrV4 = address.parse().unwrap();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let standing = fields.filter(|fields| fields[3] == ESTABLISHED && parse(fields[1]) == address);
    standing.map(|fields| parse(fields[2])).collect()
}

/// `0100007F:1D13`: the address as the machine keeps it in memory, and the port.
fn parse(text: &str) -> SocketAddrV4 {
    let (address, port) = text.split_once(':').unwrap();
    let address = u32::from_str_radix(address, 16).unwrap().to_ne_bytes();
    SocketAddrV4::new(Ipv4Addr::from(address), u16::from_str_radix(port, 16).unwrap())
}
