//! AWS's query protocol: forms in, XML out.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{EntryResult, Message, MessageAttribute, Receipt, SnsError};
use crate::form;

/// A request's fields.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: String,
    fields: BTreeMap<String, String>,
}

impl Request {
    pub(super) fn decode(body: &str) -> Self {
        let fields = form::decode(body);
        Self { operation: fields.get("Action").cloned().unwrap_or_default(), fields }
    }

    pub(super) fn topic_arn(&self) -> &str {
        let arn = self.fields.get("TopicArn").or_else(|| self.fields.get("TargetArn"));
        arn.map(String::as_str).unwrap_or_default()
    }

    pub(super) fn next_token(&self) -> Option<&str> {
        self.fields.get("NextToken").map(String::as_str).filter(|token| !token.is_empty())
    }

    /// The message of a Publish.
    pub(super) fn message(&self) -> Message {
        self.message_at("")
    }

    /// The entries of a PublishBatch, with their ids.
    pub(super) fn entries(&self) -> Vec<(String, Message)> {
        let entries = self.entry_prefixes().map(|prefix| {
            let id = self.fields.get(&format!("{prefix}Id")).cloned().unwrap_or_default();
            (id, self.message_at(&prefix))
        });
        entries.collect()
    }

    pub(super) fn messages(&self) -> usize {
        if self.operation == "PublishBatch" { self.entry_prefixes().count() } else { 1 }
    }

    fn entry_prefixes(&self) -> impl Iterator<Item = String> {
        let prefixes = (1..).map(|number| format!("PublishBatchRequestEntries.member.{number}."));
        prefixes.take_while(|prefix| self.has(prefix))
    }

    /// Whether any field begins so.
    fn has(&self, prefix: &str) -> bool {
        self.fields.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    fn message_at(&self, prefix: &str) -> Message {
        let field = |name: &str| self.fields.get(&format!("{prefix}{name}")).cloned();
        let entries = (1..).map(|number| format!("{prefix}MessageAttributes.entry.{number}."));
        let entries = entries.take_while(|entry| self.has(entry));
        Message {
            message: field("Message").unwrap_or_default(),
            subject: field("Subject"),
            structure: field("MessageStructure"),
            attributes: entries.map(|entry| self.attribute_at(&entry)).collect(),
            group_id: field("MessageGroupId"),
            deduplication_id: field("MessageDeduplicationId"),
        }
    }

    fn attribute_at(&self, entry: &str) -> (String, MessageAttribute) {
        let field = |name: &str| self.fields.get(&format!("{entry}{name}")).cloned();
        let attribute = MessageAttribute {
            data_type: field("Value.DataType").unwrap_or_default(),
            string_value: field("Value.StringValue"),
            binary_value: field("Value.BinaryValue"),
        };
        (field("Name").unwrap_or_default(), attribute)
    }
}

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

pub(super) fn response(operation: &str, result: &str, request_id: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

pub(super) fn error_response(error: &SnsError, request_id: &str) -> String {
    let (kind, code, message) = (kind(error), escape(&error.code), escape(&error.message));
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn kind(error: &SnsError) -> &'static str {
    if error.status < 500 { "Sender" } else { "Receiver" }
}

pub(super) fn receipt(receipt: &Receipt) -> String {
    let mut xml = format!("<MessageId>{}</MessageId>", receipt.message_id);
    if let Some(number) = &receipt.sequence_number {
        // Writing to a string cannot fail.
        let _ = write!(xml, "<SequenceNumber>{number}</SequenceNumber>");
    }
    xml
}

pub(super) fn batch(results: &[EntryResult]) -> String {
    let (mut successful, mut failed) = (String::new(), String::new());
    for (id, result) in results {
        let id = escape(id);
        let _ = match result {
            Ok(ok) => write!(successful, "<member><Id>{id}</Id>{}</member>", receipt(ok)),
            Err(error) => write!(
                failed,
                "<member><Id>{id}</Id><Code>{}</Code><Message>{}</Message><SenderFault>{}</SenderFault></member>",
                escape(&error.code),
                escape(&error.message),
                error.status < 500,
            ),
        };
    }
    format!("<Successful>{successful}</Successful><Failed>{failed}</Failed>")
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
