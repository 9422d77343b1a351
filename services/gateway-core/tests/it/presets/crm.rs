//! Presets of CRMs.

use gateway_core::SourceRules;
use messages::gateway::v1::Source;
use messages::identity::v1::Event;

use super::{events, line, properties, read, source, traits};

#[test]
fn messages_of_hubspot_are_events_that_say_what_changed() {
    let messages = r#"[
        {"objectId":1246965,"propertyName":"lifecyclestage","propertyValue":"subscriber","changeSource":"ACADEMY",
         "eventId":3816279340,"subscriptionId":25,"portalId":33,"appId":1160452,"occurredAt":1462216307945,
         "subscriptionType":"contact.propertyChange","attemptNumber":0},
        {"objectId":1246978,"changeSource":"IMPORT","eventId":3816279480,"subscriptionId":22,"portalId":33,"appId":1160452,
         "occurredAt":1462216307945,"subscriptionType":"contact.creation","attemptNumber":0},
        {"objectId":1246978,"propertyName":"email","propertyValue":"ada@example.com","eventId":1,"subscriptionId":23,
         "portalId":33,"occurredAt":1462216307945,"subscriptionType":"contact.propertyChange","attemptNumber":0}]"#;
    let read = events("hubspot", &[], messages);
    let lines: Vec<String> = read.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "contact.propertyChange 33:25:3816279340:1462216307945:1246965:lifecyclestage 2016-05-02T19:11:47.945Z hubspot_id=1246965",
            "contact.creation 33:22:3816279480:1462216307945:1246978: 2016-05-02T19:11:47.945Z hubspot_id=1246978",
            "contact.propertyChange 33:23:1:1462216307945:1246978:email 2016-05-02T19:11:47.945Z email=ada@example.com hubspot_id=1246978",
        ]
    );
    assert_eq!(
        traits(&read[0]),
        serde_json::json!({"lifecyclestage":"subscriber"})
    );
    assert!(read[1].traits_form.is_none());
    // A later try of the same message is the same event.
    let again = messages.replace("\"attemptNumber\":0", "\"attemptNumber\":3");
    let again = events("hubspot", &[], &again);
    let ids = |events: &[Event]| {
        events
            .iter()
            .map(|it| it.event_id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&read), ids(&again));
    let deal = r#"[{"objectId":1,"subscriptionType":"deal.creation","portalId":33}]"#;
    assert_eq!(read_count(&source("hubspot"), deal), (0, 0, 1));
}

/// Events, letters, and things that no mapping is for.
fn read_count(source: &Source, body: &str) -> (usize, usize, usize) {
    read(source, &[], body, |it| {
        (it.events.len(), it.letters.len(), it.nothing_count)
    })
}

#[test]
fn contacts_and_conversations_of_intercom_are_events() {
    let notification = |topic: &str, item: &str| {
        format!(
            r#"{{"type":"notification_event","app_id":"a86dr8yl","data":{{"type":"notification_event_data","item":{item}}},
                "links":{{}},"id":"notif_1","topic":"{topic}","delivery_attempts":1,"created_at":1686089970}}"#
        )
    };
    let contact = r#"{"type":"contact","id":"6477c85a4aec3d2a6e5a5bd7","external_id":"u-7","role":"user","email":"joe@example.com",
        "name":"Joe","location":{"country":"Ireland","city":"Dublin"},"unsubscribed_from_emails":false}"#;
    let read = &events(
        "intercom",
        &[],
        &notification("contact.user.created", contact),
    )[0];
    assert_eq!(
        line(read),
        "contact.user.created notif_1 2023-06-06T22:19:30Z email=joe@example.com intercom_id=6477c85a4aec3d2a6e5a5bd7 user_id=u-7"
    );
    let expected = serde_json::json!({"city":"Dublin","country":"Ireland","name":"Joe","unsubscribed_from_emails":false});
    assert_eq!(traits(read), expected);
    let conversation = r#"{"type":"conversation","id":"471","state":"open","source":{"type":"conversation","subject":"",
        "body":"<p>private</p>","author":{"type":"user","id":"c1","email":"joe@example.com"}},
        "contacts":{"type":"contact.list","contacts":[{"type":"contact","id":"c1","external_id":"u-7"}]}}"#;
    let read = &events(
        "intercom",
        &[],
        &notification("conversation.user.created", conversation),
    )[0];
    assert_eq!(
        line(read),
        "conversation.user.created notif_1 2023-06-06T22:19:30Z email=joe@example.com intercom_id=c1 user_id=u-7"
    );
    assert!(!properties(read).to_string().contains("private"));
    let tag = r#"{"type":"contact_tag","tag":{"id":"t","name":"vip"},"contact":{"id":"c1","external_id":"u-7"},"id":"x"}"#;
    let read = &events(
        "intercom",
        &[],
        &notification("contact.user.tag.created", tag),
    )[0];
    assert!(
        line(read).ends_with(" intercom_id=c1 user_id=u-7"),
        "{}",
        line(read)
    );
    let ping = notification(
        "ping",
        r#"{"type":"ping","message":"something something interzen"}"#,
    );
    assert_eq!(read_count(&source("intercom"), &ping), (0, 0, 1));
}

const MESSAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>00D24000000fxXXEAY</OrganizationId>
   <ActionId>04k24000000XZdrAAG</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://na.salesforce.com/services/Soap/c/47.0/00D</EnterpriseUrl>
   <PartnerUrl>https://na.salesforce.com/services/Soap/u/47.0/00D</PartnerUrl>
   <Notification>
    <Id>04l0800002nrC5BAAU</Id>
    <sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>0032400000Lh4XXAAZ</sf:Id><sf:Email>ada@example.com</sf:Email><sf:FirstName>Ada &amp; Co</sf:FirstName>
     <sf:LastModifiedDate>2026-11-30T06:00:00.000Z</sf:LastModifiedDate>
    </sObject>
   </Notification>
   <Notification>
    <Id>04l0800002nrC5CAAU</Id>
    <sObject xsi:type="sf:Opportunity" xmlns:sf="urn:x"><sf:Id>0062400000Lh4XXAAZ</sf:Id></sObject>
   </Notification>
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>"#;

#[test]
fn records_of_salesforce_are_events_by_message_and_by_callout() {
    let outbound = source("salesforce_outbound");
    assert_eq!(read_count(&outbound, MESSAGE), (1, 0, 1));
    read(&outbound, &[], MESSAGE, |reading| {
        let event = &reading.events[0].event;
        assert_eq!(
            line(event),
            "Contact 04l0800002nrC5BAAU 2026-11-30T06:00:00Z email=ada@example.com salesforce_id=0032400000Lh4XXAAZ"
        );
        assert_eq!(traits(event), serde_json::json!({"first_name":"Ada & Co"}));
        assert_eq!(properties(event)["organization_id"], "00D24000000fxXXEAY");
    });
    let rules = SourceRules::of(&outbound);
    let (kind, answer) = rules.webhook.as_ref().expect("one").answer();
    assert_eq!(kind, "text/xml; charset=utf-8");
    assert!(answer.contains("<Ack>true</Ack>"));
    let records = r#"[{"attributes":{"type":"Lead"},"Id":"00Q5e00000AbCdEFGH","Email":"ada@example.com","Status":"Working",
        "LastModifiedDate":"2026-11-30T06:00:00.000+0000"},{"Id":"0015e00000AbCdEFGH","Name":"Acme"}]"#;
    let callout = source("salesforce");
    assert_eq!(read_count(&callout, records), (1, 0, 1));
    read(&callout, &[], records, |reading| {
        assert_eq!(
            line(&reading.events[0].event),
            "Lead 00Q5e00000AbCdEFGH:2026-11-30T06:00:00.000+0000: 2026-11-30T06:00:00Z email=ada@example.com salesforce_id=00Q5e00000AbCdEFGH"
        );
    });
}
