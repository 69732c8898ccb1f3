"""Settings of classification."""

from dataclasses import dataclass

from sunhwan.config import ModelConfig, TaskConfig, TaskSettings, setting


@dataclass(frozen=True)
class ClassifyConfig(TaskConfig):
    """Task settings of classification, with the weights of the classes."""

    balance: str = setting(
        "sqrt",
        "the weight of a class of n examples in the loss: 1, n^-½ or 1/n",
        choices=("none", "sqrt", "inverse"),
    )
    calibrate: bool = setting(
        True, "fit to the held-out rows how sure the model is: a temperature of its probabilities"
    )


@dataclass(frozen=True)
class ClassifyModelConfig(ModelConfig):
    """The network, and how it comes to one vector."""

    pooling: str = setting(
        "max",
        "how the outputs of all steps become one vector",
        choices=("last", "mean", "max", "concat", "attention"),
    )
    linear: str = setting(
        "",
        "a linear model beside the network, fitted first, of which the network learns what it leaves: "
        "ngrams, of words and pairs of words, or of up to 6 other tokens; empty: auto",
        choices=("", "none", "ngrams"),
    )
    letter_size: int = setting(
        32,
        "of words: size of a letter's vector, and of each direction that reads a word's letters",
        low=1,
        high=65536,
    )


SETTINGS = TaskSettings(ClassifyConfig, ClassifyModelConfig)
