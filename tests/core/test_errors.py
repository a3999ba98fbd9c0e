"""The exception tree is the one that its module draws."""

import builtins
import inspect
import re

import pytest

from hybrid_llm import errors


def drawn():
    lines = [line for line in errors.__doc__.splitlines() if "──" in line or line.strip() == "HybridLLMError"]
    found = [re.search(r"(\w+Error)(?:.*\(also (\w+)\))?", line) for line in lines]
    return {match[1]: match[2] for match in found}


def defined():
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: cls for name, cls in classes if issubclass(cls, Exception) and not issubclass(cls, Warning)}


def test_every_error_is_drawn_in_the_tree():
    assert set(drawn()) == set(defined())


@pytest.mark.parametrize("name", sorted(defined()))
def test_every_error_can_be_caught_as_one(name):
    assert issubclass(defined()[name], errors.HybridLLMError)


@pytest.mark.parametrize(("name", "builtin"), [(n, b) for n, b in drawn().items() if b])
def test_an_error_is_also_the_other_one_that_the_tree_says(name, builtin):
    assert issubclass(defined()[name], getattr(builtins, builtin, None) or defined()[builtin])


def test_an_unknown_name_is_answered_with_near_ones_and_all_there_are():
    error = errors.UnknownNameError.of("model", "gpt4o", ["gpt-4o", "qwen3:4b"])
    assert str(error) == "There is no model 'gpt4o' in this table. Did you mean 'gpt-4o'? It has: gpt-4o, qwen3:4b."


def test_a_part_of_a_long_name_is_near_enough():
    error = errors.UnknownNameError.of("model", "mixtral", ["Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"])
    assert "Did you mean 'Mixtral-8x7B-Instruct-v0.1'?" in str(error)


def test_a_long_list_of_names_is_cut():
    error = errors.UnknownNameError.of("model", "x", [f"m{i:02d}" for i in range(30)])
    assert "and 10 more" in str(error)


def test_a_missing_extra_says_what_to_install():
    assert "pip install 'hybrid-llm[parquet]'" in str(errors.MissingExtraError.of("Parquet files", "parquet"))
