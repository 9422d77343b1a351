//! Codes of gRPC as HTTP, REST and Connect have them.

use http::StatusCode;
use tonic::Code;

/// The status of HTTP for a code, by the table in `google/rpc/code.proto`, which Connect has too.
pub(crate) fn http_status(code: Code) -> StatusCode {
    let number = match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        // The status that nginx made up; no other one says it.
        Code::Cancelled => 499,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The name of a code in Connect, which spells one otherwise.
///
/// <https://connectrpc.com/docs/protocol#error-codes>
pub(crate) fn connect_name(code: Code) -> String {
    match code {
        Code::Cancelled => "canceled".to_owned(),
        code => rpc::code_name(code).to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names() {
        assert_eq!(connect_name(Code::Cancelled), "canceled");
        assert_eq!(connect_name(Code::InvalidArgument), "invalid_argument");
        assert_eq!(http_status(Code::Cancelled).as_u16(), 499);
        assert_eq!(http_status(Code::Aborted), StatusCode::CONFLICT);
    }
}
