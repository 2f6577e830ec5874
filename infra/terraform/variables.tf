# The module

variable "create" {
  description = "Whether to make anything."
  type        = bool
  default     = true
}

variable "name" {
  description = "The stack's name, with which all that it makes begins."
  type        = string
  default     = "alerts"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,36}$", var.name))
    error_message = "Expected a letter, then up to 36 letters, digits and hyphens."
  }
}

variable "release_dir" {
  description = "The folder of an unpacked release. The module uploads its zips and its template to code_bucket. Either this or template_url."
  type        = string
  default     = null
}

variable "template_url" {
  description = "The address of a release's template in S3, where the release was uploaded already. Either this or release_dir."
  type        = string
  default     = null
}

variable "code_bucket" {
  description = "A bucket of yours in the stack's region, in which the zips are, or into which the module puts them."
  type        = string
}

variable "code_prefix" {
  description = "Where in code_bucket the zips are. With release_dir, the folder in which the module makes one for each stack and release; null = alert-relay."
  type        = string
  default     = null
}

variable "iam_role_arn" {
  description = "The role with which CloudFormation makes the stack; null = yours."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags for the stack, which CloudFormation gives to all that it makes."
  type        = map(string)
  default     = {}
}

# The template's parameters, by the same names and in the same order. What is null has the template's default.

# People and places

variable "operator_email" {
  description = "Who hears that this system itself is in trouble. AWS asks this address to confirm; until then nobody hears."
  type        = string
}

variable "second_way_topic_arn" {
  description = "The topic of `second_way` in the configuration, by which people get what Slack refuses, and what must be heard for sure. The functions may publish to it. Not the topic of the alarms."
  type        = string
  default     = null
}

variable "second_way_key_arn" {
  description = "The key of second_way_topic_arn, where that topic is encrypted with a key of yours."
  type        = string
  default     = null
}

variable "kms_encrypted_hook_url" {
  description = "The incoming webhook, one way to Slack. Base64 KMS ciphertext of its URL, never the URL; `alertctl encrypt-secret` makes it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_encrypted_hook_url == null || can(regex("^[A-Za-z0-9+/=]*$", var.kms_encrypted_hook_url))
    error_message = "Expected base64 as `alertctl encrypt-secret` prints it, not a URL."
  }
}

variable "kms_encrypted_bot_token" {
  description = "The Slack app, the other way to Slack. Base64 KMS ciphertext of its bot token, never the token; `alertctl encrypt-secret` makes it. With both ways set, the webhook is taken when Slack refuses the app."
  type        = string
  default     = null

  validation {
    condition     = var.kms_encrypted_bot_token == null || can(regex("^[A-Za-z0-9+/=]*$", var.kms_encrypted_bot_token))
    error_message = "Expected base64 as `alertctl encrypt-secret` prints it, not a token."
  }
}

variable "kms_encrypted_signing_secret" {
  description = "Buttons in the messages of the Slack app. Base64 KMS ciphertext of the app's signing secret, never the secret; `alertctl encrypt-secret` makes it, for the relay's name as the others. null = no buttons."
  type        = string
  default     = null

  validation {
    condition     = var.kms_encrypted_signing_secret == null || can(regex("^[A-Za-z0-9+/=]*$", var.kms_encrypted_signing_secret)) && !can(regex("^[0-9A-Fa-f]{32}$", var.kms_encrypted_signing_secret))
    error_message = "Expected base64 as `alertctl encrypt-secret` prints it, not the signing secret."
  }
}

variable "slack_channel" {
  description = "The channel that the app posts to, by id (C0123456789) or name (#alerts). Not needed for a webhook, which has its channel already; only legacy ones honour it."
  type        = string
  default     = null

  validation {
    condition     = var.slack_channel == null || can(regex("^[^/:\\s]*$", var.slack_channel)) && !can(regex("(^|[^A-Za-z0-9])(xox[a-eprs]-|xoxe\\.|xapp-|xwfp-)", var.slack_channel))
    error_message = "Expected a channel's id or name, not a URL and not a token."
  }
}

variable "slack_api_url" {
  description = "Another address of Slack's Web API for the app, such as https://slack-gov.com/api/; null = https://slack.com/api/."
  type        = string
  default     = null
}

variable "slack_secret_follows" {
  description = "yes = make the stack, and its key above all, before there is a way to Slack. Without a way, the relay cannot start."
  type        = string
  default     = null

  validation {
    condition     = contains(["no", "yes"], coalesce(var.slack_secret_follows, "no"))
    error_message = "Expected one of no, yes."
  }
}

variable "kms_encrypted_credential" {
  description = "Base64 KMS ciphertext of what Grafana shows at the ingress (USER:PASSWORD, or a token). While it is null the ingress lets nobody in."
  type        = string
  default     = null

  validation {
    condition     = var.kms_encrypted_credential == null || can(regex("^[A-Za-z0-9+/=]*$", var.kms_encrypted_credential))
    error_message = "Expected base64 as `aws kms encrypt` prints it, not the credential."
  }
}

# What becomes of alerts

variable "alert_config" {
  description = "The configuration (YAML) itself, up to 3,000 bytes: file(\"alerts.yaml\"). A longer one goes into a layer."
  type        = string
  default     = null

  # Lambda counts bytes, and length() letters; four letters of base64 are three bytes.
  validation {
    condition     = length(base64encode(coalesce(var.alert_config, "-"))) <= 4000
    error_message = "Expected at most 3,000 bytes. Put a longer configuration into a layer, and set alert_config_layer_arn."
  }
}

variable "alert_config_layer_arn" {
  description = "The ARN of a version of a layer that holds alerts.yaml at its root, instead of alert_config."
  type        = string
  default     = null
}

variable "alert_table" {
  description = "A DynamoDB table in which all processes of the relay remember alerts, so that one alert is one message. auto = with a Slack app, as soon as kms_encrypted_bot_token is set. A table that leaves the stack is kept."
  type        = string
  default     = null

  validation {
    condition     = contains(["auto", "enabled", "disabled"], coalesce(var.alert_table, "auto"))
    error_message = "Expected one of auto, enabled, disabled."
  }
}

variable "silence_with" {
  description = "What the buttons may do to silence an alarm. table = the relay's own table alone; cloudwatch = also make and delete alarm mute rules of this account, where `actions.silence_with` in the configuration asks for it."
  type        = string
  default     = null

  validation {
    condition     = contains(["table", "cloudwatch"], coalesce(var.silence_with, "table"))
    error_message = "Expected one of table, cloudwatch."
  }
}

variable "evidence" {
  description = "What the relay may read to show why an alarm fired, where `evidence` in the configuration asks for it. chart = alarms and metrics of this account; logs = alarms and log lines, which then leave AWS for Slack; all = both. Needs the Slack app."
  type        = string
  default     = null

  validation {
    condition     = contains(["none", "chart", "logs", "all"], coalesce(var.evidence, "none"))
    error_message = "Expected one of none, chart, logs, all."
  }
}

# The way from the topic to Slack

variable "way" {
  description = "buffered = SNS, SQS, function (storms of alarms become digests, retries for four days); direct = SNS, function, as in the walkthrough."
  type        = string
  default     = null

  validation {
    condition     = contains(["buffered", "direct"], coalesce(var.way, "buffered"))
    error_message = "Expected one of buffered, direct."
  }
}

variable "batch_size" {
  description = "Messages for one invocation (buffered)."
  type        = number
  default     = null
}

variable "batch_window_seconds" {
  description = "How long Lambda gathers messages (buffered). Above 0 a lone alarm may wait for up to 20 seconds."
  type        = number
  default     = null
}

variable "reserved_concurrency" {
  description = "Reserved concurrency of the relay (direct); it paces a storm, Lambda keeps what is over for up to 6 hours."
  type        = number
  default     = null
}

# Who may publish, and where

variable "existing_topic_arn" {
  description = "A topic that your alarms have already, in this region. The relay subscribes to it, and the stack makes none. Its policy stays yours, and has to let the filter publish."
  type        = string
  default     = null
}

variable "extra_publishers" {
  description = "Other services that may publish to the topic, such as budgets.amazonaws.com, costalerts.amazonaws.com, events.rds.amazonaws.com, ses.amazonaws.com, backup.amazonaws.com, dms.amazonaws.com."
  type        = list(string)
  default     = null
}

variable "allowed_accounts" {
  description = "Other accounts, twelve digits each, whose CloudWatch alarms may publish to the topic."
  type        = list(string)
  default     = null
}

variable "org_id" {
  description = "An AWS organization, the CloudWatch alarms of whose accounts may publish to the topic."
  type        = string
  default     = null
}

# Grafana

variable "grafana_ingress" {
  description = "The REST API that takes Grafana's webhook. Without it (disabled), put events on the bus yourself."
  type        = string
  default     = null

  validation {
    condition     = contains(["enabled", "disabled"], coalesce(var.grafana_ingress, "enabled"))
    error_message = "Expected one of enabled, disabled."
  }
}

variable "ingress_allowed_cidrs" {
  description = "The addresses, such as 203.0.113.7/32, from which the ingress takes anything at all. Empty = from everywhere, and the credential alone decides."
  type        = list(string)
  default     = null
}

variable "ingress_requests_per_second" {
  description = "What the ingress takes in the long run; what is above is answered 429. What is refused counts as well."
  type        = number
  default     = null
}

variable "ingress_burst" {
  description = "What the ingress takes at once."
  type        = number
  default     = null
}

variable "ingress_client_error_threshold" {
  description = "4XX answers in 5 minutes that operators are told of, of the ingress and, where there are buttons, of Slack's address. Raise it where scanners find an address."
  type        = number
  default     = null
}

# Functions and logs

variable "architecture" {
  description = "Which of the release's functions are taken; null = x86_64."
  type        = string
  default     = null

  validation {
    condition     = contains(["x86_64", "arm64"], coalesce(var.architecture, "x86_64"))
    error_message = "Expected one of x86_64, arm64."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch Logs keeps the functions' logs."
  type        = number
  default     = null

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], coalesce(var.log_retention_days, 30))
    error_message = "Expected one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "log_level" {
  description = "The least severe level that is logged."
  type        = string
  default     = null

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"], coalesce(var.log_level, "INFO"))
    error_message = "Expected one of TRACE, DEBUG, INFO, WARN, ERROR."
  }
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for every role of the stack, where your account demands one."
  type        = string
  default     = null
}

# An alarm on an instance

variable "watched_instance_id" {
  description = "Makes the walkthrough's CPU alarm for this instance."
  type        = string
  default     = null
}
