"""The products within a step, found as the step runs: what each reads and gives is cut out of it.

x W with a parameter W, or its transpose, is such a product. With what it gives as one more input, and
what it reads as one more result, the rest of the step has no product but the recurrent one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PRODUCTS: set[Any] = {torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__}
TRANSPOSES: set[Any] = {
    torch.t, Tensor.t, *(getattr(Tensor, name).__get__ for name in ("T", "mT")),
}  # fmt: skip


class InnerProduct(NamedTuple):
    """m W, m of K numbers a row and m W of J: W is the parameter `name`, or its transpose."""

    name: str
    transposed: bool
    K: int
    J: int


class CutProducts(TorchFunctionMode):
    """Puts values that are given in place of the products of a step.

    matrices: the parameters by name. given: what the products give, in their order; None: the products
    themselves. found: which they are; operands: what each reads.
    """

    def __init__(self, matrices: Mapping[str, Tensor], given: Sequence[Tensor] | None) -> None:
        super().__init__()
        self.given = given
        self.found: list[InnerProduct] = []
        self.operands: list[Tensor] = []
        # The tensors are kept, so that no other one is taken for them.
        self.known = {id(W): (name, False, W) for name, W in matrices.items()}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = self._product(func, args) if not kwargs and torch.is_grad_enabled() else None
        if found is not None:
            return found
        made = func(*args, **kwargs)
        turned = (args[0] if args else kwargs.get("input")) if func in TRANSPOSES else None
        if id(turned) in self.known:
            name, transposed, _ = self.known[id(turned)]
            self.known[id(made)] = name, not transposed, made
        return made

    def _product(self, func: Any, args: Any) -> Tensor | None:
        if func in PRODUCTS and len(args) == 2:
            return self._cut(args[0], args[1], False)
        if func is functional.linear and len(args) in (2, 3):
            w = self._cut(args[0], args[1], True)
            return w if w is None or len(args) == 2 or args[2] is None else w + args[2]
        if func in (torch.addmm, Tensor.addmm) and len(args) == 3:
            w = self._cut(args[1], args[2], False)
            return None if w is None else args[0] + w
        return None

    def _cut(self, x: Any, W: Any, turned: bool) -> Tensor | None:
        if id(W) not in self.known or id(x) in self.known or not isinstance(x, Tensor):
            return None
        if x.dim() != 2 or W.dim() != 2:
            return None
        name, transposed, _ = self.known[id(W)]
        K, J = W.shape[::-1] if turned else W.shape
        if x.shape[1] != K:
            return None
        which = len(self.found)
        if self.given is not None and which >= len(self.given):
            return None
        self.found.append(InnerProduct(name, transposed != turned, int(K), int(J)))
        self.operands.append(x)
        if self.given is None:
            made: Tensor = x @ (W.T if turned else W)
            return made
        return self.given[which]


def products_in(step: Callable[[], Any], matrices: Mapping[str, Tensor]) -> list[InnerProduct]:
    """The products of a step, in the order in which it comes to them."""
    cut = CutProducts(matrices, None)
    with cut:
        step()
    return cut.found
