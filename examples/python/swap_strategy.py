"""The Strategy pattern at work: a starter (the Context) whose strategy is swapped while it runs."""

from typing import Any

import panicmon


class Counter(panicmon.Monitor):
    """Publishes how often it was asked."""

    period = 0.1

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.count = 0

    def step(self, round: panicmon.Round) -> None:
        if round.step == 0:
            self.count += 1
            round.publish("counts", self.unit, {"name": round.name, "count": self.count})


class Countdown(Counter):
    """The same, the other way round."""

    def step(self, round: panicmon.Round) -> None:
        if round.step == 0:
            self.count -= 1
            round.publish("counts", self.unit, {"name": round.name, "count": self.count})


class CountUpStrategy(panicmon.Strategy):
    def parse(self, config: panicmon.Config) -> Any:
        return config["unit"]

    def start(self, parsed: Any) -> panicmon.Monitor:
        return Counter(parsed)


class CountDownStrategy(CountUpStrategy):
    def start(self, parsed: Any) -> panicmon.Monitor:
        return Countdown(parsed)


def main() -> None:
    with panicmon.MonitorStarter(CountUpStrategy()) as starter:
        starter.parse_and_start({"id": "sheep", "unit": "animals"})
        starter.strategy = CountDownStrategy()
        starter.parse_and_start({"id": "rocket", "unit": "seconds"})
        for number, message in enumerate(starter.runtime):
            print(message.routing_key, message.json())
            if number == 9:
                break


if __name__ == "__main__":
    main()
