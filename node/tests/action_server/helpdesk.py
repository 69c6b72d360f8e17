"""The actions that the assistant helpdesk-assistant names in its domain, on an incident system in memory."""

import itertools

from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.forms import FormValidationAction

PRIORITIES = ("low", "medium", "high")


class Incidents:
    """The incident system: who may open incidents, and those that are open."""

    def __init__(self):
        self._callers = {"anything@example.com": "caller-1", "someone@example.com": "caller-2"}
        self._numbers = itertools.count(1001)
        self._open = {}

    def caller(self, email):
        return self._callers.get(email)

    def create(self, caller, title, description, priority):
        number = f"INC{next(self._numbers)}"
        incident = {"number": number, "title": title, "description": description, "priority": priority}
        self._open.setdefault(caller, []).append(incident)
        return number

    def of(self, caller):
        return self._open.get(caller, [])


INCIDENTS = Incidents()


class AskEmail(Action):
    """Asks for the address, or whether it is the one of the last time."""

    def name(self):
        return "action_ask_email"

    def run(self, dispatcher, tracker, domain):
        known = tracker.get_slot("previous_email")
        dispatcher.utter_message(response="utter_ask_use_previous_email" if known else "utter_ask_email")
        return []


def validate_email(value, dispatcher, tracker):
    """An address, or yes or no to the question whether it is the last one."""
    known = tracker.get_slot("previous_email")
    if value is True:
        value = known
    elif value is False:
        return {"email": None, "previous_email": None}
    caller = INCIDENTS.caller(value)
    if caller is None:
        dispatcher.utter_message(response="utter_no_email", email=value)
        return {"email": None}
    return {"email": value, "previous_email": value, "caller_id": caller}


class ValidateOpenIncidentForm(FormValidationAction):
    def name(self):
        return "validate_open_incident_form"

    def validate_email(self, value, dispatcher, tracker, domain):
        return validate_email(value, dispatcher, tracker)

    def validate_priority(self, value, dispatcher, tracker, domain):
        if value.lower() in PRIORITIES:
            return {"priority": value.lower()}
        dispatcher.utter_message(response="utter_no_priority", priority=value)
        return {"priority": None}


class ValidateIncidentStatusForm(FormValidationAction):
    def name(self):
        return "validate_incident_status_form"

    def validate_email(self, value, dispatcher, tracker, domain):
        return validate_email(value, dispatcher, tracker)


class OpenIncident(Action):
    def name(self):
        return "action_open_incident"

    def run(self, dispatcher, tracker, domain):
        forgotten = ["email", "priority", "problem_description", "incident_title", "confirm"]
        if tracker.get_slot("confirm"):
            slots = [tracker.get_slot(name) for name in ("caller_id", "incident_title", "problem_description", "priority")]
            number = INCIDENTS.create(*slots)
            dispatcher.utter_message(text=f"I have opened incident {number} for {tracker.get_slot('email')}.")
        else:
            dispatcher.utter_message(response="utter_incident_creation_canceled")
        return [SlotSet(name, None) for name in forgotten]


class CheckIncidentStatus(Action):
    def name(self):
        return "action_check_incident_status"

    def run(self, dispatcher, tracker, domain):
        incidents = INCIDENTS.of(tracker.get_slot("caller_id"))
        for incident in incidents:
            dispatcher.utter_message(text=f"{incident['number']} ({incident['title']}) is open.")
        if not incidents:
            dispatcher.utter_message(text=f"There are no open incidents of {tracker.get_slot('email')}.")
        return [SlotSet("email", None)]


class HandoffOptions(Action):
    def name(self):
        return "action_handoff_options"

    def run(self, dispatcher, tracker, domain):
        buttons = [{"title": "Helpdesk", "payload": '/trigger_handoff{"handoff_to": "helpdesk"}'}]
        dispatcher.utter_message(text="Whom shall I hand you to?", buttons=buttons)
        return []


class Handoff(Action):
    """There is no host to hand off to here."""

    def name(self):
        return "action_handoff"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(response="utter_handoff")
        host = tracker.get_slot("handoff_to")
        if host:
            dispatcher.utter_message(response="utter_wouldve_handed_off", handoffhost=host)
        else:
            dispatcher.utter_message(response="utter_no_handoff")
        return []
