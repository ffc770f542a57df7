"""A copy of the scripts in a tree of stand_ins: what apt-get, pip, cmake and mpirun would do is a line or
two of shell, and nothing else can be found on the PATH. So a machine without a network, a compiler or
a disk is one line of a test."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ["launch/setup", "launch/quickstart", "tests/run"]
FILES = SCRIPTS + ["requirements.txt", "tests/requirements.txt"]
TOOLS = ("bash env dirname cat cp cmp tail tr grep awk nproc stat id touch rm mkdir chmod flock sleep "
         "ls true").split()
NOBODY = 65534

# What each command does where all is well. $TREE is the tree, $* the arguments.
STAND_INS = {
    "dpkg-query": 'grep -qxF "${@: -1}" $TREE/state/missing 2>/dev/null || printf installed',
    "apt-get": 'case "$*" in *install*) : >$TREE/state/missing ;; esac',
    "sudo": "exit 1",
    "df": "printf 'Avail\\n 99999\\n'",
    "g++": "",
    "ninja": "",
    "mpirun": 'mkdir -p demo/out/sd3; : >demo/out/sd3/00000000.png',
    "python3": """
        mkdir -p .venv/bin
        [[ $* != *--clear* ]] || rm -rf .venv/*
        mkdir -p .venv/bin; cp $TREE/stand_ins/venv-python .venv/bin/python""",
    "venv-python": '[[ $* == *--version* ]] || "$TREE/stand_ins/pip" "${@:3}"',
    "pip": "",
    "cmake": """
        case "$*" in
          --fresh*) "$TREE/stand_ins/configure" "$@" ;;
          *"-- -n") [[ ! -e build/built ]] || echo "ninja: no work to do." ;;
          *) "$TREE/stand_ins/compile" && : >build/built ;;
        esac""",
    "configure": """
        mkdir -p build
        rm -f build/built
        tests=ON; [[ $* != *TESTS=OFF* ]] || tests=OFF
        printf 'CMAKE_HOME_DIRECTORY:INTERNAL=%s\\nTRIREME_TESTS:BOOL=%s\\n' "$PWD" $tests \\
          >build/CMakeCache.txt
        : >build/build.ninja""",
    "compile": "",
}
QUIET = {"dpkg-query", "df", "venv-python", "g++", "ninja"}  # not worth a line in calls()


@dataclass
class Ended:
    code: int
    output: str  # standard output and error, as a user sees them

    def __contains__(self, text: str) -> bool:
        return text in self.output


class ScriptTree:
    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("launch", "tests", "stand_ins", "tools", "state", "demo/jobs"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for file in FILES:
            shutil.copy(ROOT / file, root / file)
        (root / "demo/jobs/sd3.yaml").write_text("version: 1\n")
        for tool in TOOLS:
            (root / "tools" / tool).symlink_to(shutil.which(tool))
        for name, body in STAND_INS.items():
            self.stand_in(name, body)
        for path in (root, root / "state", root / "demo", root / "launch"):
            path.chmod(0o777)

    def stand_in(self, name: str, body: str) -> None:
        """What `name` does from here on."""
        note = "" if name in QUIET else f'echo "{name} $*" >>$TREE/state/calls\n'
        path = self.root / "stand_ins" / name
        path.write_text(f"#!{shutil.which('bash')}\n{note}{body}\n")
        path.chmod(0o755)

    def missing(self, *packages: str) -> None:
        (self.root / "state/missing").write_text("".join(f"{p}\n" for p in packages))

    def start(self, script: str, *arguments: str, plain_user: bool = False,
              **environment: str) -> subprocess.Popen[str]:
        path = f"{self.root}/stand_ins:{self.root}/tools"
        user = {"user": NOBODY, "group": NOBODY} if plain_user and os.geteuid() == 0 else {}
        return subprocess.Popen(
            [self.root / script, *arguments], cwd="/", text=True, start_new_session=True,
            env={"PATH": path, "TREE": str(self.root)} | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **user)

    def run(self, script: str, *arguments: str, plain_user: bool = False,
            **environment: str) -> Ended:
        process = self.start(script, *arguments, plain_user=plain_user, **environment)
        return self.end_of(process)

    @staticmethod
    def end_of(process: subprocess.Popen[str]) -> Ended:
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Ended(process.returncode, output)

    def calls(self) -> list[str]:
        """The commands since the last call, with their arguments."""
        path = self.root / "state/calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines
