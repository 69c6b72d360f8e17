//! Forms: validate what was filled, ask for what is missing, end when nothing is (Rasa 3.6's `FormAction`).

use super::{
    compile::executed,
    exec::{Exec, Stop},
};
use crate::{
    Event, Value,
    tracker::{ACTION_LISTEN, REQUESTED_SLOT, Tracker},
};

impl Exec<'_> {
    /// Runs a form.
    pub(super) fn form(&mut self, form: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let mut events = Vec::new();
        if tracker.active_loop_name() != Some(form) {
            events = self.activate(form, tracker)?;
        }
        if !is_done(&events) {
            // What was found at the beginning is validated already.
            let begins_with = events.iter().any(|e| !matches!(e, Event::ActiveLoopChanged { .. }));
            let validated = if begins_with { Vec::new() } else { self.validate_if_required(form, tracker)? };
            let rejected = validated.iter().any(|e| matches!(e, Event::ActionRejected { .. }));
            events.extend(validated);
            if !rejected {
                events.extend(self.request_next_slot(form, tracker, &events)?);
            }
        }
        if is_done(&events) {
            events.push(Event::ActiveLoopChanged { name: None });
        }
        Ok(events)
    }

    /// Begins the form: slots are filled once more, now that the form is active, and those that it needs and has are
    /// validated.
    fn activate(&mut self, form: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let begins = Event::ActiveLoopChanged { name: Some(form.to_owned()) };
        let mut now = tracker.clone();
        now.apply(&begins);
        let mut extracted = self.extract_slots(&now)?;
        extracted.iter().for_each(|e| now.apply(e));
        extracted.retain(|e| matches!(e, Event::SlotSet { .. }));
        let filled = required(form, &now).filter(|slot| !now.slot(slot).is_null());
        let filled: Vec<(String, Value)> = filled.map(|s| (s.to_owned(), now.slot(s).clone())).collect();
        let mut events = vec![begins];
        events.extend(self.validate_slots(form, &filled, &now)?);
        let validated =
            |wanted: &str| events.iter().any(|e| matches!(e, Event::SlotSet { name, .. } if name == wanted));
        extracted.retain(|e| !matches!(e, Event::SlotSet { name, .. } if validated(name)));
        events.extend(extracted);
        Ok(events)
    }

    fn validate_if_required(&mut self, form: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let needed = tracker
            .active_loop()
            .is_none_or(|active| tracker.latest_action() == Some(ACTION_LISTEN) && !active.is_interrupted);
        if needed { self.validate(form, tracker) } else { self.validate_slots(form, &[], tracker) }
    }

    /// Validates what the last message filled. If it filled nothing though something was asked for, the form refuses
    /// to run, so that the policies may do something else.
    fn validate(&mut self, form: &str, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let requested = requested(form, tracker);
        let is_asked = |name: &str| requested == Some(name) || required(form, tracker).any(|slot| slot == name);
        let mut filled: Vec<(String, Value)> = Vec::new();
        for event in tracker.events().rev().take_while(|e| !matches!(e, Event::UserUttered { .. })) {
            let Event::SlotSet { name, value } = event else { continue };
            if is_asked(name) && !filled.iter().any(|(n, _)| n == name) {
                filled.push((name.clone(), value.clone()));
            }
        }
        filled.reverse();
        let events = self.validate_slots(form, &filled, tracker)?;
        let filled_any = !filled.is_empty()
            || events.iter().any(|e| matches!(e, Event::SlotSet { name, .. } if name != REQUESTED_SLOT));
        let rejected = events.iter().any(|e| matches!(e, Event::ActionRejected { .. }));
        if requested.is_some() && !filled_any && !rejected {
            return Err(Stop::Rejected);
        }
        Ok(events)
    }

    /// Lets `validate_{form}` look at the slots, if there is such an action. They are set already; it may unset them.
    fn validate_slots(
        &mut self,
        form: &str,
        filled: &[(String, Value)],
        tracker: &Tracker,
    ) -> Result<Vec<Event>, Stop> {
        let validator = format!("validate_{form}");
        if !tracker.domain().actions.contains_key(&validator) {
            return Ok(Vec::new());
        }
        let candidates = filled.iter().map(|(name, value)| Event::SlotSet { name: name.clone(), value: value.clone() });
        let seen = with_events(form, tracker, candidates);
        self.call(&validator, &seen)
    }

    fn request_next_slot(&mut self, form: &str, tracker: &Tracker, so_far: &[Event]) -> Result<Vec<Event>, Stop> {
        let request = |slot: Value| Event::SlotSet { name: REQUESTED_SLOT.into(), value: slot };
        if is_done(so_far) {
            return Ok(vec![request(Value::Null)]);
        }
        let chosen = so_far.iter().find_map(|e| match e {
            Event::SlotSet { name, value } if name == REQUESTED_SLOT => value.as_text().map(str::to_owned),
            _ => None,
        });
        let mut now = with_events(form, tracker, so_far.iter().cloned());
        let mut events = Vec::new();
        let slot = match chosen {
            Some(slot) => slot,
            None => {
                let missing = required(form, &now).find(|slot| now.slot(slot).is_null()).map(str::to_owned);
                let Some(missing) = missing else { return Ok(vec![request(Value::Null)]) };
                let asks = request(Value::Text(missing.clone()));
                now.apply(&asks);
                events.push(asks);
                missing
            }
        };
        let domain = tracker.domain();
        let ways = [
            format!("action_ask_{form}_{slot}"),
            format!("utter_ask_{form}_{slot}"),
            format!("action_ask_{slot}"),
            format!("utter_ask_{slot}"),
        ];
        let known = |way: &&String| domain.actions.contains_key(*way) || domain.responses.contains_key(*way);
        if let Some(way) = ways.iter().find(known) {
            events.extend(self.run(way, &now)?);
        }
        Ok(events)
    }
}

fn required<'t>(form: &str, tracker: &'t Tracker) -> impl Iterator<Item = &'t str> {
    tracker.domain().forms.get(form).into_iter().flat_map(|f| f.required_slots.iter().map(String::as_str))
}

/// What the form asks for; what another form asked for does not count.
fn requested<'t>(form: &str, tracker: &'t Tracker) -> Option<&'t str> {
    if tracker.active_loop_name() == Some(form) { tracker.requested_slot() } else { None }
}

fn is_done(events: &[Event]) -> bool {
    if events.iter().any(|e| matches!(e, Event::ActionRejected { .. })) {
        return false;
    }
    let asked = events.iter().rev().find_map(|e| match e {
        Event::SlotSet { name, value } if name == REQUESTED_SLOT => Some(value.is_null()),
        _ => None,
    });
    let ended = events.iter().rev().find_map(|e| match e {
        Event::ActiveLoopChanged { name } => Some(name.is_none()),
        _ => None,
    });
    asked == Some(true) || ended == Some(true)
}

/// The tracker as an action inside the form sees it: after the form ran, with what it did so far.
fn with_events(form: &str, tracker: &Tracker, events: impl IntoIterator<Item = Event>) -> Tracker {
    let mut now = tracker.clone();
    let asked = requested(form, tracker).map_or(Value::Null, Value::from);
    now.apply(&Event::SlotSet { name: REQUESTED_SLOT.into(), value: asked });
    now.apply(&executed(form));
    events.into_iter().for_each(|e| now.apply(&e));
    now
}
