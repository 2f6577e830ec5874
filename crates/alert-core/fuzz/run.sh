#!/bin/sh
# Fuzzes each target for the given number of seconds (60), starting from the fixtures. Findings lie in
# target/fuzz/findings; a finding becomes a fixture.
set -eu
seconds=${1:-60}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$root/target/fuzz

missing=
rustup run nightly rustc --version >/dev/null 2>&1 || missing="$missing
  the nightly toolchain: rustup toolchain install nightly --profile minimal"
cargo fuzz --version >/dev/null 2>&1 || missing="$missing
  cargo-fuzz: cargo install cargo-fuzz --locked"
if [ -n "$missing" ]; then
    echo "Fuzzing needs:$missing" >&2
    exit 1
fi

seeds() { # target; each line of standard input is one of its seeds
    mkdir -p "$work/corpus/$1"
    number=0
    while read -r line; do
        number=$((number + 1))
        printf '%s' "$line" >"$work/corpus/$1/line-$number"
    done
}

# Every event of the fixtures, without the golden files; the file's number keeps equal names apart.
for target in decode relay filter; do
    mkdir -p "$work/corpus/$target"
done
number=0
find "$root/fixtures" -name '*.json' ! -name '*.slack*.json' ! -name '*.published.json' | sort | while read -r file; do
    number=$((number + 1))
    for target in decode relay filter; do
        cp "$file" "$work/corpus/$target/fixture-$number"
    done
done
# What mutations of the fixtures hardly reach: values that no parser takes, in every layer of an envelope; nested records
# without ids; the same message twice; a request that is an alarm's.
deep=$(printf '%300s' '' | tr ' ' '[')$(printf '%300s' '' | tr ' ' ']')
alarm='{\"AlarmName\":\"a\",\"NewStateValue\":\"ALARM\",\"OldStateValue\":\"OK\"'
for target in decode relay filter; do
    seeds "$target" <<EVENTS
{"Records":[{"messageId":"1","body":"$alarm}","a":"\ud83d"},{"messageId":"2","body":"$alarm,\"b\":\"\\\\ud83d\"}"}]}
{"Records":[{"messageId":"1","body":"$alarm}","a":-1e999},{"messageId":"2","body":"$alarm,\"b\":1e999}"}]}
{"Records":[{"messageId":"1","body":"$alarm}","a":$deep},{"messageId":"2","body":"$alarm,\"b\":$deep}"}]}
{"Records":[{"messageId":"1","body":"$alarm,\"b\":NaN,\"c\":\"C:\\\\x it\\'s\"}"},{"messageId":"2","body":"it\'s \x"}]}
{"detail-type":"grafana-alert","source":"grafana","detail":{"receiver":"r","alerts":[{"status":"firing","labels":{"alertname":"a","b":"\udc00"},"startsAt":"soon","values":{"B":1e999}},{"status":"resolved","labels":{"alertname":"a"},"startsAt":"2026-03-02T00:15:00Z","endsAt":"2026-03-02T00:15:00Z"}]}}
{"Records":[{"Sns":{"TopicArn":"arn:aws:sns:eu-west-1:111122223333:t","Message":"{\"Records\":[{\"Sns\":{\"Message\":\"one\"}},{\"Sns\":{\"Message\":\"two\"}}]}"}}]}
{"Records":[{"Sns":{"MessageId":"1","Message":"$alarm}"}},{"Sns":{"MessageId":"1","Message":"$alarm}"}}]}
{"Records":[{"messageId":"1","body":"$alarm}"},{"messageId":"1","body":"$alarm}"}]}
{"headers":{"a":"b"},"body":"$alarm}"}
{"headers":{},"body":"{\"headers\":{},\"body\":\"x\"}","isBase64Encoded":true}
{"requestContext":{"requestId":"1"},"requestPayload":{"Records":[{"messageId":"1","body":"$alarm}","a":"\ud83d"}]}}
EVENTS
done
mkdir -p "$work/corpus/config"
find "$root/fixtures" "$root/crates" -name '*.yaml' -not -path '*/target/*' | sort | while read -r file; do
    cp "$file" "$work/corpus/config/$(echo "$file" | tr / _)"
done
seeds matcher <<'MATCHERS'
alertname="DatasourceError"
alertname=~"DatasourceError|DatasourceNoData"
{severity!="critical", team!~"a.*|\"b\""}
severity = warning
"label with spaces"="äöü \n 日本"
MATCHERS
seeds time <<'TIMES'
2026-09-13T03:00:00Z
2017-01-12T16:30:42.236+0000
0001-01-01T00:00:00Z
Sun, 13 Sep 2026 03:00:00 GMT
21:50-24:00
monday:friday
-3:-1
january:march
2026:2030
Asia/Seoul
1789268400000
TIMES

seeds interaction <<'PRESSES'
payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%7D%2C%22container%22%3A%7B%22channel_id%22%3A%22C1%22%2C%22message_ts%22%3A%221.1%22%7D%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22acknowledge%22%7D%5D%7D
payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%2C%22username%22%3A%22kim%22%7D%2C%22container%22%3A%7B%22channel_id%22%3A%22C1%22%2C%22message_ts%22%3A%221.1%22%7D%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22silence%22%2C%22selected_option%22%3A%7B%22value%22%3A%221h%22%7D%7D%5D%7D
payload=%7B%7D&payload=+
PRESSES

cd "$here"
failed=
for target in decode relay filter matcher config time interaction; do
    echo "fuzzing $target for $seconds s"
    mkdir -p "$work/findings/$target"
    cargo +nightly fuzz run --fuzz-dir "$here" --target-dir "$work/build" "$target" "$work/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
        -artifact_prefix="$work/findings/$target/" -verbosity=0 -print_final_stats=1 || failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "Findings of$failed lie in $work/findings" >&2
    exit 1
fi
