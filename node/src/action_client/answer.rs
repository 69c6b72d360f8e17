//! What an action server answers.

use dialogue::ports::ActionResult;
use dialogue::{Event, Reply, ReplyButton, Value};
use serde::Deserialize;

/// The body of HTTP 200.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    events: Vec<serde_json::Value>,
    #[serde(default)]
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    text: Option<String>,
    image: Option<String>,
    #[serde(default)]
    buttons: Vec<Button>,
    /// Of a list or a carousel: each is said as a message of its own, as the engine says those of the domain.
    #[serde(default)]
    elements: Vec<Element>,
    attachment: Option<serde_json::Value>,
    custom: Option<serde_json::Value>,
    /// `response` since Rasa 2; `template` before. The SDK sends both.
    response: Option<String>,
    template: Option<String>,
    /// What else the action wants put into the template.
    #[serde(flatten)]
    arguments: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Button {
    title: String,
    payload: String,
}

#[derive(Deserialize)]
struct Element {
    #[serde(default)]
    title: String,
    #[serde(default)]
    subtitle: String,
    #[serde(default)]
    buttons: Vec<Button>,
}

/// The body of HTTP 400.
#[derive(Deserialize)]
pub(super) struct Rejection {
    pub(super) error: String,
}

impl Answer {
    /// What the action did.
    pub(super) fn into_result(self) -> Result<ActionResult, String> {
        let events = Event::sequence_from_rasa_json(&self.events).map_err(|e| format!("events: {e}"))?;
        Ok(ActionResult { events, replies: self.responses.into_iter().flat_map(Response::into_replies).collect() })
    }
}

impl Response {
    fn into_replies(self) -> Vec<Reply> {
        let value = |json: Option<serde_json::Value>| {
            json.filter(|j| !j.is_null() && j.as_object().is_none_or(|o| !o.is_empty())).map(|j| Value::from_json(&j))
        };
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        let response = named(self.response).or(named(self.template));
        // A template is rendered with its arguments; other messages have none.
        let custom = match value(self.custom) {
            None if response.is_some() => value(Some(self.arguments.into())),
            custom => custom,
        };
        let buttons = |buttons: Vec<Button>| -> Vec<ReplyButton> {
            buttons.into_iter().map(|b| ReplyButton { title: b.title, payload: b.payload }).collect()
        };
        let elements = self.elements.into_iter().map(|element| Reply {
            text: Some(format!("{} : {}", element.title, element.subtitle)),
            buttons: buttons(element.buttons),
            ..Reply::default()
        });
        let whole = Reply {
            response,
            text: self.text,
            image: self.image,
            buttons: buttons(self.buttons),
            attachment: value(self.attachment),
            custom,
        };
        let elements: Vec<Reply> = elements.collect();
        let says = whole != Reply::default() || elements.is_empty();
        says.then_some(whole).into_iter().chain(elements).collect()
    }
}
