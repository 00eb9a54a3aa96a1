//! What a value must be able to do to live in a partition, and to leave it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that may live in a partition. Implemented for everything that qualifies.
pub trait Data: Clone + Send + Sync + 'static {}

impl<T: Clone + Send + Sync + 'static> Data for T {}

/// A value that may also move between ranks or to disk. Implemented for everything that has
/// serde's two traits; there is nothing to implement by hand.
pub trait Wire: Data + Serialize + DeserializeOwned {}

impl<T: Data + Serialize + DeserializeOwned> Wire for T {}
