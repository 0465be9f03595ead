"""A job's typed configuration as Dagster shows it in the launchpad: same fields, bounds and descriptions."""

from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo

from ctr_assets.problems import problems


class JobConfig(dg.Config):
    """What every asset's launchpad offers."""

    resources: dict[str, Any] = Field(
        default={},
        description="On a cluster: fields of the deployment's Spark or PyTorch settings to override for this run, such "
        "as executors, executor_memory_gib, workers or gpus. A laptop ignores it",
    )


def launchpad_config(model: type[BaseModel], name: str) -> type[JobConfig]:
    """A Dagster config class whose fields are those of ``model``, each optional.

    A field that is left out keeps the model's own default, which may depend on its other fields (a preset). What is
    set must be what the model takes as a whole: bounds of a list's items and rules between fields included.
    """

    def is_accepted(config: JobConfig) -> JobConfig:
        try:
            model.model_validate(chosen(config))
        except ValidationError as e:
            raise ValueError(problems(name, e)) from e
        return config

    fields: dict[str, Any] = {}
    for field_name, info in model.model_fields.items():
        default = "the preset's" if "preset" in model.model_fields and field_name != "preset" else repr(info.default)
        description = f"{info.description} (default: {default})"
        field = FieldInfo.merge_field_infos(info, default=None, description=description)
        fields[field_name] = (_dagster_type(info.annotation, f"{name}_{field_name}") | None, field)
    rules: dict[str, Any] = {"is_accepted": model_validator(mode="after")(is_accepted)}
    return create_model(name, __base__=JobConfig, __doc__=model.__doc__, __validators__=rules, **fields)


def chosen(config: dg.Config) -> dict[str, Any]:
    """The job's own fields that were set in the launchpad, as plain values."""
    values = {name: getattr(config, name) for name in type(config).model_fields if name not in JobConfig.model_fields}
    return {name: v.value if isinstance(v, Enum) else v for name, v in values.items() if v is not None}


def _dagster_type(annotation: Any, name: str) -> Any:
    """``annotation`` without its None, a Literal as the Enum of its strings (all that Dagster's config knows)."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (a for a in get_args(annotation) if a is not NoneType)
    if get_origin(annotation) is Literal:
        return Enum(name, {value: value for value in get_args(annotation)})
    return annotation
