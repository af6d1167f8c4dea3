//! Checkpoints (C2SP `tlog-checkpoint`).
