#!/usr/bin/env python3
"""Makes the tokens of this example anew, with another implementation than the one that checks them.

    pip install PyJWT==2.10.1 cryptography && ./make.py

The keys are made for it and thrown away: what is committed can be checked, and nobody can sign with it. Nothing here is
anybody's real token.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import shutil

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent
NOW = 1767225600  # 2026-01-01T00:00:00Z, as in workflow.yaml
DAY = 86400
AUDIENCE = "https://photos.example"
ISSUER = "https://login.example"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def base58(data: bytes) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    value, text = int.from_bytes(data, "big"), ""
    while value:
        value, rest = divmod(value, 58)
        text = alphabet[rest] + text
    return text


def jwk(kid: str, key) -> dict:
    public = key.public_key()
    common = {"kid": kid, "use": "sig"}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw()), **common}
    numbers = public.public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **common}
    curve = {"secp256r1": "P-256", "secp256k1": "secp256k1"}[key.curve.name]
    return {"kty": "EC", "crv": curve, "x": number(numbers.x, 32), "y": number(numbers.y, 32), **common}


def did(key) -> str:
    public = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "did:key:z" + base58(b"\xed\x01" + public.public_bytes_raw())
    code = {"secp256r1": b"\x80\x24", "secp256k1": b"\xe7\x01"}[key.curve.name]
    return "did:key:z" + base58(code + public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def claims(subject: str, **changes) -> dict:
    common = {"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "iat": NOW - 60, "exp": NOW + DAY}
    return {**common, **changes}


KEYS = {
    "test-ed25519": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    "test-p256": ("ES256", ec.generate_private_key(ec.SECP256R1())),
    "test-secp256k1": ("ES256K", ec.generate_private_key(ec.SECP256K1())),
    "test-rsa": ("RS256", rsa.generate_private_key(65537, 2048)),
}
STRANGER = ed25519.Ed25519PrivateKey.generate()


def sign(kid: str, subject: str, **changes) -> str:
    algorithm, key = KEYS[kid]
    return jwt.encode(claims(subject, **changes), key, algorithm, headers={"kid": kid})


def by_hand(header: dict, body: dict, signature=lambda signed: b"") -> str:
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(body).encode())}"
    return f"{signed}.{b64(signature(signed.encode()))}"


def sign_did(name: str, subject: str, **changes) -> str:
    algorithm, key = KEYS[name]
    return jwt.encode(claims(subject, iss=did(key), **changes), key, algorithm)


def altered(token: str) -> str:
    """The same token for somebody else, with the signature that it had."""
    header, body, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{header}.{b64(json.dumps({**body, 'sub': 'mallory'}).encode())}.{signature}"


def refused(keys: bytes) -> list[tuple[str, str]]:
    """Every way in which a token does not count, by the name of the refusal."""
    rsa_key = KEYS["test-rsa"][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    as_password = lambda signed: hmac.new(rsa_key, signed, hashlib.sha256).digest()
    made = [("expired", sign(kid, "late", exp=NOW - 1)) for kid in KEYS]
    made += [("not-yet-valid", sign(kid, "early", nbf=NOW + 60)) for kid in KEYS]
    made += [("bad-signature", altered(sign(kid, "alice"))) for kid in KEYS]
    made += [("wrong-audience", sign(kid, "lost", aud="https://mail.example")) for kid in KEYS]
    made += [
        ("unknown-key", jwt.encode(claims("stranger"), STRANGER, "EdDSA", headers={"kid": "nobody"})),
        ("bad-signature", jwt.encode(claims("stranger"), STRANGER, "EdDSA", headers={"kid": "test-ed25519"})),
        ("unsecured", by_hand({"alg": "none"}, claims("mallory"))),
        ("unsecured", by_hand({"alg": "nOnE", "kid": "test-rsa"}, claims("mallory"))),
        # The public key, which everybody has, as the password of a HMAC.
        ("algorithm-mismatch", by_hand({"alg": "HS256", "kid": "test-rsa"}, claims("mallory"), as_password)),
        ("algorithm-mismatch", by_hand({"alg": "ES256K", "kid": "test-p256"}, claims("mallory"), lambda _: b"\1" * 64)),
        ("critical-header", by_hand({"alg": "ES256", "crit": ["exp2"], "exp2": 1}, claims("mallory"))),
        ("malformed", "this is no token"),
    ]
    return made


def write(folder: str, tokens: list[tuple[str, str]], first: int = 1) -> None:
    path = HERE / folder
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for count, (name, token) in enumerate(tokens, first):
        (path / f"{count:03}-{name}.jwt").write_text(token + "\n")


def main() -> None:
    keys = (json.dumps({"keys": [jwk(kid, key) for kid, (_, key) in KEYS.items()]}, indent=2) + "\n").encode()
    (HERE / "test-keys.json").write_bytes(keys)
    valid = [("valid", sign(kid, f"user-{count}")) for count in range(14) for kid in KEYS]
    write("tokens", valid + refused(keys))
    names = [kid for kid in KEYS if kid != "test-rsa"]
    own = [("valid", sign_did(name, f"device-{count}")) for count in range(6) for name in names]
    own += [("expired", sign_did("test-p256", "device", exp=NOW)), ("bad-signature", altered(sign_did("test-p256", "device")))]
    own += [("unknown-key", jwt.encode(claims("device", iss="did:web:login.example"), STRANGER, "EdDSA"))]
    own += [("unsecured", by_hand({"alg": "none"}, claims("mallory", iss=did(STRANGER))))]
    write("did-tokens", own)
    more = [("valid", sign("test-p256", "new-1")), ("valid", sign("test-rsa", "new-2")), ("expired", sign("test-ed25519", "new-3", exp=NOW - DAY))]
    write("more", more, first=201)


main()
