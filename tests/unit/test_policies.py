"""What follows from a failure, category by category: the specification's table."""

import pytest

from neurocards.errors import Failure
from neurocards.policies import Decision, Policy, Situation, policy_for, register


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
