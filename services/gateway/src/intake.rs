//! The RPCs of the intake: dead letters and statistics.
