"""Files in both directions: photos in sizes, videos with geometry, documents, ids, limits and downloads."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from sandbox.client import SandboxClient, User
from sandbox.server import Sandbox
from tests.sandbox.conftest import Caller, jpeg

MB = 1024 * 1024


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of vertical video, 180 x 320."""
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 180, 320, "yuv420p"
        for shade in range(10):
            frame = av.VideoFrame(180, 320, "rgb24")
            frame.planes[0].update(bytes((shade * 20, 80, 120)) * (frame.planes[0].line_size // 3 * 320))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def padded(mp4: bytes, size: int) -> bytes:
    """The same video in a file of `size` bytes: an empty box at the end takes the rest."""
    return mp4 + struct.pack(">I4s", size - len(mp4), b"free") + bytes(size - len(mp4) - 8)


def sizes(photo: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(size["width"], size["height"]) for size in photo]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((3000, 2000), [(90, 60), (320, 213), (800, 533), (1280, 853)]),
        ((400, 300), [(90, 68), (320, 240), (400, 300)]),
        ((60, 40), [(60, 40)]),
    ],
)
def test_a_persons_photo_comes_in_sizes(
    bot: Caller, anna: User, given: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    # When Anna sends a photo twice
    anna.photo(jpeg(*given), "кружка")
    anna.photo(jpeg(*given))
    first, second = (update["message"] for update in bot.updates())
    # Then it comes as JPEGs from small to large, at most 1280 pixels a side
    assert (sizes(first["photo"]), first["caption"]) == (expected, "кружка")
    # And the same content has the same unique id, though another file id
    ids = [[size["file_unique_id"] for size in message["photo"]] for message in (first, second)]
    assert ids[0] == ids[1]
    assert first["photo"][0]["file_id"] != second["photo"][0]["file_id"]


def test_a_photo_is_turned_upright_and_loses_its_metadata(bot: Caller, anna: User) -> None:
    # Given a picture that says it lies on its side
    picture = Image.new("RGB", (600, 400))
    exif = picture.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif)
    # When it is sent as a photo and fetched by the bot
    anna.photo(buffer.getvalue())
    [update] = bot.updates()
    largest = update["message"]["photo"][-1]
    data = bot.download(bot("getFile", file_id=largest["file_id"])["file_path"]).content
    # Then it stands upright, without the mark, and its size is told rightly
    with Image.open(io.BytesIO(data)) as seen:
        assert (seen.size, seen.format, dict(seen.getexif())) == ((400, 600), "JPEG", {})
    assert len(data) == largest["file_size"]


def test_a_document_comes_byte_for_byte(bot: Caller, anna: User) -> None:
    # When Anna sends a picture as a file
    picture = jpeg(3000, 2000)
    anna.document(picture, "кружка.jpg", "image/jpeg", "без сжатия")
    [update] = bot.updates()
    document = update["message"]["document"]
    # Then its name, type and size are told, with a thumbnail
    assert (document["file_name"], document["mime_type"], document["file_size"]) == (
        "кружка.jpg",
        "image/jpeg",
        len(picture),
    )
    assert max(document["thumbnail"]["width"], document["thumbnail"]["height"]) == 90
    # And the download is exactly what was sent
    answer = bot.download(bot("getFile", file_id=document["file_id"])["file_path"])
    assert answer.content == picture
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_a_file_over_20_mb_cannot_be_fetched(bot: Caller, anna: User) -> None:
    # Given files of just 20 MB and one byte more, without any real content
    anna.document(b"", "a.mov", declared_size=20 * MB)
    anna.document(b"", "b.mov", declared_size=20 * MB + 1)
    fine, big = (update["message"]["document"] for update in bot.updates())
    # Then only the first can be prepared for download
    assert bot("getFile", file_id=fine["file_id"])["file_size"] == 20 * MB
    assert bot.refused("getFile", file_id=big["file_id"]) == "Bad Request: file is too big"


def test_a_download_needs_its_link(bot: Caller, server: Sandbox, anna: User) -> None:
    # Given a file nobody has asked for yet
    anna.photo(jpeg())
    [update] = bot.updates()
    file_id = update["message"]["photo"][-1]["file_id"]
    assert bot.download("photos/file_0.jpg").status_code == 404
    # When the bot has asked for it
    path = bot("getFile", file_id=file_id)["file_path"]
    # Then it can fetch it, but another bot can neither fetch nor send it
    assert bot.download(path).ok
    stranger = Caller(server.url, "987654321:" + "x" * 35)
    assert stranger.download(path).status_code == 404
    assert stranger.refused("getFile", file_id=file_id) == "Bad Request: invalid file_id"
    stranger.session.close()


@pytest.mark.parametrize(
    ("photo", "why"),
    [
        (b"", "file must be non-empty"),
        (b"not a picture", "IMAGE_PROCESS_FAILED"),
        (jpeg()[:500], "IMAGE_PROCESS_FAILED"),
        (jpeg(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg(6000, 4001), "PHOTO_INVALID_DIMENSIONS"),
        (
            bytes(10 * MB + 1),
            f"file of size {10 * MB + 1} bytes is too big for a photo; the maximum size is {10 * MB} bytes",
        ),
    ],
    ids=["empty", "text", "cut", "narrow", "large", "heavy"],
)
def test_a_bad_photo_is_refused(bot: Caller, anna: User, photo: bytes, why: str) -> None:
    # When the bot uploads it
    refusal = bot.refused("sendPhoto", {"photo": ("a.jpg", photo)}, chat_id=anna.id)
    # Then Telegram says why
    assert refusal == f"Bad Request: {why}"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('name="document"; filename="кружка.jpg"', "кружка.jpg"),
        # So writes pyTelegramBotAPI, for every upload of the process once it has sent a file.
        ('name="document"; filename=моя кружка.jpg', "моя кружка.jpg"),
        ("filename=a.bin ; name=document", "a.bin"),
        ('name="document"; filename=""', "file"),
    ],
)
def test_a_file_name_is_read_however_it_is_written(bot: Caller, anna: User, header: str, name: str) -> None:
    # Given a body with this header
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n{anna.id}',
        f"--x\r\nContent-Disposition: form-data; {header}\r\n\r\nbytes",
        "--x--\r\n",
    ]
    # When it is sent
    answer = bot.session.post(
        f"{bot.url}/bot{bot.token}/sendDocument",
        data="\r\n".join(parts).encode(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        timeout=10,
    ).json()
    # Then the file and its name arrive
    assert (answer["result"]["document"]["file_name"], answer["result"]["document"]["file_size"]) == (name, 5)


@pytest.mark.parametrize(
    "body",
    ["", "--x", "--x\r\n\r\n", "--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", "--x\r\nA: b\r\n\r\na"],
)
def test_a_broken_form_is_refused(bot: Caller, body: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = bot.session.post(f"{bot.url}/bot{bot.token}/getMe", data=body.encode(), headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error_code"]) == (400, 400)


def test_an_upload_over_50_mb_is_too_large(bot: Caller, anna: User) -> None:
    files = {"document": ("a.bin", bytes(50 * MB + 1))}
    assert bot.refused("sendDocument", files, chat_id=anna.id) == "Request Entity Too Large"


def test_a_video_keeps_what_the_bot_says_of_it(bot: Caller, anna: User, mp4: bytes) -> None:
    # When a video is sent with geometry and a thumbnail
    files = {"video": ("v.mp4", mp4), "thumbnail": ("t.jpg", jpeg(180, 320))}
    told = {"width": 720, "height": 1280, "duration": 8, "supports_streaming": True}
    sent = bot("sendVideo", files, chat_id=anna.id, caption="Готово", **told)
    # Then that is what is stored
    video = sent["video"]
    assert (video["width"], video["height"], video["duration"]) == (720, 1280, 8)
    assert (video["thumbnail"]["width"], video["thumbnail"]["height"]) == (180, 320)
    assert (video["mime_type"], video["file_size"], sent["caption"]) == ("video/mp4", len(mp4), "Готово")
    # And the person gets the very bytes
    [message] = [message for message in anna.chat() if message.from_bot]
    assert message.media is not None
    assert anna.download(message.media["file_id"]) == mp4


def test_a_small_video_is_probed_and_a_large_one_is_not(bot: Caller, anna: User, mp4: bytes) -> None:
    # When videos of under and over 10 MB are sent without geometry
    small = bot("sendVideo", {"video": ("v.mp4", mp4)}, chat_id=anna.id)["video"]
    large = bot("sendVideo", {"video": ("v.mp4", padded(mp4, 10 * MB + 1))}, chat_id=anna.id)["video"]
    # Then Telegram finds out about the small one, and stores the large one as a bare square
    assert (small["width"], small["height"], small["duration"], "thumbnail" in small) == (180, 320, 1, True)
    assert (large["width"], large["height"], large["duration"], "thumbnail" in large) == (320, 320, 0, False)


def test_what_is_no_video_becomes_a_document(bot: Caller, anna: User) -> None:
    sent = bot("sendVideo", {"video": ("v.mp4", b"<html>not found</html>")}, chat_id=anna.id)
    assert (sent["document"]["file_name"], "video" in sent) == ("v.mp4", False)


@pytest.mark.parametrize(
    ("thumbnail", "why"),
    [
        (jpeg(321, 100), "PHOTO_INVALID_DIMENSIONS"),
        (b"png", "IMAGE_PROCESS_FAILED"),
        (jpeg(320, 320) + bytes(200_000), "file is too big"),
    ],
    ids=["wide", "not jpeg", "heavy"],
)
def test_a_bad_thumbnail_is_refused(bot: Caller, anna: User, mp4: bytes, thumbnail: bytes, why: str) -> None:
    files = {"video": ("v.mp4", mp4), "thumbnail": ("t.jpg", thumbnail)}
    assert bot.refused("sendVideo", files, chat_id=anna.id) == f"Bad Request: {why}"


def test_a_file_is_sent_again_by_its_id(bot: Caller, server: Sandbox, anna: User, mp4: bytes) -> None:
    # Given a video that was uploaded once
    first = bot("sendVideo", {"video": ("v.mp4", mp4)}, chat_id=anna.id)["video"]
    # When it is sent by its id
    again = bot("sendVideo", chat_id=anna.id, video=first["file_id"])["video"]
    # Then it is the same file
    assert again == first
    # But it can't be sent as a photo, nor by another bot
    assert bot.refused("sendPhoto", chat_id=anna.id, photo=first["file_id"]) == (
        "Bad Request: can't use file of type Video as Photo"
    )
    stranger = Caller(server.url, "987654321:" + "x" * 35)
    assert stranger.refused("sendVideo", chat_id=anna.id, video=first["file_id"]) == (
        "Bad Request: wrong file identifier/HTTP URL specified"
    )
    stranger.session.close()


def test_a_group_of_media(bot: Caller, anna: User, mp4: bytes) -> None:
    # Given a photo and a video in one group
    media = [
        {"type": "photo", "media": "attach://a", "caption": "<b>раз</b>", "parse_mode": "HTML"},
        {"type": "video", "media": "attach://b", "width": 720, "height": 1280, "duration": 8},
    ]
    files = {"a": ("a.jpg", jpeg()), "b": ("b.mp4", mp4)}
    # When it is sent
    sent = bot("sendMediaGroup", files, chat_id=anna.id, media=json.dumps(media))
    # Then two messages share a group, each with its own caption and geometry
    assert len({message["media_group_id"] for message in sent}) == 1
    assert (sent[0]["caption"], sent[0]["caption_entities"][0]["type"]) == ("раз", "bold")
    assert sent[1]["video"]["height"] == 1280
    # But documents don't mix, and a bad item is named
    mixed = [media[0], {"type": "document", "media": "attach://b"}]
    assert bot.refused("sendMediaGroup", files, chat_id=anna.id, media=json.dumps(mixed)) == (
        "Bad Request: document can't be mixed with other media types"
    )
    files["a"] = ("a.jpg", b"no picture")
    assert bot.refused("sendMediaGroup", files, chat_id=anna.id, media=json.dumps(media)) == (
        'Bad Request: failed to send message #1 with the error message "IMAGE_PROCESS_FAILED"'
    )


def test_a_photo_from_a_url_of_this_machine(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given a picture on a loopback address
    anna.photo(jpeg())
    [message] = [message for message in anna.chat() if message.media]
    assert message.media is not None
    # When the bot sends it by URL
    sent = bot("sendPhoto", chat_id=anna.id, photo=client.url + message.media["url"])
    # Then the sandbox fetched it
    assert sizes(sent["photo"])[-1] == (600, 400)
    # But a page isn't a picture
    assert bot.refused("sendPhoto", chat_id=anna.id, photo=client.url + "/") == (
        "Bad Request: wrong type of the web page content"
    )


def test_a_download_can_fail(bot: Caller, client: SandboxClient, anna: User) -> None:
    # Given a prepared download and an armed fault
    anna.photo(jpeg())
    [update] = bot.updates()
    path = bot("getFile", file_id=update["message"]["photo"][-1]["file_id"])["file_path"]
    client.fault("telegram", "file", "internal")
    # Then the first try fails, the second doesn't, and both are journaled
    assert [bot.download(path).status_code for _ in range(2)] == [500, 200]
    assert [entry["status"] for entry in client.journal(endpoint="file")] == [500, 200]


def test_files_are_gone_with_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a sandbox that keeps a file in the temporary folder
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Sandbox() as running, SandboxClient(running.url) as opened:
        opened.user().photo(jpeg())
        assert any(path.is_file() for path in tmp_path.rglob("*"))
    # Then nothing is left when it has stopped
    assert list(tmp_path.iterdir()) == []
