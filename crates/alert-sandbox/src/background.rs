//! Deliveries that go on while their sender is already answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::lock;

/// Tasks that end with their owner, and that one can wait for.
#[derive(Debug)]
pub(crate) struct Background {
    tasks: Mutex<JoinSet<()>>,
    pending: Arc<watch::Sender<usize>>,
}

impl Default for Background {
    fn default() -> Self {
        Self { tasks: Mutex::default(), pending: Arc::new(watch::Sender::new(0)) }
    }
}

impl Background {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.pending.send_modify(|count| *count += 1);
        let pending = Pending(Arc::clone(&self.pending));
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _pending = pending;
            task.await;
        });
    }

    /// Waits until nothing is under way; says whether that came in time.
    pub(crate) async fn settled(&self, limit: Duration) -> bool {
        let mut pending = self.pending.subscribe();
        tokio::time::timeout(limit, pending.wait_for(|count| *count == 0)).await.is_ok()
    }
}

/// Counts a task, however it ends.
struct Pending(Arc<watch::Sender<usize>>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
