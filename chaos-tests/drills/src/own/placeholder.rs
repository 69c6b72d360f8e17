//! What stands in braces in an operator's command, and what takes its place.

use crate::act::Act;
use crate::hands::Target;

/// What the placeholders of a command stand for.
pub(super) fn values(target: &Target, act: &Act) -> Vec<(&'static str, String)> {
    let mut values = vec![("node", target.node.to_string()), ("zone", target.zone.clone())];
    values.extend(act.parameters());
    values
}

/// Fills every argument; `Err` is the first thing in braces that has no value.
pub(super) fn fill_all(argv: &[String], values: &[(&'static str, String)]) -> Result<Vec<String>, String> {
    argv.iter().map(|argument| fill(argument, values)).collect()
}

/// `{name}` becomes its value, `{{` and `}}` become single braces.
fn fill(text: &str, values: &[(&'static str, String)]) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{") {
            filled.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            filled.push('}');
            rest = after;
        } else {
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            let (found, after) = rest.split_at(end);
            let value = values.iter().find(|(name, _)| found == format!("{{{name}}}"));
            filled.push_str(&value.ok_or_else(|| found.to_owned())?.1);
            rest = after;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_and_nothing_else_is() {
        let target = Target { node: 7, zone: "b".into(), url: "http://h".into() };
        let values = values(&target, &Act::SlowLink { delay_ms: 40, kilobit: 500 });
        let filled = |text: &str| fill(text, &values);
        assert_eq!(filled("n{node}-{zone}: {delay_ms}ms {kilobit}kbit").unwrap(), "n7-b: 40ms 500kbit");
        assert_eq!(filled("plain").unwrap(), "plain");
        assert_eq!(filled("{{node}} {{{node}}}").unwrap(), "{node} {7}");
        assert_eq!(filled("{percent}").unwrap_err(), "{percent}", "another act's");
        assert_eq!(filled("a{nod").unwrap_err(), "{nod");
        assert_eq!(filled("a}b").unwrap_err(), "}");
        assert_eq!(filled("{}").unwrap_err(), "{}");
    }
}
