"""Monitors blockchain nodes: the Python side of libpanicmon.

    import panicmon

    class Greeting(panicmon.Monitor):
        period = 1.0

        def __init__(self, whom):
            self.whom = whom

        def step(self, round):
            if round.step == 0:
                round.publish("greetings", "greeting", {"greeting": f"hello {self.whom}"})

    class Greetings(panicmon.Strategy):
        def parse(self, config):
            return config["whom"]

        def start(self, parsed):
            return Greeting(parsed)

    with panicmon.MonitorStarter(Greetings()) as starter:
        starter.parse_and_start({"id": "w", "whom": "world"})
        for message in starter.runtime:
            print(message.json())

Callbacks (strategies, monitors, sinks, loggers) run in threads of the library. After fork() a child
may only exec or exit: use the start method `spawn` of multiprocessing.
"""

from __future__ import annotations

from . import errors
from ._core import Json
from ._ffi import Kind, LogFormat, LogLevel, MonitorState, ValueFlags, lib
from .errors import *  # noqa: F401,F403
from .monitor import Monitor, Reply, Request, Round, RunningMonitor
from .runtime import Log, Manager, Message, Runtime, Sink
from .settings import Setting, Settings, SettingsError
from .strategy import Check, Config, ConfigSet, MonitorStarter, MonitorStarterStrategy
from .strategy import Registry, Strategy, Substrate, SubstrateNetwork, SubstrateNode
from .substrate import Metadata, ss58_decode, ss58_encode

__version__ = "1.0.0"

__all__ = [
    "Check", "Config", "ConfigSet", "Json", "Kind", "Log", "LogFormat", "LogLevel", "Manager",
    "Message", "Metadata", "Monitor", "MonitorStarter", "MonitorStarterStrategy",
    "MonitorState", "Registry", "Reply", "Request", "Round", "RunningMonitor", "Runtime",
    "Setting", "Settings", "SettingsError", "Sink", "Strategy", "Substrate",
    "SubstrateNetwork", "SubstrateNode", "ValueFlags", "library_version", "ss58_decode",
    "ss58_encode",
]
__all__ += errors.__all__


def library_version() -> str:
    """The version of the library that was loaded, for example "1.0.0"."""
    version: bytes = lib.panicmon_version()
    return version.decode()
