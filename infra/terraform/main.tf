resource "aws_s3_object" "code" {
  for_each = toset(var.create && var.release_dir != null ? local.files : [])

  bucket      = var.code_bucket
  key         = "${local.code_prefix}/${each.value}"
  source      = "${var.release_dir}/${each.value}"
  source_hash = filesha256("${var.release_dir}/${each.value}")

  # An update that fails is rolled back to the code of before, so that stays until the stack has the new one.
  lifecycle {
    create_before_destroy = true
  }
}

# What leads to the bucket depends on its region.
data "aws_s3_bucket" "code" {
  count = var.create && var.release_dir != null ? 1 : 0

  bucket = var.code_bucket
}

resource "aws_cloudformation_stack" "this" {
  count = var.create ? 1 : 0

  name         = var.name
  template_url = var.release_dir == null ? var.template_url : "https://${data.aws_s3_bucket.code[0].bucket_regional_domain_name}/${local.code_prefix}/${local.template}"
  parameters   = local.parameters
  capabilities = ["CAPABILITY_IAM"]
  iam_role_arn = var.iam_role_arn
  tags         = var.tags

  depends_on = [aws_s3_object.code]

  lifecycle {
    precondition {
      condition     = (var.release_dir == null) != (var.template_url == null)
      error_message = "Expected either release_dir or template_url."
    }

    precondition {
      condition     = var.release_dir != null || var.code_prefix != null
      error_message = "Expected code_prefix beside template_url: it says where in code_bucket the zips are."
    }
  }
}
