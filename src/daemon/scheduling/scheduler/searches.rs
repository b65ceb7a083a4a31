//! The passes for searches that are due, and the reading of the list that settles their open creates.

use super::super::search::Searched;
use super::{SUSPENSION, Scheduler};
use crate::core::gate::Request;
use crate::core::search::create::Create;
use crate::store::StoreError;
use jiff::Timestamp;
use tokio::time::Instant;

impl Scheduler {
    /// Starts a pass for a search that is due, or the reading of the list that settles open creates. Such a pass can be a probe: it
    /// may be all that is left to do.
    pub(super) async fn begin_search(
        &mut self,
        probing: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if let Some(searches) = self.searches.take_list() {
            if probing {
                self.renew_client();
            }
            let (page, context) = (self.policy.polling.list_page, self.context.clone());
            self.in_flight.start_list(searches, page, context);
            return Ok(true);
        }
        if !self.may_begin(Request::Create, probing) {
            return Ok(false);
        }
        let Some(name) = self.searches.take(&mut self.reader, now).await? else {
            return Ok(false);
        };
        if probing {
            self.renew_client();
        }
        self.in_flight.start_search(name, self.context.clone());
        Ok(true)
    }

    pub(super) fn search_finished(&mut self, name: String, outcome: Result<Searched, String>) {
        match outcome {
            Ok(Searched::Done) => self.searches.finished(&name, None),
            Ok(Searched::WantsList(create)) => self.searches.wants_list(name, *create),
            Err(error) => {
                tracing::debug!("search {name}: left alone for a minute: {error}");
                let until = Instant::now() + SUSPENSION;
                self.searches.finished(&name, Some(until));
            }
        }
    }

    pub(super) fn list_finished(&mut self, searches: &[(String, Create)], failed: &[String]) {
        let until = Instant::now() + SUSPENSION;
        let rest = self.policy.polling.min_interval;
        self.searches.list_finished(searches, failed, until, rest);
    }
}
