"""The functions of wit/world.wit. A record is a dataclass, an option is a value or None, and the error of a result is
raised."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.functions import Summary


class Functions(exports.Functions):
    def greet(self, name: str) -> str:
        return f"Hello, {name}!"

    def summarise(self, text: str) -> Summary:
        words = text.split()
        if not words:
            raise Err("there is no word in this text")
        return Summary(lines=len(text.splitlines()), words=len(words), longest=max(words, key=len))

    def mask(self, data: bytes, key: int) -> bytes:
        return bytes(byte ^ key for byte in data)
