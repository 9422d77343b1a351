//! The paths of the tracking API: which dialect a call to each speaks, and what it brings.

use crate::limits::{CLOUD_EVENTS_BYTES, POSTHOG_BYTES, SEGMENT_BYTES, WEBHOOK_BYTES};

/// A dialect, with what its senders understand of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Segment's, which RudderStack speaks too.
    Segment,
    /// PostHog's.
    PostHog,
    /// PostHog's with a result for each event. Its senders give up at 429.
    PostHogV1,
    /// `CloudEvents` over HTTP.
    CloudEvents,
    /// Posts of CRMs, shops and others, as a source says.
    Webhook,
}

impl Dialect {
    /// Bytes of a call, inflated.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Segment => SEGMENT_BYTES,
            Self::PostHog | Self::PostHogV1 => POSTHOG_BYTES,
            Self::CloudEvents => CLOUD_EVENTS_BYTES,
            Self::Webhook => WEBHOOK_BYTES,
        }
    }
}

/// The kind of a call of Segment's specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody did something.
    Track,
    /// Somebody is known by an id, or says something of themselves.
    Identify,
    /// A page was seen.
    Page,
    /// A screen was seen.
    Screen,
    /// Somebody belongs to a group.
    Group,
    /// Two ids are one person's.
    Alias,
}

impl Kind {
    /// Reads the `type` of an event in a batch.
    pub fn read(name: &str) -> Option<Self> {
        Some(match name {
            "track" => Self::Track,
            "identify" => Self::Identify,
            "page" => Self::Page,
            "screen" => Self::Screen,
            "group" => Self::Group,
            "alias" => Self::Alias,
            _ => return None,
        })
    }

    /// Its name: that of the events which have none of their own.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }
}

/// The meaning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    /// One event of Segment's dialect.
    One(Kind),
    /// A batch of Segment's dialect.
    Batch,
    /// A batch of events of long ago.
    Import,
    /// One or more events of PostHog's dialect.
    Capture,
    /// Events of PostHog's dialect, with a result for each.
    CaptureV1,
    /// Something about the SDK itself, or a recording: it is answered, and dropped.
    Unwanted(Dialect),
    /// A browser asks what to do with a write key (Segment).
    Settings(&'p str),
    /// A browser asks what to do with a write key (RudderStack).
    SourceConfig,
    /// A browser asks what to do with a write key (PostHog), as JSON.
    RemoteConfig(&'p str),
    /// A browser asks what to do with a write key (PostHog), as a script.
    RemoteScript(&'p str),
    /// An SDK asks which features are on.
    Flags,
    /// An SDK asks which surveys there are.
    Surveys,
    /// `CloudEvents`, with the write key where that stands in the path.
    CloudEvents(Option<&'p str>),
    /// A post of a webhook, with the write key where that stands in the path.
    Webhook(Option<&'p str>),
}

impl<'p> Route<'p> {
    /// Reads a path. A slash at the end changes nothing: a redirect would lose events.
    pub fn of(path: &'p str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if let Some(rest) = path.strip_prefix("/v1/") {
            return Self::of_segment(rest);
        }
        if let Some(rest) = path.strip_prefix("/array/") {
            let (key, file) = rest.split_once('/')?;
            let key = Some(key).filter(|key| is_key(key))?;
            return match file {
                "config" => Some(Self::RemoteConfig(key)),
                "config.js" => Some(Self::RemoteScript(key)),
                _ => None,
            };
        }
        Some(match path {
            "/beacon/v1/batch" => Self::Batch,
            "/batch" | "/capture" | "/e" | "/i/v0/e" => Self::Capture,
            "/i/v1/analytics/events" => Self::CaptureV1,
            "/s" | "/i/v1/logs" => Self::Unwanted(Dialect::PostHog),
            "/flags" | "/decide" => Self::Flags,
            "/api/surveys" => Self::Surveys,
            "/sourceConfig" => Self::SourceConfig,
            _ => return None,
        })
    }

    fn of_segment(rest: &'p str) -> Option<Self> {
        Some(match rest {
            "t" | "track" => Self::One(Kind::Track),
            "i" | "identify" => Self::One(Kind::Identify),
            "p" | "page" => Self::One(Kind::Page),
            "s" | "screen" => Self::One(Kind::Screen),
            "g" | "group" => Self::One(Kind::Group),
            "a" | "alias" => Self::One(Kind::Alias),
            "b" | "batch" => Self::Batch,
            "import" => Self::Import,
            "m" => Self::Unwanted(Dialect::Segment),
            "cloudevents" => Self::CloudEvents(None),
            "webhooks" => Self::Webhook(None),
            _ => {
                if let Some(key) = rest.strip_prefix("cloudevents/") {
                    return is_key(key).then_some(Self::CloudEvents(Some(key)));
                }
                if let Some(key) = rest.strip_prefix("webhooks/") {
                    return is_key(key).then_some(Self::Webhook(Some(key)));
                }
                let key = rest.strip_prefix("projects/")?.strip_suffix("/settings")?;
                return is_key(key).then_some(Self::Settings(key));
            }
        })
    }

    /// The dialect in which such a call is answered.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::One(_) | Self::Batch | Self::Import | Self::Settings(_) | Self::SourceConfig => {
                Dialect::Segment
            }
            Self::Capture
            | Self::RemoteConfig(_)
            | Self::RemoteScript(_)
            | Self::Flags
            | Self::Surveys => Dialect::PostHog,
            Self::CaptureV1 => Dialect::PostHogV1,
            Self::CloudEvents(_) => Dialect::CloudEvents,
            Self::Webhook(_) => Dialect::Webhook,
            Self::Unwanted(dialect) => dialect,
        }
    }

    /// Returns whether it brings events.
    pub const fn brings_events(self) -> bool {
        matches!(
            self,
            Self::One(_)
                | Self::Batch
                | Self::Import
                | Self::Capture
                | Self::CaptureV1
                | Self::CloudEvents(_)
                | Self::Webhook(_)
        )
    }
}

/// Returns whether a text in a path may be a write key: what it is written into needs no escapes.
fn is_key(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=crate::limits::KEY_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_meaning_with_or_without_a_slash() {
        for (path, route) in [
            ("/v1/t", Some(Route::One(Kind::Track))),
            ("/v1/screen", Some(Route::One(Kind::Screen))),
            ("/v1/s", Some(Route::One(Kind::Screen))),
            ("/v1/b", Some(Route::Batch)),
            ("/v1/batch", Some(Route::Batch)),
            ("/beacon/v1/batch", Some(Route::Batch)),
            ("/v1/import", Some(Route::Import)),
            ("/v1/m", Some(Route::Unwanted(Dialect::Segment))),
            (
                "/v1/projects/hpk_a/settings",
                Some(Route::Settings("hpk_a")),
            ),
            ("/v1/cloudevents", Some(Route::CloudEvents(None))),
            (
                "/v1/cloudevents/hpk_a",
                Some(Route::CloudEvents(Some("hpk_a"))),
            ),
            ("/v1/cloudevents/a/b", None),
            ("/v1/projects/a\"b/settings", None),
            ("/v1/projects//settings", None),
            ("/v1/projects/settings", None),
            ("/v1/webhooks", Some(Route::Webhook(None))),
            ("/v1/webhooks/hpk_a", Some(Route::Webhook(Some("hpk_a")))),
            ("/v1/webhooks/a/b", None),
            ("/v1/customers", None),
            ("/v1/events:ingest", None),
            ("/v1", None),
            ("/batch", Some(Route::Capture)),
            ("/i/v0/e", Some(Route::Capture)),
            ("/i/v1/analytics/events", Some(Route::CaptureV1)),
            (
                "/array/phc_A-1/config",
                Some(Route::RemoteConfig("phc_A-1")),
            ),
            (
                "/array/phc_A-1/config.js",
                Some(Route::RemoteScript("phc_A-1")),
            ),
            ("/array/x/array.js", None),
            ("/array/config", None),
            ("", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
            assert_eq!(Route::of(&format!("{path}/")), route, "{path}/");
        }
    }
}
