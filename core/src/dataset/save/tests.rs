use super::*;
use crate::testing::on_ranks;

fn place(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn objects_come_back_in_their_partitions_and_the_files_are_the_same_on_any_ranks() {
    let temp = tempfile::tempdir().unwrap();
    for (rows, partitions) in [(0, 1), (0, 3), (2, 5), (5_000, 4)] {
        let expected: Vec<(u64, String)> =
            (0..rows).map(|i| (i, "x".repeat(i as usize % 7))).collect();
        let mut files = Vec::new();
        for ranks in [1, 3] {
            let folder = place(&temp, &format!("{rows}-{partitions}-{ranks}"));
            let came = on_ranks(ranks, |ctx| {
                ctx.parallelize_in(expected.clone(), partitions)
                    .save_as_object_file(&folder)
                    .unwrap();
                let back = ctx.object_file::<(u64, String)>(&folder).unwrap();
                (back.partitions(), back.collect().unwrap())
            });
            for came in came {
                assert_eq!(came, (partitions, expected.clone()));
            }
            let folder = Path::new(&folder);
            let bytes = |name: &String| fs::read(folder.join(name)).unwrap();
            files.push(names(folder).iter().map(bytes).collect::<Vec<_>>());
        }
        assert_eq!(files[0], files[1]);
        assert_eq!(files[0].len(), partitions + 1);
    }
    assert!(names(temp.path()).iter().all(|name| !name.starts_with('.')));
}

#[test]
fn rows_larger_than_a_block_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let ctx = Context::local();
    let rows: Vec<Vec<u64>> = (0..5).map(|i| (0..200_000).map(|j| i * j).collect()).collect();
    let folder = place(&temp, "large");
    let back = ctx.parallelize_in(rows.clone(), 1).checkpoint(&folder).unwrap();
    assert!(back.collect().unwrap() == rows);
    let again = ctx.checkpoint_file::<Vec<u64>>(&format!("file://{folder}")).unwrap();
    assert_eq!(again.count().unwrap(), 5);
}

#[test]
fn any_flipped_byte_and_any_cut_is_an_error_that_names_the_file() {
    let temp = tempfile::tempdir().unwrap();
    let ctx = Context::builder().threads(1).build().unwrap();
    let folder = place(&temp, "a");
    ctx.parallelize_in(vec!["fire".to_owned(), "steel".to_owned()], 1)
        .save_as_object_file(&folder)
        .unwrap();
    let read = || ctx.object_file::<String>(&folder).and_then(|rows| rows.collect());
    for name in ["part-00000", MARKER] {
        let path = Path::new(&folder).join(name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for bytes in [&flipped[..], &whole[..at]] {
                fs::write(&path, bytes).unwrap();
                let error = read().unwrap_err();
                assert!(
                    matches!(&error, Error::Damaged { what, .. } if what.ends_with(name)),
                    "{name} at {at}: {error}"
                );
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(read().unwrap(), ["fire", "steel"]);
    fs::remove_file(Path::new(&folder).join("part-00000")).unwrap();
    assert!(matches!(read(), Err(Error::File { file, .. }) if file.ends_with("part-00000")));
}

#[test]
fn a_part_of_another_run_sets_off_the_alarm_with_both_numbers() {
    let temp = tempfile::tempdir().unwrap();
    let (a, b, c) = (place(&temp, "a"), place(&temp, "b"), place(&temp, "c"));
    let ctx = Context::local();
    ctx.range_in(0..10, 2).save_as_object_file(&a).unwrap();
    ctx.range_in(0..9, 2).save_as_object_file(&b).unwrap();
    ctx.range_in(10..20, 2).save_as_object_file(&c).unwrap();
    let part = |folder: &str| Path::new(folder).join("part-00000");
    fs::copy(part(&b), part(&a)).unwrap();
    let errors = on_ranks(3, |ctx| ctx.object_file::<u64>(&a).unwrap().collect().unwrap_err());
    for error in errors {
        assert!(error.to_string().ends_with("5 rows were written, 4 came"), "{error}");
    }
    fs::copy(part(&c), part(&a)).unwrap();
    let error = ctx.object_file::<u64>(&a).unwrap().count().unwrap_err();
    assert!(error.to_string().contains("fingerprint"), "{error}");
}

#[test]
fn another_type_and_a_foreign_folder_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let folder = place(&temp, "a");
    let ctx = Context::local();
    ctx.range(0..3).save_as_object_file(&folder).unwrap();
    let error = ctx.object_file::<String>(&folder).unwrap_err();
    assert!(error.to_string().contains("rows of type `u64`"), "{error}");
    assert!(matches!(ctx.object_file::<u64>(&place(&temp, "none")), Err(Error::File { .. })));
}

#[test]
fn an_existing_folder_stays_unless_it_was_saved_before_and_is_to_be_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let folder = place(&temp, "a");
    let foreign = place(&temp, "foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(Path::new(&foreign).join("precious"), b"1").unwrap();
    on_ranks(3, |ctx| {
        ctx.range_in(0..3, 4).save_as_object_file(&folder).unwrap();
        let data = ctx.range_in(0..5, 2);
        let error = data.save_as_object_file(&folder).unwrap_err();
        assert!(matches!(&error, Error::File { file, .. } if *file == folder), "{error}");
        assert_eq!(ctx.object_file::<u64>(&folder).unwrap().count().unwrap(), 3);
        data.save_as_object_file_with(&folder, Saving::new().overwrite(true)).unwrap();
        assert_eq!(ctx.object_file::<u64>(&folder).unwrap().count().unwrap(), 5);
        let failed = data.save_as_object_file_with(&foreign, Saving::new().overwrite(true));
        assert!(matches!(failed, Err(Error::File { .. })));
    });
    assert_eq!(names(temp.path()), ["a", "foreign"]);
    assert_eq!(names(Path::new(&foreign)), ["precious"]);
}

#[test]
fn a_failed_save_leaves_nothing_and_fails_alike_on_all_ranks() {
    let temp = tempfile::tempdir().unwrap();
    let folder = place(&temp, "a");
    let errors = on_ranks(3, |ctx| {
        let failing = |x| if x == 70 { Err("no 70") } else { Ok(x) };
        ctx.range_in(0..90, 6).try_map(failing).save_as_object_file(&folder).unwrap_err()
    });
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    assert!(names(temp.path()).is_empty());
}

#[test]
fn ten_thousand_dependent_steps_with_checkpoints_and_caches_neither_slow_down_nor_overflow() {
    let temp = tempfile::tempdir().unwrap();
    let ctx = Context::builder().threads(1).build().unwrap();
    let mut chain = ctx.range_in(0..3, 2);
    let mut cached = ctx.range_in(0..3, 2);
    for step in 1..=10_000_u64 {
        chain = chain.map(|x| x + 1);
        cached = cached.map(|x| x + 1).cache();
        if step % 1000 == 0 {
            chain = chain.checkpoint(&place(&temp, &format!("step-{step}"))).unwrap();
            assert_eq!(chain.explain().lines().count(), 1, "{}", chain.explain());
            cached.count().unwrap();
        }
    }
    assert_eq!(chain.collect().unwrap(), [10_000, 10_001, 10_002]);
    assert_eq!(cached.collect().unwrap(), [10_000, 10_001, 10_002]);
    let mut plain = ctx.range_in(0..3, 2);
    for _ in 0..10_000 {
        plain = plain.map(|x| x + 1);
    }
    assert_eq!(plain.collect().unwrap(), [10_000, 10_001, 10_002]);
}
