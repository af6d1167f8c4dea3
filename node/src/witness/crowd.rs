//! Who may be connected at once, so that nobody shuts the witness for others.
//!
//! There are so many places, and a share of them for each address: for IPv6 for each /64, since whoever has one address there
//! has all. A newcomer always gets a place while some connection has not yet said what it wants: the one that has been silent
//! for longest goes, where his own address has its share one of that address, else one of the address that holds the most
//! places. A call that was read is answered, whoever comes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::core::lock;

/// The connections that there are.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Most of them.
    most: usize,
    /// Most of one address.
    share: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// By their age: the smallest number is the oldest.
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    of: IpAddr,
    /// Ends it; `None` once its call was read.
    cut: Option<oneshot::Sender<()>>,
}

/// One of the places. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
}

impl Crowd {
    pub(super) fn new(most: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { most, share, open: Mutex::default() })
    }

    /// A place for whoever comes from there, and what tells that it is wanted for somebody else. `None` where every place
    /// that might be given up is that of a call that was read.
    pub(super) fn admit(self: &Arc<Self>, remote: IpAddr) -> Option<(Place, oneshot::Receiver<()>)> {
        let of = share_of(remote);
        let mut open = lock(&self.open);
        if open.connections.values().filter(|other| other.of == of).count() >= self.share {
            open.make_room(of)?;
        } else if open.connections.len() >= self.most {
            let most = open.most_waiting()?;
            open.make_room(most)?;
        }
        let number = open.next;
        open.next += 1;
        let (cut, wanted) = oneshot::channel();
        open.connections.insert(number, Connection { of, cut: Some(cut) });
        Some((Place { crowd: self.clone(), number }, wanted))
    }
}

impl Open {
    /// Ends the oldest connection of an address that has not said what it wants.
    fn make_room(&mut self, of: IpAddr) -> Option<()> {
        let mut waiting = self.connections.iter().filter(|(_, other)| other.of == of && other.cut.is_some());
        let number = *waiting.next()?.0;
        let cut = self.connections.remove(&number)?.cut?;
        // One that has just ended by itself has made room, too.
        let _ = cut.send(());
        Some(())
    }

    /// The address with the most connections that have not said what they want; of several the one that has waited for longest.
    fn most_waiting(&self) -> Option<IpAddr> {
        let mut counts: BTreeMap<IpAddr, (usize, Reverse<u64>)> = BTreeMap::new();
        for (number, other) in self.connections.iter().filter(|(_, other)| other.cut.is_some()) {
            counts.entry(other.of).or_insert((0, Reverse(*number))).0 += 1;
        }
        counts.into_iter().max_by_key(|(_, waiting)| *waiting).map(|(of, _)| of)
    }
}

impl Place {
    /// Its call was read: it is answered.
    pub(super) fn is_read(&self) {
        if let Some(connection) = lock(&self.crowd.open).connections.get_mut(&self.number) {
            connection.cut = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.crowd.open).connections.remove(&self.number);
    }
}

/// What shares places: an address, of IPv6 its /64; one of IPv4 that is written as IPv6 is itself.
fn share_of(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller_and_ipv4_is_the_same_in_either_writing() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(share_of(from(one)) == share_of(from(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn a_newcomer_gets_the_place_of_whoever_has_been_silent_longest() {
        let crowd = Crowd::new(6, 3);
        let mut places: Vec<_> =
            ["a::1", "a::2", "a::3", "b::1", "c::1", "c::2"].map(|of| crowd.admit(from(of)).unwrap()).into();
        let mut is_cut = |at: usize| places[at].1.try_recv().is_ok();
        // All places are taken, most of them by the first.
        let newcomer = crowd.admit(from("d::1")).unwrap();
        assert!(is_cut(0) && !is_cut(1));
        // Of two that hold as many, whoever has waited for longer.
        let another = crowd.admit(from("e::1")).unwrap();
        assert!(is_cut(1) && !is_cut(2) && !is_cut(4));
        // An address that has its share makes room itself.
        let more = [crowd.admit(from("c::3")).unwrap(), crowd.admit(from("c::4")).unwrap()];
        assert!(is_cut(4) && !is_cut(3));
        drop((newcomer, another, more));
    }

    #[test]
    fn a_call_that_was_read_keeps_its_place() {
        let crowd = Crowd::new(3, 2);
        let places = ["a::1", "a::2", "b::1"].map(|of| crowd.admit(from(of)).unwrap());
        places.iter().for_each(|(place, _)| place.is_read());
        assert!(crowd.admit(from("a::3")).is_none() && crowd.admit(from("c::1")).is_none());
        let [first, mut second, _third] = places;
        drop(first);
        let silent = crowd.admit(from("c::1")).unwrap();
        assert!(crowd.admit(from("d::1")).is_some(), "the silent one goes");
        assert!(second.1.try_recv().is_err());
        drop(silent);
    }
}
