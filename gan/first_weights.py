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
from ..core.files import sha256_file, write_bytes

# a name means the same weights for ever; the names are those of INITS in config.py
SHA256 = {"phantoms-1": "1eb3dbfc1f927f6cf0cda464bd6f2a79e17a0be2ebb247ed48ecdc8292e0fbf9"}
Start = Mapping[str, Mapping[str, Tensor]]  # weights of to_target and to_source, by name


def path_of(name: str) -> Path:
    """Where the weights called so lie in the package."""
    return Path(__file__).with_name(f"{name}.safetensors")


def load(name: str) -> Start | None:
    """The weights called so, float32; None for `none`. BusError where the package lacks just these."""
    if name == "none":
        return None
    start: dict[str, dict[str, Tensor]] = {}
    try:
        if sha256_file(path_of(name)) != SHA256[name]:
            raise ValueError("its SHA-256 is not the one that its name stands for")
        with safe_open(path_of(name), framework="pt") as weights:
            for key in weights.keys():  # noqa: SIM118, it is no mapping
                network, _, tensor = key.partition(".")
                start.setdefault(network, {})[tensor] = weights.get_tensor(key).float()
    except Exception as error:  # safetensors raises nearly anything for a damaged file
        raise BusError(
            f"{path_of(name)} cannot be read ({error}). Install the package again, or use --set init=none."
        ) from error
    return start


def write(path: Path, start: Start, how: Mapping[str, str]) -> None:
    """Write generators to a file, in half precision, with `how` they were made in its metadata."""
    tensors = {
        f"{network}.{key}": tensor.to("cpu", torch.float16).contiguous()
        for network, weights in start.items()
        for key, tensor in weights.items()
    }
    write_bytes(path, save(tensors, dict(how)))
