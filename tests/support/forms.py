"""Holds a report's machine forms to their published schemas: OCSF's, SARIF's, JUnit's as Jenkins reads it, and what AWS's SDK knows of
ASFF. Arguments: the report's folder, the schema of SARIF, the schema of JUnit."""

import json
import sys
from pathlib import Path

import botocore.session
import jsonschema
import xmlschema
from botocore.validate import ParamValidator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

folder, sarif_schema, junit_schema = map(Path, sys.argv[1:4])


def ocsf():
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.3.0"))
    classes = {2003: "compliance_finding", 2004: "detection_finding"}
    validators = {
        uid: jsonschema.Draft202012Validator(schemas.get_class_schema(class_name=name, profiles=["cloud"]))
        for uid, name in classes.items()
    }
    lines = (folder / "findings.ocsf.jsonl").read_text().splitlines()
    for line in lines:
        finding = json.loads(line)
        validators[finding["class_uid"]].validate(finding)
    return len(lines)


def asff():
    findings = json.loads((folder / "findings.asff.json").read_text())
    model = botocore.session.get_session().get_service_model("securityhub")
    shape = model.operation_model("BatchImportFindings").input_shape
    known = shape.members["Findings"].member.members
    for finding in findings:
        assert set(finding) <= set(known), set(finding) - set(known)
    report = ParamValidator().validate({"Findings": findings}, shape)
    assert not report.has_errors(), report.generate_report()
    return len(findings)


def sarif():
    schema = json.loads(sarif_schema.read_text())
    document = json.loads((folder / "report.sarif").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(document)
    return len(document["runs"][0]["results"])


def junit():
    schema = xmlschema.XMLSchema(str(junit_schema))
    schema.validate(str(folder / "junit.xml"))
    return len(schema.decode(str(folder / "junit.xml"))["testsuite"])


print(json.dumps({"ocsf": ocsf(), "asff": asff(), "sarif": sarif(), "junit": junit()}))
