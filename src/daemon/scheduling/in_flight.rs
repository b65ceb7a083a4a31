//! What is in flight: passes for tasks, at most one for each, and requests for pages.

use super::page::{PageRead, read_page};
use super::reconcile::{Context, Polled, reconcile};
use super::results::{ActiveReading, PageOutcome, read_results};
use super::search::{Searched, advance, settle_by_list};
use crate::core::TaskId;
use crate::core::plan::PageRequest;
use crate::core::queue::Queue;
use crate::core::search::create::Create;
use crate::daemon::error::panic_message;
use crate::daemon::writer::WriteError;
use futures_util::FutureExt as _;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::task::{JoinError, JoinSet};

/// The passes and the pages in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    running: JoinSet<Finished>,
    /// The tasks of the passes, each with the queue that it came from.
    tasks: HashMap<TaskId, Queue>,
    pages: usize,
    results: usize,
    /// Passes for searches.
    searches: usize,
    /// Readings of the list for searches.
    list_readings: usize,
}

/// What has finished, and how.
#[derive(Debug)]
pub(super) enum Finished {
    /// A pass. No outcome if the task was not polled; an error if that was not stored.
    Task(TaskId, Result<Option<Polled>, String>),
    /// A request for a page.
    Page(PageRequest, Result<PageRead, String>),
    /// A request for a page of a task's results.
    Results(TaskId, Result<PageOutcome, String>),
    /// A pass for a search.
    Search(String, Result<Searched, String>),
    /// A reading of the list for these searches, and those for which it was not stored.
    List(Vec<(String, Create)>, Vec<String>),
}

impl InFlight {
    /// Returns the number of tasks, pages, pages of results, searches, and readings of the list for searches.
    pub fn len(&self) -> usize {
        self.tasks.len() + self.pages + self.results + self.searches + self.list_readings
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Returns the number of pages of results.
    pub fn results(&self) -> usize {
        self.results
    }

    /// Returns the number of passes for searches.
    pub fn searches(&self) -> usize {
        self.searches
    }

    /// Returns the tasks, each with the queue that it came from.
    pub fn tasks(&self) -> &HashMap<TaskId, Queue> {
        &self.tasks
    }

    /// Starts a pass. With `is_check` the task is not due; the list is compared with it.
    pub fn start_task(&mut self, id: TaskId, queue: Queue, is_check: bool, context: Arc<Context>) {
        self.tasks.insert(id.clone(), queue);
        self.running.spawn(pass(id, is_check, context));
    }

    /// Asks for a page.
    pub fn start_page(&mut self, request: PageRequest, context: Arc<Context>) {
        self.pages += 1;
        self.running.spawn(page_pass(request, context));
    }

    /// Asks for a page of a task's results.
    pub fn start_results(&mut self, reading: Box<ActiveReading>, context: Arc<Context>) {
        self.results += 1;
        self.running.spawn(results_pass(reading, context));
    }

    /// Starts a pass for a search.
    pub fn start_search(&mut self, name: String, context: Arc<Context>) {
        self.searches += 1;
        self.running.spawn(search_pass(name, context));
    }

    /// Reads the list for searches with an open create; `page` is `polling.list_page`.
    pub fn start_list(
        &mut self,
        searches: Vec<(String, Create)>,
        page: u32,
        context: Arc<Context>,
    ) {
        self.list_readings += 1;
        self.running.spawn(list_pass(searches, page, context));
    }

    /// Waits until something has finished, and returns all that has; waits for ever while nothing is in flight.
    pub async fn finished(&mut self) -> Vec<Finished> {
        let Some(first) = self.running.join_next().await else {
            return std::future::pending().await;
        };
        let mut all: Vec<Finished> = self.end(first).into_iter().collect();
        // A batch of the writer's finishes many passes at once.
        while let Some(next) = self.running.try_join_next() {
            all.extend(self.end(next));
        }
        all
    }

    fn end(&mut self, joined: Result<Finished, JoinError>) -> Option<Finished> {
        match &joined {
            Ok(Finished::Task(id, _)) => {
                self.tasks.remove(id);
            }
            Ok(Finished::Page(..)) => self.pages -= 1,
            Ok(Finished::Results(..)) => self.results -= 1,
            Ok(Finished::Search(..)) => self.searches -= 1,
            Ok(Finished::List(..)) => self.list_readings -= 1,
            // It was aborted, and the daemon ends: a pass catches its panics.
            Err(error) => tracing::debug!("{error}"),
        }
        joined.ok()
    }

    /// Aborts all.
    pub async fn shutdown(mut self) {
        self.running.shutdown().await;
    }
}

async fn pass(id: TaskId, is_check: bool, context: Arc<Context>) -> Finished {
    let polled = async {
        // A task that is not due may have been paused or removed since.
        if is_check && !context.writer.is_wanted(id.clone()).await? {
            return Ok::<_, WriteError>(None);
        }
        reconcile(&id, &context).await.map(Some)
    };
    let outcome = caught(polled).await.unwrap_or_else(|text| {
        tracing::error!(task_id = %id, "{id}: a bug: {text}; left alone for a minute");
        Err(text)
    });
    Finished::Task(id, outcome)
}

async fn page_pass(request: PageRequest, context: Arc<Context>) -> Finished {
    let reading = read_page(&request, &context);
    let outcome = caught(reading).await.unwrap_or_else(|text| {
        tracing::error!("a bug in reading page {}: {text}", request.page);
        Err(text)
    });
    Finished::Page(request, outcome)
}

async fn results_pass(reading: Box<ActiveReading>, context: Arc<Context>) -> Finished {
    let id = reading.id().clone();
    let read = read_results(reading, &context);
    let outcome = caught(read).await.unwrap_or_else(|text| {
        tracing::error!(task_id = %id, "{id}: a bug in reading its results: {text}");
        Err(text)
    });
    Finished::Results(id, outcome)
}

async fn search_pass(name: String, context: Arc<Context>) -> Finished {
    let outcome = caught(advance(&name, &context))
        .await
        .unwrap_or_else(|text| {
            tracing::error!("search {name}: a bug: {text}; left alone for a minute");
            Err(text)
        });
    Finished::Search(name, outcome)
}

async fn list_pass(searches: Vec<(String, Create)>, page: u32, context: Arc<Context>) -> Finished {
    let reading = async { Ok(settle_by_list(&searches, page, &context).await) };
    let failed = caught(reading).await.flatten().unwrap_or_else(|text| {
        tracing::error!("a bug in reading the list for searches: {text}; left alone for a minute");
        searches.iter().map(|(name, _)| name.clone()).collect()
    });
    Finished::List(searches, failed)
}

/// Awaits a request. Returns the text of a panic as the outer error: a bug in one request does not affect others.
async fn caught<T>(
    request: impl Future<Output = Result<T, WriteError>>,
) -> Result<Result<T, String>, String> {
    match AssertUnwindSafe(request).catch_unwind().await {
        Ok(outcome) => Ok(outcome.map_err(|error| error.to_string())),
        Err(panic) => Err(panic_message(panic.as_ref()).to_owned()),
    }
}
