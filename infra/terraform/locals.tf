# What is worked out without AWS.

locals {
  architecture = coalesce(var.architecture, "x86_64")
  packages = [
    for function in ["cloudwatch-to-slack", "grafana-filter-to-sns", "grafana-webhook-authorizer", "slack-actions", "alert-watch"] :
    "${function}-${local.architecture}.zip"
  ]
  template = "alert-relay.template.json"
  files    = concat(local.packages, [local.template])

  # CloudFormation changes a function only when its key changes, and Terraform the stack only when the template's address does, so
  # both say what is in the files. The stack's name keeps two stacks out of each other's objects.
  code_prefix = var.release_dir == null ? var.code_prefix : join("/", [
    coalesce(var.code_prefix, "alert-relay"),
    var.name,
    substr(sha256(join("", [for file in local.files : filesha256("${var.release_dir}/${file}")])), 0, 16),
  ])

  # What is null stays away, and has the template's default.
  parameters = {
    for parameter, value in {
      OperatorEmail               = var.operator_email
      SecondWayTopicArn           = var.second_way_topic_arn
      SecondWayKeyArn             = var.second_way_key_arn
      ExistingTopicArn            = var.existing_topic_arn
      ExtraPublishers             = try(join(",", var.extra_publishers), null)
      AllowedAccounts             = try(join(",", var.allowed_accounts), null)
      OrgId                       = var.org_id
      SlackChannel                = var.slack_channel
      SlackApiUrl                 = var.slack_api_url
      KmsEncryptedHookUrl         = var.kms_encrypted_hook_url
      KmsEncryptedBotToken        = var.kms_encrypted_bot_token
      KmsEncryptedSigningSecret   = var.kms_encrypted_signing_secret
      SlackSecretFollows          = var.slack_secret_follows
      KmsEncryptedCredential      = var.kms_encrypted_credential
      AlertConfig                 = var.alert_config
      AlertConfigLayerArn         = var.alert_config_layer_arn
      AlertTable                  = var.alert_table
      SilenceWith                 = var.silence_with
      Evidence                    = var.evidence
      Way                         = var.way
      BatchSize                   = var.batch_size
      BatchWindowSeconds          = var.batch_window_seconds
      ReservedConcurrency         = var.reserved_concurrency
      GrafanaIngress              = var.grafana_ingress
      IngressAllowedCidrs         = try(join(",", var.ingress_allowed_cidrs), null)
      IngressRequestsPerSecond    = var.ingress_requests_per_second
      IngressBurst                = var.ingress_burst
      IngressClientErrorThreshold = var.ingress_client_error_threshold
      Architecture                = var.architecture
      LogRetentionDays            = var.log_retention_days
      LogLevel                    = var.log_level
      PermissionsBoundaryArn      = var.permissions_boundary_arn
      WatchedInstanceId           = var.watched_instance_id
      CodeBucket                  = var.code_bucket
      CodePrefix                  = local.code_prefix
    } : parameter => tostring(value) if value != null
  }
}
