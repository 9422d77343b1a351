//! The end of a JSON value, found without reading it: by its brackets and texts.
//!
//! It takes more than is JSON, since the value is read after it. It refuses what would have it run
//! on into the values that follow: brackets that do not match, and a text that is not closed on its
//! line, in which JSON has no line end.

use crate::limits::JSON_BRACKETS;

/// Looks for the end of one value.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// The brackets that are open.
    open: Vec<u8>,
    /// Those inside of as many as are told apart.
    deeper: u64,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Between,
    Text,
    Escape,
    /// Inside a value without brackets or quotes.
    Bare,
}

/// The outcome of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The value goes on.
    More,
    /// The value ends before this place.
    End(usize),
    /// It is no value, by the byte at this place.
    Fault(usize, &'static str),
}

impl Scanner {
    /// Takes the bytes that follow those before.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            match self.state {
                State::Text => {
                    // Most bytes are in texts, and most of those end none.
                    let rest = &bytes[at..];
                    let Some(length) = rest
                        .iter()
                        .position(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r'))
                    else {
                        return Step::More;
                    };
                    at += length;
                    match bytes[at] {
                        b'"' => self.state = State::Between,
                        b'\\' => self.state = State::Escape,
                        _ => return Step::Fault(at, "a text is not closed on its line"),
                    }
                    if self.is_whole() {
                        return Step::End(at + 1);
                    }
                }
                State::Escape if matches!(byte, b'\n' | b'\r') => {
                    return Step::Fault(at, "a text is not closed on its line");
                }
                State::Escape => self.state = State::Text,
                State::Bare if matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace() => {
                    return Step::End(at);
                }
                State::Bare => {}
                State::Before | State::Between => match byte {
                    b'"' => self.state = State::Text,
                    b'{' | b'[' => self.open(byte),
                    b'}' | b']' if !self.close(byte) => {
                        return Step::Fault(at, "a bracket is closed that is not open");
                    }
                    b'}' | b']' if self.is_whole() => return Step::End(at + 1),
                    _ if self.state == State::Before => self.state = State::Bare,
                    _ => {}
                },
            }
            at += 1;
        }
        Step::More
    }

    /// Returns whether the value may end where the text does.
    pub(super) fn may_end(&self) -> bool {
        self.state == State::Bare
    }

    fn is_whole(&self) -> bool {
        self.state == State::Between && self.open.is_empty() && self.deeper == 0
    }

    fn open(&mut self, bracket: u8) {
        self.state = State::Between;
        if self.open.len() < JSON_BRACKETS {
            self.open.push(bracket);
        } else {
            self.deeper += 1;
        }
    }

    /// Closes the innermost bracket, if it is of this kind.
    fn close(&mut self, bracket: u8) -> bool {
        if self.deeper > 0 {
            self.deeper -= 1;
            return true;
        }
        let opened = if bracket == b'}' { b'{' } else { b'[' };
        self.open.pop() == Some(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Step {
        Scanner::default().feed(text.as_bytes())
    }

    #[test]
    fn values_end_where_their_brackets_and_texts_do() {
        for (text, step) in [
            ("{} ", Step::End(2)),
            ("{\"a\":[1,{\"b\":\"}\"}]},", Step::End(19)),
            ("\"a\\\"b\",", Step::End(6)),
            ("12,", Step::End(2)),
            ("null]", Step::End(4)),
            ("{\"a\":\"x", Step::More),
            ("[[]", Step::More),
            (
                "{\"a\":[1}",
                Step::Fault(7, "a bracket is closed that is not open"),
            ),
            (
                "{\"a\":\"x\n",
                Step::Fault(7, "a text is not closed on its line"),
            ),
        ] {
            assert_eq!(scan(text), step, "{text}");
        }
    }

    #[test]
    fn values_are_the_same_in_pieces() {
        let text = "{\"a\":[1,{\"b\":\"}\\\\\\\"\"}],\"c\":null} ";
        for cut in 0..text.len() - 1 {
            let mut scanner = Scanner::default();
            let first = scanner.feed(&text.as_bytes()[..cut]);
            assert_eq!(first, Step::More, "{cut}");
            let rest = scanner.feed(&text.as_bytes()[cut..]);
            assert_eq!(rest, Step::End(text.len() - 1 - cut), "{cut}");
        }
    }

    #[test]
    fn what_is_deeper_than_anybody_reads_is_passed_over() {
        let deep = 3 * JSON_BRACKETS;
        let text = format!("{}{} ", "[".repeat(deep), "]".repeat(deep));
        assert_eq!(scan(&text), Step::End(2 * deep));
    }
}
