import stat
from pathlib import Path

from gateway.ui.auth import Access


def test_the_token_outlives_a_restart_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "state" / "token"
    first = Access(file)
    assert Access(file).token() == first.token()
    assert Access(file).cookie() == first.cookie()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["token"]


def test_a_torn_token_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"")
    token = Access(file).token()
    assert len(token) >= 32
    assert Access(file).token() == token
    assert not Access(file).is_cookie("")
