//! Nodes in memory: the whole protocol without disk, socket or clock, in an order drawn from a seed.

mod bases;
mod branches;
mod charters;
mod clocks;
mod eras;
mod erasure;
mod forks;
mod hostile;
mod kept;
mod network;
mod recovery;
mod repair;
mod world;
