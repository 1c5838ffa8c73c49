"""What is wrong with a Dockerfile: what hadolint would say of ours, and what only this repository knows.

FROM name:1.2.3 [AS stage] --> instructions --> faults, a line each
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_SECRET = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE|CREDENTIAL|API_?KEY)", re.IGNORECASE)
_PINNED = re.compile(r"[^:@]+(:[^:@]*\d+\.\d+[^:@]*(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})")
_INSTALLERS = re.compile(r"\b(gcc|g\+\+|build-essential|make|clang|python3-dev)\b")


@dataclass(frozen=True)
class Instruction:
    """One of them, continuation lines joined; `line` is its first."""

    line: int
    word: str
    text: str


@dataclass
class Stage:
    """What one FROM begins; `parent` is a stage above, or an image."""

    name: str
    parent: str
    line: int
    instructions: list[Instruction] = field(default_factory=list)


def instructions(text: str) -> Iterator[Instruction]:
    """Take a file apart; comments are left out."""
    joined, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = first or number
        joined += line.removesuffix("\\") + " "
        if line.endswith("\\"):
            continue
        word, _, rest = joined.strip().partition(" ")
        yield Instruction(first, word.upper(), rest.strip())
        joined, first = "", 0


def stages(text: str) -> list[Stage]:
    """Group instructions by FROM, with the values that ARG gives before the first."""
    values, found = dict[str, str](), list[Stage]()
    for each in instructions(text):
        if each.word == "ARG" and not found:
            name, _, value = each.text.partition("=")
            values[name] = value
        elif each.word == "FROM":
            words = _VARIABLE.sub(lambda match: values.get(match[1], ""), each.text).split()
            found.append(Stage(words[2] if len(words) > 2 else "", words[0], each.line))
        else:
            found[-1].instructions.append(each)
    return found


def effective(found: Sequence[Stage], name: str, word: str) -> str | None:
    """Give the text of the last such instruction of a stage, or of those that it is made from."""
    known = {stage.name: stage for stage in found}
    while name in known:
        texts = [each.text for each in known[name].instructions if each.word == word]
        if texts:
            return texts[-1]
        name = known[name].parent
    return None


def command_of(found: Sequence[Stage], name: str) -> list[str]:
    """Give the words of CMD, which must be a JSON array."""
    words: list[str] = json.loads(effective(found, name, "CMD") or "[]")
    return words


def faults(text: str, root: Path, targets: Iterable[str]) -> list[str]:
    """Say what is wrong with a file whose context is `root`, and that is built for `targets`."""
    found = stages(text)
    names = {stage.name for stage in found}
    wrong = [
        f"{stage.line}: {stage.parent} is not pinned to a version"
        for stage in found
        if stage.parent not in names and not _PINNED.fullmatch(stage.parent)
    ]
    for stage in found:
        for each in stage.instructions:
            wrong += [f"{each.line}: {what}" for what in _faults_of(each, root)]
    for target in targets:
        wrong += [f"{target}: {what}" for what in _faults_of_target(found, target)]
    return wrong


def _faults_of(each: Instruction, root: Path) -> Iterator[str]:
    if each.word == "ADD":
        yield "ADD unpacks and downloads: use COPY"
    if each.word in ("ENV", "ARG") and _SECRET.search(each.text.partition("=")[0]):
        yield "a secret would stay in a layer"
    if each.word in ("CMD", "ENTRYPOINT") and not each.text.startswith("["):
        yield f"{each.word} needs a JSON array: a shell passes no signals on"
    if each.word == "RUN":
        yield from _faults_of_run(each.text)
    if each.word == "COPY" and "--from=" not in each.text:
        *sources, _ = [word for word in shlex.split(each.text) if not word.startswith("--")]
        yield from (f"{name} is not in the repository" for name in sources if not (root / name).exists())
        yield from (f"{name} is not in the context" for name in sources if not is_sent(root, name))


def _faults_of_run(text: str) -> Iterator[str]:
    if "apt-get install" in text:
        if "--no-install-recommends" not in text:
            yield "apt-get install without --no-install-recommends"
        if "rm -rf /var/lib/apt/lists" not in text:
            yield "apt lists stay in the layer"
    if re.search(r"\bsudo\b", text):
        yield "sudo"
    if re.search(r"(curl|wget)\b[^|]*\|\s*(ba|z)?sh", text):
        yield "what is downloaded is run unseen"
    for command in re.split(r"&&|;", text):
        if re.search(r"\bpip\b.* install\b", command) and not re.search(
            r"--require-hashes|/wheels/\*\.whl", command
        ):
            yield "pip install without --require-hashes"


def _faults_of_target(found: Sequence[Stage], target: str) -> Iterator[str]:
    if target not in {stage.name for stage in found}:
        yield "no such stage"
        return
    user = (effective(found, target, "USER") or "root").partition(":")[0]
    if user in ("root", "0"):
        yield "runs as root"
    if effective(found, target, "HEALTHCHECK") is None:
        yield "no HEALTHCHECK"
    if effective(found, target, "CMD") is None:
        yield "no CMD"
    for each in _lineage(found, target):
        if each.word == "RUN" and _INSTALLERS.search(each.text):
            yield f"line {each.line}: a compiler in the final stage"


def _lineage(found: Sequence[Stage], name: str) -> Iterator[Instruction]:
    known = {stage.name: stage for stage in found}
    while name in known:
        yield from known[name].instructions
        name = known[name].parent


def is_sent(root: Path, name: str) -> bool:
    """Tell whether .dockerignore lets a path into the context; the last line that matches counts."""
    sent = True
    for line in (root / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        body = pattern.removeprefix("!").rstrip("/")
        parts = [name, *(str(parent) for parent in Path(name).parents)]
        anywhere = body.startswith("**/") and any(fnmatch(part, body[3:]) for part in Path(name).parts)
        if anywhere or any(fnmatch(part, body) for part in parts if part != "."):
            sent = pattern.startswith("!")
    return sent
