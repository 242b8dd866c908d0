"""Where numbers are computed: what the processor is asked, and how memory is taken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bus import compute

FAULTS = """
import resource
import bus, torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.full((10 << 20,), 1.0)  # 40 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(("asked", "most"), [(None, 0.1), ("0", 1.5)])
def test_large_tensors_lie_in_huge_pages_unless_the_user_says_otherwise(asked: str | None, most: float) -> None:
    kernel = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not kernel.exists() or "[madvise]" not in kernel.read_text():
        pytest.skip("this kernel gives huge pages to all or to nobody")
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    environment |= {"THP_MEM_ALLOC_ENABLE": asked} if asked else {}
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, env=environment, check=True)
    small = 40 * 2**20 // 4096  # pages of 4 kB
    assert most / 2 * small * (asked == "0") < int(done.stdout) < most * small


@pytest.mark.parametrize(
    ("has", "fast"), [({"avx2"}, False), ({"avx2", "avx512_f", "avx512_bf16"}, True), ({"amx_bf16"}, True), (set(), False)]
)
def test_bfloat16_is_chosen_where_the_processor_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, has: set[str], fast: bool
) -> None:
    monkeypatch.setattr(compute, "instructions", lambda: has)
    assert compute.fast_bfloat16("cpu") == fast
    assert compute.resolve("cpu").precision == ("bfloat16" if fast else "float32")
    assert compute.resolve("cpu", "float32").precision == "float32"  # the option overrides
    assert not compute.fast_bfloat16("mps")


def test_an_older_torch_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": True, "cores": 2, "amx_bf16": False}, raising=False)
    assert compute.instructions() == {"avx2", "avx512_bf16"}
    monkeypatch.setattr(compute, "hasattr", lambda *_: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert "avx512_bf16" in compute.instructions()
