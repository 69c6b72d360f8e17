"""Holds the conversations of the conformance cases with Rasa itself (3.6) and compares what happens.

usage: python rasa_reference.py FILE.txt... [--only PART_OF_A_NAME]

Needs a Python in which `rasa` 3.6 is installed. The model is trained without a pipeline: what a message means stands in
the case, as it does for our own engine. Cases whose feature is ours alone say so with a line `differs: why` behind
`feature:` and are left out; so are those whose files Rasa does not train.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.simplefilter("ignore")

import rasa.model_training  # noqa: E402
from rasa.core.agent import Agent  # noqa: E402
from rasa.core.actions import action as actions  # noqa: E402
from rasa.core.channels import CollectingOutputChannel, UserMessage  # noqa: E402
from rasa.shared.core import events as ev  # noqa: E402
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader  # noqa: E402
from rasa.shared.nlu.training_data.message import Message  # noqa: E402

import structlog  # noqa: E402

logging.disable(logging.CRITICAL)
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
BEGIN = 1_795_852_800.0
POLICIES = "policies: [{name: AugmentedMemoizationPolicy, max_history: 5}, {name: RulePolicy}]\n"
BUILT_IN_WORDS = re.compile(r"bot: (Do you mean|Did you mean) '(.*?)'\?")


def cases(path):
    case, part = None, None
    for line in Path(path).read_text().splitlines():
        if line.startswith("=== "):
            case, part = {"name": line[4:], "files": {}, "talk": None, "differs": None}, None
            yield case
        elif line.startswith("differs: ") and part is None:
            case["differs"] = line[9:]
        elif line.startswith("--- "):
            part = line[4:]
            if part == "talk":
                case["talk"] = []
            elif part != "says":
                case["files"][part] = ""
        elif part == "talk" and line and line[0] in ">!~?*":
            case["talk"].append([line, []])
        elif part == "talk" and line:
            case["talk"][-1][1].append(line)
        elif part not in (None, "says", "talk"):
            case["files"][part] += line + "\n"


def scored(text):
    name, _, number = text.rpartition(" ")
    return (name, float(number)) if name else (number, 1.0)


def parse(domain, said, thresholds):
    """What a model makes of a message, from its line."""
    if said.startswith("/"):
        base = re.sub(r"^/(\w+)/\w+", r"/\1", said)
        message = YAMLStoryReader.unpack_regex_message(Message({"text": base}), domain, "RegexMessageHandler")
        data = message.as_dict()
        key = re.match(r"^/(\w+/\w+)", said)
        keys = [(key.group(1), 1.0)] if key else []
        intent = data.get("intent") or {"name": None, "confidence": 0.0}
        return said, intent, data.get("intent_ranking", [intent]), data.get("entities", []), keys
    parts = [part.strip() for part in said.split(" | ")]
    ranking, entities, keys = [], [], []
    for part in parts[1:]:
        if part.startswith("key="):
            keys.append(scored(part[4:]))
        elif "=" in part:
            entity, value = part.split("=", 1)
            value, _, group = value.partition("@")
            value, _, role = value.partition("#")
            found = {"entity": entity, "value": value, "start": max(parts[0].find(value), 0)}
            found["end"] = found["start"] + len(value)
            if role:
                found["role"] = role
            if group:
                found["group"] = group
            entities.append(found)
        else:
            name, confidence = scored(part)
            ranking.append({"name": name, "confidence": confidence})
    ranking = ranking or [{"name": None, "confidence": 0.0}]
    if thresholds:
        best = ranking[0]["confidence"]
        gap = best - ranking[1]["confidence"] if len(ranking) > 1 else None
        if best < thresholds[0]:
            ranking.insert(0, {"name": "nlu_fallback", "confidence": 1 - best})
        elif gap is not None and gap < thresholds[1]:
            ranking.insert(0, {"name": "nlu_fallback", "confidence": 1 - gap})
    return parts[0], ranking[0], ranking, entities, keys


def selectors(keys):
    out = {}
    for key, confidence in keys:
        base = key.split("/")[0]
        out.setdefault(base, {"ranking": []})["ranking"].append({"intent_response_key": key, "confidence": confidence})
    for selected in out.values():
        best = selected["ranking"][0]
        selected["response"] = dict(best, utter_action="utter_" + best["intent_response_key"], responses=[])
    out["all_retrieval_intents"] = list(out)
    return out


def value(found):
    if found is None:
        return "None"
    return found if isinstance(found, str) else json.dumps(found, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def show(event):
    if isinstance(event, ev.UserUttered):
        external = (event.text or "").startswith("EXTERNAL: ")
        return f"user: {event.text if external else event.intent.get('name') or ''}"
    if isinstance(event, ev.BotUttered):
        data = event.data
        line = f"bot: {event.text or '-'}"
        if data.get("image"):
            line += f" (image {data['image']})"
        for button in data.get("buttons") or []:
            line += f" [{button['title']} {button.get('payload', button['title'])}]"
        if data.get("attachment") and data["attachment"] != data.get("image"):
            line += f" (attachment {value(data['attachment'])})"
        if data.get("custom"):
            line += f" (custom {value(data['custom'])})"
        return line
    if isinstance(event, ev.ActionExecuted):
        name = event.action_name or event.action_text
        return "listen" if name == "action_listen" else f"action {name}"
    if isinstance(event, ev.SlotSet):
        return f"slot {event.key}: {value(event.value)}"
    if isinstance(event, ev.ActiveLoop):
        return f"loop {event.name or '-'}"
    if isinstance(event, ev.LoopInterrupted):
        return f"loop interrupted: {str(event.is_interrupted).lower()}"
    if isinstance(event, ev.ActionExecutionRejected):
        return f"refused {event.action_name}"
    if isinstance(event, ev.FollowupAction):
        return f"followup {event.action_name}"
    if isinstance(event, ev.ReminderScheduled):
        at = event.trigger_date_time
        at = at.timestamp() if at.tzinfo else at.replace(tzinfo=__import__("datetime").timezone.utc).timestamp()
        return f"reminder {event.name}: {event.intent} at +{int((at - BEGIN) / 60)} min"
    if isinstance(event, ev.ReminderCancelled):
        return " ".join(["cancel reminder"] + [x for x in (event.name, event.intent) if x])
    if isinstance(event, ev.EntitiesAdded):
        return "entities " + ", ".join(e["entity"] for e in event.entities)
    if isinstance(event, ev.AgentUttered):
        return f"agent: {event.text}"
    plain = {
        ev.SessionStarted: "session started",
        ev.AllSlotsReset: "slots reset",
        ev.Restarted: "restarted",
        ev.UserUtteranceReverted: "rewind",
        ev.ActionReverted: "undo",
        ev.ConversationPaused: "paused",
        ev.ConversationResumed: "resumed",
    }
    return plain.get(type(event))


class Answers:
    """Stands in for the action server."""

    def __init__(self):
        self.waiting = []

    async def request(self, json=None, **_):  # noqa: A002
        said = self.waiting.pop(0) if self.waiting else "{}"
        if said == "refused":
            raise actions.ActionExecutionRejection(json["next_action"])
        if said == "failed":
            raise actions.RasaException("no connection")
        answer = __import__("json").loads(said)
        return {"events": answer.get("events", []), "responses": answer.get("responses", [])}

    kwargs = {}
    url = "none"


async def hold(case, folder):
    # Rasa keeps a cache where it runs.
    os.chdir(folder)
    for name, text in case["files"].items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    given = case["files"].get("config.yml", "")
    thresholds = (0.3, 0.1)
    if "pipeline" in given:
        import yaml
        found = [c for c in yaml.safe_load(given)["pipeline"] or [] if c["name"] == "FallbackClassifier"]
        thresholds = (found[0].get("threshold", 0.3), found[0].get("ambiguity_threshold", 0.1)) if found else None
    policies = given if "policies" in given else POLICIES
    policies = re.sub(r"(?ms)^pipeline:.*?(?=^policies)", "", policies)
    config = Path(folder) / "config.yml"
    config.write_text("recipe: default.v1\nassistant_id: case\nlanguage: en\npipeline: []\n" + policies)
    model = rasa.model_training.train_core(folder, str(config), folder, str(Path(folder) / "models"))
    answers = Answers()
    agent = Agent.load(model, action_endpoint=answers)
    processor = agent.processor
    out = []
    clock = [BEGIN]
    time.time, real = (lambda: clock[0]), time.time
    try:
        for line, _ in case["talk"]:
            kind, rest = line[0], line[1:].strip()
            if kind == "!":
                answers.waiting.append(rest)
            elif kind == "~":
                clock[0] += 60 * int(rest)
            elif kind == ">":
                text, intent, ranking, entities, keys = parse(agent.domain, rest, thresholds)
                data = {"text": text, "intent": dict(intent), "intent_ranking": ranking, "entities": entities}
                data["response_selector"] = selectors(keys)
                message = UserMessage(text, CollectingOutputChannel(), "alice", parse_data=data)
                await processor.handle_message(message)
            elif kind == "*":
                tracker = await processor.tracker_store.retrieve_full_tracker("alice")
                due = [e for e in tracker.events if isinstance(e, ev.ReminderScheduled) and e.name == rest][-1]
                await processor.handle_reminder(due, "alice", CollectingOutputChannel())
            tracker = await processor.tracker_store.retrieve_full_tracker("alice")
            events = [e for e in tracker.events if e.timestamp == clock[0]] if tracker and kind in ">*" else []
            shown = [s for s in map(show, events) if s]
            if shown[:3] == ["action action_session_start", "session started", "listen"]:
                shown = shown[3:]
            out.append(shown)
            clock[0] += 0.001
    finally:
        time.time = real
        os.chdir("/")
    return out


def same(line):
    return BUILT_IN_WORDS.sub(r"bot: '\2'?", line)


async def main(arguments):
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else ""
    paths = [str(Path(a).resolve()) for a in arguments if a.endswith(".txt")]
    counts = {"same": 0, "different": 0, "left out": 0, "not trained": 0}
    for path in paths:
        for case in list(cases(path)):
            if case["talk"] is None or only not in case["name"]:
                continue
            if case["differs"]:
                counts["left out"] += 1
                print(f"left out   {case['name']}: {case['differs']}")
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                        found = await hold(case, folder)
                except BaseException as error:  # noqa: B902
                    counts["not trained"] += 1
                    print(f"NOT RUN    {case['name']}: {type(error).__name__}: {error}")
                    if "--trace" in arguments:
                        traceback.print_exception(error)
                    continue
            wrong = [
                (line, expected, got)
                for (line, expected), got in zip(case["talk"], found)
                if line[0] in ">*" and list(map(same, expected)) != list(map(same, got))
            ]
            counts["different" if wrong else "same"] += 1
            print(f"{'DIFFERENT' if wrong else 'same':<10} {case['name']}")
            for line, expected, got in wrong:
                print(f"  {line}\n    here: {expected}\n    Rasa: {got}")
    print(counts)


asyncio.run(main(sys.argv[1:]))
