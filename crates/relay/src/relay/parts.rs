//! The parts that must not end before their time.

use std::future::Future;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Error;

/// How long to wait for the cause, when a part ended because of another.
const CAUSE: Duration = Duration::from_millis(200);

/// Threads and tasks that die together.
#[derive(Default)]
pub(super) struct Parts(JoinSet<(&'static str, Result<(), Error>)>);

impl Parts {
    /// Adds a task, on this runtime or on that of a [`task_thread`].
    pub(super) fn task(
        &mut self,
        runtime: &Handle,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = runtime.spawn(task);
        self.0.spawn(async move { (name, task.await.map_err(|_| Error::Panicked(name))) });
    }

    /// Adds a thread.
    pub(super) fn thread(
        &mut self,
        name: &'static str,
        body: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (done, result) = oneshot::channel();
        thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                // A supervisor that is gone takes the process with it.
                let _ = done.send(body());
            })
            .map_err(|error| Error::Start { what: name, error })?;
        self.0.spawn(async move { (name, result.await.unwrap_or(Err(Error::Panicked(name)))) });
        Ok(())
    }

    /// Waits for an event. A part that ends before it is an error.
    pub(super) async fn run_until(&mut self, event: impl Future<Output = ()>) -> Result<(), Error> {
        tokio::select! {
            () = event => Ok(()),
            ended = self.next() => {
                let (name, result) = ended;
                result?;
                Err(self.cause(name).await)
            }
        }
    }

    /// Waits for parts that were told to end, in whichever order they do. Another one that ends is
    /// an error.
    pub(super) async fn end_of(&mut self, parts: &[&'static str]) -> Result<(), Error> {
        let mut awaited = parts.to_vec();
        while !awaited.is_empty() {
            let (name, result) = self.next().await;
            result?;
            match awaited.iter().position(|part| *part == name) {
                Some(index) => drop(awaited.swap_remove(index)),
                None => return Err(self.cause(name).await),
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> (&'static str, Result<(), Error>) {
        match self.0.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(_)) | None => ("supervisor", Err(Error::Panicked("supervisor"))),
        }
    }

    /// A part may end in order because another one failed: that one's error says more.
    async fn cause(&mut self, name: &'static str) -> Error {
        let failure = async {
            loop {
                if let (_, Err(error)) = self.next().await {
                    return error;
                }
            }
        };
        timeout(CAUSE, failure).await.unwrap_or(Error::Ended(name))
    }
}

/// A thread of its own for tasks, until `end`: for those that wait for nobody else's tasks, and
/// need not share what they touch between cores. Each time before it waits for something to
/// happen, it calls `before_waiting`.
pub(super) fn task_thread(
    name: &'static str,
    end: CancellationToken,
    before_waiting: impl Fn() + Send + Sync + 'static,
) -> Result<Handle, Error> {
    let start = |error| Error::Start { what: name, error };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(before_waiting)
        .build()
        .map_err(start)?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(name.into())
        .spawn(move || runtime.block_on(end.cancelled()))
        .map_err(start)?;
    Ok(handle)
}
