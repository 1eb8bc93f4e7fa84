"""run_examples.py FOLDER: runs the Python examples against servers of this test's own."""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

FOLDER = sys.argv[1]


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Examples(unittest.TestCase):
    def test_swap_strategy(self):
        done = subprocess.run([sys.executable, os.path.join(FOLDER, "swap_strategy.py")],
                              stdout=subprocess.PIPE, check=True, timeout=30,
                              universal_newlines=True)
        self.assertEqual(len(done.stdout.splitlines()), 10)
        self.assertIn("animals {'name': 'sheep', 'count': 1}", done.stdout)
        self.assertIn("seconds {'name': 'rocket', 'count': -1}", done.stdout)

    def test_health_check(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        urls = [base + "/good", base + "/bad", "http://127.0.0.1:1/"]
        with tempfile.TemporaryFile(mode="w+") as log, \
                subprocess.Popen([sys.executable, os.path.join(FOLDER, "health_check.py"), *urls],
                                 stdout=subprocess.PIPE, stderr=log,
                                 universal_newlines=True) as process:
            found = {}
            while len(found) < 3:
                sample = json.loads(process.stdout.readline())
                found[sample["name"]] = sample
            for _ in range(200):  # a round is logged at its end, after its message
                log.seek(0)
                errors = log.read()
                if errors.count("\n") >= 2:
                    break
                time.sleep(0.05)
            process.send_signal(2)
            process.communicate(timeout=20)
            log.seek(0)
            errors = log.read()
        server.shutdown()
        server.server_close()
        self.assertEqual(process.returncode, 0, errors)
        outcomes = [(found[url]["status"], found[url]["error"]) for url in urls]
        self.assertEqual(outcomes[:2], [(200, ""), (503, "HTTP 503")])
        self.assertEqual(outcomes[2][0], 0)
        self.assertIn("refused", outcomes[2][1])
        self.assertNotIn(urls[0], errors)
        for url, (_, error) in zip(urls[1:], outcomes[1:]):
            self.assertEqual(errors.count(url), 1, errors)
            self.assertEqual(errors.count(f"{url}: {error}"), 1, errors)

    def test_health_check_without_a_url(self):
        done = subprocess.run([sys.executable, os.path.join(FOLDER, "health_check.py")],
                              stderr=subprocess.PIPE, timeout=30, universal_newlines=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("URL...", done.stderr)

    def test_they_are_short(self):
        for file in os.listdir(FOLDER):
            if file.endswith(".py"):
                with open(os.path.join(FOLDER, file)) as text:
                    self.assertLess(len(text.readlines()), 100, file)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
