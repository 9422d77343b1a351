//! The time that a caller allows, in the spellings of the protocols, as gRPC spells it.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

/// Milliseconds, of the Connect protocol.
const CONNECT: &str = "connect-timeout-ms";
/// Seconds with a fraction, of Google's clients.
const GOOGLE: &str = "x-server-timeout";
/// The header of gRPC, which REST takes too.
pub(crate) const GRPC: &str = "grpc-timeout";

/// The header of gRPC for what a call of Connect or REST allows; none where it allows any time.
///
/// # Errors
/// The header that cannot be read, with what would be right.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<HeaderValue>, String> {
    if let Some(value) = headers.get(GRPC) {
        // gRPC checks it itself, and takes none where it cannot be read.
        return Ok(Some(value.clone()));
    }
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or_default().to_owned())
    };
    if let Some(text) = text(CONNECT) {
        let digits =
            (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let millis = digits.then(|| text.parse().ok()).flatten();
        return match millis {
            Some(millis) => Ok(Some(written(Duration::from_millis(millis)))),
            None => Err(format!(
                "{CONNECT}: must be milliseconds, at most ten digits"
            )),
        };
    }
    if let Some(text) = text(GOOGLE) {
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        return match seconds {
            Some(time) => Ok(Some(written(time))),
            None => Err(format!("{GOOGLE}: must be seconds, such as 2.5")),
        };
    }
    Ok(None)
}

/// At most eight digits, in the smallest unit that has room.
fn written(time: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let millis = time.as_millis();
    let text = if millis <= MOST {
        format!("{millis}m")
    } else {
        format!("{}S", u128::from(time.as_secs()).min(MOST))
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("99999999S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_spelled_as_grpc_does() {
        for (name, value, expected) in [
            (GRPC, "250m", Ok(Some("250m"))),
            (CONNECT, "250", Ok(Some("250m"))),
            (CONNECT, "9999999999", Ok(Some("9999999S"))),
            (CONNECT, "-1", Err(())),
            (CONNECT, "12345678901", Err(())),
            (GOOGLE, "2.5", Ok(Some("2500m"))),
            (GOOGLE, "1e300", Err(())),
            (GOOGLE, "soon", Err(())),
            ("other", "1", Ok(None)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            let read = read(&headers).map_err(drop);
            let expected = expected.map(|value| value.map(|value| value.parse().expect("a value")));
            assert_eq!(read, expected, "{name}: {value}");
        }
    }
}
