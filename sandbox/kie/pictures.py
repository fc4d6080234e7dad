"""What KIE finds wrong with a picture once it has fetched it: the task fails, with these texts."""

from urllib.parse import urlsplit

from PIL import Image, UnidentifiedImageError

from sandbox.kie.files import FileStore, StoredFile
from sandbox.kie.models import Pictures

PREFIX = "/kie/files/"
NOT_FETCHED = "Image fetch failed. Check access settings or use our File Upload API instead."
NOT_READ = "We couldn't process the provided image file (code=invalid_image_format)."
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class BadPicture(ValueError):
    """A picture that makes its task fail; the message is what KIE reports."""


def fetch(url: str, own_url: str, store: FileStore) -> StoredFile:
    """The uploaded file behind an address. Raises BadPicture for any address that isn't one of this sandbox's files."""
    address, own = urlsplit(url), urlsplit(own_url)
    here = address.hostname in _LOOPBACK and _port(address.netloc) == _port(own.netloc)
    stored = store.find(address.path.removeprefix(PREFIX)) if here and address.path.startswith(PREFIX) else None
    if stored is None:
        raise BadPicture(NOT_FETCHED)
    return stored


def first_of(urls: list[str], wanted: Pictures, own_url: str, store: FileStore) -> tuple[StoredFile | None, str]:
    """The first of a task's pictures, if it could be fetched, and what is wrong with any of them ("" = nothing)."""
    found: list[StoredFile] = []
    try:
        for url in urls:
            found.append(fetch(url, own_url, store))
            inspect(found[-1], wanted)
    except BadPicture as bad:
        return (found[0] if found else None), str(bad)
    return (found[0] if found else None), ""


def _port(netloc: str) -> str:
    return netloc.rpartition(":")[2]


def inspect(stored: StoredFile, wanted: Pictures) -> None:
    """Raise BadPicture unless the file is a picture that the model takes; only its head is read."""
    path = stored.path
    if path is None:
        raise BadPicture(NOT_FETCHED)
    if path.stat().st_size > wanted.max_bytes:
        raise BadPicture(f"Image size exceeds maximum of {wanted.max_bytes} bytes")
    try:
        with Image.open(path) as image:
            kind, (width, height) = image.format, image.size
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as wrong:
        raise BadPicture(NOT_READ) from wrong
    if kind not in wanted.formats:
        raise BadPicture(NOT_READ)
    # The real wording of these two is not on record.
    if not all(wanted.side[0] <= side <= wanted.side[1] for side in (width, height)):
        raise BadPicture(f"The image width and height must be between {wanted.side[0]} and {wanted.side[1]} pixels")
    if not wanted.ratio[0] <= width / height <= wanted.ratio[1]:
        raise BadPicture(f"The image aspect ratio must be between {wanted.ratio[0]} and {wanted.ratio[1]}")
