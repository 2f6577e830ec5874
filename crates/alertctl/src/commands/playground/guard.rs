//! What keeps a local page local: other pages in the same browser must neither read it nor act through it.

use std::sync::Arc;

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

/// Whom to answer.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    /// The port of the page on 127.0.0.1.
    pub(crate) port: u16,
    /// Other names, by which events may come in, and nothing else.
    pub(crate) allowed: Vec<String>,
}

/// Where events come in.
pub(crate) const WAYS_IN: [&str; 2] = ["/grafana", "/event"];

/// Refuses what does not come from this machine's user, and adds the headers that every answer has.
pub(crate) async fn guard(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let refusal = refusal(request.method(), request.uri().path(), request.headers(), &hosts);
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
fn refusal(method: &Method, path: &str, headers: &HeaderMap, hosts: &Hosts) -> Option<String> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let Hosts { port, allowed } = hosts;
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let host = text(header::HOST).unwrap_or_default();
    // A way to somewhere else in between may have a port of its own.
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let may_send = WAYS_IN.contains(&path) && allowed.iter().any(|other| other.eq_ignore_ascii_case(name));
    let is_one = headers.get_all(header::HOST).iter().count() == 1;
    if !is_one || !(may_send || own.iter().any(|own| own == host)) {
        let [ip, localhost] = own;
        let ways = WAYS_IN.join(" and ");
        return Some(format!(
            "Host is {host:?}: expected {ip} or {localhost}; the playground's --allow-host lets another one send to {ways}"
        ));
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

    fn refused(method: &Method, path: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let hosts = Hosts { port: 4000, allowed: vec!["host.docker.internal".to_owned()] };
        refusal(method, path, &headers.collect(), &hosts).is_some()
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
            assert_eq!(refused(&method, "/", headers), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn an_allowed_host_sends_events_and_reads_nothing() {
        const OTHER: (&str, &str) = ("host", "host.docker.internal:4000");
        for (method, path, headers, expected) in [
            (Method::POST, "/grafana", &[OTHER][..], false),
            (Method::POST, "/event", &[("host", "Host.Docker.Internal")], false),
            (Method::POST, "/grafana", &[OTHER, ("origin", "http://evil.example")], true),
            (Method::POST, "/grafana", &[OTHER, OTHER], true),
            (Method::POST, "/grafana", &[("host", "evil.example:4000")], true),
            (Method::GET, "/", &[OTHER], true),
            (Method::GET, "/inbox", &[OTHER], true),
            (Method::POST, "/api/send", &[OTHER], true),
            (Method::POST, "/press", &[OTHER], true),
        ] {
            assert_eq!(refused(&method, path, headers), expected, "{method} {path} {headers:?}");
        }
    }
}
