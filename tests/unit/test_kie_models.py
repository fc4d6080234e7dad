"""Each family of KIE's models gets its own field names and types, and nothing it would refuse."""

import pytest

from neurocards.classifiers import classify
from neurocards.clients.kie_models import family, input_for
from neurocards.errors import ProviderError

URL = "https://files.example/a.jpg"

# What docs and recordings of KIE say each family accepts (name of the picture's field, type of the duration, prompt limit).
FAMILIES = {
    "bytedance/seedance-1.5-pro": ("input_urls", int, 2500),
    "bytedance/seedance-2": ("first_frame_url", int, 20000),
    "bytedance/seedance-2-fast": ("first_frame_url", int, 20000),
    "kling-3.0/video": ("image_urls", str, 2500),
    "kling-2.6/image-to-video": ("image_urls", str, 1000),
    "wan/2-6-image-to-video": ("image_urls", str, 5000),
    "wan/2-7-image-to-video": ("first_frame_url", int, 5000),
    "sora-2-image-to-video": ("image_urls", type(None), 5000),
}


@pytest.mark.parametrize(("model", "expected"), FAMILIES.items())
def test_the_picture_and_the_duration_have_the_familys_name_and_type(model, expected):
    # Given a family's peculiarities
    field, duration, _ = expected
    # When its input is made
    made = input_for(model, "A kettle.", URL)
    # Then the picture is where it looks for it, in a list or alone
    assert made[field] == ([URL] if field.endswith("urls") else URL)
    assert type(made.get("duration")) is duration
    assert made["prompt"] == "A kettle."


@pytest.mark.parametrize(("model", "expected"), FAMILIES.items())
def test_a_long_prompt_is_cut_at_a_word(model, expected):
    # Given a prompt longer than any limit
    prompt = "glass " * 5000
    # When the input is made
    cut = input_for(model, prompt, URL)["prompt"]
    # Then it fits, is as long as it may be, and ends with a whole word
    assert expected[2] - 6 <= len(cut) <= expected[2]
    assert cut.endswith("glass")


def test_a_prompt_without_spaces_is_cut_all_the_same():
    assert len(input_for("kling-2.6/image-to-video", "x" * 5000, URL)["prompt"]) == 1000


def test_a_prompt_of_exactly_the_limit_is_left_alone():
    assert input_for("kling-2.6/image-to-video", "y" * 1000, URL)["prompt"] == "y" * 1000


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (
            "bytedance/seedance-1.5-pro",
            {"aspect_ratio": "9:16", "resolution": "720p", "duration": 8, "generate_audio": True},
        ),
        ("bytedance/seedance-2-fast", {"aspect_ratio": "9:16", "generate_audio": True}),
        ("kling-3.0/video", {"aspect_ratio": "9:16", "sound": True, "multi_shots": False, "mode": "std"}),
        ("kling-2.6/image-to-video", {"sound": True, "duration": "10"}),
        ("sora-2-image-to-video", {"aspect_ratio": "portrait", "n_frames": "10"}),
    ],
)
def test_videos_are_vertical_and_have_sound(model, wanted):
    assert wanted.items() <= input_for(model, "A kettle.", URL).items()


@pytest.mark.parametrize("model", ["veo3", "sora-2-text-to-video", "", "KLING-3.0/video"])
def test_an_unknown_model_is_the_operators_business(model):
    # When there is no adapter
    with pytest.raises(ProviderError) as raised:
        input_for(model, "A kettle.", URL)
    # Then the failure is one that moves to the next model
    failure = classify(raised.value)
    assert (failure.category, failure.subtype) == ("CONFIGURATION", "model_unknown")


def test_a_new_family_is_one_function():
    # Given a function under a new prefix
    @family("acme-of-this-test/", 10)
    def acme(prompt: str, picture_url: str) -> dict[str, object]:
        return {"text": prompt, "picture": picture_url}

    # Then models of that prefix use it
    assert input_for("acme-of-this-test/1", "A red kettle", URL) == {"text": "A red", "picture": URL}
