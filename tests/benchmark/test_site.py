"""What is asked of a cluster: read, or refused before anything is sent off."""

import pytest
from bus.benchmark import site
from bus.core.errors import BusError, UsageError


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("30:00", 30),
        ("30:01", 31),
        ("2:00:00", 120),
        ("1-0", 1440),
        ("1-02:30", 1590),
        ("2-00:00:30", 2881),
    ],
)
def test_times_are_read_as_slurm_does(text: str, minutes: int) -> None:
    assert site.site([f"time={text}"], 4, 2) == site.Site({}, minutes, 4, 2)


def test_options_of_sbatch_are_passed_on() -> None:
    asked = site.site(["partition=gpu", "cpus_per_task=3", "--mem=4G", "exclusive=true"], 7, 5)
    assert asked.options == {"partition": "gpu", "cpus-per-task": "3", "mem": "4G", "exclusive": True}
    assert (asked.threads, asked.minutes, asked.max_parallel, asked.cells_per_job) == (3, site.MINUTES, 7, 5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["partition"], "expected an option of sbatch"),
        (["partition="], "expected an option of sbatch"),
        (["a b=1"], "expected an option of sbatch"),
        (["comment=a\n#SBATCH --uid=0"], "expected an option of sbatch"),
        (["array=1-9"], "bus sets array itself"),
        (["kill_on_invalid_dep=no"], "bus sets kill-on-invalid-dep itself"),
        (["mem=1G", "mem=2G"], "twice"),
        (["cpus_per_task=all"], "expected a number of cores"),
        (["time=soon"], "expected minutes"),
        (["time=0"], "a minute or more"),
    ],
)
def test_slips_are_refused(options: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        site.site(options, 1, 1)


def test_the_arithmetic_is_that_of_the_machines_that_work() -> None:
    """A login node has no card; one that tasks ask for is used all the same, and precision is not guessed."""
    card = site.site(["gpus_per_node=1", "cpus_per_task=4"], 1, 1).compute("auto", "auto")
    assert (card.device, card.precision, card.threads) == ("cuda", "bfloat16", 4)
    assert site.site(["gres=gpu:1"], 1, 1).compute("auto", "float32").precision == "float32"
    plain = site.site([], 1, 1).compute("auto", "float32")
    assert (plain.device, plain.precision, plain.threads) == ("cpu", "float32", 1)


def test_a_machine_without_slurm_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    with pytest.raises(UsageError, match="Did you mean slurm"):
        site.check_executor("slrm")
    site.check_executor("local")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(site, "find_spec", lambda name: object())
    with pytest.raises(BusError, match="no sbatch, sacct, srun"):
        site.check_executor("slurm")
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(BusError, match="needs submitit"):
        site.check_executor("slurm")
