//! The page as a server of HTTP: the page itself, and what its script asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert_core::config::ConfigErrors;
use alert_core::envelope;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use chrono::Utc;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::explanation::count;
use super::guard::{self, BadBody};
use super::live::{Press, Sent};
use super::pace::{self, Pace};
use super::page::{self, Form};
use super::{Playground, ask, delivery, file, library, preview};
use crate::commands::input;
use crate::commands::shift::{self, Shifted};

pub(super) type Shared = State<Arc<Playground>>;

impl IntoResponse for BadBody {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

pub(super) fn refused(why: &str) -> BadBody {
    BadBody(StatusCode::BAD_REQUEST, why.to_owned())
}

// ── The page ──

/// The page as everybody begins with it.
pub(super) async fn first_page(State(playground): Shared) -> Response {
    let mut form = Form { config: playground.config.clone(), ..Form::default() };
    load(&mut form, library::FIRST);
    show(&playground, &form, &html! {}).await
}

/// The page after its form was submitted, which happens without its script.
pub(super) async fn submitted(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let fields = fields(body).await?;
    let mut form = form_of(|name| fields.get(name).map(String::as_str));
    form.is_own = true;
    let mut told = html! {};
    match fields.get("do").map(String::as_str) {
        Some("load") => {
            let path = form.fixture.clone();
            load(&mut form, &path);
        }
        Some("send") => told = send(&playground, &form).await,
        _ => {}
    }
    Ok(show(&playground, &form, &told).await)
}

/// The inbox after a button was pressed in it.
pub(super) async fn pressed(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let press = press_of(body).await?;
    match playground.live.press(&press).await {
        Ok(None) => Ok(Redirect::to("/#view-inbox").into_response()),
        Ok(Some(told)) => Ok((StatusCode::OK, format!("Only you see this: {told}\n")).into_response()),
        Err(problem) => Ok((StatusCode::BAD_GATEWAY, format!("The button: {problem}\n")).into_response()),
    }
}

async fn fields(body: Body) -> Result<BTreeMap<String, String>, BadBody> {
    let body = guard::read(body).await?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

async fn press_of(body: Body) -> Result<Press, BadBody> {
    let mut fields = fields(body).await?;
    let mut field = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
    let mut needed = |name: &str| field(name).ok_or_else(|| refused(&format!("{name} is missing")));
    let (channel, ts, action) = (needed("channel")?, needed("ts")?, needed("action")?);
    Ok(Press { channel, ts, action, option: field("option") })
}

/// A form out of its fields; browsers send line ends of their own.
fn form_of<'f>(field: impl Fn(&str) -> Option<&'f str>) -> Form {
    let text = |name| field(name).unwrap_or_default().replace("\r\n", "\n");
    Form {
        fixture: text("fixture"),
        event: text("event"),
        config: text("config"),
        at: text("at"),
        zone: text("zone"),
        rendering: text("rendering"),
        pace: text("pace"),
        is_own: false,
    }
}

fn load(form: &mut Form, path: &str) {
    let Some(fixture) = library::fixture(path) else { return };
    form.fixture = path.to_owned();
    form.event = fixture.event.to_owned();
    if let Some(config) = fixture.config {
        form.config = config.to_owned();
    }
}

async fn show(playground: &Playground, form: &Form, told: &Markup) -> Response {
    let result = playground.answers.to(form).await;
    let Playground { live, url, .. } = playground;
    Html(page::page(form, &result, told, &live.inbox(), url, live.way()).into_string()).into_response()
}

// ── What the script asks for ──

/// An event of the library, or its configuration.
pub(super) async fn fixture(UrlPath((source, name)): UrlPath<(String, String)>) -> Response {
    let path = format!("{source}/{name}");
    let config = path.strip_suffix(".config.yaml").and_then(|stem| {
        let known = library::fixtures();
        known
            .iter()
            .find(|fixture| fixture.path.starts_with(&format!("{stem}.")))
            .and_then(|fixture| fixture.config)
    });
    match (library::fixture(&path), config) {
        (Some(fixture), _) => file("application/json", fixture.event),
        (None, Some(config)) => file("text/plain; charset=utf-8", config),
        (None, None) => (StatusCode::NOT_FOUND, "no such fixture\n").into_response(),
    }
}

/// What is wrong with a configuration.
pub(super) async fn check(body: Body) -> Result<Response, BadBody> {
    let text = String::from_utf8(guard::read(body).await?)
        .map_err(|_| refused("the configuration is not UTF-8 text"))?;
    let problems: Vec<Value> = preview::configuration(&text)
        .1
        .iter()
        .flat_map(ConfigErrors::problems)
        .map(|problem| {
            json!({"line": problem.line, "column": problem.column, "path": problem.path, "message": problem.message})
        })
        .collect();
    Ok(Json(json!({"problems": problems, "html": page::problems(&text).into_string()})).into_response())
}

/// What would become of the event.
pub(super) async fn asked(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let form = json_form(body).await?;
    Ok(Json(json!({"html": playground.answers.to(&form).await.into_string()})).into_response())
}

/// What became of the event.
pub(super) async fn sent(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let form = json_form(body).await?;
    Ok(Json(json!({"html": send(&playground, &form).await.into_string()})).into_response())
}

/// A button was pressed in the inbox.
pub(super) async fn asked_to_press(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let press = press_of(body).await?;
    let told = match playground.live.press(&press).await {
        Ok(None) => html! {},
        Ok(Some(told)) => html! { p.sent { strong { "Only you see this: " } (told) } },
        Err(problem) => page::problem_markup("The button", &problem),
    };
    Ok(Json(json!({"html": told.into_string()})).into_response())
}

async fn json_form(body: Body) -> Result<Form, BadBody> {
    let body = guard::read(body).await?;
    let fields: Value = serde_json::from_slice(&body)
        .map_err(|error| refused(&format!("the request is no JSON: {error}")))?;
    Ok(form_of(|name| fields.get(name).and_then(Value::as_str)))
}

/// Sends what stands in the form to the function that is there for it, with the form's rules, and says what became of it.
async fn send(playground: &Playground, form: &Form) -> Markup {
    if let Err(problem) = input::check_json(form.event.as_bytes()) {
        return page::problem_markup("Not sent", &problem);
    }
    let at = match ask::moment(&form.at, &form.zone) {
        Ok((at, _)) => at.unwrap_or_else(Utc::now),
        Err(problem) => return page::problem_markup("The time", &problem),
    };
    let Shifted { event, .. } = shift::to(form.event.as_bytes(), at);
    let event = delivery::anew(&String::from_utf8_lossy(&event));
    let to_filter = preview::is_for_filter(&envelope::decode(event.as_bytes()));
    let events = pace::parts(&event, Pace::parse(&form.pace));
    match playground.live.send(events, to_filter, &form.config).await {
        Ok(sent) => told(&sent),
        Err(problem) => page::problem_markup("Not sent", &problem),
    }
}

fn told(sent: &Sent) -> Markup {
    let Sent { milliseconds, messages, edits, place, problems } = sent;
    let view = || {
        let entry = place.map_or_else(|| "#view-inbox".to_owned(), |place| format!("#entry-{place}"));
        html! { a.view href=(entry) { "view" } }
    };
    html! {
        @for problem in problems { (page::problem_markup("Not delivered", problem)) }
        @if messages + edits > 0 {
            p.sent {
                "Delivered in " (milliseconds) " ms: " (view())
                @match (messages, edits) {
                    (1, 0) => {},
                    (messages, 0) => { " (" (count(*messages, "message")) ")" },
                    (0, edits) => { " (" (count(*edits, "edit")) ")" },
                    (messages, edits) => { " (" (count(*messages, "message")) ", " (count(*edits, "edit")) ")" },
                }
            }
        } @else if problems.is_empty() {
            p.sent.quiet {
                "Nothing was posted in " (milliseconds) " ms: dropped, or known from before. " (view())
            }
        }
    }
}
