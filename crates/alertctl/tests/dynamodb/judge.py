#!/usr/bin/env python3
"""Holds the sandbox's DynamoDB against that of another emulator, request by request.

    python judge.py '{"judge": "moto", "url": …, "sandbox": …}'

Each request is sent to both, and what comes of it has to be the same (status, the error's name, the item), or to be listed
in DIFFERENCES with the page of AWS's documentation that decides. A difference that is listed and is none any more fails as
well. Exits with 1 and says what differs.
"""

import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TABLE = "alerts"
KEY = {"pk": {"S": "a"}}
ITEM = {
    **KEY,
    "colour": {"S": "red"},
    "hits": {"N": "9"},
    "octets": {"B": "AQI="},
    "ringing": {"BOOL": True},
    "nothing": {"NULL": True},
}
VALUES = {
    ":red": {"S": "red"},
    ":blue": {"S": "blue"},
    ":nine": {"N": "9.0"},
    ":ten": {"N": "10"},
    ":text": {"S": "9"},
    ":octets": {"B": "AQI="},
    ":more": {"B": "AQM="},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":one": {"N": "1"},
    ":names": {"SS": ["a", "b"]},
}
NAMES = {"#hits": "hits", "#absent": "absent", "#name": "name", "#pk": "pk"}
TOUCH = "SET spare = :one"
RESERVED_WORDS = (Path(__file__).parents[3] / "alert-sandbox/src/dynamodb/reserved_words.txt").read_text().split()
RACERS, ROUNDS = 20, 5


class Side:
    """One of the two services."""

    def __init__(self, url):
        self.url = url
        self.create(TABLE)

    def call(self, operation, **request):
        """What comes of it: the status, `ok` or the error's name, and the item that is told."""
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        signed = AWSRequest(method="POST", url=self.url, data=json.dumps(request), headers=headers)
        SigV4Auth(Credentials("test", "test"), "dynamodb", "us-east-1").add_auth(signed)
        plain = urllib.request.Request(self.url, data=signed.data.encode(), headers=dict(signed.headers))
        try:
            with urllib.request.urlopen(plain, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        if text.startswith(b"<"):
            # A page of a web server's, whose program has failed.
            return [status, "failed", None]
        body = json.loads(text)
        word = body["__type"].split("#")[-1] if status != 200 else "ok"
        if "Count" in body:
            return [status, word, [body.get("Items"), body["Count"], body.get("LastEvaluatedKey")]]
        # What is not told, and what is told and empty, is the same to AWS's own clients.
        item = body.get("Item") or body.get("Attributes") or None
        for value in (item or {}).values():
            # A set has no order.
            if "SS" in value:
                value["SS"].sort()
        return [status, word, "ITEM" if item == ITEM else item]

    def create(self, name, key="pk", kind="S", **more):
        made = self.call(
            "CreateTable",
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            **{
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
                "BillingMode": "PAY_PER_REQUEST",
                **more,
            },
        )
        if made[1] == "ok":
            self.wait_for(name, key, kind)
        return made

    def wait_for(self, name, key, kind):
        # dynalite takes a moment, and says until then that there is no such table.
        for _ in range(100):
            if self.get({key: {kind: "1"}}, name)[1] != "ResourceNotFoundException":
                break
            time.sleep(0.1)

    def get(self, key=None, table=TABLE):
        return self.call("GetItem", TableName=table, Key=key or KEY, ConsistentRead=True)

    def now(self):
        """The item after a scenario."""
        return self.get()[2]

    def put(self, item, **more):
        return self.call("PutItem", TableName=TABLE, Item=item, **more)

    def update(self, **request):
        return self.call("UpdateItem", **{"TableName": TABLE, "Key": KEY, **request})

    def delete(self, **request):
        return self.call("DeleteItem", **{"TableName": TABLE, "Key": KEY, **request})

    def begin(self, is_known=True):
        """The item as every scenario finds it."""
        if is_known:
            self.put(ITEM)
        else:
            self.delete()


def filled(**request):
    """The request with the names and values that its expressions use."""
    expressions = request.get("UpdateExpression", "") + " " + request.get("ConditionExpression", "")
    for field, known in (("ExpressionAttributeNames", NAMES), ("ExpressionAttributeValues", VALUES)):
        used = {key: known[key] for key in re.findall(r"[#:]\w+", expressions) if key in known}
        if used:
            request.setdefault(field, used)
    return request


def updating(is_known=True, **request):
    """A scenario: one update, and what is there afterwards."""

    def scenario(side):
        side.begin(is_known)
        return [side.update(**filled(**request)), side.now()]

    return scenario


def doing(operation, **request):
    """A scenario: one request, and what is there afterwards."""

    def scenario(side):
        side.begin()
        return [side.call(operation, **request), side.now()]

    return scenario


CONDITIONS = [
    "attribute_exists(colour)",
    "attribute_exists(absent)",
    "attribute_not_exists(absent)",
    "attribute_not_exists(#absent)",
    "attribute_not_exists(pk)",
    "attribute_exists(nothing)",
    "colour = :red",
    ":red = colour",
    "colour = :blue",
    "colour <> :blue",
    "colour > :blue",
    "colour < :blue",
    "hits < :ten",
    "hits <= :ten",
    "hits > :ten",
    "hits >= :ten",
    ":ten > #hits",
    "hits = :nine",
    "hits <> :nine",
    "hits <= :nine AND hits >= :nine",
    "hits = :text",
    "hits <> :text",
    "hits < :text",
    "hits > :text",
    "hits <= :text OR hits >= :text",
    "absent = :red",
    "absent <> :red",
    "absent < :ten",
    "absent >= :ten",
    "NOT absent < :ten",
    "octets = :octets",
    "octets < :more",
    "ringing = :true",
    "ringing <> :true",
    "nothing = :null",
    "colour = :red OR colour = :blue AND absent = :red",
    "(colour = :red OR colour = :blue) AND absent = :red",
    "NOT colour = :blue AND colour = :red",
    "NOT (colour = :blue AND colour = :red)",
    "NOT colour = :red OR colour = :red",
    "not colour = :red or attribute_exists(pk) and (not (colour = :blue))",
    "(colour = :red) AND (hits < :ten)",
    "(colour=:red)and(hits<:ten)",
    "attribute_not_exists(hits) OR hits < :ten",
    "attribute_not_exists(hits) OR hits < :nine",
    "#pk = :red",
]

REFUSED_CONDITIONS = [
    "",
    "pk",
    "pk = :red :red",
    "pk == :red",
    "(pk = :red",
    "pk = :red)",
    "pk = 'a'",
    "pk = 9",
    "AND pk = :red",
    "pk = :red AND Status = :red",
    "pk = :unknown",
    "#unknown = :red",
    "((pk = :red))",
    "exists(pk)",
    "ATTRIBUTE_EXISTS(pk)",
    "attribute_exists(:red)",
    "attribute_exists(pk, colour)",
    "ringing < :true",
    "nothing >= :null",
]

UPDATES = [
    "SET colour = :blue, spare = :blue",
    "REMOVE colour, absent, #hits",
    "REMOVE octets SET colour = :blue",
    "set colour=:blue remove octets",
    "SET colour = octets, octets = colour",
    "SET spare = octets REMOVE octets",
    "SET #name = :blue",
    "SET hits = hits + :one",
    "SET hits = hits - :ten",
    "SET hits = :one - hits",
    "SET spare = if_not_exists(absent, :blue)",
    "SET spare = if_not_exists(octets, :blue)",
    "SET spare = if_not_exists(absent, :one) + :one",
    "SET nothing = :null, ringing = :true",
    "ADD spare :names",
    "ADD hits :one, absent :one",
    "SET colour = :blue ADD spare :names REMOVE octets",
]

REFUSED_UPDATES = [
    "",
    "SET",
    "colour = :blue",
    "SET colour = :blue,",
    "SET colour = :blue spare = :blue",
    "SET :blue = colour",
    "REMOVE :blue",
    "SET colour = :blue SET spare = :blue",
    "SET colour = :blue REMOVE colour",
    "SET colour = :blue, colour = :red",
    "SET pk = :blue",
    "REMOVE pk",
    "SET state = :blue",
    "SET spare = absent",
    "SET spare = absent + :one",
    "SET spare = colour + hits",
    "SET spare = hits + :blue",
    "SET spare = append(colour, :blue)",
    "SET spare = if_not_exists(colour)",
    "SET spare = if_not_exists(:blue, :blue)",
    "SET spare = :unknown",
    "SET #unknown = :blue",
    "FIX spare",
    "ADD colour :names",
    "ADD hits :names",
    "ADD spare :blue",
    "ADD spare :true",
    "ADD spare colour",
    "ADD :names spare",
    "ADD spare :names SET spare = :blue",
]

NUMBERS = ["0", "-1.5", "1700000000123", "12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678"]

REFUSED_NUMBERS = ["", " ", "nine", "1a", "1.2.3", "NaN", "Infinity", "1e126", "1e-131", "1" * 39]

KEYS = [
    {},
    {"sk": {"S": "a"}},
    {"pk": {"N": "1"}},
    {"pk": {"S": ""}},
    {"pk": {"S": "a"}, "sk": {"S": "a"}},
    {"pk": {}},
    {"pk": {"S": "x" * 2048}},
    {"pk": {"S": "x" * 2049}},
]

ITEMS = [
    {"sk": {"S": "a"}},
    {"pk": {"N": "1"}},
    {"pk": {"S": ""}},
    {**KEY, "colour": {"S": ""}},
    {**KEY, "colour": {"B": ""}},
    {**KEY, "nothing": {"NULL": False}},
    {**KEY, "colour": {"S": "ü€😀\"\n"}},
    {**KEY, "colour": {}},
]

PLACEHOLDERS = {
    "a value that is not used": {
        "UpdateExpression": "SET spare = :red",
        "ExpressionAttributeValues": {":red": {"S": "red"}, ":blue": {"S": "blue"}},
    },
    "a name that is not used": {"UpdateExpression": "REMOVE spare", "ExpressionAttributeNames": {"#name": "name"}},
    "no values": {"UpdateExpression": "REMOVE spare", "ExpressionAttributeValues": {}},
    "no names": {"UpdateExpression": "REMOVE spare", "ExpressionAttributeNames": {}},
    "a value without a colon": {"UpdateExpression": "SET spare = :v", "ExpressionAttributeValues": {"v": {"S": "a"}}},
    "names without expressions": {"ExpressionAttributeNames": {"#name": "name"}},
    "values without expressions": {"ExpressionAttributeValues": {":red": {"S": "red"}}},
    "a value in both expressions": {
        "UpdateExpression": "SET colour = :red",
        "ConditionExpression": "colour = :red",
        "ExpressionAttributeValues": {":red": {"S": "red"}},
    },
}

RETURNED = ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"]
NOT_THERE = {"ConditionExpression": "attribute_not_exists(pk)"}


def reserved_words(side):
    """How many there are, and those that an expression may name all the same."""
    words = [word for word in RESERVED_WORDS if side.update(**filled(UpdateExpression=f"SET {word} = :one"))[0] == 200]
    return [len(RESERVED_WORDS), words]


def free_words(side):
    """Those of the ledger, and some that look reserved."""
    words = ["incident", "expires_at", "lease_owner", "lease_until", "lease_posts", "colour", "Keyed", "a_set", "set1"]
    return [side.update(**filled(UpdateExpression=f"SET {word} = :one"))[1] for word in words]


def a_table_twice(side):
    return [side.create("twice")[:2], side.create("twice")[:2]]


def tables_that_are_missing(side):
    request = {"TableName": "missing", "Key": KEY}
    return [
        *(side.call(operation, **request) for operation in ("GetItem", "UpdateItem", "DeleteItem")),
        side.call("PutItem", TableName="missing", Item=ITEM),
        side.call("DescribeTable", TableName="missing"),
    ]


def no_table_at_all(side):
    return side.call("GetItem", Key=KEY)


def a_table_of_numbers(side):
    """Keys that are equal as numbers are one key."""
    side.create("numbers", "number", "N")
    item = {"number": {"N": "1.0"}, "colour": {"S": "red"}}
    put = side.call("PutItem", TableName="numbers", Item=item)
    return [put, side.get({"number": {"N": "1"}}, "numbers"), side.get({"number": {"N": "2"}}, "numbers")]


def the_largest_item(side):
    """Its names count, and characters count as UTF-8 has them."""
    room = 400 * 1024 - len("pk" + "a" + "colour")
    return [
        [side.put({**KEY, "colour": {"S": "x" * length}})[:2] for length in (room, room + 1)],
        side.update(**filled(UpdateExpression="SET spare = :red"))[:2],
        side.put({**KEY, "colour": {"S": "ü" * (room // 2 + 1)}})[:2],
    ]


def the_longest_expression(side):
    names = ["x" * (length - len("attribute_exists()")) for length in (4096, 4097)]
    return [side.update(ConditionExpression=f"attribute_exists({name})")[:2] for name in names]


def numbers_are_given_back_in_one_form(side):
    def given_back(text):
        side.put({**KEY, "hits": {"N": text}})
        return side.get()[2]["hits"]["N"]

    return [given_back(text) for text in ["-0", "0.000", "007", "1.50", "-1.50", "1e3", "1E-3", "1e125"]]


def an_item_is_put_and_deleted(side):
    side.begin(is_known=False)
    puts = [side.put(ITEM, ReturnValues="ALL_OLD") for _ in range(2)]
    deletes = [side.delete(ReturnValues="ALL_OLD") for _ in range(2)]
    return [puts, deletes, side.get()]


def an_update_of_nothing(side):
    """Makes an item of its key alone."""
    tries = []
    for is_known in (True, False):
        side.begin(is_known)
        tries.append([side.update(ReturnValues="ALL_NEW"), side.now()])
    return tries


def a_conditional_delete(side):
    side.begin()
    request = filled(ConditionExpression="colour = :blue")
    return [side.delete(**request), side.now(), side.delete(**filled(ConditionExpression="colour = :red")), side.now()]


def a_conditional_put(side):
    side.begin()
    return [side.put(KEY, **NOT_THERE), side.now()]


def what_a_failed_condition_tells(side):
    side.begin()
    asked = [{}, *({"ReturnValuesOnConditionCheckFailure": asked} for asked in ("NONE", "ALL_OLD"))]
    return [
        [call(**NOT_THERE, **more) for more in asked]
        for call in (side.update, side.delete, lambda **request: side.put(KEY, **request))
    ]


def what_a_failed_condition_tells_of_nothing(side):
    side.begin(is_known=False)
    return side.update(ConditionExpression="attribute_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")


def claim(side, me, now):
    """As the relay does it: crates/alert-io/src/dynamodb.rs."""
    return side.update(
        UpdateExpression="SET lease_owner = :me, lease_until = :until, expires_at = :until ADD tried :deliveries",
        ConditionExpression="attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :me",
        ExpressionAttributeValues={
            ":me": {"S": str(me)},
            ":until": {"N": str(now + 1000)},
            ":now": {"N": str(now)},
            ":deliveries": {"SS": [f"delivery-{me}"]},
        },
        ReturnValues="ALL_OLD",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


def claims_one_after_the_other(side):
    """A lease holds until its last millisecond, and 9999 is before 10000."""
    side.begin()
    tries = [claim(side, me, now)[:2] for me, now in enumerate([8999, 9000, 9999, 10000, 11000, 11001])]
    return [tries, side.now()]


def a_lease_is_given_back_by_its_owner_alone(side):
    side.begin(is_known=False)
    claim(side, 1, 1000)
    done = {"UpdateExpression": "SET incident = :doc REMOVE lease_owner, lease_until", "ConditionExpression": "lease_owner = :me"}
    tries = [
        side.update(**done, ExpressionAttributeValues={":me": {"S": me}, ":doc": {"S": "{}"}}, ReturnValues="ALL_NEW")
        for me in ("2", "1", "1")
    ]
    return [tries, side.now()]


def at_once(act):
    """What comes of it for each of many who begin together."""
    barrier = threading.Barrier(RACERS)

    def run(me):
        barrier.wait()
        return act(me)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def claims_at_once(side):
    """How many won in each round, and whether the lease is theirs."""
    rounds = []
    for now in range(10_000, 10_000 + ROUNDS * 2000, 2000):
        answers = at_once(lambda me: claim(side, me, now)[1])
        winners = [str(me) for me, answer in enumerate(answers) if answer == "ok"]
        owner = side.get()[2]["lease_owner"]["S"]
        rounds.append([len(winners), set(answers) - {"ok"} == {"ConditionalCheckFailedException"}, owner in winners])
    return rounds


def counts_at_once(side):
    """No count is lost."""
    side.begin()
    at_once(lambda _: side.update(**filled(UpdateExpression="SET hits = hits + :one")))
    return side.get()[2]["hits"]


INDEXED = "indexed"
INDEX_KEYS = [{"AttributeName": "due", "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"}]
INDEX = {"IndexName": "due", "KeySchema": INDEX_KEYS, "Projection": {"ProjectionType": "KEYS_ONLY"}}
DEFINED = [
    {"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("due", "S"), ("due_at", "N"))
]
# What is due, what is not, and what only looks like it.
DUE_ITEMS = [
    {"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"N": "9"}, "doc": {"S": "{}"}},
    {"pk": {"S": "b"}, "due": {"S": "silence"}, "due_at": {"N": "100"}},
    {"pk": {"S": "c"}, "due": {"S": "silence"}, "due_at": {"N": "20"}},
    {"pk": {"S": "d"}, "due": {"S": "other"}, "due_at": {"N": "1"}},
    {"pk": {"S": "e"}, "due": {"S": "silence"}},
    {"pk": {"S": "f"}, "due_at": {"N": "1"}},
    {"pk": {"S": "g"}},
]
QUERY_VALUES = {
    ":due": {"S": "silence"},
    ":other": {"S": "other"},
    ":now": {"N": "20"},
    ":low": {"N": "9.0"},
    ":never": {"N": "1"},
    ":text": {"S": "20"},
    ":a": {"S": "a"},
}

QUERIES = [
    "due = :due",
    "#due = :due AND due_at <= :now",
    "due = :due AND due_at < :now",
    "due = :due AND due_at = :now",
    "due = :due AND due_at > :now",
    "due = :due AND due_at >= :now",
    "due = :due AND due_at BETWEEN :low AND :now",
    "due = :due AND due_at <= :never",
    "due_at <= :now AND due = :other",
    "(due = :due) AND (due_at <= :now)",
    "due=:due and due_at between :low and :now",
]

REFUSED_QUERIES = [
    "",
    "due",
    "due = :due AND",
    "due = :due due_at = :now",
    "due = :unknown",
    "#unknown = :due",
    "due_at <= :now",
    "due > :due",
    "due = :due AND pk = :a",
    "due = :due AND due_at = :now AND pk = :a",
    "due = :due AND due = :other",
    "due = :due OR due_at = :now",
    "due = :due AND NOT due_at = :now",
    "due = :due AND due_at <> :now",
    "due = :due AND due_at IN (:now)",
    "due = :due AND attribute_exists(due_at)",
    "due = :due AND due_at = :text",
    "due = :due AND due_at BETWEEN :now AND :low",
    "due = :due AND due_at BETWEEN :low AND :text",
]

QUERY_REQUESTS = {
    "backwards": {"ScanIndexForward": False},
    "a page": {"Limit": 2},
    "a page backwards": {"Limit": 1, "ScanIndexForward": False},
    "a page that is just full": {"Limit": 3},
    "a page with room": {"Limit": 4},
    "no page": {"Limit": 0},
    "behind one": {"ExclusiveStartKey": {"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"N": "9"}}},
    "behind one that is gone": {"ExclusiveStartKey": {"pk": {"S": "x"}, "due": {"S": "silence"}, "due_at": {"N": "10"}}},
    "behind half a key": {"ExclusiveStartKey": {"pk": {"S": "a"}}},
    "behind a key of another type": {"ExclusiveStartKey": {"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"S": "9"}}},
    "behind what was not asked for": {"ExclusiveStartKey": {"pk": {"S": "d"}, "due": {"S": "other"}, "due_at": {"N": "1"}}},
    "a count": {"Select": "COUNT"},
    "what is projected": {"Select": "ALL_PROJECTED_ATTRIBUTES"},
    "all attributes": {"Select": "ALL_ATTRIBUTES"},
    "another word": {"Select": "SOME"},
    "consistently": {"ConsistentRead": True},
    "another index": {"IndexName": "other"},
}


def querying(condition="due = :due", **more):
    """A scenario: one query of an index."""

    def scenario(side):
        if side.create(INDEXED, GlobalSecondaryIndexes=[INDEX], AttributeDefinitions=DEFINED)[1] == "ok":
            for item in DUE_ITEMS:
                side.call("PutItem", TableName=INDEXED, Item=item)
        used = {key: QUERY_VALUES[key] for key in re.findall(r":\w+", condition) if key in QUERY_VALUES}
        request = {"TableName": INDEXED, "IndexName": "due", "KeyConditionExpression": condition}
        if used:
            request["ExpressionAttributeValues"] = used
        if "#due" in condition:
            request["ExpressionAttributeNames"] = {"#due": "due"}
        return side.call("Query", **{**request, **more})

    return scenario


def a_query_of_the_table(side):
    side.begin()
    asked = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}
    return side.call("Query", TableName=TABLE, ConsistentRead=True, **asked)


def a_query_of_no_table(side):
    asked = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}
    return [side.call("Query", TableName="missing", **asked), side.call("Query", TableName=TABLE)]


def keys_of_an_index_have_its_types(side):
    querying()(side)
    tries = []
    for wrong in ({"due_at": {"S": "1"}}, {"due": {"N": "1"}}, {"due": {"S": ""}}):
        [(name, value)] = wrong.items()
        tries.append(side.call("PutItem", TableName=INDEXED, Item={"pk": {"S": "x"}, **wrong}))
        update = {"UpdateExpression": f"SET {name} = :v", "ExpressionAttributeValues": {":v": value}}
        tries.append(side.call("UpdateItem", TableName=INDEXED, Key={"pk": {"S": "x"}}, **update))
    return tries


def what_is_no_longer_due_leaves_the_index(side):
    side.create("leaving", GlobalSecondaryIndexes=[INDEX], AttributeDefinitions=DEFINED)
    found = []
    for act in (
        {"operation": "PutItem", "Item": DUE_ITEMS[0]},
        {"operation": "PutItem", "Item": DUE_ITEMS[2]},
        {"operation": "UpdateItem", "Key": KEY, "UpdateExpression": "REMOVE due, due_at"},
        {"operation": "DeleteItem", "Key": {"pk": {"S": "c"}}},
    ):
        side.call(TableName="leaving", **act)
        asked = {"KeyConditionExpression": "due = :due", "ExpressionAttributeValues": {":due": {"S": "silence"}}}
        found.append(side.call("Query", TableName="leaving", IndexName="due", **asked))
    return found


def making(table, index, definitions=DEFINED):
    """A scenario: a table whose index has a mistake."""

    def scenario(side):
        return side.create(table, GlobalSecondaryIndexes=index, AttributeDefinitions=definitions)[:2]

    return scenario


REFUSED_INDEXES = {
    "none in the list": making("no-index", []),
    "a key without a definition": making("undefined", [INDEX], DEFINED[:1]),
    "its keys in the wrong order": making("turned", [{**INDEX, "KeySchema": INDEX_KEYS[::-1]}]),
    "a name of two letters": making("short", [{**INDEX, "IndexName": "du"}]),
}


def scenarios():
    """All of them, by their names."""
    all_of_them = {
        **{f"condition: {text}": updating(UpdateExpression=TOUCH, ConditionExpression=text) for text in CONDITIONS},
        **{f"refused: {text}": updating(UpdateExpression=TOUCH, ConditionExpression=text) for text in REFUSED_CONDITIONS},
        **{f"update: {text}": updating(UpdateExpression=text, ReturnValues="ALL_NEW") for text in UPDATES},
        **{f"refused update: {text}": updating(UpdateExpression=text) for text in REFUSED_UPDATES},
        **{f"placeholders: {name}": updating(**request) for name, request in PLACEHOLDERS.items()},
        **{f"number: {text}": doing("PutItem", TableName=TABLE, Item={**KEY, "hits": {"N": text}}) for text in NUMBERS},
        **{f"no number: {text}": doing("PutItem", TableName=TABLE, Item={**KEY, "hits": {"N": text}}) for text in REFUSED_NUMBERS},
        **{f"query: {text}": querying(text) for text in QUERIES},
        **{f"refused query: {text}": querying(text) for text in REFUSED_QUERIES},
        **{f"refused index: {name}": scenario for name, scenario in REFUSED_INDEXES.items()},
        **{f"query: {name}": querying(**request) for name, request in QUERY_REQUESTS.items()},
        **{f"item: {json.dumps(item)}": doing("PutItem", TableName=TABLE, Item=item) for item in ITEMS},
    }
    for returned in [*RETURNED, "SOME"]:
        for is_known in (True, False):
            update = {"UpdateExpression": "SET colour = :blue, spare = :blue REMOVE ringing", "ReturnValues": returned}
            all_of_them[f"returned: {returned}, {'known' if is_known else 'new'}"] = updating(is_known, **update)
            remove = {"UpdateExpression": "REMOVE ringing, absent", "ReturnValues": returned}
            all_of_them[f"returned by REMOVE: {returned}, {'known' if is_known else 'new'}"] = updating(is_known, **remove)
        all_of_them[f"returned by PutItem: {returned}"] = doing("PutItem", TableName=TABLE, Item=KEY, ReturnValues=returned)
        all_of_them[f"returned by DeleteItem: {returned}"] = doing("DeleteItem", TableName=TABLE, Key=KEY, ReturnValues=returned)
    for key in KEYS:
        for operation in ("GetItem", "UpdateItem", "DeleteItem"):
            name = f"{operation}: {json.dumps(key):.40}, {len(json.dumps(key))} bytes"
            all_of_them[name] = doing(operation, TableName=TABLE, Key=key)
    functions = [
        reserved_words,
        free_words,
        a_table_twice,
        tables_that_are_missing,
        no_table_at_all,
        a_table_of_numbers,
        the_largest_item,
        the_longest_expression,
        an_update_of_nothing,
        numbers_are_given_back_in_one_form,
        an_item_is_put_and_deleted,
        a_conditional_delete,
        a_conditional_put,
        what_a_failed_condition_tells,
        what_a_failed_condition_tells_of_nothing,
        claims_one_after_the_other,
        a_lease_is_given_back_by_its_owner_alone,
        claims_at_once,
        counts_at_once,
        a_query_of_the_table,
        a_query_of_no_table,
        keys_of_an_index_have_its_types,
        what_is_no_longer_due_leaves_the_index,
    ]
    return all_of_them | {function.__name__: function for function in functions}


REFUSED, FAILED = [400, "ValidationException", None], [400, "ConditionalCheckFailedException", None]
OK = [200, "ok", None]
BLUE = {"colour": {"S": "blue"}, "spare": {"S": "blue"}}
TOUCHED = {**ITEM, "spare": {"N": "1"}}

# Only removing makes no item where none was.
REMOVED_FROM_NOTHING = {
    f"returned by REMOVE: {returned}, new": (
        [OK, None],
        [[200, "ok", KEY] if returned == "ALL_NEW" else OK, KEY],
        "where there is no item, there is nothing to remove",
        "developerguide/LegacyConditionalParameters.AttributeUpdates",
    )
    for returned in RETURNED
}
EXPRESSION_LENGTH = {
    "the_longest_expression": (
        [FAILED[:2], REFUSED[:2]],
        [FAILED[:2], FAILED[:2]],
        "an expression has at most 4 KB",
        "developerguide/Constraints",
    ),
}

# What the index shows of the items that are due, in its order.
DUE_KEYS = {item["pk"]["S"]: {name: item[name] for name in ("pk", "due", "due_at")} for item in DUE_ITEMS[:4]}
DUE_FOUND = [DUE_KEYS[name] for name in "acb"]

# By judge and scenario: what comes of it in the sandbox, with the judge, why the sandbox is right, and the page of
# docs.aws.amazon.com/amazondynamodb/latest that says so. Everything else has to be the same.
DIFFERENCES = {
    "dynalite": {
        **REMOVED_FROM_NOTHING,
        **EXPRESSION_LENGTH,
        "refused: ringing < :true": (
            [REFUSED, "ITEM"],
            [FAILED, "ITEM"],
            "only strings, numbers and bytes have an order",
            "developerguide/LegacyConditionalParameters.Conditions",
        ),
        "refused: nothing >= :null": (
            [REFUSED, "ITEM"],
            [OK, TOUCHED],
            "only strings, numbers and bytes have an order",
            "developerguide/LegacyConditionalParameters.Conditions",
        ),
        **{
            f"returned by DeleteItem: {returned}": (
                [REFUSED, "ITEM"],
                [OK, None],
                "DeleteItem knows NONE and ALL_OLD",
                "APIReference/API_DeleteItem",
            )
            for returned in ("ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
        },
        "the_largest_item": (
            [[OK[:2], REFUSED[:2]], REFUSED[:2], REFUSED[:2]],
            [[OK[:2], REFUSED[:2]], REFUSED[:2], OK[:2]],
            "strings count by their bytes in UTF-8",
            "developerguide/CapacityUnitCalculations",
        ),
        "keys_of_an_index_have_its_types": (
            [REFUSED] * 6,
            [*[REFUSED] * 4, OK, OK],
            "a key of an index is not empty",
            "developerguide/HowItWorks.NamingRulesDataTypes",
        ),
        "what_a_failed_condition_tells": (
            [[FAILED, FAILED, [*FAILED[:2], "ITEM"]]] * 3,
            [[FAILED, FAILED, FAILED]] * 3,
            "ReturnValuesOnConditionCheckFailure came after dynalite",
            "APIReference/API_UpdateItem",
        ),
    },
    "moto": {
        **REMOVED_FROM_NOTHING,
        "returned by REMOVE: UPDATED_NEW, new": (
            [OK, None],
            [[200, "ok", KEY], KEY],
            "where there is no item, there is nothing to remove",
            "developerguide/LegacyConditionalParameters.AttributeUpdates",
        ),
        **EXPRESSION_LENGTH,
        "returned: UPDATED_NEW, new": (
            [[200, "ok", BLUE], {**KEY, **BLUE}],
            [[200, "ok", {**KEY, **BLUE}], {**KEY, **BLUE}],
            "only what the update is about",
            "APIReference/API_UpdateItem",
        ),
        "refused: ": (
            [REFUSED, "ITEM"],
            [OK, TOUCHED],
            "an expression has at least one condition",
            "developerguide/Expressions.OperatorsAndFunctions",
        ),
        "refused: pk = 9": (
            [REFUSED, "ITEM"],
            [FAILED, "ITEM"],
            "values stand in ExpressionAttributeValues alone",
            "developerguide/Expressions.OperatorsAndFunctions",
        ),
        **{
            f"refused: {text}": (
                [REFUSED, "ITEM"],
                [FAILED, "ITEM"],
                "only strings, numbers and bytes have an order",
                "developerguide/LegacyConditionalParameters.Conditions",
            )
            for text in ("ringing < :true", "nothing >= :null")
        },
        "placeholders: no names": ([REFUSED, "ITEM"], [OK, "ITEM"], "they are one or more", "APIReference/API_UpdateItem"),
        **{
            f"no number: {text}": (
                [REFUSED, "ITEM"],
                [OK, {**KEY, "hits": {"N": text}}],
                "what has more digits or magnitude is refused",
                "developerguide/HowItWorks.NamingRulesDataTypes",
            )
            for text in ("1e126", "1" * 39)
        },
        "numbers_are_given_back_in_one_form": (
            ["0", "0", "7", "1.5", "-1.5", "1000", "0.001", f"1{'0' * 125}"],
            ["-0", "0.000", "007", "1.50", "-1.50", "1e3", "1E-3", "1e125"],
            "zeros in front and behind are trimmed",
            "developerguide/HowItWorks.NamingRulesDataTypes",
        ),
        "a_table_of_numbers": (
            [OK, [200, "ok", {"colour": {"S": "red"}, "number": {"N": "1"}}], OK],
            [OK, [200, "ok", {"colour": {"S": "red"}, "number": {"N": "1.0"}}], OK],
            "zeros in front and behind are trimmed",
            "developerguide/HowItWorks.NamingRulesDataTypes",
        ),
        **{
            f"{operation}: {key}": ([REFUSED, "ITEM"], [OK, "ITEM"], why, page)
            for operations, key, why, page in (
                (
                    ["GetItem", "DeleteItem"],
                    '{"pk": {"N": "1"}}, 18 bytes',
                    "a key is of the type that the table says",
                    "developerguide/Programming.Errors",
                ),
                (
                    ["DeleteItem"],
                    '{"pk": {"S": ""}}, 17 bytes',
                    "a key is not empty",
                    "developerguide/HowItWorks.NamingRulesDataTypes",
                ),
                (
                    ["GetItem", "DeleteItem"],
                    f'{{"pk": {{"S": "{"x" * 26}, 2066 bytes',
                    "a partition key has at most 2048 bytes",
                    "developerguide/Constraints",
                ),
            )
            for operation in operations
        },
        "refused query: due = :due AND": (
            REFUSED,
            [200, "ok", [DUE_FOUND, 3, None]],
            "behind AND stands a condition",
            "developerguide/Query.KeyConditionExpressions",
        ),
        "refused query: due = :due AND due = :other": (
            REFUSED,
            [200, "ok", [[DUE_KEYS["d"]], 1, None]],
            "one condition on each key",
            "developerguide/Query.KeyConditionExpressions",
        ),
        "refused index: its keys in the wrong order": (
            REFUSED[:2],
            OK[:2],
            "the first one is HASH, and the second RANGE",
            "APIReference/API_CreateTable",
        ),
        "refused index: a name of two letters": (
            REFUSED[:2],
            OK[:2],
            "it has 3 to 255 characters",
            "developerguide/HowItWorks.NamingRulesDataTypes",
        ),
        "query: a page that is just full": (
            [200, "ok", [DUE_FOUND, 3, DUE_FOUND[-1]]],
            [200, "ok", [DUE_FOUND, 3, None]],
            "a key comes with the values up to the limit",
            "APIReference/API_Query",
        ),
        "keys_of_an_index_have_its_types": (
            [REFUSED] * 6,
            [OK, REFUSED, OK, REFUSED, REFUSED, REFUSED],
            "a key of an index is of its type, and not empty",
            "developerguide/HowItWorks.NamingRulesDataTypes",
        ),
        "the_largest_item": (
            [[OK[:2], REFUSED[:2]], REFUSED[:2], REFUSED[:2]],
            [[REFUSED[:2], REFUSED[:2]], OK[:2], REFUSED[:2]],
            "an item has at most 400 KB, and 1 KB is 1024 bytes",
            "developerguide/Constraints",
        ),
    },
}

# Where the judge itself fails, by an answer 500 that tells its own mistake: it says nothing of DynamoDB.
NO_VERDICT = {
    "dynalite": [],
    "moto": [
        "condition: hits < :text",
        "condition: hits > :text",
        "condition: hits <= :text OR hits >= :text",
        "refused: pk",
        "refused: pk = :red :red",
        "refused: pk == :red",
        "refused: (pk = :red",
        "refused: pk = :red)",
        "refused: pk = 'a'",
        "refused: AND pk = :red",
        "refused: pk = :unknown",
        "refused: #unknown = :red",
        "refused: ATTRIBUTE_EXISTS(pk)",
        "refused: attribute_exists(:red)",
        "refused: attribute_exists(pk, colour)",
        "refused update: SET #unknown = :blue",
        'item: {"pk": {"S": "a"}, "colour": {}}',
        'UpdateItem: {"pk": {"S": ""}}, 17 bytes',
        'GetItem: {"pk": {}}, 10 bytes',
        'UpdateItem: {"pk": {}}, 10 bytes',
        'DeleteItem: {"pk": {}}, 10 bytes',
        f'UpdateItem: {{"pk": {{"S": "{"x" * 26}, 2065 bytes',
        "no_table_at_all",
        "an_update_of_nothing",
        "refused query: due = :due due_at = :now",
        "refused query: due = :due OR due_at = :now",
        "refused query: due = :due AND NOT due_at = :now",
        "refused query: due = :due AND due_at <> :now",
        "refused query: due = :due AND due_at IN (:now)",
        "refused query: due = :due AND due_at BETWEEN :low AND :text",
        "query: no page",
        "query: behind half a key",
        "query: behind a key of another type",
    ],
}

# What the judge is not asked, and why.
NOT_ASKED = {
    "dynalite": {},
    "moto": {
        "claims_at_once": "moto has no locks, so that sometimes two win",
        "counts_at_once": "and sometimes a count is lost",
        # dynalite was held against DynamoDB itself.
        **{
            name: "no page says it, and dynalite says what the sandbox does"
            for name in (
                "refused query: due = :due AND due_at = :text",
                "refused query: due = :due AND due_at BETWEEN :now AND :low",
                "query: behind what was not asked for",
                "query: another index",
            )
        },
    },
}


def main(setting):
    name_of_judge = setting["judge"]
    sandbox, judge = Side(setting["sandbox"]), Side(setting["url"])
    differences, no_verdict = DIFFERENCES[name_of_judge], NO_VERDICT[name_of_judge]
    all_of_them = scenarios()
    wrong = [f"{name}: no such scenario" for name in {*differences, *no_verdict, *NOT_ASKED[name_of_judge]} - all_of_them.keys()]
    asked = {name: scenario for name, scenario in all_of_them.items() if name not in NOT_ASKED[name_of_judge]}
    for name, scenario in asked.items():
        found = [json.loads(json.dumps(scenario(side))) for side in (sandbox, judge)]
        if name in no_verdict:
            if '500, "failed"' not in json.dumps(found[1]):
                wrong.append(f"{name}: {found[1]!r} in {name_of_judge}, which no longer fails at it")
        elif name in differences:
            if found != list(differences[name][:2]):
                wrong.append(f"{name}: {found!r} instead of the listed {list(differences[name][:2])!r}")
        elif found[0] != found[1]:
            wrong.append(f"{name}: {found[0]!r} in the sandbox, {found[1]!r} in {name_of_judge}")
    print(f"{len(asked)} scenarios, {len(differences)} known differences, {len(no_verdict)} without a verdict, {len(wrong)} mistakes")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong or not asked else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(json.loads(sys.argv[1])))
