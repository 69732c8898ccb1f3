"""Tunes drawn from a model that learned a folder of ABC files, and how many are tunes as asked.

`python -m benchmarks.tunes FOLDER [--minutes 3] [--seeds 1] [--count 100] [--temperature 0.8]`

The metre and key of each tune are those of a random tune of the folder, and the tune itself is judged
beside the drawn one. music21 is the judge, with nothing of this project in it:

- parses: it reads the text as ABC and finds notes;
- metre: it finds no other time signature than asked, and at least 3/4 of the bars between the first
  and the last have its length;
- key: it finds no other key signature than asked, and the key that it hears in the notes (by the
  profiles of Aarden and Essen) is the one asked, or has its scale (the relative major or minor).
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import arguments_of, machine, publish, table


class Verdict(NamedTuple):
    """What music21 says of a tune: see above. bars: the share of bars as long as the metre says."""

    parses: bool = False
    metre: bool = False
    key: bool = False
    scale: bool = False
    bars: float = 0.0


def judge(tune: str, metre: str, key: str) -> Verdict:
    """Of a complete tune in ABC notation, of which this metre and key were asked."""
    import music21

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            score = music21.converter.parse(tune, format="abc")
            notes = [n for n in score.flatten().notes if not isinstance(n, music21.harmony.Harmony)]
            heard = music21.stream.Stream(notes).analyze("key") if notes else None
        # The parser ends in one of many kinds of exceptions where a text is no tune.
        except Exception:
            return Verdict()
    if heard is None:
        return Verdict()
    bar = music21.meter.TimeSignature(metre).barDuration.quarterLength
    metres = {m.ratioString for m in score.recurse().getElementsByClass("TimeSignature")}
    measures = list(score.recurse().getElementsByClass("Measure"))[1:-1]
    full = [abs(_length(measure) - bar) < 1e-3 for measure in measures]
    bars = sum(full) / len(full) if full else 0.0
    asked = music21.key.Key(key.removesuffix("m").replace("b", "-"), "minor" if key.endswith("m") else "major")
    signatures = {k.sharps for k in score.recurse().getElementsByClass("KeySignature")}
    kept = signatures <= {asked.sharps}
    return Verdict(
        parses=True,
        metre=metres <= {metre} and bars >= 3 / 4,
        key=kept and (heard.tonic.name, heard.mode) == (asked.tonic.name, asked.mode),
        scale=kept and heard.sharps == asked.sharps,
        bars=bars,
    )


def _length(measure: Any) -> float:
    """Of the notes and rests of a bar, chord symbols aside, in quarters."""
    import music21

    sounding = [n for n in measure.notesAndRests if not isinstance(n, music21.harmony.Harmony)]
    return float(sum(n.duration.quarterLength for n in sounding))
