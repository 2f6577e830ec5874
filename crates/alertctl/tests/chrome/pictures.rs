//! The README's pictures, and others for whoever looks at the page after a change (`make pictures`).

use serde_json::json;

use super::Browser;
use crate::MESSAGE;
use crate::page::Playground;

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

pub(crate) async fn takes_the_pictures(browser: &Browser, playground: &Playground) {
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
    browser.see("#panel-slack", "oncall").await;
    browser
        .script(
            "scrollTo(0, 0); document.querySelector('#fixture').scrollIntoView({block: 'nearest'})",
            vec![],
        )
        .await;
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

/// Pictures of a message, by day and by night, each as large as the others.
pub(crate) async fn frame(browser: &Browser, message: &str, number: u8) {
    let fit = "const {style} = document.querySelector(arguments[0]);
        Object.assign(style, {position: 'fixed', inset: '0 auto auto 0', width: '560px', height: '490px', zIndex: 9,
            background: 'var(--card)', overflow: 'hidden'})";
    browser.script(fit, vec![json!(message)]).await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.picture(Some(message), &format!("life-{scheme}-{number}.png")).await;
    }
    browser
        .script("document.querySelector(arguments[0]).removeAttribute('style')", vec![json!(message)])
        .await;
}
