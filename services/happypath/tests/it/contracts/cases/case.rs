//! The case of one RPC, and the kinds of cases that there are.

use tonic::Code;

/// One RPC.
pub(crate) struct Case {
    /// Its service and name.
    pub(crate) method: &'static str,
    /// A right request as JSON: `$ID` is a new id, `$0` the customer of the first of
    /// [`super::EVENTS`], `$4` the first of [`super::ACCOUNTS`], and `$MEMBERSHIP` and `$GROUP`
    /// what `before` answered with.
    pub(crate) right: &'static str,
    /// The answer to a right request.
    pub(crate) code: Code,
    /// The answer to a request without any field.
    pub(crate) empty: Code,
    /// The same RPC with another body, for those with a request id.
    pub(crate) other: Option<&'static str>,
    /// An RPC that must be called before each right request, and its request.
    pub(crate) before: Option<(&'static str, &'static str)>,
    /// Items that there are at the least, for those with pages.
    pub(crate) items: usize,
}

/// A read that is right, and wrong without its fields.
pub(super) const fn read(method: &'static str, right: &'static str) -> Case {
    Case {
        method,
        right,
        code: Code::Ok,
        empty: Code::InvalidArgument,
        other: None,
        before: None,
        items: 0,
    }
}

/// A read that needs no field.
pub(super) const fn read_all(method: &'static str) -> Case {
    Case {
        empty: Code::Ok,
        ..read(method, "{}")
    }
}

/// A list with at least two items.
pub(super) const fn list(method: &'static str, right: &'static str) -> Case {
    Case {
        items: 2,
        ..read(method, right)
    }
}

/// A list of all, which needs no field.
pub(super) const fn list_all(method: &'static str) -> Case {
    Case {
        empty: Code::Ok,
        ..list(method, "{}")
    }
}

/// A write with a request id.
pub(super) const fn write(method: &'static str, right: &'static str, other: &'static str) -> Case {
    Case {
        other: Some(other),
        ..read(method, right)
    }
}
