"""Settings of the language model: those of all tasks, a text to read, and a softmax for many words."""

from dataclasses import dataclass

from sunhwan.config import ModelConfig, TaskSettings, setting


@dataclass(frozen=True)
class LanguageModelConfig(ModelConfig):
    """The network, and how it computes probabilities of many words."""

    softmax: str = setting(
        "",
        "of words: full; adaptive, frequent ones first and the others in clusters (Grave et al. 2017); or "
        "sampled, trained on sampled ones (Jean et al. 2015); empty: auto",
        choices=("", "full", "adaptive", "sampled"),
    )
    softmax_cutoffs: int | tuple[int, ...] = setting(
        0,
        "of an adaptive softmax: the rank at which the rarer words begin, or a list of ranks, a cluster "
        "each; 0: 4000, 20000, 100000, 500000 below the size of the vocabulary",
        low=0,
        high=10**9,
    )
    softmax_samples: int = setting(
        0, "of a sampled softmax: K, tokens drawn for a block; 0: auto", low=0, high=10**7
    )


SETTINGS = TaskSettings(model=LanguageModelConfig, source="text.corpus", running_text=True)
