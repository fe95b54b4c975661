"""A scratch installation for the replay: the tree of qmail, its owners and modes, and a place to put it.

Two forms. `user`: any directory, everything owned by the caller, named by QUAIL_HOME. `root`: /var/qmail of a private
mount name space, with the seven accounts in private account files. Nothing of the machine itself is changed.
Python 3.9 or later, standard library only; Linux.
"""
import ctypes, os, pwd, grp, shutil, stat

SPLIT = 23
HOME = "/var/qmail"
ACCOUNTS = (("alias", "nofiles", HOME + "/alias"), ("qmaild", "nofiles", HOME), ("qmaill", "nofiles", HOME),
            ("qmailp", "nofiles", HOME), ("qmailq", "qmail", HOME), ("qmailr", "qmail", HOME), ("qmails", "qmail", HOME))
MODES = {  # of programs; everything else is 0755
    0o4711: "qmail-queue",
    0o700: "qmail-lspawn qmail-start quail-start qmail-newu qmail-newmrh",
    0o711: "qmail-getpw qmail-local qmail-remote qmail-rspawn qmail-clean qmail-send qmail-queued splogger qmail-pw2u qmail-popup"}


def program_mode(name):
    for mode, names in MODES.items():
        if name in names.split(): return mode
    return 0o755


def tree():
    """(path below the installation, owner, mode) of every directory."""
    hashed = [str(n) for n in range(SPLIT)]
    yield "", "root", 0o755
    for name in ("bin", "control", "users", "run"): yield name, "root", 0o755
    yield "alias", "alias", 0o2755
    yield "queue", "qmailq", 0o750
    for name, owner, mode in (("pid", "qmailq", 0o700), ("intd", "qmailq", 0o700), ("todo", "qmailq", 0o750), ("bounce", "qmails", 0o700),
                              ("lock", "qmailq", 0o750)): yield "queue/" + name, owner, mode
    for name, owner, mode in (("mess", "qmailq", 0o750), ("info", "qmails", 0o700), ("local", "qmails", 0o700), ("remote", "qmails", 0o700)):
        for sub in [""] + ["/" + h for h in hashed]: yield "queue/" + name + sub, owner, mode


def build(home, programs, ids=None):
    """Make the tree at `home` and copy `programs` (paths) into its bin. `ids` maps an account to (uid, gid): root form."""
    def own(path, who, mode):
        if ids: os.chown(path, ids[who][0] if who in ids else 0, ids["qmailq"][1])
        os.chmod(path, mode)
    for path, owner, mode in tree():
        full = os.path.join(home, path) if path else home
        os.makedirs(full, exist_ok=True); own(full, owner, mode)
    lock = home + "/queue/lock/"
    with open(lock + "tcpto", "wb") as f: f.write(b"\0" * 1024)
    open(lock + "sendmutex", "wb").close()
    os.mkfifo(lock + "trigger")
    own(lock + "tcpto", "qmailr", 0o644); own(lock + "sendmutex", "qmails", 0o600); own(lock + "trigger", "qmails", 0o622)
    for path in programs:
        name = os.path.basename(path)
        target = home + "/bin/" + name
        shutil.copyfile(path, target)
        own(target, "qmailq" if name == "qmail-queue" else "root", program_mode(name) if ids else 0o755)


def programs_in(directory):
    """Programs of a build directory: plain executable files with a plain name."""
    out = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK) and "." not in name: out.append(path)
    return out

# ---------------------------------------------------------------- root: a private /var/qmail

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18


def mount(source, target, kind=None, flags=0):
    enc = lambda s: s.encode() if s else None
    if LIBC.mount(enc(source), enc(target), enc(kind), ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), "mount %s" % target)


def free_ids(count, first=64010):
    """Numbers that are neither a user nor a group here."""
    taken = {e.pw_uid for e in pwd.getpwall()} | {e.pw_gid for e in pwd.getpwall()} | {e.gr_gid for e in grp.getgrall()}
    out = []
    while len(out) < count:
        if first not in taken: out.append(first)
        first += 1
    return out


def accounts_text():
    """Account and group files with qmail's seven accounts added where they are missing; and {account: (uid, gid)}."""
    with open("/etc/passwd") as f: passwd = f.read()
    with open("/etc/group") as f: group = f.read()
    numbers = iter(free_ids(len(ACCOUNTS) + 2))
    gids, ids = {}, {}
    for name in ("qmail", "nofiles"):
        try: gids[name] = grp.getgrnam(name).gr_gid
        except KeyError: gids[name] = next(numbers); group += "%s:x:%d:\n" % (name, gids[name])
    for name, group_name, home in ACCOUNTS:
        try: e = pwd.getpwnam(name); ids[name] = (e.pw_uid, e.pw_gid)
        except KeyError:
            ids[name] = (next(numbers), gids[group_name])
            passwd += "%s:x:%d:%d::%s:/bin/false\n" % (name, ids[name][0], ids[name][1], home)
    return passwd, group, ids


def enter_private_space(scratch):
    """Private mounts: an empty /var/qmail below `scratch`, account files of our own. Returns {account: (uid, gid)}."""
    if os.statvfs(scratch).f_flag & os.ST_NOSUID: raise OSError("%s is mounted nosuid: set TMPDIR to another place" % scratch)
    passwd, group, ids = accounts_text()
    if LIBC.unshare(CLONE_NEWNS) != 0: raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    for name, text in (("passwd", passwd), ("group", group)):
        path = os.path.join(scratch, name)
        with open(path, "w") as f: f.write(text)
        os.chmod(path, 0o644)
        mount(path, os.path.realpath("/etc/" + name), None, MS_BIND)
    home = os.path.join(scratch, "home")
    os.makedirs(home, exist_ok=True)
    if not os.path.isdir(HOME): empty_var()
    mount(home, HOME, None, MS_BIND)
    return ids


def empty_var():
    """An empty /var with a mount point for /var/qmail. None of the machine's own directories is mounted anywhere else:
    scratch directories are removed recursively, and through such a mount that would empty the machine's."""
    mount("none", "/var", "tmpfs")
    os.chmod("/var", 0o755)
    for name in ("qmail", "tmp"): os.mkdir("/var/" + name)
    os.chmod("/var/tmp", 0o1777)
    for name, target in (("run", "/run"), ("lock", "/run/lock")): os.symlink(target, "/var/" + name)
