#!/usr/bin/env python3
"""Replay golden vectors against an installation of qmail or of a replacement.

    replay.py --home DIR --cases FILE... [--bin DIR] [--only REGEX] [--env N=V] [-v] [--show N] [--differs]
              [--accounts alias,qmaild,qmaill,root,qmailp,qmailq,qmailr,qmails] [--groups qmail,nofiles]

The format is described in README.md beside the cases. The installation named by --home is a scratch one: its
control, users, alias and queue directories are emptied again and again. --bin takes the program under test from
another directory. Run as root for everything; without root, cases that need it are counted as skipped.
Python 3.9 or later, standard library only.
"""
import argparse, base64, calendar, collections, ctypes, errno, fcntl, hashlib, json, os, pwd, re, select, shutil, signal
import socket, stat, struct, subprocess, sys, tempfile, threading, time

import events
from events import within

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
HOSTNAME = "vec-host.example"
TEST_UID = 9001

# ---------------------------------------------------------------- bytes in JSON

def to_bytes(value, subst=lambda b: b):
    """A string holds one byte per character (U+0000..U+00FF); a list is a concatenation; {rep,n} repeats."""
    if isinstance(value, str):
        return subst(value.encode("latin-1"))
    if isinstance(value, list):
        return b"".join(to_bytes(part, subst) for part in value)
    if isinstance(value, dict) and "rep" in value:
        return to_bytes(value["rep"], subst) * value["n"]
    if isinstance(value, dict) and "base64" in value:
        return base64.b64decode(value["base64"])
    raise ValueError("not bytes: %r" % (value,))


def from_bytes(data, limit=6000):
    if len(data) > limit:
        return {"len": len(data), "sha256": hashlib.sha256(data).hexdigest(), "head": data[:200].decode("latin-1"),
                "tail": data[-200:].decode("latin-1")}
    if len(data) > 200 and sum(b < 32 and b != 10 or b > 126 for b in data) > len(data) // 2:
        return {"base64": base64.b64encode(data).decode()}
    return data.decode("latin-1")

# ---------------------------------------------------------------- masks

class Masks:
    """Replace what differs from run to run; a time is only replaced when it lies inside the run."""

    def __init__(self, start, end, uid=None, names=None, roles=None, system=False):
        self.system = system
        self.start, self.end, self.uid = start - 2, end + 2, uid
        self.who = {str(v[1]).encode(): b"{%sUID}" % k.upper().encode() for k, v in (roles or {}).items() if k in ("alias", "qmails", "qmaild")}
        if uid is not None: self.who[str(uid).encode()] = b"{UID}"
        self.names, self.used, self.ids, self.named = names, set(), {}, 0

    def inside(self, seconds):
        return self.start <= seconds <= self.end

    def _sub(self, name, pattern, function, data):
        if self.names is not None and name not in self.names:
            return data
        def wrapped(match):
            new = function(match)
            if new is None:
                return match.group(0)
            self.used.add(name)
            return new
        return re.sub(pattern, wrapped, data)

    def apply(self, data):
        months = "|".join(MONTHS).encode()
        def date(m):
            d, mon, y, h, mi, s = m.group(1), m.group(2).decode(), m.group(3), m.group(4), m.group(5), m.group(6)
            t = calendar.timegm((int(y), MONTHS.index(mon) + 1, int(d), int(h), int(mi), int(s)))
            return b"{DATE}" if self.inside(t) else None
        data = self._sub("date", rb"\b(\d{1,2}) (" + months + rb") (\d{4}) (\d\d):(\d\d):(\d\d)(?: -0000|(?= GMT))", date, data)
        def zoned(m):
            t = calendar.timegm((int(m.group(3)), MONTHS.index(m.group(2).decode()) + 1, int(m.group(1)),
                                 int(m.group(4)), int(m.group(5)), int(m.group(6))))
            off = (int(m.group(8)) * 60 + int(m.group(9))) * 60 * (-1 if m.group(7) == b"-" else 1)
            return b"{LOCALDATE} " + m.group(7) + m.group(8) + m.group(9) if self.inside(t - off) else None
        data = self._sub("localdate", rb"\b(\d{1,2}) (" + months + rb") (\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\b", zoned, data)
        def ufdate(m):
            t = calendar.timegm((int(m.group(6)), MONTHS.index(m.group(1).decode()) + 1, int(m.group(2)),
                                 int(m.group(3)), int(m.group(4)), int(m.group(5))))
            return b"{UFDATE}" if self.inside(t) else None
        data = self._sub("ufdate", rb"\b(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) (" + months + rb") (\d\d) (\d\d):(\d\d):(\d\d) (\d{4})", ufdate, data)
        def msgid(m):
            s = m.group(1).decode()
            t = calendar.timegm((int(s[:4]), int(s[4:6]), int(s[6:8]), int(s[8:10]), int(s[10:12]), int(s[12:14])))
            return b"<{MSGID}.qmail@" if self.inside(t) else None
        data = self._sub("msgid", rb"<(\d{14})\.[A-Za-z0-9]+\.qmail@", msgid, data)
        def stamp(prefix, suffix):
            return lambda m: prefix + b"{TIME}" + suffix if self.inside(int(m.group(1))) else None
        data = self._sub("accepted", rb"(\d+:K|)ok (\d{10}) qp \d+", lambda m: (b"{N}:K" if m.group(1) else b"") + b"ok {TIME} qp {PID}"
                         if self.inside(int(m.group(2))) else None, data)
        data = self._sub("qp", rb"\bqp([ _])\d+", lambda m: b"qp" + m.group(1) + b"{PID}", data)
        data = self._sub("invoked", rb"\(qmail \d+ invoked ", lambda m: b"(qmail {PID} invoked ", data)
        data = self._sub("uid", rb"\b(by uid|uid) (\d+)\b", lambda m: m.group(1) + b" " + self.who[m.group(2)] if m.group(2) in self.who else None, data)
        data = self._sub("envelope", rb"\Au(\d+)\0p\d+\0", lambda m: b"u" + self.who.get(m.group(1), m.group(1)) + b"\0p{PID}\0", data)
        data = self._sub("banner", rb"<\d+\.(\d{10})@", stamp(b"<{PID}.", b"@"), data)
        data = self._sub("verp", rb"-(\d{10})\.\d+", stamp(b"-", b".{PID}"), data)
        data = self._sub("maildir", rb"\b(\d{10})\.[^/\s:]+\.\{HOST\}", lambda m: b"{MAILDIRNAME}" if self.inside(int(m.group(1))) else None, data)
        data = self._sub("syslog", rb"(<\d+>)[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d ", lambda m: m.group(1) + b"{SYSLOGDATE} ", data)
        data = self._sub("stamp", rb"\b(\d{10})\.\d{6}\b", lambda m: b"{STAMP}" if self.inside(int(m.group(1))) else None, data)
        data = self._sub("bytes", rb"\bbytes \d+ from ", lambda m: b"bytes {N} from ", data)
        data = self._sub("ago", rb"\b\d+ seconds ago", lambda m: b"{N} seconds ago", data)
        data = self._sub("ids", rb"(user ids: |group ids: )[\d, ]+\.", lambda m: m.group(1) + b"{IDS}.", data)
        if self.system: data = self._sub("size", rb"(#\d+  )\d+(?=  <)", lambda m: m.group(1) + b"{N}", data)
        data = self._sub("id", rb"(?:\b((?:mess|info|local|remote)/)\d+/|\b(msg |bounce/|todo/|intd/)|(?<=  )(#)(?=\d+  ))(\d+)\b", self._id, data)
        return data

    def new_id(self, number):
        """A number may be used again for a later message; that one gets a name of its own."""
        self.named += 1
        self.ids[number] = b"{ID%d}" % self.named

    def _id(self, m):
        number = m.group(4)
        if number not in self.ids: self.new_id(number)
        return (m.group(1) + b"{H}/" if m.group(1) else m.group(2) or m.group(3)) + self.ids[number]

    def log_line(self, line):
        m = re.match(rb"new msg (\d+)", line)
        if m: self.new_id(m.group(1))
        return self.apply(line)

# ---------------------------------------------------------------- the private world

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x4000000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def mount(source, target, kind=None, flags=0):
    enc = lambda s: s.encode() if s else None
    if LIBC.mount(enc(source), enc(target), enc(kind), ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), "mount %s" % target)


class World:
    """A name space of our own: loop-back network, host name, passwd, resolver, /dev/log, utmp."""

    def __init__(self, home, bin_dir, accounts, groups, extra_env):
        self.home, self.bin, self.extra_env = os.path.realpath(home), bin_dir or os.path.join(os.path.realpath(home), "bin"), extra_env
        self.base = tempfile.mkdtemp(prefix="qv.")
        os.chmod(self.base, 0o755)
        self.work, self.eng = self.base + "/w", self.base + "/e"
        os.mkdir(self.work); os.mkdir(self.eng)
        self.root = os.geteuid() == 0
        self.uid = os.getuid()
        self.accounts = accounts
        self.roles = {}
        for i, (role, name) in enumerate(zip(["alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails"], accounts)):
            try:
                e = pwd.getpwnam(name); self.roles[role] = (name, e.pw_uid, e.pw_gid)
            except KeyError:
                self.roles[role] = (name, 64010 + i, 64010 + i)
        self.groups = groups
        self.isolated = self._isolate()
        self.host = socket.gethostname()

    def _isolate(self):
        uid, gid = os.getuid(), os.getgid()
        flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET | (0 if self.root else CLONE_NEWUSER)
        if LIBC.unshare(flags) != 0:
            return False
        if not self.root:
            open("/proc/self/setgroups", "w").write("deny")
            open("/proc/self/uid_map", "w").write("%d %d 1" % (uid, uid))
            open("/proc/self/gid_map", "w").write("%d %d 1" % (gid, gid))
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        socket.sethostname(HOSTNAME)
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        def address(name, ip):
            req = struct.pack("16sH2s4s8s", name, socket.AF_INET, b"\0\0", socket.inet_aton(ip), b"")
            fcntl.ioctl(s, 0x8916, req)                                             # SIOCSIFADDR
            fl = struct.unpack("16sH", fcntl.ioctl(s, 0x8913, struct.pack("16sH14x", name, 0))[:18])[1]
            fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", name, fl | 1))            # IFF_UP
        address(b"lo", "127.0.0.1")
        address(b"lo:1", "192.0.2.1")
        s.close()
        if self.root:                                       # work on a private copy; the installation stays as it is
            subprocess.run(["cp", "-a", self.home, self.base + "/home"], check=True)
            mount(self.base + "/home", self.home, None, MS_BIND)
        etc = self.base + "/etc"; os.mkdir(etc)
        real_group = open("/etc/group").read()
        dev = self.base + "/dev"; os.mkdir(dev)
        mount("none", dev, "tmpfs")
        for name in "null zero full random urandom tty".split():
            open(dev + "/" + name, "w").close()
            try: mount("/dev/" + name, dev + "/" + name, None, MS_BIND)
            except OSError: pass
        os.symlink("/proc/self/fd", dev + "/fd")
        for i, name in enumerate(("stdin", "stdout", "stderr")):
            os.symlink("/proc/self/fd/%d" % i, dev + "/" + name)
        os.chmod(dev, 0o755)
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.syslog.bind(dev + "/log"); os.chmod(dev + "/log", 0o666); self.syslog.setblocking(False)
        mount(dev, "/dev", None, MS_BIND | MS_REC)
        run = self.base + "/run"; os.mkdir(run)
        resolv = os.path.realpath("/etc/resolv.conf")
        mount("none", run, "tmpfs"); open(run + "/utmp", "w").close()
        mount(run, "/run", None, MS_BIND)
        def bind(name, text):
            path = etc + "/" + name
            open(path, "w").write(text)
            target = os.path.realpath("/etc/" + name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if not os.path.exists(target): open(target, "w").close()
            mount(path, target, None, MS_BIND)
        bind("passwd", ""); bind("group", real_group)
        bind("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        bind("hosts", "127.0.0.1 localhost\n")
        try: bind("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        except OSError: pass
        self.etc = etc
        return True

    def write_passwd(self, extra):
        if not self.isolated: return
        lines = ["root:x:0:0:root:/root:/bin/sh"]
        for role, (name, uid, gid) in self.roles.items():
            if role != "root":
                lines.append("%s:x:%d:%d::%s:/bin/false" % (name, uid, gid, self.home + ("/alias" if role == "alias" else "")))
        lines += ["nobody:x:65534:65534::/nonexistent:/bin/false"] + extra
        with open(self.etc + "/passwd", "w") as f: f.write("\n".join(lines) + "\n")

    def have(self, need):
        if need == "root": return self.root
        if need == "isolated": return self.isolated
        if need.startswith("swap:"): return self.swap and os.path.exists(self.home + "/bin/" + need[5:])
        return True

    def close(self):
        os.chdir("/")
        LIBC.umount2(self.home.encode(), 2)
        for sub in ("dev", "run"):
            LIBC.umount2((self.base + "/" + sub).encode(), 2)
        shutil.rmtree(self.base, ignore_errors=True)

# ---------------------------------------------------------------- peers

class Peer(threading.Thread):
    """A scripted server. kind smtp answers by command; kind raw follows its steps; kind ident answers one line."""

    def __init__(self, spec, subst):
        super().__init__(daemon=True)
        self.spec, self.subst, self.seen, self.over = spec, subst, [], events.Bell()
        self.sock = socket.socket(); self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((spec.get("ip", "127.0.0.1"), spec["port"])); self.sock.listen(8); self.sock.setblocking(False)
        self.workers = []

    def run(self):
        over = False
        while not over:
            over = self.over.reader in events.first({self.sock.fileno(): events.READABLE, self.over.reader: events.READABLE})
            while self._accept(): pass

    def _accept(self):
        try: conn, _ = self.sock.accept()
        except BlockingIOError: return False
        except ConnectionError: return True
        record = []; self.seen.append(record)
        t = threading.Thread(target=self._serve, args=(conn, record), daemon=True); t.start(); self.workers.append(t)
        return True

    def finish(self):
        """What it has seen, of everybody who had connected by now."""
        self.over.ring(); self.join()
        for t in self.workers: t.join(3)
        self.sock.close(); self.over.close()
        return self.seen

    def _answer(self, conn, what):
        """Send one reply; False ends the session."""
        if what == "close": return False
        if what == "hang":
            conn.settimeout(20)
            while conn.recv(4096): pass
            return False
        if what == "reset":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); return False
        if isinstance(what, dict) and "close" in what:
            conn.sendall(to_bytes(what["close"], self.subst)); return False
        for i, chunk in enumerate(what if isinstance(what, list) and not any(isinstance(c, dict) for c in what) else [what]):
            if i: events.taken(conn, within(5))
            conn.sendall(to_bytes(chunk, self.subst))
        return True

    def _serve(self, conn, record):
        conn.settimeout(20)
        try:
            getattr(self, "serve_" + self.spec["kind"])(conn, record)
        except (OSError, EOFError):
            pass
        finally:
            conn.close()

    def serve_smtp(self, conn, record):
        replies = {k: (list(v) if k == "RCPT" and isinstance(v, list) else v) for k, v in self.spec.get("replies", {}).items()}
        default = {"EHLO": "502 unimplemented\r\n", "HELO": "250 ok\r\n", "MAIL": "250 ok\r\n", "RCPT": "250 ok\r\n",
                   "DATA": "354 go\r\n", "BODY": "250 accepted\r\n", "QUIT": "221 bye\r\n", "RSET": "250 ok\r\n"}
        if not self._answer(conn, self.spec.get("greeting", "220 peer ESMTP\r\n")): return
        buf = b""
        while True:
            while b"\n" not in buf:
                got = conn.recv(65536)
                if not got:
                    if buf: record.append(buf)
                    return
                buf += got
            line, buf = buf.split(b"\n", 1); line += b"\n"
            verb = line[:4].upper().decode("latin-1")
            if verb != "EHLO": record.append(line)
            answer = replies.get(verb, default.get(verb, "500 what\r\n"))
            if verb == "RCPT" and isinstance(replies.get("RCPT"), list):
                answer = replies["RCPT"].pop(0) if replies["RCPT"] else "250 ok\r\n"
            if not self._answer(conn, answer): return
            if verb == "DATA" and isinstance(answer, str) and (answer[:1] in "123" or self.spec.get("body_anyway")):
                while not (buf.endswith(b"\r\n.\r\n") or buf == b".\r\n"):
                    got = conn.recv(65536)
                    if not got:
                        record.append(buf); record.append(b"(connection closed)"); return
                    buf += got
                record.append(buf); buf = b""
                if not self._answer(conn, replies.get("BODY", default["BODY"])): return
            if verb == "QUIT": return

    def serve_raw(self, conn, record):
        for step in self.spec["steps"]:
            if step[0] == "send": conn.sendall(to_bytes(step[1], self.subst))
            elif step[0] == "sleep": events.gone(conn, within(step[1]))
            elif step[0] == "line":
                buf = b""
                while not buf.endswith(b"\n"):
                    c = conn.recv(1)
                    if not c: record.append(buf); return
                    buf += c
                record.append(buf)
            elif step[0] == "count":
                buf = b""
                while len(buf) < step[1]:
                    c = conn.recv(step[1] - len(buf))
                    if not c: break
                    buf += c
                record.append(buf)
            elif step[0] == "netstring":
                buf = b""
                while not buf.endswith(b":"):
                    c = conn.recv(1)
                    if not c: record.append(buf); return
                    buf += c
                n = int(buf[:-1]) + 1
                while n:
                    c = conn.recv(n)
                    if not c: break
                    buf += c; n -= len(c)
                record.append(buf)
            elif step[0] == "eof":
                buf = b""
                while True:
                    c = conn.recv(65536)
                    if not c: break
                    buf += c
                record.append(buf)
            elif step[0] == "close": return

    def serve_ident(self, conn, record):
        buf = b""
        while not buf.endswith(b"\n"):
            c = conn.recv(1)
            if not c: break
            buf += c
        ports = re.match(rb"\s*(\d+)\s*,\s*(\d+)", buf)
        record.append(b"{QUERY}" if ports else buf)
        if ports: self._answer(conn, [to_bytes(self.spec["reply"]).replace(b"{PORTS}", ports.group(1) + b" , " + ports.group(2)).decode("latin-1")])


class Names(threading.Thread):
    """A tiny DNS server for the case's zone, UDP and TCP."""
    TYPES = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 28: "AAAA", 16: "TXT", 255: "ANY"}

    def __init__(self):
        super().__init__(daemon=True)
        self.zone = {}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); self.udp.bind(("127.0.0.1", 53))
        self.tcp = socket.socket(); self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind(("127.0.0.1", 53)); self.tcp.listen(5)

    def run(self):
        while True:
            for s in select.select([self.udp, self.tcp], [], [])[0]:
                try:
                    if s is self.udp:
                        data, peer = s.recvfrom(4096); reply = self.answer(data, 512)
                        if reply: s.sendto(reply, peer)
                    else:
                        c, _ = s.accept(); c.settimeout(2)
                        n = struct.unpack("!H", c.recv(2))[0]; reply = self.answer(c.recv(n), 65535)
                        if reply: c.sendall(struct.pack("!H", len(reply)) + reply)
                        c.close()
                except OSError: pass

    @staticmethod
    def name(text):
        out = b""
        for label in text.rstrip(".").split("."):
            if label: out += bytes([len(label)]) + label.encode("latin-1")
        return out + b"\0"

    def answer(self, q, limit):
        if len(q) < 17: return None
        pos, labels = 12, []
        while q[pos]:
            labels.append(q[pos + 1:pos + 1 + q[pos]].decode("latin-1")); pos += 1 + q[pos]
        qtype = struct.unpack("!H", q[pos + 1:pos + 3])[0]; question = q[12:pos + 5]
        owner = ".".join(labels).lower(); kind = self.TYPES.get(qtype, "?")
        entry = self.zone.get(owner)
        rcode, answers = 0, []
        if entry is None: rcode = 3
        elif entry.get("rcode"): rcode = {"SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}[entry["rcode"]]
        elif entry.get("drop"): return None
        else:
            seen = 0
            while entry and "CNAME" in entry and kind not in ("CNAME", "ANY") and seen < 8:
                answers.append((owner, 5, self.name(entry["CNAME"]))); owner = entry["CNAME"].lower().rstrip("."); entry = self.zone.get(owner, {}); seen += 1
            for t, number in (("A", 1), ("CNAME", 5), ("PTR", 12), ("MX", 15)):
                if kind not in (t, "ANY") or not entry: continue
                values = entry.get(t, [])
                for v in ([values] if isinstance(values, str) else values):
                    rdata = socket.inet_aton(v) if t == "A" else self.name(v) if t != "MX" else struct.pack("!H", v[0]) + self.name(v[1])
                    answers.append((owner, number, rdata))
        flags, body = 0x8580 | rcode, b""
        for o, t, r in answers: body += self.name(o) + struct.pack("!HHIH", t, 1, 60, len(r)) + r
        if 12 + len(question) + len(body) > limit: flags |= 0x0200; body, answers = b"", []
        return q[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0) + question + body

# ---------------------------------------------------------------- one case

RECORDER = """#!/bin/sh
# stands in for qmail-queue: keeps message and envelope, exits as told; like the original, 54 for a cut envelope
d=%(dir)s; n=1
while ! mkdir "$d/$n" 2>/dev/null; do n=$((n+1)); done
cat >"$d/$n/message"
cat <&1 >"$d/$n/envelope"
%(text)s
[ %(exit)d = 0 ] || exit %(exit)d
[ "$(tail -c 2 "$d/$n/envelope" | od -An -tx1 | tr -d ' \\n')" = 0000 ] || exit 54
exit 0
"""
SPLIT = 23


class Case:
    def __init__(self, world, case, names=None):
        self.w, self.c = world, case
        self.names = names
        self.subst_pairs = [(b"{HOME}", world.home.encode()), (b"{WORK}", world.work.encode()), (b"{HOST}", world.host.encode()),
                            (b"{ALIAS}", world.roles["alias"][0].encode()), (b"{ALIASUID}", str(world.roles["alias"][1]).encode()),
                            (b"{ALIASGID}", str(world.roles["alias"][2]).encode()), (b"{UID}", str(self.run_uid()).encode()),
                            (b"{QUEUEUID}", str(world.roles["qmailq"][1]).encode()),
                            (b"{PATH}", (world.bin + ":/usr/bin:/bin").encode()), (b"{NOW}", str(int(time.time())).encode())]

    def run_uid(self):
        return TEST_UID if self.c.get("as") == "user" and self.w.root else self.w.uid

    def sub(self, data):
        if b"{" in data:
            for a, b in self.subst_pairs: data = data.replace(a, b)
            data = re.sub(rb"\{NOW([+-]\d+)\}", lambda m: str(int(time.time()) + int(m.group(1))).encode(), data)
        return data

    def text(self, value): return self.sub(to_bytes(value)).decode("latin-1")

    def unsub(self, data):
        data = data.replace(self.w.home.encode(), b"{HOME}").replace(self.w.work.encode(), b"{WORK}")
        name, uid, gid = (str(x).encode() for x in self.w.roles["alias"])
        data = data.replace(name + b"\0" + uid + b"\0" + gid + b"\0", b"{ALIAS}\0{ALIASUID}\0{ALIASGID}\0")
        data = re.sub(rb"(?m)^([=+])" + name + rb"(-?):" + name, rb"\1{ALIAS}\2:" + name, data)
        data = data.replace(b":%s:%s:%s:" % (name, uid, gid), b":{ALIAS}:{ALIASUID}:{ALIASGID}:")
        return data.replace(self.w.host.encode(), b"{HOST}")

    # -- set-up

    def set_up(self):
        w, c = self.w, self.c
        for path in (w.work, w.eng): self._empty(path)
        for sub in ("control", "users", "alias"): self._empty(w.home + "/" + sub)
        if c.get("queue") or c["program"] in ("system",): self.clear_queue()
        for name, content in c.get("control", {}).items(): self.put(w.home + "/control/" + name, content)
        for path, spec in c.get("files", {}).items(): self.put(self.text(path), spec)
        self.queue_dir = w.eng + "/q"; os.mkdir(self.queue_dir); os.chmod(self.queue_dir, 0o777); os.chmod(w.eng, 0o755)
        qq = c.get("qq") or {}
        text = ""
        if "text" in qq:
            with open(w.eng + "/qq.text", "wb") as f: f.write(to_bytes(qq["text"]))
            text = "cat %s/qq.text >&6 2>/dev/null" % w.eng
        with open(w.eng + "/qq", "w") as f: f.write(RECORDER % {"dir": self.queue_dir, "exit": qq.get("exit", 0), "text": text})
        os.chmod(w.eng + "/qq", 0o755)
        w.write_passwd([self.text(l) for l in c.get("passwd", [])])
        if w.root and c.get("as") == "user":
            for top, dirs, files in os.walk(w.work):
                for n in dirs + files:
                    if not self._owner_given(os.path.join(top, n)): os.lchown(os.path.join(top, n), TEST_UID, TEST_UID)
            os.chown(w.work, TEST_UID, TEST_UID)
        else: os.chown(w.work, w.uid, os.getgid())
        self.before = self.snapshot()

    def _owner_given(self, path):
        return path in self.owned

    owned = frozenset()

    def _empty(self, path):
        os.chmod(path, 0o755 if path.endswith(("/w", "/e", "/control", "/users")) else stat.S_IMODE(os.stat(path).st_mode))
        for n in os.listdir(path):
            p = path + "/" + n
            if os.path.isdir(p) and not os.path.islink(p): shutil.rmtree(p, ignore_errors=True)
            else: os.unlink(p)

    def put(self, path, spec):
        if not isinstance(spec, dict) or "rep" in spec: spec = {"content": spec}
        kind = spec.get("type", "file")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if kind == "dir": os.makedirs(path, exist_ok=True)
        elif kind == "symlink": os.symlink(self.text(spec["target"]), path)
        elif kind == "fifo": os.mkfifo(path)
        elif "tcpto" in spec:
            table = b""
            for r in spec["tcpto"]:
                table += (socket.inet_aton(r["ip"]) + bytes([r["n"], 0, 0, 0]) + struct.pack("<II", int(time.time()) - r["ago"], 0)) if r else b"\0" * 16
            with open(path, "r+b" if os.path.exists(path) else "wb") as f: f.write(table.ljust(spec.get("size", 1024), b"\0")); f.truncate()
        else:
            with open(path, "wb") as f: f.write(to_bytes(spec.get("content", ""), self.sub))
        if "owner" in spec and self.w.root:
            o = spec["owner"]; uid = self.w.roles[o][1] if o in self.w.roles else int(o)
            gid = self.w.roles[o][2] if o in self.w.roles else int(o)
            os.lchown(path, uid, gid); self.owned = frozenset(self.owned | {path})
        if "mode" in spec: os.chmod(path, int(spec["mode"], 8))
        if "mtime" in spec:
            t = spec["mtime"]; t = t if t > 0 else time.time() + t
            os.utime(path, (t, t))

    def clear_queue(self):
        q = self.w.home + "/queue"
        def remove(path):
            if os.path.isdir(path) and not os.path.islink(path): shutil.rmtree(path)
            else: os.unlink(path)
        for sub in ("pid", "intd", "todo", "bounce"):
            for n in os.listdir(q + "/" + sub): remove("%s/%s/%s" % (q, sub, n))
        for sub in ("mess", "info", "local", "remote"):
            for h in os.listdir(q + "/" + sub):
                for n in os.listdir("%s/%s/%s" % (q, sub, h)): remove("%s/%s/%s/%s" % (q, sub, h, n))
        with open(q + "/lock/tcpto", "r+b") as f: f.write(b"\0" * 1024); f.truncate(1024)

    # -- looking

    def snapshot(self):
        roots = [self.w.work] + [self.text(p) for p in self.c.get("watch", [])]
        out = {}
        def look(path):
            try: st = os.lstat(path)
            except OSError: return
            mode = "%04o" % stat.S_IMODE(st.st_mode)
            if stat.S_ISDIR(st.st_mode):
                out[path] = ("dir", mode, b"", st.st_uid)
                try: names = sorted(os.listdir(path))
                except OSError: names = []
                for n in names: look(path + "/" + n)
            elif stat.S_ISLNK(st.st_mode): out[path] = ("symlink", mode, os.readlink(path).encode(), st.st_uid)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f: out[path] = ("file", mode, f.read(), st.st_uid)
            else: out[path] = ("other", mode, b"", st.st_uid)
        for r in roots: look(r)
        out.pop(self.w.work, None)
        return out

    def changes(self, masks, before, after):
        result = {}
        for path in sorted(set(before) | set(after)):
            if before.get(path) == after.get(path): continue
            key = masks.apply(self.unsub(path.encode("utf-8", "surrogateescape"))).decode("latin-1")
            while key in result: key += "+"
            if path not in after: result[key] = None; continue
            kind, mode, data, uid = after[path]
            result[key] = {"type": kind, "mode": mode}
            if kind == "file": result[key]["content"] = from_bytes(masks.apply(self.unsub(data)))
            elif kind == "symlink": result[key]["content"] = from_bytes(self.unsub(data))
            if uid != self.run_uid() and self.w.root:
                names = {v[1]: "{" + k + "}" for k, v in self.w.roles.items() if k != "root"}
                result[key]["owner"] = names.get(uid, str(uid))
        return result

    def queue_files(self, masks, plain=False):
        q = self.w.home + "/queue"; found = []
        for sub in ("pid", "mess", "intd", "todo", "info", "local", "remote", "bounce"):
            for top, dirs, files in os.walk(q + "/" + sub):
                for n in files: found.append((os.path.relpath(os.path.join(top, n), q)))
        order = lambda p: (int(p.rsplit("/", 1)[1]) if p.rsplit("/", 1)[1].isdigit() else 0)
        out = {}
        for p in sorted(found, key=lambda p: (masks.ids.get(p.rsplit("/", 1)[1].encode(), b"~"), order(p), p)):
            with open(q + "/" + p, "rb") as f: data = f.read()
            key = masks.apply(p.encode()).decode("latin-1")
            if p.startswith("pid/"): key = "pid/{NAME}"
            out[key] = from_bytes(masks.apply(self.unsub(data)))
        return dict(sorted(out.items()))

    # -- running

    def environment(self, env):
        full = {"PATH": self.w.bin + ":/usr/bin:/bin"}
        full.update(self.w.extra_env)
        for k, v in env.items():
            if v is None: full.pop(k, None)
            else: full[k] = self.sub(to_bytes(v))
        if self.c.get("qq") is not None and "QMAILQUEUE" not in full: full["QMAILQUEUE"] = self.w.eng + "/qq"
        return full

    def spawn(self, argv, env, fds, cwd=None, as_user=False, name=None):
        """fds: {number: our fd}; everything else is closed by exec."""
        path = name or argv[0]
        path = self.text(path) if "/" in path else self.w.bin + "/" + path
        args = [self.sub(to_bytes(a)) for a in argv]
        high = {n: fcntl.fcntl(f, fcntl.F_DUPFD_CLOEXEC, 50) for n, f in fds.items()}
        uid = TEST_UID if as_user and self.w.root else None
        def child():
            os.setsid()
            for n in range(0, 10):
                if n in high: os.dup2(high[n], n, inheritable=True)
                elif n < 3:
                    try: os.close(n)
                    except OSError: pass
            os.umask(int(self.c.get("umask", "022"), 8))
            if uid is not None: os.setgroups([]); os.setgid(uid); os.setuid(uid)
        try:
            return subprocess.Popen(args, executable=path, env=self.environment(env), cwd=cwd or self.w.work, preexec_fn=child,
                                    close_fds=False, restore_signals=True)
        finally:
            for f in high.values(): os.close(f)

    def wait(self, p, seconds):
        if events.ended(p.pid, within(seconds)): return self.status(p.wait())
        events.kill_group(p.pid); p.wait()
        return "timeout"

    @staticmethod
    def settle(group, seconds=3):
        """Wait for what the program left behind (a queue program after a lost connection), then end it."""
        if not events.group_ended(group, within(seconds)): events.kill_group(group)

    @staticmethod
    def status(code): return code if code >= 0 else "signal %d" % -code

    def temp(self, data=None):
        fd, path = tempfile.mkstemp(dir=self.w.eng); os.unlink(path)
        if data:
            view = memoryview(data)
            while view: view = view[os.write(fd, view):]
            os.lseek(fd, 0, 0)
        return fd

    @staticmethod
    def slurp(fd):
        os.lseek(fd, 0, 0); out = b""
        while True:
            got = os.read(fd, 1 << 20)
            if not got: return out
            out += got

    def run(self):
        self.set_up()
        start = time.time()
        peers = [Peer(spec, self.sub) for spec in self.c.get("peers", [])]
        for p in peers: p.start()
        if self.w.isolated: names.zone = {k.lower(): v for k, v in self.c.get("dns", {}).items()}
        swapped, lines, over = [], [], None
        def listen():
            while over.reader not in select.select([self.w.syslog, over.reader], [], [])[0]: lines.append(self.w.syslog.recv(65536))
            while select.select([self.w.syslog], [], [], 0)[0]: lines.append(self.w.syslog.recv(65536))
        listener = threading.Thread(target=listen, daemon=True)
        if self.c.get("syslog"):
            while select.select([self.w.syslog], [], [], 0)[0]: self.w.syslog.recv(65536)  # what earlier cases said
            over = events.Bell(); listener.start()
        try:
            for prog, content in self.c.get("swap", {}).items():
                path = self.w.home + "/bin/" + prog
                os.rename(path, path + ".kept"); swapped.append(path)
                self.put(path, {"content": content, "mode": "0755"})
            raw = self.run_system() if self.c["program"] == "system" else self.run_program()
        finally:
            for path in swapped:
                if os.path.exists(path + ".kept"): os.replace(path + ".kept", path)
            seen = [p.finish() for p in peers]
        masks = Masks(start, time.time(), self.run_uid(), self.names, self.w.roles, self.c["program"] == "system")
        fix = lambda data: from_bytes(masks.apply(self.unsub(data)))
        out = {}
        for key in ("exit", "timing"):
            if key in raw: out[key] = raw[key]
        if "log" in raw: out["log"] = [masks.log_line(self.unsub(l)).decode("latin-1") for l in raw["log"]]
        for key in ("stdout", "stderr"):
            if key in raw: out[key] = fix(raw[key])
        if raw.get("fds"): out["fds"] = {k: fix(v) for k, v in raw["fds"].items()}
        if "recv" in raw: out["recv"] = [fix(d) for d in raw["recv"]]
        if "steps" in raw: out["steps"] = [self._mask_step(s, masks, fix) for s in raw["steps"]]
        if peers: out["peers"] = [[[fix(line) for line in conn] for conn in p] for p in seen]
        if self.c.get("qq") is not None:
            out["queued"] = []
            for n in sorted(os.listdir(self.queue_dir), key=int):
                got = {}
                for k in ("message", "envelope"):
                    try:
                        with open("%s/%s/%s" % (self.queue_dir, n, k), "rb") as f: got[k] = f.read()
                    except OSError: got[k] = b""
                if got["envelope"].endswith(b"\0\0"): out["queued"].append({k: fix(v) for k, v in got.items()})
        if self.c.get("queue") == "look":
            out["queue"] = self.queue_files(masks)
            if raw.get("exit") != 0: out["queue"] = {k: v for k, v in out["queue"].items() if k.startswith("todo/")}
        if self.c.get("syslog"):
            over.ring(); listener.join(); over.close()
            out["syslog"] = [fix(line) for line in lines]
        if not self.c.get("nofiles"):
            changed = self.changes(masks, self.before, self.snapshot())
            if changed: out["files"] = changed
        if self.c.get("drop"): out["log"] = [l for l in out["log"] if not l.startswith(tuple(self.c["drop"]))]
        if self.c.get("unordered"):
            out["log"] = sorted(l for l in out["log"] if not l.startswith("status: local"))
        self.used = sorted(masks.used)
        return out

    def _mask_step(self, s, masks, fix):
        out = {}
        for k, v in s.items():
            if isinstance(v, bytes): out[k] = fix(v)
            elif k in ("queue", "files"):
                out[k] = {}
                for path, item in v.items():
                    key = masks.apply(self.unsub(path.encode("latin-1"))).decode("latin-1")
                    while key in out[k]: key += "+"
                    out[k][key] = fix(item) if isinstance(item, bytes) else item
                out[k] = dict(sorted(out[k].items()))
            else: out[k] = v
        return out

    def run_program(self):
        c = self.c
        limit = c.get("limit", 15)
        outputs, fds, closers = {}, {}, []
        script = c.get("script")
        stdin = c.get("stdin", "")
        if script is not None:
            ours, theirs = socket.socketpair(); closers.append(theirs)
            fds[0] = fds[1] = theirs.fileno()
        elif c.get("tcp"):
            l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            l.bind((c["tcp"].get("local", "127.0.0.1"), c["tcp"].get("lport", 0))); l.listen(1)
            client = socket.socket(); client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((c["tcp"].get("remote", "127.0.0.1"), c["tcp"].get("rport", 0))); client.connect(l.getsockname())
            conn, _ = l.accept(); fds[0] = conn.fileno(); closers += [conn, client, l]
        elif isinstance(stdin, dict) and stdin.get("closed"): pass
        elif isinstance(stdin, dict) and "file" in stdin: fds[0] = os.open(self.text(stdin["file"]), os.O_RDONLY)
        elif isinstance(stdin, dict) and "pipe" in stdin:
            r, wr = os.pipe(); fds[0] = r; data = to_bytes(stdin["pipe"], self.sub)
            threading.Thread(target=self._feed, args=(wr, data), daemon=True).start()
        else: fds[0] = self.temp(to_bytes(stdin, self.sub))
        for n, spec in c.get("fds", {}).items():
            if isinstance(spec, dict) and spec.get("record"): outputs[n] = fds[int(n)] = self.temp()
            elif isinstance(spec, dict) and spec.get("closed"): pass
            else: fds[int(n)] = self.temp(to_bytes(spec, self.sub))
        for n in (1, 2):
            if n not in fds and str(n) not in c.get("fds", {}): fds[n] = self.temp()
        p = self.spawn(c["argv"], c.get("env", {}), fds, c.get("cwd") and self.text(c["cwd"]), c.get("as") == "user", c.get("exec"))
        raw = {}
        if script is not None:
            theirs.close()
            raw["recv"] = self.converse(ours, script, limit)
            ours.close()
        raw["exit"] = self.wait(p, limit)
        self.settle(p.pid)
        if script is None and "1" not in c.get("fds", {}): raw["stdout"] = self.slurp(fds[1])
        if 2 in fds and "2" not in c.get("fds", {}): raw["stderr"] = self.slurp(fds[2])
        raw["fds"] = {n: self.slurp(f) for n, f in outputs.items()}
        for f in set(f for n, f in fds.items() if not any(f == x.fileno() for x in closers if x.fileno() >= 0)):
            try: os.close(f)
            except OSError: pass
        for x in closers: x.close()
        return raw

    @staticmethod
    def _feed(fd, data):
        try:
            view = memoryview(data)
            while view: view = view[os.write(fd, view):]
        except OSError: pass
        os.close(fd)

    def converse(self, sock, script, limit):
        got, buf, end = [], b"", time.time() + limit
        closed = False
        def fill(until):
            nonlocal buf, closed
            if closed: return False
            sock.settimeout(max(0.01, until - time.time()))
            try: data = sock.recv(65536)
            except (socket.timeout, OSError) as e:
                if isinstance(e, ConnectionError): closed = True
                return False
            if not data: closed = True; return False
            buf += data
            return True
        def take(ready):
            nonlocal buf
            while True:
                n = ready(buf)
                if n: out, buf = buf[:n], buf[n:]; return out
                if not fill(end): out, buf = buf, b""; return out
        def smtp(b):
            pos = 0
            while True:
                nl = b.find(b"\n", pos)
                if nl < 0: return 0
                if b[pos + 3:pos + 4] != b"-": return nl + 1
                pos = nl + 1
        for step in script:
            if step[0] == "send":
                try: sock.settimeout(10); sock.sendall(to_bytes(step[1], self.sub))
                except OSError: pass
            elif step[0] == "sleep": events.first({sock.fileno(): events.READABLE}, within(step[1]))
            elif step[0] == "shut":
                try: sock.shutdown(socket.SHUT_WR)
                except OSError: pass
            elif step[0] == "recv":
                mode = step[1]
                if mode == "smtp": got.append(take(smtp))
                elif mode == "line": got.append(take(lambda b: b.find(b"\n") + 1))
                elif mode == "pop": got.append(take(lambda b: b.find(b"\n") + 1 if b.startswith(b"-") else b.find(b"\n.\r\n") + 4 if b"\n.\r\n" in b else 0))
                elif mode == "netstring": got.append(take(lambda b: (lambda m: m.end() + int(m.group(1)) + 1 if m and len(b) > m.end() + int(m.group(1)) else 0)(re.match(rb"(\d+):", b))))
                elif mode == "quiet":
                    stop = time.time() + step[2]
                    while time.time() < stop and not closed: fill(stop)
                    out, buf = buf, b""; got.append(out)
        try: sock.shutdown(socket.SHUT_WR)
        except OSError: pass
        while not closed and time.time() < end and fill(end): pass
        got.append(buf)
        return got

    # -- the whole system

    def run_system(self):
        c, w = self.c, self.w
        log_path, steps, self.daemon = w.eng + "/log", [], None
        open(log_path, "w").close()
        def log():
            with open(log_path, "rb") as f: return f.read()
        changes, heard = events.Changes(), None
        changes.watch(log_path, changes.GROWN)
        for top, _, _ in os.walk(w.home + "/queue/mess"): changes.watch(top, changes.REMOVED)
        def until(so, end, process=None):
            """Look whether it is so, again after every change to the log or to the messages in the queue."""
            while not so():
                if changes.wait(end, process) is None: return False
            return True
        def wait_log(pattern, count, seconds): return until(lambda: len(re.findall(pattern, log(), re.M)) >= count, within(seconds))
        def quiet(seconds=0.35, limit=20):
            end, size = within(limit), os.path.getsize(log_path)
            while until(lambda: os.path.getsize(log_path) != size, min(end, within(seconds))) and time.monotonic() < end: size = os.path.getsize(log_path)
        def complete():
            """The log has all lines that the case expects but the last, which comes with the end."""
            lines = log().decode("latin-1").split("\n")[:-1]
            if c.get("unordered"): lines = [l for l in lines if not l.startswith("status: local")]
            return len([l for l in lines if not l.startswith(tuple(c.get("drop", [])))]) >= len(c["expect"].get("log", [])) - 1
        def pause(seconds, following):
            """Leave it alone for that long, or until there is nothing left to wait for: after HUP, control/locals has been read
            again; before `idle`, the log is complete; else, no message is left in the queue."""
            end, daemon = within(seconds), os.pidfd_open(self.daemon.pid)
            try:
                if heard:
                    while "locals" not in (heard.wait(end, daemon) or ["locals"]): pass
                elif following == "idle": until(complete, end, daemon)
                else: until(lambda: not any(files for _, _, files in os.walk(w.home + "/queue/mess")), end, daemon)
            finally: os.close(daemon)
        def ids_path(path):
            if "{ID" not in path: return [path]
            order = []
            for m in re.finditer(rb"^(?:new msg|end msg|info msg) (\d+)", log(), re.M):
                if m.group(1) not in order: order.append(m.group(1))
            m = re.search(r"\{ID(\d+)\}", path); number = order[int(m.group(1)) - 1].decode()
            return [path.replace(m.group(0), number).replace("{H}", str(int(number) % SPLIT))]
        try:
            for s, following in zip(c["steps"], c["steps"][1:] + [{"do": "end"}]):
                do = s["do"]
                if do == "start":
                    self._forget_trigger()
                    fd = os.open(log_path, os.O_WRONLY | os.O_APPEND); null = os.open("/dev/null", os.O_RDWR)
                    self.daemon = self.spawn(["qmail-start"] + s.get("args", ["./Mailbox"]), dict({"QMAILQUEUE": None}, **s.get("env", {})), {0: null, 1: fd, 2: null}, "/")
                    os.close(fd); os.close(null)
                    ok = wait_log(rb"^status: local", 1, 10) if not s.get("fails") else None
                    if s.get("fails"): steps.append({"exit": self.wait(self.daemon, 10)}); self.daemon = None
                elif do in ("inject", "run"):
                    if do == "inject":
                        argv = ["qmail-queue"]
                        env_bytes = b"F" + self.sub(to_bytes(s.get("sender", ""))) + b"\0" + b"".join(b"T" + self.sub(to_bytes(r)) + b"\0" for r in s["rcpts"]) + b"\0"
                        fds = {0: self.temp(to_bytes(s["message"], self.sub)), 1: self.temp(env_bytes), 2: self.temp()}
                    else:
                        argv = s["argv"]
                        fds = {0: self.temp(to_bytes(s.get("stdin", ""), self.sub)), 1: self.temp(), 2: self.temp()}
                    p = self.spawn(argv, dict({"QMAILQUEUE": None}, **s.get("env", {})), fds, as_user=s.get("as") == "user")
                    r = {"exit": self.wait(p, 20)}
                    if do == "run": r["stdout"] = self.slurp(fds[1])
                    err = self.slurp(fds[2])
                    if err: r["stderr"] = err
                    for f in fds.values(): os.close(f)
                    steps.append(r)
                elif do == "wait":
                    if not wait_log(s["log"].encode("latin-1"), s.get("n", 1), s.get("seconds", 15)): steps.append({"missing": s["log"]})
                elif do == "idle": quiet(s.get("seconds", 0.35))
                elif do == "sleep": pause(s["seconds"], following["do"])
                elif do == "signal":
                    if s["name"] == "HUP": heard = events.Changes(); heard.watch(w.home + "/control", heard.READ)
                    os.kill(self.daemon.pid, getattr(signal, "SIG" + s["name"]))
                elif do == "stop":
                    if self.daemon:
                        os.kill(self.daemon.pid, signal.SIGTERM); steps.append({"exit": self.wait(self.daemon, 15)}); self._reap(); self.daemon = None
                elif do == "crash":
                    if self.daemon: os.killpg(self.daemon.pid, signal.SIGKILL); self.daemon.wait(); self._reap(); self.daemon = None
                elif do == "put": self.put(ids_path(self.text(s["path"]))[0], s["file"])
                elif do == "remove": os.unlink(ids_path(self.text(s["path"]))[0])
                elif do == "touch":
                    for path in ids_path(self.text(s["path"])):
                        t = int(time.time()) + s["seconds"]; os.utime(path, (t, t))
                elif do == "ages":
                    r = {}
                    for sub in ("info", "local", "remote"):
                        for top, _, files in os.walk(w.home + "/queue/" + sub):
                            for n in files: r[sub] = int(os.path.getmtime(os.path.join(top, n)))
                    # a first pass that starts one or two seconds after arrival is reported as one that starts at once
                    first = {441: 400, 484: 400, 121: 100, 144: 100}
                    steps.append({"next": {k: first.get(v - r["info"], v - r["info"]) for k, v in sorted(r.items()) if k != "info"}})
                elif do == "queue":
                    found, q = {}, w.home + "/queue"
                    for sub in ("pid", "mess", "intd", "todo", "info", "local", "remote", "bounce"):
                        for top, _, files in os.walk(q + "/" + sub):
                            for n in files:
                                with open(os.path.join(top, n), "rb") as f: found[os.path.relpath(os.path.join(top, n), q)] = f.read()
                    steps.append({"queue": found})
                elif do == "files":
                    found = {}
                    for top, _, files in os.walk(self.text(s.get("path", "{WORK}"))):
                        for n in files:
                            with open(os.path.join(top, n), "rb") as f: found[os.path.join(top, n)] = f.read()
                    steps.append({"files": found})
                else: raise ValueError(do)
        finally:
            if self.daemon:
                try: os.kill(self.daemon.pid, signal.SIGTERM)
                except OSError: pass
                self.wait(self.daemon, 10); self._reap()
            for opened in (changes, heard):
                if opened: opened.close()
        data = log()
        return {"log": data.split(b"\n")[:-1] if data.endswith(b"\n") or not data else data.split(b"\n"), "steps": steps}

    def _forget_trigger(self): pass

    def _reap(self): self.settle(self.daemon.pid)


names = None


def compare(expect, actual, path=""):
    """Lines that say where two observations differ."""
    if isinstance(expect, dict) and isinstance(actual, dict):
        out = []
        for k in sorted(set(expect) | set(actual)):
            if k not in expect: out.append("%s/%s: not expected: %r" % (path, k, actual[k]))
            elif k not in actual: out.append("%s/%s: missing, expected %r" % (path, k, expect[k]))
            else: out += compare(expect[k], actual[k], path + "/" + k)
        return out
    if isinstance(expect, list) and isinstance(actual, list) and len(expect) == len(actual):
        return [d for i, (a, b) in enumerate(zip(expect, actual)) for d in compare(a, b, "%s[%d]" % (path, i))]
    return [] if expect == actual else ["%s:\n      expected %r\n      got      %r" % (path, expect, actual)]


def start_names(world):
    global names
    if world.isolated:
        names = Names(); names.start()


class Differences:
    """The deliberate differences: lines of `PATTERN NUMBER [root|user:] REASON`, # for remarks."""

    def __init__(self, path, form):
        self.entries = []
        with open(path) as f:
            for number, line in enumerate(f, 1):
                parts = line.split(None, 2)
                if not parts or parts[0].startswith("#"): continue
                if len(parts) < 3: raise SystemExit("%s:%d: wanted: id pattern, defect number, reason" % (path, number))
                only = re.match(r"(root|user):", parts[2])
                if only is None or only.group(1) == form: self.entries.append((re.compile(parts[0]), parts[1]))

    def find(self, case):
        return next((number for pattern, number in self.entries if pattern.fullmatch(case)), None)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--home", required=True); ap.add_argument("--cases", nargs="+", required=True)
    ap.add_argument("--bin"); ap.add_argument("--only"); ap.add_argument("--env", action="append", default=[])
    ap.add_argument("--accounts", default="alias,qmaild,qmaill,root,qmailp,qmailq,qmailr,qmails")
    ap.add_argument("--groups", default="qmail,nofiles")
    ap.add_argument("--no-swap", action="store_true", help="skip cases that replace a program in HOME/bin by a script")
    ap.add_argument("-v", action="store_true"); ap.add_argument("--show", type=int, default=20)
    ap.add_argument("--differs", action="store_true", help="also count known differences as failures")
    ap.add_argument("--known", help="list of deliberate differences (differences.txt); replaces the marks in the cases")
    ap.add_argument("--form", choices=("user", "root"), help="which entries of --known count; default: who runs this")
    ap.add_argument("--summary", help="write the counts to this file, as JSON")
    a = ap.parse_args()
    cases = []
    for f in a.cases:
        with open(f) as h:
            for line in h:
                if line.strip(): cases.append(json.loads(line))
    world = World(a.home, a.bin, a.accounts.split(","), a.groups.split(","), dict(e.split("=", 1) for e in a.env))
    world.swap = not a.no_swap
    start_names(world)
    listed = Differences(a.known, a.form or ("root" if world.root else "user")) if a.known else None
    table, shown, failures = collections.OrderedDict(), 0, []
    try:
        for case in cases:
            if a.only and not re.search(a.only, case["id"]): continue
            row = table.setdefault(case["program"], collections.Counter())
            if not all(world.have(n) for n in case.get("needs", [])): row["skipped"] += 1; continue
            try: diff = compare(case["expect"], Case(world, case, case.get("volatile", [])).run())
            except Exception as e: diff = ["the replayer failed: %r" % (e,)]
            entry = listed.find(case["id"]) if listed else None
            if entry and not diff: diff = ["listed in %s (%s), but no longer differs" % (os.path.basename(a.known), entry)]; entry = None
            if not diff: row["pass"] += 1; continue
            known = entry if listed else case.get("differs") and not a.differs
            row["known" if known else "fail"] += 1
            if not known: failures.append(case["id"])
            if (not known or a.v) and shown < a.show:
                shown += 1
                print("%s %s (%s)%s\n    %s" % ("known" if known else "FAIL", case["id"], case["about"],
                      " differs " + case["differs"] if case.get("differs") else "", "\n    ".join(diff[:8])))
    finally:
        world.close()
    print("%-20s %6s %6s %6s %8s" % ("program", "pass", "fail", "known", "skipped"))
    for program, row in table.items():
        print("%-20s %6d %6d %6d %8d" % (program, row["pass"], row["fail"], row["known"], row["skipped"]))
    total = sum(table.values(), collections.Counter())
    print("%-20s %6d %6d %6d %8d" % ("total", total["pass"], total["fail"], total["known"], total["skipped"]))
    if a.summary:
        with open(a.summary, "w") as f:
            json.dump({"passed": total["pass"], "failed": total["fail"], "known": total["known"], "skipped": total["skipped"],
                       "failures": failures, "programs": table}, f)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
