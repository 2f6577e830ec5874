"""A stand-in for Terraform's AWS provider, for where its registry cannot be reached: the two resources that the module makes and
the bucket that it looks at, with the arguments that it sets, by the names and kinds of the provider's documentation. It makes nothing, and writes down what it was told.

test_terraform.py has Terraform run it. `STAND_IN_LOG` is the file for what it was told; what `STAND_IN_REFUSES` names is refused.
"""

import os

from tf.iface import DataSource, Provider
from tf.runner import run_provider
from tf.schema import Attribute, Schema
from tf.types import Map, Set, String


def required(name, **rest):
    return Attribute(name, String(), required=True, **rest)


def optional(name, kind=None):
    return Attribute(name, kind or String(), optional=True)


def computed(name, kind=None):
    return Attribute(name, kind or String(), computed=True)


SCHEMAS = {
    "cloudformation_stack": [
        computed("id"), required("name", requires_replace=True), optional("template_url"),
        optional("parameters", Map(String())), optional("capabilities", Set(String())), optional("iam_role_arn"),
        optional("tags", Map(String())), computed("outputs", Map(String())),
    ],
    "s3_object": [
        computed("id"), required("bucket", requires_replace=True), required("key", requires_replace=True),
        optional("source"), optional("source_hash"),
    ],
}


def resource(name, attributes):
    class Resource:
        def __init__(self, provider):
            pass

        @classmethod
        def get_name(cls):
            return name

        @classmethod
        def get_schema(cls):
            return Schema(attributes=attributes)

        def validate(self, diagnostics, kind, config):
            pass

        def upgrade(self, context, version, old):
            return old

        def plan(self, context, current, planned):
            return planned

        def create(self, context, planned):
            return self.told("create", context, planned)

        def read(self, context, current):
            return current

        def update(self, context, current, planned):
            return self.told("update", context, planned, current)

        def delete(self, context, current):
            self.told("delete", context, current)

        def told(self, verb, context, state, before=None):
            call = f"{verb} {state.get('key') or state.get('name')}"
            with open(os.environ["STAND_IN_LOG"], "a") as log:
                log.write(f"{call}\n")
            if call == os.environ.get("STAND_IN_REFUSES"):
                context.diagnostics.add_error("refused", call)
                return before
            made = {"id": call.partition(" ")[2]} | ({"outputs": {}} if name == "cloudformation_stack" else {})
            return {**state, **made}

    return Resource


class Bucket(DataSource):
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "s3_bucket"

    @classmethod
    def get_schema(cls):
        return Schema(attributes=[required("bucket"), computed("bucket_regional_domain_name")])

    def read(self, context, config):
        return {**config, "bucket_regional_domain_name": f"{config['bucket']}.s3.eu-west-1.amazonaws.com"}


class Aws(Provider):
    def get_model_prefix(self):
        return "aws_"

    def full_name(self):
        return "registry.terraform.io/hashicorp/aws"

    def get_provider_schema(self, diagnostics):
        return Schema(attributes=[optional("region")])

    def validate_config(self, diagnostics, config):
        pass

    def configure_provider(self, diagnostics, config):
        pass

    def get_data_sources(self):
        return [Bucket]

    def get_resources(self):
        return [resource(name, attributes) for name, attributes in SCHEMAS.items()]


if __name__ == "__main__":
    run_provider(Aws())
