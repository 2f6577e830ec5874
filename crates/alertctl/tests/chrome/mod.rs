//! A real browser: what a person does with a page, what it shows, and what its judges say.

pub(crate) mod links;
pub(crate) mod pictures;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use thirtyfour::common::command::{Command, ExtensionCommand};
use thirtyfour::{
    By, CapabilitiesHelper as _, ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver,
};

use crate::foreign::Foreign;
use crate::page::{Directory, free_port};

/// A browser on a busy machine is slow; a hang is no pause for coffee.
const SOON: Duration = Duration::from_secs(30);

/// A browser, ended with its owner.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    _profile: Directory,
    _process: Foreign,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        // Asked for by the client even where it speaks plain HTTP; an earlier test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let program =
            |variable: &str, usual: &str| std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
        let port = free_port();
        let mut command = std::process::Command::new(program("CHROMEDRIVER", "chromedriver"));
        // What is shown in the viewer's time zone is the same on every machine.
        command.arg(format!("--port={port}")).env("TZ", "UTC");
        let mut process = Foreign::start(&mut command, "chromium and chromium-driver");
        process.wait_for_port(port, SOON);
        let profile = Directory::new("browser");
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(&program("CHROMIUM", "/usr/bin/chromium")).unwrap();
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--lang=en-US",
            "--force-device-scale-factor=2",
            "--window-size=1440,1000",
            &format!("--user-data-dir={}", profile.0.display()),
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.set("goog:loggingPrefs", json!({"browser": "ALL"})).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap();
        Self { driver, _profile: profile, _process: process }
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        // An element may be replaced while it is looked at.
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    pub(crate) async fn see(&self, css: &str, expected: &str) -> String {
        let begin = Instant::now();
        loop {
            let text = self.text(css).await;
            if text.contains(expected) {
                return text;
            }
            assert!(begin.elapsed() < SOON, "{css} does not show {expected:?}, but: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the page waits for no answer.
    pub(crate) async fn rest(&self) {
        let begin = Instant::now();
        while self.driver.find(By::Css("[aria-busy]")).await.is_ok() {
            assert!(begin.elapsed() < SOON, "an answer never comes");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Presses what is there, or comes soon: an element may be replaced while it is looked for.
    pub(crate) async fn click(&self, css: &str) {
        let begin = Instant::now();
        loop {
            let clicked = match self.driver.find(By::Css(css)).await {
                Ok(element) => element.click().await,
                Err(error) => Err(error),
            };
            let Err(error) = clicked else { return };
            let text = self.text("body").await;
            assert!(begin.elapsed() < SOON, "{css} cannot be pressed: {error}\n{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Types over what stands in a field.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        let field = self.driver.find(By::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Sets what is tedious to type, and tells the page.
    pub(crate) async fn set(&self, css: &str, value: &str) {
        let script = "const field = document.querySelector(arguments[0]); field.value = arguments[1];
            for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, {bubbles: true}));";
        self.script(script, vec![json!(css), json!(value)]).await;
    }

    pub(crate) async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.driver.execute(script, arguments).await.unwrap().json().clone()
    }

    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    pub(crate) async fn prefer(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// A phone of this width.
    pub(crate) async fn narrow(&self, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// The window again.
    pub(crate) async fn widen(&self) {
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// How wide the page is, with what one would have to scroll to.
    pub(crate) async fn width(&self) -> u64 {
        self.script("return document.documentElement.scrollWidth", vec![]).await.as_u64().unwrap()
    }

    /// What axe-core finds wrong with the page as it is.
    pub(crate) async fn findings(&self) -> Value {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/axe/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}: `.ci/foreign browser` installs it", path.display()));
        self.script(&axe, vec![]).await;
        let run = "const done = arguments[arguments.length - 1];
            const told = (node) => `${node.target.join(' ')}: ${node.failureSummary}`;
            axe.run().then(({violations, passes}) => done({
                passes: passes.length,
                violations: violations.map(({id, nodes}) => [id, ...nodes.map(told)]),
            }), (error) => done(String(error)));";
        self.driver.execute_async(run, vec![]).await.unwrap().json().clone()
    }

    /// What stands in the browser's console, the newest last.
    pub(crate) async fn console(&self) -> Vec<String> {
        let log = self.driver.cmd(Command::ExtensionCommand(Box::new(ReadLog))).await.unwrap();
        let lines: Vec<Value> = log.value().unwrap();
        lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    /// A picture of an element, where pictures are wanted; of the window without one.
    pub(crate) async fn picture(&self, css: Option<&str>, name: &str) {
        let Ok(directory) = std::env::var("ALERT_PICTURES") else { return };
        let path = Path::new(&directory).join(name);
        match css {
            Some(css) => {
                let element = self.driver.find(By::Css(css)).await.unwrap();
                element.scroll_into_view().await.unwrap();
                element.screenshot(&path).await.unwrap();
            }
            None => self.driver.screenshot(&path).await.unwrap(),
        }
    }
}

/// `chromedriver`'s own command for the console.
#[derive(Debug)]
struct ReadLog;

impl ExtensionCommand for ReadLog {
    fn parameters_json(&self) -> Option<Value> {
        Some(json!({"type": "browser"}))
    }

    fn method(&self) -> Method {
        Method::POST
    }

    fn endpoint(&self) -> Arc<str> {
        "/se/log".into()
    }
}
