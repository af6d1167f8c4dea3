//! Cosignatures (C2SP `tlog-cosignature`).
