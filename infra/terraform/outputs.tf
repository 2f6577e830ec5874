locals {
  outputs = try(aws_cloudformation_stack.this[0].outputs, {})
}

output "stack_id" {
  description = "The stack's ARN"
  value       = try(aws_cloudformation_stack.this[0].id, null)
}

# The stack's outputs, by the same names and in the same order. One that the stack does not have is null.

output "alarms_topic_arn" {
  description = "The topic for alarms; name it as an alarm's action"
  value       = try(local.outputs.AlarmsTopicArn, null)
}

output "operators_topic_arn" {
  description = "The topic for alarms about this system"
  value       = try(local.outputs.OperatorsTopicArn, null)
}

output "webhook_key_alias" {
  description = "The key for `alertctl encrypt-secret --key-id`"
  value       = try(local.outputs.WebhookKeyAlias, null)
}

output "relay_function" {
  description = "The relay's name, for `alertctl encrypt-secret --function-name`"
  value       = try(local.outputs.RelayFunction, null)
}

output "relay_log_group" {
  description = "The relay's log group"
  value       = try(local.outputs.RelayLogGroup, null)
}

output "alert_table_name" {
  description = "The table in which the relay remembers alerts"
  value       = try(local.outputs.AlertTableName, null)
}

output "filter_function" {
  description = "The filter's name"
  value       = try(local.outputs.FilterFunction, null)
}

output "filter_log_group" {
  description = "The filter's log group"
  value       = try(local.outputs.FilterLogGroup, null)
}

output "authorizer_function" {
  description = "The authorizer's name; the encryption context of the credential"
  value       = try(local.outputs.AuthorizerFunction, null)
}

output "ingress_url" {
  description = "The URL for Grafana's webhook contact point"
  value       = try(local.outputs.IngressUrl, null)
}

output "slack_actions_url" {
  description = "The Request URL of the Slack app, under Interactivity & Shortcuts"
  value       = try(local.outputs.SlackActionsUrl, null)
}

output "slack_actions_function" {
  description = "The name of the function that takes what is pressed"
  value       = try(local.outputs.SlackActionsFunction, null)
}

output "watch_function" {
  description = "The name of the function that looks for what is due"
  value       = try(local.outputs.WatchFunction, null)
}

output "grafana_bus_name" {
  description = "The bus that Grafana's alerts are put on"
  value       = try(local.outputs.GrafanaBusName, null)
}

output "test_alarm_name" {
  description = "Set it to ALARM with `aws cloudwatch set-alarm-state` to see whether alarms arrive"
  value       = try(local.outputs.TestAlarmName, null)
}

output "canary_alarm_name" {
  description = "For `alertctl canary`"
  value       = try(local.outputs.CanaryAlarmName, null)
}

output "buffer_queue_url" {
  description = "The queue between the topic and the relay"
  value       = try(local.outputs.BufferQueueUrl, null)
}

output "waiting_queue_url" {
  description = "What could not be delivered for an hour, and is tried on"
  value       = try(local.outputs.WaitingQueueUrl, null)
}

output "buffer_dead_letter_queue_url" {
  description = "For `alertctl redrive`, to the relay"
  value       = try(local.outputs.BufferDeadLetterQueueUrl, null)
}

output "subscription_dead_letter_queue_url" {
  description = "For `alertctl redrive`, to the relay"
  value       = try(local.outputs.SubscriptionDeadLetterQueueUrl, null)
}

output "relay_failure_queue_url" {
  description = "For `alertctl redrive`, to the relay"
  value       = try(local.outputs.RelayFailureQueueUrl, null)
}

output "filter_failure_queue_url" {
  description = "For `alertctl redrive`, to the filter"
  value       = try(local.outputs.FilterFailureQueueUrl, null)
}

output "grafana_rule_dead_letter_queue_url" {
  description = "For `alertctl redrive`, to the filter"
  value       = try(local.outputs.GrafanaRuleDeadLetterQueueUrl, null)
}
