"""`make first-weights`: generators trained on phantoms alone, as the first weights that the package holds.

    python tests/first_weights.py FOLDER [--phantoms 15000] [--pairs 20000]

Simulates phantoms of three scanners with seeds that no study and no warm start uses, trains the default
translator at 64 px on the training part of one fold of them, and writes its two generators, in half
precision. All of it is kept in FOLDER; the same command goes on where it stopped. To ship them, copy the file
into gan/ under a name of its own, and add name and hash to `first_weights.SHA256` and `config.INITS`.
"""

import argparse
import csv
import platform
from pathlib import Path

import bus
import torch
from bus.core.compute import cores, resolve
from bus.core.files import sha256_file, write_csv
from bus.data import phantom
from bus.data.study import open_or_create
from bus.gan import first_weights
from bus.gan.config import INIT_SIZE, INIT_TARGET, configure
from bus.gan.train import train

SEED = 3_000  # of the first scanner's phantoms; the others have the next ones
COLUMNS = ("file", "label", "group")


def main() -> None:
    """Simulate, train, write."""
    parser = argparse.ArgumentParser(
        prog="tests/first_weights.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phantoms", type=int, default=15_000)
    parser.add_argument("--pairs", type=int, default=20_000)
    asked = parser.parse_args()
    compute, scans = resolve(), simulated(asked.folder / "scans", asked.phantoms)
    study = open_or_create(asked.folder / "study", {"data": str(scans), "size": INIT_SIZE})
    config = configure(
        study,
        compute,
        fold=0,
        target=INIT_TARGET,
        seed=0,
        preset="standard",
        pairs=asked.pairs,
        changes={"phantoms": "0", "init": "none"},
    )
    translator = train(study, config, compute)
    saved = torch.load(translator.checked_checkpoint(), map_location="cpu", weights_only=True)["model"]
    start = {"to_target": saved["averaged"], "to_source": saved["networks"]["to_source"]}
    how = {
        "phantoms": str(asked.phantoms),
        "pairs": str(asked.pairs),
        "generator": translator.generator_sha256,
        "versions": f"bus {bus.__version__}, torch {torch.__version__}",
        "machine": f"{platform.machine()}, {compute.device}, {compute.precision}",
    }
    path = asked.folder / "first-weights.safetensors"
    first_weights.write(path, start, how)
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256_file(path)}")


def simulated(folder: Path, count: int) -> Path:
    """A folder of `count` phantoms, a third of each scanner, made where it is not there."""
    rows: list[tuple[str, ...]] = []
    for number, scanner in enumerate(phantom.SCANNERS):
        part = folder / scanner
        if not part.exists():
            each = count // len(phantom.SCANNERS)
            phantom.write_cohort(part, each, seed=SEED + number, scanner=scanner, jobs=cores())
        with (part / "labels.csv").open(newline="") as file:
            found = list(csv.DictReader(file))
        rows += [(f"{scanner}/{row['file']}", row["label"], f"{scanner} {row['group']}") for row in found]
    write_csv(folder / "labels.csv", COLUMNS, rows)
    return folder


if __name__ == "__main__":
    main()
