"""The border: botocore's exceptions as ours, by table."""

from __future__ import annotations

import pytest
from botocore import exceptions as botocore

from fnroll.aws.errors import border, role_not_assumable, translate
from fnroll.errors import AwsError, Conflict, NoCredentials, NotFound, PreconditionFailed, Throttled


def answer(code: str, status: int, text: str = "words of AWS") -> botocore.ClientError:
    response = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.ClientError(response, "UpdateAlias")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (answer("ResourceNotFoundException", 404), NotFound, None),
        (answer("ResourceConflictException", 409), Conflict, None),
        (answer("PreconditionFailedException", 412), PreconditionFailed, None),
        (answer("TooManyRequestsException", 429), Throttled, "limit"),
        (answer("SomethingNew", 404), NotFound, None),
        (answer("ServiceException", 500), AwsError, None),
        (answer("AccessDeniedException", 403), AwsError, "lambda:UpdateAlias"),
        (answer("ExpiredTokenException", 403), NoCredentials, "log in again"),
        (answer("UnrecognizedClientException", 403), NoCredentials, "not known to AWS"),
        (
            answer(
                "InvalidParameterValueException", 400, "The role defined for the function cannot be assumed by Lambda."
            ),
            AwsError,
            "trust policy",
        ),
        (botocore.NoCredentialsError(), NoCredentials, "AWS_PROFILE"),
        (botocore.NoRegionError(), NoCredentials, "--region"),
        (botocore.ProfileNotFound(profile="x"), NoCredentials, "list-profiles"),
        (botocore.UnauthorizedSSOTokenError(), NoCredentials, "log in again"),
        (botocore.EndpointConnectionError(endpoint_url="http://x"), AwsError, "--endpoint"),
        (botocore.ReadTimeoutError(endpoint_url="http://x"), AwsError, "may have had its effect"),
        (botocore.ParamValidationError(report="Timeout: 0"), AwsError, None),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, Exception) else "",
)
def test_each_has_its_class_and_its_way_out(error: Exception, kind: type[AwsError], hint: str | None) -> None:
    found = translate(error, "UpdateAlias", "hello:current")
    assert type(found) is kind
    assert found.where == "hello:current"
    assert (found.hint is None) if hint is None else (hint in (found.hint or ""))


def test_the_answer_is_kept_in_full() -> None:
    found = translate(answer("ResourceConflictException", 409), "UpdateAlias", "hello")
    assert found is not None
    assert (found.code, found.status, found.operation) == ("ResourceConflictException", 409, "UpdateAlias")
    assert "words of AWS" in found.message


def test_what_is_not_botocores_goes_through_untouched() -> None:
    with pytest.raises(ZeroDivisionError), border("UpdateAlias", "hello"):
        _ = 1 / 0


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", True),
        ("InvalidParameterValueException", "Uploaded file must be a non-empty zip", False),
        ("AccessDeniedException", "cannot be assumed by Lambda", False),
    ],
)
def test_a_role_that_is_new_is_told_from_the_rest(code: str, text: str, expected: bool) -> None:
    found = translate(answer(code, 400, text), "CreateFunction", "hello")
    assert found is not None
    assert role_not_assumable(found) is expected
