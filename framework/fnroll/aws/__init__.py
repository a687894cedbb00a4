"""The one door to AWS, and to the local cloud, which speaks the same protocol.

    session.py                            clients, made on first use; credentials, region, retries, user agent
    functions.py versions.py aliases.py   verbs: a client and the API's shapes in, frozen values out
    layers.py urls.py invoke.py
    waits.py pacing.py                    patience: polls with a limit, calls below Lambda's rates
    errors.py                             the border where botocore's exceptions become ours

No other room imports botocore or boto3, and here they are imported within functions only.
"""

from fnroll.aws.aliases import AliasState
from fnroll.aws.clock import SYSTEM, Clock
from fnroll.aws.functions import FunctionState
from fnroll.aws.invoke import Invocation
from fnroll.aws.layers import LayerVersion
from fnroll.aws.pacing import Pacer
from fnroll.aws.session import AwsOptions, Session
from fnroll.aws.urls import FunctionUrl

__all__ = [
    "SYSTEM",
    "AliasState",
    "AwsOptions",
    "Clock",
    "FunctionState",
    "FunctionUrl",
    "Invocation",
    "LayerVersion",
    "Pacer",
    "Session",
]
