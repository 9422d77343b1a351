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
