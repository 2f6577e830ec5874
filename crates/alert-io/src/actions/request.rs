//! The request that Slack makes, out of the event that API Gateway or a function's URL makes of it.

use std::collections::HashMap;

use alert_core::interaction::BODY_MAX_BYTES;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// A request as API Gateway or a function's URL hands it on. It has no Debug: it holds what came.
pub(super) struct Request {
    /// `X-Slack-Request-Timestamp`, where it is there once.
    pub(super) timestamp: Option<String>,
    /// `X-Slack-Signature`, where it is there once.
    pub(super) signature: Option<String>,
    /// The body, as it was signed.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Source: API Gateway Developer Guide, "Lambda proxy integrations", input formats 1.0 and 2.0.
    pub(super) fn parse(event: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Event {
            #[serde(default)]
            headers: Option<HashMap<String, Value>>,
            #[serde(default)]
            multi_value_headers: Option<HashMap<String, Vec<String>>>,
            #[serde(default)]
            body: Option<String>,
            #[serde(default)]
            is_base64_encoded: bool,
        }
        // Escaped and encoded a body is longer.
        if event.len() > 4 * BODY_MAX_BYTES {
            return Err("the event is larger than any press of a button");
        }
        let event: Event = serde_json::from_slice(event).map_err(|_| "the event is none of API Gateway's")?;
        let header = |wanted: &str| {
            let is_wanted = |name: &str| name.eq_ignore_ascii_case(wanted);
            // A REST API tells each header twice, and only here all of its values.
            if let Some((_, values)) =
                event.multi_value_headers.iter().flatten().find(|(name, _)| is_wanted(name))
            {
                return if let [value] = &values[..] { Some(value.clone()) } else { None };
            }
            let mut single = event.headers.iter().flatten().filter(|(name, _)| is_wanted(name));
            let value = single.next()?.1.as_str()?.to_owned();
            single.next().is_none().then_some(value)
        };
        let (timestamp, signature) = (header("X-Slack-Request-Timestamp"), header("X-Slack-Signature"));
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded {
            BASE64_STANDARD.decode(&body).map_err(|_| "the body is no base64, though the event says so")?
        } else {
            body.into_bytes()
        };
        if body.len() > BODY_MAX_BYTES {
            return Err("the body is larger than any press of a button");
        }
        Ok(Self { timestamp, signature, body })
    }
}
