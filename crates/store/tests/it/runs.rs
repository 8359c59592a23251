//! Runs and steps. Without these: an interrupted run could not be found again, or would forget what is done.

use crate::fixture::{keys_of, named, receipt, run};
use ipvm_store::{
    Batch, NewRun, RunFilter, RunId, RunInfo, RunStatus, RunUpdate, StepInfo, StepState,
    StepUpdate, Store,
};

fn create(store: &Store, new: NewRun) -> RunId {
    let id = new.id;
    let mut batch = Batch::new();
    batch.run(new);
    store.commit(batch).unwrap();
    id
}

fn ids(runs: &[RunInfo]) -> Vec<i64> {
    runs.iter().map(|run| run.id.0).collect()
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let new = NewRun {
        name: Some("gallery".into()),
        source: Some("/home/a/ünï.yaml".into()),
        invocation: Some(named(5)),
        ..run(store.new_run_id(), 1)
    };
    let id = create(&store, new.clone());
    let expect = RunInfo {
        id,
        workflow: new.workflow,
        name: new.name,
        source: new.source,
        invocation: new.invocation,
        started: new.started,
        finished: None,
        status: RunStatus::Running,
        tasks: 3,
        done: 0,
    };
    assert_eq!(store.run(id).unwrap(), Some(expect.clone()));
    for status in [
        RunStatus::Ok,
        RunStatus::Error,
        RunStatus::Cancelled,
        RunStatus::Running,
    ] {
        let finished = (status != RunStatus::Running).then_some(1_700_000_100);
        let mut batch = Batch::new();
        batch.run_update(RunUpdate {
            id,
            status,
            finished,
        });
        store.commit(batch).unwrap();
        assert_eq!(
            store.run(id).unwrap(),
            Some(RunInfo {
                status,
                finished,
                ..expect.clone()
            })
        );
    }
}

#[test]
fn runs_are_listed_newest_first_by_filter() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    for (workflow, name, source) in [(1, "a", "x"), (2, "a", "y"), (1, "b", "x")] {
        let new = NewRun {
            name: Some(name.into()),
            source: Some(source.into()),
            ..run(store.new_run_id(), workflow)
        };
        create(&store, new);
    }
    create(&store, run(store.new_run_id(), 3));
    let check = |filter: RunFilter, expect: &[i64]| {
        assert_eq!(
            ids(&store.runs(&filter, None, 10).unwrap()),
            expect,
            "{filter:?}"
        );
        let newest: Vec<i64> = expect.iter().take(1).copied().collect();
        assert_eq!(
            ids(&store.runs(&filter, None, 1).unwrap()),
            newest,
            "{filter:?}"
        );
    };
    check(RunFilter::All, &[4, 3, 2, 1]);
    check(RunFilter::Workflow(named(1)), &[3, 1]);
    check(RunFilter::Workflow(named(9)), &[]);
    check(RunFilter::Name("a".into()), &[2, 1]);
    check(RunFilter::Source("x".into()), &[3, 1]);
    check(RunFilter::Source("x'; DROP TABLE run".into()), &[]);
    assert_eq!(
        ids(&store.runs(&RunFilter::All, Some(RunId(3)), 10).unwrap()),
        [2, 1]
    );
}

#[test]
fn run_ids_are_never_used_twice() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let first = create(&store, run(store.new_run_id(), 1));
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    let second = create(&store, run(store.new_run_id(), 1));
    assert!(second > first);
}

#[test]
fn a_step_keeps_its_last_state_and_its_receipt() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let id = create(&store, run(store.new_run_id(), 1));
    let mut batch = Batch::new();
    batch.receipt(receipt(8, 8, 8));
    let made = batch.receipt(receipt(1, 1, 1));
    batch.step(StepUpdate {
        run: id,
        index: 1,
        state: StepState::Pending,
        receipt: None,
    });
    batch.step(StepUpdate {
        run: id,
        index: 1,
        state: StepState::Ok,
        receipt: Some(made),
    });
    batch.step(StepUpdate {
        run: id,
        index: 70_000,
        state: StepState::Cancelled,
        receipt: None,
    });
    store.commit(batch).unwrap();

    let stored = store.receipts_by_task(&named(1)).unwrap().remove(0);
    let expect = [
        StepInfo {
            index: 1,
            state: StepState::Ok,
            receipt: Some(stored.id),
        },
        StepInfo {
            index: 70_000,
            state: StepState::Cancelled,
            receipt: None,
        },
    ];
    assert_eq!(store.steps(id).unwrap(), expect);
    assert_eq!(store.run(id).unwrap().unwrap().done, 2);

    // A memo hit in a later run names a receipt that is there already.
    let second = create(&store, run(store.new_run_id(), 1));
    let mut batch = Batch::new();
    let receipt = Some(ipvm_store::StepReceipt::Stored(stored.id));
    batch.step(StepUpdate {
        run: second,
        index: 0,
        state: StepState::Error,
        receipt,
    });
    store.commit(batch).unwrap();
    assert_eq!(
        store.steps(second).unwrap(),
        [StepInfo {
            index: 0,
            state: StepState::Error,
            receipt: Some(stored.id)
        }]
    );
    assert_eq!(store.steps(id).unwrap(), expect, "runs do not share steps");
}
