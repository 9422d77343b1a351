//! The subject of a namespace: it stays while values are stored, and definitions from before
//! there were accounts keep their customers.

use async_trait::async_trait;
use definitions::{Catalog, Flaw, Versioned};

use super::*;

/// The catalog as it was before there were accounts: whoever applied a definition said no subject.
#[derive(Debug)]
struct Before;

#[async_trait]
impl Catalog for Before {
    type Compiled = Rules;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Namespace]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        _last: Option<&Rules>,
    ) -> Result<Rules, Vec<Flaw>> {
        definitions::compile(all, references, Rules::compile)
    }
}

fn about(name: &str, subject: v1::Subject) -> v1::Namespace {
    v1::Namespace {
        subject: subject.into(),
        priority: 4,
        limit: 1,
        ..plain(name)
    }
}

/// An event of a group alone.
fn of_group(group: &str, key: &str) -> v1::Event {
    v1::Event {
        groups: [(group.to_owned(), key.to_owned())].into_iter().collect(),
        ..event("")
    }
}

#[tokio::test]
async fn whom_stored_values_name_stays() {
    let (fixture, store) = store_of(&[], Rules::default()).await;
    let [of_customers, of_accounts] = [v1::Subject::Customer, v1::Subject::Account];
    for subject in [of_accounts, of_customers] {
        let free = define(&store, about("badge", subject)).await;
        free.expect("nothing is stored");
    }
    accept(&fixture, &store, &["user_id=u badge=b1"]).await;
    let parts = [
        "definitions[0].namespace.subject",
        "cannot become SUBJECT_ACCOUNT, since values of SUBJECT_CUSTOMER are stored",
        "keep `subject: SUBJECT_CUSTOMER`, or define another namespace",
    ];
    refused(define(&store, about("badge", of_accounts)).await, &parts);
    // Nor by way of its deletion.
    let key = DefinitionKey {
        kind: DefinitionKind::Namespace,
        name: "badge".to_owned(),
    };
    let gone = change(&store, Change::Delete(key, IfMatch::Any)).await;
    gone.expect("its values stay where they are");
    refused(define(&store, about("badge", of_accounts)).await, &parts);
    let again = define(&store, about("badge", of_customers)).await;
    again.expect("its values are customers'");
}

#[tokio::test]
async fn values_of_accounts_stay_with_accounts() {
    let (fixture, store) = store_of(&[], Rules::default()).await;
    let mut identity = fixture.identity.clone();
    identity.namespaces = store.watch();
    let intake = identity.open().await.expect("opens");
    let sent = vec![of_group("workspace", "w1")];
    let accepted = intake.accept(sent, Source::None, StreamName::Events).await;
    let accepted = accepted.expect("resolved");
    assert_eq!(accepted.events.len(), 1, "{:?}", accepted.rejected);
    let customers = define(&store, about("workspace", v1::Subject::Customer)).await;
    let parts = [
        "definitions[0].namespace.subject",
        "cannot become SUBJECT_CUSTOMER, since values of SUBJECT_ACCOUNT are stored",
    ];
    refused(customers, &parts);
    let accounts = define(&store, about("workspace", v1::Subject::Account)).await;
    accounts.expect("it goes on naming accounts");
}

#[tokio::test]
async fn a_definition_from_before_there_were_accounts_keeps_its_customers() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let database = fixture.identity.database.clone();
    let migrated = database.migrate("definitions", MIGRATIONS).await;
    migrated.expect("migrated");
    let before = DefinitionStore::load(database.clone(), "identity", Before).await;
    let defined = before.expect("loaded");
    let kind = Some(Kind::Namespace(about("account", v1::Subject::Unspecified)));
    let old = Change::apply([Definition { kind }]);
    let nothing = References::unknown();
    let stored = defined.change(&old, &nothing, false).await;
    stored.expect("nobody asked for a subject");

    // The next version starts on it.
    let catalog = NamespaceCatalog::over(IdentityStore::new(database.clone()));
    let store = DefinitionStore::load(database, "identity", catalog).await;
    let store = store.expect("loaded");
    accept(&fixture, &store, &["user_id=u account=a1", "account=a1"]).await;
    assert!(!store.watch().borrow().accounts().has_type("account"));
    assert!(store.watch().borrow().accounts().has_type("company"));
    // The same file again is as before.
    change(&store, old).await.expect("nothing changes");
    // Whoever changes it says whom it names, which stays.
    let silent = v1::Namespace {
        limit: 3,
        ..about("account", v1::Subject::Unspecified)
    };
    let parts = [
        "definitions[0].namespace.subject",
        "names accounts: say SUBJECT_ACCOUNT to define it otherwise, or SUBJECT_CUSTOMER where \
         its values name customers",
    ];
    refused(define(&store, silent).await, &parts);
    let account = define(&store, about("account", v1::Subject::Account)).await;
    refused(account, &["values of SUBJECT_CUSTOMER are stored"]);
    let key = DefinitionKey {
        kind: DefinitionKind::Namespace,
        name: "account".to_owned(),
    };
    let gone = change(&store, Change::Delete(key, IfMatch::Any)).await;
    refused(gone, &["cannot become SUBJECT_ACCOUNT"]);
    let customer = define(&store, about("account", v1::Subject::Customer)).await;
    customer.expect("it says what it is");
}

#[tokio::test]
async fn a_new_definition_of_a_built_in_name_of_accounts_says_its_subject() {
    let (_fixture, store) = store_of(&[], Rules::default()).await;
    for name in [
        "account",
        "company",
        "workspace",
        "household",
        "crm_account_id",
        "domain",
    ] {
        let silent = define(&store, about(name, v1::Subject::Unspecified)).await;
        refused(
            silent,
            &["definitions[0].namespace.subject", "say SUBJECT_ACCOUNT"],
        );
        let off = v1::Namespace {
            disabled: true,
            ..plain(name)
        };
        define(&store, off).await.expect("it is switched off");
        assert!(!store.watch().borrow().accounts().has_type(name), "{name}");
        let said = define(&store, about(name, v1::Subject::Account)).await;
        said.expect("it says its subject");
        assert!(store.watch().borrow().accounts().has_type(name), "{name}");
    }
}
