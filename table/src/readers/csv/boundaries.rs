//! Where records begin, in files that are cut anywhere.
//!
//! A comma or a line end inside quotes means nothing, and whether a byte is inside quotes depends
//! on all bytes before it. Each split of a file therefore answers for every state that it might
//! start in ("if I start inside quotes, I end outside"); putting the answers together in order
//! gives every split its true start. Only quotes have to be looked at: a quote opens a quoted field
//! if the byte before it ends a field or record, closes one if it is inside and not doubled, and is
//! a plain character otherwise. A file without quotes is searched at the speed of memory.
//!
//! The rules are those of RFC 4180 and of the `csv` crate: `\n`, `\r` and `\r\n` end a record;
//! what follows a closing quote up to the next delimiter belongs to the field; a quote that is not
//! at the start of a field is a character.

use serde::{Deserialize, Serialize};

use super::format::Dialect;

/// What the bytes so far mean for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum State {
    /// A record begins here, or a blank line goes on.
    RecordStart,
    /// A field begins here.
    FieldStart,
    /// Inside a field without quotes, or behind a closing quote.
    Unquoted,
    /// Inside quotes.
    Quoted,
    /// Behind a quote inside quotes: it closes them, or is the first of two.
    QuoteInQuoted,
}

const STATES: [State; 5] =
    [State::RecordStart, State::FieldStart, State::Unquoted, State::Quoted, State::QuoteInQuoted];

/// What a split does to every state, and how many lines it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Passage {
    ends: [State; 5],
    pub(super) newlines: u64,
}

impl Passage {
    /// Of the bytes of a split.
    pub(super) fn of(bytes: &[u8], dialect: &Dialect) -> Self {
        let newlines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        Self { ends: ends(bytes, dialect), newlines }
    }

    pub(super) fn end(&self, start: State) -> State {
        let place = STATES.iter().position(|state| *state == start);
        self.ends[place.expect("every state is in the list")]
    }
}

/// A possible past of the bytes, while they are searched.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lane {
    Outside,
    Inside,
    /// Inside, with a quote at that place that may be the first of two.
    AfterQuote(usize),
}

impl Lane {
    fn before(state: State) -> Self {
        match state {
            State::Quoted => Self::Inside,
            _ => Self::Outside, // `QuoteInQuoted` is looked at when the first quote is
        }
    }

    /// The lane after a quote at `at`; `opens` says whether a quote there would open a field.
    fn after_quote(self, at: usize, opens: bool) -> Self {
        match self {
            Self::Inside => Self::AfterQuote(at),
            Self::AfterQuote(before) if before + 1 == at => Self::Inside,
            Self::Outside | Self::AfterQuote(_) if opens => Self::Inside,
            Self::Outside | Self::AfterQuote(_) => Self::Outside,
        }
    }

    /// The state after the last byte.
    fn end(self, bytes: &[u8], dialect: &Dialect) -> State {
        match (self, bytes.last()) {
            (Self::Inside, _) => State::Quoted,
            (Self::AfterQuote(at), _) if at + 1 == bytes.len() => State::QuoteInQuoted,
            (_, Some(b'\n' | b'\r')) => State::RecordStart,
            (_, Some(&byte)) if byte == dialect.delimiter => State::FieldStart,
            _ => State::Unquoted,
        }
    }
}

/// The state after the bytes, for each state before them.
fn ends(bytes: &[u8], dialect: &Dialect) -> [State; 5] {
    if bytes.is_empty() {
        return STATES;
    }
    let mut lanes = STATES.map(Lane::before);
    if let Some(quote) = dialect.quote {
        for at in memchr::memchr_iter(quote, bytes) {
            if at == 0 {
                for (lane, state) in lanes.iter_mut().zip(STATES) {
                    *lane = match state {
                        State::QuoteInQuoted => Lane::Inside, // the second of two
                        State::RecordStart | State::FieldStart => lane.after_quote(at, true),
                        State::Unquoted | State::Quoted => lane.after_quote(at, false),
                    };
                }
            } else if lanes == [lanes[0]; 5] {
                lanes = [lanes[0].after_quote(at, dialect.ends_field(bytes[at - 1])); 5];
            } else {
                let opens = dialect.ends_field(bytes[at - 1]);
                lanes = lanes.map(|lane| lane.after_quote(at, opens));
            }
        }
    }
    lanes.map(|lane| lane.end(bytes, dialect))
}

/// Where in the bytes the first record begins, if one does; a line end before it that is still
/// part of a `\r\n` or of blank lines may come first.
pub(super) fn first_record(bytes: &[u8], start: State, dialect: &Dialect) -> Option<usize> {
    let mut state = start;
    let mut at = 0;
    while state != State::RecordStart {
        let rest = &bytes[at..];
        match (state, dialect.quote) {
            (State::Quoted, Some(quote)) => {
                at += memchr::memchr(quote, rest)? + 1;
                state = State::QuoteInQuoted;
            }
            (State::QuoteInQuoted, Some(quote)) if *rest.first()? == quote => {
                at += 1;
                state = State::Quoted;
            }
            (_, quote) => {
                let found = memchr::memchr3(b'\n', b'\r', quote.unwrap_or(b'\n'), rest)?;
                let place = at + found;
                at = place + 1;
                state = if matches!(bytes[place], b'\n' | b'\r') {
                    State::RecordStart
                } else {
                    let opens = match place {
                        0 => state == State::FieldStart,
                        _ => dialect.ends_field(bytes[place - 1]),
                    };
                    if opens { State::Quoted } else { State::Unquoted }
                };
            }
        }
    }
    Some(at)
}

/// Where the last quoted field opens that is still open at the end of the bytes; none if it was
/// open before them.
pub(super) fn last_opening(bytes: &[u8], start: State, dialect: &Dialect) -> Option<usize> {
    let quote = dialect.quote?;
    let mut lane = Lane::before(start);
    let mut opening = None;
    for at in memchr::memchr_iter(quote, bytes) {
        let opens = match at {
            0 => matches!(start, State::RecordStart | State::FieldStart),
            _ => dialect.ends_field(bytes[at - 1]),
        };
        let next = if at == 0 && start == State::QuoteInQuoted {
            Lane::Inside
        } else {
            lane.after_quote(at, opens)
        };
        let is_second_of_two = matches!(lane, Lane::AfterQuote(before) if before + 1 == at);
        if next == Lane::Inside && !is_second_of_two && !(at == 0 && start == State::QuoteInQuoted)
        {
            opening = Some(at);
        }
        lane = next;
    }
    opening
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The slow and obvious automaton: one byte at a time.
    fn step(state: State, byte: u8, dialect: &Dialect) -> State {
        let quote = Some(byte) == dialect.quote;
        let outside = if matches!(byte, b'\n' | b'\r') {
            State::RecordStart
        } else if byte == dialect.delimiter {
            State::FieldStart
        } else {
            State::Unquoted
        };
        match state {
            State::RecordStart | State::FieldStart if quote => State::Quoted,
            State::RecordStart | State::FieldStart | State::Unquoted => outside,
            State::Quoted if quote => State::QuoteInQuoted,
            State::Quoted => State::Quoted,
            State::QuoteInQuoted if quote => State::Quoted,
            State::QuoteInQuoted => outside,
        }
    }

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"a,\"\n\r\"b".to_vec()), 0..40)
    }

    fn dialects() -> impl Strategy<Value = Dialect> {
        prop::sample::select(vec![Some(b'"'), None])
            .prop_map(|quote| Dialect { quote, ..Dialect::default() })
    }

    fn starts() -> impl Strategy<Value = State> {
        prop::sample::select(STATES.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn searching_for_quotes_is_stepping_through_bytes(text in texts(), dialect in dialects()) {
            let passage = Passage::of(&text, &dialect);
            // Without quotes nothing starts inside them.
            for start in STATES.into_iter().filter(|state| dialect.quote.is_some()
                || !matches!(state, State::Quoted | State::QuoteInQuoted))
            {
                let slow = text.iter().fold(start, |state, &byte| step(state, byte, &dialect));
                prop_assert_eq!(passage.end(start), slow, "from {:?}", start);
            }
        }

        #[test]
        fn passages_compose(text in texts(), cut in 0_usize..40, start in starts()) {
            let dialect = Dialect::default();
            let (a, b) = text.split_at(cut.min(text.len()));
            let through = Passage::of(b, &dialect).end(Passage::of(a, &dialect).end(start));
            prop_assert_eq!(Passage::of(&text, &dialect).end(start), through);
        }

        #[test]
        fn the_first_record_is_where_the_first_record_start_is(text in texts(), start in starts()) {
            let dialect = Dialect::default();
            let mut state = start;
            let mut slow = (state == State::RecordStart).then_some(0);
            for (at, &byte) in text.iter().enumerate() {
                state = step(state, byte, &dialect);
                if slow.is_none() && state == State::RecordStart {
                    slow = Some(at + 1);
                }
            }
            prop_assert_eq!(first_record(&text, start, &dialect), slow);
        }

        #[test]
        fn the_last_opening_is_the_last_step_into_quotes(text in texts(), start in starts()) {
            let dialect = Dialect::default();
            let (mut state, mut slow) = (start, None);
            for (at, &byte) in text.iter().enumerate() {
                let next = step(state, byte, &dialect);
                if next == State::Quoted && matches!(state, State::RecordStart | State::FieldStart) {
                    slow = Some(at);
                }
                state = next;
            }
            if state == State::Quoted {
                prop_assert_eq!(last_opening(&text, start, &dialect), slow);
            }
        }
    }
}
