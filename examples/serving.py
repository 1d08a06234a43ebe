"""Ask a running server about a picture, and say what the extension does there.

    ENGINE_EXT_STATUS=/tmp/e.jsonl python -m sglang.launch_server --model-path M --port 30000
    python examples/serving.py http://127.0.0.1:30000 picture.png /tmp/e.jsonl

Nothing in a request is the extension's: it is the OpenAI API of the engine.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

from openai import OpenAI


def ask(url: str, picture: Path, question: str = "What is in this picture?") -> str:
    """The greedy answer of whatever model the server at ``url`` serves."""
    client = OpenAI(base_url=f"{url}/v1", api_key="none")
    data = base64.b64encode(picture.read_bytes()).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    completion = client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": [image, {"type": "text", "text": question}]}],
        temperature=0,
        max_tokens=64,
    )
    return completion.choices[0].message.content or ""


def main() -> int:
    if len(sys.argv) != 4:
        print("usage: serving.py URL PICTURE STATUS_FILE", file=sys.stderr)
        return 2
    url, picture, status = sys.argv[1:]
    print(ask(url, Path(picture)))
    return subprocess.call([sys.executable, "-m", "engine_ext", "doctor", "--status", status])


if __name__ == "__main__":
    sys.exit(main())
