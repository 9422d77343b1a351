//! The syntax tree: nodes in an arena, so that dropping a tree does not recurse.

/// A node's place in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) usize);

/// A syntax tree.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// One node and the bytes of the source it covers.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) end: usize,
    /// 1 for a leaf, one more than its deepest child otherwise.
    pub(crate) depth: usize,
    pub(crate) kind: Syntax,
}

/// One step of a path into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the value of a key of an object.
    Field(Box<str>),
    /// To an element of a list, from 0.
    Place(u32),
}

/// The language that a source is written in: they share their syntax but for paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A condition about a customer.
    Condition,
    /// A formula over a document.
    Formula,
}

impl Dialect {
    /// The name whose fields examples in messages are of.
    pub(crate) const fn root(self) -> &'static str {
        match self {
            Self::Condition => "event",
            Self::Formula => "item",
        }
    }

    /// The remedy for a source that is too large.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Condition => "move some into segments of their own and use segments.has(…)",
            Self::Formula => "have the sender send it in a simpler form",
        }
    }
}

/// The kind of a node, with its operands.
#[derive(Debug)]
pub(crate) enum Syntax {
    /// A mistake that was reported.
    Error,
    Bool(bool),
    Number(f64),
    /// A whole number that no double holds.
    Whole(i128),
    Text(Box<str>),
    List(Vec<NodeId>),
    /// `root` or `root.rest`, where `rest` may have dots.
    Path {
        root: Box<str>,
        rest: Option<String>,
    },
    /// `root` with its steps, such as `item.contacts[0].id`: in formulas, where [`Self::Path`] is
    /// not made.
    Walk {
        root: Box<str>,
        steps: Vec<Step>,
    },
    /// `operand[0]`, where the operand is no path: in formulas.
    Element {
        of: NodeId,
        place: u32,
    },
    /// `name(arguments)` or `receiver.name(arguments)`.
    Call {
        receiver: Option<NodeId>,
        name: Box<str>,
        name_at: usize,
        arguments: Vec<NodeId>,
    },
    Not(NodeId),
    Negative(NodeId),
    /// A chain of `&&`.
    All(Vec<NodeId>),
    /// A chain of `||`.
    Any(Vec<NodeId>),
    /// A comparison, `in`, or arithmetic.
    Binary {
        operator: &'static str,
        operator_at: usize,
        left: NodeId,
        right: NodeId,
    },
    Choice {
        condition: NodeId,
        yes: NodeId,
        no: NodeId,
    },
}

impl Tree {
    /// The node of an id.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The node of an id.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }
}
