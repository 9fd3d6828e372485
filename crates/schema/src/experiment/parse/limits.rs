//! Limits of nesting, brackets and aliases. No experiment reaches them, and beyond them the YAML parser takes minutes or gigabytes.
//! Brackets and aliases are counted without parsing, so those in quotes and comments count too.

/// Opening brackets of lists and mappings in flow style.
const MAX_BRACKETS: usize = 1000;
/// Levels of nesting, in either style.
const MAX_DEPTH: usize = 32;
/// Aliases, which repeat another value.
const MAX_ALIASES: usize = 100;

/// The offset of the first byte beyond a limit, and the message.
pub(super) fn excess(source: &str) -> Option<(usize, String)> {
    let brackets = source
        .match_indices(['[', '{'])
        .nth(MAX_BRACKETS)
        .map(|(offset, _)| offset);
    let brackets = brackets.map(|offset| {
        (
            offset,
            format!("expected at most {MAX_BRACKETS} opening brackets, found more"),
        )
    });
    let aliases = source
        .match_indices('*')
        .filter(|(offset, _)| is_alias(source, *offset))
        .nth(MAX_ALIASES);
    let aliases = aliases.map(|(offset, _)| {
        (
            offset,
            format!("expected at most {MAX_ALIASES} aliases, found more"),
        )
    });
    let depth = too_deep(source).map(|offset| {
        (
            offset,
            format!("expected at most {MAX_DEPTH} levels of nesting, found more"),
        )
    });
    [brackets, aliases, depth].into_iter().flatten().min()
}

/// A name follows, and no word precedes. In flow style a `?` needs no space behind it.
fn is_alias(source: &str, offset: usize) -> bool {
    let before = source[..offset].chars().next_back();
    let after = source[offset + 1..].chars().next();
    before.is_none_or(|c| c.is_whitespace() || "[{,:?-".contains(c))
        && after.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c))
}

/// Where the text is nested deeper than any experiment: by brackets, by indentation, or by `- - -` in one line.
fn too_deep(source: &str) -> Option<usize> {
    let (mut brackets, mut indents, mut start) = (0_usize, Vec::new(), 0);
    for line in source.split_inclusive('\n') {
        let content = line.trim_start_matches(' ');
        if !content.trim().is_empty() && !content.starts_with('#') {
            let mut column = line.len() - content.len();
            indents.retain(|indent| *indent < column);
            indents.push(column);
            let mut rest = content;
            while let Some(inner) = ["- ", "? ", ": "]
                .iter()
                .find_map(|mark| rest.strip_prefix(mark))
            {
                // Any number of spaces may follow the mark.
                let inner = inner.trim_start_matches(' ');
                column += rest.len() - inner.len();
                rest = inner;
                indents.push(column);
                if indents.len() > MAX_DEPTH {
                    return Some(start + column);
                }
            }
            if indents.len() > MAX_DEPTH {
                return Some(start + column);
            }
        }
        for (offset, byte) in line.bytes().enumerate() {
            match byte {
                b'[' | b'{' => brackets += 1,
                b']' | b'}' => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            if brackets > MAX_DEPTH {
                return Some(start + offset);
            }
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_accept_the_maximum_and_refuse_one_more() {
        let flow = |depth: usize| format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
        let block = |depth: usize| {
            (0..depth)
                .map(|level| format!("{}k:\n", " ".repeat(level)))
                .collect::<Vec<_>>()
                .concat()
        };
        let items = |mark: &str, depth: usize| format!("{}1\n", mark.repeat(depth - 1));
        let named = |name: &str, count: usize| {
            format!(
                "a: &{name} 1\nb: [{}]\n",
                format!("*{name}, ").repeat(count)
            )
        };
        let aliases = |count: usize| named("a", count);
        assert!(
            excess(&flow(32)).is_none()
                && excess(&flow(33)).is_some_and(|(offset, _)| offset == 3 + 32)
        );
        assert!(excess(&block(32)).is_none() && excess(&block(33)).is_some());
        let lists = |count: usize| format!("a: [{}]", "[],".repeat(count - 1));
        assert!(
            excess(&lists(1000)).is_none()
                && excess(&lists(1001)).is_some_and(|(_, text)| text.contains("brackets"))
        );
        for mark in ["- ", "-  ", "?   "] {
            assert!(excess(&items(mark, 32)).is_none(), "{mark:?}");
            assert!(excess(&items(mark, 33)).is_some(), "{mark:?}");
        }
        assert!(
            excess(&aliases(100)).is_none()
                && excess(&aliases(101)).is_some_and(|(_, text)| text.contains("aliases"))
        );
        for name in ["_a", "-a", "1"] {
            let few = excess(&named(name, 100));
            assert!(few.is_none(), "{name}: {few:?}");
            assert!(excess(&named(name, 101)).is_some(), "{name}");
        }
        let keys = |count: usize| format!("a: &a 1\nb: [{}]\n", "?*a,".repeat(count));
        assert!(excess(&keys(100)).is_none() && excess(&keys(101)).is_some());
        assert!(excess(&"question: is 2 * 3 = 6, or 2*3? **bold** \n".repeat(99)).is_none());
        assert!(excess(&"k: 1\n".repeat(5000)).is_none());
    }
}
