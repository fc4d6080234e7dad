"""How files look to the control API and the chat page: with links that a browser can follow, without any token."""

from typing import Any

from sandbox.telegram.files import Media, StoredFile

Json = dict[str, Any]


def file_url(stored: StoredFile) -> str:
    """Where the chat page finds the bytes."""
    return f"/sandbox/telegram/files/{stored.file_id}"


def media_view(media: Media) -> Json:
    """One file of a message for showing: the largest size, and a small picture of it where there is one."""
    best = media.best
    shown: Json = {key: best.fields[key] for key in ("width", "height", "duration", "file_name") if key in best.fields}
    small = best.fields.get("thumbnail", {}).get("file_id")
    cover = best.fields.get("cover")
    poster = cover[-1]["file_id"] if cover else small
    return {
        "kind": media.kind,
        "file_id": best.file_id,
        "file_unique_id": best.file_unique_id,
        "mime": best.mime,
        "size": best.blob.size,
        **shown,
        "url": file_url(best) if best.blob.path else None,
        "poster_url": f"/sandbox/telegram/files/{poster}" if poster else None,
    }
