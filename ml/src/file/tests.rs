use firesteel_core::testing::on_ranks;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::format::{MAGIC, PREFIX};
use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Body {
    names: Vec<String>,
    tol: f64,
}

fn saved() -> Saved {
    let body = Body { names: vec!["a \"b\"".into(), "é".into()], tol: 0.1 };
    let special =
        vec![0.1, -0.0, f64::INFINITY, f64::from_bits(0x7ff8_0000_dead_beef), 5e-324, 3.0];
    Saved::new("thing", &body)
        .and_then(|saved| saved.with("w", &[2, 3], special))
        .and_then(|saved| saved.with("bytes", &[3], vec![1_u8, 2, 3]))
        .and_then(|saved| saved.with("none", &[0], Vec::<i64>::new()))
        .and_then(|saved| saved.with("u", &[1], vec![7_u32]))
        .unwrap()
}

/// The bytes with a checksum that fits them: only the checks behind it are left.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

fn problem(bytes: &[u8]) -> String {
    match Saved::from_bytes("m.fsm", bytes) {
        Err(Error::ModelFile { file, message }) if file == "m.fsm" => message,
        other => panic!("{other:?}"),
    }
}

/// A file with another header.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = saved().to_bytes()[..PREFIX].to_vec();
    bytes[24..32].copy_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(data);
    bytes.extend([0; 4]);
    let len = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&len.to_le_bytes());
    sealed(bytes)
}

#[test]
fn a_model_comes_back_to_the_bit_and_writes_the_same_bytes_again() {
    let bytes = saved().to_bytes();
    let back = Saved::from_bytes("m.fsm", &bytes).unwrap();
    assert_eq!(back.to_bytes(), bytes);
    assert_eq!(back.body::<Body>().unwrap(), saved().body::<Body>().unwrap());
    let bits = |saved: &Saved| {
        let (_, _, values) = saved.matrix::<f64>("w").unwrap();
        values.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(&back), bits(&saved()));
    assert_eq!(back.vector::<u8>("bytes").unwrap(), [1, 2, 3]);
    assert!(back.vector::<i64>("none").unwrap().is_empty());
}

#[test]
fn what_is_not_there_is_named() {
    let saved = saved();
    let text = |error: Error| error.to_string();
    assert!(text(saved.vector::<f64>("x").unwrap_err()).contains("no array `x`"));
    assert!(text(saved.vector::<f32>("w").unwrap_err()).contains("has the type f64"));
    assert!(text(saved.vector::<f64>("w").unwrap_err()).contains("shape [2, 3]"));
    assert!(text(saved.expect_kind("other").unwrap_err()).contains("holds a `thing`"));
    assert!(text(saved.body::<u8>().unwrap_err()).contains("parameters of the thing"));
    assert!(saved.clone().with("w", &[1], vec![1.0]).is_err());
    assert!(saved.with("v", &[2], vec![1.0]).is_err());
}

#[test]
fn files_that_are_none_say_what_is_wrong() {
    let good = saved().to_bytes();
    assert_eq!(problem(b""), "is empty");
    assert_eq!(problem(b"age,race\n1,2\n"), "is not a Firesteel model file");
    assert_eq!(problem(&MAGIC[..5]), "is cut short: 5 bytes are less than a model file has");
    let cut = good.len() - 9;
    let expected = format!("is cut short: {cut} of its {} bytes are there", good.len());
    assert_eq!(problem(&good[..cut]), expected);
    let mut later = good.clone();
    later[8] = 7;
    assert_eq!(problem(&later), "has the format version 7; this program reads 1");
    let mut flipped = good.clone();
    flipped[PREFIX + 3] ^= 1;
    assert_eq!(problem(&flipped), "is damaged: its checksum does not match");
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(problem(&longer), "has 1 bytes after its end");
    for absurd in [u64::MAX, u64::MAX - 7, 1 << 40, good.len() as u64] {
        let mut bytes = good.clone();
        bytes[24..32].copy_from_slice(&absurd.to_le_bytes());
        assert!(problem(&sealed(bytes)).contains("is damaged: a header of"), "{absurd}");
    }
}

#[test]
fn hostile_headers_say_what_is_wrong() {
    let header = |arrays: &str| format!(r#"{{"kind":"k","body":1,"arrays":[{arrays}]}}"#);
    let wrong = |arrays: &str, data: &[u8]| problem(&with_header(&header(arrays), data));
    let huge = r#"{"name":"a","dtype":"f64","shape":[1152921504606846976,16],"offset":0}"#;
    assert!(wrong(huge, &[]).contains("in 0 bytes"));
    let one = r#"{"name":"a","dtype":"f64","shape":[2],"offset":0}"#;
    assert!(wrong(one, &[0; 8]).contains("in 8 bytes"));
    let empty_but_huge = r#"{"name":"a","dtype":"u8","shape":[0,18446744073709551615],"offset":0}"#;
    assert!(wrong(empty_but_huge, &[]).contains("in 0 bytes"));
    let elsewhere = r#"{"name":"a","dtype":"f64","shape":[1],"offset":8}"#;
    assert!(wrong(elsewhere, &[0; 16]).contains("at offset 8, expected 0"));
    let strange = r#"{"name":"a","dtype":"f16","shape":[1],"offset":0}"#;
    assert!(wrong(strange, &[0; 8]).contains("unknown type"));
    let twice = r#"{"name":"a","dtype":"f64","shape":[0],"offset":0}"#;
    assert!(wrong(&format!("{twice},{twice}"), &[]).contains("two arrays"));
    assert!(wrong("", &[0; 8]).contains("belong to no array"));
    let padded = r#"{"name":"a","dtype":"u8","shape":[1],"offset":0}"#;
    assert!(wrong(padded, &[1, 0, 0, 9, 0, 0, 0, 0]).contains("not empty"));
    assert!(problem(&with_header("{", &[])).contains("header"));
    assert!(problem(&with_header(&"[".repeat(100_000), &[])).contains("header"));
}

#[test]
fn the_root_writes_and_all_ranks_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/m.fsm");
    for outcome in on_ranks(3, |ctx| saved().save(ctx, &path)) {
        outcome.unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), saved().to_bytes());
    assert_eq!(Saved::read(&path).unwrap().to_bytes(), saved().to_bytes());
    let below = path.join("file/below.fsm");
    for outcome in on_ranks(2, |ctx| saved().save(ctx, &below)) {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Core(firesteel_core::Error::File { .. })), "{error}");
    }
    assert!(Saved::read(folder.path()).unwrap_err().to_string().contains("is a folder"));
    assert!(Saved::read(folder.path().join("gone")).is_err());
}

#[test]
fn every_shortened_file_and_every_flipped_bit_is_noticed() {
    let bytes = saved().to_bytes();
    for len in 0..bytes.len() {
        problem(&bytes[..len]);
    }
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        problem(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_forged_file_is_an_error_or_a_model(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = saved().to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(saved) = Saved::from_bytes("m.fsm", &sealed(bytes)) {
            let _ = (saved.body::<Body>(), saved.matrix::<f64>("w"), saved.to_bytes());
        }
    }

    #[test]
    fn random_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        problem(&bytes);
    }
}
