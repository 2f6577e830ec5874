#!/usr/bin/env bash
# Deploys the stack, and shows that an alarm arrives: from a checkout `make deploy`, or
#
#   infra/deploy.sh [--stack NAME] [--region REGION] [--email ADDRESS] [--config FILE] [--arm64] [--plan]
#                   [--release FOLDER-OR-URL] [--bucket BUCKET] [--tags KEY=VALUE,…] [--role-arn ARN] [--permissions-boundary ARN]
#                   [--new-secret] [--new-credential] [--new-signing-secret] [--no-buttons] [--no-test] [PARAMETER=VALUE …]
#
# PARAMETER=VALUE are parameters of template.yaml (Way=direct, SlackChannel=#ops). What is not given stays as it was.
#
# With --release it builds nothing: it takes the files of a release out of a folder, from a server (https://…) or from a bucket
# (s3://…), and compares them with the release's SHA256SUMS. All it needs is Linux and the AWS CLI, such as in AWS CloudShell.
# The deploy.sh that lies in a release's folder deploys that release.
#
# --plan shows what would change, and changes nothing in the stack. --bucket is where the code goes, in the stack's region; without
# it, alert-relay-ACCOUNT-REGION, which is made. With --role-arn CloudFormation works by that role, now and later.
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
from=$PWD
script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/${BASH_SOURCE[0]##*/}
cd "$(dirname "${BASH_SOURCE[0]}")"
# In the folder of a release this script lies beside the template; in a checkout, in infra/.
release='' own_release=''
if [[ -e alert-relay.template.json ]]; then own_release=$PWD; else cd ..; fi
# What people type or pipe in is for our questions alone: no tool below may read it away.
exec 3<&0 </dev/null

stack=alerts region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}} email='' config='' architecture='' test=yes plan=no bucket='' role='' tags=()
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
        --plan) plan=yes ;;
        --release) release=$(value_of "$1" "${2-}"); shift ;;
        --bucket) bucket=$(value_of "$1" "${2-}"); shift ;;
        --role-arn) role=$(value_of "$1" "${2-}"); shift ;;
        --tags) IFS=, read -ra tags <<<"$(value_of "$1" "${2-}")"; shift ;;
        --permissions-boundary) parameters+=("PermissionsBoundaryArn=$(value_of "$1" "${2-}")"); shift ;;
        --new-secret | --new-webhook) new_secret=yes ;;
        --new-credential) new_credential=yes ;;
        --new-signing-secret) new_signing_secret=yes ;;
        --no-buttons) buttons=no ;;
        --no-test) test=no ;;
        -h | --help)
            while IFS= read -r line && [[ $line != set* ]]; do
                if [[ $line == '#!'* ]]; then continue; fi
                line=${line#'#'}
                printf '%s\n' "${line# }"
            done <"$script"
            exit
            ;;
        KmsEncrypted*=*) fail "${1%%=*} is set by this script: it asks for the secret and encrypts it" ;;
        SlackSecretFollows=*) fail 'SlackSecretFollows is set by this script: it knows whether there is a way to Slack' ;;
        OperatorEmail=*) email=${1#*=} ;;
        Architecture=*) architecture=${1#*=} ;;
        AlertTable=*) table=${1#*=} ;;
        AlertConfig=*)
            # CloudFormation counts characters, and Lambda bytes.
            bytes=$(printf %s "${1#*=}" | wc -c)
            ((bytes <= 3000)) || fail "AlertConfig has $((bytes)) bytes, and Lambda takes 4 KB for all variables together: 3,000 is the limit" \
                'Give the configuration as a file: --config FILE.'
            parameters+=("$1")
            ;;
        [A-Z]*=*) parameters+=("$1") ;;
        *) fail "I do not know $1" 'See infra/deploy.sh --help' ;;
    esac
    shift
done

if [[ $new_signing_secret == yes && $buttons == no ]]; then
    fail '--new-signing-secret gives buttons, and --no-buttons takes them away' 'Give one of them.'
fi

# --- what it takes ---------------------------------------------------------------------------------------------------

release=${release:-$own_release}
missing=()
command -v aws >/dev/null ||
    missing+=('aws: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html')
if [[ $release == https://* ]]; then
    command -v curl >/dev/null || missing+=('curl: sudo apt-get install curl   (or: sudo dnf install curl)')
elif [[ $release == *://* && $release != s3://* ]]; then
    fail "$release is no release" 'Expected: a folder, https://… or s3://…'
elif [[ -n $release && $release != s3://* ]]; then
    if [[ $release != /* ]]; then release=$from/$release; fi
    [[ -e $release/alert-relay.template.json ]] || fail "$release has no alert-relay.template.json, so it is no release"
fi
if [[ -n $release ]]; then
    [[ $(uname -s) == Linux ]] ||
        fail 'a release is deployed from Linux, because alertctl, which comes with it, is for Linux' \
            'Use AWS CloudShell, which has all that it takes; or deploy from a checkout, without --release.'
fi
((${#missing[@]} == 0)) || fail 'these tools are missing:' "${missing[@]}"
if [[ -z $release ]]; then infra/release.sh --check-tools; fi

[[ -n $region ]] || region=$(aws configure get region || true)
[[ -n $region ]] || fail 'no region is configured' 'Give --region eu-west-1, or set AWS_REGION, or run aws configure.'
export AWS_REGION=$region AWS_DEFAULT_REGION=$region AWS_PAGER=''
# The longest function name has 27 characters beyond it, and Lambda takes 64.
[[ $stack =~ ^[A-Za-z][A-Za-z0-9-]{0,36}$ ]] ||
    fail "$stack is no name for this stack" 'Expected: a letter, then up to 36 letters, digits and hyphens.'
for tag in ${tags[@]+"${tags[@]}"}; do
    [[ $tag == ?*=* ]] || fail "$tag is no tag" 'Expected: --tags KEY=VALUE,KEY=VALUE'
done
who=$(aws sts get-caller-identity --query Arn --output text) ||
    fail 'AWS does not know who you are (its answer is above)' 'Log in: aws sso login, or aws configure.'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --- what there is to deploy with ----------------------------------------------------------------------------------------

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

taken() { # file of the release: brings it here, compares it, and prints its path
    local file=$1 path=$work/$1 expected line
    case $release in
        https://*)
            curl --proto '=https' --fail --silent --show-error --location --output "$path" "${release%/}/$file" ||
                fail "${release%/}/$file cannot be had (the reason is above)"
            ;;
        s3://*) aws s3 cp --only-show-errors "${release%/}/$file" "$path" || fail "${release%/}/$file cannot be had (the reason is above)" ;;
        *) path=$release/$file ;;
    esac
    if [[ $file != SHA256SUMS ]]; then
        expected=''
        while read -r line; do
            if [[ ${line#*  } == "$file" ]]; then expected=${line%% *}; fi
        done <"$(sums)"
        [[ -n $expected && $(sha256 "$path") == "$expected "* ]] ||
            fail "$file is not what the release's SHA256SUMS says" 'It was changed, or only half of it has arrived. Take the release anew; nothing was deployed.'
    fi
    printf %s "$path"
}
sums() { if [[ $release == *://* ]]; then printf %s "$work/SHA256SUMS"; else printf %s "$release/SHA256SUMS"; fi; }

if [[ -n $release ]]; then
    if [[ $release == *://* ]]; then taken SHA256SUMS >/dev/null; fi
    [[ -e $(sums) ]] || fail "$release has no SHA256SUMS, so nothing in it can be compared"
    case $(uname -m) in aarch64 | arm64) host=arm64 ;; *) host=x86_64 ;; esac
    alertctl=$(taken "alertctl-linux-$host")
    if [[ $alertctl == "$work"/* ]]; then chmod +x "$alertctl"; fi
else
    # Where cargo builds may be said by the environment or by a file of the user's.
    target=$(cargo metadata --locked --no-deps --format-version 1 | "${PYTHON3:-python3}" -B infra/packaging/package.py target-dir)
    cargo build --quiet --locked --package alertctl
    alertctl=$target/debug/alertctl
fi

# --- the configuration, before anything is changed --------------------------------------------------------------------

if [[ -n $config && $config != /* ]]; then config=$from/$config; fi
if [[ -z $config ]]; then
    if [[ -n $release ]]; then file=$from/alerts.yaml; else file=infra/alerts.yaml; fi
    if [[ -e $file ]]; then config=$file; fi
fi
if [[ -n $config ]]; then
    say "Checking $config"
    "$alertctl" check "$config" || fail "$config is broken; nothing was deployed"
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
fi
remove="aws cloudformation delete-stack --region $region --stack-name $stack"
case $status in
    # All that there is of it is a change set that was never carried out.
    REVIEW_IN_PROGRESS) is_new=yes ;;
    *_IN_PROGRESS)
        fail "$stack is being changed right now ($status), and CloudFormation takes one change at a time" \
            'Look at it in the console, or wait for its end and run this again.'
        ;;
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED)
        fail "the first deployment of $stack failed ($status); it has to be removed before another" "$remove"
        ;;
    DELETE_FAILED)
        fail "$stack was to be deleted, and that failed; what is left of it has to be removed before another" \
            "$remove" 'The stack'"'"'s events in the console say what could not be deleted, and why.'
        ;;
    UPDATE_ROLLBACK_FAILED | UPDATE_FAILED)
        fail "an update of $stack failed, and so did the way back ($status)" \
            "aws cloudformation continue-update-rollback --region $region --stack-name $stack" \
            'If that fails, too, the stack'"'"'s events in the console say why. Then run this again.'
        ;;
esac
if [[ $is_new == no && -z $architecture ]]; then architecture=$(parameter Architecture); fi
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

if [[ -n $release ]]; then
    say "Taking the functions for $architecture out of $release"
else
    say "Building the functions for $architecture"
    release=$PWD/target/deploy
    infra/release.sh --for "$architecture" "$release"
    (cd "$release" && sha256 -- *) >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" "$release/"
fi
template=$(taken alert-relay.template.json)
for parameter in ${parameters[@]+"${parameters[@]}"}; do
    # The AWS CLI would leave out without a word what the template does not have.
    grep -qE "\"${parameter%%=*}\":\{\"Type\":\"(String|Number|CommaDelimitedList)\"" "$template" ||
        fail "the template has no parameter ${parameter%%=*}" 'infra/template.yaml has their names, and what each is for.'
done
mkdir "$work/code"
for function in cloudwatch-to-slack grafana-filter-to-sns grafana-webhook-authorizer slack-actions alert-watch; do
    zip=$function-$architecture.zip
    package=$(taken "$zip")
    if [[ -n $config && $function != grafana-webhook-authorizer ]]; then
        "$alertctl" pack "$package" --config "$config" --output "$work/code/$zip"
    else
        cp "$package" "$work/code/$zip"
    fi
done
# CloudFormation looks at the code's place alone, so what is new has a new one.
prefix=alert-relay/$stack/$(cd "$work/code" && sha256 -- *.zip | sha256 | cut -c 1-16)

# --- deploy ------------------------------------------------------------------------------------------------------------

if [[ -z $bucket ]]; then
    account=$(aws sts get-caller-identity --query Account --output text)
    bucket=alert-relay-$account-$region
    if ! aws s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$account" >/dev/null 2>&1; then
        say "Making the bucket $bucket for the functions' code"
        # us-east-1 is the one region that must not be named.
        where=()
        if [[ $region != us-east-1 ]]; then where=(--create-bucket-configuration "LocationConstraint=$region"); fi
        aws s3api create-bucket --bucket "$bucket" ${where[@]+"${where[@]}"} --output text >/dev/null
        aws s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration \
            BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
    fi
fi

deploy() { # PARAMETER=VALUE …; what is not given stays as it is. Options of the AWS CLI stand in `options`
    aws cloudformation deploy --stack-name "$stack" --template-file "$template" --s3-bucket "$bucket" --s3-prefix "$prefix" \
        --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset ${options[@]+"${options[@]}"} --parameter-overrides "$@" >&2
}

options=()
if [[ -n $role ]]; then options+=(--role-arn "$role"); fi
if ((${#tags[@]} > 0)); then options+=(--tags "${tags[@]}"); fi
parameters+=("Architecture=$architecture" "CodeBucket=$bucket" "CodePrefix=$prefix")
# The stack's key encrypts what leads to Slack, so the first deployment must be let through without it.
if [[ $is_new == yes ]] || has_no_way; then parameters+=(SlackSecretFollows=yes); fi
if [[ -n $email ]]; then parameters+=("OperatorEmail=$email"); fi
if [[ -n $table ]]; then parameters+=("AlertTable=$table"); fi
if [[ $buttons == no ]]; then parameters+=(KmsEncryptedSigningSecret=); fi

if [[ $plan == yes ]]; then
    say "What would change in $stack in $region"
    options+=(--no-execute-changeset)
    said=$(deploy "${parameters[@]}" 2>&1) || fail 'CloudFormation does not say what would change:' "$said"
    change_set=$(grep -oE 'arn:[a-z-]+:cloudformation:[^ ]+:changeSet/[^ ]+' <<<"$said" | head -n 1) || change_set=''
    if [[ -z $change_set ]]; then
        printf 'Nothing.\n'
    else
        aws cloudformation describe-change-set --change-set-name "$change_set" --output table --query \
            'Changes[].ResourceChange.{Action: Action, Resource: LogicalResourceId, Type: ResourceType, Replacement: Replacement}'
        aws cloudformation delete-change-set --change-set-name "$change_set" --output text >/dev/null
    fi
    # A stack that was only planned would be in the way of nothing, and yet be there.
    if [[ $is_new == yes ]]; then aws cloudformation delete-stack --stack-name "$stack"; fi
    exit
fi

say "Deploying $stack to $region as $who"
for zip in "$work"/code/*.zip; do aws s3 cp --only-show-errors "$zip" "s3://$bucket/$prefix/${zip##*/}"; done
deploy "${parameters[@]}"
# An API takes a changed list of addresses only when it is deployed anew, and CloudFormation sees no reason to.
for parameter in "${parameters[@]}"; do
    if [[ $is_new == no && $parameter == IngressAllowedCidrs=* ]]; then
        address=$(output IngressUrl)
        api=${address#https://}
        if [[ $address == https://* ]]; then
            aws apigateway create-deployment --rest-api-id "${api%%.*}" --stage-name live --output text >/dev/null
        fi
    fi
done

# --- secrets -----------------------------------------------------------------------------------------------------------

# The circle of function name, key and ciphertext: the ciphertext needs the key and is bound to the name, so the stack comes
# first and gets the ciphertext as a parameter afterwards. Every other parameter stays. A ciphertext is no secret.

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
        "$alertctl" encrypt-secret --as-parameter --key-id "$key" --function-name "$relay" --region "$region") ||
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
    deploy "${changes[@]}"
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
    if [[ -n $ciphertext ]]; then deploy "KmsEncryptedCredential=$ciphertext"; fi
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
            "$alertctl" encrypt-secret --as-parameter --key-id "$key" --function-name "$relay" --region "$region"
    }) || fail 'the signing secret was not encrypted (the reason is above)' \
        'Everything else is deployed. Run this again with --new-signing-secret.'
    if [[ -n $buttons_setting && $buttons_setting != KmsEncryptedSigningSecret=* ]]; then
        fail 'that is another secret than the signing secret' 'Everything else is deployed. Run this again with --new-signing-secret.'
    fi
    if [[ -n $buttons_setting ]]; then
        deploy "$buttons_setting"
        say 'Tell Slack where a press of a button goes, once for each app:'
        printf '    %s\n' "$(output SlackActionsUrl)" \
            'At https://api.slack.com/apps choose the app, Interactivity & Shortcuts, and switch Interactivity on. Paste this address' \
            'as the Request URL, and Save Changes. Until then Slack shows a warning to whoever presses.' >&2
    fi
fi

# --- does an alarm arrive? ---------------------------------------------------------------------------------------------

delivered=unknown

field() { # name, line of the log: the field's text, or nothing
    sed -nE "s/.*\"$1\":\"(([^\"\\\\]|\\\\.)*)\".*/\\1/p" <<<"$2"
}

verdict() { # alert, lines of the log: what became of it. An error that names no alert counts where nothing is known of this one
    local line state=unknown told
    while IFS= read -r line; do
        if [[ $(field alert "$line") == "$1" ]]; then
            told=$(field outcome "$line")
            told=${told:-$(field verdict "$line")}
            case $told in
                delivered) printf delivered; return ;;
                dropped) state=dropped ;;
                *) state="failed: $(field error_type "$line"): $(field why "$line")" ;;
            esac
        elif [[ $state == unknown && $(field level "$line") == ERROR ]]; then
            state="failed: $(field error_type "$line"): $(field message "$line")$(field why "$line")"
        fi
    done <<<"$2"
    printf %s "$state"
}

if [[ $test == yes ]]; then
    alarm=$(output TestAlarmName)
    say "Sending the test alarm $alarm"
    started=$(($(date +%s) * 1000))
    # Actions run when the state changes: OK first, in case an earlier test left ALARM. OK has no action.
    aws cloudwatch set-alarm-state --alarm-name "$alarm" --state-value OK --state-reason 'before a test'
    aws cloudwatch set-alarm-state --alarm-name "$alarm" --state-value ALARM --state-reason "A test by ${who##*/}"
    for ((tries = 0; tries < 24; tries++)); do
        lines=$(aws logs filter-log-events --log-group-name "$(output RelayLogGroup)" --start-time "$started" \
            --query 'events[].[message]' --output text) || lines=''
        delivered=$(verdict "$alarm" "$lines")
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
