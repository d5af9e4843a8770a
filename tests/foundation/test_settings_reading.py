"""Settings files are read whole, and every fault is told with file, line, key and cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr

from foundation.settings import ConfigurationError, Fault, Part, Reader, Table


class Inner(Table):
    tag: Annotated[int, Field(ge=1, le=9, examples=[5])]
    mode: Literal["alpha", "beta"] = "alpha"


class Outer(Table):
    name: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 1
    flag: bool = False
    words: tuple[str, ...] = ()
    password: SecretStr | None = None
    key_file: str | None = None
    inner: Inner | None = None


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "main.toml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def reading(path: Path, **environment: str) -> Reader:
    return Reader(path, ("outer", "items"), prefix="TRY", environment=environment)


def faults_of(path: Path, **environment: str) -> list[str]:
    """Every fault of a file whose tables are `outer` and `items`, without its folder."""
    reader = reading(path, **environment)
    reader.table("outer").read(Outer)
    for part in reader.array("items"):
        part.read(Outer)
    with pytest.raises(ConfigurationError) as caught:
        reader.finish()
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]
    return str(caught.value).replace(f"{path.parent}/", "").splitlines()


def outer(path: Path, **environment: str) -> Outer:
    reader = reading(path, **environment)
    read = reader.table("outer").read(Outer)
    reader.finish()
    assert read is not None
    return read


def test_a_table_becomes_a_model_and_a_missing_table_its_defaults(write: Write) -> None:
    assert outer(write('[outer]\nport = 5\nwords = ["a", "b"]')) == Outer(port=5, words=("a", "b"))
    assert outer(write("")) == Outer()


def test_every_fault_is_told_at_once_with_its_line(write: Write) -> None:
    path = write(
        '[outer]\nport = 0\nflag = "yes"\nprot = 5\n[outer.inner]\nmode = "gamma"\n[outers]\nx = 1\n'
    )
    assert faults_of(path) == [
        "main.toml:2: outer.port: 0 will not do; give a whole number from 1 to 65535",
        'main.toml:3: outer.flag: "yes" is a text; give true or false',
        "main.toml:4: outer.prot: there is no such key; did you mean port?",
        "main.toml:5: outer.inner.tag: is missing; give a whole number from 1 to 9, such as 5",
        'main.toml:6: outer.inner.mode: "gamma" is not known here; one of "alpha", "beta"',
        "main.toml:7: outers: there is no such table; did you mean outer?",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('port = "1"', 'outer.port: "1" is a text; give a whole number from 1 to 65535'),
        ("port = 1.5", "outer.port: 1.5 is a number with decimals; give a whole number from 1 to 65535"),
        ("port = true", "outer.port: true is a truth value; give a whole number from 1 to 65535"),
        ("port = 2026-01-01", 'outer.port: "2026-01-01" is a date; give a whole number from 1 to 65535'),
        ("name = 5", "outer.name: 5 is a number; give a text in quotes"),
        ("flag = 1", "outer.flag: 1 is a number; give true or false"),
        ('words = "a"', 'outer.words: "a" is a text; give a list of texts in quotes'),
        ("words = [1]", "outer.words[0]: 1 is a number; give a text in quotes"),
        ("inner = 3", "outer.inner: 3 is a number; give a table"),
        ("zzzzzz = 3", "outer.zzzzzz: there is no such key; the keys here are flag, inner, key_file, name, "),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_the_right_kind(write: Write, line: str, told: str) -> None:
    (fault,) = faults_of(write(f"[outer]\n{line}\n"))
    assert fault.startswith(f"main.toml:2: {told}")


def test_entries_of_an_array_are_called_by_name_else_by_place(write: Write) -> None:
    path = write(
        '[[items]]\nname = "first"\nport = 0\n[[items]]\nport = 0\n[[items]]\nname = "c"\ninner.tag = 99\n'
    )
    assert faults_of(path) == [
        "main.toml:3: items[first].port: 0 will not do; give a whole number from 1 to 65535",
        "main.toml:5: items[1].port: 0 will not do; give a whole number from 1 to 65535",
        "main.toml:8: items[c].inner.tag: 99 will not do; give a whole number from 1 to 9, such as 5",
    ]


def test_broken_toml_is_told_with_line_and_column(write: Write) -> None:
    with pytest.raises(ConfigurationError) as caught:
        reading(write("[outer]\nport = = 5\n"))
    (fault,) = caught.value.faults
    assert (fault.line, fault.wrong) == (2, "this is not TOML at line 2, column 8: Invalid value")


def test_toml_broken_at_its_end_names_the_last_line(write: Write) -> None:
    with pytest.raises(ConfigurationError, match="not TOML at line 2"):
        reading(write('[outer]\nname = "'))


@pytest.mark.parametrize(("content", "told"), [(None, "there is no file"), (b"\xff", "is not UTF-8")])
def test_a_main_file_that_cannot_be_read_is_told_plainly(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "main.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        reading(path)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        reading(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("outer = 5", "main.toml:1: outer: is not a table; write [outer] on a line of its own"),
        ("[items]\nx = 1", "main.toml:1: items: is not a list of tables; write [[items]] above each entry"),
    ],
)
def test_a_table_and_a_list_of_tables_are_not_confused(write: Write, text: str, told: str) -> None:
    assert faults_of(write(text)) == [told]


class TestEntriesInFilesOfTheirOwn:
    def test_the_entry_goes_before_its_file(self, write: Write) -> None:
        write('name = "x"\nport = 7\n[inner]\ntag = 3\n', "more/x.toml")
        reader = reading(write('[[items]]\nfile = "more/x.toml"\nport = 8\ninner.mode = "beta"\n'))
        (part,) = reader.array("items")
        assert part.read(Outer) == Outer(name="x", port=8, inner=Inner(tag=3, mode="beta"))

    def test_faults_are_told_where_they_stand(self, write: Write) -> None:
        write('name = "x"\nport = 0\n[inner]\ntag = 3\n', "more/x.toml")
        path = write('[[items]]\nfile = "more/x.toml"\ninner.mode = "c"\n')
        assert faults_of(path) == [
            'main.toml:3: items[0].inner.mode: "c" is not known here; one of "alpha", "beta"',
            "more/x.toml:2: port: 0 will not do; give a whole number from 1 to 65535",
        ]

    def test_a_key_missing_from_both_is_told_where_the_entry_has_keys_of_its_own(self, write: Write) -> None:
        write("[inner]\n", "x.toml")
        write('name = "y"\n', "y.toml")
        path = write('[[items]]\nfile = "x.toml"\nport = 2\n[[items]]\nfile = "y.toml"\n[items.inner]\n')
        assert faults_of(path) == [
            "main.toml:6: items[1].inner.tag: is missing; give a whole number from 1 to 9, such as 5",
            "x.toml:1: inner.tag: is missing; give a whole number from 1 to 9, such as 5",
        ]

    def test_a_file_that_is_not_there_is_told_at_its_key(self, write: Write) -> None:
        path = write('[[items]]\nfile = "gone.toml"\n[[items]]\nfile = 5\n')
        assert faults_of(path) == [
            f"main.toml:2: items[0].file: there is no file {path.parent / 'gone.toml'}; give the path of a "
            "settings file".replace(f"{path.parent}/", ""),
            "main.toml:4: items[1].file: is not a text; give a path in quotes",
        ]

    def test_broken_files_are_all_told(self, write: Write) -> None:
        write("a = ", "a.toml")
        write("b = ", "b.toml")
        path = write('[[items]]\nfile = "a.toml"\n[[items]]\nfile = "b.toml"\n')
        assert [fault.split(":")[0] for fault in faults_of(path)] == ["a.toml", "b.toml"]


class TestSecrets:
    def test_a_secret_comes_from_a_file_beside_the_settings_without_its_line_end(self, write: Write) -> None:
        write("hush\n", "secrets/one")
        read = outer(write('[outer]\npassword_file = "secrets/one"\n'))
        assert read.password is not None
        assert read.password.get_secret_value() == "hush"
        assert "hush" not in repr(read)

    def test_a_secret_comes_from_systemds_credentials(self, write: Write, tmp_path: Path) -> None:
        write("hush", "credentials/one")
        path = write('[outer]\npassword_file = "${CREDENTIALS_DIRECTORY}/one"\n')
        read = outer(path, CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))
        assert read.password == SecretStr("hush")

    def test_credentials_without_systemd_are_told(self, write: Write) -> None:
        (fault,) = faults_of(write('[outer]\npassword_file = "${CREDENTIALS_DIRECTORY}/one"\n'))
        assert fault == (
            "main.toml:2: outer.password_file: the environment has no CREDENTIALS_DIRECTORY; "
            "systemd sets it where the unit has LoadCredential="
        )

    @pytest.mark.parametrize("mode", [0o604, 0o644])
    def test_a_secret_that_everybody_may_read_is_warned_of(self, write: Write, mode: int) -> None:
        secret = write("hush", "one", mode)
        reader = reading(write('[outer]\npassword_file = "one"\n'))
        assert reader.table("outer").read(Outer) is not None
        (warning,) = reader.finish()
        assert (warning.key, warning.right) == ("outer.password_file", f"chmod 600 {secret}")
        assert "can be read by everybody" in warning.wrong

    def test_a_secret_of_its_owner_alone_is_not_warned_of(self, write: Write) -> None:
        write("hush", "one", 0o640)
        reader = reading(write('[outer]\npassword_file = "one"\n'))
        reader.table("outer").read(Outer)
        assert reader.finish() == ()

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ('password_file = "gone"', "cannot be read (No such file or directory)"),
            ('password_file = "empty"', "is empty; write the secret in it"),
            ('password_file = ""', "is empty; give the path of a file"),
            ('password_file = "binary"', "is not UTF-8"),
            ('password_file = "one"\npassword = "x"', "password is given too; keep one of the two"),
            ('key_file = "gone"', "cannot be read (No such file or directory)"),
        ],
    )
    def test_a_file_that_will_not_do_is_told(self, write: Write, line: str, told: str) -> None:
        write("hush", "one")
        write("\n", "empty")
        path = write(f"[outer]\n{line}\n")
        (path.parent / "binary").write_bytes(b"\xff\xfe")
        (fault,) = faults_of(path)
        assert told in fault

    def test_a_secret_of_the_wrong_kind_is_not_shown(self, write: Write) -> None:
        (fault,) = faults_of(write("[outer]\npassword = 12345\n"))
        assert fault == "main.toml:2: outer.password: the secret is a number; give a text in quotes"

    def test_other_files_become_whole_paths(self, write: Write) -> None:
        key = write("key", "keys/one.pem")
        assert outer(write('[outer]\nkey_file = "keys/one.pem"\n')).key_file == str(key)

    def test_a_secret_in_the_settings_is_known_as_such(self, write: Write) -> None:
        part = reading(write('[outer]\npassword = "hush"\n')).table("outer")
        assert part.secrets_in_plain == [("password",)]


class TestEnvironment:
    def test_variables_lie_over_the_file(self, write: Write) -> None:
        path = write('[outer]\nport = 5\nname = "file"\n[outer.inner]\ntag = 2\n')
        read = outer(path, TRY_OUTER__PORT="6", TRY_OUTER__INNER__TAG="3", TRY_OUTER__WORDS='["x"]')
        assert read == Outer(name="file", port=6, inner=Inner(tag=3), words=("x",))

    def test_variables_stand_for_tables_that_the_file_lacks(self, write: Write) -> None:
        assert outer(write(""), TRY_OUTER__FLAG="true", TRY_OUTER__NAME="some name").name == "some name"

    def test_a_secret_is_text_whatever_it_looks_like_and_goes_before_the_file(self, write: Write) -> None:
        path = write('[outer]\npassword = "file"\n')
        assert outer(path, TRY_OUTER__PASSWORD="12345").password == SecretStr("12345")
        path = write('[outer]\npassword_file = "gone"\n')
        assert outer(path, TRY_OUTER__PASSWORD="12345").password == SecretStr("12345")

    def test_an_entry_is_named_by_its_name(self, write: Write) -> None:
        path = write('[[items]]\nname = "a-b"\n[[items]]\nname = "c"\n')
        reader = reading(path, TRY_ITEMS__A_B__PORT="9")
        assert [part.read(Outer) for part in reader.array("items")] == [
            Outer(name="a-b", port=9),
            Outer(name="c"),
        ]

    def test_faults_in_variables_are_told_as_the_environments(self, write: Write) -> None:
        path = write('[[items]]\nname = "a"\n')
        assert faults_of(path, TRY_ITEMS__A__PORT="0", TRY_ITEMS__B__PORT="1", TRY_OUTTER__X="1") == [
            "the environment: TRY_OUTTER__X: names no table of the settings; the tables are outer, items",
            "the environment: items.b: no entry of items has this name; mend the variable's name",
            "the environment: items.a.port: 0 will not do; give a whole number from 1 to 65535",
        ]

    def test_variables_without_a_table_are_somebody_elses(self, write: Write) -> None:
        assert outer(write(""), TRY_CONFIG="x", OTHER_OUTER__PORT="0") == Outer()


def test_the_same_fault_is_told_once(write: Write) -> None:
    reader = reading(write(""))
    part: Part = reader.table("outer")
    part.fault(("port",), "wrong", "right")
    part.fault(("port",), "wrong", "right")
    with pytest.raises(ConfigurationError) as caught:
        reader.finish()
    assert caught.value.faults == (Fault(str(reader.main.path), "outer.port", "wrong", "right"),)


def test_models_are_frozen_and_refuse_conversions() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer().port = 2  # type: ignore[misc]
    with pytest.raises(ValueError, match="valid integer"):
        Outer(port="2")  # type: ignore[arg-type]
