//! Law 2: the same bits on any number of ranks and threads, whatever memory is free.

use super::cases::{CASES, Case};
use super::keyed::KEYED;
use crate::support::{bits, grid, grid_with};

fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(KEYED)
}

#[test]
fn every_operator_and_action_has_the_same_bits_on_any_ranks_and_threads() {
    for (name, case) in all() {
        grid(name, case);
    }
}

#[test]
fn what_goes_to_disk_has_the_same_bits_as_what_stays_in_memory() {
    for (name, case) in all() {
        let folder = tempfile::tempdir().unwrap();
        let on_disk =
            grid_with(name, |builder| builder.memory_limit(100).spill_dir(folder.path()), case);
        let in_memory = case(&firesteel_core::Context::local());
        assert!(bits(&in_memory) == bits(&on_disk), "{name}: other bits from disk");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "{name}: left files behind");
    }
}

#[test]
fn no_two_cases_have_one_name() {
    let mut names: Vec<&str> = all().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().count());
}
