"""Settings in files that are no run's configuration: a study's, a sweep's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from babylm.config.checks import ConfigError
from babylm.config.load import explain_error, parse_override, with_lists

T = TypeVar("T")


def load_section(layer: DictConfig, settings_class: type[T], overrides: Sequence[str]) -> T:
    """An object of ``settings_class`` from a file's content, then ``key=value`` overrides.

    Raises:
        ConfigError: A key or a value is wrong; the message names the key and the nearest one.
    """
    try:
        content = with_lists(OmegaConf.to_container(layer), settings_class)
        merged = OmegaConf.merge(OmegaConf.structured(settings_class), content)
        for key, value in (parse_override(word, settings_class) for word in overrides):
            OmegaConf.update(merged, key, value)
        section = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(explain_error(error, settings_class)) from None
    assert isinstance(section, settings_class)
    return section
