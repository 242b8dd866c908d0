"""The table of results."""

import re
from types import SimpleNamespace
from typing import Any

from bus.benchmark.arms import Arm
from bus.benchmark.report.performance import seed_range


def test_the_spread_of_seeds_stands_beside_the_mean() -> None:
    group: Any = SimpleNamespace(per_seed=[{"macro_f1": 0.61}, {"macro_f1": 0.7}, {"macro_f1": 0.655}])
    assert seed_range(group) == "61.0–70.0"
    group.per_seed = group.per_seed[:1]
    assert seed_range(group) == ""


def _md_rows(text: str) -> list[tuple[str, str, str]]:
    cells = [
        [part.strip() for part in line.split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return [
        (c[1], c[2], "|".join(c))
        for c in cells
        if len(c) > 8 and c[1] in ("SimpleCNN", "VGG19", "ResNet18") and "−" not in c[2]
    ]


def test_results_table_holds_the_summary(full: Any) -> None:
    group = next(g for g in full.summary.table if (g.arm, g.model) == (Arm("cyclegan"), "resnet18"))
    row = next(line for name, arm, line in _md_rows(full.markdown) if (name, arm) == ("ResNet18", "cyclegan"))
    low, high = group.intervals["macro_f1"]
    assert f"{100 * group.metrics['macro_f1']:.1f} ({100 * low:.1f}–{100 * high:.1f})" in row
    for share in group.recall.values():
        assert f"{100 * share:.1f}" in row


def test_confusion_matrices_count_every_test_scan(full: Any) -> None:
    matrices = re.findall(r'aria-label="Confusion matrix of.*?</table>', full.html, re.S)
    assert len(matrices) == len(full.summary.table)
    for matrix in matrices:
        assert (
            sum(float(n) for n in re.findall(r'<td class="n s\d+[^>]*>([\d.]+)<', matrix))
            == full.summary.scans
        )
