"""Adaptation to the text that is read: dynamic evaluation and a neural cache. The model stays as it is."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sunhwan.cells import State
from sunhwan.data import Tokens, warm_blocks
from sunhwan.errors import UsageError
from sunhwan.generation.descent import Descent
from sunhwan.generation.neural_cache import Cache, ReadState, with_cache
from sunhwan.generation.stepper import ModelStepper
from sunhwan.layers import detach
from sunhwan.metrics import Scores, to_device
from sunhwan.models import LanguageModel
from sunhwan.models.mode import evaluating
from sunhwan.progress import tell

SEGMENT, LONGEST = 20, 1000
"""Tokens between two steps of dynamic evaluation, and how many these may be."""
DECAY = 0.003
"""How far weights go back to the trained ones at each step."""
LOGITS = 2**23
"""How many are held at once where nothing is learned."""


SENTENCES_APART = (
    "a model that was trained on sentences apart adapts to nothing before them: leave out --dynamic and "
    "--cache"
)


class Adaptation(NamedTuple):
    """Adaptation to a text: the rate of dynamic evaluation, 0: none; and the cache, None: none.

    decay: how far weights go back at each step of dynamic evaluation; segment: tokens between two.
    """

    rate: float = 0.0
    cache: Cache | None = None
    decay: float = DECAY
    segment: int = SEGMENT


class Segment(NamedTuple):
    """Segment that was read: ids (T), what followed (T), y (T, H), log p (T, V), the state after it."""

    ids: Tensor
    targets: Tensor
    y: Tensor
    log_p: Tensor
    recurrent: Sequence[State]


class AdaptiveStepper(ModelStepper):
    """Stepper of a model that adapts; its logits are log p. A text begins with what was remembered."""

    def __init__(self, model: LanguageModel, adaptation: Adaptation) -> None:
        _check(adaptation)
        rate, self._cache, decay, segment = adaptation
        self._descent = Descent(model, rate, decay) if rate else None
        super().__init__(self._descent.model if self._descent else model)
        # Where nothing is learned, what is read together changes nothing.
        self._segment = segment if rate else max(1, min(1024, LOGITS // model.vocabulary_size))
        self._remembered = ReadState()

    def logits(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """ids (T), state → log p (T, V) of what follows each."""
        state = state or self._remembered
        y, recurrent = self.model.read(ids.unsqueeze(0), state.recurrent)
        log_p = torch.log_softmax(self.model.output(y[:, 0]), 1)
        return self._remember(ids, y[:, 0], log_p, state._replace(recurrent=recurrent))

    def _remember(
        self, ids: Tensor, y: Tensor, log_p: Tensor, state: ReadState
    ) -> tuple[Tensor, ReadState]:
        return with_cache(self._cache, ids, y, log_p, state) if self._cache else (log_p, state)

    def learn(self, ids: Sequence[int]) -> None:
        """Read a text, and adapt to it for all texts that follow."""
        given = torch.tensor(ids, device=self.model.like.device)
        tokens = Tokens(given.cpu(), torch.zeros(1, dtype=torch.int64), len(given))
        for _ in self.losses(tokens) if tokens.targets else ():
            pass

    def forget(self) -> None:
        """Empty the cache; the weights stay as they are."""
        self._remembered = ReadState()

    def losses(self, tokens: Tokens) -> Iterator[tuple[Tensor, Tensor]]:
        """−log p of each token but the first, and which are the likeliest: (T) of each segment in turn.

        The next one is read by a model that has adapted to it.
        """
        state = self._remembered
        for part in self.segments(tokens):
            log_p, state = self._remember(
                part.ids, part.y, part.log_p, state._replace(recurrent=part.recurrent)
            )
            yield _nats(log_p, part.targets), log_p.argmax(1) == part.targets
        # The next text begins anew, with what is remembered of this one.
        self._remembered = state._replace(recurrent=None, y=None)

    def segments(self, tokens: Tokens) -> Iterator[Segment]:
        """Read a text without the cache, a segment after another, and learn from each."""
        recurrent: Sequence[State] | None = None
        for block, _ in warm_blocks(tokens, rows=1, block_length=self._segment):
            block = to_device(block, self.model.like.device)
            ids, targets = block.inputs[0], block.targets[0]
            with evaluating(self.model):
                with torch.set_grad_enabled(self._descent is not None):
                    y, read = self.model.read(block.inputs, recurrent, block.resets)
                    y, recurrent = y[:, 0], detach(read)
                with torch.no_grad():
                    log_p = torch.log_softmax(self.model.output(y), 1)
                if self._descent:
                    self._descent.step(y, log_p, targets)
            yield Segment(ids, targets, y.detach(), log_p, recurrent)


def _nats(log_p: Tensor, targets: Tensor) -> Tensor:
    return -log_p.gather(1, targets.unsqueeze(1))[:, 0]


def _check(adaptation: Adaptation) -> None:
    rate, cache, decay, segment = adaptation
    if not 0 <= rate <= 1 or (rate == 0 and cache is None):
        raise UsageError(
            f"dynamic evaluation needs a rate above 0 and at most 1, such as 0.0003, not {rate:g}"
        )
    if not (0 <= decay < 1 and 1 <= segment <= LONGEST):
        raise UsageError(
            "dynamic evaluation needs a decay from 0 to below 1 and segments of 1 to "
            f"{LONGEST} tokens, such as 0.0003,{DECAY},{SEGMENT}, not {rate:g},{decay:g},{segment}"
        )
    if rate == 0 and (decay, segment) != (DECAY, SEGMENT):
        raise UsageError("a decay and segments are of dynamic evaluation: give a rate, too")
    if cache and not (0 < cache.share < 1 and 0 <= cache.flatness < math.inf and cache.size > 0):
        raise UsageError(
            "a cache needs a share between 0 and 1, a flatness of 0 or more and a size of 1 or more, such "
            f"as 0.1,0.3,2000, not {cache.share:g},{cache.flatness:g},{cache.size}"
        )


def evaluate_adapted(model: LanguageModel, tokens: Tokens, adaptation: Adaptation) -> Scores:
    """Score a whole text in one piece by a model that adapts to what it has read of it."""
    loss, right, done, count = 0.0, 0, 0, tokens.targets
    for nats, ranked_first in AdaptiveStepper(model, adaptation).losses(tokens):
        loss += float(nats.double().sum())
        right += int(ranked_first.sum())
        done += len(nats)
        tell("adapting", done, count)
    return Scores(loss / count, right / count, count, tokens.characters, tokens.unknown)


RATES = (0.0001, 0.0003, 0.001, 0.003)
SEGMENTS = (20, 100)
DECAYS = (0.001, 0.01)
"""Beside the usual one."""
CACHES = tuple(
    Cache(share, flatness) for share in (0.05, 0.1, 0.2) for flatness in (0.1, 0.3, 0.6, 1.0)
)
TUNED_ON = 10_000
"""Tokens of the validation text on which settings are compared."""


def tuned(
    model: LanguageModel,
    validation: Tokens,
    *,
    dynamic: bool = True,
    cache: bool = True,
    given: Adaptation | None = None,
) -> Adaptation:
    """The best steps and cache on the first tokens of a validation text, one after the other.

    Of steps rates with segments, then decays. given: what else there is, and the steps or the cache
    where they are not to be tuned.
    """
    some, given = _tuned_on(validation), given or Adaptation()
    tries = [given._replace(rate=r, segment=s, cache=None) for s in SEGMENTS for r in RATES]
    steps = sum(1 / one.segment for one in tries) + len(DECAYS) / min(SEGMENTS)
    work, done = (steps if dynamic else 0) + (1 / given.segment if cache else 0), 0.0
    losses: dict[Adaptation, float] = {}

    def best(choices: Iterable[Adaptation]) -> Adaptation:
        nonlocal done
        for choice in choices:
            losses[choice] = _loss(model, some, choice)
            done += 1 / choice.segment
            tell("tuning", done, work)
        return min(losses, key=losses.__getitem__)

    if dynamic:
        found = best(tries)
        found = best(found._replace(decay=decay) for decay in DECAYS)
        given = found._replace(cache=given.cache)
    if cache:
        stepper = AdaptiveStepper(model, given._replace(cache=CACHES[0]))
        given = given._replace(cache=_best_cache(stepper, some))
    tell("tuning", work, work)
    return given


def _loss(model: LanguageModel, tokens: Tokens, adaptation: Adaptation) -> float:
    found = AdaptiveStepper(model, adaptation).losses(tokens)
    return sum(float(nats.double().sum()) for nats, _ in found)


def _best_cache(stepper: AdaptiveStepper, tokens: Tokens) -> Cache:
    """The best of `CACHES` on a text, which is read once for all of them."""
    losses, states = [0.0] * len(CACHES), [ReadState()] * len(CACHES)
    for part in stepper.segments(tokens):
        for k, cache in enumerate(CACHES):
            given = part.ids, part.y, part.log_p.clone(), states[k]
            log_p, states[k] = with_cache(cache, *given)
            losses[k] += float(_nats(log_p, part.targets).double().sum())
    return CACHES[losses.index(min(losses))]


def _tuned_on(validation: Tokens) -> Tokens:
    """What of a validation text `tuned` reads."""
    starts = validation.starts[validation.starts < TUNED_ON]
    return validation._replace(ids=validation.ids[:TUNED_ON], starts=starts)


KNOWN = 50
"""Tokens in a row by which a text is known again."""
_ID_BYTES = 8


def was_tuned_on(validation: Tokens, reported: Tokens) -> bool:
    """Whether what `tuned` reads of a validation text and a text to be reported have a document in common.

    One of them holds the other's, whole or the part that was kept for validation.
    """
    some = _tuned_on(validation)
    documents = torch.tensor_split(some.ids[:], some.starts[1:].tolist())
    given = reported.ids[:].numpy().tobytes()
    return any(
        _holds(given, document) or _holds(document, given)
        for document in (ids.numpy().tobytes() for ids in documents)
    )


def _holds(text: bytes, part: bytes) -> bool:
    """Whether a text has these ids, int64, in a row, of which there are enough to tell: all but the first
    and the last, which may be the EOS around a document."""
    wanted = memoryview(part)[_ID_BYTES:-_ID_BYTES]
    if not KNOWN * _ID_BYTES <= len(wanted) <= len(text):
        return False
    at = text.find(wanted)
    while at % _ID_BYTES and at >= 0:
        at = text.find(wanted, at + 1)
    return at >= 0
