//! What becomes of a press that somebody may make: what is taken is written down first, then shown.
//!
//! Who remembers and who posts are the caller's, so that all of it can be simulated.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use alert_core::config::{Config, Receiver};
use alert_core::incident::{self, Button, Incident, Press, Refusal};
use alert_core::interaction::Interaction;
use alert_core::key;
use alert_core::outcome::{Failure, Outcome};
use alert_core::relay::{self, Post};
use alert_core::render::page::people::{self, Remark};
use alert_core::render::page::words::fill;
use alert_core::render::page::{Line, Words};
use alert_core::render::slack::mrkdwn::Mrkdwn;
use alert_core::render::{Medium, Message, Options, Rendering};
use alert_core::target::{Act, Target};
use futures_util::future::join;

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::mute::NotMuted;
use crate::sender::Sends;
use crate::single::{Claiming, Held, Single};
use crate::table::Store;

/// Slack's answers take some hundred milliseconds.
const SHOW_MIN: Duration = Duration::from_millis(200);
/// With less time than this nothing is tried once more.
const AGAIN_MIN: Duration = Duration::from_millis(600);
const LET_GO_RESERVE: Duration = Duration::from_millis(150);
/// For another process that works on the same alert; a post takes less than a second.
const PATIENCE: Duration = Duration::from_millis(800);

/// Takes what is pressed.
#[derive(Debug)]
pub struct Presses<T> {
    pub(super) config: Config,
    table: Single<T>,
}

/// How far a press has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was written.
    #[default]
    Untouched,
    /// Nobody knows.
    Writing,
    /// It counts.
    Counts,
}

/// What came of a press, for the log, the metrics and the person.
#[derive(Debug)]
pub struct Came {
    /// One word.
    pub outcome: &'static str,
    /// What the person is told, where they would not see it.
    pub said: Option<Mrkdwn>,
    /// For the log alone.
    pub why: String,
}

impl Came {
    fn taken() -> Self {
        Self { outcome: "taken", said: None, why: String::new() }
    }
}

impl<T: Store> Presses<T> {
    /// For a configuration, and where its alerts are remembered.
    #[must_use]
    pub fn new(config: Config, store: T) -> Self {
        Self { config, table: Single::new(store) }
    }

    /// Does what was asked for, or says why not.
    ///
    /// `app` shows it; without it, it counts all the same. `mute` is done when it counts: where that fails, it is taken back.
    ///
    /// How far it has come is in `progress`, for who has no time to wait until it is shown.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is another's: who asks, who shows, who mutes, and the time"
    )]
    pub async fn take(
        &self,
        interaction: &Interaction,
        button: Button,
        app: Result<impl Sends, Failure>,
        mute: impl AsyncFn(&str, &Incident, &Incident, Duration) -> Result<(), NotMuted>,
        progress: &Cell<Progress>,
        clock: Clock,
        end: Deadline,
    ) -> Came {
        let words = self.words();
        let message = &interaction.message;
        let place = match self.table.shown_by(&key::message(message)).await {
            Ok(Some(place)) => place,
            Ok(None) => return self.not_taken(words.unknown_message),
            Err(why) => return self.not_taken(&why),
        };
        let patience = PATIENCE.min(end.left() / 2);
        let mut held = match self.table.claim(&place, end.left(), patience, clock).await {
            Ok(Claiming::Ours(held)) => held,
            Ok(Claiming::Busy) => return self.not_taken("the alert changes just now"),
            Ok(Claiming::Unknown) => return self.not_taken(words.unknown_message),
            Err(trouble) => return self.not_taken(&trouble.0),
        };
        let press = Press { name: &interaction.name, button, by: &interaction.by, message };
        let before = held.incident.clone();
        let pressed = incident::press(&before, &press, clock.now());
        let next = match pressed {
            Ok(next) => next,
            Err(refusal) => {
                // An earlier press may count and not stand in the message; there its *Undo* is missing.
                let is_shown = matches!(refusal, Refusal::Over(_) | Refusal::NotItsMessage);
                let stands = held.shown.as_deref().filter(|_| !is_shown);
                let edited =
                    stands.and_then(|shown| Medium::Slack.with_people(shown, &before, &self.options()));
                if let Ok(app) = &app
                    && let Err(failure) = self.show(app, interaction, edited, None, (clock, end)).await
                {
                    tracing::warn!(
                        error_type = failure.error_type,
                        "the message may not show what counts: {failure}"
                    );
                }
                self.let_go(*held, clock).await;
                let said = self.line(&people::refusal(&refusal, words));
                return Came { outcome: "nothing changed", said: Some(said), why: format!("{refusal:?}") };
            }
        };
        let shown = held.shown.as_deref();
        let edited = shown.and_then(|shown| Medium::Slack.with_people(shown, &next, &self.options()));
        // Who looked at the time and did not live to tell of that silence does not try it again.
        if let Some(silenced) = before.silenced.as_ref().filter(|_| before.silenced != next.silenced) {
            let look = relay::silence_over(&place, silenced).name();
            held.tried.retain(|tried| *tried != look);
        }
        let shown_before = held.shown.clone();
        held.incident = next;
        if let Some(edited) = &edited {
            held.shown = Some(edited.content());
        }
        progress.set(Progress::Writing);
        // Where the answer was lost it may be written; the same once more tells.
        let mut recorded = self.table.record(&held, edited.is_some(), clock).await;
        if recorded.is_err() && end.allows(AGAIN_MIN) {
            recorded = self.table.record(&held, edited.is_some(), clock).await;
        }
        match recorded {
            Ok(true) => {}
            Ok(false) => return self.not_taken("another process has taken the alert over"),
            Err(trouble) => return self.unknown(&trouble.0),
        }
        // The rest is for taking it back, and for the table.
        if let Err(NotMuted { why, is_unsure }) = mute(&place, &before, &held.incident, end.left() / 2).await
        {
            // Where only the answer was lost, it must not stay.
            let is_undone = !is_unsure || mute(&place, &held.incident, &before, end.left() / 2).await.is_ok();
            held.incident = before;
            held.shown = shown_before;
            return match self.table.record(&held, edited.is_some(), clock).await {
                Ok(_) if is_undone => {
                    self.let_go(*held, clock).await;
                    self.not_taken(&why)
                }
                _ => self.unknown(&why),
            };
        }
        progress.set(Progress::Counts);
        let remark = match button {
            Button::Acknowledge => Some(Remark::Acknowledged(&interaction.by)),
            Button::UndoAcknowledge => Some(Remark::NotAcknowledged(&interaction.by)),
            Button::Silence(_) => held.incident.silenced.as_ref().map(Remark::Silenced),
            Button::UndoSilence => {
                let changes = before.silenced.as_ref().map_or(0, |silenced| silenced.changes);
                Some(Remark::NotSilenced(&interaction.by, changes))
            }
        };
        let shown = match app {
            Ok(app) => self.show(&app, interaction, edited, remark, (clock, end)).await,
            Err(failure) => Err(failure),
        };
        self.let_go(*held, clock).await;
        match shown {
            Ok(()) => Came::taken(),
            Err(failure) => self.not_shown(&failure.detail),
        }
    }

    async fn let_go(&self, held: Held, clock: Clock) {
        if let Err(trouble) = self.table.release(held, clock).await {
            tracing::warn!(
                error_type = crate::metrics::TABLE_UNAVAILABLE,
                "{}: the alert is free again a moment later",
                trouble.0
            );
        }
    }

    /// Changes the message, and says in its thread who has done what; the message counts.
    async fn show(
        &self,
        app: &impl Sends,
        interaction: &Interaction,
        edited: Option<Message>,
        remark: Option<Remark<'_>>,
        (clock, end): (Clock, Deadline),
    ) -> Result<(), Failure> {
        let message = &interaction.message;
        let reply = remark.map(|remark| Medium::Slack.remark(remark, &self.options()));
        let receiver = Arc::new(Receiver::named(""));
        let post = |part: &str, act: Act, message: Message| {
            let name = key::hash(&[&interaction.name, part]);
            let target = Target::channel(&*interaction.message.place);
            Post::aside(name, Arc::clone(&receiver), target, act, message, clock.now())
        };
        let edit = edited.map(|edited| post("edit", Act::Edit(message.clone()), edited));
        let reply =
            reply.map(|reply| post("reply", Act::Reply { to: message.clone(), is_shown: false }, reply));
        // Some of it is for letting go of the alert.
        let limit = end.left().saturating_sub(LET_GO_RESERVE).max(SHOW_MIN);
        let send = async |post: Option<Post>| match post {
            None => Ok(()),
            Some(post) => match app.send(&post, limit).await.outcome {
                Outcome::Delivered(_) => Ok(()),
                Outcome::Retry { failure, .. }
                | Outcome::Unsure(failure)
                | Outcome::Gone(failure)
                | Outcome::MessageRefused(failure)
                | Outcome::TargetRefused(failure)
                | Outcome::SenderRefused(failure) => Err(failure),
            },
        };
        let (edited, replied) = join(send(edit), send(reply)).await;
        if let Err(failure) = replied {
            tracing::warn!(
                error_type = failure.error_type,
                "the thread does not tell who has acted: {failure}"
            );
        }
        edited
    }
}

impl<T> Presses<T> {
    pub(super) fn words(&self) -> &'static Words {
        self.config.language.words()
    }

    fn options(&self) -> Options<'_> {
        Options {
            rendering: self.config.rendering,
            has_bar: self.config.rendering == Rendering::Classic,
            channel: None,
            timezone: self.config.timezone,
            language: self.config.language,
        }
    }

    fn line(&self, line: &Line<'_>) -> Mrkdwn {
        Mrkdwn::new().spans(line, self.config.timezone, self.words())
    }

    /// The time is over, and it has come so far.
    pub(super) fn late(&self, progress: Progress) -> Came {
        const LATE: &str = "the time is over";
        match progress {
            Progress::Untouched => self.not_taken(LATE),
            Progress::Writing => self.unknown(LATE),
            Progress::Counts => self.not_shown("Slack did not answer in time"),
        }
    }

    /// It counts, and does not stand in the message yet.
    fn not_shown(&self, why: &str) -> Came {
        let said = Mrkdwn::new().text(&fill(self.words().not_shown, &[why]));
        Came { outcome: "taken, not shown", said: Some(said), why: why.to_owned() }
    }

    /// Nobody knows whether it counts.
    fn unknown(&self, why: &str) -> Came {
        let said = Mrkdwn::new().text(&fill(self.words().perhaps_taken, &[why]));
        Came { outcome: "perhaps taken", said: Some(said), why: why.to_owned() }
    }

    pub(super) fn not_taken(&self, why: &str) -> Came {
        let said = Mrkdwn::new().text(&fill(self.words().not_taken, &[why]));
        Came { outcome: "not taken", said: Some(said), why: why.to_owned() }
    }
}
