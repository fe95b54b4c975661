"""Waiting for what happens, with a deadline: the end of a process, a file that grows, a peer that goes.

Every wait here ends with the event it is for. A deadline (seconds of time.monotonic) is where hope ends, or the time in which
something must not happen; it is never the usual end of a wait for something that comes.
Python 3.9 or later (pidfd_open), standard library only; Linux.
"""
import ctypes, math, os, select, signal, socket, struct, time

LIBC = ctypes.CDLL(None, use_errno=True)
READABLE, PEER_GONE = select.POLLIN, select.POLLRDHUP


def within(seconds): return time.monotonic() + seconds


def first(wanted, end=None):
    """The descriptors of `wanted` (descriptor: poll events) on which something has happened; none when the time is over."""
    poll = select.poll()
    for fd, events in wanted.items(): poll.register(fd, events)
    return [fd for fd, _ in poll.poll(None if end is None else max(0, math.ceil((end - time.monotonic()) * 1000)))]


class Bell:
    """A thread that waits can be called by ringing it."""

    def __init__(self): self.reader, self.writer = os.pipe()
    def ring(self): os.write(self.writer, b"!")
    def close(self): os.close(self.reader); os.close(self.writer)

# ---------------------------------------------------------------- processes

def ended(pid, end):
    """True once this process runs no more. It may still have to be reaped."""
    try: fd = os.pidfd_open(pid)
    except ProcessLookupError: return True
    try: return bool(first({fd: READABLE}, end))
    finally: os.close(fd)


def group_of(pid):
    try:
        with open("/proc/%d/stat" % pid) as f: return int(f.read().rpartition(")")[2].split()[2])
    except (OSError, ValueError, IndexError): return None


def running(group):
    """A descriptor of each process of this group that runs, not of one that only waits to be reaped."""
    found = []
    # Rising, as the numbers of new processes do: what a process starts before it ends is met after it.
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if group_of(pid) != group: continue
        try: fd = os.pidfd_open(pid)
        except OSError: continue
        if first({fd: READABLE}, 0): os.close(fd)
        else: found.append(fd)
    return found


def group_ended(group, end):
    """True once no process of this group runs any more."""
    while True:
        try: os.killpg(group, 0)
        except ProcessLookupError: return True
        fds = running(group)
        if not fds: return True
        try:
            for fd in fds:
                if not first({fd: READABLE}, end): return False
        finally:
            for fd in fds: os.close(fd)


def kill_group(group):
    try: os.killpg(group, signal.SIGKILL)
    except OSError: pass

# ---------------------------------------------------------------- files

class Changes:
    """Changes to files and directories, as inotify tells them."""
    GROWN, READ, REMOVED = 0x2, 0x10, 0x200                  # IN_MODIFY, IN_CLOSE_NOWRITE, IN_DELETE
    HEAD = struct.Struct("iIII")

    def __init__(self):
        self.fd = LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0: raise OSError(ctypes.get_errno(), "inotify_init1")

    def watch(self, path, what):
        if LIBC.inotify_add_watch(self.fd, os.fsencode(path), what) < 0: raise OSError(ctypes.get_errno(), "inotify_add_watch", path)

    def wait(self, end, process=None):
        """What has changed, as names below the watched directories ("" for a watched file); None when nothing has by `end`,
        or once `process` (a pidfd) has ended and nothing is left to tell."""
        wanted = {self.fd: READABLE}
        if process is not None: wanted[process] = READABLE
        if self.fd not in first(wanted, end): return None
        data, names = os.read(self.fd, 65536), set()
        while data:
            length = self.HEAD.unpack_from(data)[3]
            names.add(os.fsdecode(data[self.HEAD.size:self.HEAD.size + length].rstrip(b"\0")))
            data = data[self.HEAD.size + length:]
        return names

    def close(self): os.close(self.fd)

# ---------------------------------------------------------------- connections

def gone(conn, end):
    """True once the other end sends no more, whether or not it has been read to the end."""
    return bool(first({conn.fileno(): PEER_GONE}, end))


def taken(conn, end):
    """Wait until the other end, on this machine, has read all that was sent to it, or goes. How much it has not read the kernel
    counts but tells nobody: that one count is looked at again and again."""
    hexed = lambda address: "%08X:%04X" % (struct.unpack("=I", socket.inet_aton(address[0]))[0], address[1])
    ours, theirs = hexed(conn.getsockname()), hexed(conn.getpeername())
    def under_way():
        with open("/proc/thread-self/net/tcp") as f: rows = [line.split() for line in f]
        sent = [row[4].split(":")[0] for row in rows if row[1:3] == [ours, theirs]]
        unread = [row[4].split(":")[1] for row in rows if row[1:3] == [theirs, ours]]
        return any(int(count, 16) for count in sent + unread)
    while under_way() and time.monotonic() < end:
        if gone(conn, min(end, within(0.001))): return
