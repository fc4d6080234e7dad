"""Files where a photo is due: each gets a clear answer, costs nothing, and a proper photo goes on from there."""

import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from sandbox.client import User
from sandbox.customer import PHOTO, TEXT
from tests.acceptance.dialogue import QUESTIONS, complete, press, reach

JPEG = PHOTO.read_bytes()
MEGABYTE = 1024 * 1024


def zipped() -> bytes:
    """An archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("price.csv", "mug;200\n" * 100)
    return file.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A valid PNG of a hundred kilobytes that takes `side` x `side` bytes when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze, row = zlib.compressobj(9), bytes(1 + side // 8)
    pixels = b"".join([*(squeeze.compress(row) for _ in range(side)), squeeze.flush()])
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def picture(width: int, height: int, form: str = "JPEG") -> bytes:
    """A picture of that size with something on it."""
    file = io.BytesIO()
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    if form == "HEIC":
        pillow_heif.from_pillow(image).save(file, quality=50)
    else:
        image.save(file, form)
    return file.getvalue()


Send = Callable[[User], list[int]]
REFUSED: dict[str, tuple[Send, str]] = {
    "larger than Telegram gives away": (
        lambda user: user.document(b"", "IMG_1.jpg", "image/jpeg", declared_size=21 * MEGABYTE),
        "больше 20 МБ",
    ),
    "no image": (lambda user: user.document(b"%PDF-1.7 ", "price.pdf", "application/pdf"), "не похоже на фотографию"),
    "a renamed archive": (lambda user: user.document(zipped(), "IMG_2.jpg", "image/jpeg"), "не похоже на фотографию"),
    "an empty promise": (lambda user: user.document(b"x", "IMG_3.jpg", "image/jpeg"), "не похоже на фотографию"),
    "half a JPEG": (lambda user: user.document(JPEG[: len(JPEG) // 2], "IMG_4.jpg", "image/jpeg"), "повреждён"),
    "the head of a JPEG": (lambda user: user.document(JPEG[:300], "IMG_5.jpg", "image/jpeg"), "повреждён"),
    "a decompression bomb": (lambda user: user.document(bomb(), "big.png", "image/png"), "больше 50 мегапикселей"),
    "a stamp": (lambda user: user.document(picture(60, 60), "IMG_6.jpg", "image/jpeg"), "слишком маленькое"),
}


def test_files_that_are_no_photo_are_refused_with_the_reason(anna, records):
    # Given someone who was asked for a photo
    reach(anna, "photo")
    before = records.everything()
    for what, (send, reason) in REFUSED.items():
        # When one such file after the other comes
        answer = anna.do(lambda send=send: send(anna.user))
        # Then each answer says what is wrong and asks for a photo again, and nothing changed
        assert reason in answer.text and QUESTIONS["photo"] in answer.text, what
        assert records.everything() == before, what
    # And a proper photo leads to an order
    complete(anna, "photo")
    records.check_one_order()


def test_bad_files_at_the_summary_leave_the_draft_as_it_is(anna, records):
    # Given a draft that waits for its confirm
    reach(anna, "confirm")
    before = records.draft()
    for what, (send, reason) in REFUSED.items():
        # When a file that can't be used comes, and is agreed to where it is not known at once to be bad
        answer = anna.do(lambda send=send: send(anna.user))
        if "✅ Заменить" in answer.labels:
            answer = anna.tap("Заменить")
        # Then it is refused, and the summary still stands
        assert reason in answer.text and QUESTIONS["confirm"] in answer.text, what
        assert records.draft() == before, what
    complete(anna, "confirm")
    records.check_one_order()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
def test_a_bomb_costs_the_bot_neither_memory_nor_time(anna, client, system):
    # Given the bot's memory, its peak reset
    bot = system.child("run_bot").pid
    Path(f"/proc/{bot}/clear_refs").write_text("5")
    before = peak_memory(bot)
    reach(anna, "photo")
    # When bombs of 900 MB when decoded come, and someone else says hello meanwhile
    began = time.monotonic()
    for _ in range(3):
        anna.user.document(bomb(), "big.png", "image/png")
    bella = client.user(first_name="Белла")
    bella.say("/start")
    bella.wait(QUESTIONS["photo"])
    # Then the other is answered at once, and the bot's memory has not jumped
    assert bella.latencies()[0] < 1
    anna.user.wait(lambda _: sum("мегапикселей" in shown.text for shown in anna.user.chat()) == 3)
    assert time.monotonic() - began < 10
    assert peak_memory(bot) - before < 60 * MEGABYTE


def peak_memory(pid: int) -> int:
    """The most memory the process ever held, in bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("mime", ["image/heic", "application/octet-stream"])
def test_a_heic_of_a_phone_is_a_photo(anna, records, rows, mime):
    reach(anna, "photo")
    # When an iPhone's photo comes as a file, with the type its name alone betrays
    answer = anna.do(lambda: anna.user.document(picture(900, 1200, "HEIC"), "IMG_0042.HEIC", mime))
    # Then it is taken, and kept as a picture of that size
    assert "Фото принято" in answer.text
    complete(anna, "description")
    photo = records.check_one_order()["photo_id"]
    assert rows("SELECT width, height FROM photos WHERE id = %s", photo) == [{"width": 900, "height": 1200}]


def test_a_caption_is_the_description(anna, records):
    reach(anna, "photo")
    # When the photo comes with the description as its caption
    answer = anna.send(PHOTO, "Кружка эмалированная, 400 мл")
    # Then the next question is the third
    assert "Фото и описание приняты" in answer.text
    complete(anna, "template")
    assert records.check_one_order()["description"] == "Кружка эмалированная, 400 мл"


def test_a_caption_too_short_is_said_and_the_photo_is_kept(anna, records):
    reach(anna, "photo")
    answer = anna.send(PHOTO, "ок")
    assert "Фото принято" in answer.text
    assert "Коротковато: 2\u00a0символа" in answer.text
    complete(anna, "description")
    assert records.check_one_order()["description"] == TEXT


def test_of_an_album_the_first_photo_is_taken_and_that_is_said_once(anna, records, rows):
    reach(anna, "photo")
    # When five photos of different sizes come together
    photos = [picture(600 + 10 * number, 800) for number in range(5)]
    updates = anna.user.album(photos)
    assert records.wait_for(updates) == [None] * 5
    # Then one answer says which was taken
    answers = [shown for shown in anna.user.chat() if shown.from_bot and shown.id > anna.user.last_message_ids[-1]]
    (anna.answer,) = answers
    assert "Беру первое фото из альбома" in anna.answer.text and QUESTIONS["description"] in anna.answer.text
    # And it was the first
    complete(anna, "description")
    kept = rows("SELECT id, width FROM photos WHERE user_id = %s", anna.user.id)
    assert kept == [{"id": records.check_one_order()["photo_id"], "width": 600}]


def test_an_album_in_the_middle_of_the_way_is_offered_once_as_a_replacement(anna, records, rows):
    # Given a draft with a photo
    reach(anna, "count")
    before = records.draft()
    # When an album comes
    updates = anna.user.album([picture(500 + 10 * number, 700) for number in range(3)])
    assert records.wait_for(updates) == [None] * 3
    # Then its first photo is offered once, and nothing changes until it is accepted
    offers = [shown for shown in anna.user.chat() if "Заменить фото в заказе на это?" in shown.text]
    assert len(offers) == 1
    assert records.draft() == before
    anna.answer = offers[0]
    answer = anna.tap("Заменить")
    # And then it takes the old one's place
    assert "Фото принято" in answer.text and QUESTIONS["count"] in answer.text
    complete(anna, "count")
    photo = records.check_one_order()["photo_id"]
    assert photo != before["photo_id"]
    assert rows("SELECT width FROM photos WHERE id = %s", photo) == [{"width": 500}]


def test_a_photo_sent_by_mistake_is_not_taken(anna, records):
    # Given a draft at its summary, and another photo
    reach(anna, "confirm")
    before = records.draft()
    answer = anna.send(picture(640, 480))
    assert "Заменить фото в заказе на это?" in answer.text
    # When the old photo is preferred
    answer = anna.tap("Оставить прежнее")
    # Then the summary is as it was
    assert QUESTIONS["confirm"] in answer.text
    assert records.draft() == before
    complete(anna, "confirm")
    records.check_one_order()


def test_nothing_is_launched_while_it_is_open_which_photo_is_meant(anna, records):
    # Given a summary, and another photo that was offered in place of the first
    summary = reach(anna, "confirm")
    launch = summary.buttons[0][0][1]
    before = records.draft()
    offer = anna.send(picture(640, 480))
    # When the launch is pressed all the same, before its button has gone
    answer = press(anna.user, summary, data=launch, forged=True)
    # Then nothing is ordered yet
    assert "Проверьте его ещё раз" in answer["text"]
    assert (records.orders(), records.draft()) == ([], before)
    # And after the decision it is
    anna.answer = offer
    anna.tap("Заменить")
    complete(anna, "confirm")
    assert records.check_one_order()["photo_id"] != before["photo_id"]
    # And the offer can't be accepted twice
    assert "Кнопка устарела" in press(anna.user, offer, data=offer.buttons[0][0][1], forged=True)["text"]
