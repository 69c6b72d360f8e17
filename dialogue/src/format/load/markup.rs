//! Entity markup inside examples: `[Madrid](city)` and `[Madrid]{"entity": "city", "role": "to", "value": "MAD"}`.

use crate::{Entity, Value};

/// A text without its markup, and the entities that were marked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marked {
    pub text: String,
    pub entities: Vec<Entity>,
    /// The marked words of entities that were given another value: synonyms.
    pub synonyms: Vec<(String, String)>,
}

/// Takes the markup out of a text. An error names the character (from 0) where the markup begins.
pub(super) fn parse(source: &str) -> Result<Marked, (usize, String)> {
    let mut marked = Marked { text: String::new(), entities: Vec::new(), synonyms: Vec::new() };
    let mut rest = source;
    while let Some(open) = rest.find('[') {
        let Some((words, after)) = rest[open + 1..].split_once(']') else { break };
        // Brackets that no annotation follows are the user's own.
        if !after.starts_with(['(', '{']) || words.is_empty() {
            marked.text.push_str(&rest[..=open]);
            rest = &rest[open + 1..];
            continue;
        }
        let at = source[..source.len() - rest.len() + open].chars().count();
        let close = if after.starts_with('(') { ')' } else { '}' };
        let Some((annotation, behind)) = after[1..].split_once(close) else {
            return Err((at, format!("the annotation of [{words}] is not closed, expected `{close}`")));
        };
        marked.text.push_str(&rest[..open]);
        let start = marked.text.chars().count() as u32;
        marked.text.push_str(words);
        let end = marked.text.chars().count() as u32;
        let mut entity = match close {
            ')' => plain(words, annotation),
            _ => object(words, annotation),
        }
        .map_err(|message| (at, message))?;
        (entity.start, entity.end) = (start, end);
        if let Value::Text(value) = &entity.value
            && value != words
        {
            marked.synonyms.push((words.to_owned(), value.clone()));
        }
        marked.entities.push(entity);
        rest = behind;
    }
    marked.text.push_str(rest);
    Ok(marked)
}

fn plain(words: &str, annotation: &str) -> Result<Entity, String> {
    let (entity, value) = annotation.split_once(':').unwrap_or((annotation, words));
    let entity = entity.trim();
    if entity.is_empty() {
        return Err(format!("the annotation of [{words}] names no entity, expected `[{words}](entity)`"));
    }
    Ok(Entity { entity: entity.to_owned(), value: value.into(), confidence: 1.0, ..Entity::default() })
}

fn object(words: &str, annotation: &str) -> Result<Entity, String> {
    let json: serde_json::Value = serde_json::from_str(&format!("{{{annotation}}}"))
        .map_err(|e| format!("the annotation of [{words}] is not valid JSON: {{{annotation}}} ({e})"))?;
    let mut entity = Entity { value: words.into(), confidence: 1.0, ..Entity::default() };
    for (key, value) in json.as_object().into_iter().flatten() {
        let text = || {
            let text = value.as_str().map(str::to_owned);
            text.ok_or_else(|| format!("the annotation of [{words}]: `{key}` must be text, found {value}"))
        };
        match key.as_str() {
            "entity" => entity.entity = text()?,
            "role" => entity.role = Some(text()?),
            "group" => entity.group = Some(text()?),
            "value" => entity.value = Value::from_json(value),
            other => {
                let hint = super::cx::did_you_mean(other, ["entity", "role", "group", "value"]);
                return Err(format!(
                    "the annotation of [{words}] has an unknown key `{other}`{hint}; allowed are entity, role, group, value"
                ));
            }
        }
    }
    if entity.entity.is_empty() {
        return Err(format!("the annotation of [{words}] names no `entity`"));
    }
    Ok(entity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_characters_of_the_plain_text() {
        let marked =
            parse(r#"año [Málaga](city) to [Nueva York]{"entity": "city", "role": "to", "value": "NYC"} [x]"#).unwrap();
        assert_eq!(marked.text, "año Málaga to Nueva York [x]");
        let spans: Vec<_> = marked.entities.iter().map(|e| (e.start, e.end, e.role.as_deref())).collect();
        assert_eq!(spans, [(4, 10, None), (14, 24, Some("to"))]);
        assert_eq!(marked.synonyms, [("Nueva York".to_owned(), "NYC".to_owned())]);
    }

    #[test]
    fn broken_markup_says_where() {
        assert_eq!(parse("to [x](city").unwrap_err().0, 3);
        assert!(parse(r#"[x]{"entity": city}"#).unwrap_err().1.contains("not valid JSON"));
        assert!(parse(r#"[x]{"entiti": "city"}"#).unwrap_err().1.contains("did you mean `entity`?"));
        assert!(parse("[x]()").is_err());
    }
}
