"""Texts that put a Jacobian or a Hessian together, some columns at a time, for arguments of given types."""

from __future__ import annotations

from typing import Any

JACOBIAN = """
seeds = np.zeros(({count}, {x}.size), {x}.dtype)
J = np.empty((0, {x}.size), np.{dtype})
for j in range(0, {x}.size, {count}):
    last = min({count}, {x}.size - j)
    for k in range(last):
        seeds[k, j + k] = 1
    r, {found} = tangents({arguments}, {seeds})
    for k in range(last):
        seeds[k, j + k] = 0
    if j == 0:
        J = np.empty((r.size, {x}.size), np.{dtype})
    for i in range(r.size):
        {stored}
    {rows}
return J{shape}
"""
"""r is an array of type `dtype`, r0 and so on its tangents."""

ROWS = """if {worth}:
        weights, g = np.zeros(r.shape, np.{dtype}), np.empty({x}.shape, {x}.dtype)
        for k in range(r.size):
            weights.reshape(-1)[k] = 1
            weighted({arguments}, weights, g)
            weights.reshape(-1)[k] = 0
            for i in range(g.size):
                J[k, i] = g.flat[i]
        break"""
"""The same by rows, where they take fewer passes than columns: `worth`."""

GRADIENT = """
n = {x}.size
seeds, g = np.zeros(({count}, n), {x}.dtype), np.empty(n, {x}.dtype)
for j in range(0, n, {count}):
    last = min({count}, n - j)
    for k in range(last):
        seeds[k, j + k] = 1
    tangents_of_value = tangents({arguments}, {seeds})[1:]
    for k in range(last):
        seeds[k, j + k] = 0
        g[j + k] = tangents_of_value[k]
return g{shape}
"""
"""The Jacobian of a number."""

HESSIAN = """
n = {x}.size
seeds, products = np.zeros(({count}, n), {x}.dtype), np.empty(({count}, n), {x}.dtype)
g, H = np.empty({x}.shape, {x}.dtype), np.empty((n, n), {x}.dtype)
for j in range(0, n, {count}):
    last = min({count}, n - j)
    for k in range(last):
        seeds[k, j + k] = 1
    tangents({arguments}, g, {seeds}, {products})
    for k in range(last):
        seeds[k, j + k] = 0
    for k in range(last):
        for i in range(n):
            H[i, j + k] = products[k, i]
for i in range(n):
    for j in range(i):
        H[i, j] = H[j, i] = 0.5 * (H[i, j] + H[j, i])
return H{shape}
"""

PRODUCT = """
if p.shape != {x}.shape:
    raise ValueError("hvp: p must have the shape of the argument that it belongs to")
g, h = np.empty({x}.shape, {x}.dtype), np.empty({x}.shape, {x}.dtype)
tangents({arguments}, g, p.astype({x}.dtype), h)
return h
"""


def jacobian_lines(x: str, array: Any, result: Any, arguments: str, count: int, by_rows: str | None) -> list[str]:
    """Of a result that is an array, by the argument `x`; where `by_rows` is true, by rows."""
    flat = "" if result.ndim == 1 else ".flat"
    stored = [f"if last > {c}:\n{' ' * 12}J[i, j + {c}] = r{c}{flat}[i]" for c in range(count)]
    names = {"x": x, "dtype": result.dtype, "arguments": arguments}
    parts = {
        "rows": "" if by_rows is None else ROWS.format(worth=by_rows, **names),
        "stored": "\n        ".join(stored),
        "found": ", ".join(f"r{c}" for c in range(count)),
        "shape": "" if result.ndim == array.ndim == 1 else f".reshape(r.shape + {x}.shape)",
        "seeds": _rows_of("seeds", x, array, count),
    }
    return _lines(JACOBIAN, count=count, **names, **parts)


def gradient_lines(x: str, array: Any, arguments: str, count: int) -> list[str]:
    """Of a number, by the argument `x`, in forward mode."""
    seeds, shape = _rows_of("seeds", x, array, count), _shape(array, x)
    return _lines(GRADIENT, x=x, arguments=arguments, count=count, seeds=seeds, shape=shape)


def hessian_lines(x: str, array: Any, arguments: str, count: int) -> list[str]:
    """Of a number, by the argument `x`."""
    shape = "" if array.ndim == 1 else f".reshape({x}.shape + {x}.shape)"
    seeds, products = _rows_of("seeds", x, array, count), _rows_of("products", x, array, count)
    return _lines(HESSIAN, x=x, arguments=arguments, count=count, seeds=seeds, products=products, shape=shape)


def product_lines(x: str, arguments: str) -> list[str]:
    """Of the Hessian with a vector p."""
    return _lines(PRODUCT, x=x, arguments=arguments)


def _rows_of(name: str, x: str, array: Any, count: int) -> str:
    """The rows of a matrix, each in the shape of `x`."""
    return ", ".join(f"{name}[{c}]{_shape(array, x)}" for c in range(count))


def _shape(array: Any, x: str) -> str:
    return "" if array.ndim == 1 else f".reshape({x}.shape)"


def _lines(template: str, **parts: Any) -> list[str]:
    return [line for line in template.format(**parts).splitlines() if line.strip()]
