//! Posts, and what destinations answer.

use super::*;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Posts once to a receiver that answers so.
async fn check(answer: Answer, verdict: Verdict, detail: &str) -> Attempted {
    let receiver = Receiver::start(answer).await;
    let client = client(Arc::new(SystemNetwork), OutboundAddresses::ANY);
    let attempted = post(&client, &receiver.url(), true).await;
    assert_eq!(attempted.verdict, verdict, "{attempted:?}");
    assert!(attempted.detail.contains(detail), "{attempted:?}");
    attempted
}

#[tokio::test]
async fn a_post_is_signed_over_the_bytes_that_arrive() {
    let receiver = Receiver::start(Answer::Fixed(StatusCode::OK, None, "thanks")).await;
    let client = client(Arc::new(SystemNetwork), OutboundAddresses::ANY);
    let attempted = post(&client, &receiver.url(), true).await;
    assert_eq!(attempted.verdict, Verdict::Taken);
    assert_eq!(attempted.status, Some(StatusCode::OK));
    let seen = receiver.requests();
    let (head, body) = &seen[0];
    let header = |name: &str| head.headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("webhook-id"), "msg_1");
    assert_eq!(header("webhook-timestamp"), "1614265330");
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .expect("base64");
    assert_eq!(
        header("webhook-signature"),
        destination::sign(&key, "msg_1", 1_614_265_330, body)
    );
    assert!(!head.headers.contains_key("traceparent"));
}

#[tokio::test]
async fn each_answer_means_what_it_says() {
    use Verdict::{Refused, Retry, Taken};
    let fixed = |status, text| Answer::Fixed(status, None, text);
    check(fixed(StatusCode::NO_CONTENT, ""), Taken, "204").await;
    let gone = check(fixed(StatusCode::GONE, ""), Refused, "410 Gone").await;
    assert_eq!(gone.status, Some(StatusCode::GONE));
    check(fixed(StatusCode::BAD_REQUEST, ""), Refused, "400").await;
    check(fixed(StatusCode::BAD_GATEWAY, ""), Retry, "502").await;
    let busy = Answer::Fixed(
        StatusCode::TOO_MANY_REQUESTS,
        Some(("retry-after", "7".to_owned())),
        "",
    );
    assert_eq!(check(busy, Retry, "429").await.retry_after_ms, 7_000);
    let silent = check(Answer::Silence, Retry, "no answer in time").await;
    assert_eq!(silent.status, None);
    check(Answer::Close, Retry, "").await;
}

#[tokio::test]
async fn endless_and_dripping_bodies_are_cut() {
    check(Answer::EndlessBody, Verdict::Taken, "200").await;
    check(Answer::DrippingBody, Verdict::Taken, "200").await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Receiver::start(Answer::Fixed(StatusCode::OK, None, "")).await;
    let to = Some(("location", target.url()));
    let answer = Answer::Fixed(StatusCode::TEMPORARY_REDIRECT, to, "");
    check(answer, Verdict::Refused, "redirects are not followed").await;
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn nothing_listens() {
    let port = Receiver::free_port().await;
    let url = format!("http://127.0.0.1:{port}/");
    let client = client(Arc::new(SystemNetwork), OutboundAddresses::ANY);
    assert_eq!(post(&client, &url, true).await.verdict, Verdict::Retry);
}
