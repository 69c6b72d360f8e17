//! Reads the domain's responses.

use super::{
    cx::{Cx, get, join},
    domain::buttons,
    merge::declare,
    yaml::{Data, Node},
};
use crate::format::{Domain, Element, Variation};

pub(super) fn responses(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (key, list) in cx.map(node, "responses", "a mapping of responses") {
        let name = key.text.as_str();
        let field = format!("responses.{name}");
        let place = cx.key_place(key);
        if !name.starts_with("utter_") {
            cx.error(&place, &field, "the name of a response begins with `utter_`");
        }
        let items = cx.list(list, &field, "a list of variations");
        let mut variations = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let mut found = variation(cx, &format!("{field}[{i}]"), item);
            if i == 0 {
                found.place = place.clone();
            }
            variations.push(found);
        }
        if variations.is_empty() && matches!(list.data, Data::List(_) | Data::Null) {
            cx.error(&place, &field, "has no variation; expected at least one, e.g. `- text: Hello`");
        }
        if !variations.is_empty() {
            declare(cx, &mut domain.responses, (name, &field), &place, variations);
        }
    }
}

fn variation(cx: &mut Cx, field: &str, node: &Node) -> Variation {
    let mut out = Variation { place: cx.place(node), ..Variation::default() };
    if matches!(node.data, Data::Text(_)) {
        cx.expected(node, field, "a variation such as `text: Hello`");
        return out;
    }
    const KNOWN: [&str; 12] = [
        "text",
        "image",
        "buttons",
        "quick_replies",
        "button_type",
        "custom",
        "attachment",
        "channel",
        "condition",
        "metadata",
        "id",
        "elements",
    ];
    let pairs = cx.map(node, field, "a variation such as `text: Hello`");
    cx.known_keys(pairs, field, &KNOWN);
    let mut text = |key: &str| get(pairs, key).and_then(|n| cx.text(n, &join(field, key)));
    out.text = text("text");
    out.image = text("image");
    out.channel = text("channel");
    if let Some(node) = get(pairs, "buttons") {
        out.buttons = buttons(cx, &join(field, "buttons"), node);
    }
    out.attachment = get(pairs, "attachment").map(Node::value);
    out.custom = get(pairs, "custom").map(Node::value);
    // A channel that knows quick replies shows these instead of buttons; all others show them as buttons.
    if let Some(node) = get(pairs, "quick_replies") {
        out.buttons = buttons(cx, &join(field, "quick_replies"), node);
    }
    if let Some(node) = get(pairs, "button_type") {
        let place = cx.place(node);
        cx.warn(&place, &join(field, "button_type"), "has no effect: channels lay buttons out by themselves");
    }
    if let Some(node) = get(pairs, "elements") {
        out.elements = elements(cx, &join(field, "elements"), node);
    }
    if let Some(node) = get(pairs, "condition") {
        condition(cx, &join(field, "condition"), node, &mut out);
    }
    let says_nothing = out.text.is_none() && out.image.is_none() && out.attachment.is_none() && out.custom.is_none();
    if says_nothing && out.buttons.is_empty() && out.elements.is_empty() {
        let place = out.place.clone();
        cx.error(&place, field, "says nothing; expected text, image, buttons, elements, attachment or custom");
    }
    out
}

fn elements(cx: &mut Cx, field: &str, node: &Node) -> Vec<Element> {
    let mut out = Vec::new();
    for (i, item) in cx.list(node, field, "a list of elements").iter().enumerate() {
        let field = format!("{field}[{i}]");
        let pairs = cx.map(item, &field, "an element with title and subtitle");
        let mut text = |key: &str| {
            let found = get(pairs, key).and_then(|n| cx.text(n, &join(&field, key)));
            found.unwrap_or_default()
        };
        let mut element = Element { title: text("title"), subtitle: text("subtitle"), buttons: Vec::new() };
        if let Some(node) = get(pairs, "buttons") {
            element.buttons = buttons(cx, &join(&field, "buttons"), node);
        }
        for (key, _) in pairs.iter().filter(|(k, _)| !["title", "subtitle", "buttons"].contains(&k.text.as_str())) {
            let place = cx.key_place(key);
            let message = "is not said; put what a channel shows in its own way under `custom`";
            cx.warn(&place, &join(&field, &key.text), message);
        }
        out.push(element);
    }
    out
}

fn condition(cx: &mut Cx, field: &str, node: &Node, out: &mut Variation) {
    for (i, item) in cx.list(node, field, "a list of conditions").iter().enumerate() {
        let field = format!("{field}[{i}]");
        let pairs = cx.map(item, &field, "a condition with type, name and value");
        cx.known_keys(pairs, &field, &["type", "name", "value"]);
        if get(pairs, "type").and_then(Node::scalar_text).as_deref() != Some("slot") {
            let at = get(pairs, "type").unwrap_or(item);
            cx.expected(at, &join(&field, "type"), "`slot`, the only type of condition");
            continue;
        }
        if let Some(name) = get(pairs, "name").and_then(|n| cx.text(n, &join(&field, "name"))) {
            out.conditions.push((name, get(pairs, "value").map(Node::value).unwrap_or_default()));
        }
    }
}
