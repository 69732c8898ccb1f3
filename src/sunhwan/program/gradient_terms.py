"""ATen's operations of backward passes, number by number, in the kinds that programs have.

The first argument of each is the gradient of the result.
"""

import math
from collections.abc import Callable
from typing import Any

from sunhwan.program.terms import Term, choose, softplus


def beyond(d: Term, x: Term, threshold: float) -> Term:
    """d where x is above the threshold, else 0."""
    return choose(x.apply("less_equal", threshold), d.same(0.0), d)


def within(d: Term, x: Term, low: float, high: float) -> Term:
    """d where x is strictly between two numbers, else 0."""
    outside = x.apply("less_equal", low).apply("maximum", x.same(high).apply("less_equal", x))
    return choose(outside, d.same(0.0), d)


def elu_backward(
    d: Term, alpha: float, scale: float, input_scale: float, is_result: bool, x: Term
) -> Term:
    """Of ELU and SELU, from their argument or from their result."""
    if is_result:
        below = (x + alpha * scale) * input_scale
    else:
        below = (x * input_scale).apply("exp") * (alpha * scale * input_scale)
    return d * choose(x.apply("less_equal", 0.0), below, x.same(scale))


def gelu_backward(d: Term, x: Term, approximate: str = "none") -> Term:
    """Of x Φ(x), or of its approximation by tanh."""
    if approximate == "tanh":
        c, k = math.sqrt(2 / math.pi), 0.044715
        y = (c * (x + k * (x * x * x))).apply("tanh")
        slope = c * (1.0 + 3 * k * (x * x))
        return d * (0.5 * (1.0 + y) + 0.5 * x * (1.0 - y * y) * slope)
    share = 0.5 * (1.0 + (x * math.sqrt(0.5)).apply("erf"))
    density = (x * x * -0.5).apply("exp") / math.sqrt(2 * math.pi)
    return d * (share + x * density)


def silu_backward(d: Term, x: Term) -> Term:
    """Of x σ(x)."""
    y = x.apply("sigmoid")
    return d * (y * (1.0 + x * (1.0 - y)))


def mish_backward(d: Term, x: Term) -> Term:
    """Of x tanh(softplus(x))."""
    y = softplus(x).apply("tanh")
    return d * (y + x * x.apply("sigmoid") * (1.0 - y * y))


def softplus_backward(d: Term, x: Term, beta: float, threshold: float) -> Term:
    """Of softplus: σ(βx), and 1 above the threshold."""
    return choose(x.same(threshold).apply("less", x * beta), d, d * (x * beta).apply("sigmoid"))


def hardswish_backward(d: Term, x: Term) -> Term:
    """Of x min(max(x + 3, 0), 6) / 6."""
    between = d * (x / 3.0 + 0.5)
    return choose(
        x.apply("less", -3.0), d.same(0.0), choose(x.apply("less_equal", 3.0), between, d)
    )


def leaky_relu_backward(d: Term, x: Term, slope: float, is_result: bool) -> Term:
    """Of x where it is above 0, else x · slope."""
    return choose(x.same(0.0).apply("less", x), d, d * slope)


GRADIENTS: dict[str, Callable[..., Any]] = {
    "tanh_backward": lambda d, y: d * (1.0 - y * y),
    "sigmoid_backward": lambda d, y: d * ((1.0 - y) * y),
    "threshold_backward": beyond,
    "hardtanh_backward": within,
    "hardsigmoid_backward": lambda d, x: within(d, x, -3.0, 3.0) / 6.0,
    "hardswish_backward": hardswish_backward,
    "leaky_relu_backward": leaky_relu_backward,
    "elu_backward": elu_backward,
    "gelu_backward": gelu_backward,
    "silu_backward": silu_backward,
    "mish_backward": mish_backward,
    "softplus_backward": softplus_backward,
    "log_sigmoid_backward": lambda d, x, buffer: d * (-x).apply("sigmoid"),
    "sgn": lambda x: x.same(0.0).apply("less", x) - x.apply("less", 0.0),
}
"""By the name of ATen."""
