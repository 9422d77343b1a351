//! Consents of a customer, as `happypath customer` shows them.

use proto::activation::v1::SetConsentRequest;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use serde_json::{Value, json};

use super::Dev;

/// Records words of consent of a customer, each of a purpose and a channel. Returns the position of
/// the last.
fn say(dev: &Dev, customer_id: &Value, words: &[(&str, &str, bool)]) -> String {
    let customer_id = customer_id.as_str().expect("an id");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = ActivationServiceClient::connect(dev.address.clone()).await;
        let (mut client, mut position) = (client.expect("connected"), String::new());
        for (purpose, channel, granted) in words {
            let request = SetConsentRequest {
                request_id: format!("{purpose} {channel}"),
                customer_id: customer_id.to_owned(),
                purpose: (*purpose).to_owned(),
                channel: (*channel).to_owned(),
                granted: *granted,
                source: "preferences".to_owned(),
            };
            let answer = client.set_consent(request).await.expect("recorded");
            position = answer.into_inner().position;
        }
        position
    })
}

#[test]
fn a_customer_is_shown_with_their_consents() {
    let dev = Dev::start();
    let tracked = dev.json("track lesson_finished --id user_id=ada");
    let silent = dev.json("customer user_id:ada");
    assert_eq!(silent["consents"], json!([]), "{silent}");
    assert!(!dev.ok("customer user_id:ada").contains("Consents"));

    let words = [("marketing", "", true), ("news", "mail", false)];
    let position = say(&dev, &tracked["results"][0]["customer_id"], &words);
    let line = format!("customer user_id:ada --after {position}");
    let consents = dev.json(&line)["consents"].clone();
    let told: Vec<_> = consents.as_array().expect("a list").iter().collect();
    assert_eq!(told.len(), 2, "{consents}");
    for (own, (purpose, channel, granted)) in told.into_iter().zip(words) {
        assert_eq!(own["purpose"], purpose);
        assert_eq!(own["channel"], channel);
        assert_eq!(own["granted"], granted);
        assert_eq!(own["source"], "preferences");
    }
    let shown = dev.ok(&line);
    let rows = shown.split("Consents").nth(1).expect("a table");
    let words_of = |line: usize| -> Vec<&str> {
        let line = rows.lines().nth(line).expect("a row");
        line.split_whitespace().collect()
    };
    let heading = ["purpose", "channel", "consent", "since", "source"];
    assert_eq!(words_of(1), heading);
    assert_eq!(words_of(2)[..3], ["marketing", "(all)", "granted"]);
    assert_eq!(words_of(3)[..3], ["news", "mail", "withdrawn"]);
    dev.stop();
}
