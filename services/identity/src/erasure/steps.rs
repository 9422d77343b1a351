//! The steps of an erasure: what is clean, and what is not, by store.

use proto::identity::v1::ErasureStep;

/// A store, or a part of one, that an erasure makes clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The tables of identity.
    Identity,
    /// Memberships in accounts, places in buying groups, and the buying groups of accounts.
    Memberships,
    /// The states of segmentation.
    Segmentation,
    /// The states of journey.
    Journey,
    /// The states of activation.
    Activation,
    /// Entries that wait in streams.
    Streams,
    /// Records that were set aside.
    Quarantine,
    /// The events that are kept in SQL.
    EventLog,
    /// Commits and entries in SQL, and the snapshots that are made of them.
    Journal,
    /// The files of the hot store.
    HotStore,
    /// The log of changes.
    Changes,
    /// Events that could not be taken.
    DeadLetters,
    /// Answers that are kept for requests that come again.
    RememberedAnswers,
    /// Events of imports that may not be in their streams.
    Imports,
    /// The files of the database.
    Database,
}

impl Step {
    /// All, in the order in which they are told.
    pub(crate) const ALL: [Self; 15] = [
        Self::Identity,
        Self::Memberships,
        Self::Segmentation,
        Self::Journey,
        Self::Activation,
        Self::Streams,
        Self::Quarantine,
        Self::EventLog,
        Self::Journal,
        Self::HotStore,
        Self::Changes,
        Self::DeadLetters,
        Self::RememberedAnswers,
        Self::Imports,
        Self::Database,
    ];

    /// Its name in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Memberships => "memberships",
            Self::Segmentation => "segmentation",
            Self::Journey => "journey",
            Self::Activation => "activation",
            Self::Streams => "streams",
            Self::Quarantine => "quarantine",
            Self::EventLog => "event_log",
            Self::Journal => "journal",
            Self::HotStore => "hot_store",
            Self::Changes => "changes",
            Self::DeadLetters => "dead_letters",
            Self::RememberedAnswers => "remembered_answers",
            Self::Imports => "imports",
            Self::Database => "database",
        }
    }
}

/// The steps of an erasure that was just written: identity is clean by that.
pub(crate) fn fresh() -> Vec<ErasureStep> {
    let steps = Step::ALL.into_iter();
    let steps = steps.map(|step| ErasureStep {
        name: step.name().to_owned(),
        done: step == Step::Identity,
        detail: String::new(),
    });
    steps.collect()
}

/// The progress of the steps of an erasure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Steps(Vec<ErasureStep>);

impl Steps {
    /// Those that a row has.
    pub(crate) const fn of(steps: Vec<ErasureStep>) -> Self {
        Self(steps)
    }

    pub(crate) fn is_done(&self, step: Step) -> bool {
        self.0.iter().any(|own| own.name == step.name() && own.done)
    }

    pub(crate) fn are_done(&self, steps: &[Step]) -> bool {
        steps.iter().all(|step| self.is_done(*step))
    }

    /// Notes that a step is done.
    pub(crate) fn finish(&mut self, step: Step) {
        self.note(step, true, String::new());
    }

    /// Notes that a step is done, with a remark that stays.
    pub(crate) fn finish_with(&mut self, step: Step, detail: String) {
        self.note(step, true, detail);
    }

    /// Notes what a step waits for.
    pub(crate) fn wait(&mut self, step: Step, detail: impl Into<String>) {
        self.note(step, false, detail.into());
    }

    fn note(&mut self, step: Step, done: bool, detail: String) {
        let name = step.name();
        match self.0.iter_mut().find(|own| own.name == name) {
            Some(own) => (own.done, own.detail) = (done, detail),
            None => self.0.push(ErasureStep {
                name: name.to_owned(),
                done,
                detail,
            }),
        }
    }

    pub(crate) fn into_inner(self) -> Vec<ErasureStep> {
        self.0
    }
}
