#!/usr/bin/env python3
"""Makes the people and the statements of this example anew, with another implementation than the one that checks them.

    pip install PyJWT==2.10.1 cryptography && ./make.py

The keys are made for it and thrown away: what is committed can be checked, and nobody can sign with it.
"""

import base64
import json
import pathlib
import shutil

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = pathlib.Path(__file__).parent
NOW = 1767225600  # 2026-01-01T00:00:00Z, as in workflow.yaml
DAY = 86400
PEOPLE = ["Alice", "Bob", "Carol", "Dave", "Erin", "Frank", "Grace", "Heidi", "Ivan", "Judy", "Mallory", "Sybil 1", "Sybil 2"]

# Who says how far they trust whom, and how many days ago.
SAID = [
    ("Alice", 90, "Bob", 300),
    ("Alice", 80, "Carol", 290),
    ("Alice", 60, "Judy", 280),
    ("Alice", -100, "Mallory", 10),  # my own distrust is a veto
    ("Bob", 70, "Dave", 200),
    ("Bob", 80, "Ivan", 190),
    ("Carol", 90, "Erin", 180),
    ("Carol", -50, "Ivan", 20),  # takes from Ivan as much as Alice trusts Carol
    ("Dave", 90, "Erin", 170),  # a second path, not the best
    ("Erin", 60, "Frank", 160),
    ("Frank", 90, "Grace", 150),  # too far away
    ("Judy", 90, "Heidi", 140),
    ("Judy", 0, "Heidi", 30),  # taken back
    ("Judy", 100, "Mallory", 130),
    ("Mallory", 100, "Sybil 1", 9),
    ("Mallory", 100, "Sybil 2", 9),
    ("Mallory", -100, "Bob", 8),  # has no say
    ("Sybil 1", 100, "Sybil 2", 7),
    ("Sybil 2", 100, "Sybil 1", 7),
]


def base58(data: bytes) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    value, text = int.from_bytes(data, "big"), ""
    while value:
        value, rest = divmod(value, 58)
        text = alphabet[rest] + text
    return text


KEYS = {name: Ed25519PrivateKey.generate() for name in PEOPLE}
DIDS = {name: "did:key:z" + base58(b"\xed\x01" + key.public_key().public_bytes_raw()) for name, key in KEYS.items()}


def statement(speaker: str, trust: int, about: str, days: int, **more) -> str:
    claims = {"iss": DIDS[speaker], "sub": DIDS[about], "trust": trust, "iat": NOW - days * DAY, **more}
    return jwt.encode(claims, KEYS[speaker], "EdDSA")


def forged(token: str) -> str:
    """Says 100 where it said less, with the signature that it had."""
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    body = base64.urlsafe_b64encode(json.dumps({**claims, "trust": 100}).encode()).rstrip(b"=").decode()
    return f"{header}.{body}.{signature}"


def main() -> None:
    for folder in ("statements", "changes"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
    tokens = {}
    for count, (speaker, trust, about, days) in enumerate(SAID, 1):
        tokens[f"{count:02}-{speaker}-{about}"] = statement(speaker, trust, about, days)
    tokens["20-Frank-Mallory-forged"] = forged(statement("Frank", 1, "Mallory", 5))
    tokens["21-Alice-Grace-old"] = statement("Alice", 90, "Grace", 400, exp=NOW - DAY)
    for name, token in tokens.items():
        (HERE / "statements" / f"{name.lower().replace(' ', '')}.jwt").write_text(token + "\n")
    changed = statement("Bob", -100, "Dave", 1)
    (HERE / "changes" / "05-bob-dave.jwt").write_text(changed + "\n")
    (HERE / "names.json").write_text(json.dumps({DIDS[name]: name for name in PEOPLE}, indent=2) + "\n")
    workflow = HERE / "workflow.yaml"
    lines = [f"  me: {DIDS['Alice']} # Alice" if line.startswith("  me: ") else line for line in workflow.read_text().splitlines()]
    workflow.write_text("\n".join(lines) + "\n")


main()
