"""Settings: one frozen value, built where a process begins. Nothing else reads the environment."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from neurocards.errors import ConfigurationMistake

Value = TypeVar("Value")


def _matching(pattern: str) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, secret.get_secret_value()):
            raise ValueError(pattern)
        return secret

    return AfterValidator(check)


def _address(schemes: tuple[str, ...], needs_path: bool) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        parts = urlsplit(secret.get_secret_value())
        in_range = parts.port is None or parts.port > 0  # a port that is no number raises here
        if parts.scheme not in schemes or not in_range or (needs_path and not parts.path.strip("/")):
            raise ValueError(parts.scheme)
        return secret

    return AfterValidator(check)


def _writable(folder: str) -> str:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(folder) from error
    if not os.access(folder, os.W_OK):
        raise ValueError(folder)
    return folder


def _without_slash(url: str) -> str:
    return str(HttpUrl(url)).rstrip("/")


def _needed_for_the_webhook(value: Value, known: ValidationInfo) -> Value:
    if value is None and known.data.get("bot_mode") == "webhook":
        raise PydanticCustomError("missing", "BOT_MODE is webhook")
    return value


NEEDED_FOR_THE_WEBHOOK = AfterValidator(_needed_for_the_webhook)

Url = Annotated[str, AfterValidator(_without_slash)]
Secret = Annotated[SecretStr, _matching(r"\S+")]


class DatabaseSettings(BaseSettings):
    """What every command needs: where PostgreSQL is."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    database_url: Annotated[SecretStr, _address(("postgres", "postgresql"), needs_path=True)] = Field(
        title="where PostgreSQL is",
        description="a PostgreSQL address such as postgresql://user:password@host:5432/neurocards",
    )
    db_pool_size: int = Field(
        7,
        ge=2,
        le=100,
        title="connections to PostgreSQL that a worker process may hold",
        description="a number, 2 to 100",
    )
    app_role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = Field(
        None,
        title="whom a migration grants what bot and workers need; the migration alone reads it",
        description="the name of a PostgreSQL role, in small letters",
    )
    time_scale: float = Field(
        1.0,
        gt=0,
        le=10_000,
        title="for tests and rehearsals: hurries everything",
        description="a number above 0 by which every delay is divided",
    )
    log_dir: Annotated[str, AfterValidator(_writable)] | None = Field(
        None,
        title="where `bot.log` and `worker-N.log` go",
        description="a folder that can be written to; empty: standard output",
    )


class Settings(DatabaseSettings):
    """All settings of a bot or a worker; secrets print as asterisks."""

    redis_url: Annotated[SecretStr, _address(("redis", "rediss", "unix"), needs_path=False)] = Field(
        title="where Redis or Valkey is", description="a Redis address such as redis://localhost:6379/0"
    )

    bot_token: Annotated[SecretStr, _matching(r"\d+:[\w-]{30,}")] = Field(
        title="which bot it is", description="a token from @BotFather, like 123456:ABC-DEF..."
    )
    bot_mode: Literal["polling", "webhook"] = Field(
        "polling", title="how updates come", description="'polling' or 'webhook'"
    )
    telegram_api_url: Url = Field(
        "https://api.telegram.org",
        title="another Bot API server than Telegram's",
        description="the base address of a Bot API server",
    )
    public_base_url: Annotated[Url | None, NEEDED_FOR_THE_WEBHOOK] = Field(
        None,
        validate_default=True,
        title="for the webhook and for KIE's callbacks",
        description="the https address under which the bot is reached from outside",
    )
    webhook_secret_token: Annotated[
        Annotated[SecretStr, _matching(r"[A-Za-z0-9_-]{16,256}")] | None, NEEDED_FOR_THE_WEBHOOK
    ] = Field(
        None,
        validate_default=True,
        title="what Telegram proves itself with; only it and you know it",
        description="16 to 256 characters of A-Z a-z 0-9 _ -",
    )
    port: int = Field(
        10000, ge=0, le=65535, title="where the bot answers HTTP", description="a port number, 0 to 65535"
    )

    openai_api_key: Secret = Field(title="pays for GPT", description="an OpenAI key, sk-...")
    openai_base_url: Url = Field(
        "https://api.openai.com/v1",
        title="another server than OpenAI's",
        description="an OpenAI-compatible address ending in /v1",
    )
    openai_model: str = Field(
        "gpt-4o-mini",
        pattern=r"^[\w./:-]+$",
        title="who writes the script",
        description="the name of a chat model that can see pictures",
    )

    kie_api_key: Annotated[SecretStr, _matching(r"\s*([\w.-]+:)?[^,:\s]+(\s*,\s*([\w.-]+:)?[^,:\s]+)*\s*")] = Field(
        title="pays for videos",
        description="one or more KIE keys separated by commas; 'account:key' groups keys of one account",
    )
    kie_api_url: Url = Field("https://api.kie.ai", title="another host than KIE's", description="KIE's API address")
    kie_upload_url: Url = Field(
        "https://kieai.redpandaai.co", title="another host for photos than KIE's", description="KIE's upload address"
    )
    kie_model: str = Field(
        "bytedance/seedance-1.5-pro",
        pattern=r"^[\w./-]+$",
        title="who renders the video",
        description="the id of a KIE video model",
    )
    kie_fallback_models: str = Field(
        "kling-3.0/video,bytedance/seedance-2-fast",
        title="who renders when the model is gone",
        description="KIE model ids separated by commas, tried in order when a model is gone",
    )

    admin_ids: Annotated[str, Field(pattern=r"^(\s*\d{1,18}\s*(,\s*\d{1,18}\s*)*)?$")] = Field(
        "", title="who the operators are: they get the alerts", description="Telegram ids separated by commas"
    )
    support_contact: str = Field(
        "@kirbudilov",
        max_length=64,
        title="whom users are told to write to",
        description="a contact of up to 64 characters, like @name",
    )
    workers_configured: int | None = Field(
        None, ge=0, title="what `/queue_stats` reports instead of counting", description="a number, 0 or more"
    )
    welcome_credits: int = Field(1, ge=0, le=100, title="a new user's credits", description="a number, 0 to 100")

    @property
    def admins(self) -> tuple[int, ...]:
        """Telegram ids of the operators."""
        return tuple(int(part) for part in self.admin_ids.split(",") if part.strip())

    @property
    def models(self) -> tuple[str, ...]:
        """KIE model ids in the order they are tried, the configured one first, each once."""
        names = [self.kie_model, *(part.strip() for part in self.kie_fallback_models.split(","))]
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def kie_keys(self) -> tuple[tuple[str, str], ...]:
        """Pairs of (account, key); keys without a prefix share the account named 'default'."""
        parts = (part.strip() for part in self.kie_api_key.get_secret_value().split(","))
        pairs = (part.rpartition(":") for part in parts if part)
        return tuple((account or "default", key) for account, _, key in pairs)

    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be written anywhere; the log filter hides them."""
        values = [self.bot_token, self.openai_api_key, self.webhook_secret_token]
        passwords = [urlsplit(url.get_secret_value()).password for url in (self.database_url, self.redis_url)]
        return (
            *(value.get_secret_value() for value in values if value),
            *(password for password in passwords if password),
            *(key for _, key in self.kie_keys),
        )


SettingsType = TypeVar("SettingsType", bound=DatabaseSettings)


def load(kind: type[SettingsType]) -> SettingsType:
    """Reads the environment and `.env`. Raises ConfigurationMistake with one line naming the first bad variable."""
    nothing: dict[str, Any] = {}
    try:
        return kind(**nothing)
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        missing = error.errors()[0]["type"] == "missing"
        raise ConfigurationMistake(
            f"{name.upper()} is {'missing' if missing else 'malformed'}: it should be {kind.model_fields[name].description}"
        ) from None


def load_or_exit(kind: type[SettingsType]) -> SettingsType:
    """As `load`, for the start of a process: a mistake ends it with that one line and status 2."""
    try:
        return load(kind)
    except ConfigurationMistake as mistake:
        sys.stderr.write(f"{mistake}\n")
        raise SystemExit(2) from None
