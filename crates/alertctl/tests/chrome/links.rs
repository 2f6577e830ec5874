//! What stands in the form goes on by a link, and stays over a reload.

use serde_json::{Value, json};

use super::Browser;
use crate::page::Playground;
use crate::{EVENT, MESSAGE, NIGHTS};

pub(crate) async fn hands_a_link_on_and_reloads(browser: &Browser, playground: &Playground) {
    let origin = playground.url();
    let permissions =
        json!({"origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.devtools("Browser.grantPermissions", permissions).await;
    let copied = async || {
        let read = "const done = arguments[arguments.length - 1];
            navigator.clipboard.readText().then(done, (error) => done(String(error)))";
        let text = browser.driver.execute_async(read, vec![]).await.unwrap();
        text.json().as_str().unwrap().to_owned()
    };
    browser.set("#fixture", "cloudwatch/composite.sns.json").await;
    browser.set("#config", NIGHTS).await;
    browser.set("#zone", "Asia/Seoul").await;
    browser.set("#at", "2026-09-13T03:00").await;
    browser.see("#verdict", "0 posted · 1 dropped").await;
    browser.click("#copy-link").await;
    browser.see("#copy-link", "Copied").await;
    let short = copied().await;
    assert!(short.starts_with(&format!("{origin}#s=")) && short.len() < 700, "the library's event: {short}");
    browser.set(EVENT, "{\"AlarmName\": \"by hand\", \"NewStateValue\": \"ALARM\", \"StateChangeTime\": \"2026-09-14T00:00:00Z\"}").await;
    browser.set("#at", "2026-09-13T09:00").await;
    browser.set("#rendering", "plain").await;
    browser.see(MESSAGE, "by hand").await;
    browser.see("#copy-link", "Copy link").await;
    browser.click("#copy-link").await;
    browser.see("#copy-link", "Copied").await;
    let long = copied().await;
    browser.click("#panel-slack .copy").await;
    browser.see("#panel-slack .copy", "Copied").await;
    let message: Value = serde_json::from_str(&copied().await).unwrap();
    assert!(message["text"].as_str().unwrap().contains("by hand"), "{message}");

    // A reload keeps what stands there.
    let values = "return ['config', 'at', 'zone', 'rendering', 'fixture']
        .map((id) => document.getElementById(id).value)";
    let values = async || browser.script(values, vec![]).await;
    let before = values().await;
    browser.driver.refresh().await.unwrap();
    browser.see(MESSAGE, "by hand").await;
    assert_eq!(values().await, before);
    // Somebody else, who has nothing of this.
    browser.script("sessionStorage.clear()", vec![]).await;
    browser.driver.goto("about:blank").await.unwrap();
    browser.driver.goto(&short).await.unwrap();
    browser.see("#verdict", "0 posted · 1 dropped").await;
    let expected = json!([NIGHTS, "2026-09-13T03:00", "Asia/Seoul", "", "cloudwatch/composite.sns.json"]);
    assert_eq!(values().await, expected);
    let address = browser.driver.current_url().await.unwrap();
    assert_eq!(address.as_str(), origin, "what one changes now is what a reload finds");
    browser.driver.goto(&long).await.unwrap();
    browser.see(MESSAGE, "by hand").await;
    // What is no state of a form changes nothing.
    browser.driver.goto(&format!("{origin}#s=AAAA")).await.unwrap();
    browser.driver.refresh().await.unwrap();
    browser.see(MESSAGE, "by hand").await;
    browser.script("sessionStorage.clear()", vec![]).await;
}
