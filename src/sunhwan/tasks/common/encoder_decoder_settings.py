"""Settings of the tasks with an encoder-decoder."""

from dataclasses import dataclass

from sunhwan.config import ModelConfig, TaskConfig, TaskSettings, TrainingConfig, setting


@dataclass(frozen=True)
class EncoderDecoderConfig(TaskConfig):
    """Task settings of encoder-decoders, with how answers are chosen."""

    temperature: float = setting(
        -1.0,
        "how boldly an answer is drawn at random; 0: the likeliest is searched; -1: auto",
        low=-1,
        high=100,
    )


@dataclass(frozen=True)
class EncoderDecoderModelConfig(ModelConfig):
    """The network, and what its decoder sees."""

    attention: str = setting(
        "additive",
        "how it finds the steps to look at",
        choices=("additive", "dot", "general", "none"),
    )
    input_feeding: bool = setting(
        False, "whether what writes is told where it looked last; it then learns step by step"
    )


@dataclass(frozen=True)
class EncoderDecoderTrainingConfig(TrainingConfig):
    """How it learns, and from whose tokens."""

    scheduled_sampling: float = setting(
        0.0,
        "share of the tokens it writes itself in training",
        low=0,
        high=1,
    )


SETTINGS = TaskSettings(
    EncoderDecoderConfig, EncoderDecoderModelConfig, EncoderDecoderTrainingConfig
)
