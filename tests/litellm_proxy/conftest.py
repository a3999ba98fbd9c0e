"""LiteLLM's proxy has an environment of its own: its pins are older than what the rest is tested with."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import asks the internet for prices


def is_installed() -> bool:
    """Return whether LiteLLM's proxy is there; a folder of tests by its name is not."""
    try:
        return all(map(find_spec, ("litellm.integrations.custom_logger", "fastapi")))
    except ModuleNotFoundError:
        return False


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip every test that needs the proxy at this one line, so that the summary has one line for all of them."""
    if "proxy" in getattr(item, "fixturenames", ()) and not is_installed():
        pytest.skip("the plug-in of LiteLLM's proxy is tested where that is installed: make litellm")


@pytest.fixture(scope="session")
def proxy() -> None:
    """Import LiteLLM once, with warnings that are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm.proxy.proxy_server  # noqa: F401
