//! The playground in a real browser: what a person sees. It also takes the pages' pictures (`make pictures`).
//!
//! Needs Debian's `chromium` and `chromium-driver`, or others named by `CHROMIUM` and `CHROMEDRIVER`; and axe-core, which
//! `.ci/foreign browser` installs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chrome;
mod foreign;
mod page;

use chrome::Browser;
use chrome::links::hands_a_link_on_and_reloads;
use chrome::pictures::{frame, takes_the_pictures};
use page::{Playground, fixture};
use serde_json::{Value, json};

pub(crate) const EVENT: &str = "#event";
pub(crate) const MESSAGE: &str = "#panel-slack .message";

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

    sees_three_columns_and_the_result_stay(&browser).await;
    finds_an_event_by_what_it_is(&browser).await;
    sees_the_message_of_a_fixture(&browser).await;
    sees_each_rendering(&browser).await;
    sees_a_mistake_at_its_line(&browser).await;
    sees_the_verdict_change_with_the_time(&browser).await;
    sees_hostile_text_as_text(&browser, &playground).await;
    gets_along_with_the_keyboard(&browser).await;
    sends_it_to_the_real_functions(&browser, &playground).await;
    sends_a_storm_all_at_once_and_ten_at_a_time(&browser).await;
    fits_a_phone(&browser).await;
    let wrong = browser.script("return window.wrong", vec![]).await;
    assert_eq!(wrong, json!([]), "the page's script fails, or breaks the page's own policy");
    hands_a_link_on_and_reloads(&browser, &playground).await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "nothing is missing, nothing fails");
    takes_the_pictures(&browser, &playground).await;

    browser.driver.clone().quit().await.unwrap();
}

async fn sees_three_columns_and_the_result_stay(browser: &Browser) {
    browser.see(MESSAGE, "Example alarm name").await;
    let places = "return ['event-card', 'rules-card', 'result-card'].map((id) => {
        const {x, y, bottom} = document.getElementById(id).getBoundingClientRect();
        return [x, y, bottom];
    })";
    let places = async || browser.script(places, vec![]).await;
    let (event, rules, result) = (0, 1, 2);
    let before = places().await;
    let at = |places: &Value, column: usize, side: usize| places[column][side].as_f64().unwrap();
    assert!(at(&before, event, 0) < at(&before, rules, 0) && at(&before, rules, 0) < at(&before, result, 0));
    assert!((at(&before, event, 1) - at(&before, result, 1)).abs() < 1.0, "side by side: {before}");
    // Much to scroll through in one column leaves the result where it is seen.
    browser
        .script("document.querySelector('#event').style.height = '3000px'; scrollTo(0, 2000)", vec![])
        .await;
    let after = places().await;
    assert!(at(&after, event, 1) < -1000.0 && at(&after, result, 1) >= 0.0, "{after}");
    browser.script("document.querySelector('#event').style.height = ''; scrollTo(0, 0)", vec![]).await;
}

async fn finds_an_event_by_what_it_is(browser: &Browser) {
    let found = "return [...document.querySelectorAll('#fixture option')].map((option) => option.value)";
    let found = async || browser.script(found, vec![]).await.as_array().unwrap().len();
    let all = found().await;
    browser.write("#search", "guardduty ec2 mines").await;
    browser.see("#fixture", "finding, by SNS").await;
    // Beside it the one that is chosen, and an event of one's own.
    assert!(all > 100 && found().await <= 4, "{all} became {}", found().await);
    browser.set("#fixture", "guardduty/finding.sns.json").await;
    browser.see("#about", "an EC2 instance that mines, high severity").await;
    browser.see(MESSAGE, "GuardDuty").await;
    browser.set("#search", "").await;
    assert_eq!(found().await, all);
}

async fn sees_the_message_of_a_fixture(browser: &Browser) {
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
    let order = "const [phone, message] = ['.lockscreen', '.message'].map((css) => document.querySelector(`#panel-slack ${css}`));
        return Boolean(phone.compareDocumentPosition(message) & Node.DOCUMENT_POSITION_FOLLOWING)";
    assert_eq!(browser.script(order, vec![]).await, true, "the phone comes first");
    let builder = "return document.querySelector('#panel-slack .links a').href";
    let builder = browser.script(builder, vec![]).await;
    assert!(
        builder.as_str().unwrap().starts_with("https://app.slack.com/block-kit-builder#%7B"),
        "{builder}"
    );
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
    browser.see("#result .off", "Rules are off: 2 errors").await;
    browser.click("#problems a").await;
    let selected =
        "const c = document.querySelector('#config'); return c.value.slice(c.selectionStart, c.selectionEnd)";
    let selected = browser.script(selected, vec![]).await;
    assert_eq!(selected, "reciever: oncall", "the mistake is selected");
    browser.write("#config", "timezone: Asia/Seoul\n").await;
    browser.see("#problems", "Fine").await;
}

/// A rule that holds on weekends at night.
pub(crate) const NIGHTS: &str = "drop:
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
    browser.click("#tab-view-inbox").await;
    browser.see("#inbox", "<script>window.hacked = 1</script>").await;
    browser.click("#tab-view-result").await;
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
    let press = "const tab = document.querySelector('.tabs [role=tab][aria-selected=true]'); tab.focus();
        tab.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}));
        return document.activeElement.textContent";
    assert_eq!(browser.script(press, vec![json!("ArrowRight")]).await, "JSON");
    assert_eq!(browser.script(press, vec![json!("End")]).await, "Why");
    assert_eq!(browser.script(press, vec![json!("ArrowRight")]).await, "Slack");
    let nameless = "return [...document.querySelectorAll('input, select, textarea')]
        .filter((field) => !field.labels?.length && !field.ariaLabel).map((field) => field.id)";
    assert_eq!(browser.script(nameless, vec![]).await, json!([]), "every field has a label");
}

async fn sends_it_to_the_real_functions(browser: &Browser, playground: &Playground) {
    browser.set("#config", "language: ko\n").await;
    browser.see("#problems", "Fine").await;
    browser.click("#send").await;
    browser.see("#told", "Delivered in ").await;
    browser.see("#tab-view-inbox", "Inbox 1 new").await;
    browser.click("#told a.view").await;
    // By the rules of the page, and of now: nothing of it is late.
    let message = browser.see("#inbox .entry:first-child", "Example alarm name").await;
    assert!(message.contains("경보 열기") && !message.contains('⏰'), "{message}");
    assert_eq!(browser.text("#tab-view-inbox").await, "Inbox");
    browser.set("#config", "").await;
    playground.post("/grafana", fixture("grafana/walkthrough.bare.json").as_bytes());
    browser.see("#inbox", "Grafana FIRING").await;
    browser.see("#live", "live").await;
    browser.click("#tab-view-result").await;
}

async fn sends_a_storm_all_at_once_and_ten_at_a_time(browser: &Browser) {
    browser.set("#fixture", "cloudwatch/storm.sqs.json").await;
    browser.see("#verdict", "1 posted (12 alerts) · 0 dropped").await;
    browser.click("#send").await;
    browser.see("#told", "view").await;
    browser.see("#tab-view-inbox", "Inbox 1 new").await;
    browser.set("#pace", "tens").await;
    browser.see("#verdict", "3 posted").await;
    browser.click("#send").await;
    browser.see("#told", "(3 messages)").await;
    browser.set("#pace", "").await;
    // An event's own rules go with it; those that somebody wrote stay.
    browser.set("#fixture", "cloudwatch/walkthrough.sns.json").await;
    browser.see("#problems", "Empty").await;
    browser.set("#config", "timezone: Asia/Seoul\n").await;
    browser.set("#fixture", "cloudwatch/storm.sqs.json").await;
    browser.see("#about", "Use its rules").await;
    browser.click("#about button").await;
    let config = "return document.querySelector('#config').value";
    let own = fixture("cloudwatch/storm.config.yaml");
    assert_eq!(browser.script(config, vec![]).await, own);
    browser.set("#config", "").await;
}

async fn fits_a_phone(browser: &Browser) {
    browser.narrow(390).await;
    let folded = "return [...document.querySelectorAll('.fold')].map((details) => details.open)";
    assert_eq!(browser.script(folded, vec![]).await, json!([false, false]));
    let first = "const top = (id) => document.getElementById(id).getBoundingClientRect().top;
        return top('result-card') < top('event-card') && top('event-card') < top('rules-card')";
    assert_eq!(browser.script(first, vec![]).await, true, "the result comes first");
    browser.narrow(360).await;
    browser.set("#fixture", "cloudwatch/many-datapoints.eventbridge.json").await;
    browser.set("#rendering", "modern").await;
    browser.see(&format!("{MESSAGE} .chart"), "limit").await;
    browser
        .script("document.querySelectorAll('.fold').forEach((details) => details.open = true)", vec![])
        .await;
    for tab in ["json", "sns", "why", "slack"] {
        browser.click(&format!("#tab-panel-{tab}")).await;
        let wide = browser.width().await;
        assert!(wide <= 360, "{tab}: the page is {wide} wide");
    }
    browser.set("#rendering", "").await;
    browser.widen().await;
    let open = json!([true, true]);
    assert_eq!(browser.script(folded, vec![]).await, open, "and a wide one shows all");
}

#[tokio::test]
#[ignore = "needs a browser: run by `make test`"]
async fn a_person_sees_messages_change_in_place() {
    let playground = Playground::start(&["--app"]);
    let browser = Browser::start().await;
    browser.driver.goto(playground.url()).await.unwrap();
    browser.click("#tab-view-inbox").await;
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
        browser.picture(Some("#result-card"), &format!("inbox-{scheme}.png")).await;
    }
    browser.narrow(360).await;
    let wide = browser.width().await;
    assert!(wide <= 360, "the page is {wide} wide");
    browser.widen().await;

    // Who opens the page later sees the same.
    let live = browser.text("#inbox").await;
    browser.driver.refresh().await.unwrap();
    browser.click("#tab-view-inbox").await;
    browser.see("#live", "live").await;
    browser.click(&format!("{earlier} summary")).await;
    assert_eq!(browser.text("#inbox").await, live);
    assert_eq!(browser.console().await, Vec::<String>::new());

    browser.driver.clone().quit().await.unwrap();
}

/// The message of one alert, from its first moment to its end; the README's moving picture.
#[tokio::test]
#[ignore = "needs a browser: run by `make test`"]
async fn a_person_acts_on_an_alert_by_its_buttons() {
    let playground = Playground::start(&["--app"]);
    let browser = Browser::start().await;
    browser.driver.goto(playground.url()).await.unwrap();
    let send = async |path: &str| {
        browser.click("#tab-view-result").await;
        browser.set("#fixture", path).await;
        browser.see(MESSAGE, "web CPU high").await;
        browser.click("#send").await;
        browser.see("#told", "Delivered in ").await;
        browser.click("#told a.view").await;
    };
    let message = "#inbox .entry:first-child > .message";
    // It began a while ago, but so late it is not that it would say so.
    let ago = "const at = new Date(Date.now() - 100_000); return at.toISOString().slice(0, 19)";
    let ago = browser.script(ago, vec![]).await;
    browser.set("#zone", "UTC").await;
    browser.set("#at", ago.as_str().unwrap()).await;
    send("cloudwatch/metric.sns.json").await;
    browser.see(message, "🔴 web CPU high").await;
    frame(&browser, message, 1).await;
    browser.click(&format!("{message} .press button")).await;
    browser.see(message, "@kim is on it since").await;
    browser.see("#inbox .thread", "kim is on it").await;
    frame(&browser, message, 2).await;
    let menu = "#inbox .entry:first-child > .message .press select";
    browser.set(menu, "1h").await;
    browser.click(&format!("{menu} + button")).await;
    browser.see(message, "Undo: silence").await;
    browser.click(&format!("{message} .press:last-child button")).await;
    browser.see(message, "Silence …").await;
    browser.set("#at", "").await;
    send("cloudwatch/metric-ok.sns.json").await;
    browser.see(message, "✅ web CPU high resolved").await;
    frame(&browser, message, 3).await;
    assert_eq!(browser.text("#told .problem").await, "");
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.driver.clone().quit().await.unwrap();
}

/// Nobody is shut out: axe-core finds nothing, on a desk and on a phone, by day and by night.
#[tokio::test]
#[ignore = "needs a browser and axe-core: run by `make test`"]
async fn axe_finds_nothing() {
    let playground = Playground::start(&["--app"]);
    let browser = Browser::start().await;
    browser.driver.goto(playground.url()).await.unwrap();
    for (width, scheme) in [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")] {
        if width == 390 {
            browser.narrow(width).await;
        }
        browser.prefer(scheme).await;
        let judge = async |what: &str| {
            browser
                .script("document.querySelectorAll('details').forEach((one) => one.open = true)", vec![])
                .await;
            // Nothing is on its way or moves while it is looked at: an older answer is pale for a moment.
            browser.rest().await;
            browser.script("document.getAnimations().forEach((one) => one.finish())", vec![]).await;
            let found = browser.findings().await;
            assert_eq!(found["violations"], json!([]), "{what} at {width}, {scheme}");
            assert!(found["passes"].as_u64().unwrap() > 20, "{found}");
            assert!(browser.width().await <= u64::from(width), "{what}: {}", browser.width().await);
        };
        browser.click("#tab-view-result").await;
        browser.set("#config", "drop: 3\nroute: 4\n").await;
        browser.set("#fixture", "cloudwatch/metric.sns.json").await;
        browser.set("#rendering", "modern").await;
        browser.see("#result .off", "Rules are off: 2 errors").await;
        browser.see(&format!("{MESSAGE} .chart"), "limit").await;
        for tab in ["slack", "json", "sns", "why"] {
            browser.click(&format!("#tab-panel-{tab}")).await;
            judge(tab).await;
        }
        browser.click("#tab-panel-slack").await;
        browser.set("#config", "").await;
        browser.set("#rendering", "").await;
        browser.set("#fixture", "grafana/walkthrough.eventbridge.json").await;
        browser.see("#verdict", "3 posted · 1 dropped").await;
        judge("what is dropped").await;
        browser.set("#fixture", "cloudwatch/composite.sns.json").await;
        browser.see(MESSAGE, "shop is down").await;
        browser.click("#send").await;
        browser.see("#told", "Delivered in ").await;
        judge("what was sent").await;
        browser.click("#told a.view").await;
        browser.see("#inbox .entry:first-child", "shop is down").await;
        browser.click("#inbox .entry:first-child > .message .press button").await;
        browser.see("#inbox .entry:first-child .thread", "kim").await;
        judge("inbox").await;
    }
    browser.driver.clone().quit().await.unwrap();
}
