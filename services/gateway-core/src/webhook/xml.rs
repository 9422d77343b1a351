//! Outbound messages of Salesforce: SOAP, to a JSON object of what is in its `notifications`.
//!
//! It reads as much XML as these have, and strictly: documents that declare types or entities are
//! refused, so that nothing grows and nothing is fetched. Prefixes of names are left out.

mod element;
mod reader;

pub(super) use self::reader::XmlFault;
use self::reader::read;

/// The element that says on whose behalf its receiver may call Salesforce: it is a secret.
const SESSION: &str = "SessionId";
/// The element that is there once for each thing.
const NOTIFICATION: &str = "Notification";

/// Returns the elements of `notifications` as an object, and all `Notification`s as a list.
pub(super) fn notifications(message: &str) -> Result<String, XmlFault> {
    let envelope = read(message)?;
    let missing = |name| XmlFault::Missing(name);
    if envelope.name != "Envelope" {
        return Err(missing("Envelope"));
    }
    let body = envelope.child("Body").ok_or(missing("Body"))?;
    let own = body
        .child("notifications")
        .ok_or(missing("notifications"))?;
    let mut json = String::new();
    own.write_fields(&mut json, &[SESSION], &[NOTIFICATION]);
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::XML_DEPTH;

    fn message(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- sent -->\n<soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>\n <soapenv:Body>\n  \
             <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">{inner}</notifications>\n \
             </soapenv:Body>\n</soapenv:Envelope>\n"
        )
    }

    #[test]
    fn a_message_is_an_object_of_its_elements() {
        let inner = r#"
            <OrganizationId>00D</OrganizationId><SessionId>secret</SessionId><PartnerUrl xsi:nil="true"/>
            <Notification><Id>04l1</Id><sObject xsi:type="sf:Contact" xmlns:sf="urn:x"><sf:Id>003</sf:Id>
              <sf:Email>a&amp;b@c.d</sf:Email><sf:Name><![CDATA[<Ada>]]> &#x4c;&#111;</sf:Name>
              <sf:Tag>1</sf:Tag><sf:Tag>2</sf:Tag><sf:Empty></sf:Empty></sObject></Notification>"#;
        let expected = concat!(
            r#"{"OrganizationId":"00D","PartnerUrl":null,"Notification":[{"Id":"04l1","sObject":"#,
            r#"{"type":"Contact","Id":"003","Email":"a&b@c.d","Name":"<Ada> Lo","Tag":["1","2"],"#,
            r#""Empty":""}}]}"#,
        );
        assert_eq!(notifications(&message(inner)).as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let deep = "<a>".repeat(XML_DEPTH) + &"</a>".repeat(XML_DEPTH);
        let wide = "<a/>".repeat(crate::limits::XML_ELEMENTS);
        for (text, part) in [
            (String::new(), "ends before"),
            ("{}".to_owned(), "text stands outside"),
            ("<a/>".to_owned(), "no element `Envelope`"),
            (
                "<Envelope><Body/></Envelope>".to_owned(),
                "no element `notifications`",
            ),
            (
                "<!DOCTYPE a [<!ENTITY b \"c\">]><a/>".to_owned(),
                "declares",
            ),
            (message("<a>&b;</a>"), "entity"),
            (message("<a>&#0;</a>"), "entity"),
            (message("<a>&#xD800;</a>"), "entity"),
            (message("<a>& b</a>"), "entity"),
            (message("<a></b>"), "`b` ends where `a`"),
            (message("<a b=c/>"), "attribute"),
            (message("<a b=\"c/>"), "attribute"),
            (message("<a b=\"<\"/>"), "attribute"),
            (message("<?php x?>"), "instruction"),
            (message("<a>x<b/></a>"), "text beside"),
            (message("<1/>"), "name"),
            (message("\u{1}"), "character"),
            (message(&deep), "levels"),
            (message(&wide), "elements"),
            (message("") + "<a/>", "behind"),
            ("<Envelope><Body>".to_owned(), "ends before"),
        ] {
            let fault = notifications(&text).expect_err(&text).to_string();
            assert!(fault.contains(part), "{part}: {fault}");
        }
    }
}
