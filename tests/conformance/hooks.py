"""What schemathesis has to know about the sandbox that it works in."""

import os

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    # It would end or stop the sandbox that all other requests are for.
    if case.path_parameters.get("sandbox") == os.environ["SANDBOX"]:
        case.path_parameters["sandbox"] = "another"
    case.body = plain(case.body)


def plain(value):
    """In JSON Schema 1.0 is an integer; the server takes what is written as one."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return value
