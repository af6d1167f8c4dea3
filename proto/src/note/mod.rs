//! Signed notes and their keys (C2SP `signed-note`).
