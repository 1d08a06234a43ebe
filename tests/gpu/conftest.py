"""What needs a GPU and no engine: ``python -m pytest tests/gpu`` where torch has CUDA."""

import pytest
import torch


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        reason = f"torch {torch.__version__} sees no GPU: run this folder where one is (make gpu)"
        for item in items:
            if "tests/gpu" in str(item.path).replace("\\", "/"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def settings_of_torch():
    """As a process has them at its start."""
    torch.manual_seed(0)
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.enabled = True
