"""Schemas of requests; an unknown field is refused by its name."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SEEDS = 2**53
"""Beyond, a browser would not read back the seed that it is told."""

Temperature = Annotated[float, Field(ge=0, le=100)]
TopK = Annotated[int, Field(ge=0, le=2**31 - 1)]
TopP = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=-SEEDS, le=SEEDS)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Token = Annotated[int, Field(ge=0, le=2**31 - 1)]
Name = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=1_000_000)]


class Body(BaseModel):
    """Numbers are numbers, texts are texts, and a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: Annotated[str, Field(max_length=1000, description="The name of a model.")]

    @field_validator("temperature", check_fields=False)
    @classmethod
    def _no_tiny_temperature(cls, value: float | None) -> float | None:
        if value is not None and 0 < value < 1e-4:
            raise ValueError("must be 0 or at least 0.0001")
        return value


class StreamOptions(BaseModel):
    """include_usage: whether a last event tells the numbers of tokens."""

    model_config = ConfigDict(extra="ignore", strict=True)

    include_usage: bool = False


class Completions(Body):
    """A request of OpenAI's completions, with `top_k` of our own.

    What would change the text in a way that is not offered is accepted at its neutral value only.
    """

    prompt: Text | list[Text] | list[Token] | list[list[Token]] = ""
    max_tokens: Annotated[int, Field(ge=0)] = 16
    temperature: Temperature = 1.0
    top_p: TopP = 1.0
    top_k: TopK = 0
    n: Annotated[int, Field(ge=1)] = 1
    best_of: Annotated[int, Field(ge=1)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool = False
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    seed: Seed | None = None
    suffix: str | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[str, Any] | None = None
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        """null stands for the default."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}

    @field_validator("prompt", mode="before")
    @classmethod
    def _is_of_one_kind(cls, value: Any) -> Any:
        kinds = {type(part) for part in value} if isinstance(value, list) else {type(value)}
        if len(kinds) > 1 or not kinds <= {str, int, list} or kinds == {type(value)} == {int}:
            raise ValueError(
                "it must be a text, a list of texts, a list of token numbers or a list of such lists, "
                "and not a mixture of these"
            )
        return value

    @field_validator("stop", mode="before")
    @classmethod
    def _is_of_texts(cls, value: Any) -> Any:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, str) for part in parts):
            raise ValueError("it must be a text or a list of up to 4 texts")
        return value

    @model_validator(mode="after")
    def _is_offered(self) -> Self:
        if self.best_of not in (None, self.n):
            raise ValueError("best_of is offered only where it is n: leave it out")
        if self.suffix:
            raise ValueError("suffix is not offered: the models write forwards only")
        if self.presence_penalty or self.frequency_penalty:
            raise ValueError(
                "presence_penalty and frequency_penalty are not offered: leave them at 0"
            )
        if self.logit_bias:
            raise ValueError("logit_bias is not offered: leave it out")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is for stream: true")
        return self


class Next(Body):
    """A text that is being typed, and how its continuation is offered."""

    text: Text
    session: Name | None = None
    temperature: Temperature = 0.8
    top_k: TopK = 0
    top_p: TopP = 1.0
    count: Annotated[int, Field(ge=0, le=100)] = 8
    length: Annotated[int, Field(ge=0, le=1000)] = 24
    seed: Seed = 1


class TraceOf(Body):
    """Which values of which layer are wanted over a text; units: null, all of them."""

    text: Text
    stack: Name | None = None
    layer: Annotated[int, Field(ge=0, le=10_000)] = 0
    values: Annotated[list[Name], Field(max_length=32)] | None = None
    units: Annotated[list[Token], Field(max_length=100_000)] | None = None


class StepsOf(Body):
    """A text to be unrolled. then: what follows it, of hello its next letter unless it is said;
    block_length, bptt_length: where the gradient is cut;
    example: the built-in hello in the model's place, before or after its training, and its cell."""

    text: Text
    then: Annotated[str, Field(max_length=100)] = ""
    block_length: Annotated[int, Field(ge=1, le=10_000)] | None = None
    bptt_length: Annotated[int, Field(ge=1, le=10_000)] | None = None
    example: Literal["", "before", "after"] = ""
    cell: Annotated[str, Field(max_length=100)] = "elman"


class Score(Body):
    """Lines whose probability is asked for, each by itself; end: and that of its end there."""

    lines: list[Text]
    end: bool = True


class PredictOptions(BaseModel):
    """Of a model that writes, and at_least of a classifier; null: as the model has it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    beam: Annotated[int, Field(ge=1, le=64)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    temperature: Temperature | None = None
    seed: Seed | None = None
    at_least: Annotated[float, Field(ge=0, le=1)] | None = None


class Predict(Body):
    """Questions: a text each, or as many texts as the model reads columns."""

    questions: list[Text | list[Text]]
    options: PredictOptions = PredictOptions()


class AttributionOf(Body):
    """A text, and the step whose prediction is to be explained; null: what comes after the text."""

    text: Text
    position: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
