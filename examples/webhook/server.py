"""A shop's web server, on a free port of this machine: orders to be read, and a hook that is told of them.

It has a bad day, once: the first to read the orders is told to come back in a second (429), and the first to call the hook
never hears that it worked, because the connection ends before the answer. Whoever calls the hook again with the same
Idempotency-Key gets the answer of the first time, and nothing is done again.

    server.py FOLDER

FOLDER has orders.json, which is read anew for each request. What is done is written there: `log` has one line for each request,
and `told` what the hook was told, once for each key. It prints its address, and ends when its standard input does.
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LONGEST_BODY = 1 << 20  # bytes


class Shop(ThreadingHTTPServer):
    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Request)
        self.folder = folder
        self.lock = threading.Lock()
        self.busy = True  # until it has told somebody so
        self.lossy = True  # until an answer was lost
        self.answers = {}  # by Idempotency-Key

    def write(self, name: str, line: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(line + "\n")


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(200, b"")

    def do_GET(self):
        shop = self.server
        with shop.lock:
            busy, shop.busy = shop.busy, False
            shop.write("log", "GET " + ("429" if busy else "200"))
        if busy:
            self.answer(429, b"come back in a second", ("Retry-After", "1"))
        else:
            self.answer(200, (shop.folder / "orders.json").read_bytes(), ("Content-Type", "application/json"))

    def do_POST(self):
        shop = self.server
        length = int(self.headers.get("Content-Length", 0))
        key = self.headers.get("Idempotency-Key", "")
        if length > LONGEST_BODY or not key:
            self.close_connection = True  # the body stays unread
            return self.answer(400, b"a short body and an Idempotency-Key, please")
        body = self.rfile.read(length).decode()
        with shop.lock:
            known = key in shop.answers
            if not known:
                shop.answers[key] = b'{"number": %d}' % (len(shop.answers) + 1)
                shop.write("told", body)
            lossy, shop.lossy = shop.lossy, False
            shop.write("log", f"POST {'known' if known else 'done'} {key}")
        if lossy:
            self.close_connection = True
            return
        self.answer(200, shop.answers[key], ("Content-Type", "application/json"))

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this hears it too, and ends
shop = Shop(Path(sys.argv[1]))
threading.Thread(target=shop.serve_forever, daemon=True).start()
print(f"127.0.0.1:{shop.server_address[1]}", flush=True)
sys.stdin.read()
