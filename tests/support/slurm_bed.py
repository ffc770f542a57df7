"""A Slurm cluster of a few nodes on this machine: real daemons on loopback, state in one folder.

Needs no root, no systemd and nothing in /etc. It ends what it started, by process id, and nothing
else.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TOOLS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "sinfo", "squeue", "scancel"]
SECONDS_TO_COME_UP = 30
ENDS = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}
# Beside each other on one host, nodes cannot share memory as if they were one. No network is used.
OPEN_MPI = {
    "OMPI_MCA_btl": "tcp,self",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMP_NUM_THREADS": "1",
}
# cred_expire: a job that was requeued waits for so long, by default two minutes. TmpFS with %n: else
# the nodes' PMIx folders would collide.
CONFIG = """
ClusterName=bed
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/scratch/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
ReturnToService=2
KillWait=5
SlurmdTimeout=6
MinJobAge=3600
SlurmdParameters=config_overrides
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=4000\n"
PARTITIONS = """PartitionName=main Nodes=ALL Default=YES State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def user_name() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def wait_until(seen: Callable[[], bool], limit: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + limit
    while not seen():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


@dataclass(frozen=True)
class SlurmJob:
    """A job that was handed in."""

    bed: "SlurmBed"
    id: int
    log: Path

    def told(self, key: str) -> str:
        """What Slurm says of it."""
        text = self.bed.run("scontrol", "-o", "show", "job", str(self.id)).stdout
        found = re.search(rf"\b{key}=(\S*)", text)
        return found.group(1) if found else ""

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, state: str, limit: float = 300) -> "SlurmJob":
        """Until Slurm has it in this state, at once if it ends in another one."""
        now = ""

        def arrived() -> bool:
            nonlocal now
            now = self.told("JobState")
            return now == state or now in ENDS

        wait_until(arrived, limit, lambda: f"{now}, not {state}\n{self.said()}")
        assert now == state, f"{now}, not {state}\n{self.said()}"
        return self

    def wait_for_array(self, size: int) -> "SlurmJob":
        """Until all jobs of its array have ended well."""
        def states() -> list[str]:
            text = self.bed.run("scontrol", "-o", "show", "job", str(self.id)).stdout
            return re.findall(r"\bJobState=(\S+)", text)

        wait_until(lambda: len(states()) == size and set(states()) <= ENDS, 300, self.said)
        assert states() == ["COMPLETED"] * size, f"{states()}\n{self.said()}"
        return self

    def restarts(self) -> int:
        return int(self.told("Restarts"))


class SlurmBed:
    """The cluster, running from `start` to `stop`."""

    def __init__(self, nodes: int = 2) -> None:
        missing = [tool for tool in TOOLS if not shutil.which(tool, path=self._path())]
        assert not missing, f"no {', '.join(missing)}: launch/setup --tests installs Slurm and munge"
        # A short path, as sockets need, that every user may enter, as munge's clients must.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-bed-"))
        self.folder.chmod(0o755)
        self.nodes = [f"n{number + 1}" for number in range(nodes)]
        self.environment = os.environ | OPEN_MPI | {
            "PATH": self._path(), "SLURM_CONF": str(self.folder / "etc/slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @staticmethod
    def _path() -> str:
        return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

    def start(self) -> "SlurmBed":
        for name in ["etc", "key", "run", "state", "spool", "log", "scratch"]:
            (self.folder / name).mkdir(mode=0o700 if name in ("key", "state") else 0o755)
        for node in self.nodes:
            (self.folder / "spool" / node).mkdir()
            (self.folder / "scratch" / node).mkdir()
        self._start_munge()
        self._configure()
        self._daemon("slurmctld", "slurmctld", "-D", "-c")
        for node in self.nodes:
            self.start_node(node)
        self.wait_for_nodes()
        return self

    def _start_munge(self) -> None:
        key = self.folder / "key" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self._daemon(
            "munged", "munged", "--foreground", "--force", f"--key-file={key}",
            f"--socket={self.folder}/run/munge.socket", f"--pid-file={self.folder}/run/munged.pid",
            f"--log-file={self.folder}/log/munged.log", f"--seed-file={self.folder}/key/seed",
            "--num-threads=2")
        wait_until((self.folder / "run/munge.socket").exists, SECONDS_TO_COME_UP, self._logs)

    def _configure(self) -> None:
        host, ports = socket.gethostname(), free_ports(1 + len(self.nodes))
        config = CONFIG.format(host=host, user=user_name(), folder=self.folder, port=ports[0])
        for node, port in zip(self.nodes, ports[1:]):
            config += NODE.format(name=node, host=host, port=port)
        (self.folder / "etc/slurm.conf").write_text(config + PARTITIONS)

    def start_node(self, node: str) -> None:
        self._daemon(f"slurmd.{node}", "slurmd", "-D", "-N", node, BED_NODE=node)

    def _daemon(self, name: str, *command: str, **variables: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],  # should we be killed
                env=self.environment | variables, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)

    def wait_for_nodes(self) -> None:
        def idle() -> bool:
            states = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%t").stdout.split()
            return states == ["idle"] * len(self.nodes)

        wait_until(idle, SECONDS_TO_COME_UP, self._logs)

    def _logs(self) -> str:
        logs = sorted((self.folder / "log").glob("*"))
        ends = [f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs]
        return "Slurm did not come up\n" + "\n".join(ends)

    def run(self, *command: str, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              timeout=60, **options)  # type: ignore[call-overload]

    def submit(self, script: str, log: Path, *arguments: str) -> SlurmJob:
        """Hands in a script, as `trireme slurm job.yaml | sbatch` does."""
        done = self.run("sbatch", "--parsable", f"--output={log}", *arguments, input=script,
                        cwd=log.parent)
        assert done.returncode == 0, done.stderr
        return SlurmJob(self, int(done.stdout.split(";")[0]), log)

    def next_job_id(self) -> int:
        found = re.search(r"NEXT_JOB_ID\s*= (\d+)", self.run("scontrol", "show", "config").stdout)
        assert found
        return int(found.group(1))

    def kill_node(self, node: str) -> None:
        """As when its power fails: all that runs on it is gone at once."""
        for _ in range(3):  # what is being started meanwhile too
            for process in self._on(node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        self._daemons.pop(f"slurmd.{node}").wait()

    def is_empty(self) -> bool:
        return self.run("squeue", "-h").stdout == ""

    def processes(self, *marks: str) -> list[int]:
        """Those of this bed that have one of these variables."""
        ours = f"SLURM_CONF={self.folder}/etc/slurm.conf"
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
                if folder.name.isdecimal():
                    values = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
                    if ours in values and set(marks) & set(values):
                        found.append(int(folder.name))
        return found

    def _on(self, node: str) -> list[int]:
        """The node's daemon and what it started, or told where it is."""
        return self.processes(f"BED_NODE={node}", f"SLURMD_NODENAME={node}")

    def stop(self) -> None:
        self.run("scancel", "--user", user_name())
        deadline = time.monotonic() + 15
        while not self.is_empty() and time.monotonic() < deadline:
            time.sleep(0.1)
        for name in [name for name in self._daemons if name != "munged"]:
            self._daemons[name].terminate()
        for name in sorted(self._daemons, key=lambda name: name == "munged"):
            self._end(self._daemons[name])
        for node in self.nodes:
            for process in self._on(node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _end(daemon: subprocess.Popen[bytes]) -> None:
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
