"""check_examples.py HEALTH_CHECK: runs the health check against a server of this script's own."""

import http.server
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    urls = [base + "/good", base + "/bad", "http://127.0.0.1:1/"]
    errors = tempfile.TemporaryFile(mode="w+")
    process = subprocess.Popen([sys.argv[1], *urls], stdout=subprocess.PIPE, stderr=errors)
    found = {}
    while len(found) < 3:
        message = json.loads(process.stdout.readline())
        found[message["routing_key"]] = message["body"]
    log = ""
    for _ in range(200):  # a round is logged at its end, after its message
        errors.seek(0)
        log = errors.read()
        if log.count("\n") >= 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0, process.returncode
    assert found[urls[0]] == {"status": 200, "error": ""}, found
    assert found[urls[1]] == {"status": 503, "error": "HTTP 503"}, found
    assert found[urls[2]]["status"] == 0 and "connect" in found[urls[2]]["error"], found
    assert urls[0] not in log, log
    for url in urls[1:]:
        assert log.count(f"{url}: {found[url]['error']}") == 1, log
    refused = subprocess.run([sys.argv[1], "ftp://somewhere"], stderr=subprocess.PIPE, timeout=10)
    assert refused.returncode == 1 and b"must begin with http" in refused.stderr, refused
    usage = subprocess.run([sys.argv[1]], stderr=subprocess.PIPE, timeout=10)
    assert usage.returncode == 1 and b"URL..." in usage.stderr, usage


main()
