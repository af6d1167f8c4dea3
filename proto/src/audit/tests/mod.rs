//! Each thing that verifying looks at has its fault here; `mutations` alters everything else.

mod faults;
mod mutations;
mod offer;
mod oracle;
mod past;
mod seen_before;
mod withheld;
mod witnesses;
mod world;
