//! Chunks: what flows through a chain of operators.
//!
//! Operators are type-erased, but work on some thousand elements at a time: one virtual call and
//! one downcast a chunk, a monomorphic loop inside. A chunk is owned, or a window of a shared
//! (kept) partition; what only looks at elements never clones them.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use crate::counters::Evaluation;
use crate::data::Data;
use crate::error::Result;
use crate::job::{Call, Task, entering, entering_for};

/// Elements a chunk, unless an operator has a reason for another number. 2048 numbers of eight
/// bytes fill half of a first-level cache.
pub(crate) const CHUNK: usize = 2048;

/// Elements a chunk where they are made one by one: fewer if they have memory of their own, and what
/// comes out of them may be many times as much.
pub(crate) const fn made_at_a_time<T>() -> usize {
    if std::mem::needs_drop::<T>() { CHUNK / 8 } else { CHUNK }
}

/// A piece of a partition.
pub(crate) enum Chunk<T> {
    Owned(Vec<T>),
    Shared(Arc<Vec<T>>, Range<usize>),
}

/// A [`Chunk`] whose type is known to the operators on both sides of it.
pub(crate) type AnyChunk = Box<dyn Any + Send>;

/// A partition's chunks, pulled one after the other.
pub(crate) trait Stream: Send {
    fn next(&mut self) -> Result<Option<AnyChunk>>;

    /// The same for whoever only looks at rows and writes none: kept rows may come a whole block at a
    /// time, which saves what a chunk costs.
    fn next_large(&mut self) -> Result<Option<AnyChunk>> {
        self.next()
    }
}

impl<T: Data> Chunk<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(rows) => rows,
            Self::Shared(rows, range) => &rows[range.clone()],
        }
    }

    /// The elements by value: cloned only if the chunk is shared.
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::Owned(rows) => rows,
            Self::Shared(rows, range) => rows[range].to_vec(),
        }
    }

    pub(crate) fn erased(self) -> AnyChunk {
        Box::new(self)
    }

    pub(crate) fn from_erased(chunk: AnyChunk) -> Self {
        *chunk.downcast().expect("an operator is built on a parent of its own element type")
    }
}

/// Reads a stream of known type, for one operator or action: what panics between two chunks is
/// its closure.
pub(crate) struct Typed<T> {
    stream: Box<dyn Stream>,
    reader: Call,
    evaluation: Option<Evaluation>,
    /// The task whose rows are counted.
    task: Option<Arc<Task>>,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: Data> Typed<T> {
    pub(crate) fn new(stream: Box<dyn Stream>, reader: Call) -> Self {
        Self { stream, reader, evaluation: None, task: None, item: std::marker::PhantomData }
    }

    /// For a stage or an action, which counts the rows that it reads.
    pub(crate) fn counted(stream: Box<dyn Stream>, reader: Call, task: &Arc<Task>) -> Self {
        Self { task: Some(Arc::clone(task)), ..Self::new(stream, reader) }
    }

    /// For the closure of one evaluation of an operator.
    pub(crate) fn of(stream: Box<dyn Stream>, reader: Call, evaluation: Evaluation) -> Self {
        Self { evaluation: Some(evaluation), ..Self::new(stream, reader) }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Chunk<T>>> {
        let chunk = self.stream.next();
        self.seen(chunk)
    }

    /// [`next`](Self::next) for whoever only looks at the rows; see [`Stream::next_large`].
    pub(crate) fn next_large(&mut self) -> Result<Option<Chunk<T>>> {
        let chunk = self.stream.next_large();
        self.seen(chunk)
    }

    fn seen(&self, chunk: Result<Option<AnyChunk>>) -> Result<Option<Chunk<T>>> {
        match self.evaluation {
            None => entering(self.reader),
            Some(evaluation) => entering_for(self.reader, evaluation),
        }
        let chunk = chunk?.map(Chunk::<T>::from_erased);
        if let (Some(task), Some(chunk)) = (&self.task, &chunk) {
            task.has_read(chunk.as_slice().len());
        }
        Ok(chunk)
    }

    /// All that is left, in one vector.
    pub(crate) fn into_rows(mut self) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        while let Some(chunk) = self.next()? {
            match chunk {
                Chunk::Owned(mut owned) if rows.is_empty() => std::mem::swap(&mut rows, &mut owned),
                Chunk::Owned(mut owned) => rows.append(&mut owned),
                Chunk::Shared(shared, range) => rows.extend_from_slice(&shared[range]),
            }
        }
        Ok(rows)
    }
}

/// A kept partition as a stream of windows.
pub(crate) struct Windows<T> {
    rows: Arc<Vec<T>>,
    next: usize,
    end: usize,
}

impl<T> Windows<T> {
    pub(crate) fn new(rows: Arc<Vec<T>>) -> Self {
        let end = rows.len();
        Self { rows, next: 0, end }
    }

    /// Only the rows in `range`.
    pub(crate) fn of_range(rows: Arc<Vec<T>>, range: Range<usize>) -> Self {
        Self { rows, next: range.start, end: range.end }
    }
}

impl<T> Windows<T> {
    /// The next window, of so many rows at most.
    pub(crate) fn next_range(&mut self, most: usize) -> Option<Chunk<T>> {
        if self.next >= self.end {
            return None;
        }
        let end = self.end.min(self.next.saturating_add(most));
        let chunk = Chunk::Shared(Arc::clone(&self.rows), self.next..end);
        self.next = end;
        Some(chunk)
    }
}

impl<T: Data> Stream for Windows<T> {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        Ok(self.next_range(CHUNK).map(Chunk::erased))
    }

    fn next_large(&mut self) -> Result<Option<AnyChunk>> {
        Ok(self.next_range(usize::MAX).map(Chunk::erased))
    }
}

/// Chunks that were computed before, as a stream.
pub(crate) struct Ready(pub(crate) std::vec::IntoIter<AnyChunk>);

impl Stream for Ready {
    fn next(&mut self) -> Result<Option<AnyChunk>> {
        Ok(self.0.next())
    }
}
