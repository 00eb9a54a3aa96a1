//! Which raw columns scoring cannot do without: arithmetic on names alone.
//!
//! Every column that a stage makes counts, unless only fitting needs it, or it only goes into
//! columns of which that is true. What it takes to make the others is needed.

use std::collections::BTreeSet;

use super::stage::Output;

/// The columns needed before the first stage. `stages` has the outputs of each stage in order.
pub(super) fn needs(stages: &[Vec<Output>], fit_only: &[String]) -> BTreeSet<String> {
    let (mut needed, mut used) = (BTreeSet::new(), BTreeSet::new());
    for outputs in stages.iter().rev() {
        let wanted = |output: &&Output| {
            let name = &output.column;
            needed.contains(name) || !(used.contains(name) || fit_only.contains(name))
        };
        let wanted: Vec<&Output> = outputs.iter().filter(wanted).collect();
        for output in outputs {
            needed.remove(&output.column);
            used.remove(&output.column);
        }
        used.extend(outputs.iter().flat_map(|output| output.from.iter().cloned()));
        needed.extend(wanted.iter().flat_map(|output| output.from.iter().cloned()));
    }
    needed
}

/// What can be made of a stage, given the columns that are there: which of its outputs, after
/// which `available` says what is there behind it.
pub(super) fn makeable(outputs: &[Output], available: &mut BTreeSet<String>) -> BTreeSet<String> {
    let can = |output: &&Output| output.from.iter().all(|name| available.contains(name));
    let made: BTreeSet<String> =
        outputs.iter().filter(can).map(|output| output.column.clone()).collect();
    for output in outputs {
        // A column that should have been replaced, and was not, is not what its name says.
        available.remove(&output.column);
    }
    available.extend(made.iter().cloned());
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(outputs: &[(&str, &[&str])]) -> Vec<Output> {
        outputs.iter().map(|(column, from)| Output::new(*column, from.iter().copied())).collect()
    }

    fn needed(stages: &[Vec<Output>], fit_only: &[&str]) -> Vec<String> {
        let fit_only: Vec<String> = fit_only.iter().map(|&name| name.to_owned()).collect();
        needs(stages, &fit_only).into_iter().collect()
    }

    #[test]
    fn what_only_leads_to_the_label_is_not_needed() {
        let stages = [
            stage(&[("early", &["readmitted"]), ("old", &["age"])]),
            stage(&[("label", &["early"])]),
            stage(&[("features", &["old", "race"])]),
            stage(&[("probability", &["features"])]),
        ];
        assert_eq!(needed(&stages, &["label", "weight"]), ["age", "race"]);
        assert_eq!(needed(&stages, &[]), ["age", "race", "readmitted"]);
    }

    #[test]
    fn a_column_replaced_in_its_place_is_needed_and_one_overwritten_is_not() {
        let in_place = [stage(&[("age", &["age"])]), stage(&[("features", &["age"])])];
        assert_eq!(needed(&in_place, &[]), ["age"]);
        let overwritten = [stage(&[("a", &["b"])]), stage(&[("x", &["a"])])];
        assert_eq!(needed(&overwritten, &[]), ["b"]);
        let label_as_feature = [stage(&[("y", &["r"])]), stage(&[("x", &["y"])])];
        assert_eq!(needed(&label_as_feature, &["y"]), ["r"]);
    }

    #[test]
    fn a_constant_needs_nothing_and_without_stages_nothing_is_needed() {
        assert!(needed(&[stage(&[("one", &[])])], &[]).is_empty());
        assert!(needed(&[], &[]).is_empty());
    }

    #[test]
    fn a_replacement_that_cannot_be_made_hides_the_old_column() {
        let mut available: BTreeSet<String> = ["a".to_owned()].into();
        let outputs = stage(&[("a", &["a", "gone"]), ("b", &["a"])]);
        assert_eq!(makeable(&outputs, &mut available), ["b".to_owned()].into());
        assert_eq!(available, ["b".to_owned()].into());
    }
}
