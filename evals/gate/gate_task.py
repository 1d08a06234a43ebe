"""What the gate adds to a task of lmms-eval. Runs inside lmms-eval, from a copy beside the YAML.

- every sample carries a digest of its question, pictures included (`doc_hash` of lmms-eval 0.7.3
  is the same for all), its subject, a score of its own, and whether a choice could be read;
- requests are sent as the report says, and what a server has put into `reasoning_content` is
  thinking, no answer (`completions`);
- a reply from which no option can be read counts as wrong. lmms-eval draws an option at random.
"""

import ast
import hashlib
import json
from pathlib import Path

from lmms_eval.utils import load_yaml_config

from evals.gate import completions
from evals.gate.dataset import subject, unknown
from evals.gate.samples import answer

CONFIG = json.loads((Path(__file__).parent / "gate.json").read_text())
PACKAGED = load_yaml_config(CONFIG["packaged"], mode="full")
UNREADABLE = "none"


class _NoChoice:
    """In place of the module `random` where lmms-eval parses a choice."""

    @staticmethod
    def choice(options):
        return UNREADABLE


def process_docs(dataset):
    own = PACKAGED.get("process_docs")
    if own:
        dataset = own(dataset)
    wanted = CONFIG["subjects"]
    if not wanted:
        return dataset
    if said := unknown(wanted, dataset["id"]):
        raise SystemExit(said)  # an Exception would be tried again and hidden in a RetryError
    return dataset.filter(lambda name: subject(name) in wanted, input_columns=["id"])


def process_results(doc, results):
    answers = [answer(reply or "") for reply in results]
    outcome = dict(PACKAGED["process_results"](doc, answers))
    outcome["gate"] = {"digest": digest(doc)}
    if "mmmu_acc" in outcome:
        outcome["gate"] |= _mmmu(outcome["mmmu_acc"]) | {"chance": _chance(doc)}
    return outcome


def digest(doc):
    """SHA-256 of every field, pictures by mode, size and pixels."""
    found = hashlib.sha256()
    for name in sorted(doc):
        value = doc[name]
        if hasattr(value, "tobytes"):
            value = (value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest())
        found.update(f"{name}={value!r}\n".encode())
    return found.hexdigest()


def _mmmu(outcome):
    from lmms_eval.tasks.mmmu.utils import evaluate_mmmu

    _, figures = evaluate_mmmu([outcome])
    return {
        "id": outcome["id"],
        "subject": outcome["subdomain"],
        "score": float(figures["acc"]),
        "unreadable": UNREADABLE in outcome["parsed_pred"],
    }


def _chance(doc):
    """Of a right answer without looking; none for a question without options."""
    options = ast.literal_eval(str(doc.get("options") or []))
    return 1 / len(options) if options else 0.0


def _replace_random_choice():
    """Raises RuntimeError where lmms-eval has come to parse in another way."""
    from lmms_eval.tasks._task_utils import mmmu_mcq_utils

    mmmu_mcq_utils.random = _NoChoice
    parse = mmmu_mcq_utils.parse_mmmu_multi_choice_response
    if parse("?", ["A", "B"], {"A": "one", "B": "two"}) != UNREADABLE:
        raise RuntimeError("this lmms-eval parses a choice in a way the gate does not know")


_replace_random_choice()
completions.replace(CONFIG["max_new_tokens"])
