"""The gateway's settings: what the shipped files say, and what `load` refuses, each with its cure."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from foundation.contract import Reason
from foundation.settings import ConfigurationError, Fault
from foundation.settings_tables import TlsSettings
from smsd.codewords import Codeword, Function
from smsd.settings import Limits, Operator, Price, Settings, load
from smsd.settings_operators import OUTCOMES

CONFIG = Path(__file__).parents[2] / "config"
MAIN = "smsd.toml"
ORG1 = "organisations/org1.toml"
ORG2 = "organisations/org2.toml"
Edit = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped configuration."""
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, str]:
    """An environment such as systemd makes it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("telco", "mobilia", "mqtt"):
        (folder / f"{name}.password").write_text("hush")
        (folder / f"{name}.password").chmod(0o400)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


@pytest.fixture
def faults(folder: Path) -> Edit:
    """Replaces a text in one of the files, and returns every fault then told, without line numbers."""

    def edit(old: str, new: str, file: str = MAIN) -> list[str]:
        path = folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(ConfigurationError) as caught:
            load(folder / MAIN, {})
        told = str(caught.value).replace(f"{folder}/", "").replace("organisations/", "")
        return re.sub(r"^([\w.]+):\d+: ", r"\1: ", told, flags=re.MULTILINE).splitlines()

    return edit


def edited(folder: Path, old: str, new: str, file: str = MAIN) -> Settings:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return load(folder / MAIN, {})


def operator(**more: object) -> Operator:
    values = {"name": "o", "host": "h", "port": 1, "system_id": "s", "password": SecretStr("p"), **more}
    return Operator.model_validate(values)


class TestTheShippedFiles:
    def test_the_working_default_says_what_it_is_known_to_say(self) -> None:
        read = load(CONFIG / MAIN, {})
        telco = read.operator("telco")
        assert read.warnings == ()
        assert read.store.url == "sqlite:///var/smsd.db"
        assert read.bridge is not None
        assert read.bridge.store == "sqlite:///var/billing.db"
        assert (read.handoff.carrier, read.handoff.name, read.runs_bridge) == ("local", "smsd", True)
        assert (read.web.listen, read.metrics.listen) == ("127.0.0.1:8030", "127.0.0.1:9030")
        assert telco is not None
        assert (telco.host, telco.port, telco.tls, telco.system_id) == ("127.0.0.1", 2775, None, "smsd")
        assert (telco.bind, telco.binds, telco.window, telco.rate) == ("transceiver", 1, 10, 100)
        assert (telco.enquire_link_s, telco.response_timeout_s) == (20, 60)
        assert (telco.data_coding_default, telco.message_id) == ("gsm7", "opaque")
        assert telco.price == Price(carrier="tlv", tag=0x1403, type="c-octet", unit="ore", max_kr=1000)
        assert telco.outcomes == {"0021": "no_credit", "0022": "premium_barred"}
        assert [code.number for code in read.short_codes] == ["2030"]
        assert read.operators_of("2030") == (telco,)
        assert read.operators_of("2031") == ()
        assert read.limits == Limits()
        assert [each.org for each in read.organisations] == ["ORG1", "ORG2", "ORG3"]
        org1 = read.organisation("ORG1")
        assert org1 is not None
        assert (org1.name, org1.language, org1.site) == ("Organisasjon1", "nn", "https://org1.hypersys.no")
        assert read.organisation("ORG9") is None
        assert read.codewords("2030")[0] == Codeword(
            org="ORG1", join=Function.JOIN, subcodewords={"BETAL": Function.PAY, "MEDLEM": Function.STATUS}
        )
        assert read.codewords("2030")[1].join is Function.JOIN_AND_PAY

    def test_the_production_example_holds_under_systemd(self, credentials: dict[str, str]) -> None:
        read = load(CONFIG / "production.example.toml", credentials)
        assert read.warnings == ()
        assert (read.handoff.carrier, read.bridge, read.runs_bridge) == ("mqtt", None, False)
        assert read.handoff.mqtt is not None
        assert read.handoff.mqtt.password == SecretStr("hush")
        assert [(each.name, each.price.carrier) for each in read.operators] == [
            ("telco", "tlv"),
            ("mobilia", "service_type"),
        ]
        mobilia = read.operator("mobilia")
        assert mobilia is not None
        assert mobilia.tls == TlsSettings(minimum="1.3", server_name="smpp.mobilia.example")

    @pytest.mark.parametrize(
        "path", sorted((CONFIG / "operators").glob("*.toml")), ids=lambda path: path.stem
    )
    def test_every_operator_example_makes_an_operator(self, folder: Path, path: Path) -> None:
        (folder / ORG1).write_text((folder / ORG1).read_text().replace('BETAL = "pay"', ""))
        (folder / "main.toml").write_text(
            f'[handoff]\ncarrier = "local"\n[bridge]\n[[operators]]\nfile = "operators/{path.name}"\n'
            'name = "x"\nhost = "smpp.example.org"\nport = 2775\nsystem_id = "x"\n'
            '[[short_codes]]\nnumber = "2030"\noperators = ["x"]\n'
            f'[[organisations]]\nfile = "{ORG1}"\n'
        )
        read = load(folder / "main.toml", {"SMSD_OPERATORS__X__PASSWORD": "hush"})
        assert read.warnings == ()
        assert read.operators[0].tls is not None

    def test_every_toml_file_is_loaded_by_a_test(self) -> None:
        loaded = {"smsd.toml", "production.example.toml", "bridge.example.toml"}
        beside = {path.name for path in CONFIG.glob("*.toml")}
        used = set(re.findall(r'file = "(organisations/\w+\.toml)"', (CONFIG / MAIN).read_text()))
        assert beside == loaded
        assert used == {f"organisations/{path.name}" for path in (CONFIG / "organisations").iterdir()}

    def test_loading_takes_paths_from_the_files_own_folder(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert load(CONFIG / MAIN, {}).store.url == "sqlite:///var/smsd.db"


def docstrings(module: ast.Module) -> Iterator[tuple[str, bool]]:
    """Every field of every table in a module, and whether a docstring follows it."""
    for table in (node for node in module.body if isinstance(node, ast.ClassDef)):
        for node, after in itertools.zip_longest(table.body, table.body[1:]):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and node.target.id[0] != "_"
            ):
                said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                yield f"{table.name}.{node.target.id}", said


@pytest.mark.parametrize(
    "name",
    [
        "smsd.settings_operators",
        "smsd.settings_price",
        "smsd.settings_report",
        "smsd.settings_tables",
        "foundation.settings_tables",
    ],
)
def test_every_key_has_its_docstring(name: str) -> None:
    source = importlib.import_module(name).__file__
    assert source is not None
    found = list(docstrings(ast.parse(Path(source).read_text())))
    assert found
    assert [key for key, said in found if not said] == []


def models() -> Iterator[type[BaseModel]]:
    yield from (Operator, Price, Limits)


@pytest.mark.parametrize("model", list(models()))
def test_defaults_lie_within_their_own_bounds(model: type[BaseModel]) -> None:
    values = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
    known = {name: value for name, value in values.items() if isinstance(value, int | float | str)}
    required = {
        "name": "o",
        "host": "h",
        "port": 1,
        "system_id": "s",
        "password": SecretStr("p"),
        "tag": 0x1403,
    }
    more = {name: value for name, value in required.items() if name in model.model_fields}
    assert model.model_validate({**known, **more})


class TestAcrossTables:
    def test_faults_of_all_files_are_told_at_once(self, faults: Edit, folder: Path) -> None:
        path = folder / ORG2
        path.write_text(path.read_text().replace('language = "nb"', 'language = "no"'))
        path = folder / ORG1
        path.write_text(path.read_text().replace('"ORG1"', '"STOPP"').replace("MEDLEM =", "BE = TAL"))
        assert faults('operators = ["telco"]', 'operators = ["telko"]') == [
            "org1.toml: this is not TOML at line 10, column 6: Invalid value; mend it there",
            'org2.toml: language: "no" is not known here; one of "nn", "nb", "en"',
            'smsd.toml: short_codes[2030].operators[0]: no operator is named "telko"; did you mean "telco"? '
            'one of "telco"',
        ]

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (
                'operators = ["telco"]',
                'operators = ["telko"]',
                'short_codes[2030].operators[0]: no operator is named "telko"; '
                'did you mean "telco"? one of "telco"',
            ),
            (
                'operators = ["telco"]',
                'operators = ["telco", "telco"]',
                'short_codes[2030].operators[1]: "telco" stands here twice',
            ),
            (
                "[[organisations]]",
                '[[short_codes]]\nnumber = "20301"\noperators = ["telco"]\n\n[[organisations]]',
                "short_codes[20301].number: 20301 begins with the short code 2030, so texts to "
                "it could be either's; keep one of the two",
            ),
            (
                "[[organisations]]",
                '[[short_codes]]\nnumber = "2030"\noperators = ["telco"]\n\n[[organisations]]',
                'short_codes[2030].number: "2030" is taken already, in ',
            ),
            (
                'carrier = "local" ',
                'carrier = "mqtt" ',
                'handoff: the carrier is "mqtt", but no broker is named',
            ),
            (
                "[bridge]",
                "[log]",
                "log.store: there is no such key; the keys here are format, level",
            ),
            (
                "tag = 0x1403",
                "tag = 0x1399",
                "operators[telco].price.tag: 5017 will not do; give a whole number from 5120 to 16383, ",
            ),
            (
                "tag = 0x1403\n",
                "",
                'operators[telco].price: the carrier is "tlv", but tag is missing; '
                "give tag, 0x1400 to 0x3FFF",
            ),
            (
                'carrier = "tlv"',
                'carrier = "service_type"',
                'operators[telco].price: tag is given, but the carrier is "service_type"',
            ),
            (
                'type = "c-octet"',
                'octets = 5\ntype = "c-octet"',
                'operators[telco].price: 1000 kr is "100000", longer than 5 octets; lower max_kr, ',
            ),
            (
                'type = "c-octet"',
                'octets = 2\ntype = "int"',
                "operators[telco].price: 1000 kr is 100000, too much for 2 octets; lower max_kr, ",
            ),
            (
                'type = "c-octet"',
                'octets = 3\ntype = "int"',
                "operators[telco].price: a number of 3 octets is not possible",
            ),
            (
                'unit = "ore"',
                'unit = "ore"\nmax_kr = 1001',
                "operators[telco].price.max_kr: 1001 is above limits.amount_max_kr, 1000; "
                "give less, or raise the limit",
            ),
            (
                'unit = "ore"',
                'unit = "øre"',
                'operators[telco].price.unit: "øre" is not known here; did you mean "ore"? '
                'one of "ore", "kroner"',
            ),
            (
                '"0021" = "no_credit"',
                '"0021" = "no_money"',
                'operators[telco].outcomes: "0021" leads to "no_money", which is no outcome',
            ),
            (
                "[operators.outcomes]",
                '[operators.outcomes]\n"0021x" = "no_credti"',
                'operators[telco].outcomes: "0021x" leads to "no_credti", which is no outcome; '
                'did you mean "no_credit"?',
            ),
            (
                'message_id = "opaque"',
                'message_id = "hexadecimal"',
                'operators[telco].message_id: "hexadecimal" is not known here',
            ),
            (
                'bind = "transceiver"',
                'bind = "receiver"',
                'operators[telco].bind: "receiver" is not known here; did you mean "transceiver"?',
            ),
            (
                "window = 10 ",
                "window = 0 ",
                "operators[telco].window: 0 will not do; give a whole number from 1 to 1000",
            ),
            (
                "rate = 100 ",
                "rate = 0 ",
                "operators[telco].rate: 0 will not do; give a number above 0, at most",
            ),
            (
                "enquire_link_s = 20",
                "enquire_link_s = 0.5",
                "operators[telco].enquire_link_s: 0.5 will not do; give a number from 1 to 600",
            ),
            (
                "enquire_link_s = 20",
                "reconnect_first_s = 10\nreconnect_max_s = 5",
                "operators[telco]: reconnect_first_s 10 is above reconnect_max_s 5; "
                "lower the first or raise the other",
            ),
            (
                "enquire_link_s = 20",
                "validity_s = 200_000",
                "operators[telco].validity_s: 200000 s is longer than limits.receipt_wait_h, 48 h",
            ),
            (
                "tls = false",
                'tls = { verify = false, server_name = "x" }',
                "operators[telco].tls: verify is false, yet ca_file or server_name says what ",
            ),
            (
                'password = "secret"',
                'password = "hemmeligæ"',
                "operators[telco].password: the secret does not fit a bind; give at most 32 ",
            ),
            (
                'host = "127.0.0.1"',
                'host = "127.0.0.1:2775"',
                'operators[telco].host: "127.0.0.1:2775" is no host; give a name or an address ',
            ),
            (
                'host = "127.0.0.1"\n',
                "",
                "operators[telco].host: is missing; give a text in quotes",
            ),
            (
                'password = "secret"',
                'passwrd = "secret"',
                "operators[telco].passwrd: there is no such key; did you mean password?",
            ),
            (
                'listen = "127.0.0.1:9030"',
                'listen = "9030"',
                'metrics.listen: "9030" is no address to listen on; give host:port, such as ',
            ),
            (
                'url = "sqlite:///var/smsd.db"',
                'url = "mysql://x"',
                'store.url: a store of kind "mysql" is not supported; write sqlite:///folder/file.db',
            ),
        ],
    )
    def test_a_wrong_main_file_is_told_with_its_cure(
        self, faults: Edit, old: str, new: str, told: str
    ) -> None:
        assert f"smsd.toml: {told}" in "\n".join(faults(old, new)), faults(new, new)

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (
                'codeword = "ORG1"',
                'codeword = "org2"',
                "org2.toml: codeword: codeword 'ORG2' reads the same as 'ORG2'; each needs one of its own",
            ),
            (
                'codeword = "ORG1"',
                'codeword = "STOPP"',
                "org1.toml: codeword: codeword 'STOPP' is answered for everybody; choose another",
            ),
            (
                'codeword = "ORG1"',
                'codeword = "ORG 1"',
                'org1.toml: codeword: "ORG 1" is no codeword; give letters',
            ),
            (
                'name = "Organisasjon1"',
                'name = "Organisasjon2"',
                'org2.toml: name: "Organisasjon2" is taken already, in org1.toml',
            ),
            (
                'MEDLEM = "status"',
                'betal = "status"',
                'org1.toml: subcodewords.betal: "betal" and "BETAL" are the same word',
            ),
            (
                'MEDLEM = "status"',
                'MEDLEM = "staus"',
                'org1.toml: subcodewords.MEDLEM: "staus" is not known here; did you mean "status"?',
            ),
            (
                'MEDLEM = "status"',
                'STOPP = "status"',
                "org1.toml: codeword: codeword 'ORG1': subcodeword 'STOPP' always means stop, not status",
            ),
            (
                'join = "join"',
                'short_codes = ["2031"]\njoin = "join"',
                'org1.toml: short_codes[0]: there is no short code "2031"; did you mean "2030"? ',
            ),
            (
                "[replies] ",
                '[replies]\nprocessing = "' + "æ" * 161 + '"\n#',
                "org1.toml: replies.processing: ",
            ),
            (
                "[replies] ",
                '[replies]\njoinde = "x"\n#',
                "org1.toml: replies.joinde: no reply has this name",
            ),
            (
                'site = "https://org1.hypersys.no"',
                'site = "org1.hypersys.no"',
                'org1.toml: site: "org1.hypersys.no" is no web address; give one that begins',
            ),
            (
                "[billing] ",
                "[biling] ",
                "org1.toml: biling: there is no such key; did you mean billing?",
            ),
        ],
    )
    def test_a_wrong_organisation_is_told_with_its_cure(
        self, faults: Edit, old: str, new: str, told: str
    ) -> None:
        assert told in "\n".join(faults(old, new, ORG1)), faults(new, new, ORG1)

    def test_a_local_handoff_needs_the_bridge_beside_it(self, faults: Edit, folder: Path) -> None:
        path = folder / MAIN
        path.write_text(path.read_text().replace('store = "sqlite:///var/billing.db"', ""))
        (told,) = faults("[bridge]", "[log]")
        assert told.startswith('smsd.toml: handoff.carrier: the carrier is "local", but there is no [bridge]')

    def test_a_fault_is_told_with_its_line(self, folder: Path) -> None:
        path = folder / MAIN
        text = path.read_text().replace("window = 10", "window = 0")
        path.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load(path, {})
        (fault,) = caught.value.faults
        assert text.splitlines()[fault.line - 1].startswith("window = 0")

    def test_nothing_at_all_is_told_as_what_is_lacking(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.toml"
        path.write_text("")
        with pytest.raises(ConfigurationError) as caught:
            load(path, {})
        assert [(fault.key, fault.wrong) for fault in caught.value.faults] == [
            ("handoff.carrier", 'the carrier is "local", but there is no [bridge] to hand over to'),
            ("operators", "there is none"),
            ("short_codes", "there is none"),
            ("organisations", "there is none"),
        ]

    def test_two_entries_of_one_account_are_told(self, faults: Edit) -> None:
        second = (
            '[[operators]]\nname = "other"\nhost = "127.0.0.1"\nport = 2775\nsystem_id = "smsd"\n'
            'password = "x"\n\n[[short_codes]]'
        )
        assert "operators[other].system_id: this is the same account as telco's; use binds" in "\n".join(
            faults("[[short_codes]]", second)
        )

    def test_payment_where_nobody_can_charge_is_told(self, faults: Edit) -> None:
        told = faults('carrier = "tlv"\ntag = 0x1403', 'carrier = "none"')
        assert len(told) == 3
        assert told[0].startswith(
            "org1.toml: codeword: it takes payment at 2030, but no operator of 2030 can charge"
        )

    def test_payment_where_one_of_two_cannot_charge_is_warned_of(self, folder: Path) -> None:
        free = (
            '[[operators]]\nname = "free"\nhost = "127.0.0.1"\nport = 2776\nsystem_id = "smsd"\n'
            'password = "x"\n\n[[short_codes]]'
        )
        path = folder / MAIN
        path.write_text(path.read_text().replace('operators = ["telco"]', 'operators = ["telco", "free"]'))
        read = edited(folder, "[[short_codes]]", free)
        assert {warning.wrong for warning in read.warnings} == {
            "it takes payment at 2030, but free cannot charge"
        }

    def test_a_secret_in_the_settings_is_warned_of_unless_the_operator_is_this_machine(
        self, folder: Path
    ) -> None:
        assert load(folder / MAIN, {}).warnings == ()
        read = edited(folder, 'host = "127.0.0.1"', 'host = "smpp.example.org"')
        assert [(warning.key, warning.wrong) for warning in read.warnings] == [
            ("operators[telco].password", "the secret stands in the settings")
        ]

    def test_a_secret_from_the_environment_is_not_warned_of(self, folder: Path) -> None:
        text = (folder / MAIN).read_text()
        text = text.replace('host = "127.0.0.1"', 'host = "smpp.example.org"').replace(
            'password = "secret"', ""
        )
        (folder / MAIN).write_text(text)
        read = load(folder / MAIN, {"SMSD_OPERATORS__TELCO__PASSWORD": "hush"})
        assert read.warnings == ()
        assert read.operators[0].password == SecretStr("hush")

    def test_the_limit_is_the_price_s_default_ceiling(self, folder: Path) -> None:
        read = edited(folder, "[[short_codes]]", "[limits]\namount_max_kr = 300\n\n[[short_codes]]")
        assert read.operators[0].price.max_kr == 300

    def test_organisations_at_different_short_codes_may_share_nothing(self, folder: Path) -> None:
        read = edited(
            folder,
            "[[organisations]]",
            '[[short_codes]]\nnumber = "2440"\noperators = ["telco"]\n\n[[organisations]]',
        )
        read = edited(folder, 'join = "join" ', 'short_codes = ["2440"]\njoin = "join" ', ORG1)
        assert [word.org for word in read.codewords("2030")] == ["ORG2", "ORG3"]
        assert [word.org for word in read.codewords("2440")] == ["ORG1", "ORG2", "ORG3"]

    def test_an_organisation_may_stand_in_the_main_file(self, folder: Path) -> None:
        read = edited(
            folder,
            'file = "organisations/org1.toml"',
            'name = "I"\ncodeword = "inne"\nsite = "https://i.no"\nsubcodewords = { "spør" = "dialog" }',
        )
        assert read.organisations[0].org == "INNE"
        assert read.organisations[0].subcodewords == {"SPØR": Function.DIALOG}

    def test_secrets_do_not_show(self, folder: Path) -> None:
        read = load(folder / MAIN, {"SMSD_OPERATORS__TELCO__PASSWORD": "hush-hush"})
        assert "hush" not in f"{read!r} {read} {read.model_dump_json()}"

    def test_settings_of_the_same_files_are_equal(self, folder: Path) -> None:
        assert load(folder / MAIN, {}) == load(folder / MAIN, {})
        assert load(folder / MAIN, {}) != load(folder / MAIN, {"SMSD_LIMITS__PAGE_SIZE": "7"})


VALUES = ("1", "-1", "1.5", "inf", '""', '"x"', "true", "[]", "[1]", "{}", "{ x = 1 }", "2026-01-01", "")


@pytest.mark.parametrize("file", [MAIN, ORG1, "operators/tlv-int.toml"])
def test_whatever_stands_in_place_of_a_value_is_taken_or_told(folder: Path, file: str) -> None:
    main = folder / MAIN
    main.write_text(main.read_text().replace("[operators.price]", "[operators.price]\nmax_kr = 1000", 1))
    if file.startswith("operators/"):
        main.write_text(main.read_text().replace('name = "telco"', f'name = "telco"\nfile = "{file}"', 1))
    path = folder / file
    lines = path.read_text().splitlines()
    told: list[Fault] = []
    for place, line in enumerate(lines):
        key, mark, _ = line.partition(" = ")
        changed = [f"{key} = {value}" for value in VALUES] if mark else []
        for other in ["", *changed]:
            path.write_text("\n".join([*lines[:place], other, *lines[place + 1 :]]))
            try:
                assert load(main, {}).organisations
            except ConfigurationError as error:
                told += error.faults
    assert len(told) > len(lines)
    assert all(fault.wrong and fault.right and fault.file for fault in told)


class TestReloading:
    @pytest.mark.parametrize(
        ("old", "new", "keys"),
        [
            ("window = 10", "window = 11", ["operators[telco].window"]),
            ('password = "secret"', 'password = "other"', ["operators[telco].password"]),
            ('name = "telco"', 'name = "telko"', ["operators[telco]", "operators[telko]"]),
            ("smsd.db", "other.db", ["store"]),
            ("9030", "9031", ["metrics"]),
            ("rate = 100", "rate = 50", []),
            ("0x1403", "0x1404", []),
            ('"0021" = "no_credit"', '"0021" = "unknown"', []),
            ("[[short_codes]]", "[limits]\npage_size = 7\n[[short_codes]]", []),
        ],
    )
    def test_what_holds_until_the_next_start_is_named(
        self, folder: Path, old: str, new: str, keys: list[str]
    ) -> None:
        before = load(folder / MAIN, {})
        path = folder / MAIN
        path.write_text(
            path.read_text().replace('["telco"]', '["telko"]') if "telko" in new else path.read_text()
        )
        assert before.only_at_start(edited(folder, old, new)) == keys

    def test_organisations_can_change_at_any_time(self, folder: Path) -> None:
        before = load(folder / MAIN, {})
        after = edited(folder, 'MEDLEM = "status"', 'KVEN = "status"', ORG1)
        assert before != after
        assert before.only_at_start(after) == []


class TestPrice:
    @pytest.mark.parametrize(
        ("price", "amount_ore", "word"),
        [
            (Price(tag=0x1403), 5000, "5000"),
            (Price(tag=0x1403, unit="kroner"), 5000, "50"),
            (Price(tag=0x1403, unit="kroner"), 5050, None),
            (Price(carrier="service_type", codes={"50": "3115"}), 5000, "3115"),
            (Price(carrier="service_type", codes={"50": "3115"}), 6000, None),
            (Price(carrier="service_type", codes={"50": "3115"}), 5001, None),
        ],
    )
    def test_the_word_that_travels(self, price: Price, amount_ore: int, word: str | None) -> None:
        assert price.word(amount_ore) == word

    @pytest.mark.parametrize(
        ("price", "width"),
        [
            (Price(tag=0x1403, type="int"), 4),
            (Price(tag=0x1403, type="int", octets=2), 2),
            (Price(tag=0x1403), 65535),
            (Price(carrier="service_type"), 5),
            (Price(carrier="service_type", octets=9), 5),
            (Price(carrier="source_addr"), 20),
            (Price(carrier="billing_identification", prefix="8100"), 1022),
        ],
    )
    def test_the_room_that_a_carrier_has(self, price: Price, width: int) -> None:
        assert price.width == width

    @pytest.mark.parametrize(
        ("price", "wrong"),
        [
            (Price(carrier="user_message_reference", max_kr=1000), "1000 kr is 100000, above 65535"),
            (Price(carrier="user_message_reference", codes={"50": "x1"}), "50 kr is x1, above 65535"),
            (Price(carrier="service_type", max_kr=1000), '1000 kr is "100000", longer than 5 octets'),
            (
                Price(carrier="service_type", codes={"50": "123456"}),
                '50 kr is "123456", longer than 5 octets',
            ),
            (
                Price(tag=0x1403, codes={"500": "x"}, max_kr=100),
                "there is a code for 500 kr, above max_kr 100",
            ),
            (
                Price(tag=0x1403, type="int", octets=1, unit="kroner", max_kr=256),
                "256 kr is 256, too much for 1",
            ),
        ],
    )
    def test_a_price_that_does_not_fit_is_found(self, price: Price, wrong: str) -> None:
        found = price.too_wide()
        assert found is not None
        assert found[0].startswith(wrong)

    @pytest.mark.parametrize(
        "price",
        [
            Price(carrier="none"),
            Price(tag=0x1400, octets=6),
            Price(tag=0x3FFF, type="int", octets=1, unit="kroner", max_kr=255),
            Price(carrier="user_message_reference", unit="kroner"),
            Price(carrier="service_type", max_kr=999),
        ],
    )
    def test_a_price_that_just_fits_is_taken(self, price: Price) -> None:
        assert price.too_wide() is None

    @pytest.mark.parametrize(
        "values",
        [
            {"tag": 0x1403, "codes": {"50,-": "x"}},
            {"tag": 0x1403, "type": "int", "codes": {"50": "x"}},
            {"tag": 0x1403, "prefix": "81"},
            {"carrier": "billing_identification", "prefix": "8"},
            {"tag": 0x4000},
            {"tag": 0x1403, "tlvs": ({"tag": 1, "type": "int", "value": "256", "octets": 1},)},
        ],
    )
    def test_a_contradiction_is_refused(self, values: dict[str, object]) -> None:
        with pytest.raises(ValueError, match="validation error"):
            Price.model_validate(values)


def test_outcomes_are_the_contract_s_reasons_and_three_more() -> None:
    assert set(OUTCOMES) == {"charged", "pending", "unknown", *(reason.value for reason in Reason)} - {""}


class TestTls:
    def test_true_is_every_default_and_false_is_none(self) -> None:
        assert operator(tls=True).tls == TlsSettings()
        assert operator(tls=False).tls is None

    def test_the_default_context_verifies_and_takes_no_old_version(self) -> None:
        context = TlsSettings().context()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert TlsSettings(minimum="1.3").context().minimum_version is ssl.TLSVersion.TLSv1_3

    def test_a_laboratory_may_leave_verifying(self) -> None:
        context = TlsSettings(verify=False).context()
        assert context.verify_mode is ssl.CERT_NONE

    @pytest.mark.parametrize("key", ["cert_file", "key_file"])
    def test_a_certificate_and_its_key_come_together(self, key: str) -> None:
        with pytest.raises(ValueError, match="give both or neither"):
            TlsSettings.model_validate({key: "x.pem"})
