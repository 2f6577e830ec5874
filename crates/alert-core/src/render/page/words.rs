//! Our own words, in every language that we speak: one table, which nothing else adds to.
//!
//! What came with an alert stays as it came: names, descriptions, units, and the sources' own terms for their things.

use std::fmt::Write as _;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use chrono_tz::Tz;

/// A language that people may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// Its words.
    #[must_use]
    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Korean => &KOREAN,
        }
    }
}

/// The words of a language. `{0}`, `{1}` and so on are filled in by [`fill`].
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    // Headlines.
    /// The name, when a watcher sees nothing.
    pub no_data_of: &'static str,
    /// The name, and how long it took.
    pub resolved_after: &'static str,
    /// The name.
    pub resolved: &'static str,
    /// The name, when nothing was wrong before.
    pub is_ok: &'static str,
    /// The name, when the source calls over what nobody sees any more.
    pub unknown_not_over: &'static str,
    /// The same to those who know the alert.
    pub gone: &'static str,
    /// Since when there are no data.
    pub gone_since: &'static str,
    /// For how long no value came.
    pub no_data_for: &'static str,
    /// How late the message is.
    pub late: &'static str,
    /// The newer state, and since when.
    pub older_news: &'static str,
    /// A query returns something again and again.
    pub query_returns: &'static str,
    /// The same for so long.
    pub query_returns_for: &'static str,
    /// It no longer does.
    pub query_returns_no_longer: &'static str,
    /// Names, and the state that they share.
    pub children_in: &'static str,
    /// Names alone.
    pub because_of: &'static str,
    /// Names, and how many more.
    pub and_more: &'static str,
    /// For how long, and when the last one was.
    pub no_sign_of_life: &'static str,
    /// For how long, and since when.
    pub never_a_sign_of_life: &'static str,
    /// The date.
    pub receipt: &'static str,
    /// How many were delivered.
    pub receipt_delivered: &'static str,
    /// How many a rule held back.
    pub receipt_dropped: &'static str,
    /// How many changes rang nowhere.
    pub receipt_silenced: &'static str,
    /// How often a delivery failed.
    pub receipt_failed: &'static str,
    /// How many alerts are open.
    pub receipt_open: &'static str,
    /// None is.
    pub receipt_none_open: &'static str,
    /// By rule, by person, folded, tried again, late, slowest, signs of life, open.
    pub receipt_facts: [&'static str; 8],
    /// One rule, or how many, since when, and how many errors were held back.
    pub blind: [&'static str; 2],
    /// What that means.
    pub blind_means: &'static str,
    /// How long the canary took, and when it was sent.
    pub whole_way: &'static str,
    /// For how long it has not arrived, and when it was sent.
    pub canary_missed: &'static str,

    // Values and limits.
    /// The value.
    pub limit: &'static str,
    /// The value.
    pub lower_limit: &'static str,
    /// Both ends.
    pub expected_band: &'static str,
    /// One end.
    pub expected_limit: &'static str,
    /// Where no end of it is known.
    pub expected: &'static str,
    /// How many, of how many.
    pub of_datapoints: &'static str,
    /// The same of a log query.
    pub of_results: &'static str,
    /// The comparison and the limit.
    pub alarm_when: &'static str,
    /// The same, and how many of how many.
    pub alarm_when_for: &'static str,
    /// [`crate::alert::Comparison`], in its order; the limit.
    pub comparisons: [&'static str; 5],
    /// What missing values are taken for: breaching, not breaching, missing, ignored.
    pub treated_as: [&'static str; 4],
    /// For how long, and what that is taken for.
    pub no_data_treated: &'static str,
    /// The statistic.
    pub statistics: [&'static str; 5],
    /// The statistic, and the time.
    pub over: &'static str,
    /// The first and the last value.
    pub from_to: &'static str,
    /// The name of the limit's series in a chart.
    pub limit_series: &'static str,
    /// The name of the values' series where they have none.
    pub value_series: &'static str,
    /// Above named values.
    pub values: &'static str,

    // Times.
    /// A number of seconds, minutes, hours, days.
    pub units: [&'static str; 4],
    /// When something began.
    pub since: &'static str,
    /// When something happened.
    pub at: &'static str,
    /// When it was over, and how long it had lasted.
    pub resolved_at_lasted: &'static str,
    /// When it was over.
    pub resolved_at: &'static str,
    /// Since when it is well.
    pub ok_since: &'static str,
    /// The state before.
    pub was_before: &'static str,
    /// The state before, and for how long.
    pub was_before_for: &'static str,
    /// When it changed, and when it was delivered.
    pub changed_delivered: &'static str,

    // Parts of a message.
    /// What its author wrote, of something that is over.
    pub was: &'static str,
    /// Above a composite alarm's rule.
    pub rule: &'static str,
    /// How many more.
    pub more: &'static str,
    /// How many more log lines.
    pub more_lines: &'static str,
    /// The title of what is folded.
    pub details: &'static str,
    /// [`crate::alert::LinkKind`], in its order.
    pub links: [&'static str; 9],
    /// How many links did not fit: one, several.
    pub links_left_out: [&'static str; 2],
    /// The receiver.
    pub to: &'static str,
    /// The route that chose it.
    pub by_route: &'static str,
    /// How often it was tried.
    pub tries: &'static str,
    /// An earlier try may have arrived.
    pub may_be_repeat: &'static str,
    /// The receiver, and why.
    pub stands_in: &'static str,
    /// The alert's name, of whose state a newer message tells.
    pub superseded: &'static str,
    /// Why what is known of earlier messages cannot be had.
    pub memory_lost: &'static str,
    /// The name of the configuration, and how many problems it has.
    pub broken_configuration: [&'static str; 2],

    // Evidence that is asked for afterwards.
    /// Why there is no chart.
    pub no_chart: &'static str,
    /// Why there are no log lines.
    pub no_lines: &'static str,
    /// [`crate::evidence::Gap`], in its order.
    pub gaps: [&'static str; 10],
    /// How many lines, of how many, of which log group.
    pub lines_of: &'static str,
    /// The same, where not all were counted.
    pub lines_of_more: &'static str,
    /// The link to the log group.
    pub open_logs: &'static str,

    // Stories: what a change is to those who know the alert.
    /// How often by now, and in how long.
    pub fires_again: &'static str,
    /// A number that ends in 1, 2, 3, and any other.
    ordinals: [&'static str; 4],
    /// For the first time.
    pub fires_now: &'static str,
    /// It is as it was, and worse.
    pub worse: &'static str,
    /// For how long it had fired.
    pub blind_after: &'static str,
    /// Since when, and how often it changed.
    pub flapping: &'static str,
    /// For how long by now.
    pub still_firing: &'static str,
    /// For how long by now.
    pub still_no_data: &'static str,
    /// For how long it lasted.
    pub over_after: &'static str,
    /// The same, where nobody knows.
    pub is_over: &'static str,
    /// The worst value.
    pub worst: &'static str,
    /// How often, more than once.
    pub fired_times: &'static str,

    // What people do.
    /// Who, and since when.
    pub is_on_it: &'static str,
    /// The same, where it is over.
    pub was_on_it: &'static str,
    /// Who, and until when.
    pub silenced_until: &'static str,
    /// Who.
    pub silenced_until_over: &'static str,
    /// How many changes rang nowhere: one, several.
    pub changes_meanwhile: [&'static str; 2],
    /// Who is on it from now on.
    pub takes_it: &'static str,
    /// Who is not on it any more.
    pub leaves_it: &'static str,
    /// Who has ended a silence.
    pub ends_silence: &'static str,
    /// A silence has ended, and its alert has not.
    pub silence_over: &'static str,
    /// Nobody is on it: for how long.
    pub unacknowledged: &'static str,
    /// The same, where it is told by the second way as well.
    pub unacknowledged_told: &'static str,
    /// The same of many at once.
    pub unacknowledged_many: &'static str,
    /// Why it comes by the second way: nobody has acknowledged it for so long.
    pub second_way_unacknowledged: &'static str,
    /// Why it comes by the second way: it must be heard.
    pub second_way_too: &'static str,
    /// The buttons.
    pub acknowledge: &'static str,
    /// The same.
    pub undo_acknowledge: &'static str,
    /// The same.
    pub silence: &'static str,
    /// A link to the source's own silences, beside ours.
    pub silence_at_source: &'static str,
    /// For how long.
    pub silences: [&'static str; 3],
    /// The last button.
    pub undo_silence: &'static str,
    /// The same press came before.
    pub pressed_before: &'static str,
    /// Above why nothing was changed.
    pub nothing_changed: &'static str,
    /// Another message shows the alert.
    pub newer_message: &'static str,
    /// Since when it is over.
    pub over_since: &'static str,
    /// Who is on it, and since when.
    pub already_on_it: &'static str,
    /// There is nothing left to be undone.
    pub undone_already: &'static str,
    /// The rule's id.
    pub silenced_by_rule: &'static str,
    /// Nothing is remembered of the message.
    pub unknown_message: &'static str,
    /// Why a press was not taken.
    pub not_taken: &'static str,
    /// Why nobody knows whether a press was taken.
    pub perhaps_taken: &'static str,
    /// Who may act.
    pub not_allowed: &'static str,
    /// Why the message does not show what was taken.
    pub not_shown: &'static str,

    // Digests.
    /// How many alerts.
    pub alerts: &'static str,
    /// How many alerts, in how many changes.
    pub alerts_in_changes: &'static str,
    /// How many are firing, without data, to know, resolved.
    pub counts: [&'static str; 4],
    /// The first alert's name.
    pub first: &'static str,
    /// The part, of how many.
    pub part: &'static str,
    /// How often it changed.
    pub changed_times: &'static str,
    /// Under a digest.
    pub one_line_each: &'static str,
    /// How many of a digest's alerts are over, of how many.
    pub of_them_over: &'static str,

    /// A date and time in the reader's zone, as chrono's format.
    moment: &'static str,
    /// The time zone behind it is UTC.
    moment_utc: &'static str,
}

static ENGLISH: Words = Words {
    no_data_of: "No data: {0}",
    resolved_after: "{0} resolved after {1}",
    resolved: "{0} resolved",
    is_ok: "{0} is OK",
    unknown_not_over: "{0}: unknown, not over",
    gone: "No data any more: whether it is over, nobody knows",
    gone_since: "no data since {0}, which Grafana calls resolved",
    no_data_for: "no data for {0}",
    late: "{0} late",
    older_news: "older news: {0} since {1}",
    query_returns: "the query returns this series",
    query_returns_for: "the query returns this series for {0} or longer",
    query_returns_no_longer: "the query no longer returns this series",
    children_in: "{0} in {1}",
    because_of: "because of {0}",
    and_more: "{0} and {1} more",
    no_sign_of_life: "no sign of life for {0} (last {1})",
    never_a_sign_of_life: "no sign of life yet, waited for since {1} ({0})",
    receipt: "Receipt of {0}",
    receipt_delivered: "{0} delivered",
    receipt_dropped: "{0} held back",
    receipt_silenced: "{0} silenced",
    receipt_failed: "{0} failed",
    receipt_open: "{0} open",
    receipt_none_open: "none open",
    receipt_facts: [
        "Held back by",
        "Silenced by",
        "In a shared message",
        "Tried again",
        "Later than 2 min",
        "Slowest",
        "Signs of life",
        "Open",
    ],
    blind: [
        "1 rule cannot be evaluated since {1}; errors held back: {2}",
        "{0} rules cannot be evaluated since {1}; errors held back: {2}",
    ],
    blind_means: "What these rules watch is not seen: no alert of them does not mean that all is well.",
    whole_way: "whole way in {0}, {1}",
    canary_missed: "it has not arrived for {0} (sent {1})",

    limit: "limit {0}",
    lower_limit: "lower limit {0}",
    expected_band: "expected {0} to {1}",
    expected_limit: "expected limit {0}",
    expected: "outside of what is expected",
    of_datapoints: "{0} of {1} datapoints",
    of_results: "{0} of {1} results",
    alarm_when: "alarm when {0}",
    alarm_when_for: "alarm when {0} for {1}",
    comparisons: ["above {0}", "at or above {0}", "below {0}", "at or below {0}", "outside {0}"],
    treated_as: ["breaching", "not breaching", "missing", "ignored"],
    no_data_treated: "No data for {0}, treated as {1}",
    statistics: ["average", "sum", "minimum", "maximum", "sample count"],
    over: "{0} over {1}",
    from_to: "{0} → {1}",
    limit_series: "limit",
    value_series: "value",
    values: "Values",

    units: ["{0} s", "{0} min", "{0} h", "{0} d"],
    since: "Since {0}",
    at: "At {0}",
    resolved_at_lasted: "Resolved {0}, lasted {1}",
    resolved_at: "Resolved {0}",
    ok_since: "OK since {0}",
    was_before: "was {0} before",
    was_before_for: "was {0} before for {1}",
    changed_delivered: "changed {0}, delivered {1}",

    was: "Was: {0}",
    rule: "Rule",
    more: "… and {0} more",
    more_lines: "… and {0} more lines",
    details: "Details",
    links: [
        "Open alarm",
        "Alert rule",
        "Details",
        "Metric graph",
        "Dashboard",
        "Panel",
        "Logs",
        "Runbook",
        "Silence",
    ],
    links_left_out: [
        "1 link left out: too long for this message",
        "{0} links left out: too long for this message",
    ],
    to: "to {0}",
    by_route: "by {0}",
    tries: "try {0}",
    may_be_repeat: "may be a repeat: Slack did not answer the last try in time",
    stands_in: "For the receiver {0}, which cannot be reached: {1}",
    superseded: "↪ {0}: a newer message tells how it is",
    memory_lost: "Earlier messages are not known, so this may be told twice: {0}",
    broken_configuration: [
        "{0} has 1 error; rules are off. `alertctl check` tells it",
        "{0} has {1} errors; rules are off. `alertctl check` lists them",
    ],

    no_chart: "No chart: {0}",
    no_lines: "No log lines: {0}",
    gaps: [
        "the function's role has no right {0} on {1}",
        "the alarm is of account {0}, and only the function's own is asked",
        "CloudWatch has no metric alarm {0} here",
        "CloudWatch has no values of {0} at that time",
        "there is no log group {0}",
        "nothing in {0} matches at that time",
        "nothing matches in the part of {0} that could be searched in time",
        "{0} takes no more calls at the moment",
        "{0} did not answer in time",
        "{0} refused with {1}",
    ],
    lines_of: "{0} of {1} log lines, newest first, of {2}",
    lines_of_more: "{0} of {1} or more log lines, newest first, of {2}",
    open_logs: "Open logs",

    fires_again: "Fires for the {0} time in {1}",
    ordinals: ["{0}st", "{0}nd", "{0}rd", "{0}th"],
    fires_now: "Fires now",
    worse: "Worse than before",
    blind_after: "No data any more, after firing for {0}",
    flapping: "Flapping: {1} changes since {0}",
    still_firing: "Still firing after {0}",
    still_no_data: "Still no data after {0}",
    over_after: "Over after {0}",
    is_over: "Over",
    worst: "worst {0}",
    fired_times: "fired {0} times",

    is_on_it: "👀 {0} is on it since {1}",
    was_on_it: "👀 {0} was on it since {1}",
    silenced_until: "🔕 {0} has silenced it until {1}",
    silenced_until_over: "🔕 {0} has silenced it until it is over",
    changes_meanwhile: ["{0} change meanwhile", "{0} changes meanwhile"],
    takes_it: "👀 {0} is on it",
    leaves_it: "{0} is not on it any more",
    ends_silence: "🔔 {0} has ended the silence",
    silence_over: "🔔 The silence has ended, and it is not over",
    unacknowledged: "📣 Nobody has acknowledged it for {0}",
    unacknowledged_told: "📣 Nobody has acknowledged it for {0}: sent by the second way as well",
    unacknowledged_many: "📣 Nobody has acknowledged these: press their own buttons, or react to their digest",
    second_way_unacknowledged: "Sent by the second way as well: nobody has acknowledged it for {0}",
    second_way_too: "Sent by the second way as well: it must be heard",
    acknowledge: "Acknowledge",
    undo_acknowledge: "Undo: acknowledge",
    silence: "Silence …",
    silence_at_source: "Silence at its source",
    silences: ["for 1 h", "for 4 h", "until it is over"],
    undo_silence: "Undo: silence",
    pressed_before: "This was taken before.",
    nothing_changed: "Nothing was changed. ",
    newer_message: "Nothing was changed: another message shows this alert now.",
    over_since: "Nothing was changed: the alert is over since {0}.",
    already_on_it: "Nothing was changed: {0} is on it since {1}.",
    undone_already: "Nothing was changed: it was undone before, or has ended.",
    silenced_by_rule: "Nothing was changed: a rule silences it. It ends by: alertctl silence expire {0}",
    unknown_message: "nothing is remembered of this message",
    not_taken: "This was NOT taken: {0}. Please try again.",
    perhaps_taken: "It is not known whether this was taken: {0}. Please look at the message in a minute, and try again if it shows nothing.",
    not_allowed: "This was NOT taken: only {0} may act here.",
    not_shown: "This was taken, but the message does not show it yet: {0}.",

    alerts: "{0} alerts: {1}",
    alerts_in_changes: "{0} alerts in {1} changes: {2}",
    counts: ["{0} firing", "{0} without data", "{0} to know", "{0} resolved"],
    first: "first: {0}",
    part: "part {0} of {1}",
    changed_times: "changed {0} times",
    one_line_each: "One line for each alert, because there were many at once",
    of_them_over: "{0} of {1} over",

    moment: "%Y-%m-%d %H:%M:%S %Z",
    moment_utc: "%Y-%m-%d %H:%M UTC",
};

static KOREAN: Words = Words {
    no_data_of: "데이터 없음: {0}",
    resolved_after: "{0} 복구됨 ({1} 만에)",
    resolved: "{0} 복구됨",
    is_ok: "{0} 정상",
    unknown_not_over: "{0}: 해소 여부 알 수 없음",
    gone: "데이터가 더 이상 없음: 해소되었는지 알 수 없음",
    gone_since: "{0}부터 데이터 없음 (Grafana는 해소로 표시)",
    no_data_for: "{0} 동안 데이터 없음",
    late: "{0} 지연",
    older_news: "지난 소식: {1}부터 {0}",
    query_returns: "쿼리가 이 시계열을 반환함",
    query_returns_for: "쿼리가 이 시계열을 {0} 이상 반환함",
    query_returns_no_longer: "쿼리가 이 시계열을 더 이상 반환하지 않음",
    children_in: "{0}: {1}",
    because_of: "원인: {0}",
    and_more: "{0} 외 {1}건",
    no_sign_of_life: "{0} 동안 응답 없음 (마지막 {1})",
    never_a_sign_of_life: "아직 응답 없음, {1}부터 대기 중 ({0})",
    receipt: "{0} 요약",
    receipt_delivered: "전달 {0}건",
    receipt_dropped: "보류 {0}건",
    receipt_silenced: "알림 끔 {0}건",
    receipt_failed: "실패 {0}건",
    receipt_open: "미해소 {0}건",
    receipt_none_open: "미해소 없음",
    receipt_facts: [
        "보류한 규칙",
        "알림을 끈 사람",
        "묶어서 보냄",
        "다시 시도",
        "2분 넘게 걸림",
        "가장 느린 경로",
        "생존 신호",
        "미해소",
    ],
    blind: [
        "{1}부터 규칙 1개를 평가할 수 없음, 오류 {2}건 보류",
        "{1}부터 규칙 {0}개를 평가할 수 없음, 오류 {2}건 보류",
    ],
    blind_means: "이 규칙들이 감시하는 대상을 볼 수 없습니다. 알림이 없다고 정상이라는 뜻은 아닙니다.",
    whole_way: "전체 경로 {0}, {1}",
    canary_missed: "{0} 동안 도착하지 않음 ({1} 발송)",

    limit: "임계값 {0}",
    lower_limit: "하한 {0}",
    expected_band: "예상 범위 {0} ~ {1}",
    expected_limit: "예상 한계 {0}",
    expected: "예상 범위를 벗어남",
    of_datapoints: "데이터 포인트 {1}개 중 {0}개",
    of_results: "결과 {1}개 중 {0}개",
    alarm_when: "경보 조건: {0}",
    alarm_when_for: "경보 조건: {0}, {1}",
    comparisons: ["{0} 초과", "{0} 이상", "{0} 미만", "{0} 이하", "{0} 벗어남"],
    treated_as: ["위반", "정상", "누락", "무시"],
    no_data_treated: "{0} 동안 데이터 없음, {1}(으)로 처리됨",
    statistics: ["평균", "합계", "최솟값", "최댓값", "샘플 수"],
    over: "{1} {0}",
    from_to: "{0} → {1}",
    limit_series: "임계값",
    value_series: "값",
    values: "값",

    units: ["{0}초", "{0}분", "{0}시간", "{0}일"],
    since: "{0}부터",
    at: "{0}",
    resolved_at_lasted: "{0} 복구, {1} 지속",
    resolved_at: "{0} 복구",
    ok_since: "{0}부터 정상",
    was_before: "이전 상태 {0}",
    was_before_for: "이전 상태 {0} ({1} 동안)",
    changed_delivered: "변경 {0}, 전달 {1}",

    was: "당시 내용: {0}",
    rule: "규칙",
    more: "… 외 {0}건",
    more_lines: "… 외 {0}줄",
    details: "상세 정보",
    links: [
        "경보 열기",
        "알림 규칙",
        "상세 보기",
        "지표 그래프",
        "대시보드",
        "패널",
        "로그",
        "런북",
        "알림 끄기",
    ],
    links_left_out: ["너무 긴 링크 1개는 표시하지 않음", "너무 긴 링크 {0}개는 표시하지 않음"],
    to: "수신자 {0}",
    by_route: "경로 {0}",
    tries: "{0}번째 시도",
    may_be_repeat: "중복일 수 있음: 지난 시도에서 Slack이 제때 응답하지 않음",
    stands_in: "원래 수신자 {0}에게 보낼 수 없음: {1}",
    superseded: "↪ {0}: 현재 상태는 새 메시지에 있습니다",
    memory_lost: "이전 메시지를 알 수 없어 같은 알림이 다시 올 수 있습니다: {0}",
    broken_configuration: [
        "{0}에 오류 1개가 있어 규칙이 적용되지 않습니다. `alertctl check`로 확인하세요",
        "{0}에 오류 {1}개가 있어 규칙이 적용되지 않습니다. `alertctl check`로 확인하세요",
    ],

    no_chart: "차트 없음: {0}",
    no_lines: "로그 없음: {0}",
    gaps: [
        "함수의 역할에 {1}에 대한 {0} 권한이 없음",
        "경보가 {0} 계정의 것이며, 함수의 계정만 조회함",
        "CloudWatch에 {0} 지표 경보가 없음",
        "CloudWatch에 해당 시간의 {0} 값이 없음",
        "{0} 로그 그룹이 없음",
        "해당 시간에 {0}에서 일치하는 로그가 없음",
        "{0}에서 검색한 범위에는 일치하는 로그가 없음",
        "{0}의 호출 한도에 도달함",
        "{0}에서 제시간에 응답이 없음",
        "{0}에서 거부됨: {1}",
    ],
    lines_of: "{2}의 로그 {1}건 중 최신 {0}건",
    lines_of_more: "{2}의 로그 {1}건 이상 중 최신 {0}건",
    open_logs: "로그 열기",

    fires_again: "{1} 동안 {0} 발생",
    ordinals: ["{0}번째", "{0}번째", "{0}번째", "{0}번째"],
    fires_now: "지금 발생",
    worse: "이전보다 악화됨",
    blind_after: "{0} 동안 발생한 뒤 데이터 없음",
    flapping: "상태가 자주 바뀜: {0}부터 {1}회 변경",
    still_firing: "{0}째 계속 발생 중",
    still_no_data: "{0}째 계속 데이터 없음",
    over_after: "{0} 만에 복구됨",
    is_over: "복구됨",
    worst: "가장 나쁜 값 {0}",
    fired_times: "{0}회 발생",

    is_on_it: "👀 {0} 님이 {1}부터 대응 중",
    was_on_it: "👀 {0} 님이 {1}부터 대응함",
    silenced_until: "🔕 {0} 님이 {1}까지 알림을 끔",
    silenced_until_over: "🔕 {0} 님이 해소될 때까지 알림을 끔",
    changes_meanwhile: ["그동안 {0}회 변경", "그동안 {0}회 변경"],
    takes_it: "👀 {0} 님이 대응 중",
    leaves_it: "{0} 님이 대응을 취소함",
    ends_silence: "🔔 {0} 님이 알림을 다시 켬",
    silence_over: "🔔 알림 끄기가 끝났지만 아직 해소되지 않음",
    unacknowledged: "📣 {0} 동안 아무도 확인하지 않음",
    unacknowledged_told: "📣 {0} 동안 아무도 확인하지 않아 두 번째 경로로도 보냄",
    unacknowledged_many: "📣 아무도 확인하지 않은 알림: 각 메시지의 버튼을 누르거나 묶음 메시지에 반응을 남기세요",
    second_way_unacknowledged: "{0} 동안 아무도 확인하지 않아 두 번째 경로로도 보냄",
    second_way_too: "반드시 전달되어야 하므로 두 번째 경로로도 보냄",
    acknowledge: "확인",
    undo_acknowledge: "확인 취소",
    silence: "알림 끄기 …",
    silence_at_source: "원본에서 알림 끄기",
    silences: ["1시간", "4시간", "해소될 때까지"],
    undo_silence: "알림 다시 켜기",
    pressed_before: "이미 처리된 요청입니다.",
    nothing_changed: "바뀐 것이 없습니다. ",
    newer_message: "바뀐 것이 없습니다: 다른 메시지가 이 경보를 보여 줍니다.",
    over_since: "바뀐 것이 없습니다: 경보가 {0}에 해소되었습니다.",
    already_on_it: "바뀐 것이 없습니다: {0} 님이 {1}부터 대응 중입니다.",
    undone_already: "바뀐 것이 없습니다: 이미 취소되었거나 끝났습니다.",
    silenced_by_rule: "바뀐 것이 없습니다: 규칙이 알림을 껐습니다. 끝내려면: alertctl silence expire {0}",
    unknown_message: "이 메시지에 대한 기록이 없습니다",
    not_taken: "처리되지 않았습니다: {0}. 다시 시도해 주세요.",
    perhaps_taken: "처리되었는지 알 수 없습니다: {0}. 잠시 뒤 메시지를 확인하고, 바뀐 것이 없으면 다시 시도해 주세요.",
    not_allowed: "처리되지 않았습니다: {0}만 할 수 있습니다.",
    not_shown: "처리되었지만 메시지에 아직 보이지 않습니다: {0}.",

    alerts: "알림 {0}건: {1}",
    alerts_in_changes: "알림 {0}건(변경 {1}회): {2}",
    counts: ["발생 {0}건", "데이터 없음 {0}건", "참고 {0}건", "복구 {0}건"],
    first: "첫 알림: {0}",
    part: "{1}개 중 {0}번째",
    changed_times: "{0}회 변경",
    one_line_each: "한꺼번에 많은 알림이 발생하여 알림마다 한 줄씩 표시합니다",
    of_them_over: "{1}건 중 {0}건 복구됨",

    moment: "%Y년 %-m월 %-d일 %H:%M:%S %Z",
    moment_utc: "%-m월 %-d일 %H:%M UTC",
};

impl Words {
    /// A span in its two largest units: `14 min`, `2 h 5 min`, `3 d 4 h`, `45 s`. A negative one counts as none.
    #[must_use]
    pub fn span(&self, span: TimeDelta) -> String {
        let seconds = span.num_seconds().max(0);
        let (large, small) = match seconds {
            0..60 => ((seconds, 0), None),
            60..3_600 => ((seconds / 60, 1), None),
            3_600..86_400 => ((seconds / 3_600, 2), Some((seconds % 3_600 / 60, 1))),
            _ => ((seconds / 86_400, 3), Some((seconds % 86_400 / 3_600, 2))),
        };
        let shown = |(number, unit): (i64, usize)| fill(self.units[unit], &[&number.to_string()]);
        match small.filter(|(number, _)| *number > 0) {
            Some(small) => [&shown(large), " ", &shown(small)].concat(),
            None => shown(large),
        }
    }

    /// The number that says which one of several.
    #[must_use]
    pub fn ordinal(&self, number: u64) -> String {
        let form = match (number % 10, number % 100) {
            (_, 11..=13) => 3,
            (1, _) => 0,
            (2, _) => 1,
            (3, _) => 2,
            _ => 3,
        };
        fill(self.ordinals[form], &[&number.to_string()])
    }

    /// A time that one value covers, in its largest whole unit.
    #[must_use]
    pub fn period(&self, seconds: u64) -> String {
        let units = [(86_400, 3), (3_600, 2), (60, 1)];
        let unit = units.iter().find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size));
        let (size, unit) = unit.copied().unwrap_or((1, 0));
        fill(self.units[unit], &[&(seconds / size).to_string()])
    }

    /// The time of day, with the date where that is another day's than `now`.
    #[must_use]
    pub fn time_of_day(&self, time: DateTime<Utc>, now: DateTime<Utc>, timezone: Tz) -> String {
        let (local, today) = (time.with_timezone(&timezone), now.with_timezone(&timezone));
        if local.date_naive() == today.date_naive() {
            return local.format("%H:%M").to_string();
        }
        local.format("%Y-%m-%d %H:%M").to_string()
    }

    /// A moment for clients that cannot put it into the reader's time zone, with UTC behind it.
    #[must_use]
    pub fn moment(&self, time: DateTime<Utc>, timezone: Tz) -> String {
        let mut text = String::with_capacity(32);
        // Writing to a String cannot fail.
        if timezone == Tz::UTC && std::ptr::eq(self, &raw const ENGLISH) {
            // The form of `%Y-%m-%d %H:%M:%S UTC`, without a pattern to be parsed each time.
            let _ = write!(text, "{}", time.trunc_subsecs(0));
            return text;
        }
        let local = time.with_timezone(&timezone);
        let _ = write!(text, "{}", local.format(self.moment));
        if timezone != Tz::UTC {
            let is_same_day = local.date_naive() == time.date_naive();
            let utc = time.format(if is_same_day { "%H:%M UTC" } else { self.moment_utc });
            let _ = write!(text, " ({utc})");
        }
        text
    }
}

/// Puts texts into the places of a pattern.
#[must_use]
pub fn fill(pattern: &str, parts: &[&str]) -> String {
    let mut text = String::with_capacity(pattern.len() + parts.iter().map(|part| part.len()).sum::<usize>());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        match after.split_once('}') {
            Some((number, after)) => {
                text.push_str(
                    number.parse().ok().and_then(|at: usize| parts.get(at)).copied().unwrap_or_default(),
                );
                rest = after;
            }
            None => rest = after,
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every phrase of a table, by the derived form of the type, so that none can be forgotten.
    fn phrases(words: &Words) -> Vec<String> {
        let shown = format!("{words:?}");
        shown.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn all_languages_fill_in_the_same() {
        let english = phrases(&ENGLISH);
        assert!(english.len() > 80, "{}", english.len());
        let korean = phrases(&KOREAN);
        assert_eq!(english.len(), korean.len());
        for (one, other) in english.iter().zip(&korean) {
            for place in ["{0}", "{1}", "{2}"] {
                assert_eq!(one.contains(place), other.contains(place), "{one:?} and {other:?}: {place}");
            }
            assert!(!one.is_empty() && !other.is_empty(), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn spans_and_periods() {
        for (seconds, english, korean) in [
            (-5, "0 s", "0초"),
            (45, "45 s", "45초"),
            (60, "1 min", "1분"),
            (840, "14 min", "14분"),
            (3_600, "1 h", "1시간"),
            (7_500, "2 h 5 min", "2시간 5분"),
            (273_600, "3 d 4 h", "3일 4시간"),
        ] {
            let span = TimeDelta::seconds(seconds);
            assert_eq!((&*ENGLISH.span(span), &*KOREAN.span(span)), (english, korean));
        }
        for (number, words) in
            [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (113, "113th"), (1_022, "1022nd")]
        {
            assert_eq!(ENGLISH.ordinal(number), words);
            assert_eq!(KOREAN.ordinal(number), format!("{number}번째"));
        }
        for (seconds, words) in [(0, "0 s"), (90, "90 s"), (300, "5 min"), (7_200, "2 h"), (86_400, "1 d")] {
            assert_eq!(ENGLISH.period(seconds), words);
        }
    }

    #[test]
    fn moments_as_people_write_them() {
        let time = "2026-09-14T15:18:44.9Z".parse().unwrap();
        assert_eq!(ENGLISH.moment(time, Tz::UTC), "2026-09-14 15:18:44 UTC");
        let seoul = Tz::Asia__Seoul;
        assert_eq!(ENGLISH.moment(time, seoul), "2026-09-15 00:18:44 KST (2026-09-14 15:18 UTC)");
        assert_eq!(KOREAN.moment(time, seoul), "2026년 9월 15일 00:18:44 KST (9월 14일 15:18 UTC)");
        assert_eq!(KOREAN.moment(time, Tz::UTC), "2026년 9월 14일 15:18:44 UTC");
    }

    #[test]
    fn patterns_are_filled() {
        assert_eq!(fill("{1} and {0}", &["a", "b"]), "b and a");
        assert_eq!(fill("{0} {", &[]), " ");
    }
}
