"""uv is given what pip is set to."""

from environments.builder import pip_settings

LISTED = """\
:env:.cert='/certificates.pem'
:env:.find-links='/wheels'
global.cert='/another.pem'
global.constraint='/caps.txt'
global.extra-index-url='file:///one/simple https://two.example/simple'
install.index-url='https://mirror.example/simple'
freeze.timeout='3'
"""


def flags(config, environ=None):
    return pip_settings.for_uv(config, environ or {}).flags[2:]


def test_a_variable_wins_over_install_and_that_over_all_commands():
    config = pip_settings.parse("global.x='1'\n:env:.x='3'\ninstall.x='2'\ninstall.y='2'\n")
    assert config == {"x": "3", "y": "2"}


def test_settings_of_other_commands_are_left_out():
    assert "timeout" not in pip_settings.parse(LISTED)


def test_every_index_and_folder_becomes_a_flag():
    assert flags(pip_settings.parse(LISTED)) == [
        *("--index-url", "https://mirror.example/simple"),
        *("--extra-index-url", "https://two.example/simple"),
        *("--find-links", "/wheels"),
        *("--constraint", "/caps.txt"),
    ]


def test_an_index_on_the_disk_is_left_to_pip():
    settings = pip_settings.for_uv(pip_settings.parse(LISTED), {})
    assert settings.left_out == ["file:///one/simple"]


def test_values_on_lines_of_their_own_are_as_many_values():
    assert flags({"find-links": "\n/one\n/two"}) == ["--find-links", "/one", "--find-links", "/two"]


def test_the_best_version_of_all_indexes_is_taken_as_pip_does():
    chosen = pip_settings.for_uv({}, {}).flags
    assert chosen == ["--index-strategy", "unsafe-best-match"]


def test_certificates_proxy_and_time_limit_become_variables():
    config = {"cert": "/c.pem", "proxy": "http://proxy:1", "default-timeout": "180"}
    assert pip_settings.for_uv(config, {}).variables == {
        "SSL_CERT_FILE": "/c.pem",
        "ALL_PROXY": "http://proxy:1",
        "UV_HTTP_TIMEOUT": "180",
    }


def test_what_uv_is_told_by_its_own_variables_wins():
    environ = {"UV_INDEX_URL": "https://own.example", "SSL_CERT_FILE": "/own.pem"}
    config = {"index-url": "https://mirror.example", "cert": "/c.pem"}
    settings = pip_settings.for_uv(config, environ)
    assert "--index-url" not in settings.flags
    assert settings.variables == {}


def test_pip_without_an_index_is_uv_without_one():
    assert flags({"no-index": "true"}) == ["--no-index"]
    assert flags({"no-index": "false"}) == []


def test_a_variable_of_pip_is_read():
    assert pip_settings.read({"PIP_FIND_LINKS": "/wheels"})["find-links"] == "/wheels"


def test_without_pip_its_variables_count_still(monkeypatch):
    monkeypatch.setattr(pip_settings.importlib.util, "find_spec", lambda name: None)
    assert pip_settings.read({"PIP_INDEX_URL": "u", "HOME": "/"}) == {"index-url": "u"}
