"""Photos of every kind come out as plain upright JPEGs or are refused with a reason; results are videos or are not."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import av
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from neurocards.errors import BadPhoto, BadVideo
from neurocards.media import MAX_PHOTO_BYTES, normalise_photo, probe_video

GREY = (128, 128, 128)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The image as a file of the given format."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(width: int = 900, height: int = 700) -> Image.Image:
    """An image that doesn't compress to nothing."""
    return Image.effect_noise((width, height), 60).convert("RGB")


def heic(image: Image.Image) -> bytes:
    """The image as an iPhone would send it."""
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file)
    return file.getvalue()


def reopened(data: bytes) -> Image.Image:
    """The JPEG we made, decoded."""
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    image.load()
    return image


def reason(data: bytes) -> str:
    """Why a photo is refused."""
    with pytest.raises(BadPhoto) as raised:
        normalise_photo(data)
    return raised.value.reason


@pytest.mark.parametrize(
    "data",
    [encoded(noise(), "JPEG"), encoded(noise(), "PNG"), encoded(noise(), "WEBP"), heic(noise())],
    ids=["jpeg", "png", "webp", "heic"],
)
def test_every_usual_format_becomes_a_jpeg_of_the_same_size(data):
    # When it is made ready
    picture = normalise_photo(data)
    # Then it is a JPEG and says its own size
    assert (picture.width, picture.height) == reopened(picture.jpeg).size == (900, 700)


def test_reading_heic_leaves_pillow_as_it_was():
    # Given Pillow's plugins
    before = dict(Image.registered_extensions())
    # When a HEIC is read
    normalise_photo(heic(noise(300, 300)))
    # Then they are the same
    assert Image.registered_extensions() == before


def test_a_large_photo_is_scaled_to_1600_pixels():
    picture = normalise_photo(encoded(noise(3200, 2400), "JPEG"))
    assert (picture.width, picture.height) == (1600, 1200)


def test_a_photo_taken_sideways_is_turned_upright_and_tells_nothing_else():
    # Given a sideways photo with a place, a comment and a profile in it
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a secret place"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Image.new("RGB", (800, 600), "white")
    photo.paste((255, 0, 0), (0, 0, 800, 100))
    # When it is made ready
    picture = normalise_photo(encoded(photo, "JPEG", exif=exif, comment=b"a secret", icc_profile=profile))
    # Then its top is on the right, and there is no metadata at all
    image = reopened(picture.jpeg)
    assert image.size == (600, 800)
    red, green, _ = image.getpixel((580, 400))
    assert red > 200
    assert green < 60
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"secret" not in picture.jpeg


@pytest.mark.parametrize(
    ("image", "options", "colour"),
    [
        (Image.new("RGBA", (400, 400), (255, 0, 0, 0)), {}, (255, 255, 255)),
        (Image.new("LA", (400, 400), (0, 0)), {}, (255, 255, 255)),
        (Image.new("P", (400, 400), 0), {"transparency": 0}, (255, 255, 255)),
        (Image.new("1", (400, 400), 1), {}, (255, 255, 255)),
        (Image.new("L", (400, 400), 128), {}, GREY),
        (Image.new("I;16", (400, 400), 128 * 257), {}, GREY),
    ],
    ids=["rgba", "grey and alpha", "palette", "bits", "grey", "16-bit grey"],
)
def test_transparency_becomes_white_and_every_mode_keeps_its_colours(image, options, colour):
    # When a PNG of that mode is made ready
    picture = normalise_photo(encoded(image, "PNG", **options))
    # Then the colour is what a person sees
    assert max(abs(a - b) for a, b in zip(reopened(picture.jpeg).getpixel((200, 200)), colour, strict=True)) <= 2


def test_a_cmyk_photo_keeps_its_colours():
    picture = normalise_photo(encoded(Image.new("CMYK", (400, 400), (0, 0, 0, 0)), "JPEG"))
    assert min(reopened(picture.jpeg).getpixel((200, 200))) >= 250


def test_a_damaged_colour_profile_is_left_out_of_account():
    assert normalise_photo(encoded(noise(), "JPEG", icc_profile=b"rubbish" * 50)).width == 900


@pytest.mark.parametrize(("size", "ratio"), [((240, 2400), 0.4), ((2400, 240), 2.5)], ids=["narrow", "wide"])
def test_a_picture_out_of_proportion_gets_white_margins(size, ratio):
    # Given a black stripe
    picture = normalise_photo(encoded(Image.new("RGB", size, "black"), "PNG"))
    # Then it is within the ratios KIE takes, white at the corner and black in the middle
    assert 0.4 <= picture.width / picture.height <= 2.5
    assert picture.width / picture.height == pytest.approx(ratio, abs=0.01)
    image = reopened(picture.jpeg)
    assert min(image.getpixel((2, 2))) > 240
    assert max(image.getpixel((image.width // 2, image.height // 2))) < 15


def test_a_small_photo_is_enlarged_to_what_kie_takes():
    picture = normalise_photo(encoded(noise(200, 220), "PNG"))
    assert (picture.width, picture.height) == (320, 352)


def png_of(width: int, height: int) -> bytes:
    """A few bytes that claim to be a PNG of that size."""
    data = bytearray(encoded(Image.new("1", (16, 16)), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff" * (MAX_PHOTO_BYTES + 1), "too_big"),
        (b"", "not_image"),
        (b"PK\x03\x04" + b"zip" * 400, "not_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_image"),
        (encoded(noise(300, 300), "GIF"), "not_image"),
        (encoded(noise(), "JPEG")[:5000], "broken"),
        (encoded(noise(), "PNG")[:5000], "broken"),
        (encoded(noise(), "WEBP")[:5000], "broken"),
        (heic(noise())[:3000], "broken"),
        (b"\xff\xd8\xff\xe0" + b"rubbish" * 100, "broken"),
        (encoded(noise(199, 900), "PNG"), "too_small"),
        (png_of(8000, 6300), "too_many_pixels"),
        (png_of(10_000, 10_000), "too_many_pixels"),
        (png_of(60_000, 60_000), "too_many_pixels"),
    ],
    ids=[
        *("20 MB", "empty", "zip", "svg", "gif", "cut jpeg", "cut png", "cut webp", "cut heic", "only a signature"),
        *("199 px", "50.4 MP", "100 MP bomb", "3600 MP bomb"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reason(data, expected):
    assert reason(data) == expected


SEEDS = [encoded(noise(300, 260), form) for form in ("JPEG", "PNG", "WEBP")] + [heic(noise(300, 260))]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_never_surprise(seed, changes):
    # Given a photo with some bytes overwritten
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    # Then it is made ready or refused, and nothing else
    with contextlib.suppress(BadPhoto):
        assert normalise_photo(bytes(data)).jpeg


def film(
    path: Path, size: tuple[int, int] = (180, 320), frames: int = 48, form: str = "mp4", index_first: bool = False
) -> Path:
    """A little video with moving noise, 24 frames a second."""
    options = {"movflags": "faststart"} if index_first else {}
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast"}
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_image(noise(*size))))
        container.mux(stream.encode())
    return path


def test_a_video_tells_its_geometry_and_has_a_thumbnail(tmp_path):
    # When a two-second video is probed
    video = probe_video(film(tmp_path / "a.mp4"))
    # Then Telegram can be told all it wants to know
    assert (video.width, video.height) == (180, 320)
    assert video.duration == pytest.approx(2.0, abs=0.05)
    assert reopened(video.thumbnail).size == (180, 320)
    assert len(video.thumbnail) < 200_000


def test_a_video_that_is_too_short_is_refused(tmp_path):
    with pytest.raises(BadVideo, match="odd length"):
        probe_video(film(tmp_path / "a.mp4", frames=6))


def test_a_video_of_an_odd_size_is_refused(tmp_path):
    with pytest.raises(BadVideo, match="odd size"):
        probe_video(film(tmp_path / "a.mp4", size=(4352, 64), frames=15))


@pytest.mark.parametrize("index_first", [False, True])
def test_half_a_video_is_refused(tmp_path, index_first):
    # Given a video of which the second half never came
    path = film(tmp_path / "a.mp4", index_first=index_first)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    # Then it is no video, even where its header promises one
    with pytest.raises(BadVideo):
        probe_video(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>expired</html>",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile a.mp4\n",
        encoded(noise(300, 300), "PNG"),
    ],
    ids=["empty", "html", "playlist", "concat script", "picture"],
)
def test_what_is_no_video_is_refused(tmp_path, data):
    # Given a file of the right name, beside a video that it may point to
    film(tmp_path / "a.mp4", size=(64, 64), frames=24)
    (tmp_path / "b.mp4").write_bytes(data)
    # Then what is in it counts, and nothing it points to is opened
    with pytest.raises(BadVideo, match="not a video"):
        probe_video(tmp_path / "b.mp4")


def test_another_container_than_mp4_is_refused(tmp_path):
    with pytest.raises(BadVideo, match="not a video"):
        probe_video(film(tmp_path / "a.mp4", form="matroska"))


def test_sound_alone_is_refused(tmp_path):
    # Given an MP4 with sound and no picture
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for _ in range(50):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate = 44100
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    # Then it is not what was ordered
    with pytest.raises(BadVideo, match="no picture"):
        probe_video(tmp_path / "a.mp4")


def test_a_palette_picture_without_its_palette_is_refused():
    # Given a PNG of numbered colours whose table of colours is lost
    data = encoded(noise(300, 300).convert("P"), "PNG")
    place = data.index(b"PLTE")
    table = int.from_bytes(data[place - 4 : place])
    # Then it is refused as damaged
    assert reason(data[: place - 4] + data[place + 8 + table :]) == "broken"


def test_a_jpeg_that_is_gone_over_again_and_again_is_refused():
    # Given a small progressive JPEG that claims to be large, with a thousand scans of a few bytes
    data = encoded(noise(300, 300), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2") + 5
    scans = b"\xff\xda\0\x08\1\1\0\1\5\2\0\0" * 1000
    bomb = data[:frame] + struct.pack(">HH", 7000, 7000) + data[frame + 4 : -2] + scans + b"\xff\xd9"
    # Then it is not decoded, which would take seconds for each thousand
    assert reason(bomb) == "broken"


@pytest.mark.parametrize("count", [2_000_001, 10**7, 2**32 - 1])
def test_a_video_that_claims_more_pictures_than_it_can_have_is_refused(tmp_path, count):
    # Given a video whose tables claim so many samples of one byte
    path = film(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    sizes, chunks, times = data.index(b"stsz"), data.index(b"stsc"), data.index(b"stts")
    data[sizes + 8 : sizes + 16] = struct.pack(">II", 1, count)
    data[chunks + 16 : chunks + 20] = struct.pack(">I", min(count, 2**31 - 1))
    data[times + 12 : times + 16] = struct.pack(">I", count)
    path.write_bytes(data)
    # Then no decoder makes room for them, nor looks for them for ever
    with pytest.raises(BadVideo, match="not a video"):
        probe_video(path)
