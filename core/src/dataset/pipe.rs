//! Partitions through the standard input and output of a program.

use std::fmt::{self, Display};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::marker::PhantomData;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::chunk::Stream;
use super::node::{At, Partitionwise};
use super::partitions::{Fault, iterating};
use super::{Dataset, Items, call};
use crate::counters::Evaluation;
use crate::data::Data;
use crate::error::{Error, Result, TaskFailure};
use crate::job::Task;

/// Bytes of a program's standard error that its error message keeps.
const TAIL: usize = 2048;

/// Time between two looks at whether a program's work is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// A program to send partitions through; see [`Dataset::pipe`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Pipe {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    time_limit: Option<Duration>,
}

impl Pipe {
    /// Runs `program`, found as the system finds programs; no shell is in between.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), time_limit: None }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable of the program's environment, which otherwise is that of this process.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets how long one partition may take. Default: no limit.
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..self }
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map_err(|error| Error::file(&*self.program, error))
    }

    /// Kills the program when its time is over or nobody wants its output any more, and says why.
    fn watch(&self, running: &Running, task: &Task, is_done: &Receiver<()>) -> Option<TaskFailure> {
        let begun = Instant::now();
        loop {
            let left = self.time_limit.map_or(LOOK, |limit| limit.saturating_sub(begun.elapsed()));
            if is_done.recv_timeout(left.min(LOOK)) != Err(RecvTimeoutError::Timeout) {
                return None;
            }
            if let Err(error) = task.is_wanted() {
                return running.kill().then(|| error.into());
            }
            if self.time_limit.is_some_and(|limit| begun.elapsed() >= limit) {
                let late = || format!("{self} took longer than {:?}", self.time_limit).into();
                return running.kill().then(late);
            }
        }
    }

    fn run(
        &self,
        rows: impl Iterator<Item: Display>,
        task: &Task,
    ) -> Result<Vec<String>, TaskFailure> {
        let mut child = self.spawn()?;
        let stdin = child.stdin.take().expect("standard input is piped");
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = child.stderr.take().expect("standard error is piped");
        let running = Running { child: Mutex::new(Some(child)) };
        let (done, is_done) = channel::<()>();
        std::thread::scope(|scope| {
            // Whatever happens below, a panic of the rows among it, the program ends, so that the
            // threads do.
            let guard = KillOnDrop(&running);
            let lines = scope.spawn(|| BufReader::new(stdout).split(b'\n').collect());
            let complaints = scope.spawn(|| tail(stderr));
            let watched = &running;
            let watch = scope.spawn(move || self.watch(watched, task, &is_done));
            let written = feed(stdin, rows);
            let lines: io::Result<Vec<Vec<u8>>> = lines.join().expect("reading does not panic");
            let complaints = complaints.join().expect("reading does not panic");
            let status = running.wait();
            drop(done);
            let killed = watch.join().expect("waiting does not panic");
            drop(guard);
            let named = |error: io::Error| Error::file(&*self.program, error);
            if let Some(reason) = killed {
                return Err(reason);
            }
            let status = status.map_err(named)?;
            if !status.success() {
                return Err(format!("{self} ended with {status}: {complaints}").into());
            }
            written.map_err(named)?;
            Ok(self.texts(lines.map_err(named)?)?)
        })
    }

    fn texts(&self, lines: Vec<Vec<u8>>) -> Result<Vec<String>> {
        let text = |(i, mut line): (usize, Vec<u8>)| {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            String::from_utf8(line).map_err(|error| Error::BadRecord {
                file: self.to_string(),
                line: i as u64 + 1,
                column: "line".into(),
                value: String::from_utf8_lossy(error.as_bytes()).chars().take(80).collect(),
                expected: "valid UTF-8".into(),
            })
        };
        lines.into_iter().enumerate().map(text).collect()
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))?;
        f.write_str("`")
    }
}

/// A program that runs, until it was waited for.
struct Running {
    child: Mutex<Option<Child>>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Ends the program and what it started; whether it ran still.
    fn kill(&self) -> bool {
        let mut child = self.lock();
        let Some(child) = child.as_mut() else { return false };
        #[cfg(unix)]
        if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.kill();
        true
    }

    /// Waits for the program's end. Looks again and again rather than sleep in the system, where
    /// nobody else could end the program without the risk of meeting its successor's number.
    fn wait(&self) -> io::Result<ExitStatus> {
        let mut pause = Duration::from_micros(50);
        loop {
            let mut child = self.lock();
            let status = child.as_mut().expect("it is waited for once").try_wait()?;
            if let Some(status) = status {
                *child = None;
                return Ok(status);
            }
            drop(child);
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

struct KillOnDrop<'a>(&'a Running);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if self.0.kill() {
            let _ = self.0.wait();
        }
    }
}

/// Writes the rows as lines. A program that reads no further has what it wants.
fn feed(stdin: ChildStdin, rows: impl Iterator<Item: Display>) -> io::Result<()> {
    let mut out = BufWriter::new(stdin);
    let write = || {
        for row in rows {
            writeln!(out, "{row}")?;
        }
        out.flush()
    };
    let written = write();
    // Not flushed once more when it is dropped: the program may be gone.
    drop(out.into_parts());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn tail(mut from: impl Read) -> String {
    let (mut kept, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        kept.extend_from_slice(&bytes[..len]);
        kept.drain(..kept.len().saturating_sub(TAIL));
    }
    String::from_utf8_lossy(&kept).trim_end().to_owned()
}

impl<T: Data + Display> Dataset<T> {
    /// Sends each partition's rows as lines to a process of `pipe`'s program of its own; the
    /// lines that it writes are the rows.
    ///
    /// What a foreign program makes of its input is outside of what Firesteel can promise: so the
    /// lines are kept once they are computed, as [`cache`](Self::cache) keeps them, and `take`
    /// too runs all partitions. Spark runs the program again with each action. A program that
    /// stops reading early is fine. An empty partition runs the program too.
    ///
    /// # Errors
    ///
    /// From the action: [`Error::File`] if the program cannot be started; [`Error::Task`] with the
    /// partition if it ends with a status other than 0 (the end of its standard error is in the
    /// message) or takes longer than its limit, when it is killed with the processes of its group (as
    /// it is when the job is cancelled or fails elsewhere);
    /// [`Error::BadRecord`] for a line that is not UTF-8.
    ///
    /// # Cost
    ///
    /// A process a partition, whose output is in memory until it ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use firesteel_core::dataset::Pipe;
    ///
    /// # fn main() -> firesteel_core::Result<()> {
    /// let ctx = firesteel_core::Context::local();
    /// let words = ctx.parallelize(vec!["fire", "steel"]);
    /// assert_eq!(words.pipe(Pipe::new("grep").arg("st")).collect()?, ["steel"]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn pipe(&self, pipe: Pipe) -> Dataset<String> {
        let through = Through::<T> { pipe: Arc::new(pipe), row: PhantomData };
        self.partitionwise::<String>(call("pipe"), through).cache()
    }
}

struct Through<T> {
    pipe: Arc<Pipe>,
    row: PhantomData<fn(T)>,
}

impl<T: Data + Display> Partitionwise for Through<T> {
    fn open(&self, input: Box<dyn Stream>, at: At<'_>) -> Box<dyn Stream> {
        let (evaluation, fault) = (Evaluation::new(at.node, at.partition), Fault::default());
        let rows = Items::<T>::within(input, at.call, evaluation, &fault);
        let (pipe, task) = (Arc::clone(&self.pipe), Arc::clone(at.task));
        let start = move || pipe.run(rows, &task).map(IntoIterator::into_iter);
        iterating(fault, at, evaluation, start)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::context::Context;
    use crate::testing::on_ranks;

    fn shell(script: &str) -> Pipe {
        Pipe::new("sh").arg("-c").arg(script)
    }

    #[test]
    fn lines_go_through_the_program_of_their_partition() {
        for (rows, partitions) in [(0_u64, 2), (3, 5), (50_000, 3)] {
            let expected: Vec<String> = (0..rows).map(|i| i.to_string()).collect();
            for came in on_ranks(3, |ctx| {
                ctx.range_in(0..rows, partitions).pipe(Pipe::new("cat")).collect().unwrap()
            }) {
                assert_eq!(came, expected);
            }
        }
        let ctx = Context::local();
        let sizes = ctx.range_in(0..5, 2).pipe(shell("echo $X; wc -l").env("X", "x y"));
        let sizes: Vec<String> =
            sizes.collect().unwrap().iter().map(|line| line.trim().to_owned()).collect();
        assert_eq!(sizes, ["x y", "2", "x y", "3"]);
    }

    #[test]
    fn a_program_that_stops_reading_is_fine_and_is_run_once() {
        let ctx = Context::local();
        let first = ctx.range_in(0..200_000, 1).pipe(shell("head -n 1; echo $$"));
        let lines = first.collect().unwrap();
        assert_eq!(lines[0], "0");
        assert_eq!(first.collect().unwrap(), lines);
    }

    #[test]
    fn a_failing_program_is_an_error_with_status_partition_and_complaint() {
        let errors = on_ranks(3, |ctx| {
            let script = "while read x; do if [ $x = 7 ]; then echo no 7 >&2; exit 3; fi; done";
            ctx.range_in(0..9, 3).pipe(shell(script)).count().unwrap_err()
        });
        for error in &errors {
            assert_eq!(error, &errors[0]);
            assert!(
                matches!(error, Error::Task { operator, partition: Some(2), message, .. }
                    if operator == "pipe" && message.contains("status: 3: no 7")),
                "{error}"
            );
        }
        let missing = Context::local().range(0..1).pipe(Pipe::new("no-such-program-here"));
        assert!(
            matches!(missing.count(), Err(Error::File { file, .. }) if file == "no-such-program-here")
        );
    }

    #[test]
    fn a_program_past_its_time_is_killed_with_its_children() {
        let start = Instant::now();
        let pipe = shell("sleep 60 & sleep 60; echo late").time_limit(Duration::from_millis(100));
        let error = Context::local().range_in(0..1, 1).pipe(pipe).count().unwrap_err();
        assert!(
            matches!(&error, Error::Task { message, .. } if message.contains("took longer")),
            "{error}"
        );
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_program_whose_work_is_cancelled_is_killed() {
        let start = Instant::now();
        let ctx = Context::local();
        let rows = ctx.range_in(0..1, 1).pipe(shell("sleep 60"));
        let job = ctx.background("piped", move |branch| rows.on(branch).count()).unwrap();
        while job.progress().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        job.cancel();
        assert!(matches!(job.wait(), Err(Error::Cancelled { .. })));
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(ctx.range(0..9).count(), Ok(9));
    }

    #[test]
    fn what_fails_in_the_rows_is_the_error_and_a_panic_ends_the_program() {
        let ctx = Context::local();
        let failing = ctx.range(0..5).try_map(|x| if x == 3 { Err("no 3") } else { Ok(x) });
        let error = failing.pipe(Pipe::new("cat")).count().unwrap_err();
        assert!(matches!(&error, Error::Task { message, .. } if message == "no 3"), "{error}");
        let panicking = ctx.range(0..5).map(|x| 10 / (3 - x.min(3)));
        assert!(matches!(panicking.pipe(Pipe::new("cat")).count(), Err(Error::Panic { .. })));
    }
}
