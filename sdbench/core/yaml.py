"""YAML without surprises: plain values only, and no key twice."""

from __future__ import annotations

from typing import Any

import yaml

from sdbench.core.errors import encodable

__all__ = ["load_yaml"]


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, by YAML's own rule, and half characters, which no file can hold."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and encodable(value) != value:
            line = node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                problem=f"half a character (a lone surrogate), line {line}; write it in full"
            )
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(problem=f"{key} is given twice, line {line}")
            seen.append(key)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """The plain value that ``text`` describes; yaml.YAMLError, ValueError or RecursionError if it is none."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
