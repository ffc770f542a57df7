"""`trireme slurm`: its script, handed to a real Slurm, renders until all is done, whatever becomes
of its nodes, and never says so when it is not."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from endings import small_job, write_yaml
from program import PROGRAM, output_bytes
from slurm_bed import SlurmBed, SlurmJob, wait_until

TWO_NODES = ["--nodes", "2"]
TWO_REPLICAS = {"replicas": 2}
MANY = 8  # pictures: not over when the first one is seen
COUNTS = 'printf \'{"done":%d,"failed":0,"total":%d,"shards":{"done":0,"open":%d}}\' '


def pictures(count: int, layout: Any = TWO_REPLICAS) -> dict[str, Any]:
    """A job that is under way for a while."""
    sampling = {"height": 64, "width": 64, "num_inference_steps": 16, "guidance_scale": 3.0}
    prompts = [f"a red star {number}" for number in range(count)]
    return small_job(prompts=prompts, sampling=sampling, layout=layout)


def batch_script(job: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "slurm", str(job), "--mem", "500", *arguments],
                          capture_output=True, text=True, timeout=60)


@dataclass(frozen=True)
class Site:
    """The bed, and a folder with a space in its name."""

    bed: SlurmBed
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def made(self) -> int:
        return len(list(self.out.rglob("*.png")))

    def submit(self, job: dict[str, Any], *arguments: str) -> SlurmJob:
        file = write_yaml(job, self.folder)
        program = self.program_with_status(len(job["prompts"]))
        printed = batch_script(file, "--program", str(program), *arguments)
        assert printed.returncode == 0, printed.stderr
        return self.bed.submit(printed.stdout, self.folder / "job.log")

    def program_with_status(self, total: int) -> Path:
        """trireme, whose `status` is a count of pictures."""
        program = self.folder / "trireme"
        program.write_text(f"""#!/bin/bash
[[ $1 == status ]] || exec {PROGRAM} "$@"
made=$(find "$2" -name '*.png' 2>/dev/null | wc -l)
{COUNTS} $made {total} $(({total} - made))
""")
        program.chmod(0o755)
        return program

    def hold(self, job: SlurmJob) -> list[int]:
        """Stops its ranks when the first picture is there: a long job that costs no time."""
        wait_until(lambda: self.made() > 0, 180, job.said)
        ranks = [p for p in self.bed.processes(f"SLURM_JOB_ID={job.id}") if is_rank(p)]
        for rank in ranks:
            os.kill(rank, signal.SIGSTOP)
        assert ranks and self.made() < MANY, "the job was over before it could be held"
        return ranks

    def let_go_when_asked(self, job: SlurmJob, ranks: list[int], limit: float) -> None:
        wait_until(lambda: "asking the ranks to stop" in job.said(), limit, job.said)
        for rank in ranks:
            os.kill(rank, signal.SIGCONT)


def is_rank(process: int) -> bool:
    with contextlib.suppress(OSError):  # ended meanwhile
        return os.readlink(f"/proc/{process}/exe") == str(PROGRAM.resolve())
    return False


@pytest.fixture
def site(bed: SlurmBed, tmp_path: Path) -> Site:
    folder = tmp_path / "my jobs"
    folder.mkdir()
    return Site(bed, folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the long job makes when nobody disturbs it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    file = write_yaml(pictures(MANY, "auto"), folder)
    subprocess.run([PROGRAM, "render", str(file), "--quiet"], check=True, timeout=300)
    return output_bytes(folder / "out")


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_two_nodes(launcher: str, site: Site) -> None:
    job = site.submit(pictures(4), *TWO_NODES, "--launcher", launcher).wait("COMPLETED")
    assert site.made() == 4
    assert "run 1 of job" in job.said() and "4 of 4 samples" in job.said()


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_preempted(launcher: str, site: Site, undisturbed: dict[str, bytes]) -> None:
    """It stops at a step within the grace time, leaves its nodes to the other job and comes back."""
    job = site.submit(pictures(MANY), *TWO_NODES, "--launcher", launcher, "--sbatch=--exclusive")
    ranks = site.hold(job)
    other = site.bed.submit("#!/bin/bash\n:\n", site.folder / "other.log", "--partition=urgent",
                            "--nodes=2", "--exclusive")
    site.let_go_when_asked(job, ranks, 60)
    other.wait("COMPLETED", 60)
    went_back_once(site, job, undisturbed)
    assert "ended with 85" in job.said()


def went_back_once(site: Site, job: SlurmJob, undisturbed: dict[str, bytes]) -> None:
    job.wait("COMPLETED")
    assert job.restarts() == 1
    assert output_bytes(site.out) == undisturbed


def test_time_limit(site: Site, undisturbed: dict[str, bytes]) -> None:
    """Slurm looks at the time twice a minute, so the wish may come early."""
    job = site.submit(pictures(MANY), *TWO_NODES, "--time", "1", "--grace", "59")
    site.let_go_when_asked(job, site.hold(job), 75)
    job.wait("COMPLETED")
    assert job.restarts() >= 1  # on a busy machine a minute may not do for the rest either
    assert "ended with 85" in job.said()
    assert output_bytes(site.out) == undisturbed


def test_a_node_dies(site: Site, undisturbed: dict[str, bytes]) -> None:
    """With all that runs on it, the batch script too: Slurm starts the job on another one."""
    job = site.submit(pictures(MANY, "auto"))
    site.hold(job)
    node = job.told("BatchHost")
    site.bed.kill_node(node)
    try:
        went_back_once(site, job, undisturbed)
        assert job.told("BatchHost") != node
    finally:
        site.bed.start_node(node)
        site.bed.wait_for_nodes()


def test_srun_says_0_of_ranks_that_never_started(site: Site) -> None:
    """What a killed step left keeps PMIx from starting, and srun ends with 0."""
    for node in site.bed.nodes:
        left = f"spmix_appdir_{os.getuid()}_{site.bed.next_job_id()}.0"
        (site.bed.folder / "scratch" / node / left).mkdir()
    job = site.submit(pictures(2), *TWO_NODES).wait("FAILED", 60)
    assert job.told("ExitCode") == "75:0"
    assert "the ranks did not start" in job.said()
    assert "ended with 0: 0 of 2 samples" in job.said()


def test_each_replica_is_a_step(site: Site, undisturbed: dict[str, bytes]) -> None:
    job = site.submit(pictures(MANY), *TWO_NODES, "--replicas-as", "steps").wait("COMPLETED")
    assert job.said().count("layout: ") == 2
    assert output_bytes(site.out) == undisturbed


def test_each_replica_is_a_job_of_an_array(site: Site, undisturbed: dict[str, bytes]) -> None:
    site.submit(pictures(MANY), "--replicas-as", "array").wait("COMPLETED").wait_for_array(2)
    assert output_bytes(site.out) == undisturbed


def test_a_cancelled_job_stays_cancelled(site: Site) -> None:
    job = site.submit(pictures(MANY), *TWO_NODES)
    ranks = site.hold(job)
    site.bed.run("scancel", str(job.id))
    site.let_go_when_asked(job, ranks, 60)
    wait_until(lambda: site.bed.is_empty(), 60, job.said)
    assert job.told("JobState") == "CANCELLED" and job.restarts() == 0
    assert 0 < site.made() < MANY


def test_a_mistake_is_not_tried_again(site: Site) -> None:
    """Nor is it found before the ranks are: another job's folder."""
    site.submit(pictures(1), *TWO_NODES, "--set", "layout=auto").wait("COMPLETED")
    job = site.submit(pictures(2), *TWO_NODES).wait("FAILED", 60)
    assert job.told("ExitCode") == "78:0" and job.restarts() == 0


def test_tasks_that_mpi_does_not_know_of_each_other(site: Site) -> None:
    file = write_yaml(pictures(2), site.folder)
    done = site.bed.run("srun", "-N2", "-n2", "--mem=500", "--mpi=none", str(PROGRAM), "render",
                        str(file))
    assert done.returncode == 69
    assert "[launcher] 2 tasks of srun that MPI is not told of -> srun --mpi=pmix -> " in done.stderr
    assert site.made() == 0


class TestMistakes:
    """Told before anything is printed, in one line."""

    @pytest.mark.parametrize("arguments, says", [
        (["--nodes", "0"], "[--nodes] 0 -> a whole number from 1 to 65536 -> mistyped"),
        (["--time", "soon"], "[--time] soon -> minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S -> "),
        (["--replicas-as", "steps"], "[--replicas-as] steps or array -> --replicas N, or layout."),
        (["--sbatch=--no-requeue"], "[--sbatch] --no-requeue -> an option that the script does "),
        (["--launcher", "ssh"], "[command] --launcher: ssh not in"),
        (["--grace", "x"], "[command] "),
    ])
    def test_of_the_command(self, arguments: list[str], says: str, tmp_path: Path) -> None:
        printed = batch_script(write_yaml(pictures(2, "auto"), tmp_path), *arguments)
        assert printed.returncode == 64
        assert printed.stdout == ""
        assert says in printed.stderr and printed.stderr.count("\n") == 1

    def test_of_the_job(self, tmp_path: Path) -> None:
        printed = batch_script(write_yaml(pictures(2, {"replicas": 3}), tmp_path), "--nodes", "2")
        assert printed.returncode == 78 and printed.stdout == ""
        assert "[layout.replicas] 3" in printed.stderr
        missing = batch_script(tmp_path / "none.yaml")
        assert missing.returncode == 66 and missing.stdout == ""
