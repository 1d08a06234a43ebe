"""A server of the OpenAI API that answers with given messages: what no tiny checkpoint says."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = {"content": "A"}


@contextmanager
def replies(message_of, key=None):
    """Its URL, and the requests it got; ``message_of`` gives the message of each, by its number,
    or None for a request that fails."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._say({"data": [{"id": "thinker", "root": "/models/thinker"}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            told = message_of(len(asked) - 1)
            if told is None:
                self._say({"error": {"message": "failed"}}, 500)
                return
            tokens, message = 2, {"role": "assistant", **told}
            if "<think>" in str(message.values()) or "reasoning_content" in message:
                tokens = body["max_tokens"]
            usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            head = {"id": "1", "object": "chat.completion", "created": 0, "model": "thinker"}
            self._say({**head, "choices": [choice], "usage": usage})

        def _say(self, what, status=200):
            wanted = key is None or self.headers["Authorization"] == f"Bearer {key}"
            data = json.dumps(what if wanted else {"error": {"message": "Unauthorized"}}).encode()
            self.send_response(status if wanted else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
