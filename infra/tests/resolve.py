"""CloudFormation's intrinsic functions, as far as template.yaml uses them: what a property will be once it is deployed."""

import re

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"

# How AWS writes the ARN of a resource, by its own name.
ARNS = {
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{id}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{id}",
    "AWS::Events::EventBus": "arn:aws:events:{region}:{account}:event-bus/{id}",
    "AWS::Events::Rule": "arn:aws:events:{region}:{account}:rule/{id}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{id}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{id}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{id}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{id}",
}
NAME_PROPERTIES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Events::EventBus": "Name",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
}
NOTHING = object()


class Stack:
    """A translated template with the values of its parameters; `ids` are the physical ids where they are known."""

    def __init__(self, template, parameters, name="alerts", ids=None):
        self.template, self.name, self.ids = template, name, ids or {}
        self.parameters = {key: value.get("Default") for key, value in template["Parameters"].items()} | parameters
        for key, parameter in template["Parameters"].items():
            if parameter["Type"] == "CommaDelimitedList":
                self.parameters[key] = [item.strip() for item in self.parameters[key].split(",")]

    def resources(self, *types):
        """The resources that are made under these parameters, by logical id, with their properties as they will be."""
        return {
            logical: self.value(resource.get("Properties", {}))
            for logical, resource in self.template["Resources"].items()
            if (not types or resource["Type"] in types) and self.exists(resource)
        }

    def exists(self, resource):
        return "Condition" not in resource or self.holds(resource["Condition"])

    def broken_rules(self):
        """What CloudFormation refuses these parameters with, before it makes anything."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if "RuleCondition" not in rule or self._truth(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._truth(assertion["Assert"])
        ]

    def holds(self, condition):
        return self._truth(self.template["Conditions"][condition])

    def _truth(self, test):
        (function, argument), = test.items()
        match function:
            case "Fn::Equals":
                first, second = (self.value(side) for side in argument)
                return str(first) == str(second)
            case "Fn::Not":
                return not self._truth(argument[0])
            case "Fn::And":
                return all(self._truth(part) for part in argument)
            case "Fn::Or":
                return any(self._truth(part) for part in argument)
            case "Condition":
                return self.holds(argument)
        raise ValueError(f"unknown condition {function}")

    def value(self, node):
        if isinstance(node, list):
            return [item for item in map(self.value, node) if item is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), = node.items()
            match function:
                case "Ref":
                    return self._ref(argument)
                case "Fn::GetAtt":
                    return self._attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
                case "Fn::Sub":
                    return re.sub(r"\$\{([^}]+)\}", lambda found: str(self._named(found[1])), argument)
                case "Fn::If":
                    return self.value(argument[1] if self.holds(argument[0]) else argument[2])
                case "Fn::Select":
                    return self.value(argument[1])[int(argument[0])]
                case "Fn::Split":
                    return self.value(argument[1]).split(argument[0])
                case "Fn::Join":
                    return argument[0].join(map(str, self.value(argument[1])))
            if function.startswith("Fn::"):
                raise ValueError(f"unknown function {function}")
        items = ((key, self.value(item)) for key, item in node.items())
        return {key: item for key, item in items if item is not NOTHING}

    def _named(self, name):
        return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

    def _ref(self, name):
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NOTHING,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.template["Resources"][name]
        if resource["Type"] == "AWS::Events::Rule":
            # BUS|RULE; an emulator may have the rule alone.
            bus = self.value(resource["Properties"]["EventBusName"])
            return f"{bus}|{self.ids.get(name, name).split('|')[-1]}"
        if self.ids.get(name):
            return self.ids[name]
        match resource["Type"]:
            case "AWS::SNS::Topic":
                return f"arn:aws:sns:{REGION}:{ACCOUNT}:{self._own_name(name)}"
            case "AWS::SQS::Queue":
                return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self._own_name(name)}"
        return self._own_name(name)

    def _own_name(self, name):
        resource = self.template["Resources"][name]
        given = resource.get("Properties", {}).get(NAME_PROPERTIES.get(resource["Type"]))
        return self.value(given) if given is not None else self.ids.get(name, name)

    def _attribute(self, name, attribute):
        kind = self.template["Resources"][name]["Type"]
        match kind, attribute:
            case _, "Name" | "QueueName" | "TopicName":
                return self._own_name(name)
            case "AWS::Events::Rule", "Arn":
                return ARNS[kind].format(region=REGION, account=ACCOUNT, id=self._ref(name).replace("|", "/"))
            case _, "Arn" if kind in ARNS:
                return ARNS[kind].format(region=REGION, account=ACCOUNT, id=self._own_name(name))
        raise ValueError(f"unknown attribute {kind}.{attribute}")
