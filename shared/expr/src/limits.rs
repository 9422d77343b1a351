//! Limits of expressions, each with its reason. Together they bound the work that hostile text can
//! cause.

/// Bytes of a source: long conditions belong in nested segments.
pub const SOURCE_BYTES: usize = 4 * 1024;
/// Nodes of a syntax tree: evaluation visits each at most once.
pub const NODES: usize = 500;
/// Levels of a syntax tree: parser, checker and evaluator recurse this far, and must fit a small
/// stack.
pub const DEPTH: usize = 32;
/// Literals in one list.
pub const LIST_LITERALS: usize = 200;
/// Bytes of a regular expression.
pub const PATTERN_BYTES: usize = 256;
/// Bytes of a compiled regular expression: matching takes time in proportion to it and to the text.
pub const PATTERN_PROGRAM_BYTES: usize = 16 * 1024;
/// Levels of a regular expression, for the stack's sake.
pub const PATTERN_DEPTH: u32 = 16;
/// Mistakes reported of one source: who fixes twenty sees the rest.
pub const MISTAKES: usize = 20;
/// Instants tried in the search for the next change before the caller is asked to look again at the
/// last of them.
pub const LOOKS: usize = 8;
/// Instants tried in the search for the exact next change, for explanations.
pub const EXACT_LOOKS: usize = 4_096;
/// Steps of a path into a document: each reads a level of it, and levels may be as long as the
/// document.
pub const STEPS: usize = 32;
/// Values of a document that formulas reach: each takes 72 bytes, and a post has 10,000 things.
pub const VALUES: usize = 50_000;
/// Bytes of a text that a formula works with or makes: as many as any event may have, eight times.
/// A longer one can be taken whole, and is unknown to functions and operators.
pub const WORKED_BYTES: usize = 8 * kernel::limits::EVENT_BYTES;
/// Work that formulas do with one set of inputs: each part that is evaluated and each byte and
/// element that is looked at is one. It takes some 20 ms; what lies beyond is unknown.
pub const WORK: u64 = 8 * 1024 * 1024;
