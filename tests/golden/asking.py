"""What a model answers, as plain values, and on which machine these bits are its own."""

import json
import platform
from pathlib import Path
from typing import Any

import torch

import sunhwan
from sunhwan.ops.library import library
from sunhwan.store import Run

PROMPT = "나는 웃고 the moon"


def asked(folder: Path, questions: Any, file: Path) -> dict[str, Any]:
    """The answers of the model in a folder to questions, or to a file where there are none."""
    loaded: Any = sunhwan.load(folder)
    if hasattr(loaded, "score"):
        return _written(loaded, file)
    found = loaded.predict(questions) if questions else loaded.predict_file(file)
    return plain(
        {"answers": [answer.values for answer in found], "figures": loaded.evaluate(file).to_dict()}
    )


def letter(label: str) -> str:
    """The letter of a token of jamo, or another character."""
    return label.strip("-()") or label


def _written(loaded: Any, file: Path) -> dict[str, Any]:
    ids = torch.from_numpy(loaded.vocabulary.encode(PROMPT)).long()[None, :8]
    with torch.no_grad():
        logits, _ = loaded.model(ids)
    (scored,) = loaded.score([PROMPT], end=False)
    # As tokens were told before labels said where in a syllable a Korean letter stands.
    told = letter if loaded.vocabulary.kind == "jamo" else str
    (sample,) = loaded.sample(PROMPT, length=40, seed=7, precision="fp32")
    return plain(
        {
            "logits": logits[0, -2:].tolist(),
            "score": [[told(token.text), token.log_probability] for token in scored.tokens],
            "sample": sample.text,
            "figures": loaded.evaluate(file).to_dict(),
        }
    )


def logged(run: Path) -> list[dict[str, Any]]:
    """The steps and validations of a run without what the clock decides."""
    clock = ("seconds", "tokens_per_second")
    events = (e for e in Run.open(run).events() if e["event"] in ("step", "validation"))
    return [{k: v for k, v in event.items() if k not in clock} for event in events]


def machine() -> dict[str, str]:
    """All that the last bit of a sum depends on beside this package."""
    compiled = library()
    return {
        "torch": torch.__version__,
        "processor": _processor(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "kernels": compiled.instructions if compiled else "none",
    }


def plain(values: Any) -> Any:
    """The same as JSON gives it back."""
    return json.loads(json.dumps(values))


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    kinds = ("vendor_id", "cpu family", "model", "model name")
    found = dict(map(str.strip, line.split(":", 1)) for line in text.splitlines() if ":" in line)
    return ", ".join(f"{kind} {found[kind]}" for kind in kinds if kind in found)
