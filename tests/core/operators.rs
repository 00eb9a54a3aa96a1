//! Random pipelines of operators against the same pipeline on a plain vector.

use std::collections::BTreeMap;

use firesteel_core::testing::on_ranks_with;
use firesteel_core::{Context, Dataset, Error};
use proptest::prelude::*;

/// An operator whose result, read in order, does not depend on the partitions.
#[derive(Clone, Debug)]
enum Operator {
    Map(i64),
    MapRef(i64),
    TryMap(i64),
    Filter(i64),
    FlatMap(i64),
    MapPartitions(i64),
    TryMapPartitions,
    UnionSelf,
    UnionOther(Vec<i64>, usize),
    UnionMany(usize),
    KeyBy(i64),
    ZipWithIndex,
    SortBy(i64),
    SumByKey(i64),
    Cache,
    Recut(u64),
}

fn operator() -> impl Strategy<Value = Operator> {
    use Operator::*;
    prop_oneof![
        (-5_i64..5).prop_map(Map),
        (-5_i64..5).prop_map(MapRef),
        (-5_i64..5).prop_map(TryMap),
        (1_i64..5).prop_map(Filter),
        (1_i64..4).prop_map(FlatMap),
        (1_i64..4).prop_map(MapPartitions),
        Just(TryMapPartitions),
        Just(UnionSelf),
        (prop::collection::vec(-9_i64..9, 0..9), 1_usize..4).prop_map(|(v, p)| UnionOther(v, p)),
        (0_usize..4).prop_map(UnionMany),
        (1_i64..5).prop_map(KeyBy),
        Just(ZipWithIndex),
        (1_i64..5).prop_map(SortBy),
        (1_i64..9).prop_map(SumByKey),
        Just(Cache),
        (1_u64..20).prop_map(Recut),
    ]
}

/// More rows than this are not worth the time.
const MOST: usize = 20_000;

fn on_dataset(ctx: &Context, rows: Dataset<i64>, operator: &Operator) -> Dataset<i64> {
    match operator.clone() {
        Operator::Map(k) => rows.map(move |x| x.wrapping_mul(3) + k),
        Operator::MapRef(k) => rows.map_ref(move |x| x - k),
        Operator::TryMap(k) => rows.try_map(move |x| Ok::<_, Error>(x ^ k)),
        Operator::Filter(m) => rows.filter(move |x| x.rem_euclid(m) == 0),
        Operator::FlatMap(m) => rows.flat_map(move |x| (0..x.rem_euclid(m)).map(move |i| x + i)),
        Operator::MapPartitions(m) => {
            rows.map_partitions(move |rows| rows.filter(move |x| x.rem_euclid(m) != 1))
        }
        Operator::TryMapPartitions => {
            rows.try_map_partitions_with_index(|_, rows| Ok::<_, Error>(rows.map(|x| -x)))
        }
        Operator::UnionSelf => rows.union(&rows),
        Operator::UnionOther(other, partitions) => {
            rows.union(&ctx.parallelize_in(other, partitions))
        }
        Operator::UnionMany(n) => ctx.union(&vec![rows; n]),
        Operator::KeyBy(m) => rows.key_by(move |x| x.rem_euclid(m)).map(|(key, x)| key * 10 + x),
        Operator::ZipWithIndex => rows.zip_with_index().map(|(x, i)| x + i as i64),
        Operator::SortBy(m) => rows.sort_by(move |x| x.rem_euclid(m)),
        Operator::SumByKey(m) => rows
            .map(move |x| (x.rem_euclid(m), x))
            .reduce_by_key(|a, b| a.wrapping_add(b))
            .sort_by(|(key, _)| *key)
            .map(|(key, sum)| key ^ sum),
        Operator::Cache => rows.cache(),
        Operator::Recut(each) => {
            let blocks = rows.map_partitions(|rows| [rows.collect::<Vec<_>>()]);
            let cut = blocks.recut(Vec::len, |block, range| block[range].to_vec(), move |_| each);
            cut.unwrap().flat_map(|block| block)
        }
    }
}

fn on_vec(rows: Vec<i64>, operator: &Operator) -> Vec<i64> {
    let each = |f: &dyn Fn(i64) -> i64| rows.iter().map(|x| f(*x)).collect();
    match operator {
        Operator::Map(k) => each(&|x| x.wrapping_mul(3) + k),
        Operator::MapRef(k) => each(&|x| x - k),
        Operator::TryMap(k) => each(&|x| x ^ k),
        Operator::Filter(m) => rows.into_iter().filter(|x| x.rem_euclid(*m) == 0).collect(),
        Operator::FlatMap(m) => {
            rows.into_iter().flat_map(|x| (0..x.rem_euclid(*m)).map(move |i| x + i)).collect()
        }
        Operator::MapPartitions(m) => rows.into_iter().filter(|x| x.rem_euclid(*m) != 1).collect(),
        Operator::TryMapPartitions => each(&|x| -x),
        Operator::UnionSelf => [rows.clone(), rows].concat(),
        Operator::UnionOther(other, _) => [rows, other.clone()].concat(),
        Operator::UnionMany(n) => rows.repeat(*n),
        Operator::KeyBy(m) => each(&|x| x.rem_euclid(*m) * 10 + x),
        Operator::ZipWithIndex => rows.into_iter().zip(0..).map(|(x, i)| x + i).collect(),
        Operator::SortBy(m) => {
            let mut rows = rows;
            rows.sort_by_key(|x| x.rem_euclid(*m));
            rows
        }
        Operator::SumByKey(m) => {
            let mut sums = BTreeMap::new();
            for x in rows {
                let sum: &mut i64 = sums.entry(x.rem_euclid(*m)).or_default();
                *sum = sum.wrapping_add(x);
            }
            sums.into_iter().map(|(key, sum)| key ^ sum).collect()
        }
        Operator::Cache | Operator::Recut(_) => rows,
    }
}

/// What the actions make of the rows.
#[derive(Debug, PartialEq)]
struct Actions {
    rows: Vec<i64>,
    count: u64,
    taken: Vec<i64>,
    first: Option<i64>,
    top: Vec<i64>,
    digits: Option<i64>,
    total: i64,
}

/// Associative, not commutative: digits to base 3, modulo a prime, one after the other.
fn later(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { b }
}

impl Actions {
    fn of_dataset(rows: &Dataset<i64>, n: usize) -> Self {
        let first = match rows.first() {
            Ok(first) => Some(first),
            Err(Error::Empty { .. }) => None,
            Err(error) => panic!("{error}"),
        };
        Self {
            rows: rows.collect().unwrap(),
            count: rows.count().unwrap(),
            taken: rows.take(n).unwrap(),
            first,
            top: rows.top(n).unwrap(),
            digits: rows.reduce(later).unwrap(),
            total: rows.fold(0, |a, b| a.wrapping_add(b)).unwrap(),
        }
    }

    fn of_vec(rows: Vec<i64>, n: usize) -> Self {
        let mut top = rows.clone();
        top.sort_by(|a, b| b.cmp(a));
        top.truncate(n);
        Self {
            count: rows.len() as u64,
            taken: rows.iter().copied().take(n).collect(),
            first: rows.first().copied(),
            top,
            digits: rows.iter().copied().reduce(later),
            total: rows.iter().fold(0, |a, b| a.wrapping_add(*b)),
            rows,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn a_pipeline_agrees_with_the_same_on_a_vector(
        start in prop::collection::vec(-100_i64..100, 0..40),
        operators in prop::collection::vec(operator(), 0..7),
        partitions in prop::sample::select(vec![1_usize, 3, 16]),
        ranks in 1_usize..4,
        threads in prop::sample::select(vec![1_usize, 2, 7]),
        limit in prop::sample::select(vec![None, Some(64_u64)]),
        n in 0_usize..50,
    ) {
        let mut expected = start.clone();
        let mut wanted = Vec::new();
        for operator in operators {
            let next = on_vec(expected.clone(), &operator);
            if next.len() <= MOST {
                expected = next;
                wanted.push(operator);
            }
        }
        let expected = Actions::of_vec(expected, n);
        let set_up = |builder: firesteel_core::Builder| {
            let builder = builder.threads(threads);
            if let Some(limit) = limit { builder.memory_limit(limit) } else { builder }
        };
        let results = on_ranks_with(ranks, set_up, |ctx| {
            let rows = ctx.parallelize_in(start.clone(), partitions);
            let rows = wanted.iter().fold(rows, |rows, operator| on_dataset(ctx, rows, operator));
            Actions::of_dataset(&rows, n)
        });
        for got in results {
            prop_assert_eq!(&got, &expected);
        }
    }

    #[test]
    fn a_split_gives_every_row_to_one_part(
        n in 0_u64..3_000,
        partitions in 1_usize..9,
        weights in prop::collection::vec(0.0..1.0_f64, 1..5),
        seed in any::<u64>(),
    ) {
        let ctx = Context::builder().threads(1).build().unwrap();
        let mut weights = weights;
        weights.push(0.5);
        let parts = ctx.range_in(0..n, partitions).random_split(&weights, seed).unwrap();
        let mut rows = ctx.union(&parts).collect().unwrap();
        rows.sort_unstable();
        prop_assert_eq!(rows, (0..n).collect::<Vec<_>>());
    }
}
