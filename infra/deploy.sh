#!/usr/bin/env bash
# Deploys the stack, and shows that an alarm arrives: `make deploy`, or
#
#   infra/deploy.sh [--stack NAME] [--region REGION] [--email ADDRESS] [--config FILE] [--arm64]
#                   [--new-secret] [--new-credential] [--new-signing-secret] [--no-buttons] [--no-test] [PARAMETER=VALUE …]
#
# PARAMETER=VALUE are parameters of template.yaml (Way=direct, SlackChannel=#ops). What is not given stays as it was.
#
# On the first deployment, and with --new-secret (or its older name, --new-webhook), what leads to Slack is asked for without
# echo, or read from standard input: a webhook's URL or an app's bot token, either will do (one line; a second line is
# Grafana's credential, with the ingress). It goes through pipes alone: it is in no file, no argument and no variable that
# another program sees, and what is stored is KMS's ciphertext. An app needs a channel, SlackChannel=…, which is asked for, too.
#
# With an app's token comes the question for its signing secret (or the line after the others on standard input): with it, messages
# have buttons. Empty is none, or leaves it as it is. An app that is there already gets buttons with --new-signing-secret, and
# loses them with --no-buttons.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# What people type or pipe in is for our questions alone: no tool below may read it away.
exec 3<&0 </dev/null

stack=alerts region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}} email='' config='' architecture='' test=yes
new_secret=no new_credential=no new_signing_secret=no buttons=yes table=''
parameters=()

say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
loud() { printf '\n\033[1;31m!!! %s\033[0m\n' "$*" >&2; }
fail() {
    loud "$1"
    shift
    printf '    %s\n' "$@" >&2
    exit 1
}

value_of() { # the value of an option, which must have one
    [[ -n ${2-} ]] || fail "$1 needs a value"
    printf %s "$2"
}

leads_to_slack() { # whether a text holds a webhook's URL or a token; the tokens are those of crates/alert-core/src/text.rs
    [[ $1 =~ ^https?://|hooks\.slack\.com|(^|[^A-Za-z0-9])(xox[a-eprs]-|xoxe\.|xapp-|xwfp-) ]]
}

while (($#)); do
    if leads_to_slack "$1"; then
        fail "a webhook's URL or a token does not belong into an argument: it is in the shell history now" \
            'Revoke it in Slack, make another, and run this again without it: you will be asked.'
    fi
    case $1 in
        --stack) stack=$(value_of "$1" "${2-}"); shift ;;
        --region) region=$(value_of "$1" "${2-}"); shift ;;
        --email) email=$(value_of "$1" "${2-}"); shift ;;
        --config) config=$(value_of "$1" "${2-}"); shift ;;
        --arm64) architecture=arm64 ;;
        --new-secret | --new-webhook) new_secret=yes ;;
        --new-credential) new_credential=yes ;;
        --new-signing-secret) new_signing_secret=yes ;;
        --no-buttons) buttons=no ;;
        --no-test) test=no ;;
        -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' infra/deploy.sh; exit ;;
        KmsEncrypted*=*) fail "${1%%=*} is set by this script: it asks for the secret and encrypts it" ;;
        SlackSecretFollows=*) fail 'SlackSecretFollows is set by this script: it knows whether there is a way to Slack' ;;
        OperatorEmail=*) email=${1#*=} ;;
        Architecture=*) architecture=${1#*=} ;;
        AlertTable=*) table=${1#*=} ;;
        [A-Z]*=*) parameters+=("$1") ;;
        *) fail "I do not know $1" 'See infra/deploy.sh --help' ;;
    esac
    shift
done

if [[ $new_signing_secret == yes && $buttons == no ]]; then
    fail '--new-signing-secret gives buttons, and --no-buttons takes them away' 'Give one of them.'
fi

# --- what it takes ---------------------------------------------------------------------------------------------------

missing=()
need() { # command, how to get it
    command -v "$1" >/dev/null || missing+=("$1: $2")
}
need cargo 'https://rustup.rs'
need cargo-lambda 'pip install cargo-lambda (brings zig, which it links with), or brew install cargo-lambda/tap/cargo-lambda'
need sam 'pip install aws-sam-cli, or brew install aws-sam-cli'
need aws 'pip install awscli, or https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html'
need python3 'https://www.python.org/downloads'
((${#missing[@]} == 0)) || fail 'these tools are missing:' "${missing[@]}"

[[ -n $region ]] || region=$(aws configure get region || true)
[[ -n $region ]] || fail 'no region is configured' 'Give --region eu-west-1, or set AWS_REGION, or run aws configure.'
export AWS_REGION=$region AWS_DEFAULT_REGION=$region AWS_PAGER='' SAM_CLI_TELEMETRY=0
# The longest function name has 27 characters beyond it, and Lambda takes 64.
[[ $stack =~ ^[A-Za-z][A-Za-z0-9-]{0,36}$ ]] ||
    fail "$stack is no name for this stack" 'Expected: a letter, then up to 36 letters, digits and hyphens.'
who=$(aws sts get-caller-identity --query Arn --output text) ||
    fail 'AWS does not know who you are (its answer is above)' 'Log in: aws sso login, or aws configure.'

cargo build --quiet --package alertctl
alertctl=(target/debug/alertctl)

# --- the configuration, before anything is changed --------------------------------------------------------------------

if [[ -z $config && -e infra/alerts.yaml ]]; then config=infra/alerts.yaml; fi
if [[ -n $config ]]; then
    say "Checking $config"
    "${alertctl[@]}" check "$config" || fail "$config is broken; nothing was deployed"
fi

# --- what there is -----------------------------------------------------------------------------------------------------

describe() { aws cloudformation describe-stacks --stack-name "$stack" --query "$1" --output text; }
output() { describe "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue | [0]"; }
parameter() { describe "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue | [0]"; }

is_unset() { # parameter
    local value
    value=$(parameter "$1")
    [[ -z $value || $value == None ]]
}
has_no_way() { is_unset KmsEncryptedHookUrl && is_unset KmsEncryptedBotToken; }

is_new=no
if ! status=$(describe 'Stacks[0].StackStatus' 2>&1); then
    [[ $status == *'does not exist'* ]] || fail 'CloudFormation does not say whether the stack exists:' "$status"
    is_new=yes
elif [[ $status == ROLLBACK_COMPLETE ]]; then
    fail "the first deployment of $stack failed and was rolled back; it has to be removed before another" \
        "aws cloudformation delete-stack --region $region --stack-name $stack"
elif [[ -z $architecture ]]; then
    architecture=$(parameter Architecture)
fi
architecture=${architecture:-x86_64}
# An update must not change what people see, nor want a right that nobody has given: an app from before there were tables goes
# on without one until somebody asks for it.
if [[ $is_new == no && -z $table ]] && is_unset AlertTable && ! is_unset KmsEncryptedBotToken; then
    table=disabled
    say "$stack remembers alerts in no table. With one, an alert is one message that changes: infra/deploy.sh AlertTable=auto"
fi
if [[ $new_signing_secret == yes && $is_new == no ]]; then
    if [[ ${table:-$(parameter AlertTable)} == disabled ]]; then
        fail 'what buttons do is remembered in the table, and this stack is to have none' \
            'Run this again: infra/deploy.sh --new-signing-secret AlertTable=auto'
    elif [[ $new_secret == no ]] && is_unset KmsEncryptedBotToken && ! has_no_way; then
        fail 'only the messages of a Slack app can have buttons, and this stack has a webhook' \
            'infra/slack/README.md sets an app up; then: infra/deploy.sh --new-secret'
    fi
fi
if [[ $is_new == yes && -z $email ]]; then
    [[ -t 3 ]] || fail 'who should hear when this system itself is in trouble?' 'Give --email ADDRESS.'
    read -ru 3 -p 'E-mail address for alarms about this system itself: ' email
fi

# --- build -------------------------------------------------------------------------------------------------------------

say "Building the functions for $architecture"
functions=(cloudwatch-to-slack grafana-filter-to-sns grafana-webhook-authorizer slack-actions alert-watch)
build=(cargo lambda build --release)
for function in "${functions[@]}"; do build+=(--package "$function"); done
[[ $architecture == arm64 ]] && build+=(--arm64)
"${build[@]}"
for function in cloudwatch-to-slack grafana-filter-to-sns slack-actions alert-watch; do
    # A file of an earlier deployment must not come along.
    rm -f "target/lambda/$function/alerts.yaml"
    if [[ -n $config ]]; then cp "$config" "target/lambda/$function/alerts.yaml"; fi
done

# --- deploy ------------------------------------------------------------------------------------------------------------

say "Deploying $stack to $region as $who"
parameters+=("Architecture=$architecture")
# The stack's key encrypts what leads to Slack, so the first deployment must be let through without it.
if [[ $is_new == yes ]] || has_no_way; then parameters+=(SlackSecretFollows=yes); fi
if [[ -n $email ]]; then parameters+=("OperatorEmail=$email"); fi
if [[ -n $table ]]; then parameters+=("AlertTable=$table"); fi
if [[ $buttons == no ]]; then parameters+=(KmsEncryptedSigningSecret=); fi
quoted=()
for parameter in "${parameters[@]}"; do quoted+=("${parameter%%=*}=\"${parameter#*=}\""); done
sam deploy --template-file infra/template.yaml --stack-name "$stack" --region "$region" --resolve-s3 \
    --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset \
    --parameter-overrides "${quoted[@]}"

# --- secrets -----------------------------------------------------------------------------------------------------------

# The circle of function name, key and ciphertext: the ciphertext needs the key and is bound to the name, so the stack comes
# first and gets the ciphertext as a parameter afterwards. Every other parameter stays.
set_parameters() { # NAME=VALUE …; a ciphertext is no secret
    local all name change settings=()
    all=$(describe 'Stacks[0].Parameters[].ParameterKey')
    for name in $all; do
        local setting="ParameterKey=$name,UsePreviousValue=true"
        for change in "$@"; do
            # In quotes, because a channel may hold what the command line would read as the end of the value.
            if [[ $name == "${change%%=*}" ]]; then setting="ParameterKey=$name,ParameterValue=\"${change#*=}\""; fi
        done
        settings+=("$setting")
    done
    aws cloudformation update-stack --stack-name "$stack" --use-previous-template --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
        --parameters "${settings[@]}" --output text >/dev/null
    aws cloudformation wait stack-update-complete --stack-name "$stack"
}

ask() { # prompt; prints what was entered, to a pipe
    local secret=''
    if [[ -t 3 ]]; then
        IFS= read -ru 3 -sp "$1: " secret || true
        printf '\n' >&2
    else
        IFS= read -ru 3 secret || true
    fi
    printf %s "$secret"
}

key=$(output WebhookKeyAlias)
relay=$(output RelayFunction)
way=''
if [[ $new_secret == yes ]] || has_no_way; then
    say "What leads $relay to Slack"
    printf '%s\n' "A webhook's URL (https://hooks.slack.com/services/…) or an app's bot token (xoxb-…): infra/slack/README.md compares them." >&2
    way=$(ask 'Webhook URL or bot token (not shown)' | # NAME=CIPHERTEXT
        "${alertctl[@]}" encrypt-secret --as-parameter --key-id "$key" --function-name "$relay" --region "$region") ||
        fail 'what leads to Slack was not encrypted (the reason is above)' \
            'The functions are deployed; alarms wait for it. Run this again.'
    [[ $way != KmsEncryptedSigningSecret=* ]] || fail 'that is a signing secret, which leads nowhere' \
        'The functions are deployed; alarms wait for the webhook URL or the bot token. Run this again: it asks for the signing secret last.'
    changes=("$way" SlackSecretFollows=no)
    # With a webhook beside it the template would not want one; whoever enters a token here wants the app to be the way.
    if [[ $way == KmsEncryptedBotToken=* ]] && is_unset SlackChannel; then
        [[ -t 3 ]] || fail 'an app needs a channel' \
            'The functions are deployed; alarms wait for it. Run this again with SlackChannel=C0123456789 or SlackChannel=#alerts.'
        read -ru 3 -p 'Channel of the app, by id (C0123456789) or name (#alerts): ' channel
        if [[ -z $channel ]] || leads_to_slack "$channel"; then
            fail 'that is no channel' 'The functions are deployed; alarms wait for it. Run this again.'
        fi
        changes+=("SlackChannel=$channel")
    fi
    set_parameters "${changes[@]}"
fi

authorizer=$(output AuthorizerFunction)
# Who gives a signing secret alone means it, and not this one.
asks_for_credential=$new_credential
if [[ $new_signing_secret == no ]] && is_unset KmsEncryptedCredential; then asks_for_credential=yes; fi
if [[ -n $authorizer && $authorizer != None && $asks_for_credential == yes ]]; then
    say "The credential of Grafana at $(output IngressUrl)"
    printf '%s\n' 'USER:PASSWORD for Basic, or a token for Bearer; 16 characters at least. Empty: nobody is let in for now.' >&2
    # KMS refuses an empty plaintext, so an empty answer ends here; so does one that the authorizer would not start with.
    ciphertext=$(ask 'Credential (not shown)' | {
        IFS= read -r credential || [[ -n $credential ]] || exit 0
        ((${#credential} >= 16)) || fail 'a credential of fewer than 16 characters could be guessed'
        printf %s "$credential" | aws kms encrypt --key-id "$key" --encryption-context "LambdaFunctionName=$authorizer" \
            --plaintext fileb:///dev/stdin --query CiphertextBlob --output text
    }) || fail 'the credential was not encrypted (the reason is above)'
    if [[ -n $ciphertext ]]; then set_parameters "KmsEncryptedCredential=$ciphertext"; fi
fi
if [[ -n $authorizer && $authorizer != None ]] && is_unset KmsEncryptedCredential; then
    loud 'The ingress lets nobody in: it has no credential. Run infra/deploy.sh --new-credential'
fi

# Asked for together with the token, because another app has another signing secret, or on wish: else each deployment would ask
# those who want no buttons.
can_have_buttons() { ! is_unset KmsEncryptedBotToken && [[ $(parameter AlertTable) != disabled ]]; }
asks_for_buttons=$new_signing_secret
if [[ $way == KmsEncryptedBotToken=* && $buttons == yes ]] && can_have_buttons; then asks_for_buttons=yes; fi
if [[ $asks_for_buttons == yes ]]; then
    can_have_buttons || fail 'buttons need a Slack app and a table, and this stack does not have both' \
        'Everything else is deployed. infra/slack/README.md sets an app up.'
    say "Buttons in the messages of $relay"
    printf '%s\n' "The app's signing secret: Basic Information, App Credentials (32 hexadecimal digits);" \
        'the Client Secret beside it looks the same, and is another. Empty: it stays as it is, and without one there are no buttons.' >&2
    # An empty answer ends here, as the credential's does.
    buttons_setting=$(ask 'Signing secret (not shown)' | { # NAME=CIPHERTEXT
        IFS= read -r secret || [[ -n $secret ]] || exit 0
        printf %s "$secret" |
            "${alertctl[@]}" encrypt-secret --as-parameter --key-id "$key" --function-name "$relay" --region "$region"
    }) || fail 'the signing secret was not encrypted (the reason is above)' \
        'Everything else is deployed. Run this again with --new-signing-secret.'
    if [[ -n $buttons_setting && $buttons_setting != KmsEncryptedSigningSecret=* ]]; then
        fail 'that is another secret than the signing secret' 'Everything else is deployed. Run this again with --new-signing-secret.'
    fi
    if [[ -n $buttons_setting ]]; then
        set_parameters "$buttons_setting"
        say 'Tell Slack where a press of a button goes, once for each app:'
        printf '    %s\n' "$(output SlackActionsUrl)" \
            'At https://api.slack.com/apps choose the app, Interactivity & Shortcuts, and switch Interactivity on. Paste this address' \
            'as the Request URL, and Save Changes. Until then Slack shows a warning to whoever presses.' >&2
    fi
fi

# --- does an alarm arrive? ---------------------------------------------------------------------------------------------

delivered=unknown
if [[ $test == yes ]]; then
    alarm=$(output TestAlarmName)
    say "Sending the test alarm $alarm"
    started=$(($(date +%s) * 1000))
    # Actions run when the state changes: OK first, in case an earlier test left ALARM. OK has no action.
    aws cloudwatch set-alarm-state --alarm-name "$alarm" --state-value OK --state-reason 'before a test'
    aws cloudwatch set-alarm-state --alarm-name "$alarm" --state-value ALARM --state-reason "A test by ${who##*/}"
    for ((tries = 0; tries < 24; tries++)); do
        lines=$(aws logs filter-log-events --log-group-name "$(output RelayLogGroup)" --start-time "$started" \
            --query 'events[].message' --output json) || lines='[]'
        delivered=$(ALARM=$alarm python3 -c '
import json, os, sys
state = "unknown"
for line in json.load(sys.stdin) or []:
    try:
        entry = json.loads(line)
    except ValueError:
        continue
    if entry.get("alert") == os.environ["ALARM"]:
        verdict = entry.get("outcome") or entry.get("verdict")
        state = verdict if verdict in ("delivered", "dropped") else "failed: {}: {}".format(entry.get("error_type"), entry.get("why"))
    elif entry.get("level") == "ERROR" and state == "unknown":
        state = "failed: {}: {}".format(entry.get("error_type"), entry.get("message") or entry.get("why"))
    if state == "delivered":
        break
print(state)' <<<"$lines")
        [[ $delivered == unknown ]] || break
        sleep 5
    done
    case $delivered in
        delivered) say 'Delivered: look at the channel.' ;;
        dropped) loud "The test alarm was dropped by your configuration. Explain it: alertctl explain" ;;
        unknown) loud 'The test alarm did not arrive within two minutes, and the relay says nothing of it.' ;;
        *) loud "The test alarm was not delivered. ${delivered}" ;;
    esac
fi

# --- who hears when it breaks? -----------------------------------------------------------------------------------------

pending=$(aws sns list-subscriptions-by-topic --topic-arn "$(output OperatorsTopicArn)" \
    --query "Subscriptions[?SubscriptionArn=='PendingConfirmation'].Endpoint" --output text)
if [[ -n $pending && $pending != None ]]; then
    loud "Nobody will hear when this system breaks: $pending has not confirmed the subscription."
    printf '    %s\n' 'AWS has sent an e-mail, "AWS Notification - Subscription Confirmation": open its link.' >&2
fi

say 'Outputs'
describe 'Stacks[0].Outputs[].[OutputKey,OutputValue]'
[[ $test == no || $delivered == delivered ]]
