import pytest

from chaffinch.core.errors import InputError
from chaffinch.repair.policy import POLICIES, PROTECTED, Policy, find_policy


def test_named_policies_carry_their_names():
    assert {name: policy.name for name, policy in POLICIES.items()} == {n: n for n in POLICIES}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_policy_touches_what_is_protected(policy):
    assert all(policy.step(kind) == "keep" for kind in (*PROTECTED, "clean"))


def test_a_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "gentle"\noutlier = "review"\nreview = 7\n')
    expected = POLICIES["gentle"].model_copy(
        update={"name": "mine", "outlier": "review", "review": 7}
    )
    assert find_policy(path) == find_policy(str(path)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "colour"),
        ("budget = 2", "budget"),
        ('hard = "trim"', "hard allows keep"),
        ('near_cluster = "relabel"', "near_cluster allows"),
        ('outlier = "augment"', "outlier does not allow augment"),
        ('unsure = "relabel"', "unsure allows"),
        ('base = "mild"', "a base among gentle"),
        ("budget =", "TOML in"),
    ],
)
def test_impossible_files_are_refused(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        find_policy(path)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="gentle, balanced, strict"):
        find_policy("mild")


def test_kinds_that_nobody_knows_are_looked_at():
    assert Policy().step("striped") == "review"
