"""An HTTP health check as a strategy of your own: one monitor per URL, a sample every few seconds.
What fails is counted, and logged once until it changes.

    python3 health_check.py URL...
"""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import panicmon


class HealthCheck(panicmon.Monitor):
    """Asks one URL each round and publishes what it found."""

    blocking = True  # a step waits for the answer itself
    kind = panicmon.Kind.SYSTEM
    period = 5.0

    def __init__(self, url: str) -> None:
        self.url = url

    def step(self, round: panicmon.Round) -> None:
        if round.step > 0:  # the sample was taken over: nothing more to ask for
            return
        began = time.monotonic()
        sample: dict[str, Any] = {"name": round.name, "url": self.url, "time": round.time,
                                  "status": 0, "error": ""}
        try:
            with urllib.request.urlopen(self.url, timeout=3) as answer:
                sample["status"] = answer.status
        except urllib.error.HTTPError as exc:
            sample["status"] = exc.code
        except OSError as exc:
            sample["error"] = str(getattr(exc, "reason", exc))
        sample["milliseconds"] = round_to_ms(time.monotonic() - began)
        if not sample["error"] and sample["status"] != 200:
            sample["error"] = f"HTTP {sample['status']}"
        if sample["error"]:
            round.fail(sample["error"], panicmon.ErrorCode.ERR_HTTP)
        round.publish("raw_data", "health_check", sample)


def round_to_ms(seconds: float) -> int:
    return int(seconds * 1000)


class HealthCheckStrategy(panicmon.Strategy):
    """Takes {"url": ...}."""

    name = "health_check"

    def parse(self, config: panicmon.Config) -> str:
        url = config.text("url")
        if not url.startswith(("http://", "https://")):
            raise config.fault("url", "must begin with http:// or https://")
        return url

    def start(self, parsed: str) -> HealthCheck:
        return HealthCheck(parsed)


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    registry = panicmon.Registry()
    registry.add("health.*", HealthCheckStrategy())
    with panicmon.Runtime(registry) as runtime, panicmon.Manager(runtime) as manager:
        manager.apply("health.urls", {url: {"url": url} for url in sys.argv[1:]})
        for message in runtime:
            print(json.dumps(message.json()), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
