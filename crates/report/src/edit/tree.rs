//! A YAML text as mappings and scalars with their places, which come from saphyr. The parser of experiments interprets the
//! values.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

/// Deeper than any experiment: its parser refuses such a file first.
const MAX_DEPTH: usize = 64;

#[derive(Debug)]
pub(super) enum Node {
    Map(Map),
    /// A value, or an alias of one.
    Scalar(Range<usize>),
    /// A text over several lines, from its colon on.
    Block(Range<usize>),
    /// No value after the colon that ends here.
    Empty(usize),
    /// A list.
    Other(Range<usize>),
}

#[derive(Debug)]
pub(super) struct Map {
    pub at: Range<usize>,
    /// In braces.
    pub is_flow: bool,
    pub entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Range<usize>,
    pub value: Node,
}

#[derive(Debug)]
pub(super) struct Tree(Map);

impl Tree {
    /// Reads a text whose first document is a mapping.
    pub(super) fn of(body: &str) -> Result<Self, String> {
        let offsets = body
            .char_indices()
            .map(|(offset, _)| offset)
            .chain([body.len()])
            .collect();
        let mut reader = Reader {
            body,
            offsets,
            events: Parser::new_from_str(body),
        };
        loop {
            match reader.next()? {
                (Event::MappingStart(..), at) => return Ok(Self(reader.map(at, 0)?)),
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                _ => return Err("the file is not a mapping of fields".to_owned()),
            }
        }
    }

    pub(super) fn root(&self) -> &Map {
        &self.0
    }
}

struct Reader<'a> {
    body: &'a str,
    /// The byte of each character.
    offsets: Vec<usize>,
    events: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Range<usize>), String> {
        let event = self
            .events
            .next_event()
            .ok_or("the file ends in the middle")?;
        let (event, Span { start, end }) = event.map_err(|error| error.to_string())?;
        let byte = |index: usize| self.offsets.get(index).copied().unwrap_or(self.body.len());
        Ok((event, byte(start.index())..byte(end.index())))
    }

    /// The entries of an open mapping.
    fn map(&mut self, begin: Range<usize>, depth: usize) -> Result<Map, String> {
        let is_flow = self.body[begin.start..].starts_with('{');
        let mut entries = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, at) => {
                    return Ok(Map {
                        at: begin.start..at.end,
                        is_flow,
                        entries,
                    });
                }
                (Event::Scalar(key, ..), key_at) => {
                    let value = self.value(&key_at, depth)?;
                    entries.push(Entry {
                        key: key.into_owned(),
                        key_at,
                        value,
                    });
                }
                _ => return Err("a field's name is no plain text".to_owned()),
            }
        }
    }

    fn value(&mut self, key_at: &Range<usize>, depth: usize) -> Result<Node, String> {
        let (event, at) = self.next()?;
        Ok(match event {
            Event::MappingStart(..) if depth < MAX_DEPTH => Node::Map(self.map(at, depth + 1)?),
            Event::SequenceStart(..) => {
                let end = self.skip_list()?;
                Node::Other(at.start..self.without_tail((at.start, end), is_blank_or_comment))
            }
            // The sign of its style comes before it.
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                let start = self.behind_colon(key_at)?;
                let is_indent = |line: &str| !line.ends_with('\n') && line.trim().is_empty();
                Node::Block(start..self.without_tail((start, at.end), is_indent))
            }
            // An empty value ends at its colon.
            Event::Scalar(..) if at.is_empty() => Node::Empty(self.behind_colon(key_at)?),
            Event::Scalar(..) | Event::Alias(_) => Node::Scalar(at),
            _ => return Err("the file is nested too deep".to_owned()),
        })
    }

    fn behind_colon(&self, key_at: &Range<usize>) -> Result<usize, String> {
        let colon = self.body[key_at.end..]
            .find(':')
            .ok_or("a field has no colon")?;
        Ok(key_at.end + colon + 1)
    }

    /// The end of a value without the lines after it. The parser ends a value over several lines where the next token begins.
    /// That is within the next field's line, if that field is indented.
    fn without_tail(&self, (start, end): (usize, usize), is_after: impl Fn(&str) -> bool) -> usize {
        let tail = self.body[start..end]
            .split_inclusive('\n')
            .rev()
            .take_while(|line| is_after(line));
        end - tail.map(str::len).sum::<usize>()
    }

    /// The end of an open list.
    fn skip_list(&mut self) -> Result<usize, String> {
        let mut open = 1;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::SequenceStart(..) | Event::MappingStart(..) => open += 1,
                Event::SequenceEnd | Event::MappingEnd => open -= 1,
                Event::StreamEnd => return Err("the file ends in a list".to_owned()),
                _ => {}
            }
            if open == 0 {
                return Ok(at.end);
            }
        }
    }
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}
