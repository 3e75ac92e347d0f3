"""Checks a JSON Schema against draft 2020-12, and documents against the schema.

Reads {"schema": .., "right": [..], "wrong": [..]} from standard input. Fails where a right document is refused or a wrong one
accepted.
"""

import json
import sys

from jsonschema import Draft202012Validator

cases = json.load(sys.stdin)
Draft202012Validator.check_schema(cases["schema"])
validator = Draft202012Validator(cases["schema"])
for document in cases["right"]:
    validator.validate(document)
accepted = [document for document in cases["wrong"] if validator.is_valid(document)]
sys.exit(f"accepted: {accepted}" if accepted else 0)
