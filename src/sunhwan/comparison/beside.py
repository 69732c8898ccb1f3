"""Simple methods beside a comparison, on its rows: those of the task, and those that are trained."""

from pathlib import Path

from sunhwan.api import learned_from
from sunhwan.comparison.measures import Measured, measured_part
from sunhwan.store import Run, load_model
from sunhwan.tasks import Baselines
from sunhwan.tasks.common.results import Budget


def beside(first: Measured, test: str = "") -> Baselines | None:
    """What simple methods reach beside the first variant, whose means stand as the model's.

    A method that is trained has the parameters, the steps and the rows of a step of that variant. test: as
    of `compare_runs`. None where the task knows no such method; UsageError: as of `api.baselines`.
    """
    run = first.runs[0]
    task = load_model(run).task
    prepared = learned_from(run, task)
    data = task.read(Path(test)) if test else measured_part(prepared)
    scores = task.evaluate_data(data)
    found = task.baselines(prepared.train, data, scores)
    if found is None:
        return None
    settings = Run.open(run).config().data
    budget = Budget(
        first.parameters, round(first.steps), settings.batch_size * max(settings.block_length, 1)
    )
    trained = task.trained_baselines(prepared.train, data, scores, budget)
    model = {name: first.mean(name) for name in found.figures if name in first.figures}
    return found._replace(model={**found.model, **model}, methods={**found.methods, **trained})
