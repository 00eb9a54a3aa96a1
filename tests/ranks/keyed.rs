//! More cases of law 2: keyed operators, samples, statistics, folders; see `cases`.

use std::collections::BTreeMap;

use firesteel_core::{Context, Dataset, Error, Partitioner, Result};

use super::cases::{Case, done, floats, with_file, words};

/// Those cases.
pub(crate) const KEYED: &[Case] = &[
    ("combine_by_key", |ctx| {
        let add = |(sum, n): (f64, u64), x| (sum + x, n + 1);
        let sums = words(ctx, 9).combine_by_key(|x| (x, 1), add, |a, b| (a.0 + b.0, a.1 + b.1));
        done(sums.collect())
    }),
    ("aggregate_by_key", |ctx| {
        let halves = |sum: f64, x: f64| sum * 0.5 + x;
        done(words(ctx, 9).aggregate_by_key(0.25, halves, |a, b| a + b).collect())
    }),
    ("fold_by_key", |ctx| done(words(ctx, 9).fold_by_key(0.125, |a, b| a + b).collect())),
    ("group_by_key", |ctx| {
        let lists = words(ctx, 9).group_by_key();
        done(lists.try_map(|(key, group)| Ok::<_, Error>((key, group.to_vec()?))).collect())
    }),
    ("group_by", |ctx| {
        let lists = floats(ctx, 9).group_by(|x| x.to_bits() % 5);
        done(lists.try_map(|(key, group)| Ok::<_, Error>((key, group.to_vec()?))).collect())
    }),
    ("map_groups", |ctx| {
        let sums = words(ctx, 9)
            .map_groups(|key, values| (key.clone(), values.fold(0.0, |sum, x| sum * 0.9 + x)));
        done(sums.collect())
    }),
    ("cogroup", |ctx| {
        let both = words(ctx, 9).cogroup(&words(ctx, 4).map(|(word, x)| (word, x.to_bits() % 7)));
        let lists = both.try_map(|(key, (a, b))| Ok::<_, Error>((key, a.to_vec()?, b.to_vec()?)));
        done(lists.collect())
    }),
    ("cogroup3", |ctx| {
        let three = keyed(ctx, 9).cogroup3(&some(ctx), &keyed(ctx, 4));
        let lists = three.try_map(|(key, (a, b, c))| {
            Ok::<_, Error>((key, (a.to_vec()?, b.to_vec()?), c.to_vec()?))
        });
        done(lists.collect())
    }),
    ("join", |ctx| done(keyed(ctx, 9).join(&keyed(ctx, 5)).collect())),
    ("left_outer_join", |ctx| done(keyed(ctx, 9).left_outer_join(&some(ctx)).collect())),
    ("right_outer_join", |ctx| done(some(ctx).right_outer_join(&keyed(ctx, 9)).collect())),
    ("full_outer_join", |ctx| done(keyed(ctx, 9).full_outer_join(&some(ctx)).collect())),
    ("semi_join", |ctx| done(keyed(ctx, 9).semi_join(&some(ctx)).collect())),
    ("anti_join", |ctx| done(keyed(ctx, 9).anti_join(&some(ctx)).collect())),
    ("subtract_by_key", |ctx| done(keyed(ctx, 9).subtract_by_key(&some(ctx)).collect())),
    ("distinct", |ctx| done(floats(ctx, 9).map(|x| x.to_bits() % 400).distinct().collect())),
    ("intersection", |ctx| done(numbers(ctx, 9).intersection(&numbers(ctx, 4)).collect())),
    ("subtract", |ctx| done(numbers(ctx, 9).subtract(&numbers(ctx, 4).map(|x| x / 2)).collect())),
    ("partition_by hash", |ctx| {
        done(keyed(ctx, 9).partition_by(&Partitioner::hash(7)).glom().collect())
    }),
    ("partition_by range", |ctx| {
        done(keyed(ctx, 9).partition_by(&Partitioner::range(7)).glom().collect())
    }),
    ("sort_by_key", |ctx| done(keyed(ctx, 9).sort_by_key().collect())),
    ("sort_by_key_descending", |ctx| done(keyed(ctx, 9).sort_by_key_descending().collect())),
    ("range_by", |ctx| done(ctx.range_by(90, -7, -3).and_then(|rows| rows.collect()))),
    ("repartition_and_sort_within_partitions", |ctx| {
        let sorted = keyed(ctx, 9).repartition_and_sort_within_partitions(&Partitioner::hash(3));
        done(sorted.glom().collect())
    }),
    ("filter_by_range", |ctx| done(keyed(ctx, 9).sort_by_key().filter_by_range(11..=23).collect())),
    ("lookup", |ctx| done(words(ctx, 9).lookup(&"steel".to_owned()))),
    ("top_by_key", |ctx| {
        done(words(ctx, 9).map(|(word, x)| (word, x.to_bits())).top_by_key(4).collect())
    }),
    ("sample_by_key", |ctx| {
        done(words(ctx, 9).sample_by_key(&fractions(), 3).and_then(|rows| rows.collect()))
    }),
    ("sample_by_key_exact", |ctx| {
        done(words(ctx, 9).sample_by_key_exact(&fractions(), 3).and_then(|rows| rows.collect()))
    }),
    ("count_by_key", |ctx| done(words(ctx, 9).count_by_key().map(Vec::from_iter))),
    ("count_by_value", |ctx| done(numbers(ctx, 9).count_by_value().map(Vec::from_iter))),
    ("reduce_by_key_locally", |ctx| {
        done(words(ctx, 9).reduce_by_key_locally(|a, b| a + b).map(Vec::from_iter))
    }),
    ("count_approx_distinct", |ctx| done(numbers(ctx, 9).count_approx_distinct(0.02))),
    ("count_approx_distinct_by_key", |ctx| {
        let bits = words(ctx, 9).map(|(word, x)| (word, x.to_bits()));
        done(bits.count_approx_distinct_by_key(0.05).map(Vec::from_iter))
    }),
    ("stats", |ctx| {
        done(floats(ctx, 9).stats().map(|s| (s.count, (s.mean, s.m2), (s.min, s.max))))
    }),
    ("histogram", |ctx| done(floats(ctx, 9).histogram(11).map(|h| (h.bounds, h.counts)))),
    ("take_ordered", |ctx| done(numbers(ctx, 9).take_ordered(40))),
    ("min and max", |ctx| {
        done(numbers(ctx, 9).min().and_then(|n| Ok((n, numbers(ctx, 4).max()?))))
    }),
    ("take_sample", |ctx| {
        let some = floats(ctx, 9).take_sample(false, 50, 3);
        done(some.and_then(|some| Ok((some, floats(ctx, 9).take_sample(true, 50, 3)?))))
    }),
    ("sample_with_replacement", |ctx| {
        done(floats(ctx, 9).sample_with_replacement(1.3, 5).and_then(|rows| rows.collect()))
    }),
    ("sliding", |ctx| done(floats(ctx, 9).sliding(7, 3).and_then(|rows| rows.collect()))),
    ("zip", |ctx| done(floats(ctx, 9).zip(&numbers(ctx, 9)).and_then(|rows| rows.collect()))),
    ("zip_partitions", |ctx| {
        let rows = floats(ctx, 9).zip_partitions(&numbers(ctx, 9), |a, b| a.zip(b).step_by(3));
        done(rows.and_then(|rows| rows.collect()))
    }),
    ("zip_with_unique_id", |ctx| done(floats(ctx, 9).zip_with_unique_id().collect())),
    ("cartesian", |ctx| {
        let few = floats(ctx, 5).filter(|x| x.to_bits() % 37 == 0);
        done(few.cartesian(&numbers(ctx, 3).filter(|x| x % 29 == 0)).collect())
    }),
    ("repartition", |ctx| done(floats(ctx, 9).repartition(4).glom().collect())),
    ("coalesce", |ctx| done(floats(ctx, 9).coalesce(4).glom().collect())),
    ("to_local_iterator", |ctx| {
        done(floats(ctx, 9).to_local_iterator().take(1_234).collect::<Result<Vec<f64>>>())
    }),
    ("an object file", |ctx| {
        with_file(ctx, "near", b"", |path| {
            let folder = format!("{path}-objects");
            words(ctx, 9).save_as_object_file(&folder).unwrap();
            done(ctx.object_file::<(String, f64)>(&folder).and_then(|rows| rows.collect()))
        })
    }),
    ("a checkpoint", |ctx| {
        with_file(ctx, "near", b"", |path| {
            let kept = words(ctx, 9).checkpoint(&format!("{path}-checkpoint")).unwrap();
            done(kept.reduce_by_key(|a, b| a + b).collect())
        })
    }),
    ("a text file written and read", |ctx| {
        with_file(ctx, "near", b"", |path| {
            let folder = format!("{path}-text");
            floats(ctx, 9).map(|x| format!("{x:e}")).save_as_text_file(&folder).unwrap();
            done(ctx.text_file(&format!("{folder}/part-*")).and_then(|lines| lines.collect()))
        })
    }),
];

fn numbers(ctx: &Context, partitions: usize) -> Dataset<u64> {
    floats(ctx, partitions).map(|x| x.to_bits() % 997)
}

fn keyed(ctx: &Context, partitions: usize) -> Dataset<(u64, f64)> {
    floats(ctx, partitions).map(|x| (x.to_bits() % 31, x)).filter(|(_, x)| x.to_bits() % 23 == 0)
}

fn some(ctx: &Context) -> Dataset<(u64, f64)> {
    ctx.range_in(0..40, 6).map(|i| (i * 2 % 50, i as f64 / 3.0))
}

fn fractions() -> BTreeMap<String, f64> {
    let words = [("steel", 0.3), ("", 0.5), ("flint", 0.1), ("tinder box", 1.0)];
    words.map(|(word, fraction)| (word.to_owned(), fraction)).into()
}
