#!/usr/bin/env python3
"""Cut the power of a file system under the queue service, and look for every message that was acknowledged.

    unshare -m power_cut.py SCRATCH QMAIL_QUEUED ROUNDS CLIENTS

Makes an ext4 in a file, mounts it, runs the service on it and has clients hand messages over. After some hundred
acknowledgements the file system is shut down without writing its journal out (EXT4_IOC_SHUTDOWN, no log flush): what a
power cut leaves. It is mounted again; every message acknowledged before the cut must be in mess and todo, whole, and
nothing in todo may be half there. Exit 0: so it is; 1: not; 77: this machine has no loop devices or no ext4.
"""
import fcntl, os, socket, struct, subprocess, sys, threading

SCRATCH, QUEUED, ROUNDS, CLIENTS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
SPLIT, ENOUGH = 23, 200
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
MESSAGE = b"Subject: power\n\n" + b"m" * 900 + b"\nend\n"
IMAGE, MOUNT = SCRATCH + "/image", SCRATCH + "/mount"
QUEUE = MOUNT + "/queue"


def quiet(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def make_tree():
    flat = ["pid", "intd", "todo", "bounce", "lock"]
    hashed = ["%s/%d" % (d, n) for d in ("mess", "info", "local", "remote") for n in range(SPLIT)]
    for name in ["run", "alias"] + ["queue/" + n for n in flat + hashed]:
        os.makedirs(MOUNT + "/" + name, exist_ok=True)


def start_service():
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(MOUNT + "/run/queue"):
        os.unlink(MOUNT + "/run/queue")
    listener.bind(MOUNT + "/run/queue")
    listener.listen(100)

    def hand_over():
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)

    env = dict(os.environ, QUAIL_HOME=MOUNT, LISTEN_FDS="1")
    return subprocess.Popen([QUEUED], env=env, preexec_fn=hand_over, close_fds=False)


def chunk(data):
    return struct.pack(">I", len(data)) + data


def hand_over(client, accepted, enough):
    """Hands messages over until the service is gone."""
    try:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(MOUNT + "/run/queue")
        n = 0
        while True:
            envelope = b"Fs%d.%d@x\0Tr@y\0" % (client, n)
            n += 1
            stream.sendall(chunk(MESSAGE) + chunk(b"") + chunk(envelope + b"\0") + chunk(b""))
            head = b""
            while len(head) < 11:
                more = stream.recv(11 - len(head))
                if not more:
                    return
                head += more
            if head[0] == 0:
                accepted.append((struct.unpack(">Q", head[1:9])[0], envelope))
                if len(accepted) >= ENOUGH:
                    enough.set()
    except OSError:
        pass
    finally:
        enough.set()


def is_whole(number, envelope):
    try:
        message = open("%s/mess/%d/%d" % (QUEUE, number % SPLIT, number), "rb").read()
        todo = open("%s/todo/%d" % (QUEUE, number), "rb").read()
    except OSError:
        return False
    return message.startswith(b"Received: (qmail %d " % number) and message.endswith(MESSAGE) and todo.endswith(envelope)


def a_round():
    make_tree()
    for place in ["todo"] + ["mess/%d" % n for n in range(SPLIT)]:
        for name in os.listdir(QUEUE + "/" + place):
            os.unlink("%s/%s/%s" % (QUEUE, place, name))
    root = os.open(MOUNT, os.O_RDONLY)
    subprocess.run(["sync", "-f", MOUNT], check=True)
    service, accepted, enough = start_service(), [], threading.Event()
    clients = [threading.Thread(target=hand_over, args=(n, accepted, enough)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    enough.wait()
    before = list(accepted)  # An answer counts when it was there before the cut.
    fcntl.ioctl(root, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    service.kill()
    service.wait()
    for client in clients:
        client.join()
    os.close(root)
    subprocess.run(["umount", MOUNT], check=True)
    subprocess.run(["mount", "-o", "loop", IMAGE, MOUNT], check=True)
    lost = sum(not is_whole(number, envelope) for number, envelope in before)
    torn = sum(not is_whole(int(name), b"\0Tr@y\0") for name in os.listdir(QUEUE + "/todo"))
    print("power cut: %d acknowledged, %d lost, %d torn" % (len(before), lost, torn), flush=True)
    return lost == 0 and torn == 0 and len(before) > 0


def main():
    os.makedirs(MOUNT)
    with open(IMAGE, "wb") as image:
        image.truncate(64 << 20)
    os.environ["PATH"] = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")
    try:
        if not (quiet("mkfs.ext4", "-q", "-F", IMAGE) and quiet("mount", "-o", "loop", IMAGE, MOUNT)):
            return 77
    except FileNotFoundError:
        return 77
    try:
        return 0 if all([a_round() for _ in range(ROUNDS)]) else 1
    finally:
        subprocess.run(["umount", MOUNT])


sys.exit(main())
