#!/usr/bin/env python3
"""Replay the vectors of some programs (default: all) against a directory of built programs.

    run.py --bin DIR [--as user|root|both] [--jobs N] [--only REGEX] [--show N] [--keep] [PROGRAM...]

Makes scratch installations, deals the cases out to them, runs replay.py in as many as --jobs says at a time, compares with
differences.txt and prints, at the end, `vectors: N passed, N failed, N known, N skipped`. Cases mostly wait, so more jobs
than processors pay. What fails beside others is asked once more alone, and said aloud either way. As root, `--as user` runs as an unprivileged uid in a tree that uid
can read, and `--as root` in a private mount name space; `both`, the default for root, does one after the other.
Without root only `user` is possible, and what needs root is counted as skipped.
"""
import argparse, glob, json, os, re, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import events
import install

WHOLE = {"system": ("qmail-start", "qmail-send", "qmail-clean", "qmail-queue", "qmail-lspawn", "qmail-rspawn", "qmail-local", "qmail-remote")}


def python_for(uid):
    """A Python that this uid may run: not one below somebody's private home."""
    if uid == 0: return sys.executable
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if os.path.exists(path) and subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", path, "-c", ""],
                                                   stderr=subprocess.DEVNULL).returncode == 0: return path
    raise SystemExit("run.py: no python3 that an unprivileged user may run")


def weight(case):
    """About how many seconds a case takes: what it waits for, and what it starts."""
    waits = sum(step[1] if step[0] == "sleep" else step[2] if step[1:2] == ["quiet"] else 0 for step in case.get("script") or [])
    waits += sum(step.get("seconds", 0.35) for step in case.get("steps") or [] if step["do"] in ("sleep", "idle"))
    return waits + (0.5 if case["program"] == "system" else 0.1 if case["program"] in ("qmail-lspawn", "qmail-remote") else 0.03)


def deal(names, only, jobs):
    """The lines of all cases, in `jobs` heaps of about the same weight."""
    lines = [line for n in names for line in open("%s/%s.jsonl" % (HERE, n), encoding="utf-8") if line.strip()]
    cases = [(weight(case), line) for line, case in ((l, json.loads(l)) for l in lines) if not only or re.search(only, case["id"])]
    heaps = [[0, []] for _ in range(jobs)]
    for seconds, line in sorted(cases, key=lambda c: -c[0]):
        heap = min(heaps, key=lambda h: h[0]); heap[0] += seconds; heap[1].append(line)
    return [h[1] for h in heaps if h[1]]


def light_copy(programs, place):
    """The programs without what only a debugger reads: every installation gets copies of its own."""
    os.mkdir(place)
    copies = [shutil.copy(path, place) for path in programs]
    try: subprocess.run(["strip", "-s"] + copies, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError: pass
    os.chmod(place, 0o755)
    return place


def ours(directory):
    """The programs in a build directory that are the project's, or all where the sources are not at hand."""
    found = install.programs_in(directory)
    named = {os.path.basename(f)[:-3] for f in glob.glob(HERE + "/../../programs/*/src/bin/*.rs")}
    return [f for f in found if os.path.basename(f) in named] if named else found


def replay(form, lines, a):
    """Run one heap in an installation of its own; returns its process and where the summary will be."""
    scratch = tempfile.mkdtemp(prefix="replay.")
    os.chmod(scratch, 0o755)
    out = scratch + "/vectors"
    os.mkdir(out)
    for path in (HERE + "/replay.py", HERE + "/events.py", HERE + "/differences.txt"): shutil.copy(path, out)
    with open(out + "/cases.jsonl", "w", encoding="utf-8") as f: f.writelines(lines)
    os.mkdir(scratch + "/tmp")
    argv = ["--cases", out + "/cases.jsonl", "--known", out + "/differences.txt", "--summary", scratch + "/tmp/summary",
            "--form", form, "--show", str(a.show)]
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


def first_to_end(running):
    """Of these runs, one whose process has ended."""
    runs = {os.pidfd_open(run[2].pid): run for run in running}
    try: return runs[events.first({fd: events.READABLE for fd in runs})[0]]
    finally:
        for fd in runs: os.close(fd)


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
    have = {os.path.basename(p) for p in ours(a.bin)}
    not_yet = [n for n in names if not set(WHOLE.get(n, (n,))) <= have]
    names = [n for n in names if n not in not_yet]
    total = dict.fromkeys(("passed", "failed", "known", "skipped"), 0)
    forms = {"both": ("root", "user"), None: ("root", "user") if root else ("user",)}.get(a.form, (a.form,))
    programs = tempfile.mkdtemp(prefix="replay.")
    os.chmod(programs, 0o755)
    a.bin = light_copy(ours(a.bin), programs + "/bin")
    heaps = deal(names, a.only, a.jobs)
    waiting = [(form, heap) for form in forms for heap in heaps]
    running, again, table = [], [], {}

    def take(form, process, scratch, log):
        code = process.wait()
        log.seek(0); said = log.read(); log.close()
        try: counts = json.load(open(scratch + "/tmp/summary"))
        except (OSError, ValueError): counts = {"failed": 1}; print("the replay ended early, code %s:\n%s" % (code, said))
        # What the user form leaves out is run as root, unless only the user form is run.
        if form == "user" and len(forms) > 1: counts["skipped"] = 0
        for program, row in counts.get("programs", {}).items():
            sums = table.setdefault((form, program), [0, 0, 0])
            for i, k in enumerate(("pass", "fail", "known")): sums[i] += row.get(k, 0)
        if a.keep: print("kept: " + scratch)
        else: shutil.rmtree(scratch, ignore_errors=True)
        return counts, said.split("\nprogram ")[0] if said.startswith(("FAIL", "known")) else ""

    def add(counts):
        for k in total: total[k] += counts.get(k, 0)

    while waiting or running:
        while waiting and len(running) < a.jobs:
            form, heap = waiting.pop(0)
            running.append((form, heap) + replay(form, heap, a))
        done = first_to_end(running)
        running.remove(done)
        form, heap = done[:2]
        counts, said = take(form, *done[2:])
        failures = counts.get("failures", [])
        if failures and a.jobs > 1:
            # A case that loses a race against its neighbours gets the machine to itself once.
            again.append((form, [line for line in heap if json.loads(line)["id"] in failures], said))
            counts["failed"] -= len(failures)
        elif said: print(said, flush=True)
        add(counts)
    for form, lines, before in again:
        counts, said = take(form, *replay(form, lines, a))
        print("as %s, beside others:\n%s\nonce more, alone: %d of %d passed\n%s" % (form, before, counts.get("passed", 0), len(lines), said), flush=True)
        add({"passed": counts.get("passed", 0), "failed": counts.get("failed", 0)})
    shutil.rmtree(programs, ignore_errors=True)
    print("%-5s %-20s %6s %6s %6s" % ("as", "program", "pass", "fail", "known"))
    for (form, program), row in sorted(table.items()): print("%-5s %-20s %6d %6d %6d" % ((form, program) + tuple(row)))
    if not_yet:
        count = {n: sum(1 for l in open("%s/%s.jsonl" % (HERE, n)) if l.strip()) for n in not_yet}
        print("not yet, no such program: " + ", ".join("%s (%d)" % i for i in count.items()))
        total["skipped"] += sum(count.values())
    if not root: print("not root: the root form and every case that needs it are skipped")
    print("vectors: %(passed)d passed, %(failed)d failed, %(known)d known, %(skipped)d skipped" % total)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
