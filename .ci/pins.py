"""Lists of requirements: `lock` turns pip's report into hashes, `oldest` lower bounds into versions,
`components` a list of components into one that names no server.

python .ci/pins.py lock report.json > requirements.lock
python .ci/pins.py components sbom.cdx.json > sbom.json
python .ci/pins.py oldest pyproject.toml > oldest.txt
python .ci/pins.py oldest pyproject.toml torch torchvision > oldest.txt  # of these two any that is admitted
"""

import json
import platform
import re
import sys
import tomllib
from pathlib import Path


def lock(report: Path) -> list[str]:
    """Every package that pip would install, with the SHA-256 of the file it chose; no server's address."""
    chosen = json.loads(report.read_text())["install"]
    lines = [
        f"{one['metadata']['name']}=={one['metadata']['version']} "
        f"--hash=sha256:{one['download_info']['archive_info']['hashes']['sha256']}"
        for one in chosen
    ]
    python = f"{platform.python_implementation()} 3.{sys.version_info[1]}"
    where = f"{platform.system()} {platform.machine()}, {python}"
    about = (
        f"# The tested set with hashes, for {where}; made by make lock. Install it with make install-locked."
    )
    return [about, *sorted(lines, key=str.casefold)]


def oldest(project: Path, *free: str) -> list[str]:
    """The lowest version of every requirement that pyproject.toml admits, those of the tests included.

    The `free` packages may be newer: where an old one is not to be had.
    """
    found = tomllib.loads(project.read_text())["project"]
    wanted = [
        *found["dependencies"],
        *found["optional-dependencies"]["dev"],
        *found["optional-dependencies"]["busi"],
    ]
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", text) for text in wanted]
    if not all(pairs):
        raise SystemExit("pyproject.toml has a requirement without a plain lower bound")
    tools = {"ruff", "mypy", "build", "scipy-stubs"}  # they check the source, not the product
    found_pairs = [(pair[1], pair[2]) for pair in pairs if pair and pair[1] not in tools]
    if unknown := set(free) - {name for name, _ in found_pairs}:
        raise SystemExit(f"{', '.join(sorted(unknown))}: no requirement of pyproject.toml")
    return [f"{name}{'>=' if name in free else '=='}{version}" for name, version in found_pairs]


def components(listed: Path) -> list[str]:
    """The list of components without the address of any server: packages are known by name and hash."""
    content = json.loads(listed.read_text())
    for tool in content["metadata"].get("tools", {}).get("components", []):
        tool.pop("externalReferences", None)
    for item in content["components"]:
        item["externalReferences"] = [
            {**reference, "url": item["purl"]} for reference in item.get("externalReferences", [])
        ]
    return [json.dumps(content, indent=2, sort_keys=True)]


if __name__ == "__main__":
    what = {"lock": lock, "oldest": oldest, "components": components}
    print("\n".join(what[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))
