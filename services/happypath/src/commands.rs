//! The commands, one file each: arguments, and what to do.

pub(crate) mod activations;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod contexts;
pub(crate) mod customer;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod flow;
pub(crate) mod get;
pub(crate) mod happy_path;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod map;
pub(crate) mod partitions;
pub(crate) mod quarantine;
pub(crate) mod rebuild;
pub(crate) mod secrets;
pub(crate) mod segments;
pub(crate) mod status;
pub(crate) mod track;
