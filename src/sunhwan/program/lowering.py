"""Lowering: a traced function of two rows → a program.

Every tensor is followed with a code in place of each value: the number of the value in the program,
and the row it belongs to. What only moves values (slices, reshapes, stacks, broadcasting …) is run by
PyTorch on the codes themselves, so a program has no axes and one operation for all of it, `take`. Steps
that mix rows, and operations that are not known, are refused by name and line.
"""

import operator
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.utils._pytree import tree_leaves, tree_map_only

from sunhwan.cells.structure import COPIES, FRESH, MOVES
from sunhwan.program.composites import COMPOSITES, Composites, UnknownError
from sunhwan.program.gradient_terms import GRADIENTS
from sunhwan.program.operations import Builder, Program
from sunhwan.program.terms import ELEMENTWISE as TERMS
from sunhwan.program.terms import Term

__all__ = ["Lowering", "UnknownError"]

ELEMENTWISE = TERMS | GRADIENTS

SHARED, SUMMED = 2, 3
"""In place of a row: the value is one for all rows; it is the sum of what each row has."""

REDUCED = {
    "sum": "sum", "amax": "max", "amin": "min", "max": "max", "min": "min",
}  # fmt: skip


class Lowering(Composites, Interpreter):
    """Runs a traced graph on codes: four times the number of a value, plus its row or `SHARED`.

    linear: names of the inputs in which all that depends on them is linear, such as the gradients that
    a backward step is given. Of such values rows may be summed, as those of a parameter's gradient are.
    """

    def __init__(self, graph: GraphModule, linear: Collection[str] = ()) -> None:
        Interpreter.__init__(self, graph, garbage_collect_values=False)
        self.builder = Builder()
        self.linear = frozenset(linear)
        self.first: list[int] = []
        """The number of each value's first number."""
        self.now: Any = None
        """The operation that is being lowered."""

    def program(
        self,
        inputs: Sequence[tuple[str, bool]],
        names: Sequence[str],
        summed: Collection[str] = (),
    ) -> Program:
        """The whole; inputs: name, and whether it is of rows, of each placeholder.

        summed: names of the results that are sums over rows; the program gives each row's part.
        """
        holes = [node for node in self.graph.nodes if node.op == "placeholder"]
        given = []
        for node, (name, of_rows) in zip(holes, inputs, strict=True):
            shape = node.meta["val"].shape
            size = shape[1:].numel() if of_rows else shape.numel()
            codes = self._codes(self.builder.input(name, size, of_rows))
            if of_rows:
                given.append(torch.stack((codes, codes + 1)).view(shape))
            else:
                given.append((codes + SHARED).view(shape))
        found = self.run(*given)
        results = {}
        for name, codes in zip(names, found, strict=True):
            if not isinstance(codes, Tensor):
                raise UnknownError("a result is no tensor")
            if bool(((codes & 3) == SUMMED).any()):
                results[name] = self._pick(codes.reshape(-1), whole=True)
                continue
            if name in summed:
                if bool(((codes & 3) != SHARED).any()):
                    raise UnknownError(f"{name} is another one for each row")
                results[name] = self._pick(codes.reshape(-1), whole=True)
                continue
            rows = codes.reshape(2, -1)
            self._positions(rows.reshape(1, -1))
            results[name] = self._pick(rows[0], whole=True)
        return Program(tuple(self.builder.operations), results)

    def run_node(self, n: Node) -> Any:
        if n.op == "get_attr":
            return self._constant(super().run_node(n))
        if n.op != "call_function" or n.target is operator.getitem:
            return super().run_node(n)
        self.now = n.target
        args, given = self.fetch_args_kwargs_from_env(n)
        skipped = ("dtype", "layout", "device", "pin_memory")
        kwargs = {name: value for name, value in given.items() if name not in skipped}
        packet, _, overload = str(n.target).removeprefix("aten.").partition(".")
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if packet == "fill":
            return self._constant(torch.full(n.meta["val"].shape, float(args[1])))
        if packet in FRESH or not tensors or (packet == "empty_like" and self.linear):
            real = [tree_map_only(Node, _zeros, value) for value in (n.args, n.kwargs)]
            return self._constant(n.target(*real[0], **real[1]))  # type: ignore[operator]
        if packet in COPIES:
            wanted = n.meta["val"].dtype
            if not (wanted.is_floating_point or wanted == torch.bool):
                raise UnknownError(f"{n.target} makes whole numbers")
            return args[0]
        if packet in ("view", "_unsafe_view", "reshape"):
            return args[0].reshape(args[1])
        if f"{packet}.{overload}" in MOVES:
            return super().run_node(n)
        if packet in ELEMENTWISE:
            several = isinstance(n.meta["val"], tuple | list)
            made = self._apply(packet, *args, **kwargs)
            return (made, *[None] * (len(n.meta["val"]) - 1)) if several else made
        if packet in REDUCED:
            if packet in ("max", "min") and overload != "default":
                return self._reduce(packet, *args, **kwargs), None
            return self._reduce(REDUCED[packet], *args, **kwargs)
        if packet in COMPOSITES:
            return COMPOSITES[packet](self, *args, **kwargs)
        raise UnknownError(f"{n.target} is no operation of programs")

    # Codes

    def _codes(self, place: int) -> Tensor:
        """Four times the number of each number of a value."""
        operations = self.builder.operations
        while len(self.first) < len(operations):
            last = len(self.first) - 1
            self.first.append(self.first[last] + operations[last].size if self.first else 0)
        return 4 * torch.arange(self.first[place], self.first[place] + operations[place].size)

    def _constant(self, value: Any) -> Tensor:
        numbers = torch.as_tensor(value).double()
        if not numbers.numel():
            return torch.zeros(numbers.shape, dtype=torch.int64)
        if bool((numbers == numbers.flatten()[0]).all()):
            (code,) = self._codes(self.builder.constant(numbers.flatten()[:1])) + SHARED
            return Tensor.expand(code, numbers.shape)
        return (self._codes(self.builder.constant(numbers)) + SHARED).view(numbers.shape)

    def _whole(self, codes: Tensor) -> Tensor:
        """The whole numbers that constant codes stand for."""
        place = self._pick(codes.reshape(-1), whole=True)
        found = self.builder.operations[place]
        if found.kind != "constant" or found.numbers is None:
            raise UnknownError("an index depends on values")
        return torch.from_numpy(found.numbers.copy()).long().view(codes.shape)

    def _positions(self, codes: Tensor) -> tuple[Tensor, Tensor | None]:
        """codes (operands, P) → the positions of the first row and of the second; None: of no row."""
        rows = codes & 3
        first, second = (rows == 0).any(0), (rows == 1).any(0)
        neither = ~(first | second)
        P = codes.shape[1]
        if bool((rows == SUMMED).any()) and not bool(neither.all()):
            raise UnknownError("rows are mixed, or are not treated alike")
        if bool(neither.all()):
            return torch.arange(P), None
        if bool(neither.any()):  # the same for both rows, which lie one after the other
            half = torch.arange(P) < P // 2
            first, second = first | (neither & half), second | (neither & ~half)
        one, two = first.nonzero()[:, 0], second.nonzero()[:, 0]
        apart = not bool((first & second).any()) and len(one) == len(two)
        if not apart or bool(((codes[:, one] >> 2) != (codes[:, two] >> 2)).any()):
            raise UnknownError("rows are mixed, or are not treated alike")
        return one, two

    def _pick(self, codes: Tensor, *, whole: bool = False) -> int:
        """The value of these numbers; one number that stands for all unless whole."""
        self._codes(0)
        numbers = (codes >> 2).numpy()
        if not whole and (numbers == numbers[0]).all():
            numbers = numbers[:1]
        first = np.asarray(self.first)
        if len(numbers):
            one = int(np.searchsorted(first, numbers[0], "right")) - 1
            size = self.builder.operations[one].size
            if len(numbers) == size and numbers[0] == first[one] and (np.diff(numbers) == 1).all():
                return one  # nearly every matrix: to sort its numbers would take seconds
        places = np.searchsorted(first, numbers, "right") - 1
        used, begins = np.unique(places, return_index=True)
        sources = [int(place) for place in used[np.argsort(begins)]]
        if all(self.builder.operations[source].kind == "constant" for source in sources):
            values = [self.builder.operations[s].numbers for s in sources]
            flat = dict(zip(sources, values, strict=True))
            return self.builder.constant(
                [flat[p][n - first[p]] for p, n in zip(places, numbers, strict=True)]  # type: ignore[index]
            )
        start, offsets = 0, np.zeros(len(first), np.int64)
        for source in sources:
            offsets[source] = start - first[source]
            start += self.builder.operations[source].size
        return self.builder.take(sources, numbers + offsets[places])

    # Operations on codes

    def _apply(self, packet: str, *args: Any, **kwargs: Any) -> Tensor:
        """An operation number by number."""
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        every = torch.broadcast_tensors(*tensors)  # type: ignore[no-untyped-call]
        shape = every[0].shape
        codes = torch.stack([one.reshape(-1) for one in every])
        if not codes.numel():
            return torch.zeros(shape, dtype=torch.int64)
        one, two = self._positions(codes)
        terms = iter([Term(self.builder, self._pick(line)) for line in codes[:, one]])
        args = tuple(next(terms) if isinstance(a, Tensor) else a for a in args)
        kwargs = {k: next(terms) if isinstance(a, Tensor) else a for k, a in kwargs.items()}
        row = SUMMED if bool(((codes & 3) == SUMMED).any()) else SHARED
        return self._spread(ELEMENTWISE[packet](*args, **kwargs).place, one, two, shape, row)

    def _spread(
        self, place: int, one: Tensor, two: Tensor | None, shape: Sequence[int], row: int = SHARED
    ) -> Tensor:
        """The codes of a value at the positions of both rows; row: in place of one where there is none."""
        found = torch.empty(len(one) if two is None else 2 * len(one), dtype=torch.int64)
        codes = self._codes(place).expand(len(one))
        found[one] = codes + (row if two is None else 0)
        if two is not None:
            # Where neither row has a value of its own it is one for both.
            found[two] = codes + 1
        return found.view(shape)

    def _reduce(self, kind: str, x: Tensor, dims: Any = None, keepdim: bool = False) -> Tensor:
        dims = [dims] if isinstance(dims, int) else list(dims or range(x.dim()))
        dims = sorted(dim % x.dim() for dim in dims)
        lead = [size for dim, size in enumerate(x.shape) if dim not in dims]
        groups = x.movedim(dims, list(range(-len(dims), 0))).reshape(*lead, -1)
        rows = groups.reshape(-1, groups.shape[-1])
        row, of_first = SHARED, None
        if kind == "sum" and self.linear and rows.numel():
            of_first = self._summed_over_rows(rows)
        if of_first is not None:
            rows, row = of_first, SUMMED
        both = rows.T
        if row == SUMMED:
            one, two = torch.arange(len(rows)), None
        else:
            one, two = self._positions(both)
            row = SUMMED if bool(((rows & 3) == SUMMED).any()) else row
        place = self.builder.reduce(
            kind, self._pick(both[:, one].T.reshape(-1), whole=True), len(one)
        )
        found = self._spread(place, one, two, lead, row)
        for dim in dims if keepdim else ():
            found = found.unsqueeze(dim)
        return found

    def _summed_over_rows(self, groups: Tensor) -> Tensor | None:
        """The codes of one row where each group holds the same numbers of both rows; else None."""
        first, second = (groups & 3) == 0, (groups & 3) == 1
        n = groups.shape[1] // 2
        if not bool(((first.sum(1) == n) & (second.sum(1) == n)).all()) or groups.shape[1] % 2:
            return None
        one, two = groups[first].view(-1, n), groups[second].view(-1, n)
        if not torch.equal(one >> 2, two >> 2) or not self._is_linear(one):
            return None
        return one

    def _is_linear(self, codes: Tensor) -> bool:
        """Whether all these values depend on the inputs that are linear."""
        self._codes(0)
        places = set((np.searchsorted(self.first, (codes >> 2).numpy(), "right") - 1).flat)
        operations = self.builder.operations
        depends: list[bool] = []
        for operation in operations:
            named = operation.kind == "input" and operation.name in self.linear
            depends.append(named or any(depends[operand] for operand in operation.operands))
        return all(depends[place] for place in places)

    def _product(self, x: Tensor, W: Tensor) -> Tensor:
        """x (I, K), W (K, J) → (I, J)."""
        if bool(((x & 3) == SHARED).all()) and not bool(((W & 3) == SHARED).all()):
            return self._product(W.T, x.T).T
        if bool(((W & 3) != SHARED).any()):
            return self._reduce(
                "sum", self._apply("mul", x.unsqueeze(-1), W.unsqueeze(-3)), [-2], False
            )
        one, two = self._positions(x.T)
        weights = self._pick(W.reshape(-1), whole=True)
        found = torch.empty(len(x), W.shape[1], dtype=torch.int64)
        for n, position in enumerate(one.tolist()):
            place = self.builder.product(self._pick(x[position], whole=True), weights)
            codes = self._codes(place)
            found[position] = codes + (SHARED if two is None else 0)
            if two is not None:
                found[two[n]] = codes + 1
        return found

    def _products(self, x: Tensor, y: Tensor) -> Tensor:
        """x (B, I, K), y (B, K, J) → (B, I, J)."""
        if bool(((y & 3) == SHARED).all()) or bool(((x & 3) == SHARED).all()):
            return torch.stack([self._product(*pair) for pair in zip(x, y, strict=True)])
        return self._reduce("sum", self._apply("mul", x.unsqueeze(-1), y.unsqueeze(1)), [2], False)


def _zeros(node: Node) -> Any:
    return tree_map_only(Tensor, lambda v: torch.zeros(v.shape, dtype=v.dtype), node.meta["val"])
