# `terraform init && terraform test`, with Terraform 1.7 or newer: needs no account, and makes nothing.

mock_provider "aws" {
  mock_resource "aws_cloudformation_stack" {
    defaults = {
      id = "arn:aws:cloudformation:eu-west-1:123456789012:stack/alerts/1"
      outputs = {
        AlarmsTopicArn  = "arn:aws:sns:eu-west-1:123456789012:alerts-alarms"
        RelayFunction   = "alerts-cloudwatch-to-slack"
        WebhookKeyAlias = "alias/alerts-webhook"
      }
    }
  }
}

variables {
  operator_email = "oncall@example.com"
  code_bucket    = "releases"
  code_prefix    = "alert-relay/1.0.0"
  template_url   = "https://releases.s3.eu-west-1.amazonaws.com/alert-relay/1.0.0/alert-relay.template.json"
}

run "the_first_deployment_has_no_way_to_slack" {
  variables {
    slack_secret_follows = "yes"
  }

  assert {
    condition = aws_cloudformation_stack.this[0].parameters == tomap({
      OperatorEmail      = "oncall@example.com"
      CodeBucket         = "releases"
      CodePrefix         = "alert-relay/1.0.0"
      SlackSecretFollows = "yes"
    })
    error_message = "What is null must stay away, so that it has the template's default."
  }

  assert {
    condition     = aws_cloudformation_stack.this[0].name == "alerts" && aws_cloudformation_stack.this[0].capabilities == toset(["CAPABILITY_IAM"])
    error_message = "Expected the stack alerts, which may make roles."
  }

  assert {
    condition     = length(aws_s3_object.code) == 0
    error_message = "What was uploaded already is not uploaded again."
  }

  assert {
    condition     = output.alarms_topic_arn == "arn:aws:sns:eu-west-1:123456789012:alerts-alarms" && output.slack_actions_url == null
    error_message = "Expected the stack's outputs, and null for one that it does not have."
  }
}

run "each_kind_of_value_becomes_a_text" {
  variables {
    kms_encrypted_hook_url = "AQICAHg+/abc=="
    allowed_accounts       = ["111111111111", "222222222222"]
    extra_publishers       = []
    log_retention_days     = 90
    reserved_concurrency   = 5
    alert_config           = "drop: []\n"
    tags                   = { team = "ops" }
  }

  assert {
    condition = aws_cloudformation_stack.this[0].parameters == tomap({
      OperatorEmail       = "oncall@example.com"
      CodeBucket          = "releases"
      CodePrefix          = "alert-relay/1.0.0"
      KmsEncryptedHookUrl = "AQICAHg+/abc=="
      AllowedAccounts     = "111111111111,222222222222"
      ExtraPublishers     = ""
      LogRetentionDays    = "90"
      ReservedConcurrency = "5"
      AlertConfig         = "drop: []\n"
    })
    error_message = "Expected lists with commas, and numbers as digits."
  }

  assert {
    condition     = aws_cloudformation_stack.this[0].tags == tomap({ team = "ops" })
    error_message = "Expected the tags at the stack."
  }
}

run "create_false_makes_nothing" {
  variables {
    create = false
  }

  assert {
    condition     = length(aws_cloudformation_stack.this) == 0 && output.alarms_topic_arn == null && output.stack_id == null
    error_message = "Expected no stack, and outputs that are null."
  }
}

run "a_secret_is_no_ciphertext" {
  command = plan

  variables {
    kms_encrypted_hook_url       = "https://hooks.slack.com/services/T0/B0/x"
    kms_encrypted_bot_token      = "xoxb-1-2-x"
    kms_encrypted_signing_secret = "0123456789abcdef0123456789abcdef"
    kms_encrypted_credential     = "grafana:password"
    slack_channel                = "xoxb-1-2-x"
  }

  expect_failures = [
    var.kms_encrypted_hook_url,
    var.kms_encrypted_bot_token,
    var.kms_encrypted_signing_secret,
    var.kms_encrypted_credential,
    var.slack_channel,
  ]
}

run "a_channel_may_have_any_name" {
  command = plan

  variables {
    kms_encrypted_hook_url = "AQICAHg+/abc=="
    slack_channel          = "#온콜-foxapp-alerts"
  }
}

run "the_configuration_is_counted_in_bytes" {
  command = plan

  variables {
    alert_config = join("", [for letter in range(1001) : "온"])
  }

  expect_failures = [var.alert_config]
}

run "a_configuration_of_3000_bytes_is_not_too_long" {
  command = plan

  variables {
    alert_config = join("", [for letter in range(1000) : "온"])
  }
}

run "a_value_that_the_template_does_not_know" {
  command = plan

  variables {
    name               = "1-alerts"
    way                = "sideways"
    log_retention_days = 2
  }

  expect_failures = [var.name, var.way, var.log_retention_days]
}

run "the_zips_are_somewhere" {
  command = plan

  variables {
    code_prefix = null
  }

  expect_failures = [aws_cloudformation_stack.this]
}

run "the_template_is_somewhere" {
  command = plan

  variables {
    template_url = null
  }

  expect_failures = [aws_cloudformation_stack.this]
}
