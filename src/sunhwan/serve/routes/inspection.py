"""Inspection over HTTP: the trace of a layer along a text, and the attribution of a prediction."""

from sunhwan.errors import UsageError
from sunhwan.serve.json_text import json_of
from sunhwan.serve.models import Loaded
from sunhwan.serve.schemas import AttributionOf, TraceOf
from sunhwan.serve.service import Service


async def traced(service: Service, loaded: Loaded, body: TraceOf) -> bytes:
    """Trace of a layer along a text; see `sunhwan.inspection.measures.traces.trace`."""
    service.check(len(body.text), service.limits.characters, "characters", 413)

    def work() -> bytes:
        from sunhwan.inspection.json_values import json_values
        from sunhwan.inspection.measures.traces import trace
        from sunhwan.inspection.subjects import text_subject_of

        subject = text_subject_of(loaded.task)
        passage = subject.passages(body.text)[0]
        stack = subject.recurrents.get(body.stack or subject.main)
        H = max(layer.hidden_size for layer in stack.stack) if stack else 1
        units = H if body.units is None else len(body.units)
        kinds = 8 if body.values is None else len(body.values)
        numbers = len(passage.labels) * units * kinds
        service.check(numbers, service.limits.numbers, "numbers: name fewer units or values,", 413)
        found = trace(subject, passage, stack=body.stack, layer=body.layer, values=body.values)
        wanted = list(range(H)) if body.units is None else body.units
        values = {}
        for name, value in found.values.items():
            if any(unit >= value.shape[1] for unit in body.units or ()):
                raise UsageError(f"{name} has the units 0 … {value.shape[1] - 1}")
            wanted = list(range(value.shape[1])) if body.units is None else body.units
            values[name] = json_values(value[:, wanted].T)
        return json_of(
            {
                "pieces": found.pieces,
                "labels": found.labels,
                "surprise": json_values(found.surprise),
                "values": values,
                "units": wanted,
                "open": {"gate": found.keep, "units": found.open} if found.keep else None,
            }
        )

    return await loaded.apart(work)


async def attributed(service: Service, loaded: Loaded, body: AttributionOf) -> bytes:
    """Attribution of a prediction to steps; see `sunhwan.inspection.measures.attribution.attribute`."""
    service.check(len(body.text), service.limits.explained, "characters", 413)

    def work() -> bytes:
        from sunhwan.inspection.json_values import json_values
        from sunhwan.inspection.measures.attribution import attribute
        from sunhwan.inspection.subjects import text_subject_of

        subject = text_subject_of(loaded.task)
        place, writes = body.position, subject.running_text
        if place is None:
            # Of an answer its first piece, rather than its end.
            passage, prediction = subject.continued(body.text), -1 if writes else 0
        else:
            # In a text a step is predicted by those before it.
            passage, prediction = subject.passages(body.text)[0], place - writes
        if not passage.labels:
            raise UsageError("there is nothing to read: give a text")
        if prediction < -1 or (place is not None and prediction < 0):
            raise UsageError("nothing predicts the first step of a text: give another position")
        found = attribute(subject, passage, prediction=prediction)
        # The likeliest next token is no part of the text.
        T = len(found.pieces) - (place is None and writes)
        return json_of(
            {
                "pieces": found.pieces[:T],
                "predicted": found.predicted,
                "probability": json_values(found.probability),
                "gradient_x_input": json_values(found.gradient_x_input[:T]),
                "occlusion": json_values(found.occlusion[:T]),
            }
        )

    return await loaded.apart(work)
