"""Text to features: an ONNX encoder run by ONNX Runtime, without torch.

An encoder is a folder of three files: ``encoder.onnx`` (pooling and normalisation inside), ``tokenizer.json`` and
``encoder.json``, which says what they are and holds their hashes. ``hybrid-llm export`` writes such folders; the
one in ``hybrid_llm/pretrained`` is shipped.

Each text is run alone, in a batch of one, on a few threads. An int8 encoder picks the scale of its activations
from the whole batch, so that in a batch the neighbours of a text would move its embedding; alone, the same text
gives the same bits wherever it stands. It is also the fastest way on a CPU: no padding, and nothing gained by size.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.disk import steadily
from hybrid_llm.errors import DamagedEncoderError, EncoderError
from hybrid_llm.scoring.encoder_folder import (
    DESCRIPTION,
    GRAPH,
    SHIPPED,
    VOCABULARY,
    EncoderInfo,
    checked_bytes,
    remedy,
)
from hybrid_llm.scoring.network import Network
from hybrid_llm.untrusted import printable

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_CHARS_PER_TOKEN = 16
"""Beyond this many characters for each token of the budget, at either end, a text is cut before it is tokenised."""
_MAX_WORKERS = 4
_KEPT_OPEN = 4
"""How many encoders stay loaded after their last user is gone."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder makes of n texts.

    Args:
        embeddings: Shape (n, dim), float32, each row of length 1; of a fine-tuned network (n, 1), the logits.
        truncated: Shape (n,), bool: the text was too long, and only its head and tail were read.
    """

    embeddings: NDArray[np.float32]
    truncated: NDArray[np.bool_]


class QueryTokenizer:
    """Text to token ids, over-long text to those of its head and tail; the same in training and in serving.

    Args:
        tokenizer: A tokenizer of the ``tokenizers`` library; its own truncation and padding are switched off.
        max_tokens: Ids to give at most, special tokens included.

    Raises:
        EncoderError: The budget leaves no room for a head and a tail.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Learn which special tokens stand before and after a text."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        probe = _encoded(tokenizer, "a", special=True)
        special = [bool(s) for s in probe.special_tokens_mask]
        before = special.index(False) if False in special else len(special)
        after = special[before:].index(True) + before if True in special[before:] else len(special)
        self._before, self._after = probe.ids[:before], probe.ids[after:]
        self._room = max_tokens - len(self._before) - len(self._after)
        self._max_chars = max_tokens * _CHARS_PER_TOKEN
        self._tokenizer = tokenizer
        if self._room < 2:
            raise EncoderError(f"max_tokens={max_tokens} leaves no room for text; use 16 or more.")

    def ids(self, text: str) -> tuple[list[int], bool]:
        """Return the token ids of a text, and whether its middle was left out.

        Any string works: white space around it is dropped, lone surrogates count as unreadable characters.
        """
        text = text.strip()
        cut = len(text) > 2 * self._max_chars
        if cut:
            text = f"{text[: self._max_chars]}\n{text[-self._max_chars :]}"
        ids = _encoded(self._tokenizer, _readable(text), special=False).ids
        if len(ids) > self._room:
            tail = self._room // 2
            ids, cut = [*ids[: self._room - tail], *ids[-tail:]], True
        # A tokenizer without special tokens makes nothing of an empty text, and a graph cannot read nothing.
        return [*self._before, *ids, *self._after] or [0], cut


class Encoder:
    """An encoder that turns texts into embeddings; make one with :meth:`load`.

    Threads can share it. It is loaded once in a process however often it is asked for, its network is opened at the
    first text, and a forked process opens its own.

    Example:
        >>> encoder = Encoder.load()
        >>> encoder.encode(["What is 2+2?", "Prove Fermat's last theorem."]).embeddings.shape
        (2, 384)
    """

    def __init__(self, folder: Path, info: EncoderInfo, tokenizer: QueryTokenizer, graph: bytes) -> None:
        """Keep what :meth:`load` has read and checked."""
        self.path = folder
        self.tokenizer = tokenizer
        self._graph: bytes | None = graph
        self._network: tuple[int, Network] | None = None
        self.info = info

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Encoder:
        """Load an encoder folder, or the shipped encoder.

        Args:
            path: The folder; ``None`` for the shipped one.

        Raises:
            DamagedEncoderError: A file is missing, is not the one that was written, or holds what no encoder needs.
            NewerFormatError: A later version of the library wrote the folder.
        """
        folder = SHIPPED if path is None else Path(path).absolute()
        return steadily(folder, lambda: cls._read(folder))

    @classmethod
    def _read(cls, folder: Path) -> Encoder:
        info = EncoderInfo.read(folder)
        vocabulary, graph = (checked_bytes(folder, name, info) for name in (VOCABULARY, GRAPH))
        with _Shared.lock:
            encoder = _Shared.encoders.pop((folder, info.sha256), None)
            if encoder is None:
                encoder = cls(folder, info, _tokenizer(vocabulary, folder, info.max_tokens), graph)
            _Shared.encoders[folder, info.sha256] = encoder
            while len(_Shared.encoders) > _KEPT_OPEN:
                del _Shared.encoders[next(iter(_Shared.encoders))]
        return encoder

    @property
    def shipped(self) -> bool:
        """Whether this is the encoder that comes with the library."""
        return self.path == SHIPPED

    @property
    def id(self) -> str:
        """A name that changes whenever the embeddings may: ``all-MiniLM-L6-v2-int8@`` and 12 hex digits."""
        return f"{self.info.name}@{self.info.sha256[:12]}"

    @property
    def sha256(self) -> str:
        """The hash of all that an embedding depends on."""
        return self.info.sha256

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return self.info.dim

    def encode(self, queries: Iterable[str]) -> Encoded:
        """Embed texts of any length and content; an embedding does not depend on the texts beside it.

        Args:
            queries: n texts, n >= 0; none of them opens the network all the same.

        Raises:
            TypeError: One text in place of several, or an item that is no text (its index is named).
            DamagedEncoderError: The folder changed on disk before the network was opened, or ONNX Runtime cannot open
                it.
            EncoderError: The network or the tokenizer fails on a text.
        """
        texts = _checked_texts(queries)
        embeddings = np.zeros((len(texts), self.dim), dtype=np.float32)
        truncated = np.zeros(len(texts), dtype=bool)
        network = self._open()
        if not texts:
            return Encoded(embeddings, truncated)

        def work(indices: Iterator[int]) -> None:
            for i in indices:
                ids, truncated[i] = self.tokenizer.ids(texts[i])
                embeddings[i] = network.run(ids)

        _share_out(work, len(texts))
        return Encoded(embeddings, truncated)

    def _open(self) -> Network:
        """Return this process's network; open it if there is none."""
        opened = self._network
        if opened is not None and opened[0] == os.getpid():
            return opened[1]
        with _Shared.lock:
            opened = self._network
            if opened is None or opened[0] != os.getpid():
                if opened is not None:  # the parent's: closing it here could wait for threads that were not forked
                    _Shared.inherited.append(opened[1])
                graph = self._graph or checked_bytes(self.path, GRAPH, self.info)
                opened = self._network = (os.getpid(), self._opened(graph))
                self._graph = None
        return opened[1]

    def _opened(self, graph: bytes) -> Network:
        """Open the network; one that did not come with the library is tried at once."""
        network = Network(graph, self.path / GRAPH, on_gpu=self.info.quantisation == "none", trusted=self.shipped)
        if network.dim != self.dim:
            raise DamagedEncoderError(
                f"{self.path / DESCRIPTION} says dim={self.dim}, {GRAPH} differs. {remedy(self.path)}"
            )
        if not self.shipped:
            try:
                network.run(self.tokenizer.ids("a")[0])
            except EncoderError as error:
                raise DamagedEncoderError(f"{error} {remedy(self.path)}") from error
        return network

    def __copy__(self) -> Encoder:
        """Return itself: there is nothing to change in an encoder."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Encoder:
        """Return itself: there is nothing to change in an encoder."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the path and the hash, not as the weights."""
        return _reload, (None if self.shipped else str(self.path), self.sha256)

    def __repr__(self) -> str:
        """Show the id."""
        return f"Encoder({self.id!r})"


class _Shared:
    """What all encoders of a process share."""

    lock = threading.Lock()
    encoders: dict[tuple[Path, str], Encoder] = {}  # noqa: RUF012 (process-wide on purpose)
    inherited: list[Network] = []  # noqa: RUF012

    @classmethod
    def after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        cls.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Shared.after_fork)


def _share_out(work: Callable[[Iterator[int]], None], n: int) -> None:
    """Run ``work(indices)`` over 0..n-1: here when there is one, else on a few threads that take turns."""
    workers = min(n, _MAX_WORKERS, available_cpus())
    indices = iter(range(n))
    if workers == 1:
        work(indices)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="hybrid-llm-encoder") as pool:
        try:
            for done in [pool.submit(work, indices) for _ in range(workers)]:
                done.result()
        finally:  # after an error or Ctrl-C the other threads find nothing more to do
            deque(indices, maxlen=0)


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _readable(text: str) -> str:
    """Return text that UTF-8 can hold: surrogates become the character of their pair, or a replacement mark."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _encoded(tokenizer: Tokenizer, text: str, *, special: bool) -> Encoding:
    """Tokenise a text; what tokenizers raises becomes an error of ours."""
    try:
        return tokenizer.encode(text, add_special_tokens=special)
    except BaseException as error:
        raise _said(error, "The tokenizer fails on a text") from error


def _tokenizer(vocabulary: bytes, folder: Path, max_tokens: int) -> QueryTokenizer:
    """Parse a tokenizer and try it."""
    from tokenizers import Tokenizer

    file = folder / VOCABULARY
    try:
        parsed = Tokenizer.from_buffer(vocabulary)
    except BaseException as error:
        raise _said(error, f"{file} cannot be read") from error
    try:
        return QueryTokenizer(parsed, max_tokens)
    except EncoderError as error:
        raise DamagedEncoderError(f"{file}: {error}") from error


def _said(error: BaseException, what: str) -> BaseException:
    """Return an error of ours for what tokenizers raises: a plain ``Exception`` or, of a panic, not even that."""
    if isinstance(error, Exception) or type(error).__name__ == "PanicException":
        return DamagedEncoderError(f"{what}: {printable(error)}")
    return error


def _checked_texts(queries: Iterable[str]) -> list[str]:
    """Return the texts as a list, after a look at their types."""
    if isinstance(queries, (str, bytes)):
        raise TypeError("Pass a list of texts, not a single one: [text].")
    texts = list(queries)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"queries[{i}] is of type {type(text).__name__}, not str.")
    return texts


def _reload(path: str | None, sha256: str) -> Encoder:
    """Unpickle an encoder, if the folder still holds the one that was pickled."""
    encoder = Encoder.load(path)
    if encoder.sha256 != sha256:
        raise EncoderError(f"{path or SHIPPED} holds another encoder ({encoder.id}) than the one that was pickled.")
    return encoder
