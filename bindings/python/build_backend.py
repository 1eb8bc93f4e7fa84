"""Makes the wheel and the source archive of this package: a build backend (PEP 517, PEP 660) that
needs nothing but Python, because the package is nothing but Python."""

import base64
import hashlib
import io
import re
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
EPOCH = (2020, 1, 1, 0, 0, 0)  # the same tree gives the same archive


def _field(name):
    """A field of [project]; the standard library reads TOML only since Python 3.11."""
    text = (ROOT / "pyproject.toml").read_text()
    return re.search(rf'^{name} = "(.*)"$', text, re.MULTILINE).group(1)


NAME, VERSION = _field("name"), _field("version")
DIST_INFO = f"{NAME}-{VERSION}.dist-info"


def _metadata():
    return (
        f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"
        f"Summary: {_field('description')}\nLicense: Apache-2.0\n"
        f"Requires-Python: {_field('requires-python')}\n"
        "Description-Content-Type: text/markdown\n\n" + (ROOT / "README.md").read_text()
    )


WHEEL = f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _write_wheel(folder, files):
    files = dict(files)
    files[f"{DIST_INFO}/METADATA"] = _metadata().encode()
    files[f"{DIST_INFO}/WHEEL"] = WHEEL.encode()
    record = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}\n")
    record.append(f"{DIST_INFO}/RECORD,,\n")
    files[f"{DIST_INFO}/RECORD"] = "".join(record).encode()
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            info = zipfile.ZipInfo(path, EPOCH)
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    source = ROOT / "src"
    paths = sorted((source / NAME).glob("*.py")) + [source / NAME / "py.typed"]
    files = {path.relative_to(source).as_posix(): path.read_bytes() for path in paths}
    return _write_wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _write_wheel(wheel_directory, {f"{NAME}.pth": f"{ROOT / 'src'}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    top = f"{NAME}-{VERSION}"
    name = f"{top}.tar.gz"
    paths = [ROOT / file for file in ("README.md", "build_backend.py", "pyproject.toml")]
    paths += sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "src").rglob("py.typed"))
    paths += sorted((ROOT / "tests").glob("*.py"))
    with tarfile.open(Path(sdist_directory) / name, "w:gz") as archive:
        entries = [(path.relative_to(ROOT).as_posix(), path.read_bytes()) for path in paths]
        for path, data in entries + [("PKG-INFO", _metadata().encode())]:
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return name
