"""What a deploy wants: a definition and its package in the words of Lambda's API, removed blocks included.

Pure. `wanted` fills in what lambroll fills in, and resets what the file no longer says; `differences` compares that
with a FunctionConfiguration as AWS answers it, knowing what AWS adds by itself. Which members there are comes from the
service model, so a member that AWS adds needs no change here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fnroll.archive import Package
from fnroll.aws import FunctionState
from fnroll.definition import Definition
from fnroll.definition.service import shape
from fnroll.deploy.ignored import Path, kept
from fnroll.deploy.signing import MEMBER as SIGNING
from fnroll.deploy.signing import SIGNING_TAG
from fnroll.deploy.urls import Url
from fnroll.errors import UsageError
from fnroll.layers import LayerPackage

PACKAGE_TAG = "fn:package"
"""The function tag that holds tree digest and CodeSha256 together: a new compressor uploads nothing."""

URL_TAG = "fn:url"
"""The function tag that says on which aliases the URL is ours: one that the file has no more is deleted then."""

OWN_TAGS = (PACKAGE_TAG, URL_TAG, SIGNING_TAG)

DEFAULTS: Mapping[str, Any] = {
    "Description": "",
    "MemorySize": 128,
    "Timeout": 3,
    "EphemeralStorage": {"Size": 512},
    "TracingConfig": {"Mode": "PassThrough"},
    "SnapStart": {"ApplyOn": "None"},
}
"""What an absent member means (Lambda's own defaults, as lambroll fills them; LoggingConfig is made per function)."""

RESETS: Mapping[str, Any] = {
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "Environment": {"Variables": {}},
    "DeadLetterConfig": {"TargetArn": ""},
    "FileSystemConfigs": [],
    "KMSKeyArn": "",
    "ImageConfig": {},
}
"""What to send for a block that is not in the file, if AWS has one; members that a block in the file leaves out."""

_NOT_CONFIGURATION = frozenset({"FunctionName", "RevisionId", "Layers"})


@dataclass(frozen=True, slots=True)
class Desired:
    """One function as it shall be.

    `configuration`: members of UpdateFunctionConfiguration, defaults filled in, without Layers; `said`: those of them
    that the file itself says. `layers` in order: ARNs, and packages still to be published. `creation`: the members
    that CreateFunction alone takes. `url` is None where no file has one (and one of ours goes, but for `url_stays`);
    `settings`: the rest of Fn; `signing_stays`: the code signing configuration is left as it is.
    """

    name: str
    configuration: Mapping[str, Any] = field(repr=False)
    said: frozenset[str]
    layers: tuple[str | LayerPackage, ...]
    package: Package | None = field(repr=False)
    code: Mapping[str, Any]
    architectures: tuple[str, ...] | None
    tags: Mapping[str, str] | None
    creation: Mapping[str, Any]
    url: Url | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    url_stays: bool = False
    signing_stays: bool = False

    @property
    def signing(self) -> str | None:
        """The ARN of the code signing configuration."""
        return self.creation.get(SIGNING)

    @property
    def by_s3(self) -> bool:
        """Whether the package goes to S3 first, and from there to Lambda."""
        return self.package is not None and "S3Key" in self.code

    @property
    def log_group(self) -> str:
        return str(self.configuration["LoggingConfig"]["LogGroup"])

    @property
    def description(self) -> str:
        return str(self.configuration.get("Description", ""))


def wanted(
    definition: Definition, layers: tuple[str | LayerPackage, ...], package: Package | None, url: Url | None = None
) -> Desired:
    """`definition` as the API has it. `package` is None for an image (Code.ImageUri) or a zip that lies on S3 already;
    with one, Code names the S3 object that it becomes, if any. `url`: that of a file of its own. Raises UsageError."""
    made = desired_of(definition.name, definition.request, definition.extras, definition.tags, layers, package)
    if url is None:
        return made
    if made.url is not None:
        raise UsageError(
            "the function URL is defined twice, in Fn.FunctionUrl and in a file of its own",
            where=definition.where("/Fn/FunctionUrl", key=True),
            hint="take one of them away",
        )
    return replace(made, url=url)


def desired_of(
    name: str,
    request: Mapping[str, Any],
    extras: Mapping[str, Any],
    tags: Mapping[str, str] | None,
    layers: tuple[str | LayerPackage, ...],
    package: Package | None,
) -> Desired:
    """As `wanted`, of a CreateFunction request and the key Fn."""
    members = shape("UpdateFunctionConfigurationRequest")["members"].keys() - _NOT_CONFIGURATION
    said = {key: value for key, value in request.items() if key in members}
    filled = {**RESETS, **DEFAULTS, **said, **_completed(name, said)}
    apart = members | {"FunctionName", "Layers", "Code", "Tags", "Architectures", "Publish"}
    architectures = request.get("Architectures")
    return Desired(
        name=name,
        configuration={key: value for key, value in filled.items() if key in members},
        said=frozenset(said),
        layers=layers,
        package=package,
        code=dict(request.get("Code", {})),
        architectures=None if architectures is None else tuple(architectures),
        tags=tags,
        creation={key: value for key, value in request.items() if key not in apart},
        url=Url(extras["FunctionUrl"]) if "FunctionUrl" in extras else None,
        settings={key: value for key, value in extras.items() if key != "FunctionUrl"},
    )


def _completed(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks whose own members mean something when they are absent, with those members filled in."""
    logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}", **said.get("LoggingConfig", {})}
    if logging["LogFormat"] == "JSON":
        logging = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **logging}
    blocks = {key: {**RESETS[key], **said[key]} for key in ("Environment", "DeadLetterConfig") if key in said}
    if "VpcConfig" in said:
        blocks["VpcConfig"] = {**RESETS["VpcConfig"], "Ipv6AllowedForDualStack": False, **said["VpcConfig"]}
    return {"LoggingConfig": logging, **blocks}


def undeployed(
    desired: Desired, state: FunctionState, tags: Mapping[str, str] | None, ignore: Sequence[Path]
) -> Desired:
    """`desired` with what `state` has in place of everything that is ignored. Raises UsageError."""
    for path in ignore:
        desired = _without(desired, state, tags or {}, path)
    return desired


def _without(desired: Desired, state: FunctionState, tags: Mapping[str, str], path: Path) -> Desired:
    head, *rest = path
    there = _answered(state.configuration)
    if head == "Layers" and not rest:
        return replace(desired, layers=state.layers)
    if head == "Architectures" and not rest:
        return replace(desired, architectures=None)
    if head == "Tags":
        left = kept(desired.tags, dict(tags), rest) if rest and desired.tags is not None else None
        return replace(desired, tags=left)
    if head == "Fn" and rest:
        settings = {key: value for key, value in desired.settings.items() if key != rest[0]}
        desired = replace(desired, settings=settings)
        return replace(desired, url=None, url_stays=True) if rest[0] == "FunctionUrl" else desired
    if head == SIGNING:
        return _unsigned(desired)
    if head in desired.creation:
        return replace(desired, creation={key: value for key, value in desired.creation.items() if key != head})
    if head not in shape("UpdateFunctionConfigurationRequest")["members"] or head in _NOT_CONFIGURATION:
        raise UsageError(f"--ignore: {head} is nothing that can be left as it is deployed")
    configuration = kept(desired.configuration, there, path)
    return replace(desired, configuration=configuration)


def _unsigned(desired: Desired) -> Desired:
    creation = {key: value for key, value in desired.creation.items() if key != SIGNING}
    return replace(desired, creation=creation, signing_stays=True)


def unconfigured(desired: Desired, state: FunctionState) -> Desired:
    """`desired` with the whole configuration, the layers and the tags left as they are."""
    there = _answered(state.configuration)
    nothing = {**DEFAULTS, **RESETS}
    configuration = {key: there.get(key) or nothing.get(key, value) for key, value in desired.configuration.items()}
    return replace(_unsigned(desired), configuration=configuration, layers=state.layers, tags=None)


def _answered(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A FunctionConfiguration by the names of the request: one member is answered under another."""
    return {**configuration, "ImageConfig": (configuration.get("ImageConfigResponse") or {}).get("ImageConfig")}


def differences(desired: Desired, actual: Mapping[str, Any]) -> dict[str, Any]:
    """The members to send so that `actual` (a FunctionConfiguration) becomes what is desired, Layers aside."""
    answered = _answered(actual)
    return {
        key: value
        for key, value in desired.configuration.items()
        if not (key not in desired.said and answered.get(key) is None) and not _same(key, value, answered.get(key))
    }


def _same(key: str, value: Any, answered: Any) -> bool:
    if answered is None:
        # AWS leaves out what is empty: a block that says nothing is a block that is not there.
        return not _says_something(value)
    if key == "VpcConfig":
        return _vpc(value) == _vpc(answered)
    if key == "ImageConfig":
        return _nonempty(value) == _nonempty(answered)
    return _covers(value, answered)


def _nonempty(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if value}


def _vpc(block: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a VpcConfig is the user's; the order of ids says nothing."""
    ids = (sorted(block.get(part, [])) for part in ("SubnetIds", "SecurityGroupIds"))
    return (*ids, bool(block.get("Ipv6AllowedForDualStack")))


def _covers(value: Any, answered: Any) -> bool:
    """Whether `answered` says all that `value` says. Maps of the user's own (variables) must be equal, not larger."""
    if isinstance(value, Mapping):
        if not isinstance(answered, Mapping):
            return False
        if "Variables" in value and value["Variables"] != answered.get("Variables", {}):
            return False
        return all(
            _covers(item, answered[key]) if key in answered else not _says_something(item)
            for key, item in value.items()
        )
    return bool(value == answered)


def _says_something(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_says_something, value.values()))
    return value not in (None, "", [], ())


def package_mark(package: Package) -> str:
    """The value of PACKAGE_TAG for a package: 32 hex digits of its tree, then its CodeSha256."""
    return f"{package.tree_digest[:32]} {package.code_sha256}"


def same_code(desired: Desired, code_sha256: str, tags: Mapping[str, str] | None) -> bool:
    """Whether the deployed code is the desired one: by its own hash, or by the mark that an earlier deploy left."""
    if desired.package is None:
        return False
    return code_sha256 == desired.package.code_sha256 or has_mark(desired.package, code_sha256, tags)


def has_mark(package: Package, code_sha256: str, tags: Mapping[str, str] | None) -> bool:
    """Whether the tags say that the deployed code is `package`'s tree. A mark of other code says nothing."""
    tree, _, marked = (tags or {}).get(PACKAGE_TAG, "").partition(" ")
    return tree == package.tree_digest[:32] and marked == code_sha256
