"""An operator with a signed repository on a real web server, and a box that asks it."""

import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from gateway.apps.catalog import Catalog
from gateway.apps.installer import Installer
from gateway.apps.repository import SignedRepository
from gateway.trust.manifest import AppId
from headend import bundle
from headend.ceremony import Publisher, Validity, add_publisher, create
from headend.ceremony import publish as make_public
from headend.keys import KeyRing
from headend.publish import stage_bundle
from headend.repository import Repository
from headend.serve import server

HELLO = "com.example.hello"

MANIFEST = """\
schema: 1
id: {app}
version: {version}
name: {{zh-CN: 你好, en: Hello}}
icon: icon.svg
color: "#1676a8"
entry: {{tv: index.html}}
permissions:
  - name: storage
    reason: {{zh-CN: 记住上次看到哪里, en: Remembers where you were}}
  - name: sensors
    args: {{unit: [mmHg], device_class: [temperature]}}
    sensitivity: sensitive
    reason: {{zh-CN: 显示血压, en: Shows the blood pressure}}
  - name: notices
    reason: {{zh-CN: 提醒, en: Reminds you}}
"""

Source = Callable[..., Path]
Publish = Callable[..., Path]
Put = Callable[..., Awaitable[None]]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Write an app's sources and return their folder."""

    def write(version: str = "1.0.0", app: str = HELLO, files: Mapping[str, str] | None = None) -> Path:
        folder = tmp_path / "sources" / f"{app}-{version}"
        contents = {
            "manifest.yaml": MANIFEST.format(app=app, version=version),
            "index.html": f"<!doctype html><title>{version}</title><script type=module src=app.js></script>",
            "app.js": f'document.title = "started {version}";',
            "icon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
            **(files or {}),
        }
        for name, text in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return write


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys", None)


@pytest.fixture
def operator(tmp_path: Path, ring: KeyRing) -> Repository:
    """A published, still empty repository with the publisher of ``com.example.``."""
    repository = Repository(tmp_path / "repository")
    create(repository, ring, Validity())
    add_publisher(repository, ring, Publisher(name="example", prefix="com.example."), Validity())
    make_public(repository, ring, Validity())
    return repository


@pytest.fixture
def publish(tmp_path: Path, operator: Repository, ring: KeyRing, source: Source) -> Publish:
    """Build, sign and publish an app; return the bundle."""

    def do(version: str = "1.0.0", app: str = HELLO, files: Mapping[str, str] | None = None) -> Path:
        archive = tmp_path / f"{app}-{version}.zip"
        bundle.build(source(version, app, files), archive)
        stage_bundle(operator, ring, archive, Validity())
        make_public(operator, ring, Validity())
        return archive

    return do


@pytest.fixture
def web(operator: Repository) -> Iterator[str]:
    """Serve the operator's repository; yields its address."""
    with server(operator.folder, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}/"
        finally:
            serving.shutdown()
            thread.join()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The box's state folder."""
    return tmp_path / "state"


@pytest.fixture
def catalog(state: Path) -> Catalog:
    return Catalog(state / "apps")


@pytest.fixture
def put(tmp_path: Path, catalog: Catalog, source: Source) -> Put:
    """Build an app and install it past the repository."""

    async def do(version: str = "1.0.0", app: str = HELLO, files: Mapping[str, str] | None = None) -> None:
        archive = tmp_path / f"{app}-{version}.zip"
        bundle.build(source(version, app, files), archive)
        await catalog.install(archive, AppId(app), version)

    return do


@pytest.fixture
def shipped(tmp_path: Path, operator: Repository) -> Path:
    """The root of trust that came with the box."""
    return Path(shutil.copy(operator.root_of_trust, tmp_path / "shipped-root.json"))


@pytest.fixture
def installer(catalog: Catalog, shipped: Path, web: str, state: Path) -> Installer:
    repository = SignedRepository(web, shipped, state / "trust")
    return Installer(catalog, repository, check_every_s=3600)
