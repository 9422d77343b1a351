//! Presets: the examples that senders document, and the events that they are.

mod crm;
mod letters;

use gateway_core::{Reading, SourceRules, Webhook, WebhookPost};
use kernel::Timestamp;
use messages::gateway::v1::{EventMapping, Source, WebhookReading};
use messages::identity::v1::Event;
use messages::identity::v1::event::{PropertiesForm, TraitsForm};

fn source(preset: &str) -> Source {
    let is_signed = !preset.starts_with("salesforce");
    Source {
        webhook: Some(WebhookReading {
            preset: preset.to_owned(),
            secret: if is_signed {
                "c2VjcmV0".to_owned()
            } else {
                String::new()
            },
            public_url: "https://events.example.com".to_owned(),
            ..WebhookReading::default()
        }),
        ..Source::default()
    }
}

/// Reads a post by the rules of a source, and gives what it says to a check.
fn read<T>(
    source: &Source,
    headers: &[(&str, &str)],
    body: &str,
    check: impl FnOnce(&Reading<'_>) -> T,
) -> T {
    let rules = SourceRules::of(source);
    let webhook: &Webhook = rules.webhook.as_ref().expect("a right definition");
    let post = WebhookPost {
        method: "POST",
        target: "/v1/webhooks/k",
        headers,
        body: body.as_bytes(),
    };
    let text = webhook.text(&post).expect("it can be read");
    let shown = webhook.shown(&post);
    let call = webhook.read(&text, &shown).expect("it can be read");
    check(&call.events(&rules))
}

/// The events of a post of a preset, all of whose things are some.
fn events(preset: &str, headers: &[(&str, &str)], body: &str) -> Vec<Event> {
    read(&source(preset), headers, body, |reading| {
        assert_eq!(reading.letters, [], "{preset} {body}");
        assert_eq!(reading.nothing_count, 0, "{preset} {body}");
        reading.events.iter().map(|it| it.event.clone()).collect()
    })
}

/// An event in one line: name, id, time, who.
fn line(event: &Event) -> String {
    let mut who: Vec<String> = event
        .identifiers
        .iter()
        .map(|(namespace, value)| format!("{namespace}={value}"))
        .collect();
    who.sort();
    let time = event.time.as_ref().map(messages::convert::instant);
    let time = time.map_or("-".to_owned(), |time: Timestamp| time.to_string());
    let id = match event.event_id.starts_with("hash-") {
        true => "hash",
        false => &event.event_id,
    };
    format!("{} {id} {time} {}", event.name, who.join(" "))
}

fn properties(event: &Event) -> serde_json::Value {
    let Some(PropertiesForm::PropertiesJson(json)) = &event.properties_form else {
        panic!("{event:?}");
    };
    serde_json::from_str(json).expect("JSON")
}

fn traits(event: &Event) -> serde_json::Value {
    let Some(TraitsForm::TraitsJson(json)) = &event.traits_form else {
        panic!("{event:?}");
    };
    serde_json::from_str(json).expect("JSON")
}

const ORDER: &str = r#"{"id":820982911946154508,"email":"jon@example.com","created_at":"2021-12-31T19:00:00-05:00",
"updated_at":"2021-12-31T19:05:00-05:00","processed_at":null,"currency":"USD","total_price":"388.00","subtotal_price":"398.00",
"financial_status":"voided","fulfillment_status":null,"name":"\u00239999","contact_email":"jon@example.com",
"customer":{"id":115310627314723954,"email":"john@example.com","first_name":"John"},
"line_items":[{"id":1,"sku":"IPOD2008PINK","title":"IPod Nano - 8GB","quantity":1},{"id":2,"sku":null,"title":"Case"}]}"#;

#[test]
fn orders_checkouts_and_customers_of_shopify_are_events() {
    let topic = |topic| [("x-shopify-topic", topic), ("x-shopify-event-id", "e1")];
    let order = &events("shopify", &topic("orders/create"), ORDER)[0];
    assert_eq!(
        line(order),
        "orders/create hash 2022-01-01T00:00:00Z email=jon@example.com shopify_id=115310627314723954"
    );
    let properties = properties(order);
    assert_eq!(properties["order_id"], "820982911946154508");
    assert_eq!(properties["total"], 388.0);
    assert_eq!(properties["item_count"], 2);
    assert_eq!(properties["skus"], serde_json::json!(["IPOD2008PINK"]));
    // A post that is sent again has the same id, whatever a header says that is not signed.
    let again = &events("shopify", &[("x-shopify-topic", "orders/create")], ORDER)[0];
    assert_eq!(order.event_id, again.event_id);
    let paid = &events("shopify", &topic("orders/paid"), ORDER)[0];
    assert!(line(paid).starts_with("orders/paid hash 2022-01-01T00:05:00Z"));
    assert_ne!(order.event_id, paid.event_id);
    let customer = r#"{"id":706405506930370084,"email":"bob@biller.com","created_at":"2021-12-31T19:00:00-05:00",
        "first_name":"Bob","last_name":"Biller","orders_count":0,"total_spent":"0.00","tags":"",
        "email_marketing_consent":{"state":"subscribed"},"default_address":{"country_code":"CA","city":"Ottawa"}}"#;
    let customer = &events("shopify", &topic("customers/create"), customer)[0];
    assert_eq!(
        line(customer),
        "customers/create hash 2022-01-01T00:00:00Z email=bob@biller.com shopify_id=706405506930370084"
    );
    let expected = serde_json::json!({"city":"Ottawa","country":"CA","email_consent":"subscribed",
        "first_name":"Bob","last_name":"Biller","tags":""});
    assert_eq!(traits(customer), expected);
    let checkout = r#"{"id":981820079255243537,"token":"123","email":"example@email.com","total_price":"1.00"}"#;
    let checkout = &events("shopify", &topic("checkouts/create"), checkout)[0];
    assert_eq!(
        line(checkout),
        "checkouts/create hash - email=example@email.com"
    );
    for (other, body) in [
        ("checkouts/create", r#"{"id":1,"email":""}"#),
        ("products/update", r#"{"id":1}"#),
        ("shop/redact", r#"{"shop_id":1}"#),
    ] {
        let unmapped = |reading: &Reading<'_>| (reading.nothing_count, reading.letters.len());
        let read = read(&source("shopify"), &topic(other), body, unmapped);
        assert_eq!(read, (1, 0), "{other}");
    }
}

#[test]
fn subscriptions_invoices_and_checkouts_of_stripe_are_events() {
    let event = |kind: &str, object: &str| {
        format!(
            r#"{{"id":"evt_1","object":"event","api_version":"2024-06-20","created":1686089970,"livemode":false,
                "type":"{kind}","data":{{"object":{object},"previous_attributes":{{"status":"trialing"}}}}}}"#
        )
    };
    for (kind, object, expected) in [
        (
            "customer.created",
            r#"{"id":"cus_9","email":"jenny@example.com","name":"Jenny Rosen"}"#,
            "customer.created evt_1 2023-06-06T22:19:30Z email=jenny@example.com stripe_id=cus_9",
        ),
        (
            "customer.subscription.updated",
            r#"{"id":"sub_1","customer":"cus_9","status":"active","items":{"data":[{"price":{"id":"price_1","unit_amount":1999}}]}}"#,
            "customer.subscription.updated evt_1 2023-06-06T22:19:30Z stripe_id=cus_9",
        ),
        (
            "invoice.payment_failed",
            r#"{"id":"in_1","customer":{"id":"cus_9"},"customer_email":"jenny@example.com","amount_due":1999}"#,
            "invoice.payment_failed evt_1 2023-06-06T22:19:30Z email=jenny@example.com stripe_id=cus_9",
        ),
        (
            "checkout.session.completed",
            r#"{"id":"cs_1","customer":null,"client_reference_id":"u-7","customer_details":{"email":"jenny@example.com"},"customer_email":null}"#,
            "checkout.session.completed evt_1 2023-06-06T22:19:30Z email=jenny@example.com user_id=u-7",
        ),
    ] {
        let read = events("stripe", &[], &event(kind, object));
        assert_eq!(line(&read[0]), expected);
    }
    let object = r#"{"id":"sub_1","customer":"cus_9","status":"active","items":{"data":[{"price":{"id":"price_1"}}]},"trial_end":null}"#;
    let read = &events(
        "stripe",
        &[],
        &event("customer.subscription.updated", object),
    )[0];
    let expected = serde_json::json!({"livemode":false,"previous_status":"trialing","price_id":"price_1",
        "status":"active","subscription_id":"sub_1"});
    assert_eq!(properties(read), expected);
    assert_eq!(
        traits(read),
        serde_json::json!({"subscription_status":"active"})
    );
}

#[test]
fn standard_webhooks_and_forms_are_events() {
    let headers = [("webhook-id", "msg_1")];
    let body = r#"{"type":"user.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"user_id":"u-7","plan":"pro"}}"#;
    let read = &events("standard", &headers, body)[0];
    assert_eq!(
        line(read),
        "user.created msg_1 2022-11-03T20:26:10.344Z user_id=u-7"
    );
    assert_eq!(
        properties(read),
        serde_json::json!({"user_id":"u-7","plan":"pro"})
    );
    let form = [
        (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        ),
        ("webhook-id", "m"),
    ];
    let mut own = source("standard");
    let webhook = own.webhook.as_mut().expect("one");
    webhook.events = vec![EventMapping {
        name: "item.event".to_owned(),
        identifiers: [("email".to_owned(), "item[\"user[email]\"]".to_owned())].into(),
        ..EventMapping::default()
    }];
    self::read(
        &own,
        &form,
        "event=signed+up&user%5Bemail%5D=a%40b.c",
        |reading| {
            assert_eq!(
                line(&reading.events[0].event),
                "signed up hash - email=a@b.c"
            );
        },
    );
}
