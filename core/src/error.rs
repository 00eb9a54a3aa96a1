//! What can go wrong, and whose fault it is.
//!
//! An error may be born on one rank and must be returned by all of them (law 3), so it is a plain
//! value: it clones, compares, and travels as bytes. A foreign error from a user's closure is kept
//! as its message, with the operator and the partition it came from.

use std::fmt;
use std::io;
use std::panic::Location;

use serde::{Deserialize, Serialize};

/// The result of anything that can fail in the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in the user's program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Site {
    /// Source file, as the compiler names it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl From<&Location<'_>> for Site {
    fn from(at: &Location<'_>) -> Self {
        Self { file: at.file().to_owned(), line: at.line(), column: at.column() }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where a rank is in its program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// The rank.
    pub rank: usize,
    /// Its action.
    pub operator: String,
    /// Where it called the action.
    pub site: Site,
    /// How many times it has met the others.
    pub number: u64,
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, operator, site, number } = self;
        write!(f, "rank {rank} is in {operator} at {site} (meeting {number})")
    }
}

/// Everything the core reports. The same value is returned on every rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A record that cannot be read.
    #[error("{file}, line {line}, column `{column}`: expected {expected}, found {value:?}")]
    BadRecord {
        /// The file, or what stands for one.
        file: String,
        /// Line of the record's first byte, from 1.
        line: u64,
        /// Name of the column, or its number where it has no name.
        column: String,
        /// What was found, shortened to a readable length.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// A file or folder that is missing, unreadable, unwritable, cut short or damaged.
    #[error("{file}: {message}")]
    File {
        /// The path or URL.
        file: String,
        /// What is wrong with it.
        message: String,
        /// Whether it may be gone at the next attempt; see [`Error::may_pass`].
        transient: bool,
    },
    /// A parameter outside its range.
    #[error("parameter `{name}` must be {expected}, got {value}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// The value that came.
        value: String,
        /// The values that are allowed.
        expected: String,
    },
    /// A value inside the data that an operation cannot take.
    #[error("{operation}: row {row}, column `{column}`: expected {expected}, found {value}")]
    BadValue {
        /// The operation or expression that met the value.
        operation: String,
        /// Row number, from 0, counted as `operation` says.
        row: u64,
        /// Name of the column.
        column: String,
        /// The value that was found.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// A user's closure returned an error.
    #[error("{operator} at {site} failed{}: {message}", in_partition(*partition))]
    Task {
        /// The operator whose closure failed.
        operator: String,
        /// Where the operator was called.
        site: Site,
        /// The partition it worked on; none where the action itself ran the closure.
        partition: Option<usize>,
        /// The error's own message, causes included.
        message: String,
    },
    /// A user's closure panicked.
    #[error("{operator} at {site} panicked{}: {message}", in_partition(*partition))]
    Panic {
        /// The operator whose closure panicked.
        operator: String,
        /// Where the operator was called.
        site: Site,
        /// The partition it worked on; none where partial results were merged.
        partition: Option<usize>,
        /// The panic's message.
        message: String,
    },
    /// An action was called inside a task.
    #[error(
        "action {operator} at {site} was called inside a task; collect what it needs before the \
         job, or broadcast it"
    )]
    ActionInTask {
        /// The action.
        operator: String,
        /// Where it was called.
        site: Site,
    },
    /// A second thread called an action while another one was running.
    #[error(
        "action {operator} at {site} was called while {running} runs on another thread; actions \
         of one context run one after the other; a branch runs beside it"
    )]
    ConcurrentAction {
        /// The action that was refused.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The action that is running.
        running: String,
    },
    /// The action was stopped by a [`Canceller`](crate::Canceller).
    #[error("{operator} at {site} was cancelled")]
    Cancelled {
        /// The action, or the operator that was being computed.
        operator: String,
        /// Where it was called.
        site: Site,
    },
    /// On several ranks, a branch met a stage of another branch that is not computed yet.
    #[error(
        "{operator} at {site} needs {stage}, which was made on another branch and is not computed \
         yet; run an action on it there before"
    )]
    StageOfAnotherBranch {
        /// The action.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The operator whose result is missing, and where it was called.
        stage: String,
    },
    /// Two ranks were found at different places of the program.
    #[error("ranks have parted: {here}, {there}")]
    Diverged {
        /// Where rank 0 is.
        here: Box<Whereabouts>,
        /// Where the first rank is that is elsewhere.
        there: Box<Whereabouts>,
    },
    /// All ranks called the same action and came to different results.
    #[error(
        "ranks have parted: {operator} at {site} gave another result on rank {other_rank} than on \
         rank 0; a closure depends on something that differs between ranks"
    )]
    ResultsDiffer {
        /// The action.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The first rank whose result differs.
        other_rank: usize,
    },
    /// All ranks called the same action, but on datasets or with parameters that differ.
    #[error(
        "ranks have parted: {operator} at {site} runs on something else on rank {other_rank} than \
         on rank 0; numbers of rows and partitions, files and parameters must be the same on all"
    )]
    PlansDiffer {
        /// The action.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The first rank whose plan differs.
        other_rank: usize,
    },
    /// A rank ended or was lost while others waited for it.
    #[error("rank {rank} has left while {operator} at {site} waited for it: {message}")]
    RankLost {
        /// The rank that is gone.
        rank: usize,
        /// The action that waited.
        operator: String,
        /// Where it was called.
        site: Site,
        /// What is known of the reason.
        message: String,
    },
    /// Two partitions whose rows were to be paired have different numbers of them.
    #[error(
        "{operator} at {site}: partition {partition} has {here} rows here and {there} in the other \
         dataset"
    )]
    UnequalPartitions {
        /// The operator.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The partition.
        partition: usize,
        /// Rows of the first dataset.
        here: u64,
        /// Rows of the other.
        there: u64,
    },
    /// Rows that came into a shuffle did not all come out of it, or came twice.
    ///
    /// It tells of a fault in Firesteel or below it, never of one in the program. (What a checkpoint or
    /// an object file lost is [`Error::Damaged`], which names the file and both numbers.)
    #[error(
        "{operator} at {site} lost rows on their way to partition {partition}: {written} were \
         written, {read} came"
    )]
    RowsLost {
        /// The operator.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The output partition; the first of the input partitions if they were lost before they were
        /// dealt out.
        partition: usize,
        /// Rows that were written for it.
        written: u64,
        /// Rows that came.
        read: u64,
    },
    /// Kept rows were lost, or their block is damaged, and what is computed anew in their place has
    /// another number of rows: a closure depends on more than its input.
    #[error(
        "{operator} at {site}: partition {partition} had {kept} rows at first and has {anew} now that \
         it is computed anew; what it is computed from does not give the same rows each time"
    )]
    NotRepeatable {
        /// The cache.
        operator: String,
        /// Where it was called.
        site: Site,
        /// The partition.
        partition: usize,
        /// Rows that were kept.
        kept: u64,
        /// Rows that came when it was computed anew; if there were more than before, those that had
        /// come when that was seen.
        anew: u64,
    },
    /// The machines of a cluster would not give the same bits.
    #[error("rank {other_rank} differs from rank 0 in {what}: {other} against {here}")]
    MixedWorld {
        /// What differs (instruction set, version, seed).
        what: String,
        /// Rank 0's value.
        here: String,
        /// The other rank's number.
        other_rank: usize,
        /// The other rank's value.
        other: String,
    },
    /// An action that needs at least one row met none.
    #[error("{operator} at {site} needs at least one row")]
    Empty {
        /// The action.
        operator: String,
        /// Where it was called.
        site: Site,
    },
    /// Bytes from another rank or from disk that cannot be what was written.
    #[error("damaged {what}: {message}")]
    Damaged {
        /// What was read.
        what: String,
        /// How it shows.
        message: String,
    },
    /// A fault inside a crate above the core, already put into words, tagged with its kind so
    /// that the crate can give it its own type again on every rank.
    #[error("{message}")]
    Foreign {
        /// The crate and kind of error, e.g. `table/unknown-column`.
        kind: String,
        /// The whole message.
        message: String,
    },
}

fn in_partition(partition: Option<usize>) -> String {
    partition.map(|p| format!(" in partition {p}")).unwrap_or_default()
}

impl Error {
    /// A file error from an I/O error, or from words.
    ///
    /// Of an [`io::Error`] it is noted whether it [may pass](Self::may_pass).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Error as IoError, ErrorKind};
    ///
    /// use firesteel_core::Error;
    ///
    /// assert!(Error::file("a.csv", IoError::from(ErrorKind::TimedOut)).may_pass());
    /// assert!(!Error::file("a.csv", IoError::from(ErrorKind::NotFound)).may_pass());
    /// assert!(!Error::file("a.csv", "timed out").may_pass());
    /// ```
    pub fn file(file: impl Into<String>, error: impl fmt::Display + 'static) -> Self {
        let any: &dyn std::any::Any = &error;
        let transient = any.downcast_ref::<io::Error>().is_some_and(passes);
        Self::File { file: file.into(), message: error.to_string(), transient }
    }

    /// Whether a second attempt may go well: true of input and output that was interrupted, timed
    /// out or lost its connection, of a device that was busy or failed, of too many open files.
    ///
    /// A task that fails so is run again, as often as
    /// [`Builder::task_retries`](crate::Builder::task_retries) says. Panics, errors of closures,
    /// damaged data, missing files and full disks do not pass.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::File { transient: true, .. })
    }

    /// A parameter error.
    pub fn parameter(
        name: impl Into<String>,
        value: impl fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Parameter { name: name.into(), value: value.to_string(), expected: expected.into() }
    }
}

/// Whether an I/O error may be gone at the next attempt.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    let kind_passes = matches!(
        error.kind(),
        Interrupted
            | TimedOut
            | WouldBlock
            | ConnectionRefused
            | ConnectionReset
            | ConnectionAborted
            | NotConnected
            | BrokenPipe
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
            | StaleNetworkFileHandle
            | ResourceBusy
    );
    // Kinds that the standard library does not name: a device's fault, too many open files here
    // or in the whole system. On Unix these numbers are the same everywhere.
    kind_passes || (cfg!(unix) && matches!(error.raw_os_error(), Some(5 | 23 | 24)))
}

/// What a fallible closure may return as its error: anything that can be displayed.
///
/// A core [`Error`] passes through unchanged, so that it keeps its type on every rank; of
/// anything else (a `String`, a boxed error, an error type of the user's) the message is kept.
#[derive(Debug)]
pub struct TaskFailure(pub(crate) Failure);

#[derive(Debug)]
pub(crate) enum Failure {
    Typed(Error),
    Message(String),
}

impl<E: fmt::Display + 'static> From<E> for TaskFailure {
    fn from(error: E) -> Self {
        let any: &dyn std::any::Any = &error;
        match any.downcast_ref::<Error>() {
            Some(typed) => Self(Failure::Typed(typed.clone())),
            // The alternate form prints the causes too, for error types that know them.
            None => Self(Failure::Message(format!("{error:#}"))),
        }
    }
}
