"""Published weights: a download arrives whole or not at all, what is kept is checked, no code in it runs."""

import hashlib
import pickle
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from bus.classify.torchvision_names import torchvision_names
from bus.core import published_weights
from bus.core.errors import BusError
from bus.core.published_weights import Unreachable, download, expected_sha256, load, obtain, read
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
from torchvision import models

CONTENT = b"weights of a network"
GOOD = hashlib.sha256(CONTENT).hexdigest()[:8]
WORDS = {"of": "A judge", "mend": "Do without."}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """torch's cache, not made yet, and no proxy."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.startswith("/weights")
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


def test_a_download_arrives_whole_and_announced(server: str, tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "new" / "weights.pth"
    download(f"{server}/weights-{GOOD}.pth", path, said.append, **WORDS)
    assert path.read_bytes() == CONTENT
    assert server in said[0] and "10 s" in said[0]


def test_a_download_with_a_wrong_hash_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(BusError, match=rf"{GOOD}.*00000000"):
        download(f"{server}/weights-00000000.pth", tmp_path / "weights.pth", lambda _: None, **WORDS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["/gone-00000000.pth", None])
def test_a_refusing_server_is_told_and_leaves_nothing(server: str, tmp_path: Path, path: str | None) -> None:
    url = server + path if path else f"http://127.0.0.1:{free_port()}/weights-00000000.pth"
    with pytest.raises(Unreachable, match=r"could not be fetched.*Do without"):
        download(url, tmp_path / "weights.pth", lambda _: None, **WORDS)
    assert not list(tmp_path.iterdir())


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # the connection is made, no byte ever comes
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/weights-{GOOD}.pth"
        with pytest.raises(BusError, match="timed out"):
            download(url, tmp_path / "weights.pth", lambda _: None, timeout=0.3, **WORDS)
    assert not list(tmp_path.iterdir())


def test_what_torch_keeps_is_checked_each_time(server: str, empty_cache: Path) -> None:
    """torch's own loader believes a file that is there."""
    said: list[str] = []
    url = f"{server}/weights-{GOOD}.pth"
    kept = obtain(url, announce=said.append, **WORDS)
    assert kept.parent == empty_cache and kept.read_bytes() == CONTENT and len(said) == 1
    assert obtain(url, announce=pytest.fail, **WORDS) == kept
    kept.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(BusError, match=r"expected\. Delete it"):
        obtain(url, announce=pytest.fail, **WORDS)


def test_an_endless_answer_ends(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_weights, "PIECE", 4)
    monkeypatch.setattr(published_weights, "LARGEST", 8)
    with pytest.raises(BusError, match=hashlib.sha256(CONTENT[:8]).hexdigest()[:16]):
        download(f"{server}/weights-{GOOD}.pth", tmp_path / "weights.pth", lambda _: None, **WORDS)
    assert not list(tmp_path.iterdir())


class Live:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_code_in_weights_does_not_run(tmp_path: Path) -> None:
    """Not even where the hash fits, as torch's own loader lets it."""
    path, mark = tmp_path / "weights.pth", tmp_path / "ran"
    torch.save({"a": Live(mark)}, path)
    with pytest.raises(BusError, match="holds no weights of a net"):
        read(path, "a net")
    path.write_bytes(pickle.dumps(Live(mark)))
    with pytest.raises(BusError, match="holds no weights of a net"):
        read(path, "a net")
    assert not mark.exists()


def test_files_of_old_versions_are_read_as_torchvision_reads_them(tmp_path: Path) -> None:
    """DenseNet's have points in names of layers, batch normalisation counted nothing; versions are kept."""
    network = models.densenet121(num_classes=2)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(3) if tensor.is_floating_point() else tensor.zero_()
    old = OrderedDict(
        (published_weights_name(name), tensor)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    )
    assert any(".norm.1." in name for name in old) and any(".conv.2." in name for name in old)
    torch.save(old, tmp_path / "densenet.pth")
    fresh = models.densenet121(num_classes=2)
    load(fresh, read(tmp_path / "densenet.pth", "densenet121"), "densenet121")
    assert all(torch.equal(a, b) for a, b in zip(*map(tensors, (fresh, network)), strict=True))

    torch.save(models.mnasnet0_5().state_dict(), tmp_path / "mnasnet.pth")
    load(models.mnasnet0_5(), read(tmp_path / "mnasnet.pth", "mnasnet0_5"), "mnasnet0_5")


def published_weights_name(name: str) -> str:
    """A name of DenseNet's layers as it was before 2018."""
    for layer in ("norm", "conv"):
        for number in "12":
            name = name.replace(f".{layer}{number}.", f".{layer}.{number}.") if "denselayer" in name else name
    return name


def tensors(network: nn.Module) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def test_weights_that_fit_in_part_are_refused() -> None:
    network, state = nn.Linear(2, 2), nn.Linear(2, 2).state_dict()
    load(network, OrderedDict(state, extra=torch.zeros(1)), "a net")
    assert torch.equal(network.weight, state["weight"])
    with pytest.raises(BusError, match=r"do not fit a net: .*bias"):
        load(network, OrderedDict(weight=state["weight"]), "a net")
    load(network, OrderedDict(weight=torch.ones(2, 2)), "a net", fresh={"bias"})
    assert torch.equal(network.bias, state["bias"]) and (network.weight == 1).all()
    with pytest.raises(BusError, match="do not fit a net"):
        load(network, OrderedDict(state, weight=torch.ones(3, 2)), "a net")


def test_weights_are_known_by_as_many_digits_as_there_are() -> None:
    urls = [next(iter(models.get_model_weights(name))).url for name in torchvision_names()]
    known = {url: expected_sha256(url) for url in (*urls, URL_INCEPTION_V3)}
    whole = {url: sha256 for url, sha256 in known.items() if len(sha256) == 64}
    assert all(len(sha256) >= 8 for sha256 in known.values())
    assert len(whole) == len(published_weights.SHA256) and URL_INCEPTION_V3 in whole
    assert all(f"-{sha256[:8]}.pth" in url for url, sha256 in whole.items())
    with pytest.raises(BusError, match="no hash in its name"):
        expected_sha256("https://example.org/net.pth")
