"""Runs of a comparison: a run folder for each variant and seed, made or continued."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sunhwan.comparison.folder import claim
from sunhwan.comparison.variants import Variant
from sunhwan.config import Config
from sunhwan.store import Run
from sunhwan.training import Reporter, Result, resume, train


class Plan(NamedTuple):
    """Runs to train: each variant of a configuration with the seeds of `seeds`."""

    config: Config
    variants: Sequence[Variant]
    seeds: Sequence[int]

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values, ready for JSON."""
        return {
            "config": self.config.to_dict(),
            "variants": {variant.name: dict(variant.settings) for variant in self.variants},
            "seeds": list(self.seeds),
        }

    def settings(self, variant: Variant, seed: int) -> Config:
        """The configuration of one run; ConfigError for a value that a setting cannot have."""
        # No run is shown beside baselines, so none computes them.
        own = {"training.baselines": False, "training.seed": seed}
        return self.config.override({**variant.settings, **own}, "the comparison")

    def runs(self, out: Path) -> Iterator[tuple[Variant, int, Path]]:
        """Each variant, seed and folder, a seed of all variants before the next seed."""
        for seed in self.seeds:
            for variant in self.variants:
                yield variant, seed, out / f"{_folder(variant.name)}-seed-{seed}"


def train_all(
    plan: Plan,
    out: Path,
    *,
    reporter: Reporter | None = None,
    begun: Callable[[Variant, int], None] = lambda variant, seed: None,
    own_process: bool = False,
) -> dict[str, list[Result]]:
    """Train every run of a plan under `out`; a run that is there is continued to its end.

    Gives the results by variant; fewer than there are seeds where it was interrupted. UsageError:
    the folder holds something else.
    """
    for variant, seed, _ in plan.runs(out):
        plan.settings(variant, seed)
    claim(out, "plan.json", plan.to_dict(), "comparison")
    found: dict[str, list[Result]] = {variant.name: [] for variant in plan.variants}
    for variant, seed, folder in plan.runs(out):
        begun(variant, seed)
        if Run(folder).config_file.is_file():
            result = resume(folder, reporter=reporter, own_process=own_process)
        else:
            config = plan.settings(variant, seed)
            result = train(config, folder, reporter=reporter, own_process=own_process)
        if result.stopped == "interrupted":
            break
        found[variant.name].append(result)
    return found


def _folder(name: str) -> str:
    return re.sub(r"[^\w=.+-]+", "-", name)
