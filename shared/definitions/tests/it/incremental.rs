//! A process that keeps what it read and compiled gives the answers of one that has just started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use definitions::{
    Catalog, Change, DefinitionStore, Flaw, MIGRATIONS, Owner as _, References, Versioned,
};
use kernel::Duration;
use proptest::prelude::*;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use proto::segmentation::v1::Segment;
use rpc::Failure;
use storage::Database;

/// Takes over texts that the last set compiled. A text `needs X` is a flaw where nothing is named
/// X, and `bad` is one anywhere.
struct Texts {
    sees: Sees,
    counts: Arc<Counts>,
}

/// The sets and texts that were compiled so far.
#[derive(Debug, Default)]
struct Counts {
    sets: AtomicUsize,
    /// The texts that were not taken over, over all sets.
    texts: AtomicUsize,
}

impl Counts {
    /// Returns how many sets and texts were compiled since it was last asked.
    fn take(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.swap(0, Ordering::Relaxed);
        (count(&self.sets), count(&self.texts))
    }
}

/// The versions that a catalog sees beside those in force.
#[derive(Debug, Clone, Copy, Default)]
struct Sees {
    older: bool,
    gone: bool,
}

/// The definitions that a catalog is shown, and the texts that it compiled.
#[derive(Debug)]
struct Compiled {
    shown: Vec<Arc<Versioned<Definition>>>,
    texts: BTreeMap<String, Arc<str>>,
}

fn text_of(it: &Versioned<Definition>) -> &str {
    match &it.value.kind {
        Some(Kind::Segment(segment)) => &segment.expression,
        _ => "",
    }
}

fn name_of(it: &Versioned<Definition>) -> &str {
    match &it.value.kind {
        Some(Kind::Segment(segment)) => &segment.name,
        _ => "",
    }
}

impl Catalog for Texts {
    type Compiled = Compiled;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment]
    }

    fn wants_older_versions(&self) -> bool {
        self.sees.older
    }

    fn keeps_gone_for(&self) -> Option<Duration> {
        self.sees.gone.then(|| Duration::from_days(1))
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        _: &References,
        last: Option<&Compiled>,
    ) -> Result<Compiled, Vec<Flaw>> {
        self.counts.sets.fetch_add(1, Ordering::Relaxed);
        let is_current = |it: &&Arc<Versioned<Definition>>| !it.is_superseded;
        let names: Vec<&str> = all
            .iter()
            .filter(is_current)
            .map(|it| name_of(it))
            .collect();
        let (mut texts, mut flaws) = (BTreeMap::new(), Vec::new());
        for (place, it) in all.iter().enumerate() {
            let text = text_of(it);
            let needed = text.strip_prefix("needs ");
            if text == "bad" || needed.is_some_and(|needed| !names.contains(&needed)) {
                flaws.push(Flaw::new(place, "segment.expression", format!("`{text}`")));
                continue;
            }
            let known = last.and_then(|last| last.texts.get(text));
            let compiled = known.cloned().unwrap_or_else(|| {
                self.counts.texts.fetch_add(1, Ordering::Relaxed);
                text.into()
            });
            texts.insert(text.to_owned(), compiled);
        }
        flaws.retain(|flaw| !all[flaw.index].is_superseded);
        if flaws.is_empty() {
            let shown = all.to_vec();
            Ok(Compiled { shown, texts })
        } else {
            Err(flaws)
        }
    }
}

async fn database(folder: &tempfile::TempDir) -> Database {
    let url = format!("sqlite:{}", folder.path().join("t.db").display());
    let database = Database::connect(&url.parse().expect("a url")).await;
    let database = database.expect("a database");
    let migrated = database.migrate("definitions", MIGRATIONS).await;
    migrated.expect("migrated");
    database
}

/// A process of its own over the database, and the count of what it compiles.
async fn process(database: &Database, sees: Sees) -> (Arc<DefinitionStore<Texts>>, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let catalog = Texts {
        sees,
        counts: Arc::clone(&counts),
    };
    let store = DefinitionStore::load(database.clone(), "segmentation", catalog).await;
    (store.expect("loaded"), counts)
}

fn segment(name: &str, text: &str) -> Definition {
    Definition {
        kind: Some(Kind::Segment(Segment {
            name: name.to_owned(),
            expression: text.to_owned(),
            ..Segment::default()
        })),
    }
}

fn apply(segments: impl IntoIterator<Item = (String, String)>) -> Change {
    let segments = segments.into_iter();
    Change::apply(segments.map(|(name, text)| segment(&name, &text)))
}

async fn change(store: &DefinitionStore<Texts>, change: &Change) {
    let done = store.change(change, &References::unknown(), false).await;
    done.expect("changed");
}

#[tokio::test]
async fn a_change_of_one_definition_among_many_compiles_one_text_in_one_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(&folder).await;
    let (store, here) = process(&database, Sees::default()).await;
    let (replica, there) = process(&database, Sees::default()).await;
    let counts = || (here.take(), there.take());
    assert_eq!(counts(), ((1, 0), (1, 0)));
    let many = (0..300).map(|number| (format!("s{number}"), format!("text {number}")));
    change(&store, &apply(many)).await;
    replica.refresh().await.expect("refreshed");
    assert_eq!(counts(), ((1, 300), (1, 300)));

    let one = [("s7".to_owned(), "another text".to_owned())];
    change(&store, &apply(one)).await;
    assert!(replica.refresh().await.expect("refreshed"));
    assert_eq!(counts(), ((1, 1), (1, 1)));

    change(&store, &Change::delete(DefinitionKind::Segment, "s8")).await;
    assert!(replica.refresh().await.expect("refreshed"));
    assert_eq!(counts(), ((1, 0), (1, 0)));
    assert_eq!(store.watch().borrow().shown.len(), 299);
}

#[tokio::test]
async fn a_set_that_somebody_else_changed_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(&folder).await;
    let (one, _) = process(&database, Sees::default()).await;
    let (other, _) = process(&database, Sees::default()).await;
    let pair = |name: &str, text: &str| [(name.to_owned(), text.to_owned())];
    change(&one, &apply(pair("a", "x"))).await;
    // This one has not refreshed since.
    change(&other, &apply(pair("b", "needs a"))).await;
    let names = one.names(DefinitionKind::Segment).await.expect("names");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    let gone = Change::delete(DefinitionKind::Segment, "a");
    let refused = one.change(&gone, &References::unknown(), false).await;
    let refused = refused.expect_err("`b` needs it");
    assert_eq!(
        refused.message(),
        "the definitions are not valid: segment[\"b\"].expression: in the stored segment `b`: `needs a`"
    );
}

/// A change: by which process, the names with their new texts, and the name to delete instead.
type Step = (bool, Vec<(usize, usize)>, Option<usize>);

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const TEXTS: [&str; 6] = ["x", "y", "needs a", "needs b", "needs d", "bad"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let applied = proptest::collection::vec((0..NAMES.len(), 0..TEXTS.len()), 0..4);
    let deleted = proptest::option::weighted(0.3, 0..NAMES.len());
    proptest::collection::vec((any::<bool>(), applied, deleted), 1..25)
}

/// An answer in a form that can be compared.
fn said<T: std::fmt::Debug>(answer: Result<T, Failure>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(failure) => format!("{failure:?}"),
    }
}

/// Makes changes in two processes in turns, and compares each with a process that has just started.
async fn follow(sees: Sees, steps: &[Step]) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(&folder).await;
    let (one, _) = process(&database, sees).await;
    let (other, _) = process(&database, sees).await;
    for (is_other, applied, deleted) in steps {
        let store = if *is_other { &other } else { &one };
        let change = match deleted {
            Some(name) => Change::delete(DefinitionKind::Segment, NAMES[*name]),
            None => {
                let named = applied.iter();
                apply(named.map(|(name, text)| (NAMES[*name].to_owned(), TEXTS[*text].to_owned())))
            }
        };
        let nothing = References::unknown();
        let (new, _) = process(&database, sees).await;
        let expected = said(new.change(&change, &nothing, true).await);
        let answer = said(store.change(&change, &nothing, false).await);
        assert_eq!(answer, expected, "{change:?}");

        let (new, _) = process(&database, sees).await;
        let (kept, read) = (store.watch(), new.watch());
        store.refresh().await.expect("refreshed");
        let (kept, read) = (kept.borrow(), read.borrow());
        assert_eq!(kept.shown, read.shown, "after {change:?}");
        assert_eq!(kept.texts, read.texts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn changes_give_the_answers_of_a_process_that_has_just_started(
        steps in steps(), older in any::<bool>(), gone in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(follow(Sees { older, gone }, &steps));
    }
}

#[tokio::test]
async fn no_more_superseded_versions_are_kept_than_would_be_read() {
    let versions: Vec<Step> = (0..30)
        .map(|text| (false, vec![(0, text % 2)], None))
        .collect();
    let sees = Sees {
        older: true,
        ..Sees::default()
    };
    follow(sees, &versions).await;
}
