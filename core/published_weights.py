"""Weights that others publish: fetched once into torch's cache, known by their hash, read as numbers alone.

torch's own loader checks a hash only while it downloads, and runs what a kept file asks for.
"""

import hashlib
import http.client
import re
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from .errors import BusError
from .files import writing
from .opener import open_file
from .progress import note

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity publishes it
SHA256 = {  # of the files whose whole hash several projects publish independently of each other
    INCEPTION_FILE: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "resnet18-f37072fd.pth": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "vgg16-397923af.pth": "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
}
CONNECT_SECONDS = 10.0  # also the longest silence of a server that we wait out
PIECE = 1 << 20  # bytes that are written at once
LARGEST = 4 << 30  # bytes of a download; torchvision's largest file has 2.6 GB
SHOWN = 300  # characters of what torch says of weights that do not fit: it names every tensor
OLD_NAMES = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")  # in torchvision's files of DenseNet

Announce = Callable[[str], object]
Tensors = OrderedDict[str, Tensor]  # of a network by name


class Unreachable(BusError):
    """The server that has the weights did not give them; `reason` says in its words why."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


def kept_path(url: str) -> Path:
    """Where torch keeps the file of `url`, whether it is there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def obtain(url: str, *, of: str, mend: str, what: str = "weights", announce: Announce = note) -> Path:
    """The file of `url` in torch's cache, checked, and downloaded where it is not there.

    `of` is what needs `what`, and `mend` what else can be done, both for the sentences. BusError where it
    cannot be had, Unreachable where no server gives it.
    """
    kept = kept_path(url)
    if kept.exists():
        check(kept, url, "Delete it, and it will be downloaded again.")
    else:
        download(url, kept, announce, of=of, mend=mend, what=what)
    return kept


def read(path: Path, of: str) -> Tensors:
    """The tensors of a file of weights that was checked, by today's names; code in it does not run.

    `of` is the network for the sentence. BusError where it holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        tensors = OrderedDict((OLD_NAMES.sub(r"\1\2", name), tensor) for name, tensor in state.items())
        vars(tensors).update(vars(state))  # versions of modules, by which torch reads files of old ones
    except Exception as error:  # torch raises many kinds for a file that holds something else
        raise BusError(f"{path} holds no weights of {of} ({type(error).__name__}).") from error
    return tensors


def load(network: nn.Module, tensors: Tensors, of: str, *, fresh: Container[str] = ()) -> None:
    """Give a network the tensors of its names, but for the `fresh` names, which it keeps as they are.

    BusError where one is missing or has another shape; tensors of other names are left.
    """
    own = network.state_dict()
    taken = OrderedDict(
        (name, own[name] if name in fresh else tensors[name])
        for name in own
        if name in fresh or name in tensors
    )
    vars(taken).update(vars(tensors))
    try:
        network.load_state_dict(taken)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:SHOWN]
        raise BusError(f"The published weights do not fit {of}: {reason}") from error


def expected_sha256(url: str) -> str:
    """The SHA-256 of the weights of `url`: the whole where it is known, else its first digits.

    Those are what torch's checkpoints carry in their names (…-6726825d.pth).
    """
    name = url.rpartition("/")[2]
    if name in SHA256:
        return SHA256[name]
    found = re.search(r"-([0-9a-f]{8,})\.\w+$", name)
    if found is None:
        raise BusError(f"{url} carries no hash in its name, so the weights could not be checked.")
    return found[1]


def check(path: Path, url: str, mend: str) -> None:
    """BusError unless `path` is a file whose SHA-256 is the expected one, as far as that is known."""
    try:
        with open_file(path) as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BusError(f"The weights {path} could not be read ({error.strerror}). {mend}") from error
    if not found.startswith(expected := expected_sha256(url)):
        raise BusError(
            f"The weights {path} have SHA-256 {found[:16]}…; one that begins with {expected[:16]} was "
            f"expected. {mend}"
        )


def download(
    url: str,
    path: Path,
    announce: Announce,
    *,
    of: str,
    mend: str,
    what: str = "weights",
    timeout: float = CONNECT_SECONDS,
) -> None:
    """Fetch the weights of `url` to `path`, whole and with the right hash or not at all.

    `timeout`: seconds to connect, and between bytes. Unreachable where there is no network, another BusError
    for what came: each says what to do.
    """
    announce(
        f"{of} needs {what} from {url}, kept in {path.parent}; waiting up to {timeout:g} s for an answer …"
    )
    with writing(path) as temporary:
        with temporary.open("wb") as file:
            for piece in _pieces(url, timeout, mend):
                file.write(piece)
        check(temporary, url, mend)


def _pieces(url: str, timeout: float, mend: str) -> Iterator[bytes]:
    """What a server sends, up to LARGEST; Unreachable where it fails."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            for _ in range(LARGEST // PIECE):
                if not (piece := answer.read(PIECE)):
                    return
                yield piece
    except (OSError, http.client.HTTPException, ValueError) as error:
        found = getattr(error, "reason", None) or error
        reason = str(getattr(found, "strerror", None) or found)
        raise Unreachable(f"{url} could not be fetched ({reason}). {mend}", reason) from error
