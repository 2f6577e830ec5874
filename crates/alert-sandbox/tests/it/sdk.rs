//! AWS's SDK, on the HTTP client of these tests.

use aws_credential_types::Credentials;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

#[derive(Debug, Clone)]
struct SdkHttpClient(reqwest::Client);

impl HttpClient for SdkHttpClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SdkHttpClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (parts, body) = request.try_into_http1x().unwrap().into_parts();
            let body = reqwest::Body::from(body.bytes().unwrap().to_vec());
            let request = reqwest::Request::try_from(http::Request::from_parts(parts, body)).unwrap();
            let error = |error: reqwest::Error| ConnectorError::io(error.into());
            let answer = client.execute(request).await.map_err(error)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut whole = http::Response::new(SdkBody::from(answer.bytes().await.map_err(error)?.to_vec()));
            (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
            Ok(HttpResponse::try_from(whole).unwrap())
        })
    }
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

pub(crate) fn cloudwatch(url: &str) -> aws_sdk_cloudwatch::Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .http_client(SdkHttpClient(super::client()))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    aws_sdk_cloudwatch::Client::from_conf(config)
}

pub(crate) fn logs(url: &str) -> aws_sdk_cloudwatchlogs::Client {
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .http_client(SdkHttpClient(super::client()))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    aws_sdk_cloudwatchlogs::Client::from_conf(config)
}
