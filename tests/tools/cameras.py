"""Cameras as they are: the forms of MJPEG in tests/data/mjpeg_forms.json, and servers that fail.

Every form is at `/form/NUMBER`, in the order of the table. As a program it prints "port N"
and serves until its standard input ends.
"""

import base64
import contextlib
import json
import pathlib
import re
import socket
import sys
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
TABLE = json.loads((TOP / "tests/data/mjpeg_forms.json").read_text())
FORMS = [{**TABLE["usual"], **form} for form in TABLE["forms"]]
USER, PASSWORD = "admin", "p@ss/w:rd#1"
#: As it is typed: with nothing escaped.
LOGIN = f"{USER}:{PASSWORD}@"


def picture(name):
    return (TOP / "crates/formats/tests/data/jpeg" / f"{name}.jpg").read_bytes()


def pictures(form):
    """The forty pictures of a form."""
    made = [bytearray(picture(form["pictures"][number % len(form["pictures"])])) for number in range(40)]
    if form["quirk"] == "damage":
        for damaged in made[::10]:
            damaged[1000:1040] = b"\xaa" * 40
    return [bytes(one) for one in made]


def answer(form):
    """Head and body, in the pieces in which they are written."""
    body = form["first"].encode()
    for one in pictures(form):
        before = form["before"]
        for word, length in ("{length}", len(one)), ("{short}", len(one) - 500), ("{long}", len(one) + 500):
            before = before.replace(word, str(length))
        body += before.encode() + one + form["after"].encode()
    if size := form["chunk"]:
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    whole = form["head"].encode() + body
    size = form["write"] or len(whole)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def say(status, *lines, body=b""):
    return [f"HTTP/1.1 {status}\r\n{''.join(line + chr(13) + chr(10) for line in lines)}\r\n".encode() + body]


def of_form(form, path, request):
    """What a form's server answers to a request."""
    login = re.search(r"^Authorization: (\w+) (.*?)\r$", request, re.MULTILINE)
    match form["quirk"]:
        case "redirect" if not path.endswith("/there"):
            return say("302 Found", f"Location: {path}/there", "Content-Length: 0")
        case "basic" if not login or login[2] != base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            return say("401 Unauthorized", 'WWW-Authenticate: Basic realm="cam"', "Content-Length: 0")
        case "digest" if not login or login[1] != "Digest" or f'username="{USER}"' not in login[2]:
            challenge = 'WWW-Authenticate: Digest realm="cam", nonce="abc", qop="auth"'
            return say("401 Unauthorized", challenge, "Content-Length: 0")
    return answer(form)


#: After this piece nothing more comes, and the connection stays open.
STALL = object()


class Cameras:
    """A server on 127.0.0.1: each path is answered with what is registered for it, a function of
    the request that gives pieces to write. The forms are there already."""

    def __enter__(self):
        self.pages = {}
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        for number, form in enumerate(FORMS):
            self.pages[f"/form/{number}"] = lambda request, path, form=form: of_form(form, path, request)
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        with contextlib.suppress(OSError), stream:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                piece = stream.recv(4096)
                if not piece:
                    return
                request += piece
            request = request.decode("latin-1")
            path = request.split(" ")[1]
            page = next((page for of, page in self.pages.items() if path == of or path.startswith(of + "/")), None)
            for piece in page(request, path) if page else say("404 Not Found", "Content-Length: 0"):
                if piece is STALL:
                    self.over.wait(60)
                else:
                    stream.sendall(piece)

    def url(self, path, *pieces, user=""):
        """The URL of a path, which is answered with these pieces from now on."""
        if pieces:
            self.pages[path] = lambda request, path: pieces
        return f"http://{user}127.0.0.1:{self.port}{path}"


def main():
    with Cameras() as cameras:
        print(f"port {cameras.port}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
