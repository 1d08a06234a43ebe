"""A build is done once, is repaired after anything that ended it, and fails in one line."""

import pytest

from environments.builder import bootstrap, environment, machine
from environments.builder.installer import Failed


class Installers:
    """Stands for uv and pip: ``events`` is what was asked of them, ``faults`` what goes wrong."""

    def __init__(self):
        self.events = []
        self.faults = {}
        self.has_every_index = True

    def made(self, name):
        installers = self

        class Installer:
            def __init__(self, folder, log, program=None):
                self.folder = folder
                self.has_every_index = installers.has_every_index

            def create(self, python):
                installers.events.append(f"{name} create")
                (self.folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)

            def prefer_cpu_torch(self, pins):
                installers.events.append(f"{name} prefers a CPU build of {pins}")

            def install(self, *arguments):
                installers.events.append(f"{name} install {arguments[0]}")
                if name in installers.faults:
                    raise installers.faults.pop(name)

            def install_project(self, project):
                installers.events.append(f"{name} project")

        return Installer


@pytest.fixture
def installers(monkeypatch, tmp_path):
    made = Installers()
    monkeypatch.setattr(environment, "Uv", made.made("uv"))
    monkeypatch.setattr(environment, "Pip", made.made("pip"))
    monkeypatch.setattr(bootstrap, "uv", lambda envs: tmp_path / "uv")
    monkeypatch.setattr(environment, "_has", lambda python, module: module == "ensurepip")
    monkeypatch.setattr(machine, "python_of_the_version", lambda: tmp_path / "python3.11")
    return made


def fails(name, envs):
    with pytest.raises(SystemExit) as stopped:
        environment.build(name, envs)
    return str(stopped.value)


def test_an_environment_is_built_once(installers, tmp_path):
    python = environment.build("soak", tmp_path)
    assert python == tmp_path / "soak" / "bin" / "python"
    assert installers.events == [
        "uv create",
        "uv prefers a CPU build of []",
        "uv install -r",
        "uv project",
    ]
    installers.events.clear()
    environment.build("soak", tmp_path)
    assert installers.events == []


def test_a_changed_list_is_a_new_build_from_nothing(installers, tmp_path):
    environment.build("soak", tmp_path)
    (tmp_path / "soak" / "packages.stamp").write_text("another list")
    (tmp_path / "soak" / "left over").touch()
    environment.build("soak", tmp_path)
    assert installers.events.count("uv create") == 2
    assert not (tmp_path / "soak" / "left over").exists()


def test_what_was_killed_half_way_is_built_anew(installers, tmp_path):
    (tmp_path / "soak" / "lib" / "half").mkdir(parents=True)
    environment.build("soak", tmp_path)
    assert not (tmp_path / "soak" / "lib" / "half").exists()
    assert (tmp_path / "soak" / "project.stamp").exists()


def test_an_interrupt_leaves_nothing_and_the_next_run_builds(installers, tmp_path):
    installers.faults["uv"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        environment.build("soak", tmp_path)
    assert not (tmp_path / "soak").exists()
    environment.build("soak", tmp_path)
    assert (tmp_path / "soak" / "project.stamp").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(installers, tmp_path):
    installers.faults["uv"] = Failed("error: failed to copy: No space left on device (os error 28)")
    assert "the disk is full; free some and run it again" in fails("soak", tmp_path)
    assert not (tmp_path / "soak").exists()
    assert "pip create" not in installers.events


def test_no_network_names_the_package_and_leaves_nothing(installers, tmp_path):
    installers.faults["uv"] = Failed(
        "  cause: Failed to fetch: https://index.example/simple/locust/\n  cause: dns error"
    )
    line = fails("soak", tmp_path)
    assert "no network: locust could not be had" in line
    assert "\n" not in line
    assert not (tmp_path / "soak").exists()
    assert "pip create" not in installers.events


def test_an_index_that_only_pip_has_is_asked_where_there_is_no_network(installers, tmp_path):
    installers.faults["uv"] = Failed("  cause: dns error")
    installers.has_every_index = False
    environment.build("soak", tmp_path)
    assert "pip install -r" in installers.events


def test_where_uv_fails_otherwise_pip_builds_from_nothing(installers, tmp_path, capsys):
    installers.faults["uv"] = Failed("error: a fault of uv")
    environment.build("soak", tmp_path)
    assert "pip install -r" in installers.events
    assert "uv failed (error: a fault of uv); once more with pip" in capsys.readouterr().err


def test_where_pip_fails_too_its_error_is_the_line(installers, tmp_path):
    installers.faults = {"uv": Failed("error: one"), "pip": Failed("ERROR: two")}
    assert "soak: ERROR: two (the log: " in fails("soak", tmp_path)
    assert not (tmp_path / "soak").exists()


def test_without_uv_pip_builds(installers, tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "uv", lambda envs: None)
    environment.build("soak", tmp_path)
    assert [event for event in installers.events if event.startswith("uv")] == []


def test_a_complete_list_is_not_resolved_but_for_torch(installers, tmp_path, monkeypatch):
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    environment.build("vllm", tmp_path)
    assert installers.events[1:4] == [
        "uv prefers a CPU build of ['torch==2.13.0']",
        "uv install torch==2.13.0",
        "uv install --no-deps",
    ]


@pytest.mark.parametrize(
    ("system", "kind", "found"),
    [("Darwin", "arm64", "macOS on arm64"), ("Linux", "aarch64", "Linux on aarch64")],
)
def test_an_engine_is_refused_elsewhere_before_anything_is_asked_for(
    installers, tmp_path, monkeypatch, system, kind, found
):
    monkeypatch.setattr(machine.platform, "system", lambda: system)
    monkeypatch.setattr(machine.platform, "machine", lambda: kind)
    assert f"vllm: found {found}, expected Linux on x86-64" in fails("vllm", tmp_path)
    assert installers.events == []
    environment.build("core", tmp_path)


def test_without_a_python_3_11_uv_makes_the_environment_of_its_own(
    installers, tmp_path, monkeypatch
):
    monkeypatch.setattr(machine, "python_of_the_version", lambda: None)
    environment.build("soak", tmp_path)
    assert installers.events[0] == "uv create"


def test_without_a_python_3_11_and_uv_one_line_says_what_to_install(
    installers, tmp_path, monkeypatch
):
    monkeypatch.setattr(machine, "python_of_the_version", lambda: None)
    monkeypatch.setattr(bootstrap, "uv", lambda envs: None)
    line = fails("soak", tmp_path)
    assert "found no Python 3.11 and no uv" in line
    assert "install python3.11" in line
    assert installers.events == []


def test_a_debian_without_venv_is_told_which_package_it_lacks(installers, tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "uv", lambda envs: None)
    monkeypatch.setattr(environment, "_has", lambda python, module: False)
    assert "install python3-venv (Debian), or uv" in fails("soak", tmp_path)
    assert installers.events == []
