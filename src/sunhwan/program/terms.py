"""ATen operations, number by number, in the few kinds that programs have."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sunhwan.program.operations import Builder


@dataclass(frozen=True)
class Term:
    """A value of a program in the making, to calculate with."""

    builder: Builder
    place: int

    def apply(self, kind: str, *others: "Term | float") -> "Term":
        """An elementwise operation on it and others."""
        places = [self.place, *(self.same(other).place for other in others)]
        return Term(self.builder, self.builder.elementwise(kind, *places))

    def same(self, other: "Term | float") -> "Term":
        """A number as a constant."""
        return (
            other if isinstance(other, Term) else Term(self.builder, self.builder.constant(other))
        )

    def __add__(self, other: "Term | float") -> "Term":
        return self.apply("add", other)

    def __radd__(self, other: float) -> "Term":
        return self.same(other) + self

    def __sub__(self, other: "Term | float") -> "Term":
        return self.apply("sub", other)

    def __rsub__(self, other: float) -> "Term":
        return self.same(other) - self

    def __mul__(self, other: "Term | float") -> "Term":
        return self if isinstance(other, int | float) and other == 1 else self.apply("mul", other)

    def __rmul__(self, other: float) -> "Term":
        return self * other

    def __truediv__(self, other: "Term | float") -> "Term":
        return self.apply("div", other)

    def __rtruediv__(self, other: float) -> "Term":
        return self.same(other) / self

    def __neg__(self) -> "Term":
        return self.apply("neg")


def one(kind: str) -> Callable[[Term], Term]:
    """An operation on one value."""
    return lambda x: x.apply(kind)


def log_sigmoid(x: Term) -> Term:
    """log σ(x) that overflows nowhere."""
    return x.apply("minimum", 0.0) - (-x.apply("abs")).apply("exp").apply("log1p")


def softplus(x: Term, beta: float = 1.0, threshold: float = 20.0) -> Term:
    """log(1 + e^(βx)) / β, which is x above the threshold."""
    soft = -log_sigmoid(-(x * beta)) / beta
    return x.same(threshold).apply("less", x * beta).apply("select", x, soft)


def clamp(x: Term, low: Any = None, high: Any = None) -> Term:
    """x, not below `low` and not above `high`."""
    x = x if low is None else x.apply("maximum", low)
    return x if high is None else x.apply("minimum", high)


def power(x: Any, y: Any) -> Term:
    """x to the power of y."""
    if isinstance(y, int | float):
        simple: dict[float, Callable[[Term], Term]] = {
            1: lambda x: x,
            2: lambda x: x * x,
            3: lambda x: x * x * x,
            0.5: one("sqrt"),
            -0.5: lambda x: 1.0 / x.apply("sqrt"),
            -1: lambda x: 1.0 / x,
        }
        if y in simple:
            return simple[y](x)
    base: Term = x if isinstance(x, Term) else y.same(x)
    return base.apply("pow", y)


def elu(x: Term, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Term:
    """ELU and SELU."""
    below = (x * input_scale).apply("expm1") * alpha
    return x.same(0.0).apply("less", x).apply("select", x, below) * scale


def gelu(x: Term, approximate: str = "none") -> Term:
    """x Φ(x), or its approximation by tanh."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1.0 + inner.apply("tanh"))
    return 0.5 * x * (1.0 + (x * math.sqrt(0.5)).apply("erf"))


def hardsigmoid(x: Term) -> Term:
    """min(max(x + 3, 0), 6) / 6."""
    return clamp(x + 3.0, 0.0, 6.0) / 6.0


def added(x: Any, y: Any, alpha: float = 1) -> Term:
    """x + α y."""
    result: Term = x + y * alpha
    return result


def choose(where: Any, x: Any, y: Any) -> Term:
    """x where the condition holds, else y."""
    result: Term = where.apply("select", x, y)
    return result


def divided(x: Any, y: Any, rounding_mode: str | None = None) -> Term:
    """x / y, rounded down if asked."""
    result: Term = x / y
    return result if rounding_mode is None else result.apply("floor")


ELEMENTWISE: dict[str, Callable[..., Term]] = {
    "add": added,
    "sub": lambda x, y, alpha=1: x - y * alpha,
    "rsub": lambda x, y, alpha=1: y - x * alpha,
    "mul": lambda x, y: x * y,
    "div": divided,
    "reciprocal": lambda x: 1.0 / x,
    "neg": one("neg"),
    "addcmul": lambda x, y, z, value=1: x + y * z * value,
    "addcdiv": lambda x, y, z, value=1: x + y / z * value,
    "lerp": lambda x, y, share: x + share * (y - x),
    "pow": power,
    "square": lambda x: x * x,
    "sqrt": one("sqrt"),
    "rsqrt": lambda x: 1.0 / x.apply("sqrt"),
    "exp": one("exp"),
    "exp2": lambda x: (x * math.log(2)).apply("exp"),
    "expm1": one("expm1"),
    "log": one("log"),
    "log2": lambda x: x.apply("log") / math.log(2),
    "log1p": one("log1p"),
    "abs": one("abs"),
    "sin": one("sin"),
    "cos": one("cos"),
    "floor": one("floor"),
    "ceil": lambda x: -(-x).apply("floor"),
    "erf": one("erf"),
    "tanh": one("tanh"),
    "sigmoid": one("sigmoid"),
    "log_sigmoid_forward": log_sigmoid,
    "softplus": softplus,
    "silu": lambda x: x * x.apply("sigmoid"),
    "mish": lambda x: x * softplus(x).apply("tanh"),
    "relu": lambda x: x.apply("maximum", 0.0),
    "leaky_relu": lambda x, slope=0.01: choose(x.apply("less", 0.0), x * slope, x),
    "elu": elu,
    "celu": lambda x, alpha=1.0: elu(x, alpha, 1.0, 1.0 / alpha),
    "selu": lambda x: elu(x, 1.6732632423543772, 1.0507009873554805),
    "gelu": gelu,
    "hardtanh": lambda x, low=-1.0, high=1.0: clamp(x, low, high),
    "hardsigmoid": hardsigmoid,
    "hardswish": lambda x: x * hardsigmoid(x),
    "clamp": lambda x, min=None, max=None: clamp(x, min, max),
    "clamp_min": lambda x, min: clamp(x, min),
    "clamp_max": lambda x, max: clamp(x, None, max),
    "maximum": lambda x, y: x.apply("maximum", y),
    "minimum": lambda x, y: x.apply("minimum", y),
    "eq": lambda x, y: x.apply("equal", y),
    "ne": lambda x, y: 1.0 - x.apply("equal", y),
    "lt": lambda x, y: x.apply("less", y),
    "le": lambda x, y: x.apply("less_equal", y),
    "gt": lambda x, y: x.same(y).apply("less", x),
    "ge": lambda x, y: x.same(y).apply("less_equal", x),
    "logical_not": lambda x: x.apply("equal", 0.0),
    "bitwise_not": lambda x: x.apply("equal", 0.0),
    "logical_and": lambda x, y: x * y,
    "bitwise_and": lambda x, y: x * y,
    "logical_or": lambda x, y: x.apply("maximum", y),
    "bitwise_or": lambda x, y: x.apply("maximum", y),
    "sign": lambda x: x.same(0.0).apply("less", x) - x.apply("less", 0.0),
    "where": choose,
    "masked_fill": lambda x, where, value: choose(where, value, x),
    "copysign": lambda x, y: choose(y.apply("less", 0.0), -x.apply("abs"), x.apply("abs")),
}
"""By the name of ATen; operands are terms or numbers. Of results in a tuple the first is meant."""
