"""`docs/asyncapi.yaml` as tests read it, and schemas of the code in the same form."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import yaml

ROOT = Path(__file__).resolve().parent.parent
_TEXTS = {"title", "description"}

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class Document:
    """The document, with its references followed."""

    def __init__(self) -> None:
        self.whole = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text("utf-8"))

    def at(self, *path: str) -> Json:
        """Give a part as it is written; a reference on the way is followed, so is one at the end."""
        found: Json = self.whole
        for name in path:
            assert isinstance(found, dict), path
            found = self.followed(found[name])
        return found

    def followed(self, part: Json) -> Json:
        """Give what a reference is to; anything else is given back."""
        while isinstance(part, dict) and "$ref" in part:
            part = self.at(*str(part["$ref"]).removeprefix("#/").split("/"))
        return part

    def names(self, *path: str) -> list[str]:
        """List the keys of a mapping."""
        found = self.at(*path)
        assert isinstance(found, dict)
        return list(found)

    def schema(self, name: str) -> dict[str, Json]:
        """Give a schema that refers to no other, so that jsonschema can use it."""
        whole = self.resolved({"$ref": f"#/components/schemas/{name}"})
        assert isinstance(whole, dict)
        return whole

    def resolved(self, part: Json) -> Json:
        """Put in place what references are to."""
        part = self.followed(part)
        if isinstance(part, dict):
            return {key: self.resolved(value) for key, value in part.items()}
        return [self.resolved(each) for each in part] if isinstance(part, list) else part

    def examples(self) -> Iterator[tuple[str, str, Json]]:
        """Give message, example and payload of all examples."""
        for message in self.names("components", "messages"):
            whole = self.at("components", "messages", message)
            assert isinstance(whole, dict)
            for example in whole.get("examples", []):  # type: ignore[union-attr]
                assert isinstance(example, dict)
                yield message, str(example["name"]), example["payload"]


def schemas_of(kinds: Sequence[type]) -> dict[str, Json]:
    """Give the schemas of structs and of all that they are made of, by name; references are followed."""
    _, components = msgspec.json.schema_components(kinds)
    components = json.loads(json.dumps(components))  # defaults too as JSON has them
    return {name: _resolved(schema, components) for name, schema in components.items()}


def normal(schema: Json) -> Json:
    """Bring a schema into a form in which equal ones are alike: without texts, and as draft 7 has it."""
    if isinstance(schema, list):
        return [normal(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _TEXTS or not isinstance(value, str)}
    if "prefixItems" in kept:
        kept["additionalItems"] = kept.pop("items")
        kept["items"] = kept.pop("prefixItems")
    if isinstance(kept.get("pattern"), str):
        kept["pattern"] = re.sub(r"^\\A(.*)\\Z$", r"^\1$", str(kept["pattern"]))
    if isinstance(kept.get("required"), list):
        kept["required"] = sorted(kept["required"])  # type: ignore[arg-type,type-var]
    return {key: normal(value) for key, value in kept.items()}


def official_schema() -> Json:
    """Give the schema of all AsyncAPI 3.0.0 documents."""
    schema: Json = json.loads((ROOT / "tests" / "data" / "asyncapi-3.0.0.json").read_text("utf-8"))
    return schema


def _resolved(schema: Json, components: dict[str, dict[str, Json]]) -> Json:
    if isinstance(schema, list):
        return [_resolved(each, components) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(components[str(schema["$ref"]).rpartition("/")[2]], components)
    return {key: _resolved(value, components) for key, value in schema.items()}
