//! The playground in a real browser: what a person sees. It also takes the pages' pictures (`make pictures`).
//!
//! Needs Debian's `chromium` and `chromium-driver`, or others named by `CHROMIUM` and `CHROMEDRIVER`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod foreign;
mod page;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use foreign::Foreign;
use page::{Directory, Playground, fixture, free_port};
use serde_json::{Value, json};
use thirtyfour::{By, ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver};

/// A browser on a busy machine is slow; a hang is no pause for coffee.
const SOON: Duration = Duration::from_secs(30);

/// A browser, ended with its owner.
struct Browser {
    driver: WebDriver,
    _profile: Directory,
    _process: Foreign,
}

impl Browser {
    async fn start() -> Self {
        // Asked for by the client even where it speaks plain HTTP; an earlier test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let program =
            |variable: &str, usual: &str| std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
        let port = free_port();
        let mut command = Command::new(program("CHROMEDRIVER", "chromedriver"));
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
            "--window-size=1440,1200",
            &format!("--user-data-dir={}", profile.0.display()),
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap();
        Self { driver, _profile: profile, _process: process }
    }

    async fn text(&self, css: &str) -> String {
        // An element may be replaced while it is looked at.
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    async fn see(&self, css: &str, expected: &str) -> String {
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

    async fn click(&self, css: &str) {
        self.driver.find(By::Css(css)).await.unwrap().click().await.unwrap();
    }

    /// Types over what stands in a field.
    async fn write(&self, css: &str, text: &str) {
        let field = self.driver.find(By::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Sets what is tedious to type, and tells the page.
    async fn set(&self, css: &str, value: &str) {
        let script = "const field = document.querySelector(arguments[0]); field.value = arguments[1];
            for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, {bubbles: true}));";
        self.script(script, vec![json!(css), json!(value)]).await;
    }

    async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.driver.execute(script, arguments).await.unwrap().json().clone()
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    async fn prefer(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn narrow(&self, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// A picture of an element, where pictures are wanted; of the window without one.
    async fn picture(&self, css: Option<&str>, name: &str) {
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

const EVENT: &str = "#event";
const MESSAGE: &str = "#panel-slack .message";

#[tokio::test]
#[ignore = "needs a browser: run by `make test`"]
async fn a_person_tries_events_rules_and_times() {
    let playground = Playground::start(&[]);
    let browser = Browser::start().await;
    // What goes wrong in the page, from its first moment on.
    let listen = "window.wrong = [];
        addEventListener('error', (event) => wrong.push(event.message ?? 'a file'), true);
        addEventListener('unhandledrejection', (event) => wrong.push(String(event.reason)));
        addEventListener('securitypolicyviolation', (event) => wrong.push(event.violatedDirective));";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": listen})).await;
    browser.driver.goto(playground.url()).await.unwrap();

    sees_the_message_of_a_fixture(&browser).await;
    sees_each_rendering(&browser).await;
    sees_a_mistake_at_its_line(&browser).await;
    sees_the_verdict_change_with_the_time(&browser).await;
    sees_hostile_text_as_text(&browser, &playground).await;
    gets_along_with_the_keyboard(&browser).await;
    sends_it_to_the_real_functions(&browser, &playground).await;
    fits_a_phone(&browser).await;
    let wrong = browser.script("return window.wrong", vec![]).await;
    assert_eq!(wrong, json!([]), "the page's script fails, or breaks the page's own policy");
    takes_the_pictures(&browser, &playground).await;

    browser.driver.clone().quit().await.unwrap();
}

async fn sees_the_message_of_a_fixture(browser: &Browser) {
    browser.see(MESSAGE, "Example alarm name").await;
    browser.set("#fixture", "grafana/walkthrough.eventbridge.json").await;
    browser.see("#verdict", "3 posted · 1 dropped").await;
    let message = browser.see(MESSAGE, "Grafana DatasourceNoData FIRING").await;
    assert!(!message.contains("<!date"), "{message}");
    browser.click("#tab-panel-sns").await;
    browser.see("#panel-sns", "Alert Name :").await;
    browser.click("#tab-panel-json").await;
    browser.see("#panel-json", "\"attachments\"").await;
    browser.click("#tab-panel-why").await;
    browser.see("#panel-why", "rule grafana-datasource-errors holds").await;
    browser.click("#tab-panel-slack").await;
    browser.see("#panel-slack .lockscreen", "Slack").await;
}

async fn sees_each_rendering(browser: &Browser) {
    browser.set("#fixture", "cloudwatch/metric.sns.json").await;
    browser.set("#rendering", "modern").await;
    browser.see(&format!("{MESSAGE} .chart"), "52.5 % → 99.9 %, limit 50 %").await;
    let drawn = "const values = document.querySelector('.chart .values');
        return [values.getBoundingClientRect().width, getComputedStyle(values).fill]";
    let drawn = browser.script(drawn, vec![]).await;
    assert!(
        drawn[0].as_f64().unwrap() > 100.0 && drawn[1] == "none",
        "{drawn}: a line, drawn by the style sheet"
    );
    let details = format!("{MESSAGE} details");
    let closed = browser.see(&details, "Details").await;
    assert!(!closed.contains("Since"), "{closed}");
    browser.click(&format!("{details} summary")).await;
    browser.see(&details, "Since").await;
    browser.set("#rendering", "plain").await;
    browser.see(MESSAGE, "Open alarm · Metric graph").await;
    browser.set("#rendering", "").await;
    browser.see(&format!("{MESSAGE} .attachment"), "Since").await;
}

async fn sees_a_mistake_at_its_line(browser: &Browser) {
    browser.write("#config", "timezone: Asia/Seoul\nroute:\n  reciever: oncall\n").await;
    browser.see("#problems", "line 3, column 3").await;
    browser.see("#gutter .wrong", "3").await;
    browser.see(MESSAGE, "rules are off").await;
    browser.click("#problems a").await;
    let selected =
        "const c = document.querySelector('#config'); return c.value.slice(c.selectionStart, c.selectionEnd)";
    let selected = browser.script(selected, vec![]).await;
    assert_eq!(selected, "reciever: oncall", "the mistake is selected");
    browser.write("#config", "timezone: Asia/Seoul\n").await;
    browser.see("#problems", "Fine").await;
}

const NIGHTS: &str = "drop:
  - name: weekend-nights
    matchers: ['severity!=\"critical\"']
    active_time_intervals: [weekend-nights]
time_intervals:
  - name: weekend-nights
    time_intervals:
      - weekdays: ['saturday', 'sunday']
        times: [{start_time: '00:00', end_time: '07:00'}]
        location: Asia/Seoul
";

async fn sees_the_verdict_change_with_the_time(browser: &Browser) {
    browser.set("#fixture", "cloudwatch/walkthrough.sns.json").await;
    browser.set("#config", NIGHTS).await;
    browser.see("#verdict", "1 posted · 0 dropped").await;
    browser.write("#zone", "Asia/Seoul").await;
    browser.set("#at", "2026-09-13T03:00").await;
    browser.see("#verdict", "0 posted · 1 dropped").await;
    browser.see(".asked", "Sunday, 2026-09-13 03:00:00 in Asia/Seoul").await;
    browser.see(".verdicts", "weekend-nights").await;
    browser.set("#at", "2026-09-13T09:00").await;
    browser.see("#verdict", "1 posted · 0 dropped").await;
    browser.click("#now-reset").await;
    browser.see(".asked", "the event's own time").await;
    browser.set("#config", "").await;
}

async fn sees_hostile_text_as_text(browser: &Browser, playground: &Playground) {
    let hostile = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>";
    let event = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1", "Subject": hostile, "Message": hostile}}]});
    browser.set(EVENT, &event.to_string()).await;
    browser.see(MESSAGE, "<script>window.hacked = 1</script>").await;
    playground.post("/event", event.to_string().as_bytes());
    browser.see("#inbox", "<script>window.hacked = 1</script>").await;
    assert_eq!(browser.script("return window.hacked ?? null", vec![]).await, Value::Null);
    let images =
        browser.script("return document.querySelectorAll('img, #result script').length", vec![]).await;
    assert_eq!(images, 0);
    browser.write(EVENT, "{\n  \"a\": ,\n}").await;
    browser.see("#result", "line 2, column 8").await;
}

async fn gets_along_with_the_keyboard(browser: &Browser) {
    browser.set("#fixture", "cloudwatch/walkthrough.sns.json").await;
    browser.see(MESSAGE, "Example alarm name").await;
    let press = "const tab = document.querySelector('[role=tab][aria-selected=true]'); tab.focus();
        tab.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}));
        return document.activeElement.textContent";
    assert_eq!(browser.script(press, vec![json!("ArrowRight")]).await, "JSON");
    assert_eq!(browser.script(press, vec![json!("End")]).await, "Why");
    assert_eq!(browser.script(press, vec![json!("ArrowRight")]).await, "Slack");
    let nameless = "return [...document.querySelectorAll('input, select, textarea')]
        .filter((field) => !field.labels?.length).map((field) => field.id)";
    assert_eq!(browser.script(nameless, vec![]).await, json!([]), "every field has a label");
}

async fn sends_it_to_the_real_functions(browser: &Browser, playground: &Playground) {
    browser.click("#send").await;
    browser.see(".sent", "cloudwatch-to-slack answered").await;
    browser.see("#inbox .entry:first-child", "Example alarm name").await;
    playground.post("/grafana", fixture("grafana/walkthrough.bare.json").as_bytes());
    browser.see("#inbox", "Grafana FIRING").await;
    browser.see("#live", "live").await;
}

async fn fits_a_phone(browser: &Browser) {
    browser.narrow(360).await;
    browser.set("#fixture", "cloudwatch/many-datapoints.eventbridge.json").await;
    browser.set("#rendering", "modern").await;
    browser.see(&format!("{MESSAGE} .chart"), "limit").await;
    let wide = browser.script("return document.documentElement.scrollWidth", vec![]).await;
    assert!(wide.as_u64().unwrap() <= 360, "the page is {wide} wide");
    browser.set("#rendering", "").await;
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
}

async fn takes_the_pictures(browser: &Browser, playground: &Playground) {
    browser.driver.goto(playground.url()).await.unwrap();
    browser.set("#fixture", "cloudwatch/cpu-above-50.sns.json").await;
    browser.see(MESSAGE, "limit 50 %").await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.picture(Some(MESSAGE), &format!("message-{scheme}.png")).await;
    }
    browser.set("#fixture", "grafana/walkthrough.eventbridge.json").await;
    browser.set("#config", PATIENCE).await;
    browser.see("#problems", "Fine").await;
    browser.see(".verdicts", "give-it-time").await;
    browser.script("scrollTo(0, 0)", vec![]).await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.picture(None, &format!("playground-{scheme}.png")).await;
    }
    browser.narrow(390).await;
    browser.set("#config", "").await;
    browser.set("#fixture", "cloudwatch/metric-math.eventbridge.json").await;
    for (rendering, part, sign) in [
        ("modern", ".container", "Details"),
        ("classic", ".attachment", "Since"),
        ("plain", ".section", "Open alarm · "),
    ] {
        browser.set("#rendering", rendering).await;
        browser.see(&format!("{MESSAGE} {part}"), sign).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            browser.picture(Some("#panel-slack"), &format!("phone-{rendering}-{scheme}.png")).await;
        }
    }
    browser.set("#rendering", "modern").await;
    browser.see(&format!("{MESSAGE} .container"), "Details").await;
    browser.click(&format!("{MESSAGE} summary")).await;
    browser.picture(Some("#panel-slack"), "phone-opened.png").await;
    browser.script("document.querySelector('#rendering').scrollIntoView()", vec![]).await;
    browser.picture(None, "phone.png").await;
}

#[tokio::test]
#[ignore = "needs a browser: run by `make test`"]
async fn a_person_sees_messages_change_in_place() {
    let playground = Playground::start(&["--app"]);
    let browser = Browser::start().await;
    browser.driver.goto(playground.url()).await.unwrap();
    browser.see("#live", "live").await;
    let send = |path: &str| {
        let answer = playground.post("/event", fixture(path).as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let entries = async || {
        let count = "return document.querySelectorAll('#inbox .entry').length";
        browser.script(count, vec![]).await
    };
    send("cloudwatch/composite.sns.json");
    let first = browser.see("#inbox .entry", "🔴 shop is down: orders-api errors in ALARM").await;
    assert!(!first.contains("edited") && !first.contains("Rang"), "{first}");
    send("cloudwatch/walkthrough.sns.json");
    browser.see("#inbox .entry:first-child", "🔴 Example alarm name").await;

    // It is worse: the reply rings, and the message changes where it stands.
    send("cloudwatch/composite-two-children.sns.json");
    let entry = "#inbox .entry:last-child";
    browser.see(&format!("{entry} > .message"), "orders-api errors, orders-db storage low in ALARM").await;
    browser.see(&format!("{entry} .thread"), "Worse than before").await;
    browser.see(&format!("{entry} .thread"), "rang also sent to the channel").await;
    browser.see(&format!("{entry} .rings"), "Rang 2 times. Silent: 1 edit, 0 in the thread alone.").await;
    assert_eq!(entries().await, 2);
    let earlier = format!("{entry} .earlier");
    let closed = browser.see(&earlier, "(edited) 1 time").await;
    assert!(!closed.contains("shop is down"), "{closed}");
    browser.click(&format!("{earlier} summary")).await;
    browser.see(&earlier, "🔴 shop is down: orders-api errors in ALARM").await;

    // What is over is silent, and what was opened stays open.
    send("cloudwatch/walkthrough-ok.sns.json");
    let entry = "#inbox .entry:first-child";
    browser.see(&format!("{entry} > .message"), "✅ Example alarm name").await;
    browser.see(&format!("{entry} .thread"), "silent in the thread alone").await;
    browser.see(&format!("{entry} .rings"), "Rang 1 time. Silent: 1 edit, 1 in the thread alone.").await;
    browser.see(&earlier, "🔴 shop is down: orders-api errors in ALARM").await;
    assert_eq!(entries().await, 2);
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.picture(Some("#inbox-card"), &format!("inbox-{scheme}.png")).await;
    }
    browser.narrow(360).await;
    let wide = browser.script("return document.documentElement.scrollWidth", vec![]).await;
    assert!(wide.as_u64().unwrap() <= 360, "the page is {wide} wide");

    // Who opens the page later sees the same.
    let live = browser.text("#inbox").await;
    browser.driver.refresh().await.unwrap();
    browser.see("#live", "live").await;
    browser.click(&format!("{earlier} summary")).await;
    assert_eq!(browser.text("#inbox").await, live);

    browser.driver.clone().quit().await.unwrap();
}

const PATIENCE: &str = "drop:
  - name: give-it-time
    matchers: ['alertname=~\"DatasourceError|DatasourceNoData\"']
    younger_than: 30m
route:
  receiver: default
  routes:
    - matchers: ['severity=\"critical\"']
      receiver: oncall
receivers:
  - name: default
  - name: oncall
    mention: '<!subteam^S012345>'
timezone: Asia/Seoul
";
