"""What Locust sends: the prepared requests in their order, shared by all users.

Runs in the environment of the load generator, which has no engine and no torch. `evals.soak.load`
prepares the requests, one JSON object a line, and reads what is written here of the answers.
"""

import json
import os
import time
from pathlib import Path

from locust import HttpUser, constant_throughput, events, task

REQUESTS = Path(os.environ["SOAK_REQUESTS"]).open()  # noqa: SIM115, open as long as the process
ANSWERS = Path(os.environ["SOAK_ANSWERS"]).open("w")  # noqa: SIM115
RATE_OF_USER = float(os.environ["SOAK_RATE_OF_USER"])
TIMEOUT = 120  # seconds


class Asker(HttpUser):
    """A client that asks one request at a time."""

    wait_time = constant_throughput(RATE_OF_USER)

    @task
    def ask(self):
        line = REQUESTS.readline()
        if not line:
            self.environment.runner.quit()
            return
        request = json.loads(line)
        sent = time.time()
        # vLLM 0.32 closes the connection after a status 500 without saying so, and the next request
        # on it would fail for the client's sake: each request gets a connection of its own.
        with self.client.post(
            "/v1/chat/completions",
            name=request["kind"],
            json=request["body"],
            headers={"Connection": "close"},
            timeout=TIMEOUT,
            catch_response=True,
        ) as response:
            status, text = response.status_code, response.text or ""
            if status == request["expected"]:
                response.success()
            else:
                response.failure(f"status {status}, expected {request['expected']}")
            milliseconds = response.request_meta["response_time"]
        answer = {
            "kind": request["kind"],
            "expected": request["expected"],
            "right": request["answer"],
            "sent": sent,
            "milliseconds": milliseconds,
            "status": status,  # 0: no answer
            "answered": _answered(text) if status == 200 else None,
            "message": None if status == 200 else text[:300] or str(response.error),
        }
        ANSWERS.write(json.dumps(answer) + "\n")
        ANSWERS.flush()


def _answered(text):
    """The text of a completion; None where the answer is not one."""
    try:
        return json.loads(text)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        return None


@events.quitting.add_listener
def close(**_):
    ANSWERS.close()
