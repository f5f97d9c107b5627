"""A client of Pulsegate: says hello, stays alive with heartbeats, and prints what it is told.

    python3 examples/client.py 127.0.0.1:14000 '{"move":"north"}'
"""

import socket, struct, sys, threading, time

host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:14000").rpartition(":")
connection = socket.create_connection((host, int(port)))
replies = connection.makefile("rb")


def send(body):
    connection.sendall(struct.pack(">i", len(body)) + body)


def stay_alive():
    while True:
        time.sleep(5)
        send(b"")  # an empty frame is a heartbeat


send(sys.argv[2].encode() if len(sys.argv) > 2 else b"hello")
threading.Thread(target=stay_alive, daemon=True).start()
while header := replies.read(4):
    print(replies.read(struct.unpack(">i", header)[0]).decode(errors="replace"), flush=True)
