"""Router folders made to hurt: a small good one, changed at random, with sizes, hashes and seal put right again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import Router
from hybrid_llm.calibration import calibrate
from hybrid_llm.certify import Provenance, certify_menu
from hybrid_llm.errors import EncoderError, RouterFolderError
from hybrid_llm.look import Bound, Ladder, LookHead, PathCalibration, SecondLook, agreement_head, logprobs_head
from hybrid_llm.look import Path as RungPath
from hybrid_llm.router import SeenRows, TrainingRecord
from hybrid_llm.router.folder import seal_of
from hybrid_llm.scoring import EmbeddingScorer, Encoder, Head
from tests.scoring.tiny_encoder import write_tiny

QUERIES: Final = ["one two", "", "three zero zero", "\ud800 odd \x00", "one " * 5_000]
NASTY: Final[list[Any]] = [
    None, True, -1, 0, 3, 1e308, -1e308, 1e-320, 2**63, 2**64, 10**400, "", "x", "\x1b[31m", "\ud800", "a" * 5_000,
    "../../etc/passwd", "/dev/zero", [], {}, [[]], [1, "a", None], {"a": {"b": []}}, "Regex", {"Regex": "(a+)+$"},
]  # fmt: skip
"""Values that no router says in these places."""


def write_base(folder: Path) -> Path:
    """Write a small router folder with all that one can hold: its own encoder, thresholds, a certificate."""
    encoder = Encoder.load(write_tiny(folder.parent / "tiny", seed=0))
    rng = np.random.default_rng(0)
    d = encoder.dim + 12
    f32 = rng.normal(size=(4, d)).astype(np.float32)
    head = Head(f32[0], np.abs(f32[1]), f32[2:4], f32[3, :2], 0.1, 1.0, 0.0, version=2, linear=f32[1], limit=3.0)
    scorer = EmbeddingScorer(encoder, head)
    scores, small, large = rng.random(300), np.ones(300), np.ones(300)
    origin = Provenance("small", "large", router_id=scorer.id)
    record = TrainingRecord(
        small="small", large="large", recipe="head", label="prob", t=0.0, settings={"chosen": {"ridge": 1.0}},
        data="made up", data_hash="0", n_fit=40, heldout={"n": 10, "chosen": True, "apgr": 0.5},
        score_quantiles=(0.0, 0.25, 0.5), recoverable="", versions={"numpy": "2"}, created="2026-01-01",
        fingerprint={"digest": "1"}, about="## About\n\nnothing", seen=SeenRows.of(["a", "b"], ["one", "two"]),
    )  # fmt: skip
    Router(
        scorer,
        calibration=calibrate(scores, small, large, features=2),
        certificate=certify_menu(scores, small, large, 0.05, 0.9, thresholds=[0.5, 0.2], provenance=origin),
        record=record,
        looks=_looks(scorer.id, scores),
    ).save(folder)
    return folder


def _looks(router_id: str, scores: NDArray[np.float64]) -> dict[str, SecondLook]:
    """Return a second look of each form, the trained one with a certificate."""
    heads = {
        "trained": LookHead(("query", "logprobs"), (1.0, 0.5), -0.2),
        "logprobs": logprobs_head(),
        "agreement": agreement_head(["checker"], "logprobs"),
    }
    ladder, ones = Ladder.level(scores), np.ones(len(scores))
    looks = {}
    for form, head in heads.items():
        graded = (ones, ones) if form == "trained" else ()
        measured = PathCalibration.of(ladder, None, scores, ones > 0, ones, *graded)
        bound = Bound("small", "large" if graded else "", ("checker",) if form == "agreement" else (), router_id)
        looks[form] = SecondLook(form, bound, {head.columns: RungPath(head, ladder, measured)})
    origin = Provenance("small", "large", router_id=router_id, look_id=looks["trained"].id)
    proved = certify_menu(scores, ones, ones, 0.05, 0.9, thresholds=[0.5, 0.2], provenance=origin)
    return {**looks, "trained": looks["trained"].with_parts(certificate=proved)}


def put_right(folder: Path) -> None:
    """Make router.json say sizes, hashes and seal of what is there, as whoever means harm would."""
    description = folder / "encoder" / "encoder.json"
    try:
        info = json.loads(description.read_bytes())
        for name in ("encoder.onnx", "tokenizer.json"):
            info["files"][name] = _sha256(folder / "encoder" / name)
        description.write_text(json.dumps(info, ensure_ascii=True))
        manifest = json.loads((folder / "router.json").read_bytes())
        parts = (info["files"]["encoder.onnx"], info["files"]["tokenizer.json"], str(info["max_tokens"]))
        manifest["encoder"]["sha256"] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        for name in manifest["files"]:
            file = folder / name
            manifest["files"][name] = {"size": file.stat().st_size, "sha256": _sha256(file)}
        manifest["id"] = _id_of(folder, manifest)
        (folder / "router.json").write_text(json.dumps(manifest | {"seal": seal_of(manifest)}))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return  # what was changed is past mending


def _id_of(folder: Path, manifest: dict[str, Any]) -> str:
    """Return the id of the weights as they are now, so that what comes after them is read too."""
    from safetensors.numpy import load_file

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = Head.from_tensors(load_file(folder / "head.safetensors"))
            scorer = EmbeddingScorer(Encoder.load(folder / "encoder"), head)
    except Exception:  # noqa: BLE001 (whatever it is, loading the router is what has to say it)
        return str(manifest["id"])
    certificate = folder / "certificate.json"
    if scorer.id != manifest["id"] and certificate.is_file():
        certificate.write_text(certificate.read_text().replace(manifest["id"], scorer.id))
        file = {"size": certificate.stat().st_size, "sha256": _sha256(certificate)}
        manifest["files"]["certificate.json"] = file
    return scorer.id


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def change(folder: Path, rng: random.Random) -> str:
    """Change one file of a folder, one to three times, and return which."""
    file = rng.choice([file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != "README.md"])
    for _ in range(rng.choice([1, 1, 2, 3])):
        data = file.read_bytes()
        ways: list[Callable[[bytes, random.Random], bytes]] = [_flip, _cut, _repeat, _overwrite]
        if file.suffix == ".json":
            ways += [_value, _value, _value, _key, _nest]
        if file.suffix == ".safetensors":
            ways += [_header, _header, _numbers, _numbers]
        file.write_bytes(rng.choice(ways)(data, rng))
    return file.relative_to(folder).as_posix()


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 4])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start : start + rng.randrange(200)] * rng.choice([2, 50]) + data[start:]


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + rng.randbytes(rng.randrange(1, 12)) + data[start + rng.randrange(12) :]


def _value(data: bytes, rng: random.Random) -> bytes:
    """Put a value that makes no sense in a random place of JSON."""

    def put(at: Any) -> Any:
        places = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not places or rng.random() < 0.25:
            return rng.choice(NASTY)
        place = rng.choice(places)
        at[place] = put(at[place])
        return at

    return _edited(data, put)


def _key(data: bytes, rng: random.Random) -> bytes:
    def drop_or_add(at: Any) -> Any:
        if not isinstance(at, dict) or not at:
            return at
        inside = [value for value in at.values() if isinstance(value, dict)]
        at = rng.choice([at, *inside])
        if at and rng.random() < 0.5:
            del at[rng.choice(list(at))]
        else:
            at[rng.choice(["x", "__class__", "\x1b[2J", "format_version", "type"])] = rng.choice(NASTY)
        return None

    def edit(whole: Any) -> Any:
        drop_or_add(whole)
        return whole

    return _edited(data, edit)


def _nest(data: bytes, rng: random.Random) -> bytes:
    depth = rng.choice([20, 100, 1_000, 100_000])
    start = rng.randrange(len(data) + 1)
    return data[:start] + b'{"a":[' * depth + b"]}" * depth + data[start:]


def _edited(data: bytes, edit: Callable[[Any], Any]) -> bytes:
    try:
        return json.dumps(edit(json.loads(data))).encode()
    except (ValueError, RecursionError):
        return data


def _header(data: bytes, rng: random.Random) -> bytes:
    """Change what a header of safetensors says, and its length."""
    size = int.from_bytes(data[:8], "little")
    header = _value(data[8 : 8 + size], rng)
    length = rng.choice([len(header)] * 6 + [0, 2**63, len(data), 2**32])
    return length.to_bytes(8, "little") + header + data[8 + size :]


def _numbers(data: bytes, rng: random.Random) -> bytes:
    """Put numbers at the ends of their range into arrays."""
    changed = bytearray(data)
    start = 8 + int.from_bytes(data[:8], "little")
    if start < len(data):
        for _ in range(rng.choice([1, 20])):
            at = rng.randrange(start, len(data))
            kind = rng.choice([np.float32, np.float64, np.float16])
            word = kind(rng.choice([0, np.nan, np.inf, -np.inf, np.finfo(kind).max, np.finfo(kind).tiny])).tobytes()
            changed[at : at + len(word)] = word
    return bytes(changed[: len(data)])


def try_once(base: Path, scratch: Path, seed: int) -> tuple[str, str]:
    """Load a changed folder, and use it if it can be loaded.

    Returns:
        Which file was changed, and what came of it: ``"refused"``, ``"used"``, or ``"failed on a text"`` where its
        encoder did, which a request survives.

    Raises:
        Exception: Anything else than a RouterFolderError at the loading, or than an EncoderError at a text.
    """
    rng = random.Random(seed)
    folder = scratch / "router"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    name = change(folder, rng)
    if rng.random() < 0.95:
        put_right(folder)
    try:
        router = Router.load(folder)
    except RouterFolderError as refused:
        said = str(refused)
        if not said.isprintable() or str(folder) not in said:
            raise AssertionError(f"the error steers the screen, or names no file: {said!r}") from refused
        return name, "refused"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            router.score(QUERIES)
            for level in ({"quality": 0.99}, {"quality": 0.5}, {"cost_advantage": 0.5}, {"threshold": 0.5}):
                router.decide(QUERIES[0], **level)
        except EncoderError:
            return name, "failed on a text"
        assert str(router.certificate.explain() if router.certificate else "") is not None
        router.save(scratch / "again")
    return name, "used"
