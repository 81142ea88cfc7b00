from pathlib import Path

import pytest

from fakes_tls import CERTIFICATE, KEY, KEY_OF_ANOTHER, KEY_WITH_PASSWORD
from streamscribe_server.tls import BadCertificate, Certificate, check


def written(folder: Path, cert: str = CERTIFICATE, key: str = KEY) -> Certificate:
    pair = Certificate(folder / "cert.pem", folder / "key.pem")
    pair.cert.write_text(cert)
    pair.key.write_text(key)
    return pair


def test_a_certificate_with_its_key_is_fine(tmp_path: Path) -> None:
    check(written(tmp_path))


def test_both_may_stand_in_one_file(tmp_path: Path) -> None:
    pair = written(tmp_path, cert=CERTIFICATE + KEY)
    check(Certificate(pair.cert, pair.cert))


@pytest.mark.parametrize(("cert", "key"), [("no.pem", "key.pem"), ("cert.pem", "no.pem")])
def test_a_file_that_is_missing_is_named(tmp_path: Path, cert: str, key: str) -> None:
    written(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        check(Certificate(tmp_path / cert, tmp_path / key))
    assert str(error.value.filename).endswith("no.pem")


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        (CERTIFICATE, KEY_OF_ANOTHER, "the key in .*key.pem is not that of .*cert.pem"),
        ("hello", KEY, "cert.pem is not a PEM certificate"),
        (KEY, KEY, "cert.pem is not a PEM certificate"),
        (CERTIFICATE, "hello", "key.pem is not a PEM key"),
        (CERTIFICATE, CERTIFICATE, "key.pem is not a PEM key"),
        (CERTIFICATE, KEY_WITH_PASSWORD, "the key in .*key.pem has a password"),
    ],
)
def test_files_that_do_not_serve_are_named_with_what_is_wrong(
    tmp_path: Path, cert: str, key: str, said: str
) -> None:
    with pytest.raises(BadCertificate, match=said):
        check(written(tmp_path, cert, key))
