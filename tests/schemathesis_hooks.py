"""How schemathesis writes the bodies that it has no words for."""

import json

import schemathesis

# FHIR's JSON is JSON under a name of its own.
schemathesis.serializer.alias("application/fhir+json", "application/json")


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    """A text as it is, a list with one line for each entry; whatever else is made up goes as one line."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", errors="surrogatepass")
    rows = value if isinstance(value, list) else [value]
    return "".join(json.dumps(row, default=str) + "\n" for row in rows).encode()


@schemathesis.serializer("application/dicom")
def file(ctx, value):
    """Bytes as they are; whatever else is made up is no DICOM file, as its text."""
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()
