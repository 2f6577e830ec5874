//! `alertctl playground`: a page on loopback where an event and a configuration go in, and what Slack would show comes out;
//! and the real functions beside it, with an inbox for what they deliver.
//!
//! Alert texts are hostile, and so may be any other page in the same browser: everything is escaped by the template library,
//! the policy allows nothing but this page's own files, and [`guard`] knows whom to answer.

mod chart;
mod explanation;
mod guard;
pub(crate) mod library;
mod live;
mod message;
mod page;
pub(crate) mod preview;
mod thread;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alert_core::config::ConfigErrors;
use alert_core::envelope;
use alert_core::time_interval::parse_location;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use clap::ValueEnum as _;
use futures_util::{Stream, stream};
use maud::{Markup, html};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use crate::commands::demo::{Stage, Way};
use crate::commands::input;
use crate::commands::render::Blocks;
use crate::commands::terminal::{BOLD, GREY};
use guard::BadBody;
use live::{Entry, Live};
use page::Form;
use preview::Question;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// When a question is given up: a configuration can ask for more than a page should wait for.
const ANSWER_MAX: Duration = Duration::from_millis(900);
/// Questions at once; those that were given up are still counted until they end.
const QUESTIONS_MAX: usize = 4;

struct Playground {
    live: Arc<Live>,
    /// `http://127.0.0.1:port/`
    url: String,
    /// The configuration of the running functions, which the page begins with.
    config: String,
    questions: Arc<Semaphore>,
}

type Shared = State<Arc<Playground>>;

/// Serves until Ctrl-C.
pub(crate) async fn run(port: u16, config: Option<&Path>, way: Way) -> Result<bool, String> {
    let config = config.map(input::text).transpose()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("port {port} of 127.0.0.1 cannot be had: {error}"))?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let url = format!("http://127.0.0.1:{port}/");
    let live = Arc::new(Live::new(Stage::build(config.as_deref(), way).await?));
    let playground = Arc::new(Playground {
        live: Arc::clone(&live),
        url: url.clone(),
        config: config.unwrap_or_default(),
        questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
    });
    greet(&url);
    tokio::select! {
        served = axum::serve(listener, router(playground, port)) => served.map_err(|error| error.to_string())?,
        () = live.watch() => {}
        () = interrupted() => anstream::println!("\nThe playground is over."),
    }
    Ok(true)
}

fn greet(url: &str) {
    let walkthrough = library::FIRST;
    anstream::println!("{BOLD}Playground{BOLD:#}                            {url}");
    anstream::println!("{BOLD}Webhook for Grafana, Alertmanager{BOLD:#}     {url}grafana");
    anstream::println!(
        "{GREY}  curl -s {url}fixtures/grafana/walkthrough.bare.json | curl --data-binary @- {url}grafana{GREY:#}"
    );
    anstream::println!("{BOLD}Any event, for cloudwatch-to-slack{BOLD:#}    {url}event");
    anstream::println!(
        "{GREY}  curl -s {url}fixtures/{walkthrough} | curl --data-binary @- {url}event{GREY:#}"
    );
    anstream::println!("What the functions deliver stands in the page's inbox. Ctrl-C ends it.");
}

/// Ctrl-C, or the polite request to end that `kill` and containers send.
async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    // Where no signal can be waited for, the process ends by it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn router(playground: Arc<Playground>, port: u16) -> Router {
    Router::new()
        .route("/", get(first_page).post(submitted))
        .route("/style.css", get(async || file("text/css; charset=utf-8", STYLE)))
        .route("/script.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/fixtures/{source}/{name}", get(fixture))
        .route("/api/check", post(check))
        .route("/api/preview", post(asked))
        .route("/api/send", post(sent))
        .route("/inbox", get(inbox))
        .route("/grafana", post(webhook))
        .route("/event", post(event))
        .layer(middleware::from_fn_with_state(port, guard::guard))
        .with_state(playground)
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type)], content).into_response()
}

impl IntoResponse for BadBody {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

fn refused(why: &str) -> BadBody {
    BadBody(StatusCode::BAD_REQUEST, why.to_owned())
}

// ── The page ──

async fn first_page(State(playground): Shared) -> Response {
    let mut form = Form { config: playground.config.clone(), ..Form::default() };
    load(&mut form, library::FIRST);
    show(&playground, &form, None).await
}

async fn submitted(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let body = guard::read(body).await?;
    let fields: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let mut form = form_of(|name| fields.get(name).map(String::as_str));
    match fields.get("do").map(String::as_str) {
        Some("load") => {
            let path = form.fixture.clone();
            load(&mut form, &path);
            Ok(show(&playground, &form, None).await)
        }
        Some("send") => {
            let told = send(&playground, &form.event).await;
            // By then it stands in the inbox, as a rule.
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(show(&playground, &form, Some(told)).await)
        }
        _ => Ok(show(&playground, &form, None).await),
    }
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

async fn show(playground: &Playground, form: &Form, told: Option<Markup>) -> Response {
    let result = answer(playground, form).await;
    let result = html! { (told.unwrap_or_default()) (result) };
    let inbox = playground.live.inbox();
    Html(page::page(form, &result, &inbox, &playground.url, playground.live.way()).into_string())
        .into_response()
}

/// The answer to what stands in a form; it comes in time, whatever is asked.
async fn answer(playground: &Playground, form: &Form) -> Markup {
    let (at, asked) = match moment(&form.at, &form.zone) {
        Ok(moment) => moment,
        Err(problem) => return page::problem_markup("The time", &problem),
    };
    let busy = || {
        let why = "this takes longer than a second to work out: fewer alerts, or simpler time intervals, are quicker \
                   (a function has more time than a page)";
        page::problem_markup("The answer", why)
    };
    let Ok(permit) = Arc::clone(&playground.questions).try_acquire_owned() else { return busy() };
    let question = Question {
        event: form.event.clone(),
        config: form.config.clone(),
        at,
        rendering: Blocks::from_str(&form.rendering, false).ok(),
    };
    let (sender, receiver) = oneshot::channel();
    // A thread of its own, and not one of the runtime's, which would have to be waited for at the end.
    std::thread::spawn(move || {
        let answer = page::result(&question, &asked);
        drop(permit);
        // Nobody listens any more when it took too long.
        let _ = sender.send(answer);
    });
    match tokio::time::timeout(ANSWER_MAX, receiver).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            page::problem_markup("The answer", "the renderer failed; its reason stands in the terminal")
        }
        Err(_) => busy(),
    }
}

/// The moment that is asked about, and how the question was put.
fn moment(at: &str, zone: &str) -> Result<(Option<DateTime<Utc>>, String), String> {
    let (at, zone) = (at.trim(), zone.trim());
    if at.is_empty() {
        return Ok((None, String::new()));
    }
    let zone: Tz =
        if zone.is_empty() { Tz::UTC } else { parse_location(zone).map_err(|error| error.to_string())? };
    let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(at, format).ok())
        .ok_or_else(|| format!("expected a date and time such as 2026-09-13T03:00, found {at:?}"))?;
    let moment = zone
        .from_local_datetime(&local)
        .earliest()
        .ok_or_else(|| format!("{at} does not exist in {zone}: the clocks were put forward"))?;
    let asked = format!("{} in {zone}", moment.format("%A, %Y-%m-%d %H:%M:%S"));
    Ok((Some(moment.with_timezone(&Utc)), asked))
}

// ── What the script asks for ──

async fn fixture(UrlPath((source, name)): UrlPath<(String, String)>) -> Response {
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

async fn check(body: Body) -> Result<Response, BadBody> {
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

async fn asked(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let form = json_form(body).await?;
    Ok(Json(json!({"html": answer(&playground, &form).await.into_string()})).into_response())
}

async fn sent(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let form = json_form(body).await?;
    Ok(Json(json!({"html": send(&playground, &form.event).await.into_string()})).into_response())
}

async fn json_form(body: Body) -> Result<Form, BadBody> {
    let body = guard::read(body).await?;
    let fields: Value = serde_json::from_slice(&body)
        .map_err(|error| refused(&format!("the request is no JSON: {error}")))?;
    Ok(form_of(|name| fields.get(name).and_then(Value::as_str)))
}

/// Sends an event to the function that is there for it, and says what it answered.
async fn send(playground: &Playground, event: &str) -> Markup {
    if let Err(problem) = input::check_json(event.as_bytes()) {
        return page::problem_markup("The event", &problem);
    }
    let to_filter = preview::is_for_filter(&envelope::decode(event.as_bytes()));
    let answer = playground.live.event(event.as_bytes().to_vec(), to_filter).await;
    let function = answer["function"].as_str().unwrap_or_default();
    if let Some(error) = answer["error"].as_str() {
        return page::problem_markup(function, error);
    }
    html! {
        p.sent role="status" {
            strong { (function) } " answered in " (answer["milliseconds"]) " ms: "
            code { (answer["response"].to_string()) }
        }
    }
}

// ── The inbox ──

async fn inbox(State(playground): Shared, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    // A page that is new has what came before it already.
    let begin = last.unwrap_or_else(|| *playground.live.changes().borrow());
    Sse::new(entries(Arc::clone(&playground.live), begin)).keep_alive(KeepAlive::default()).into_response()
}

fn entries(live: Arc<Live>, begin: u64) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = live.changes();
    stream::unfold(
        (live, changes, begin, VecDeque::<Arc<Entry>>::new()),
        async |(live, mut changes, last, mut waiting)| {
            while waiting.is_empty() {
                // In this order, so that nothing is missed in between.
                changes.mark_unchanged();
                waiting.extend(live.after(last));
                if waiting.is_empty() && changes.changed().await.is_err() {
                    return None;
                }
            }
            let entry = waiting.pop_front()?;
            // As JSON, which has no line ends of its own.
            let data = Value::String(entry.html.clone()).to_string();
            let event = Event::default().id(entry.number.to_string()).data(data);
            Some((Ok(event), (live, changes, entry.number, waiting)))
        },
    )
}

// ── The ways in ──

async fn webhook(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let body = guard::read(body).await?;
    input::check_json(&body).map_err(|problem| refused(&problem))?;
    let detail: Value = serde_json::from_slice(&body).map_err(|error| refused(&error.to_string()))?;
    if !detail.is_object() {
        return Err(refused("expected a webhook: a JSON object"));
    }
    let id = playground.live.webhook(&detail);
    Ok(Json(json!({"FailedEntryCount": 0, "Entries": [{"EventId": id}]})).into_response())
}

async fn event(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let body = guard::read(body).await?;
    input::check_json(&body).map_err(|problem| refused(&problem))?;
    let answer = playground.live.event(body, false).await;
    let status = if answer.get("error").is_some() { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    Ok((status, Json(answer)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_in_a_zone_is_a_moment() {
        let (at, asked) = moment("2026-09-13T03:00", "Asia/Seoul").unwrap();
        assert_eq!(at, Some("2026-09-12T18:00:00Z".parse().unwrap()));
        assert_eq!(asked, "Sunday, 2026-09-13 03:00:00 in Asia/Seoul");
        assert_eq!(moment(" ", "nowhere"), Ok((None, String::new())));
        assert_eq!(
            moment("2026-09-13T03:00:30", "").unwrap().0,
            Some("2026-09-13T03:00:30Z".parse().unwrap())
        );
        for (at, zone, cause) in [
            ("2026-09-13T03:00", "Mars/Base", "Asia/Seoul"),
            ("2026-09-13T03:00", "jst", "did you mean `Asia/Tokyo`?"),
            ("tomorrow", "", "2026-09-13T03:00"),
            ("2026-03-29T02:30", "Europe/Berlin", "does not exist"),
        ] {
            let problem = moment(at, zone).unwrap_err();
            assert!(problem.contains(cause), "{problem}");
        }
    }
}
