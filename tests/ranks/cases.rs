//! The cases of law 2: one list of programs, which any launcher of ranks can run.
//!
//! Each takes a context and returns bytes; the bytes must not depend on ranks, threads or memory.
//! The numbers are such that another order or bracketing of a sum gives other bits.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Mutex;

use firesteel_core::storage::write_atomic;
use firesteel_core::{Context, Dataset, Error, Result, StorageLevel};

use crate::support::{Bits, bits};

/// A program whose result is the same everywhere.
pub(crate) type Case = (&'static str, fn(&Context) -> Vec<u8>);

/// All cases.
pub(crate) const CASES: &[Case] = &[
    ("sum", |ctx| done(floats(ctx, 16).sum())),
    ("sum of one partition", |ctx| done(floats(ctx, 1).sum())),
    ("sum with more partitions than rows", |ctx| {
        done(ctx.parallelize_in(vec![1e16, 1.0, -1e16], 16).sum())
    }),
    ("sum in default partitions", |ctx| done(ctx.range(0..200_000).map(|i| term(i) / 3.0).sum())),
    ("reduce", |ctx| done(floats(ctx, 16).reduce(|a, b| a * 0.999 + b))),
    ("reduce of nothing", |ctx| done(floats(ctx, 16).filter(|_| false).reduce(|a, b| a + b))),
    ("fold", |ctx| done(floats(ctx, 5).fold(0.0, |a, b| a + b))),
    ("aggregate", |ctx| {
        let add = |(sum, n): (f64, u64), x: &f64| (sum + x, n + 1);
        done(floats(ctx, 7).aggregate((0.0, 0), add, |a, b| (a.0 + b.0, a.1 + b.1)))
    }),
    ("tree_aggregate", |ctx| {
        done(floats(ctx, 13).tree_aggregate(
            Vec::new(),
            |mut all: Vec<f64>, x| {
                all.push(*x);
                all
            },
            |a, b| vec![a.iter().sum::<f64>() * 0.5, b.iter().sum()],
        ))
    }),
    ("tree_aggregate into a hash map", |ctx| {
        let sums = words(ctx, 9).tree_aggregate(
            HashMap::new(),
            |mut sums: HashMap<String, f64>, (word, x)| {
                *sums.entry(word.clone()).or_default() += x;
                sums
            },
            |mut a, b| {
                for (word, x) in b.into_iter().collect::<BTreeMap<_, _>>() {
                    *a.entry(word).or_default() += x;
                }
                a
            },
        );
        done(sums.map(|sums| {
            sums.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect::<Vec<_>>()
        }))
    }),
    ("try_tree_aggregate", |ctx| {
        let add = |sum: f64, x: &f64| Ok::<_, Error>(sum + x);
        done(floats(ctx, 6).try_tree_aggregate(0.0, add, |a, b| a + b))
    }),
    ("count", |ctx| done(floats(ctx, 16).filter(|x| *x > 0.0).count())),
    ("collect", |ctx| done(floats(ctx, 16).collect())),
    ("collect of strings", |ctx| done(words(ctx, 16).collect())),
    ("take", |ctx| {
        let rows = floats(ctx, 16).filter(|x| *x < 0.0);
        done([0, 1, 5, 40, 100_000].into_iter().map(|n| rows.take(n)).collect::<Result<Vec<_>>>())
    }),
    ("first", |ctx| done(floats(ctx, 16).filter(|x| x.fract() != 0.0).first())),
    ("top", |ctx| {
        let keyed = words(ctx, 11).map(|(word, x)| (word, x.to_bits()));
        done([0, 1, 7, 5_000].into_iter().map(|n| keyed.top(n)).collect::<Result<Vec<_>>>())
    }),
    ("for_each", |ctx| {
        // Each rank sees its own rows; what they all saw is counted over the ranks.
        let seen = Mutex::new(0_u64);
        floats(ctx, 16).for_each(|x| *seen.lock().unwrap() += x.to_bits() >> 40).unwrap();
        let seen = seen.into_inner().unwrap();
        let ranks = ctx.parallelize_in(vec![(); ctx.ranks()], ctx.ranks());
        done(ranks.map(move |()| seen).reduce(|a, b| a + b))
    }),
    ("visit", |ctx| {
        let mut sum = 0.0;
        let visited = floats(ctx, 16).visit(|x| {
            sum = sum * 0.99 + x;
            Ok::<_, Error>(())
        });
        visited.unwrap();
        done(ctx.on_root(|| Ok::<_, Error>(sum)))
    }),
    ("map and filter", |ctx| done(floats(ctx, 16).map(|x| x / 3.0).filter(|x| *x > 1.0).sum())),
    ("map_ref and try_map", |ctx| {
        let text = floats(ctx, 4).map_ref(|x| format!("{x:e}"));
        done(text.try_map(|text| text.parse::<f64>()).collect())
    }),
    ("key_by", |ctx| done(floats(ctx, 4).key_by(|x| x.abs().to_bits() % 7).collect())),
    ("flat_map", |ctx| {
        let repeated =
            floats(ctx, 16).flat_map(|x| (0..x.to_bits() % 4).map(move |i| x / i as f64));
        done(repeated.collect())
    }),
    ("map_partitions", |ctx| {
        done(floats(ctx, 16).map_partitions(|rows| [rows.fold(0.5, |a, b| a / 2.0 + b)]).collect())
    }),
    ("map_partitions_with_index", |ctx| {
        let numbered =
            floats(ctx, 5).map_partitions_with_index(|p, rows| rows.map(move |x| (p, x)));
        done(numbered.collect())
    }),
    ("try_map_partitions_with_index", |ctx| {
        let halves = floats(ctx, 5)
            .try_map_partitions_with_index(|p, rows| Ok::<_, Error>(rows.skip(p).step_by(2)));
        done(halves.collect())
    }),
    ("union of other homes", |ctx| {
        let many = floats(ctx, 16);
        let few = floats(ctx, 3).map(|x| x * 1.5);
        let one = ctx.parallelize(vec![0.1, 0.2]);
        let all = many.union(&few).union(&one).union(&many);
        done(all.sum().and_then(|sum| Ok((sum, all.collect()?))))
    }),
    ("a partition has one number, under a union too", |ctx| {
        let numbered =
            floats(ctx, 5).map_partitions_with_index(|p, rows| rows.map(move |x| (p, x)));
        done(ctx.union(&[numbered.clone(), numbered.clone(), numbered]).collect())
    }),
    ("zip_with_index", |ctx| done(floats(ctx, 16).filter(|x| *x > 0.0).zip_with_index().collect())),
    ("zip_with_index of a union", |ctx| {
        let uneven = floats(ctx, 16).filter(|x| x.fract() != 0.0);
        done(uneven.union(&floats(ctx, 3)).zip_with_index().filter(|(_, i)| i % 7 == 0).collect())
    }),
    ("sample", |ctx| done(floats(ctx, 16).sample(0.3, 7).unwrap().sum())),
    ("random_split", |ctx| {
        let parts = floats(ctx, 16).random_split(&[0.5, 0.2, 0.3], 11).unwrap();
        done(parts.iter().map(Dataset::sum).collect::<Result<Vec<_>>>())
    }),
    ("sample under a union", |ctx| {
        let sampled = floats(ctx, 5).sample(0.5, 3).unwrap();
        done(floats(ctx, 2).union(&sampled).collect())
    }),
    ("reduce_by_key", |ctx| done(words(ctx, 16).reduce_by_key(|a, b| a + b).collect())),
    ("reduce_by_key of numbers over a union", |ctx| {
        let pairs = floats(ctx, 16).union(&floats(ctx, 3)).map(|x| (x.abs().to_bits() % 10, x));
        done(pairs.reduce_by_key(|a, b| a + b).collect())
    }),
    ("sort_by with equal keys", |ctx| {
        let numbered = words(ctx, 16).zip_with_index();
        done(numbered.sort_by(|((word, _), _)| word.clone()).map(|((w, x), i)| (w, x, i)).collect())
    }),
    ("sort_by of nearly equal keys", |ctx| {
        done(floats(ctx, 16).sort_by(|x| u8::from(*x > 0.0)).collect())
    }),
    ("sum of sorted rows", |ctx| done(floats(ctx, 16).sort_by(|x| x.abs().to_bits()).sum())),
    ("recut", |ctx| {
        let blocks = floats(ctx, 16).map_partitions(|rows| [rows.collect::<Vec<f64>>()]);
        let cut = blocks.recut(Vec::len, |block, range| block[range].to_vec(), |n| n / 7 + 1);
        let cut = cut.unwrap().map_partitions(|blocks| [blocks.flatten().sum::<f64>()]);
        done(cut.collect())
    }),
    ("recut of empty blocks", |ctx| {
        let blocks = ctx.parallelize_in(vec![Vec::<f64>::new(); 5], 5);
        let cut = blocks.recut(Vec::len, |block, range| block[range].to_vec(), |_| 3).unwrap();
        done(cut.collect())
    }),
    ("cache", |ctx| {
        let kept = words(ctx, 16).map(|(word, x)| (word, x / 3.0)).cache();
        let total = |kept: &Dataset<(String, f64)>| kept.map(|(_, x)| x).sum();
        done(total(&kept).and_then(|first| Ok((first, total(&kept)?, kept.collect()?))))
    }),
    ("persist on disk", |ctx| {
        let kept = floats(ctx, 16).map(|x| x / 7.0).persist(StorageLevel::Disk);
        done(kept.sum().and_then(|first| Ok((first, kept.sum()?))))
    }),
    ("cache_sized", |ctx| {
        let blocks = floats(ctx, 16).map_partitions(|rows| [rows.collect::<Vec<f64>>()]);
        done(blocks.cache_sized(|block| block.len() * 8).map(|block| block.iter().sum()).sum())
    }),
    ("stage upon stage", |ctx| {
        let sums = words(ctx, 16).cache().reduce_by_key(|a, b| a + b);
        let ranked = sums.sort_by(|(_, x)| x.to_bits()).zip_with_index();
        let again = ranked.map(|((word, x), i)| (format!("{} {}", i % 3, word.len()), x));
        done(again.union(&sums).reduce_by_key(|a, b| a - b).collect())
    }),
    ("generate", |ctx| {
        let stairs = |p: usize| Ok((0..p * 100).map(move |i| Ok::<_, Error>(term((p + i) as u64))));
        done(ctx.generate("stairs", 9, stairs).sum())
    }),
    ("broadcast", |ctx| {
        let scale =
            ctx.broadcast((0..10).map(|i| 1.0 / (f64::from(i) + 1.0)).collect::<Vec<f64>>());
        let scale = scale.unwrap();
        done(floats(ctx, 16).map(move |x| x * scale[(x.to_bits() % 10) as usize]).sum())
    }),
    ("text_file", |ctx| {
        with_file(ctx, "a.txt", &text(), |path| done(ctx.text_file(path).and_then(|l| l.collect())))
    }),
    ("text_file of gzip", |ctx| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text()).unwrap();
        with_file(ctx, "a.txt.gz", &gzip.finish().unwrap(), |path| {
            let lines = ctx.text_file(path).unwrap().zip_with_index();
            let pairs = lines.map(|(line, i)| (line.len() as u64, i as f64 + 0.1));
            done(pairs.reduce_by_key(|a, b| a * 0.5 + b).collect())
        })
    }),
    ("nothing at all", |ctx| {
        let none = ctx.parallelize(Vec::<(String, f64)>::new());
        let sums = none.reduce_by_key(|a, b| a + b).sort_by(|(word, _)| word.clone());
        done(sums.zip_with_index().count().and_then(|n| Ok((n, ctx.union::<f64>(&[]).collect()?))))
    }),
];

pub(super) fn done<R: Bits>(result: Result<R>) -> Vec<u8> {
    bits(&result.unwrap_or_else(|error| panic!("{error}")))
}

/// Large terms that cancel and small ones that another order would lose.
fn term(i: u64) -> f64 {
    match i % 3 {
        0 => 1e16 + (i / 3 % 5) as f64 * 2.0,
        1 => 1.0 + i as f64 * 0.1,
        _ => -1e16 - (i / 3 % 4) as f64 * 2.0,
    }
}

pub(super) fn floats(ctx: &Context, partitions: usize) -> Dataset<f64> {
    ctx.range_in(0..5_000, partitions).map(term)
}

pub(super) fn words(ctx: &Context, partitions: usize) -> Dataset<(String, f64)> {
    const WORDS: [&str; 7] = ["steel", "fire", "", "flint", "ember", "spark", "tinder box"];
    ctx.range_in(0..3_000, partitions).map(|i| (WORDS[(i * i % 7) as usize].to_owned(), term(i)))
}

/// Some nine million bytes: three splits, with lines of many lengths and both kinds of ends.
fn text() -> Vec<u8> {
    let mut text = Vec::new();
    for i in 0_u64.. {
        let line = "steel and fire ".repeat((i * i % 11) as usize * 20);
        let end = if i.is_multiple_of(3) { "\r\n" } else { "\n" };
        text.extend_from_slice(format!("{i} {line}{end}").as_bytes());
        if text.len() > 9_000_000 {
            break;
        }
    }
    text.extend_from_slice(b"the last line has no end");
    text
}

/// Has the root write a file, which all ranks then use.
pub(super) fn with_file<R>(
    ctx: &Context,
    name: &str,
    bytes: &[u8],
    use_it: impl FnOnce(&str) -> R,
) -> R {
    let write = || {
        let path = tempfile::tempdir()?.keep().join(name);
        write_atomic(&path, |out| out.write_all(bytes))?;
        Ok::<_, Box<dyn std::error::Error>>(path.to_string_lossy().into_owned())
    };
    let path = ctx.on_root(write).unwrap();
    let result = use_it(&path);
    let folder = std::path::Path::new(&path).parent().unwrap();
    ctx.on_root(|| std::fs::remove_dir_all(folder)).unwrap();
    result
}
