//! `alertctl playground`: a page on loopback where an event and a configuration go in, and what Slack would show comes out;
//! and the real functions beside it, with an inbox for what they deliver.
//!
//! Alert texts are hostile, and so may be any other page in the same browser: everything is escaped by the template library,
//! the policy allows nothing but this page's own files, and [`guard`] knows whom to answer.

mod ask;
mod chart;
mod delivery;
mod explanation;
mod guard;
mod inbox;
pub(crate) mod library;
mod live;
mod message;
mod pace;
mod page;
pub(crate) mod preview;
mod result;
mod thread;
mod web;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use clap::Args;
use tokio::net::TcpListener;

use crate::commands::demo::Way;
use crate::commands::input;
use crate::commands::terminal::{BOLD, GREY};
use ask::Answers;
use guard::Hosts;
use live::Live;

const STYLE: &str = include_str!("style.css");
/// The page's modules by their addresses.
const SCRIPTS: [(&str, &str); 5] = [
    ("/script.js", include_str!("script.js")),
    ("/moments.js", include_str!("moments.js")),
    ("/rules.js", include_str!("rules.js")),
    ("/state.js", include_str!("state.js")),
    ("/tabs.js", include_str!("tabs.js")),
];
/// A red square.
const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>\
    <rect width='16' height='16' rx='3' fill='#a30200'/></svg>";

#[derive(Args)]
pub(crate) struct Options {
    /// The port on 127.0.0.1; a free one, unless given.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The rules that the page and the functions begin with; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reach Slack by an app's bot token instead of a webhook, and remember alerts in a table, so that messages change and their
    /// buttons work.
    #[arg(long)]
    app: bool,
    /// Take events that are sent to this host, too: `host.docker.internal` for a Grafana in a container.
    ///
    /// They are taken at /grafana and /event alone: by this name nobody sees the page or the inbox. Docker Desktop hands them
    /// on to 127.0.0.1; on Linux the playground has to `--listen` where the container can reach it. May be repeated.
    #[arg(long = "allow-host", value_name = "NAME", value_parser = host)]
    allow_hosts: Vec<String>,
    /// Listen at this address of the machine as well, for /grafana and /event alone: on Linux that of Docker's bridge, 172.17.0.1.
    ///
    /// Whoever can reach the address can then put messages into the inbox. Nobody can read there, and nothing goes on to AWS or
    /// to Slack.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    listen: Option<IpAddr>,
}

/// A host's name, without port.
fn host(name: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(is_part) {
        return Err("expected a host's name without port, such as host.docker.internal".to_owned());
    }
    Ok(name.to_ascii_lowercase())
}

fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr =
        text.parse().map_err(|_| "expected an IP address, such as 172.17.0.1".to_owned())?;
    if address.is_unspecified() {
        return Err("that is every network of the machine: name the one address that the container reaches"
            .to_owned());
    }
    Ok(address)
}

/// What all requests share.
struct Playground {
    live: Arc<Live>,
    /// `http://127.0.0.1:port/`
    url: String,
    /// The configuration that the page begins with.
    config: String,
    answers: Answers,
}

/// Serves until Ctrl-C.
pub(crate) async fn run(options: Options) -> Result<bool, String> {
    let config = options.config.as_deref().map(input::text).transpose()?.unwrap_or_default();
    let listener = listen(Ipv4Addr::LOCALHOST.into(), options.port).await?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let other = match options.listen {
        Some(address) if address != Ipv4Addr::LOCALHOST => Some(listen(address, port).await?),
        _ => None,
    };
    let way = if options.app { Way::AppWithButtons } else { Way::Webhook };
    let live = Arc::new(Live::start(&config, way).await?);
    let url = format!("http://127.0.0.1:{port}/");
    let playground = Arc::new(Playground {
        live: Arc::clone(&live),
        url: url.clone(),
        config,
        answers: Answers::default(),
    });
    let mut allowed = options.allow_hosts;
    allowed.extend(options.listen.map(|address| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }));
    greet(&url, port, &allowed);
    let hosts = Arc::new(Hosts { port, allowed });
    let outside = router(ways_in(), &playground, &hosts);
    tokio::select! {
        served = axum::serve(listener, router(pages().merge(ways_in()), &playground, &hosts)) => served.map_err(|error| error.to_string())?,
        served = serve(other, outside) => served?,
        () = live.watch() => {}
        () = live.wake() => {}
        () = interrupted() => anstream::println!("\nThe playground is over."),
    }
    Ok(true)
}

async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind((address, port)).await;
    listener.map_err(|error| format!("port {port} of {address} cannot be had: {error}"))
}

/// Serves where there is a listener; never ends where there is none.
async fn serve(listener: Option<TcpListener>, router: Router) -> Result<(), String> {
    let Some(listener) = listener else { return std::future::pending().await };
    axum::serve(listener, router).await.map_err(|error| error.to_string())
}

fn greet(url: &str, port: u16, allowed: &[String]) {
    let walkthrough = library::FIRST;
    anstream::println!("{BOLD}Playground{BOLD:#}                            {url}");
    anstream::println!("{BOLD}Webhook for Grafana, Alertmanager{BOLD:#}     {url}grafana");
    anstream::println!(
        "{GREY}  curl -s {url}fixtures/grafana/walkthrough.bare.json | curl --data-binary @- {url}grafana{GREY:#}"
    );
    for host in allowed {
        anstream::println!(
            "{BOLD}  from a container{BOLD:#}                    http://{host}:{port}/grafana"
        );
    }
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

/// The page, and what its script asks for.
fn pages() -> Router<Arc<Playground>> {
    let router = SCRIPTS.into_iter().fold(Router::new(), |router, (path, script)| {
        router.route(path, get(async move || file("text/javascript; charset=utf-8", script)))
    });
    router
        .route("/", get(web::first_page).post(web::submitted))
        .route("/style.css", get(async || file("text/css; charset=utf-8", STYLE)))
        .route("/favicon.ico", get(async || file("image/svg+xml", ICON)))
        .route("/fixtures/{source}/{name}", get(web::fixture))
        .route("/press", post(web::pressed))
        .route("/api/check", post(web::check))
        .route("/api/preview", post(web::asked))
        .route("/api/send", post(web::sent))
        .route("/api/press", post(web::asked_to_press))
        .route("/inbox", get(inbox::inbox))
}

/// Where events come in.
fn ways_in() -> Router<Arc<Playground>> {
    Router::new().route("/grafana", post(inbox::webhook)).route("/event", post(inbox::event))
}

fn router(routes: Router<Arc<Playground>>, playground: &Arc<Playground>, hosts: &Arc<Hosts>) -> Router {
    let guard = middleware::from_fn_with_state(Arc::clone(hosts), guard::guard);
    routes.layer(guard).with_state(Arc::clone(playground))
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    ([(axum::http::header::CONTENT_TYPE, content_type)], content).into_response()
}
