"""Mutation of a function: one node of its syntax tree is replaced by another."""

import ast
import inspect
import textwrap
from typing import Any


class _Replace(ast.NodeTransformer):
    """Puts new nodes in the place of every node that is equal to one, and counts them."""

    def __init__(self, right: ast.AST, wrong: Any) -> None:
        self.right, self.wrong, self.count = ast.dump(right), wrong, 0

    def visit(self, node: ast.AST) -> Any:
        if ast.dump(node) == self.right:
            self.count += 1
            return self.wrong
        return self.generic_visit(node)


def mutated(function: Any, right: str, wrong: str) -> Any:
    """The code of a function in which one node, an expression or a statement, is another.

    AssertionError unless the node is there exactly once. How the source is laid out does not matter.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    old, new = ast.parse(right).body, ast.parse(wrong).body
    assert len(old) == 1, f"{right!r} must be one expression or statement"
    expressions = isinstance(old[0], ast.Expr) and len(new) == 1 and isinstance(new[0], ast.Expr)
    change = _Replace(old[0].value, new[0].value) if expressions else _Replace(old[0], new)
    tree = change.visit(tree)
    assert change.count == 1, f"{right!r} must be in {function.__name__} once, not {change.count}"
    # In the body of a class, so that super() compiles to the same closure as before.
    planted = ast.ClassDef("Planted", [], [], [tree], [])
    module = ast.fix_missing_locations(ast.Module([planted], []))
    namespace: dict[str, Any] = {}
    exec(
        compile(module, f"<a fault in {function.__name__}>", "exec"),
        function.__globals__,
        namespace,
    )
    return inspect.getattr_static(namespace["Planted"], function.__name__)
