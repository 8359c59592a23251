"""The interface `values` in Python. Records are dataclasses, a nested option has `Some`, and the error of a whole result
is raised."""

import re

from componentize_py_types import Err, Ok, Result, Some
from wit_world import exports
from wit_world.exports.values import (
    DivisionError,
    Integers,
    Ordering,
    Permissions,
    Person,
    Shape,
    Shape_Circle,
    Shape_Point,
    Shape_Polygon,
    Shape_Rectangle,
    Statistics,
)

PI = 3.141592653589793
S64_MAX = 2**63 - 1


def parse_one(word: str) -> Result[int, str]:
    if re.fullmatch("-?[0-9]{1,18}", word):
        return Ok(int(word))
    return Err(f"not a number: {word}")


class Values(exports.Values):
    def describe(self, who: Person) -> str:
        parts = [f"{who.name} ({who.age})"]
        if who.initial is not None:
            parts.append(f"initial {who.initial}")
        if who.nicknames:
            parts.append(f"called {' and '.join(who.nicknames)}")
        return ", ".join(parts)

    def area(self, of: Shape) -> float:
        match of:
            case Shape_Point():
                return 0.0
            case Shape_Circle(radius):
                return PI * radius * radius
            case Shape_Rectangle((a, b)):
                return a * b
            case Shape_Polygon(corners):
                total = 0.0
                for (x, y), (next_x, next_y) in zip(corners, corners[1:] + corners[:1]):
                    total += x * next_y - next_x * y
                return abs(total / 2)

    def divide(self, dividend: int, divisor: int) -> int:
        if divisor == 0:
            raise Err(DivisionError.BY_ZERO)
        # `//` rounds down, and `/` would go through a float.
        quotient = abs(dividend) // abs(divisor)
        if (dividend < 0) != (divisor < 0):
            quotient = -quotient
        if quotient > S64_MAX:
            raise Err(DivisionError.OVERFLOW)
        return quotient

    def complement(self, of: Integers) -> Integers:
        return Integers(
            a=~of.a & 2**8 - 1,
            b=~of.b & 2**16 - 1,
            c=~of.c & 2**32 - 1,
            d=~of.d & 2**64 - 1,
            e=~of.e,
            f=~of.f,
            g=~of.g,
            h=~of.h,
        )

    def statistics_of(self, numbers: list[int]) -> Statistics | None:
        if not numbers:
            return None
        return Statistics(len(numbers), min(numbers), max(numbers), sum(numbers))

    def mean(self, numbers: list[float]) -> float | None:
        if not numbers:
            return None
        # Not `sum`, which makes up for the rounding of each step.
        total = 0.0
        for number in numbers:
            total += number
        return total / len(numbers)

    def midpoint(self, a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
        return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2

    def reverse(self, bytes: bytes) -> bytes:
        return bytes[::-1]

    def parse(self, words: list[str]) -> list[Result[int, str]]:
        return [parse_one(word) for word in words]

    def compare(self, a: str, b: str) -> Ordering:
        if a == b:
            return Ordering.EQUAL
        return Ordering.LESS if a < b else Ordering.GREATER

    def is_palindrome(self, text: str) -> bool:
        return text == text[::-1]

    def layered(
        self, lower: Some[int | None] | None, upper: Some[int | None] | None
    ) -> Some[int | None] | None:
        return lower if upper is None else upper

    def missing(self, granted: Permissions, wanted: Permissions) -> Permissions:
        return wanted & ~granted

    def count_words(self, text: str) -> list[tuple[str, int]]:
        counts: dict[str, int] = {}
        for word in filter(None, text.split(" ")):
            counts[word] = counts.get(word, 0) + 1
        return list(counts.items())
