"""A small HTTP server: answers every GET with the greeting."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ.get("PORT", "8000"))
GREETING = os.environ.get("GREETING", "Hello")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = (GREETING + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def stop(signum, frame):
    sys.exit(0)


if __name__ == "__main__":
    # A stop sends SIGTERM.
    signal.signal(signal.SIGTERM, stop)
    print(f"listening on port {PORT}")
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
