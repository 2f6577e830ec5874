//! What keeps a local page local: other pages in the same browser must neither read it nor act through it.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

/// What the page takes at once; EventBridge and Lambda's asynchronous queue take as much.
pub(crate) const BODY_MAX_BYTES: usize = 1024 * 1024;
/// What is read and thrown away, so that a sender hears why it was refused instead of losing its connection.
const DISCARDED_MAX_BYTES: usize = 64 * 1024 * 1024;

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Refuses what does not come from this machine's user, and adds the headers that every answer has.
pub(crate) async fn guard(State(port): State<u16>, request: Request, next: Next) -> Response {
    let refusal = refusal(request.method(), request.headers(), port);
    let mut response = match refusal {
        Some(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why a request is refused, if it is.
///
/// A name of somebody else's that resolves to 127.0.0.1 (DNS rebinding) is told by `Host`, another page's request by `Origin`.
/// Without `Origin` it is no browser's. A form of this page has the origin `null`, because the page sends no referrer; there the
/// browser itself says where it comes from.
fn refusal(method: &Method, headers: &HeaderMap, port: u16) -> Option<String> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let host = text(header::HOST).unwrap_or_default();
    if headers.get_all(header::HOST).iter().count() != 1 || !hosts.iter().any(|own| own == host) {
        return Some(format!("Host is {host:?}: expected {} or {}", hosts[0], hosts[1]));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let site = text(HeaderName::from_static("sec-fetch-site"));
    match text(header::ORIGIN) {
        None => None,
        Some("null") if site == Some("same-origin") => None,
        Some(origin) if origin == format!("http://{host}") => None,
        Some(origin) => Some(format!("Origin is {origin:?}: expected http://{host}")),
    }
}

/// A body that is too large, or that broke off.
pub(crate) struct BadBody(pub(crate) StatusCode, pub(crate) String);

/// Reads a body of at most [`BODY_MAX_BYTES`].
pub(crate) async fn read(body: Body) -> Result<Vec<u8>, BadBody> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut count) = (Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else {
            return Err(BadBody(StatusCode::BAD_REQUEST, "the body broke off".to_owned()));
        };
        count += chunk.len();
        if count > DISCARDED_MAX_BYTES {
            break;
        }
        if count <= BODY_MAX_BYTES {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
        }
    }
    if count > BODY_MAX_BYTES {
        let why = format!("too large: expected at most {BODY_MAX_BYTES} bytes (1 MB), found {count} or more");
        return Err(BadBody(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        refusal(method, &headers.collect(), 4000).is_some()
    }

    #[test]
    fn hosts_and_origins() {
        const OWN: (&str, &str) = ("host", "127.0.0.1:4000");
        for (method, headers, expected) in [
            (Method::GET, &[OWN][..], false),
            (Method::GET, &[("host", "localhost:4000")], false),
            (Method::GET, &[("host", "evil.example:4000")], true),
            (Method::GET, &[("host", "127.0.0.1:4001")], true),
            (Method::GET, &[("host", "127.0.0.1")], true),
            (Method::GET, &[], true),
            (Method::POST, &[OWN], false),
            (Method::POST, &[OWN, ("origin", "http://127.0.0.1:4000")], false),
            (Method::POST, &[OWN, ("origin", "http://localhost:4000")], true),
            (Method::POST, &[OWN, ("origin", "https://127.0.0.1:4000")], true),
            (Method::POST, &[OWN, ("origin", "http://evil.example")], true),
            (Method::POST, &[OWN, ("origin", "null")], true),
            (Method::POST, &[OWN, ("origin", "null"), ("sec-fetch-site", "same-origin")], false),
            (Method::POST, &[OWN, ("origin", "null"), ("sec-fetch-site", "cross-site")], true),
            (Method::DELETE, &[OWN, ("origin", "http://evil.example")], true),
        ] {
            assert_eq!(refused(&method, headers), expected, "{method} {headers:?}");
        }
    }
}
