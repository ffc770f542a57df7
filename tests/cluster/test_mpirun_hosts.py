"""cluster/mpirun-hosts: a job on the hosts of a file, stopped by INT and TERM, begun again when it
loses a rank."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from endings import small_job, write_yaml
from program import PROGRAM, ROOT
from slurm_bed import OPEN_MPI, wait_until

SCRIPT = ROOT / "cluster" / "mpirun-hosts"


class Hosts:
    """This machine, as a file of hosts with two slots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "hostfile"
        self.file.write_text("localhost slots=2\n")
        self.mark = f"TRIREME_TEST={folder}"

    def start(self, pictures: int) -> subprocess.Popen[str]:
        sampling = {"height": 64, "width": 64, "num_inference_steps": 16}
        job = small_job(prompts=["a red star"] * pictures, sampling=sampling,
                        layout={"replicas": 2})
        name, value = self.mark.split("=")
        return subprocess.Popen(
            [SCRIPT, self.file, "2", write_yaml(job, self.folder)], text=True,
            env=os.environ | OPEN_MPI | {"TRIREME": str(PROGRAM), name: value},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def made(self) -> int:
        return len(list((self.folder / "out").rglob("*.png")))

    def a_rank(self) -> int:
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
                if (process.name.isdecimal()
                        and self.mark.encode() in (process / "environ").read_bytes()
                        and os.readlink(process / "exe") == str(PROGRAM.resolve())):
                    return int(process.name)
        raise AssertionError("no rank")


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_it_is_stopped(which: signal.Signals, hosts: Hosts) -> None:
    running = hosts.start(24)
    wait_until(lambda: hosts.made() > 0, 60, lambda: "no picture")
    running.send_signal(which)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 85, said
    assert "stopped at a step" in said
    assert hosts.made() < 24


def test_a_lost_rank_begins_again(hosts: Hosts) -> None:
    running = hosts.start(8)
    wait_until(lambda: hosts.made() > 0, 60, lambda: "no picture")
    os.kill(hosts.a_rank(), signal.SIGKILL)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert "[mpirun-hosts] run 1 ended with 137" in said
    assert hosts.made() == 8


def test_too_few_arguments() -> None:
    done = subprocess.run([SCRIPT, "hosts"], capture_output=True, text=True)
    assert done.returncode == 64
    assert done.stderr.startswith("[mpirun-hosts] 1 arguments -> HOSTFILE RANKS job.yaml ")
