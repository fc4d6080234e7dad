"""What follows from a failure, category by category: the specification's table."""

from dataclasses import replace

import pytest

from neurocards.errors import Failure
from neurocards.policies import MOST_PATIENCE, Decision, Policy, Situation, policy_for, register


def decide(
    category: str, *, subtype: str = "", provider: str = "kie", retry_after: float | None = None, **situation: object
) -> Decision:
    failure = Failure(category, "a rule", subtype, provider, "words", retry_after)
    return policy_for(category).decide(failure, Situation(**{"attempts": 1, **situation}))


@pytest.mark.parametrize(("category", "low", "high"), [("RATE_LIMIT", 60, 120), ("TEMPORARY", 30, 60)])
def test_passing_trouble_is_retried_three_times_within_its_delays(category, low, high):
    # Given many failures at the first and second attempt
    decisions = [decide(category, attempts=attempts) for attempts in (1, 2) for _ in range(200)]
    # Then each is retried after a delay in the range, and the delays differ
    assert {decision.action for decision in decisions} == {"retry"}
    assert all(low <= decision.delay <= high for decision in decisions)
    assert len({round(decision.delay) for decision in decisions}) > 10
    # And the third is the last
    assert decide(category, attempts=3).action == "fail"


def test_a_longer_retry_after_of_the_vendor_is_kept():
    assert decide("RATE_LIMIT", retry_after=300).delay == 300


def test_a_users_error_is_never_retried():
    assert decide("USER_ERROR").action == "fail"


def test_billing_moves_to_another_key_at_no_cost_while_one_is_left():
    # Given another key
    decision = decide("BILLING", attempts=3, key_left=True)
    # Then the order goes on at once, and the attempt is given back
    assert (decision.action, decision.delay, decision.uncounted) == ("retry", 0.0, True)
    # And with none left it fails
    assert decide("BILLING", key_left=False).action == "fail"


def test_gpt_has_no_other_key_to_move_to():
    assert decide("BILLING", provider="openai", key_left=True).action == "fail"


def test_our_own_mistake_goes_to_the_next_model_and_the_operator_hears_of_it():
    # Given a fallback model
    decision = decide("CONFIGURATION", next_model="kling-3.0/video")
    # Then it takes over, and someone is told
    assert (decision.action, decision.model, decision.uncounted) == ("retry", "kling-3.0/video", True)
    assert decision.alert
    # And at the end of the list the order fails, and someone is told
    assert decide("CONFIGURATION").action == "fail"
    assert decide("CONFIGURATION").alert


def test_the_unknown_is_tried_once_more_and_then_shown_to_the_operator():
    assert decide("UNKNOWN", attempts=1).action == "retry"
    last = decide("UNKNOWN", attempts=2)
    assert last.action == "fail"
    assert last.alert


def test_a_category_without_a_policy_is_treated_as_unknown():
    assert policy_for("NEVER_HEARD_OF") is policy_for("UNKNOWN")


def test_a_lost_answer_is_awaited_only_when_a_request_has_left():
    assert decide("TEMPORARY", subtype="ambiguous_submit", submitted=True, attempts=3).action == "await"
    assert decide("TEMPORARY", subtype="ambiguous_submit", submitted=False).action == "retry"


def test_two_policies_for_one_category_are_refused():
    # Given the policies that are here
    assert policy_for("RATE_LIMIT").category == "RATE_LIMIT"
    # When another one comes for the same category, Then that is a mistake
    with pytest.raises(ValueError, match="RATE_LIMIT"):
        register(Policy("RATE_LIMIT"))


# The whole of a decision ----------------------------------------------------------------------------------------------

RETRY = Decision("retry")


@pytest.mark.parametrize(
    ("category", "subtype", "provider", "situation", "expected"),
    [
        ("USER_ERROR", "person", "kie", {}, Decision("fail")),
        ("BILLING", "no_credit", "kie", {}, Decision("retry", uncounted=True)),
        ("BILLING", "no_credit", "kie", {"key_left": False}, Decision("fail", alert="billing:kie")),
        ("BILLING", "no_credit", "openai", {}, Decision("fail", alert="billing:openai")),
        ("RATE_LIMIT", "", "kie", {"attempts": 2}, RETRY),
        ("RATE_LIMIT", "", "kie", {"attempts": 3}, Decision("fail")),
        ("TEMPORARY", "provider", "kie", {"attempts": 2}, RETRY),
        ("TEMPORARY", "provider", "kie", {"attempts": 3}, Decision("fail")),
        ("TEMPORARY", "maintenance", "kie", {}, Decision("retry", also=("pause_provider",))),
        ("TEMPORARY", "maintenance", "kie", {"attempts": 3}, Decision("fail", also=("pause_provider",))),
        ("TEMPORARY", "maintenance", "openai", {}, RETRY),
        ("TEMPORARY", "ambiguous_submit", "kie", {"submitted": True, "attempts": 3}, Decision("await")),
        ("TEMPORARY", "ambiguous_submit", "kie", {"attempts": 3}, Decision("fail")),
        ("TEMPORARY", "provider", "kie", {"submitted": True}, RETRY),
        ("TEMPORARY", "lost_reply", "telegram", {"attempts": 1}, RETRY),
        ("TEMPORARY", "lost_reply", "telegram", {"attempts": 2}, Decision("finish")),
        ("TEMPORARY", "lost_reply", "kie", {"attempts": 2}, RETRY),
        ("TEMPORARY", "provider", "telegram", {"attempts": 2}, RETRY),
        ("CONFIGURATION", "model_unknown", "kie", {}, Decision("fail", alert="configuration")),
        (
            "CONFIGURATION", "model_unknown", "kie", {"next_model": "m2"},
            Decision("retry", uncounted=True, model="m2", alert="model_fallback"),
        ),
        ("CONFIGURATION", "region", "openai", {"next_model": "m2"}, Decision("fail", alert="configuration")),
        (
            "CONFIGURATION", "bad_token", "telegram", {"attempts": 9},
            Decision("retry", uncounted=True, alert="configuration"),
        ),
        ("HARMLESS", "not_modified", "telegram", {"attempts": 9}, Decision("finish")),
        ("UNREACHABLE", "blocked", "telegram", {"attempts": 9}, Decision("finish")),
        ("UNKNOWN", "", "kie", {"attempts": 1}, RETRY),
        ("UNKNOWN", "", "kie", {"attempts": 2}, Decision("fail", alert="unknown_failure:a rule: words")),
    ],
)  # fmt: skip
def test_each_failure_has_its_decision(category, subtype, provider, situation, expected):
    # When a failure is decided on
    decision = decide(category, subtype=subtype, provider=provider, **situation)
    # Then nothing else follows from it than this
    assert replace(decision, delay=0.0) == expected


@pytest.mark.parametrize(
    ("category", "attempts", "delay", "retries", "key"),
    [
        ("USER_ERROR", 1, (0.0, 0.0), False, ""),
        ("BILLING", 1, (0.0, 0.0), False, "quarantine"),
        ("RATE_LIMIT", 3, (60.0, 120.0), True, "cool"),
        ("TEMPORARY", 3, (30.0, 60.0), True, ""),
        ("CONFIGURATION", 1, (0.0, 0.0), False, ""),
        ("HARMLESS", 1, (0.0, 0.0), False, ""),
        ("UNREACHABLE", 1, (0.0, 0.0), False, ""),
        ("UNKNOWN", 2, (30.0, 60.0), True, ""),
    ],
)
def test_the_table_of_categories(category, attempts, delay, retries, key):
    policy = policy_for(category)
    assert (policy.category, policy.attempts, policy.delay, policy.retries) == (category, attempts, delay, retries)
    assert (policy.key, policy.texts) == (key, None)


@pytest.mark.parametrize(("settings", "delay"), [({"delay": (5.0, 5.0)}, 5.0), ({}, 0.0)])
def test_a_policy_of_two_attempts_retries_once(settings, delay):
    # Given a plain policy
    policy = Policy("OF_THIS_TEST", attempts=2, **settings)
    failure = Failure("OF_THIS_TEST", "a rule")
    # Then the first failure is retried after its delay, and the second is the last
    assert policy.decide(failure, Situation(attempts=1)) == Decision("retry", delay=delay)
    assert policy.decide(failure, Situation(attempts=2)) == Decision("fail")


def test_an_alert_of_a_plain_policy_is_for_the_last_failure():
    policy = Policy("OF_THIS_TEST", attempts=2, alert="look")
    failure = Failure("OF_THIS_TEST", "a rule")
    assert [policy.decide(failure, Situation(attempts=n)).alert for n in (1, 2)] == ["", "look"]


@pytest.mark.parametrize(("told", "delay"), [(None, 0.0), (0.0, 0.0), (7.5, 7.5), (300.0, 300.0), (86_400.0, 300.0)])
def test_a_vendors_patience_is_kept_up_to_five_minutes(told, delay):
    # Given a vendor that names a time
    decision = Policy("OF_THIS_TEST", attempts=2).decide(
        Failure("OF_THIS_TEST", "a rule", retry_after=told), Situation(attempts=1)
    )
    # Then it is waited for, and not for ever
    assert (decision.delay, MOST_PATIENCE) == (delay, 300.0)


def test_what_is_not_said_of_a_situation_is_what_is_usual():
    assert Situation(attempts=1) == Situation(attempts=1, submitted=False, key_left=True, next_model=None)
    assert Decision("fail") == Decision("fail", 0.0, False, None, "", ())


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("blorp", "blorp"),
        ("task 12 failed at 10:32", "task # failed at #:#"),
        ("id 7f3a-b2c x9 gone", "id #-# # gone"),
        ("x" * 100, "x" * 80),
        ("task 1234567 " + "x" * 100, "task # " + "x" * 73),
    ],
)
def test_a_wording_is_the_same_whatever_its_numbers(text, wording):
    failure = Failure("UNKNOWN", "no rule", "", "kie", text)
    decision = policy_for("UNKNOWN").decide(failure, Situation(attempts=2))
    assert decision.alert == f"unknown_failure:no rule: {wording}"
