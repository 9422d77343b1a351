//! Templates are shown with given values.

use super::*;

#[tokio::test]
async fn a_template_is_previewed_with_given_values() {
    let bench = Bench::new().await;
    let name = prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue("Ada".to_owned())),
    };
    let profile = prost_types::Value {
        kind: Some(prost_types::value::Kind::StructValue(prost_types::Struct {
            fields: [("name".to_owned(), name)].into(),
        })),
    };
    let preview = |body: &str| {
        bench
            .handlers
            .preview_template(Request::new(api::PreviewTemplateRequest {
                medium: Some(Preview::Text(api::TextContent {
                    subject: "Hi {{ profile.name }}".to_owned(),
                    body: body.to_owned(),
                })),
                context_form: Some(ContextForm::Context(prost_types::Struct {
                    fields: [("profile".to_owned(), profile.clone())].into(),
                })),
            }))
    };
    let shown = preview("{{ profile.name|upper }}")
        .await
        .expect("a preview")
        .into_inner();
    let text = api::RenderedText {
        subject: "Hi Ada".to_owned(),
        body: "ADA".to_owned(),
    };
    assert_eq!(shown.medium, Some(Shown::Text(text)));
    check_refused(preview("").await, &["text.body"]);
    check_refused(preview("{{ oops").await, &["text.body"]);
    check_refused(preview("{{ range(100000) }}").await, &[]);
}
