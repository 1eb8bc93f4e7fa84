"""Looks at the wire between a daemon and a node: which frames go out, and when replies come in."""
import socket
import threading
import time


class Relay:
    """Between one connection of a daemon and a node. `frames` gets (time, "out" or "in", text)."""

    def __init__(self, port):
        self.node_port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.frames = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            client, _ = self.listener.accept()
            node = socket.create_connection(("127.0.0.1", self.node_port))
        except OSError:
            return
        for s in (client, node):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.carry, args=(node, client, "in"), daemon=True).start()
        self.carry(client, node, "out")

    def carry(self, source, to, direction):
        """Notes a frame before it is passed on, so that what it causes is noted after it."""
        parser = Parser()
        while True:
            try:
                data = source.recv(65536)
                found = parser.take(data)
                with self.lock:
                    self.frames += [(time.monotonic(), direction, text) for text in found]
                to.sendall(data)
            except OSError:
                data = b""
            if not data:
                for s in (source, to):
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                return

    def close(self):
        self.listener.close()


class Parser:
    """Text frames out of one direction of a connection, after the end of the HTTP header."""

    def __init__(self):
        self.data = b""
        self.upgraded = False

    def take(self, data):
        self.data += data
        if not self.upgraded:
            head, found, rest = self.data.partition(b"\r\n\r\n")
            if not found:
                return []
            self.upgraded, self.data = True, rest
        frames = []
        while (size := self.frame_size()) is not None:
            at, length, mask = size
            if self.data[0] & 0x0F in (0, 1):
                payload = self.data[at:at + length]
                if mask:
                    whole = mask * (length // 4 + 1)
                    payload = bytes(a ^ b for a, b in zip(payload, whole))
                frames.append(payload.decode())
            self.data = self.data[at + length:]
        return frames

    def frame_size(self):
        """Where the payload begins, its length and its mask, once the frame is whole."""
        if len(self.data) < 2:
            return None
        masked, length, at = self.data[1] & 0x80, self.data[1] & 0x7F, 2
        if length >= 126:
            more = 2 if length == 126 else 8
            length = int.from_bytes(self.data[2:2 + more], "big")
            at += more
        at += 4 if masked else 0
        if len(self.data) < at + length:
            return None
        return at, length, self.data[at - 4:at] if masked else b""


def rounds_of(frames, gap):
    """Rounds, which long silence divides; each a list of stages, which replies divide; each a list
    of the texts that were sent."""
    rounds = []
    last_time, last_direction = None, None
    for when, direction, text in frames:
        if direction == "out":
            if last_time is None or when - last_time > gap:
                rounds.append([])
                last_direction = "in"
            if last_direction == "in":
                rounds[-1].append([])
            rounds[-1][-1].append(text)
        last_time, last_direction = when, direction
    return rounds
