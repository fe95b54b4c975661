#!/usr/bin/env python3
"""Replay the vectors of some programs (default: all) against a directory of built programs.

    run.py --bin DIR [--as user|root|both] [--jobs N] [--only REGEX] [--show N] [--keep] [PROGRAM...]

Makes a scratch installation, runs replay.py in it, compares with differences.txt and prints, at the end,
`vectors: N passed, N failed, N known, N skipped`. As root, `--as user` runs as an unprivileged uid in a tree that uid
can read, and `--as root` in a private mount name space; `both`, the default for root, does one after the other.
Without root only `user` is possible, and what needs root is counted as skipped.
"""
import argparse, glob, json, os, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import install

WHOLE = {"system": ("qmail-start", "qmail-send", "qmail-clean", "qmail-queue", "qmail-lspawn", "qmail-rspawn", "qmail-local", "qmail-remote")}


def python_for(uid):
    """A Python that this uid may run: not one below somebody's private home."""
    if uid == 0: return sys.executable
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if os.path.exists(path) and subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", path, "-c", ""],
                                                   stderr=subprocess.DEVNULL).returncode == 0: return path
    raise SystemExit("run.py: no python3 that an unprivileged user may run")


def group_files(names, jobs):
    """Case files in `jobs` heaps of about the same weight."""
    weigh = lambda n: sum(1 for _ in open("%s/%s.jsonl" % (HERE, n))) * (12 if n == "system" else 2 if n in ("qmail-lspawn", "qmail-remote") else 1)
    heaps = [[0, []] for _ in range(jobs)]
    for name in sorted(names, key=weigh, reverse=True):
        heap = min(heaps, key=lambda h: h[0]); heap[0] += weigh(name); heap[1].append(name)
    return [h[1] for h in heaps if h[1]]


def replay(form, names, a):
    """Run one heap in an installation of its own; returns its process and where the summary will be."""
    scratch = tempfile.mkdtemp(prefix="replay.")
    os.chmod(scratch, 0o755)
    out = scratch + "/vectors"
    os.mkdir(out)
    for path in [HERE + "/replay.py", HERE + "/differences.txt"] + ["%s/%s.jsonl" % (HERE, n) for n in names]: shutil.copy(path, out)
    os.mkdir(scratch + "/tmp")
    argv = ["--cases"] + ["%s/%s.jsonl" % (out, n) for n in names] + ["--known", out + "/differences.txt", "--summary", scratch + "/tmp/summary",
            "--form", form, "--show", str(a.show)]
    if a.only: argv += ["--only", a.only]
    if a.verbose: argv.append("-v")
    env = dict(os.environ, TMPDIR=scratch + "/tmp", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    for name in [n for n in env if n.startswith(("QMAIL", "QUAIL"))]: del env[name]
    log = open(scratch + "/tmp/output", "w+")
    if form == "root":
        argv = [sys.executable, __file__, "--inside", scratch, "--bin", a.bin, "--"] + [out + "/replay.py", "--home", install.HOME] + argv
    else:
        home, uid = scratch + "/home", a.uid if os.geteuid() == 0 else os.geteuid()
        install.build(home, install.programs_in(a.bin))
        argv = [python_for(uid) if os.geteuid() == 0 else sys.executable, out + "/replay.py", "--home", home, "--env", "QUAIL_HOME=" + home] + argv
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "%d:%d" % (uid, uid), scratch], check=True)
            argv = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] + argv
    return subprocess.Popen(argv, env=env, cwd=scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log), scratch, log


def inside(scratch, bin_dir, rest):
    """Second life of this script, as root in a private name space: build the tree, become the replayer."""
    ids = install.enter_private_space(scratch)
    install.build(install.HOME, install.programs_in(bin_dir), ids)
    os.execv(sys.executable, [sys.executable] + rest)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("programs", nargs="*"); ap.add_argument("--bin", required=True)
    ap.add_argument("--as", dest="form", choices=("user", "root", "both")); ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--only"); ap.add_argument("--show", type=int, default=20); ap.add_argument("--uid", type=int, default=65534)
    ap.add_argument("-v", "--verbose", action="store_true"); ap.add_argument("--keep", action="store_true"); ap.add_argument("--inside")
    if "--inside" in sys.argv:
        cut = sys.argv.index("--")
        a = ap.parse_args(sys.argv[1:cut]); return inside(a.inside, a.bin, sys.argv[cut + 1:])
    a = ap.parse_args()
    a.bin = os.path.abspath(a.bin)
    root = os.geteuid() == 0
    if a.form in ("root", "both") and not root: raise SystemExit("run.py: --as %s needs root" % a.form)
    names = a.programs or sorted(os.path.basename(f)[:-6] for f in glob.glob(HERE + "/*.jsonl"))
    for n in names:
        if not os.path.exists("%s/%s.jsonl" % (HERE, n)): raise SystemExit("run.py: no vectors of %s" % n)
    have = {os.path.basename(p) for p in install.programs_in(a.bin)}
    not_yet = [n for n in names if not set(WHOLE.get(n, (n,))) <= have]
    names = [n for n in names if n not in not_yet]
    total, failed = dict.fromkeys(("passed", "failed", "known", "skipped"), 0), False
    forms = {"both": ("root", "user"), None: ("root", "user") if root else ("user",)}.get(a.form, (a.form,))
    for form in forms:
        print("as %s:" % form, flush=True)
        runs = [replay(form, heap, a) for heap in group_files(names, a.jobs)]
        for process, scratch, log in runs:
            code = process.wait()
            log.seek(0); sys.stdout.write(log.read()); sys.stdout.flush()
            try: counts = json.load(open(scratch + "/tmp/summary"))
            except (OSError, ValueError): counts, code = {}, code or 1; print("the replay ended early, code %s" % code)
            # What the user form leaves out has been run as root just before, unless only the user form is run.
            if form == "user" and len(forms) > 1: counts["skipped"] = 0
            for k in total: total[k] += counts.get(k, 0)
            failed |= code != 0
            if a.keep: print("kept: " + scratch)
            else: shutil.rmtree(scratch, ignore_errors=True)
    if not_yet:
        count = {n: sum(1 for l in open("%s/%s.jsonl" % (HERE, n)) if l.strip()) for n in not_yet}
        print("not yet, no such program: " + ", ".join("%s (%d)" % i for i in count.items()))
        total["skipped"] += sum(count.values())
    if not root: print("not root: the root form and every case that needs it are skipped")
    print("vectors: %(passed)d passed, %(failed)d failed, %(known)d known, %(skipped)d skipped" % total)
    return 1 if failed or total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
