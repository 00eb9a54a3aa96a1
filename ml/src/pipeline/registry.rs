//! Stages by the name of their kind, so that a file can be read whose stages are not known when
//! the program is compiled.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::stage::{FittedStage, Loadable};
use crate::error::{Error, Result};
use crate::file::Saved;
use crate::{classification, feature};

type Load = fn(&Saved) -> Result<Box<dyn FittedStage>>;

#[derive(Clone, Copy)]
struct Entry {
    kind: &'static str,
    of: TypeId,
    load: Load,
}

const fn entry<T: Loadable>() -> Entry {
    fn load<T: Loadable>(saved: &Saved) -> Result<Box<dyn FittedStage>> {
        Ok(Box::new(T::from_saved(saved)?))
    }
    Entry { kind: T::KIND, of: TypeId::of::<T>(), load: load::<T> }
}

/// The stages that are always known. A new one adds one line.
const BUILT_IN: &[Entry] = &[
    entry::<feature::DeriveModel>(),
    entry::<feature::StringIndexerModel>(),
    entry::<feature::OneHotEncoderModel>(),
    entry::<feature::ImputerModel>(),
    entry::<feature::StandardScalerModel>(),
    entry::<feature::VectorAssemblerModel>(),
    entry::<feature::BucketizerModel>(),
    entry::<classification::LogisticRegressionStage>(),
];

static REGISTERED: RwLock<BTreeMap<&'static str, Entry>> = RwLock::new(BTreeMap::new());

/// Makes a stage of your own known, so that pipelines with it can be loaded. Twice is fine.
///
/// # Errors
///
/// A parameter error if another type has the same [`Loadable::KIND`].
pub fn register<T: Loadable>() -> Result<()> {
    let new = entry::<T>();
    let mut known = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    let old = BUILT_IN.iter().find(|entry| entry.kind == new.kind).or(known.get(new.kind));
    if old.is_some_and(|old| old.of != new.of) {
        return Err(Error::parameter("KIND", new.kind, "the kind of no other stage"));
    }
    known.insert(new.kind, new);
    Ok(())
}

/// Reads a stage of any known kind.
pub(super) fn load(saved: &Saved) -> Result<Box<dyn FittedStage>> {
    let kind = saved.kind();
    let built_in = BUILT_IN.iter().find(|entry| entry.kind == kind).copied();
    let known = || REGISTERED.read().unwrap_or_else(PoisonError::into_inner).get(kind).copied();
    match built_in.or_else(known) {
        Some(entry) => (entry.load)(saved),
        None => Err(saved.wrong(format!(
            "holds a stage of the kind `{kind}`, which this program does not know; a stage of \
             your own is made known by `register`"
        ))),
    }
}
