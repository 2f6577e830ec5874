//! How much a workspace takes in a time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Method;
use super::service::Judgement;

/// How many calls are taken: a burst, and then so many per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Calls at once.
    pub burst: u32,
    /// Calls per second after that.
    pub per_second: f64,
}

impl RateLimit {
    /// Slack's tier 2, which `usergroups.users.list` has: 20 a minute.
    pub const TIER_2: Self = Self { burst: 20, per_second: 20.0 / 60.0 };
    /// Slack's tier 3, which `chat.update` and `conversations.history` have: 50 a minute.
    pub const TIER_3: Self = Self { burst: 50, per_second: 50.0 / 60.0 };
}

/// What is limited, and how much of it is left.
#[derive(Debug, Default)]
pub(super) struct Limits {
    posts: Option<RateLimit>,
    methods: BTreeMap<Method, RateLimit>,
    post_buckets: BTreeMap<String, Bucket>,
    method_buckets: BTreeMap<(Method, String), Bucket>,
}

impl Limits {
    pub(super) fn set_posts(&mut self, limit: Option<RateLimit>) {
        self.posts = limit;
        self.post_buckets.clear();
    }

    pub(super) fn set_method(&mut self, method: Method, limit: Option<RateLimit>) {
        match limit {
            Some(limit) => drop(self.methods.insert(method, limit)),
            None => drop(self.methods.remove(&method)),
        }
        self.method_buckets.retain(|(limited, _), _| *limited != method);
    }

    /// Takes one post to a place: a webhook, or a channel by an app.
    pub(super) fn take_post(&mut self, method: Method, place: &str) -> Result<(), Judgement> {
        let Some(limit) = self.posts else { return Ok(()) };
        let bucket = self.post_buckets.entry(place.to_owned()).or_insert_with(|| Bucket::full(limit));
        bucket.take(limit).map_err(|seconds| method.rate_limited(seconds, "rate limit"))
    }

    /// Takes one call of a method by an app.
    pub(super) fn take_call(&mut self, method: Method, app: &str) -> Result<(), Judgement> {
        let Some(&limit) = self.methods.get(&method) else { return Ok(()) };
        let bucket =
            self.method_buckets.entry((method, app.to_owned())).or_insert_with(|| Bucket::full(limit));
        bucket.take(limit).map_err(|seconds| method.rate_limited(seconds, "rate limit of the method"))
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(limit: RateLimit) -> Self {
        Self { tokens: f64::from(limit.burst), at: Instant::now() }
    }

    /// Takes one, or says in how many seconds there is one.
    fn take(&mut self, limit: RateLimit) -> Result<(), u64> {
        let gained = self.at.elapsed().as_secs_f64() * limit.per_second;
        self.at = Instant::now();
        self.tokens = (self.tokens + gained).min(f64::from(limit.burst));
        if self.tokens < 1.0 {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a positive number of seconds"
            )]
            return Err(((1.0 - self.tokens) / limit.per_second).ceil() as u64);
        }
        self.tokens -= 1.0;
        Ok(())
    }
}
