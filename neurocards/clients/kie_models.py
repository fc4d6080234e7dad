"""What each family of KIE's video models wants as `input`: the same idea under other names and in other types.

A new family is one function here. Vertical 9:16 with sound, 8 to 10 seconds, 720p, is the product's format.
"""

from collections.abc import Callable

from neurocards.errors import ProviderError

Input = dict[str, object]
Adapter = Callable[[str, str], Input]

_FAMILIES: dict[str, tuple[int, Adapter]] = {}


def family(prefix: str, prompt_limit: int) -> Callable[[Adapter], Adapter]:
    """Registers an adapter for the model ids that begin with `prefix`; `prompt_limit` is in characters."""

    def register(adapter: Adapter) -> Adapter:
        _FAMILIES[prefix] = (prompt_limit, adapter)
        return adapter

    return register


def input_for(model: str, prompt: str, picture_url: str) -> Input:
    """The `input` that makes `model` animate the picture. Raises ProviderError for a model of no family we know."""
    prefix = max((prefix for prefix in _FAMILIES if model.startswith(prefix)), key=len, default=None)
    if prefix is None:
        raise ProviderError("kie", "createTask", f"the model {model} is not supported", fail_code="model_unknown")
    limit, adapter = _FAMILIES[prefix]
    return adapter(_cut(prompt, limit), picture_url)


def _cut(prompt: str, limit: int) -> str:
    """Ends a long prompt at a word, since half a word may be read as another."""
    if len(prompt) <= limit:
        return prompt
    head = prompt[: limit + 1].rpartition(" ")[0]
    return head if len(head) >= limit // 2 else prompt[:limit]


# The documented type of this duration changed from string to number within three weeks; 4, 8 and 12 are in both sets.
@family("bytedance/seedance-1.5", 2500)
def seedance_1_5(prompt: str, picture_url: str) -> Input:
    """Seedance 1.5 pro: silent unless told otherwise, square unless told otherwise."""
    return {
        "prompt": prompt,
        "input_urls": [picture_url],
        "aspect_ratio": "9:16",
        "resolution": "720p",
        "duration": 8,
        "generate_audio": True,
    }


@family("bytedance/seedance-2", 20000)
def seedance_2(prompt: str, picture_url: str) -> Input:
    """Seedance 2 and its fast and mini variants: the picture is the first frame."""
    return {
        "prompt": prompt,
        "first_frame_url": picture_url,
        "aspect_ratio": "9:16",
        "resolution": "720p",
        "duration": 8,
        "generate_audio": True,
    }


@family("kling-3.0/video", 2500)
def kling_3(prompt: str, picture_url: str) -> Input:
    """Kling 3.0: `std` is 720p; the duration is a string."""
    return {
        "prompt": prompt,
        "image_urls": [picture_url],
        "sound": True,
        "duration": "10",
        "aspect_ratio": "9:16",
        "mode": "std",
        "multi_shots": False,
    }


@family("kling-2.6/image-to-video", 1000)
def kling_2_6(prompt: str, picture_url: str) -> Input:
    """Kling 2.6: takes its format from the picture, four fields and no more."""
    return {"prompt": prompt, "image_urls": [picture_url], "sound": True, "duration": "10"}


@family("wan/2-6-image-to-video", 5000)
def wan_2_6(prompt: str, picture_url: str) -> Input:
    """Wan 2.6: takes its format from the picture; the duration is a string."""
    return {"prompt": prompt, "image_urls": [picture_url], "duration": "10", "resolution": "720p"}


@family("wan/2-7-image-to-video", 5000)
def wan_2_7(prompt: str, picture_url: str) -> Input:
    """Wan 2.7: another name for the picture than 2.6, and a number for the duration."""
    return {"prompt": prompt, "first_frame_url": picture_url, "duration": 10, "resolution": "720p", "watermark": False}


@family("sora-2-image-to-video", 5000)
@family("sora-2-pro-image-to-video", 5000)
def sora_2(prompt: str, picture_url: str) -> Input:
    """Sora 2, probably gone from KIE: says `portrait` for 9:16 and counts seconds in `n_frames`."""
    return {
        "prompt": prompt,
        "image_urls": [picture_url],
        "aspect_ratio": "portrait",
        "n_frames": "10",
        "remove_watermark": True,
    }
