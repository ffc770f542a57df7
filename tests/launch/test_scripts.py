"""launch/setup, launch/quickstart and tests/run: they do only what is missing, come back from
whatever broke them off, and say in one line what cannot be had."""

import os
import shutil
import signal
import time

import pytest
from script_tree import ScriptTree


def test_first_run_does_all_and_second_nothing(tree: ScriptTree) -> None:
    tree.missing("g++", "cmake")
    first = tree.run("launch/setup")
    assert first.code == 0, first.output
    assert "Installing packages: g++ cmake" in first
    assert "== Ready: build/trireme" in first
    assert [call.split()[0] for call in tree.calls()] == [
        "apt-get", "apt-get", "python3", "pip", "cmake", "configure", "cmake", "cmake", "compile"]

    second = tree.run("launch/setup")
    assert second.output == "== Ready: build/trireme\n"
    assert tree.calls() == ["cmake --build build --target trireme -- -n"]


def test_build_without_tests_needs_none_of_their_packages(tree: ScriptTree) -> None:
    tree.missing("libgtest-dev", "clang")
    assert tree.run("launch/setup").code == 0
    calls = tree.calls()
    assert "cmake --fresh --preset release -DTRIREME_TESTS=OFF" in calls
    assert not any("apt-get" in call or "tests/requirements.txt" in call for call in calls)


def test_tests_asked_for_later_are_added(tree: ScriptTree) -> None:
    tree.run("launch/setup")
    tree.calls()
    assert tree.run("launch/setup", "--tests").code == 0
    calls = tree.calls()
    assert any("-r requirements.txt -r tests/requirements.txt" in call for call in calls)
    assert "cmake --fresh --preset release -DTRIREME_TESTS=ON" in calls
    # ... and stay: without --tests nothing is to be done.
    assert tree.run("launch/setup").output == "== Ready: build/trireme\n"


def test_unknown_argument(tree: ScriptTree) -> None:
    ended = tree.run("launch/setup", "--test")
    assert ended.code == 1
    assert ended.output.startswith("[setup] --test -> --tests, --no-packages or nothing")


class TestPackages:
    def test_a_plain_user_who_has_them_needs_no_sudo(self, tree: ScriptTree) -> None:
        assert tree.run("launch/setup", plain_user=True).code == 0
        assert not any("sudo" in call for call in tree.calls())

    def test_a_plain_user_is_told_what_to_ask_for(self, tree: ScriptTree) -> None:
        tree.missing("cmake", "libfmt-dev")
        ended = tree.run("launch/setup", plain_user=True)
        assert ended.code == 1
        assert ended.output == ("[setup] not root, and packages are missing -> have them installed: "
                                "sudo apt-get install cmake libfmt-dev\n")

    def test_no_apt(self, tree: ScriptTree) -> None:
        tree.missing("cmake")
        (tree.root / "stand_ins/apt-get").unlink()
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert "[setup] no apt-get -> Debian 12 -> elsewhere install the likes of cmake" in ended
        assert tree.run("launch/setup", "--no-packages").code == 0

    def test_no_network(self, tree: ScriptTree) -> None:
        tree.missing("cmake")
        tree.stand_in("apt-get", "echo 'E: Failed to fetch http://deb.debian.org' >&2; exit 100")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert "E: Failed to fetch" in ended
        assert "[setup] apt-get install failed -> a network, disk space" in ended.output.splitlines()[-1]

    def test_stale_lists_may_do(self, tree: ScriptTree) -> None:
        tree.missing("cmake")
        tree.stand_in("apt-get", "[[ $* == *install* ]]")
        ended = tree.run("launch/setup")
        assert ended.code == 0
        assert "trying with the package lists that are there" in ended

    @pytest.mark.parametrize("tool", ["g++", "cmake", "ninja", "python3", "mpirun"])
    def test_no_tool(self, tree: ScriptTree, tool: str) -> None:
        (tree.root / "stand_ins" / tool).unlink()
        ended = tree.run("launch/setup", "--no-packages")
        assert ended.code == 1
        assert ended.output.startswith(f"[setup] no {tool} on the PATH -> a C++20 compiler")

    def test_another_compiler(self, tree: ScriptTree) -> None:
        (tree.root / "stand_ins/g++").rename(tree.root / "stand_ins/clang++")
        assert tree.run("launch/setup", "--no-packages", CXX="clang++").code == 0


class TestPython:
    def test_a_changed_requirement_is_installed(self, tree: ScriptTree) -> None:
        tree.run("launch/setup")
        tree.calls()
        (tree.root / "requirements.txt").write_text("torch==2.11.1\n")
        tree.run("launch/setup")
        assert [call for call in tree.calls() if call.startswith("pip")] == [
            "pip install --quiet --disable-pip-version-check -r requirements.txt"]

    def test_no_disk(self, tree: ScriptTree) -> None:
        tree.stand_in("df", "printf 'Avail\\n  4000\\n'")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert ended.output == (f"[setup] 3 GB of disk are free in {tree.root} -> 9 GB for torch -> "
                                "free some, or clone to a larger disk\n")
        assert not (tree.root / ".venv").exists()

    def test_no_network(self, tree: ScriptTree) -> None:
        tree.stand_in("pip", "echo 'ERROR: No matching distribution found for torch' >&2; exit 1")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert "ERROR: No matching distribution" in ended
        assert "[setup] pip install failed -> a network, disk space, Python 3.10" in ended
        # What pip could not do it undid: the environment is gone on with.
        tree.calls()
        tree.stand_in("pip", "")
        assert tree.run("launch/setup").code == 0
        assert not any(call.startswith("python3 -m venv") for call in tree.calls())

    def test_no_ensurepip(self, tree: ScriptTree) -> None:
        tree.stand_in("python3", "echo 'ensurepip is not available'; exit 1")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert "[setup] python3 -m venv failed -> Python's venv and ensurepip" in ended

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_a_killed_pip_leaves_nothing_that_is_taken_for_whole(self, tree: ScriptTree,
                                                                 how: signal.Signals) -> None:
        # pip ends an interrupt in its own way, with an exit code like any other.
        tree.stand_in("pip", "trap 'exit 1' INT; touch .venv/half; while :; do sleep 0.05; done")
        process = tree.start("launch/setup")
        wait_for(tree.root / ".venv/half")
        os.killpg(process.pid, how)
        assert tree.end_of(process).code in (-how, 130)

        tree.stand_in("pip", "")
        ended = tree.run("launch/setup")
        assert ended.code == 0
        assert "Making .venv anew: an earlier setup did not come to its end" in ended
        assert not (tree.root / ".venv/half").exists()


class TestBuild:
    def test_a_failed_configure_is_done_again(self, tree: ScriptTree) -> None:
        tree.stand_in("configure", """
            mkdir -p build
            echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >build/CMakeCache.txt
            echo '-- The CXX compiler identification is GNU 12.2.0'
            echo 'CMake Error at cmake/Libraries.cmake:28 (find_package):'
            echo '  Could not find a package configuration file provided by "CLI11"'
            exit 1""")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert ended.output.splitlines()[-3:] == [
            "CMake Error at cmake/Libraries.cmake:28 (find_package):",
            '  Could not find a package configuration file provided by "CLI11"',
            "[setup] cmake failed -> build.log has all of it"]
        tree.calls()
        tree.run("launch/setup")
        assert any(call.startswith("configure") for call in tree.calls())

    def test_the_first_error_of_a_compiler_is_shown(self, tree: ScriptTree) -> None:
        tree.stand_in("compile", """
            echo '[1/9] Building CXX object parallel/error.h.dir/Error.cpp.o'
            echo 'FAILED: src/vae/decoder.cpp.o'
            echo 'c++ -Werror=return-type -I. -c src/vae/decoder.cpp parallel/error.h'
            echo "src/vae/decoder.cpp:12:3: error: 'halo' was not declared in this scope"
            echo '   12 |   halo(x);'
            exit 1""")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert ended.output.splitlines()[-3:] == [
            "src/vae/decoder.cpp:12:3: error: 'halo' was not declared in this scope",
            "   12 |   halo(x);",
            "[setup] the build failed -> build.log has all of it"]
        assert "parallel/error.h" not in ended
        assert "[1/9]" in (tree.root / "build.log").read_text()

    @pytest.mark.parametrize(("said", "cause"), [
        ("c++: fatal error: Killed signal terminated program cc1plus",
         "memory ran out; try CMAKE_BUILD_PARALLEL_LEVEL=1"),
        ("fatal error: error writing to x.s: No space left on device", "the disk is full"),
    ])
    def test_a_machine_too_small(self, tree: ScriptTree, said: str, cause: str) -> None:
        tree.stand_in("compile", f"echo '{said}'; exit 1")
        ended = tree.run("launch/setup")
        assert ended.code == 1
        assert said in ended
        assert ended.output.splitlines()[-1].startswith(f"[setup] the build failed -> {cause}")

    def test_no_disk(self, tree: ScriptTree) -> None:
        tree.run("launch/setup")
        shutil.rmtree(tree.root / "build")
        tree.stand_in("df", "printf 'Avail\\n  2000\\n'")
        assert "1 GB of disk are free" in tree.run("launch/setup")

    def test_another_preset(self, tree: ScriptTree) -> None:
        tree.run("launch/setup")
        tree.calls()
        tree.run("launch/setup", TRIREME_PRESET="ci")
        assert "cmake --fresh --preset ci -DTRIREME_TESTS=OFF" in tree.calls()
        # Who names none keeps what is there.
        tree.run("launch/setup")
        assert not any("--preset" in call for call in tree.calls())

    def test_a_tree_configured_by_hand_is_kept(self, tree: ScriptTree) -> None:
        tree.run("launch/setup", "--tests")
        (tree.root / "build/preset").unlink()
        tree.calls()
        assert tree.run("launch/setup", "--tests").code == 0
        assert not any("--preset" in call for call in tree.calls())

    def test_a_moved_tree_is_configured_again(self, tree: ScriptTree) -> None:
        tree.run("launch/setup")
        cache = tree.root / "build/CMakeCache.txt"
        cache.write_text(cache.read_text().replace(str(tree.root), "/somewhere/else"))
        tree.calls()
        tree.run("launch/setup")
        assert "cmake --fresh --preset release -DTRIREME_TESTS=OFF" in tree.calls()

    def test_a_build_of_another_user(self, tree: ScriptTree) -> None:
        tree.run("launch/setup")
        (tree.root / "build").chmod(0o555)
        assert tree.run("launch/setup", plain_user=True).code == 0  # there is nothing to do

        (tree.root / "build/built").unlink()
        ended = tree.run("launch/setup", plain_user=True)
        (tree.root / "build").chmod(0o755)
        assert ended.code == 1
        assert ended.output.startswith("[setup] build belongs to ")


def test_two_setups_at_once(tree: ScriptTree) -> None:
    tree.stand_in("pip", "touch state/pip; while [[ ! -e state/go ]]; do sleep 0.05; done")
    first = tree.start("launch/setup")
    wait_for(tree.root / "state/pip")
    second = tree.start("launch/setup")
    time.sleep(0.5)
    assert second.poll() is None
    (tree.root / "state/go").touch()
    assert tree.end_of(first).code == 0
    ended = tree.end_of(second)
    assert ended.output == ("== Another setup is at work in this folder: waiting for its end\n"
                            "== Ready: build/trireme\n")
    assert len([call for call in tree.calls() if call.startswith("pip")]) == 1


class TestQuickstart:
    def test_pictures(self, tree: ScriptTree) -> None:
        ended = tree.run("launch/quickstart")
        assert ended.code == 0, ended.output
        assert "== mpirun --oversubscribe --bind-to none -n 2 build/trireme render" in ended
        assert ended.output.endswith("== The pictures:\ndemo/out/sd3/00000000.png\n")

    def test_a_failed_job_ends_it(self, tree: ScriptTree) -> None:
        tree.stand_in("mpirun", "echo '[out] the disk is full' >&2; exit 74")
        ended = tree.run("launch/quickstart")
        assert ended.code == 74
        assert "== The pictures:" not in ended

    def test_a_failed_setup_ends_it(self, tree: ScriptTree) -> None:
        tree.stand_in("compile", "exit 1")
        assert tree.run("launch/quickstart").code == 1
        assert not any(call.startswith("mpirun") for call in tree.calls())


class TestTestsRun:
    @pytest.fixture(autouse=True)
    def suites(self, tree: ScriptTree) -> None:
        tree.stand_in("ctest", "")
        tree.stand_in("fuzz", "")
        shutil.copy(tree.root / "stand_ins/fuzz", tree.root / "tests/fuzz")

    def test_all_pass(self, tree: ScriptTree) -> None:
        ended = tree.run("tests/run")
        assert ended.code == 0, ended.output
        assert ended.output.endswith("== All tests passed\n")
        calls = tree.calls()
        assert "ctest --test-dir build --output-on-failure --no-tests=error" in calls
        assert "fuzz " in calls

    def test_a_failure_hides_no_other_suite(self, tree: ScriptTree) -> None:
        tree.stand_in("ctest", "exit 8")
        ended = tree.run("tests/run")
        assert ended.code == 1
        assert ended.output.endswith("[tests] failed: C++ tests; the lines above say what\n")
        assert "fuzz " in tree.calls()


def wait_for(path: os.PathLike[str], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not os.path.exists(path):
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)
