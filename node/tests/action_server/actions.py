"""Actions that do one thing each, so that the tests see how the engine and Rasa's own action server understand each other."""

import datetime

from rasa_sdk import Action
from rasa_sdk.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActionReverted,
    ActiveLoop,
    AgentUttered,
    AllSlotsReset,
    BotUttered,
    ConversationPaused,
    ConversationResumed,
    FollowupAction,
    Form,
    FormValidation,
    LoopInterrupted,
    ReminderCancelled,
    ReminderScheduled,
    Restarted,
    SessionStarted,
    SlotSet,
    StoryExported,
    UserUtteranceReverted,
    UserUttered,
)
from rasa_sdk.forms import FormValidationAction
from rasa_sdk.interfaces import ActionExecutionRejection


class EveryEvent(Action):
    """Sends an event of every kind that the SDK has."""

    def name(self):
        return "action_every_event"

    def run(self, dispatcher, tracker, domain):
        at = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        understood = {"intent": {"name": "greet", "confidence": 0.5}, "entities": []}
        return [
            UserUttered("hello", understood, input_channel="test"),
            BotUttered("hi", {"image": "picture"}, {"utter_action": "utter_hi"}),
            SlotSet("size", "large"),
            Restarted(),
            SessionStarted(),
            UserUtteranceReverted(),
            AllSlotsReset(),
            ReminderScheduled("EXTERNAL_tea", at, {"drink": "tea"}, name="tea", kill_on_user_message=False),
            ReminderCancelled(name="tea"),
            ReminderCancelled(intent_name="EXTERNAL_tea", entities=[{"entity": "drink", "value": "tea"}]),
            ActionReverted(),
            StoryExported(),
            FollowupAction("action_listen"),
            ConversationPaused(),
            ConversationResumed(),
            AgentUttered("a human"),
            ActionExecuted("action_listen", policy="test", confidence=0.5),
            Form("order_form"),
            ActiveLoop(None),
            FormValidation(False),
            LoopInterrupted(True),
            ActionExecutionRejected("order_form"),
        ]


class Responses(Action):
    """Says something in every way that the dispatcher has."""

    def name(self):
        return "action_responses"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="plain")
        dispatcher.utter_message(text="choose", buttons=[{"title": "Yes", "payload": "/affirm"}])
        dispatcher.utter_message(image="https://example.org/picture.png")
        dispatcher.utter_message(attachment={"type": "file", "payload": {"src": "report.pdf"}})
        dispatcher.utter_message(json_message={"card": [1, 2]})
        dispatcher.utter_message(response="utter_sized", size="small", text=None)
        dispatcher.utter_message(template="utter_choice", buttons=[{"title": "Neither", "payload": "/deny"}])
        return []


class Remind(Action):
    """Schedules a reminder a moment from now."""

    def name(self):
        return "action_remind"

    def run(self, dispatcher, tracker, domain):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
        dispatcher.utter_message(text="In a moment.")
        return [ReminderScheduled("EXTERNAL_tea", at, {"drink": "tea"}, name="tea", kill_on_user_message=False)]


class Tea(Action):
    """Runs when the reminder is due."""

    def name(self):
        return "action_tea"

    def run(self, dispatcher, tracker, domain):
        drink = next(tracker.get_latest_entity_values("drink"), None)
        dispatcher.utter_message(text=f"Your {drink} is ready.")
        return [SlotSet("size", "served")]


class Follow(Action):
    """Sets a slot and asks for another action."""

    def name(self):
        return "action_follow"

    def run(self, dispatcher, tracker, domain):
        return [SlotSet("size", "huge"), FollowupAction("utter_sized")]


class Begin(Action):
    """Begins the conversation anew."""

    def name(self):
        return "action_anew"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="From the beginning.")
        return [Restarted()]


class Reject(Action):
    def name(self):
        return "action_reject"

    def run(self, dispatcher, tracker, domain):
        raise ActionExecutionRejection(self.name(), "not now")


class Raise(Action):
    def name(self):
        return "action_raise"

    def run(self, dispatcher, tracker, domain):
        raise ValueError("broken on purpose")


class TellDomain(Action):
    """Says what it knows of the domain."""

    def name(self):
        return "action_tell_domain"

    def run(self, dispatcher, tracker, domain):
        slots = ",".join(sorted(domain.get("slots", {})))
        form = domain.get("forms", {}).get("order_form", {})
        text = domain.get("responses", {}).get("utter_sized", [{}])[0].get("text")
        dispatcher.utter_message(text=f"{slots}|{form.get('required_slots')}|{text}")
        return []


class ValidateOrderForm(FormValidationAction):
    """Validates with the domain's own slots, and asks for one more where the order is large."""

    def name(self):
        return "validate_order_form"

    async def required_slots(self, domain_slots, dispatcher, tracker, domain):
        return domain_slots + ["confirmed"] if tracker.get_slot("size") == "large" else domain_slots

    def validate_size(self, value, dispatcher, tracker, domain):
        if value.lower() in ("small", "large"):
            return {"size": value.lower()}
        dispatcher.utter_message(text=f"There is no size {value}.")
        return {"size": None}
