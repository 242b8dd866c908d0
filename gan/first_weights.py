"""First weights that come with the package: generators of the default method, trained on phantoms alone.

`make first-weights` makes them; the file's metadata says how. They begin a training instead of weights that
were drawn, at a larger side grown (`networks.grown`).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..core.errors import BusError
from ..core.files import write_bytes

Start = Mapping[str, Mapping[str, Tensor]]  # weights of to_target and to_source, by name


def path_of(name: str) -> Path:
    """Where the weights called so lie in the package."""
    return Path(__file__).with_name(f"{name}.safetensors")


def load(name: str) -> Start | None:
    """The weights called so, float32; None for `none`. BusError where the package lacks them."""
    if name == "none":
        return None
    start: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path_of(name), framework="pt") as weights:
            for key in weights.keys():  # noqa: SIM118, it is no mapping
                network, _, tensor = key.partition(".")
                start.setdefault(network, {})[tensor] = weights.get_tensor(key).float()
    except Exception as error:  # safetensors raises nearly anything for a damaged file
        raise BusError(
            f"{path_of(name)} cannot be read ({error}). Install the package again, or use --set init=none."
        ) from error
    return start


def write(name: str, start: Start, how: Mapping[str, str]) -> Path:
    """Keep generators under a name, in half precision, with `how` they were made beside them."""
    tensors = {
        f"{network}.{key}": tensor.to("cpu", torch.float16).contiguous()
        for network, weights in start.items()
        for key, tensor in weights.items()
    }
    write_bytes(path_of(name), save(tensors, dict(how)))
    return path_of(name)
