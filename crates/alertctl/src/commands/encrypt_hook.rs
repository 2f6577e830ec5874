//! `alertctl encrypt-hook`.

use std::io::{IsTerminal as _, Read as _};

use alert_io::http::{self, SdkHttpClient};
use alert_io::webhook::{self, WebhookUrl};
use aws_config::{BehaviorVersion, Region};

/// KMS encrypts no more. Source: KMS API Reference, Encrypt.
const URL_MAX_BYTES: u64 = 4_096;

/// Reads a URL, encrypts it, checks the ciphertext, prints it.
pub(crate) async fn run(key_id: &str, function_name: &str, region: Option<String>) -> Result<bool, String> {
    let url = read_url()?;
    let url = WebhookUrl::parse(url.as_bytes())
        .map_err(|error| format!("what was entered is no webhook: {error}"))?;
    let client = http::client(&alert_io::settings::process).map_err(|error| error.to_string())?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(SdkHttpClient(client));
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err("no region is configured: give --region, or set AWS_REGION".to_owned());
    }
    let ciphertext =
        webhook::encrypt(&aws_sdk_kms::Client::new(&config), key_id, function_name, &url).await?;
    anstream::println!("{ciphertext}");
    Ok(true)
}

fn read_url() -> Result<String, String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Webhook URL (not shown): ")
            .map_err(|error| format!("the terminal: {error}"));
    }
    let mut url = String::new();
    std::io::stdin()
        .take(URL_MAX_BYTES)
        .read_to_string(&mut url)
        .map_err(|error| format!("standard input: {error}"))?;
    Ok(url)
}
