"""What a handler may ask about the invocation it is in. Names as in AWS's own client."""

import json
import os
import time


class _Fields:
    """An object with the given attributes, taken from the decoded JSON of a header."""

    def __init__(self, names, values):
        for name, key in names.items():
            setattr(self, name, values.get(key))

    def __repr__(self):
        return f"{type(self).__name__}([{','.join(f'{name}={value}' for name, value in vars(self).items())}])"


class Client(_Fields):
    pass


class ClientContext(_Fields):
    pass


class CognitoIdentity(_Fields):
    pass


_CLIENT = {
    "installation_id": "installationId",
    "app_title": "appTitle",
    "app_version_name": "appVersionName",
    "app_version_code": "appVersionCode",
    "app_package_name": "appPackageName",
}


class LambdaContext:
    """Made of the headers of GET next. Raises ValueError where one that holds JSON does not."""

    def __init__(self, headers):
        environ = os.environ
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        self.identity = CognitoIdentity(
            {"cognito_identity_id": "cognitoIdentityId", "cognito_identity_pool_id": "cognitoIdentityPoolId"},
            _decoded(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity") or {},
        )
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        print(message, end="")

    def __repr__(self):
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return f"LambdaContext([{','.join(f'{name}={value}' for name, value in shown.items())}])"


def _client_context(text):
    value = _decoded(text, "Client Context")
    if value is None:
        return None
    made = ClientContext({"custom": "custom", "env": "env", "client": "client"}, value)
    if made.client is not None:
        # AWS's own client looks for the attributes' names; mobile SDKs send them as the second column says.
        both = {**{key: made.client.get(key) for key in _CLIENT.values()}, **made.client}
        made.client = Client(
            {name: name if name in both else key for name, key in _CLIENT.items()},
            both,
        )
    return made


def _decoded(text, name):
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"Unable to parse {name} JSON: {error}") from None
