"""Rows: columns and nothing else. `schema.sql` is the authority; a test compares the two.

Only what Python reads is worth a field name here; defaults are left to the database wherever it has one.
"""

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    DecimalField,
    DoubleField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import ArrayField, BinaryJSONField, DateTimeTZField

from neurocards.db import db

NOW = SQL("now()")


class Row(Model):
    """What all tables share: the database they live in."""

    class Meta:
        database = db


class User(Row):
    """A person, by Telegram's id. `credits` always equals the sum of the ledger entries."""

    id = BigIntegerField(primary_key=True)
    first_name = TextField(constraints=[SQL("DEFAULT ''")])
    language = TextField(constraints=[SQL("DEFAULT 'ru'")])
    credits = IntegerField(constraints=[SQL("DEFAULT 0")])
    reachable = BooleanField(constraints=[SQL("DEFAULT true")])
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    banned_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "users"


class Draft(Row):
    """An order being put together in a chat; `version` rises with every write."""

    id = BigAutoField()
    chat_id = BigIntegerField()
    user_id = BigIntegerField()
    state = TextField(null=True)
    data = BinaryJSONField(index=False, constraints=[SQL("DEFAULT '{}'")])
    version = IntegerField(constraints=[SQL("DEFAULT 1")])
    updated_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "drafts"
        indexes = ((("chat_id", "user_id"), True),)


class InboxUpdate(Row):
    """A Telegram update as it came, until it has been handled."""

    update_id = BigIntegerField(primary_key=True)
    lane = BigIntegerField()
    body = TextField()
    received_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    attempts = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    handled_at = DateTimeTZField(null=True)
    error = TextField(null=True)

    class Meta:
        table_name = "inbox"


class Photo(Row):
    """A product photo, re-encoded by us."""

    id = BigAutoField()
    user = ForeignKeyField(User, index=False)
    jpeg = BlobField()
    width = IntegerField()
    height = IntegerField()
    kie_url = TextField(null=True)
    kie_url_expires_at = DateTimeTZField(null=True)
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "photos"


class Order(Row):
    """What a person confirmed: one product, one template, `count` videos."""

    id = BigAutoField()
    user = ForeignKeyField(User, index=False)
    chat_id = BigIntegerField()
    draft_key = TextField(unique=True)
    photo = ForeignKeyField(Photo, index=False)
    description = TextField()
    template = TextField()
    wishes = TextField(constraints=[SQL("DEFAULT ''")])
    count = SmallIntegerField()
    card_message_id = BigIntegerField(null=True)
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "orders"


class Job(Row):
    """One video of an order, and where it is in its life (`neurocards.jobs`)."""

    id = BigAutoField()
    order = ForeignKeyField(Order, index=False, backref="jobs")
    user = ForeignKeyField(User, index=False)
    number = SmallIntegerField()
    status = TextField(constraints=[SQL("DEFAULT 'queued'")])
    stage = TextField(null=True)
    due_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    woken_at = DateTimeTZField(null=True)
    deadline_at = DateTimeTZField()
    claim_token = UUIDField(null=True)
    claimed_by = TextField(null=True)
    claimed_at = DateTimeTZField(null=True)
    script_attempts = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    render_attempts = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    deliver_attempts = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    reclaims = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    prompt = TextField(null=True)
    prompt_source = TextField(null=True)
    model = TextField(null=True)
    result_url = TextField(null=True)
    file_id = TextField(null=True)
    failure_category = TextField(null=True)
    failure_subtype = TextField(null=True)
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    finished_at = DateTimeTZField(null=True)
    held_at = DateTimeTZField(null=True)
    turn_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "jobs"
        indexes = ((("order", "number"), True),)


class JobEvent(Row):
    """A move of a job, with its reason."""

    id = BigAutoField()
    job = ForeignKeyField(Job, index=False, backref="events")
    from_status = TextField(null=True)
    from_stage = TextField(null=True)
    to_status = TextField()
    to_stage = TextField(null=True)
    reason = TextField()
    actor = TextField()
    at = DateTimeTZField(constraints=[SQL("DEFAULT clock_timestamp()")])

    class Meta:
        table_name = "job_events"


class ProviderAttempt(Row):
    """One request to KIE for a video."""

    id = BigAutoField()
    job = ForeignKeyField(Job, index=False, backref="attempts")
    n = SmallIntegerField()
    nonce = TextField(unique=True)
    key = TextField()
    model = TextField()
    state = TextField(constraints=[SQL("DEFAULT 'submitting'")])
    task_id = TextField(null=True, unique=True)
    checks = IntegerField(constraints=[SQL("DEFAULT 0")])
    error = TextField(null=True)
    started_at = DateTimeTZField(constraints=[SQL("DEFAULT clock_timestamp()")])
    finished_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "provider_attempts"
        indexes = ((("job", "n"), True),)


class LedgerEntry(Row):
    """A movement of credits. Never edited: the database refuses."""

    id = BigAutoField()
    user = ForeignKeyField(User, index=False)
    job = ForeignKeyField(Job, null=True, index=False)
    kind = TextField()
    amount = IntegerField()
    reason = TextField()
    actor = TextField()
    key = TextField(null=True, unique=True)
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "ledger_entries"


class OperatorAction(Row):
    """What an operator did, to whom."""

    id = BigAutoField()
    operator = BigIntegerField()
    action = TextField()
    subject = TextField(constraints=[SQL("DEFAULT ''")])
    at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "operator_actions"


class Broadcast(Row):
    """A text for everybody."""

    id = BigAutoField()
    operator = BigIntegerField()
    text = TextField()
    state = TextField(constraints=[SQL("DEFAULT 'draft'")])
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    started_at = DateTimeTZField(null=True)
    ended_at = DateTimeTZField(null=True)

    class Meta:
        table_name = "broadcasts"


class Outgoing(Row):
    """Something that must be told: a card to redraw, a notice, an alert, a broadcast's copy for one person."""

    id = BigAutoField()
    key = TextField(unique=True)
    kind = TextField()
    chat_id = BigIntegerField()
    payload = BinaryJSONField(index=False, constraints=[SQL("DEFAULT '{}'")])
    version = IntegerField(constraints=[SQL("DEFAULT 1")])
    attempts = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    due_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    woken_at = DateTimeTZField(null=True)
    taken_until = DateTimeTZField(null=True)
    sent_at = DateTimeTZField(null=True)
    error = TextField(null=True)
    created_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    broadcast = ForeignKeyField(Broadcast, null=True, index=False)

    class Meta:
        table_name = "outbox"


class Account(Row):
    """A provider account: the unit of KIE's limit of creates."""

    name = TextField(primary_key=True)
    creates = ArrayField(DateTimeTZField, index=False, constraints=[SQL("DEFAULT '{}'")])

    class Meta:
        table_name = "accounts"


class ApiKey(Row):
    """A provider key by its fingerprint, and how it fares."""

    fingerprint = TextField(primary_key=True)
    account = ForeignKeyField(Account, column_name="account", index=False)
    state = TextField(constraints=[SQL("DEFAULT 'healthy'")])
    reason = TextField(constraints=[SQL("DEFAULT ''")])
    until = DateTimeTZField(null=True)
    strikes = SmallIntegerField(constraints=[SQL("DEFAULT 0")])
    configured = BooleanField(constraints=[SQL("DEFAULT true")])
    last_used_at = DateTimeTZField(null=True)
    credit = DecimalField(null=True)
    credit_at = DateTimeTZField(null=True)
    polls = ArrayField(DateTimeTZField, index=False, constraints=[SQL("DEFAULT '{}'")])

    class Meta:
        table_name = "api_keys"


class Pause(Row):
    """A provider that is down, and when it may be asked again."""

    provider = TextField(primary_key=True)
    reason = TextField()
    until = DateTimeTZField()

    class Meta:
        table_name = "pauses"


class Process(Row):
    """A running worker process, as long as it beats."""

    id = TextField(primary_key=True)
    instance = TextField()
    started_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])
    beat_at = DateTimeTZField(constraints=[SQL("DEFAULT now()")])

    class Meta:
        table_name = "processes"


class Sample(Row):
    """A figure that all processes have counted together."""

    name = TextField()
    labels = TextField()
    value = DoubleField()

    class Meta:
        table_name = "metric_samples"
        primary_key = CompositeKey("name", "labels")


TABLES = (
    User,
    Draft,
    InboxUpdate,
    Photo,
    Order,
    Job,
    JobEvent,
    ProviderAttempt,
    LedgerEntry,
    OperatorAction,
    Broadcast,
    Outgoing,
    Account,
    ApiKey,
    Pause,
    Process,
    Sample,
)
