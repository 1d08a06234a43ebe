"""``--smg-grpc-mode``: a gateway sends tokens, and images as it has processed them, over gRPC.

Its packages are not in the environment: install them into a folder, and name it in ``PYTHONPATH``.
"""

import pytest

from engine_ext import status
from evals import checkpoints
from evals.checkpoints.questions import held_out
from evals.serving import status_lines
from evals.serving.servers import free_port
from tests.engines.deployed import START_SECONDS, another_command
from tests.engines.limits import DEFAULT, OFF, ON, slow

INSTALL = (
    "pip install --no-deps --target FOLDER smg-grpc-servicer smg-grpc-proto grpcio"
    " grpcio-health-checking grpcio-reflection protobuf; PYTHONPATH=FOLDER"
)
pytestmark = slow

FAMILY = "qwen2_5_vl"
NO_WARM_UP = {"SMG_SGLANG_SERVICER_WARMUP": "off"}
"""It would send tokens that the small vocabulary of the checkpoint does not have."""


def asked():
    """Requests by name, as a gateway makes them: with one image, another, and none."""
    from smg_grpc_proto import sglang_scheduler_pb2 as proto
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoints.path(FAMILY))
    about_images = (q for q in held_out(limit=12, side=checkpoints.side(FAMILY)) if not q.is_video)
    (first, second) = (next(about_images) for _ in range(2))
    prompts = {
        "image": (first.text, first.images),
        "another image": (second.text, second.images),
        "text": (first.text, []),
    }
    found = {}
    for name, (text, images) in prompts.items():
        content = [{"type": "image", "image": image} for image in images]
        made = processor.apply_chat_template(
            [{"role": "user", "content": [*content, {"type": "text", "text": text}]}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        request = proto.GenerateRequest(request_id=name, return_logprob=True, logprob_start_len=-1)
        tokens = made["input_ids"][0].tolist()
        request.tokenized.input_ids.extend(tokens)
        request.sampling_params.MergeFrom(
            proto.SamplingParams(temperature=0, top_p=1, top_k=-1, repetition_penalty=1, n=1)
        )
        request.sampling_params.max_new_tokens = 8
        if images:
            _add_image(request.mm_inputs, made, tokens, processor.image_token_id)
        found[name] = request
    return found


def _add_image(inputs, made, tokens, image_token):
    for target, value in (
        (inputs.pixel_values, made["pixel_values"]),
        (inputs.model_specific_tensors["image_grid_thw"], made["image_grid_thw"]),
    ):
        target.data, target.dtype = value.numpy().tobytes(), str(value.dtype).split(".")[1]
        target.shape.extend(value.shape)
    inputs.im_token_id = image_token
    inputs.mm_placeholders.add(offset=tokens.index(image_token), length=tokens.count(image_token))


def answers(folder, switch):
    import grpc
    from smg_grpc_proto import sglang_scheduler_pb2_grpc

    port = free_port()
    settings = {"smg_grpc_mode": True, "skip_server_warmup": True, "port": port}
    server = another_command(FAMILY, folder, {**NO_WARM_UP, **switch}, **settings)
    with server as lines, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=START_SECONDS)
        service = sglang_scheduler_pb2_grpc.SglangSchedulerStub(channel)
        found = {}
        for name, request in asked().items():
            *_, last = service.Generate(request)
            said = last.complete
            logprobs = list(said.output_logprobs.token_logprobs)
            found[name] = list(said.output_ids), logprobs, said.prompt_tokens
        return found, status_lines.of_all(lines)


@pytest.mark.shows("layouts", "tokens and processed images over gRPC, {features}")
@pytest.mark.parametrize("features", ["by default", "named"])
def test_answers_are_those_of_stock(features, tmp_path, say):
    pytest.importorskip("smg_grpc_servicer", reason=INSTALL)
    say(f"SGLang, requests of a gateway over gRPC, {features} (1 min)")
    stock, nothing = answers(tmp_path / "stock", OFF)
    found, lines = answers(tmp_path / "ours", ON if features == "named" else DEFAULT)
    assert found == stock
    assert all(tokens and logprobs for tokens, logprobs, _ in found.values())
    assert nothing == []
    assert [line["role"] for line in lines if line["role"] != status.POSITIONS] == [status.MODEL]
