//! The settings that SDKs ask for before they send: such that they send here, and nothing else.

use crate::Route;
use crate::json::push_text;

/// Returns the answer to a question about settings, and its media type; absent for other routes.
///
/// `host` is the address that the question was sent to, with its port, and `is_secure` whether it
/// was encrypted.
pub fn settings(route: Route<'_>, host: &str, is_secure: bool) -> Option<(String, &'static str)> {
    const JSON: &str = "application/json";
    Some(match route {
        Route::Settings(key) => (of_segment(key, host, is_secure), JSON),
        Route::SourceConfig => (of_rudderstack(), JSON),
        Route::RemoteConfig(key) => (of_posthog(key), JSON),
        Route::RemoteScript(key) => {
            let mut script = String::from(
                "(function(){var c=window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{};c[",
            );
            push_text(&mut script, key);
            script.push_str("]={config:");
            script.push_str(&of_posthog(key));
            script.push_str(",siteApps:[]};})();");
            (script, "text/javascript; charset=utf-8")
        }
        Route::Flags => (FLAGS.to_owned(), JSON),
        Route::Surveys => ("{\"surveys\":[]}".to_owned(), JSON),
        _ => return None,
    })
}

/// No feature is on. Both forms are there: SDKs read one or the other, by their version.
const FLAGS: &str = r#"{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false,"supportedCompression":["gzip","gzip-js"],"config":{"enable_collect_everything":false},"sessionRecording":false,"toolbarParams":{},"isAuthenticated":false,"siteApps":[]}"#;

/// Segment.io is the one destination, at this address. Metrics about the SDK are off.
fn of_segment(key: &str, host: &str, is_secure: bool) -> String {
    let protocol = if is_secure { "https" } else { "http" };
    let mut json = String::from(r#"{"integrations":{"Segment.io":{"apiKey":"#);
    push_text(&mut json, key);
    json.push_str(r#","apiHost":"#);
    push_text(&mut json, &format!("{host}/v1"));
    json.push_str(r#","protocol":"#);
    push_text(&mut json, protocol);
    json.push_str(
        r#","type":"browser","versionSettings":{"version":"4.4.7","componentTypes":["browser"]},"addBundledMetadata":false,"unbundledIntegrations":[],"bundledConfigIds":[],"unbundledConfigIds":[],"maybeBundledConfigIds":{}}},"plan":{},"edgeFunction":{},"analyticsNextEnabled":true,"middlewareSettings":{},"enabledMiddleware":{},"metrics":{"sampleRate":0},"legacyVideoPluginsEnabled":false,"remotePlugins":[]}"#,
    );
    json
}

/// A source without destinations, which reports nothing about the SDK.
fn of_rudderstack() -> String {
    r#"{"source":{"id":"happypath","name":"happypath","enabled":true,"workspaceId":"happypath","config":{"statsCollection":{"errors":{"enabled":false},"metrics":{"enabled":false}}},"destinations":[],"connections":[]}}"#
        .to_owned()
}

/// Nothing but events: no flags, recordings, surveys or heat maps.
fn of_posthog(key: &str) -> String {
    let mut json = String::from(r#"{"token":"#);
    push_text(&mut json, key);
    json.push_str(
        r#","supportedCompression":["gzip","gzip-js"],"hasFeatureFlags":false,"captureDeadClicks":false,"capturePerformance":false,"autocapture_opt_out":false,"autocaptureExceptions":false,"analytics":{"endpoint":"/i/v0/e/"},"elementsChainAsString":true,"sessionRecording":false,"heatmaps":false,"surveys":false,"productTours":false,"conversations":false,"logs":{"captureConsoleLogs":false},"defaultIdentifiedOnly":true,"siteApps":[]}"#,
    );
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_json_and_send_to_where_they_were_asked() {
        for route in [
            Route::Settings("k"),
            Route::SourceConfig,
            Route::RemoteConfig("k"),
            Route::Flags,
            Route::Surveys,
        ] {
            let (body, kind) = settings(route, "shop.example.com:8443", true).expect("settings");
            assert_eq!(kind, "application/json");
            let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            if route == Route::Settings("k") {
                let own = &json["integrations"]["Segment.io"];
                assert_eq!(own["apiHost"], "shop.example.com:8443/v1");
                assert_eq!(
                    (&own["protocol"], &own["apiKey"]),
                    (&"https".into(), &"k".into())
                );
            }
        }
        let (script, _) = settings(Route::RemoteScript("k"), "", false).expect("a script");
        assert!(
            script.contains(r#"c["k"]={config:{"token":"k""#),
            "{script}"
        );
        assert_eq!(settings(Route::Batch, "", false), None);
    }
}
