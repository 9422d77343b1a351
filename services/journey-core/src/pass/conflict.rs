//! Runs that meet in a merge: both customers have one of a journey and key.

use std::sync::Arc;

use kernel::Reason;
use messages::journey::v1::{OnMergeConflict, RunOutcome};

use crate::counter::RunCount;
use crate::definition::Versions;
use crate::limits;
use crate::run_id::run_id;
use crate::state::{Name, Run};

use super::Pass;

impl Pass<'_> {
    /// Takes in a run of a customer who was joined into this one. Where this one has a run of the
    /// journey and key, the journey says which goes on.
    pub(super) fn fold_run(&mut self, run: Run) {
        self.count_presence(&run, 1);
        self.tell_arrival(&run, "", Reason::Merged, "");
        if self.state.run_place(&run.journey, &run.key).is_none() {
            return self.add_run(run);
        }
        match self.conflict_rule(&run.journey) {
            OnMergeConflict::KeepBoth => self.add_run(run),
            OnMergeConflict::KeepNewer => {
                self.end_all_of(&run);
                self.add_run(run);
            }
            OnMergeConflict::Restart => {
                let newest = self.end_all_of(&run);
                let is_newest = newest
                    .as_ref()
                    .is_none_or(|own| run.start_time > own.start_time);
                let ended = run.clone();
                self.end_merged(run);
                self.restart(newest.filter(|_| !is_newest).unwrap_or(ended));
            }
            OnMergeConflict::KeepOlder | OnMergeConflict::Unspecified => self.end_merged(run),
        }
    }

    /// Adds a run beside those under way. Of more than one may have, those that started first go
    /// on, as if they had been one customer's from the beginning.
    pub(super) fn add_run(&mut self, run: Run) {
        let id = run.id;
        self.state.runs.push(run);
        self.state.runs.sort_by_key(|run| run.start_time);
        while self.state.runs.len() > limits::RUNS_ACTIVE {
            let Some(run) = self.state.runs.pop() else {
                return;
            };
            self.end(run, Reason::RunLimit, RunOutcome::Neutral, Name::from(""));
        }
        if let Some(place) = self.state.runs.iter().position(|run| run.id == id) {
            self.fit_trigger_at(place);
        }
    }

    pub(super) fn count_presence(&mut self, run: &Run, change: i64) {
        self.count_run(run, RunCount::Entered, change);
        self.count_run(run, RunCount::Active, change);
        self.count_run(run, RunCount::In(&run.step), change);
        self.count_run(run, RunCount::Present(&run.step), change);
    }

    fn conflict_rule(&self, journey: &Name) -> OnMergeConflict {
        let versions = self.definitions.journeys.get(journey);
        let newest = versions.and_then(Versions::newest);
        newest.map_or(OnMergeConflict::KeepOlder, |own| own.on_merge_conflict)
    }

    /// Ends the runs that this customer has of the journey and key of a run. Returns the one that
    /// started last.
    fn end_all_of(&mut self, run: &Run) -> Option<Run> {
        let mut newest = None;
        while let Some(place) = self.state.run_place(&run.journey, &run.key) {
            let own = self.state.runs.remove(place);
            newest = Some(own.clone());
            self.end_merged(own);
        }
        newest
    }

    fn end_merged(&mut self, run: Run) {
        self.end(run, Reason::MergedInto, RunOutcome::Neutral, Name::from(""));
    }

    /// Begins a journey anew, for the event of a run that ended.
    fn restart(&mut self, ended: Run) {
        let versions = self.definitions.journeys.get(&ended.journey);
        let Some(journey) = versions.and_then(Versions::newest).map(Arc::clone) else {
            return;
        };
        let cause = ended.id.to_string();
        let count = self.state.run_count;
        let id = run_id(self.customer, &journey.name, &ended.key, &cause, count);
        self.state.run_count += 1;
        let mut run = Run {
            id,
            version: journey.version,
            step: Name::from(""),
            visit: 0,
            start_time: self.since,
            arrive_time: self.now,
            since: self.since,
            due: None,
            holdout: false,
            arm: Name::from(""),
            trace_parent: Box::default(),
            ..ended
        };
        self.fit_trigger(&mut run, &journey);
        let subject = Name::from(Reason::Merged.code());
        if let Some(run) = self.begin(run, &journey, &subject) {
            self.add_run(run);
        }
    }
}
