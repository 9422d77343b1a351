"""Checks the OpenAPI description of a server by a public validator, and calls each of its operations once: check.py ADDRESS.

The requests are made from the schemas: the fields that have to be there, with the simplest values that keep the rules. No call
may fail for a reason that the description does not know, and each answer has the form that it says.
"""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import openapi_spec_validator

ADDRESS = sys.argv[1]
# Values of texts, of which one keeps each pattern of the contracts.
TEXTS = ["a", "abc", "1h", "https://example.com/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLLSw", "0" * 64, "0123456789abcdef", "A", "events:write", "1-1-1"]
LINES = "application/x-ndjson"
UUID = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"


def fetch(verb, target, body=None, headers=None):
    """Sends a request; returns the status, the headers and the body."""
    data = None if body is None else json.dumps(body).encode()
    headers = dict(headers or {})
    if data is not None:
        headers["content-type"] = "application/json"
    request = urllib.request.Request(ADDRESS + target, data=data, headers=headers, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            # Some streams go on for as long as somebody reads: the first message is enough.
            is_stream = answer.headers["content-type"] == LINES
            return answer.status, answer.headers, answer.readline() if is_stream else answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Description:
    """The description, and values that keep it."""

    def __init__(self, document):
        self.document = document

    def resolved(self, schema):
        """A schema with what it refers to."""
        if "$ref" not in schema:
            return schema
        found = self.document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}

    def value(self, schema):
        """The simplest value of a schema."""
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            # The first of our enums is the one that nobody may choose.
            return schema["enum"][min(1, len(schema["enum"]) - 1)]
        kind = schema.get("type", "object")
        if kind == "object":
            names = set(schema.get("required", []))
            for choice in schema.get("allOf", []):
                names.update(choice["oneOf"][0]["required"])
            properties = schema.get("properties", {})
            return {name: self.value(properties[name]) for name in sorted(names)}
        if kind == "array":
            items = [self.value(schema["items"]) for _ in range(schema.get("minItems", 0))]
            # Those that have to differ are ids: the last digit tells them apart.
            is_told = schema.get("uniqueItems") and len(items) > 1
            return [f"{item[:-1]}{place}" for place, item in enumerate(items)] if is_told else items
        if kind == "string":
            return self.text(schema)
        if kind == "boolean":
            return False
        return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)

    def text(self, schema):
        """The simplest text of a schema."""
        form = schema.get("format")
        if form == "uuid":
            return UUID
        if form == "date-time":
            return "2026-03-01T09:30:00Z"
        if form in ("int64", "uint64"):
            return "0"
        least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 20)
        for text in TEXTS + ["x" * least]:
            if least <= len(text) <= most and re.search(schema.get("pattern", ""), text):
                return text
        raise AssertionError(f"no text keeps {schema}")

    def check(self, schema, value, where):
        """Checks a value by a schema."""
        whole = {**schema, "components": self.document["components"]}
        faults = list(jsonschema.Draft202012Validator(whole).iter_errors(value))
        assert not faults, f"{where}: {faults[0].message} at {list(faults[0].absolute_path)}"


def check_served(document):
    """Checks that the description is kept by its version, and compressed."""
    _, headers, body = fetch("GET", "/openapi.json")
    assert headers["content-type"] == "application/json"
    status, _, none = fetch("GET", "/openapi.json", headers={"if-none-match": headers["etag"]})
    assert (status, none) == (304, b""), status
    _, headers, small = fetch("GET", "/openapi.json", headers={"accept-encoding": "gzip"})
    assert headers["content-encoding"] == "gzip" and len(small) * 3 < len(body)
    openapi_spec_validator.validate(document)


def call(description, path, verb, operation):
    """Calls an operation; returns the status."""
    query = []
    for parameter in operation.get("parameters", []):
        value = str(description.value(parameter["schema"]))
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", urllib.parse.quote(value, safe=""))
        elif parameter.get("required"):
            query.append((parameter["name"], value))
    target = path + ("?" + urllib.parse.urlencode(query) if query else "")
    body = None
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        schema = content["schema"]
        if "example" in content:
            description.check(schema, content["example"], f"example of {operation['operationId']}")
        body = description.value(schema)
        description.check(schema, body, f"request of {operation['operationId']}")
    status, headers, answer = fetch(verb.upper(), target, body)
    where = f"{operation['operationId']} ({verb} {target}): {status}"
    if status != 200:
        error = json.loads(answer)
        description.check({"$ref": "#/components/schemas/Error"}, error, where)
        details = {detail["@type"].rsplit(".")[-1] for detail in error["error"]["details"]}
        assert status in (400, 404, 409) and "ErrorInfo" in details, f"{where}: {error}"
        return status
    kind, contents = headers["content-type"], operation["responses"]["200"]["content"]
    assert kind == next(iter(contents)), where
    for document in answer.splitlines() if kind == LINES else [answer]:
        description.check(contents[kind]["schema"], json.loads(document), where)
    return status


def main():
    status, _, body = fetch("GET", "/openapi.json")
    assert status == 200, status
    document = json.loads(body)
    check_served(document)
    description = Description(document)
    counts = {}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            status = call(description, path, verb, operation)
            counts[status] = counts.get(status, 0) + 1
    assert counts.get(200, 0) > 10, counts
    told = ", ".join(f"{count} with {status}" for status, count in sorted(counts.items()))
    print(f"OpenAPI: valid, and each operation answers as it says: {told}")


if __name__ == "__main__":
    main()
