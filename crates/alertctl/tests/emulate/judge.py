#!/usr/bin/env python3
"""Holds the sandbox's Slack against emulate's, with Slack's own SDK as the client of both.

    python judge.py '{"sandbox": {"url": …, "tokens": {…}}, "emulate": {"url": …, "tokens": {…}}}'

Each scenario is carried out in both, and what comes of it has to be the same, or to be listed in DIFFERENCES with the
page that decides. A difference that is listed and is none any more fails as well. Exits with 1 and says what differs.
"""

import json
import sys

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.version import __version__

NAMES = ("relay", "reads_only", "writes_only", "other")
METADATA = {"event_type": "alert", "event_payload": {"id": "a-1", "count": 2}}
DIVIDER = {"type": "divider", "block_id": "line"}
UNKNOWN_CHANNEL, UNKNOWN_TS = "C0UNKNOWN0", "1700000000.000100"


class Side:
    """One of the two services."""

    def __init__(self, url, tokens):
        assert sorted(tokens) == sorted(NAMES), tokens
        self.clients = {name: self.client(url, token) for name, token in tokens.items()}
        self.unknown = self.client(url, "xoxb-unknown")
        self.anonymous = self.client(url, None)
        self.relay = self.clients["relay"]
        self.channel = self.relay.chat_postMessage(channel="ops", text="first")["channel"]

    @staticmethod
    def client(url, token):
        # What fails is to fail here, not to be tried again.
        return WebClient(token=token, base_url=url, timeout=20, retry_handlers=[])

    def post(self, text="red", **more):
        return self.relay.chat_postMessage(channel=self.channel, text=text, **more)["ts"]

    def edit(self, ts, **what):
        return self.relay.chat_update(channel=self.channel, ts=ts, **what)

    def read(self, method, client=None, **arguments):
        """By POST: emulate knows no other way."""
        return (client or self.relay).api_call(f"conversations.{method}", params={"channel": self.channel, **arguments})

    def shown(self, ts):
        """The message as the history shows it."""
        answer = self.read("history", include_all_metadata=True, limit=200)
        return next(message for message in answer["messages"] if message["ts"] == ts)


def word(call):
    """What became of a call: `ok`, or the error, which the SDK raises."""
    try:
        call()
        return "ok"
    except SlackApiError as error:
        if not isinstance(error.response.data, dict):
            return f"HTTP {error.response.status_code}"
        return error.response["error"]


def parts(message, *names):
    return {name: message.get(name) for name in names}


# The scenarios. Each gives something that can be compared: neither times nor ids.


def a_post_is_read_back(side):
    ts = side.post(blocks=[DIVIDER], unfurl_links=False)
    return parts(side.shown(ts), "type", "text", "blocks")


def the_answer_to_a_post(side):
    answer = side.relay.chat_postMessage(channel=side.channel, text="red")
    return [answer["channel"] == side.channel, answer["ts"] == answer["message"]["ts"], answer["message"]["text"]]


def names_of_messages_grow(side):
    names = [side.post() for _ in range(3)]
    return [names == sorted(set(names)), all(len(ts.split(".")[1]) == 6 for ts in names)]


def a_reply_in_a_thread(side):
    ts = side.post()
    side.post("more", thread_ts=ts)
    side.post("again", thread_ts=ts)
    thread = side.read("replies", ts=ts)["messages"]
    return [[(message["text"], message.get("thread_ts", ts) == ts) for message in thread], side.shown(ts)["reply_count"]]


def a_reply_stays_out_of_the_channel(side):
    reply = side.post("more", thread_ts=side.post())
    return [message["text"] for message in side.read("history")["messages"] if message["ts"] == reply]


def a_reply_that_is_shown_in_the_channel(side):
    reply = side.post("aloud", thread_ts=side.post(), reply_broadcast=True)
    return [message["text"] for message in side.read("history")["messages"] if message["ts"] == reply]


def an_edit_of_all(side):
    ts = side.post(blocks=[DIVIDER])
    answer = side.edit(ts, text="green", blocks=[])
    return [answer["ts"] == ts, answer["channel"] == side.channel, answer["text"], side.shown(ts)["text"], "edited" in side.shown(ts)]


def an_edit_of_the_text_takes_blocks_away(side):
    ts = side.post(blocks=[DIVIDER], attachments=[{"text": "a"}])
    side.edit(ts, text="green")
    return parts(side.shown(ts), "blocks", "attachments")


def an_edit_of_the_blocks_keeps_the_text(side):
    ts = side.post(attachments=[{"text": "a"}])
    side.relay.api_call("chat.update", json={"channel": side.channel, "ts": ts, "blocks": [DIVIDER]})
    return parts(side.shown(ts), "text", "blocks", "attachments")


def an_edit_without_metadata_keeps_it(side):
    ts = side.post(metadata=METADATA)
    side.edit(ts, text="green")
    return side.shown(ts)["metadata"]


def an_edit_of_nothing(side):
    ts = side.post()
    return word(lambda: side.relay.api_call("chat.update", json={"channel": side.channel, "ts": ts}))


def an_edit_of_a_message_that_is_not_there(side):
    return word(lambda: side.edit(UNKNOWN_TS, text="green"))


def an_edit_of_somebody_elses_message(side):
    ts = side.post()
    return word(lambda: side.clients["other"].chat_update(channel=side.channel, ts=ts, text="mine"))


def an_edit_in_an_unknown_channel(side):
    ts = side.post()
    return word(lambda: side.relay.chat_update(channel=UNKNOWN_CHANNEL, ts=ts, text="green"))


def metadata_is_read_back(side):
    return side.shown(side.post(metadata=METADATA))["metadata"]


def metadata_for_those_who_do_not_ask(side):
    ts = side.post(metadata=METADATA)
    return next(message for message in side.read("history")["messages"] if message["ts"] == ts).get("metadata")


def metadata_that_is_none(side):
    return word(lambda: side.post(metadata="nonsense"))


def metadata_without_a_type(side):
    return word(lambda: side.post(metadata={"event_payload": {}}))


def scopes_that_are_missing(side):
    calls = {
        "post": lambda: side.clients["reads_only"].chat_postMessage(channel=side.channel, text="t"),
        "edit": lambda: side.clients["reads_only"].chat_update(channel=side.channel, ts=UNKNOWN_TS, text="t"),
        "read": lambda: side.read("history", client=side.clients["writes_only"]),
    }
    return {name: word(call) for name, call in calls.items()}


def what_is_said_of_a_missing_scope(side):
    try:
        side.clients["reads_only"].chat_postMessage(channel=side.channel, text="t")
    except SlackApiError as error:
        return parts(error.response.data, "needed", "provided")
    return None


def unknown_channels(side):
    return [
        word(lambda: side.relay.chat_postMessage(channel=UNKNOWN_CHANNEL, text="t")),
        word(lambda: side.relay.chat_postMessage(channel="nowhere", text="t")),
        word(lambda: side.read("history", channel=UNKNOWN_CHANNEL)),
        word(lambda: side.read("history", channel="ops")),
    ]


def a_channel_by_its_name_with_a_hash(side):
    return word(lambda: side.relay.chat_postMessage(channel="#ops", text="t"))


def a_public_channel_that_the_app_is_not_in(side):
    return word(lambda: side.relay.chat_postMessage(channel="elsewhere", text="t"))


def no_token(side):
    return [word(side.anonymous.auth_test), word(lambda: side.anonymous.chat_postMessage(channel=side.channel, text="t"))]


def an_unknown_token(side):
    return [word(side.unknown.auth_test), word(lambda: side.unknown.chat_postMessage(channel=side.channel, text="t"))]


def who_one_is(side):
    answer = side.relay.auth_test()
    return [answer["user"], answer["user_id"][0], answer["team_id"][0]]


def a_message_that_says_nothing(side):
    return word(lambda: side.relay.api_call("chat.postMessage", json={"channel": side.channel, "text": ""}))


def blocks_that_are_none(side):
    return [word(lambda: side.post(blocks="nonsense")), word(lambda: side.post(blocks=["nonsense"]))]


def a_block_of_no_known_type(side):
    return word(lambda: side.post(blocks=[{"type": "nonsense"}]))


def more_blocks_than_slack_takes(side):
    return word(lambda: side.post(blocks=[{"type": "divider"}] * 51))


def a_long_text_is_cut(side):
    return len(side.shown(side.post("x" * 40_001))["text"])


def a_long_text_in_an_edit(side):
    ts = side.post()
    return word(lambda: side.edit(ts, text="x" * 4_001))


def the_replies_of_a_message_that_is_not_there(side):
    return word(lambda: side.read("replies", ts=UNKNOWN_TS))


def reading_by_get(side):
    return word(lambda: side.relay.conversations_history(channel=side.channel))


def pages(side):
    texts = [str(number) for number in range(5)]
    for text in texts:
        side.post(text)
    first = side.read("history", limit=3)
    second = side.read("history", limit=2, cursor=first["response_metadata"]["next_cursor"])
    return [[message["text"] for message in page["messages"]] for page in (first, second)] + [first["has_more"]]


# Scenario: what comes of it in the sandbox, in emulate, why the sandbox is right, and the page of docs.slack.dev that says
# so. Everything else has to be the same.
DIFFERENCES = {
    "a_reply_that_is_shown_in_the_channel": (
        ["aloud"],
        [],
        "reply_broadcast makes a reply visible to everyone in the channel, and so a part of its history",
        "reference/methods/chat.postMessage",
    ),
    "an_edit_in_an_unknown_channel": (
        "channel_not_found",
        "message_not_found",
        "there is an error for an invalid channel",
        "reference/methods/chat.update",
    ),
    "metadata_for_those_who_do_not_ask": (
        {"event_type": "alert", "event_payload": {}},
        METADATA,
        "the payload is for those who say include_all_metadata; Slack's authors explain it in python-slack-sdk#1501",
        "reference/methods/conversations.history",
    ),
    "metadata_without_a_type": (
        "invalid_metadata_format",
        "ok",
        "metadata is an object with event_type and event_payload",
        "reference/methods/chat.postMessage",
    ),
    "a_channel_by_its_name_with_a_hash": (
        "ok",
        "channel_not_found",
        "a public channel may be named by its name, as in #general",
        "reference/methods/chat.postMessage",
    ),
    "a_public_channel_that_the_app_is_not_in": (
        "not_in_channel",
        "ok",
        "that needs a scope of its own, which the token does not have",
        "reference/scopes/chat.write.public",
    ),
    "an_unknown_token": (
        ["invalid_auth", "invalid_auth"],
        ["ok", "missing_scope"],
        "a token that is invalid is refused by each method; emulate takes it for its admin's",
        "reference/methods/auth.test",
    ),
    "blocks_that_are_none": (
        ["invalid_blocks_format", "invalid_blocks"],
        ["invalid_blocks", "invalid_blocks"],
        "what is no list of blocks at all has an error of its own",
        "reference/methods/chat.postMessage",
    ),
    "a_block_of_no_known_type": ("invalid_blocks", "ok", "emulate takes any object for a block", "reference/block-kit/blocks"),
    "more_blocks_than_slack_takes": ("invalid_blocks", "ok", "a message has at most 50 blocks", "reference/block-kit/blocks"),
    "a_long_text_in_an_edit": (
        "msg_too_long",
        "ok",
        "the text of an edit has at most 4,000 characters",
        "reference/methods/chat.update",
    ),
    "the_replies_of_a_message_that_is_not_there": (
        "thread_not_found",
        "ok",
        "ts has to be that of a message that is there",
        "reference/methods/conversations.replies",
    ),
}


def scenarios():
    named = {name: value for name, value in globals().items() if callable(value) and getattr(value, "__code__", None)}
    return {name: value for name, value in named.items() if value.__code__.co_varnames[: value.__code__.co_argcount] == ("side",)}


def main(setting):
    sandbox, emulate = (Side(**setting[name]) for name in ("sandbox", "emulate"))
    wrong = []
    for name, scenario in scenarios().items():
        found = [json.loads(json.dumps(scenario(side))) for side in (sandbox, emulate)]
        expected = DIFFERENCES.get(name)
        if expected is None and found[0] != found[1]:
            wrong.append(f"{name}: {found[0]!r} in the sandbox, {found[1]!r} in emulate")
        if expected is not None and found != list(expected[:2]):
            wrong.append(f"{name}: {found!r} instead of the listed {list(expected[:2])!r}")
    wrong += [f"{name}: no such scenario" for name in DIFFERENCES.keys() - scenarios().keys()]
    print(f"slack_sdk {__version__}: {len(scenarios())} scenarios, {len(DIFFERENCES)} known differences, {len(wrong)} mistakes")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong or not scenarios() else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(json.loads(sys.argv[1])))
