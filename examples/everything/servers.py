"""The three servers of this example, on free ports of this machine: mail (aiosmtpd, which keeps what it takes in a Maildir),
pages (http.server, which keeps what is put), and names (Knot DNS, which takes updates signed with a key). In front of the
last sits a wire that passes on bytes, so that what goes on there is seen as well.

As a program: `servers.py FOLDER` starts them, prints how to reach them, and stops them when its standard input ends.
"""

import base64
import mailbox
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP

HOST = "127.0.0.1"
ZONE = "example.com"
KEY = "ddns.example.com"
LONGEST_BODY = 1 << 20  # bytes of a page that is put


class Stages:
    """What the servers come to, in order. A server goes on only when `watch` has returned."""

    def __init__(self, log: Path):
        self.log = log
        self.lock = threading.Lock()
        self.watch = lambda _stage: None

    def __call__(self, stage: str) -> None:
        with self.lock, self.log.open("a") as log:
            log.write(stage + "\n")
        self.watch(stage)


class Letters(Mailbox):
    """Keeps mails, and says at which stage each conversation is."""

    def __init__(self, folder: Path, stages: Stages):
        super().__init__(str(folder))
        self.stages = stages
        self.open = 0
        self.changed = threading.Condition()

    def conversations(self, more: int) -> None:
        with self.changed:
            self.open += more
            self.changed.notify_all()

    def settled(self) -> None:
        """Waits until nobody talks to it: then all that it was sent, it has."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.open == 0, timeout=60), "somebody still talks to the mail server"

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):
        self.stages("mail: EHLO")
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, _server, _session, envelope, address, options):
        self.stages("mail: MAIL")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, options):
        self.stages(f"mail to {user(address)}: RCPT")
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        to = user(envelope.rcpt_tos[0])
        self.stages(f"mail to {to}: all of it is here, not kept yet")
        answer = await super().handle_DATA(server, session, envelope)
        self.stages(f"mail to {to}: kept, not answered yet")
        session.kept_for = to
        return answer


class Talk(SMTP):
    """One conversation."""

    def connection_made(self, transport):
        self.event_handler.conversations(+1)
        self.event_handler.stages("mail: connected")
        super().connection_made(transport)

    def connection_lost(self, error):
        super().connection_lost(error)
        self.event_handler.conversations(-1)

    async def push(self, status):
        to = getattr(self.session, "kept_for", None)
        if str(status).startswith("354"):
            self.event_handler.stages(f"mail to {user(self.envelope.rcpt_tos[0])}: DATA")
        if to and not getattr(self.session, "told", False):
            self.session.told = True
            self.event_handler.stages(f"mail to {to}: answering")
            await super().push(status)
            self.event_handler.stages(f"mail to {to}: answered")
            return
        await super().push(status)

    async def smtp_QUIT(self, arg):
        if to := getattr(self.session, "kept_for", None):
            self.event_handler.stages(f"mail to {to}: QUIT")
        await super().smtp_QUIT(arg)


class Mail(Controller):
    """The mail server, in a thread."""

    def factory(self):
        return Talk(self.handler, **self.SMTP_kwargs)


def free_port() -> int:
    """A port that nobody has now, for a server that must be told one."""
    with socket.create_server((HOST, 0)) as free:
        return free.getsockname()[1]


def user(address: str) -> str:
    return address.split("@")[0]


class Pages(BaseHTTPRequestHandler):
    """Keeps what is put, and gives it to whoever asks."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.stages("report: connected")

    def do_PUT(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > LONGEST_BODY:
            self.close_connection = True  # the body stays unread
            return self.answer(413, b"")
        body = self.rfile.read(length)
        self.server.stages("report: all of it is here, not kept yet")
        place = self.server.folder / self.path.strip("/").replace("/", "_")
        part = place.with_suffix(f".{threading.get_ident()}")
        part.write_bytes(body)
        known = place.exists()
        part.replace(place)
        self.server.stages("report: kept, not answered yet")
        self.server.stages("report: answering")
        self.answer(200 if known else 201, b"kept")
        self.server.stages("report: answered")

    def do_GET(self):
        place = self.server.folder / self.path.strip("/").replace("/", "_")
        if place.is_file():
            self.answer(200, place.read_bytes())
        else:
            self.answer(404, b"there is no such page")

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes):
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # whoever asked is gone

    def log_message(self, *_):
        pass


class PagesServer(ThreadingHTTPServer):
    """One thread for each connection."""

    def __init__(self, folder: Path, stages: Stages):
        super().__init__((HOST, 0), Pages)
        self.folder, self.stages = folder, stages
        self.port = self.server_address[1]

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # else whoever asked is gone
            super().handle_error(request, client_address)


class Wire:
    """Passes messages on to the DNS server and back (over TCP each has its length before it), and says where it is."""

    def __init__(self, to: int, stages: Stages):
        self.to, self.stages = to, stages
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # closed: the end
            threading.Thread(target=self.pass_on, args=[near], daemon=True).start()

    def pass_on(self, near: socket.socket):
        try:
            with near, socket.create_connection((HOST, self.to)) as far:
                self.stages("record: connected")
                while message := receive(near):
                    self.stages("record: the update is here, not made yet")
                    far.sendall(message)
                    answer = receive(far)
                    self.stages("record: made, not answered yet")
                    self.stages("record: answering")
                    near.sendall(answer)
                    self.stages("record: answered")
        except OSError:
            pass  # whoever asked is gone


def receive(stream: socket.socket) -> bytes:
    """One message with the length before it; nothing at the end."""
    head = exactly(stream, 2)
    return head and head + exactly(stream, int.from_bytes(head, "big"))


def exactly(stream: socket.socket, length: int) -> bytes:
    taken = b""
    while len(taken) < length:
        if not (more := stream.recv(length - len(taken))):
            return b""
        taken += more
    return taken


class Names:
    """Knot DNS with one zone, whose records may be changed with one key."""

    def __init__(self, folder: Path):
        knotd = shutil.which("knotd", path=os.environ["PATH"] + ":/usr/sbin")
        if not knotd:
            sys.exit("there is no knotd: install the package knot")
        (folder / "db").mkdir(parents=True)
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        (folder / "tsig.key").write_text(secret)
        (folder / "zone").write_text(
            f"$ORIGIN {ZONE}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {HOST}\n@ TXT \"before\"\n"
        )
        self.port = free_port()
        (folder / "knot.conf").write_text(
            f"server:\n  listen: {HOST}@{self.port}\n  rundir: {folder}\n"
            f"log:\n  - target: stdout\n    any: info\n"
            f"database:\n  storage: {folder}/db\n"
            f"key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {secret}\n"
            f"acl:\n  - id: may\n    action: update\n    key: {KEY}\n"
            f"zone:\n  - domain: {ZONE}\n    storage: {folder}\n    file: zone\n    acl: may\n"
        )
        self.process = subprocess.Popen(
            [knotd, "-c", folder / "knot.conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "server started" in line:
                break
        else:
            sys.exit("knotd did not start:\n" + "".join(said))
        # It goes on talking, and would stop for want of somebody who reads it.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Servers:
    """All three."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.stages = Stages(folder / "stages")
        (folder / "pages").mkdir(parents=True)
        self.pages = PagesServer(folder / "pages", self.stages)
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()
        self.mail = Mail(Letters(folder / "mails", self.stages), hostname=HOST, port=free_port(), ready_timeout=30)
        self.mail.start()
        # Last, because it alone would outlive this process.
        self.names = Names(folder / "names")
        self.wire = Wire(self.names.port, self.stages)

    def mails(self):
        """All mails that were kept."""
        return list(mailbox.Maildir(self.folder / "mails", create=False))

    def stop(self):
        self.names.stop()
        self.wire.listener.close()
        self.mail.stop()
        self.pages.shutdown()


def main():
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, lambda *_: sys.exit(0))
    servers = Servers(Path(sys.argv[1]).resolve())
    try:
        print(f"DNS={HOST}:{servers.wire.port}")
        print(f"KNOT={servers.names.port}")
        print(f"MAIL={HOST}:{servers.mail.port}")
        print(f"WEB={HOST}:{servers.pages.port}", flush=True)
        sys.stdin.read()
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
