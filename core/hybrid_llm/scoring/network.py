"""The network of an encoder, run by ONNX Runtime: token ids to one row of numbers, within memory and time.

What did not come with the library runs within bounds that no encoder reaches: whatever its operators make, all such
networks together get so much working memory, and one text so much time. Both end in an error of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedEncoderError, EncoderError
from hybrid_llm.untrusted import printable

if TYPE_CHECKING:
    from onnxruntime import RunOptions, SessionOptions

MEMORY: Final = 4 << 30
"""Bytes that all networks that did not come with the library may have at work, beside their weights."""
SECONDS: Final = 60.0
"""Seconds that such a network may take for one text; an operator that has begun is not interrupted."""
_GPUS: Final = ("CUDAExecutionProvider", "ROCMExecutionProvider", "MIGraphXExecutionProvider")
"""What runs on a GPU, and several texts at a time (DirectML does not, TensorRT prepares itself for minutes)."""
# ONNX Runtime's fused skip-and-normalise kernel is several times slower on CPU than the two steps it fuses.
_SLOW: Final = ("SkipLayerNormFusion",)
_BEFORE_BOUNDS: Final = ("ConstantFolding",)
"""Runs operators while the network is opened, where no bound holds; exported networks have it behind them."""


class Network:
    """An opened network; threads can share it.

    Args:
        graph: The ONNX file.
        file: Where it was read, for messages.
        on_gpu: Whether a GPU may run it, if there is one; 8-bit weights have no kernels there.
        trusted: Whether it came with the library, so that nothing need be bounded.

    Raises:
        DamagedEncoderError: ONNX Runtime cannot open it.
    """

    def __init__(self, graph: bytes, file: Path, *, on_gpu: bool, trusted: bool) -> None:
        import onnxruntime as ort

        ort.disable_telemetry_events()
        self._file, self._trusted = file, trusted
        providers = _providers(on_gpu)
        skipped = list(_SLOW if trusted else _SLOW + _BEFORE_BOUNDS)
        try:
            self._session = ort.InferenceSession(
                graph,
                _options(trusted),
                providers=providers,
                disabled_optimizers=skipped,
                enable_fallback=int(len(providers) > 1),  # where there is none, it only prints
            )
            shape = self._session.get_outputs()[0].shape
        except _ort_errors() as error:
            raise DamagedEncoderError(
                f"ONNX Runtime {ort.__version__} cannot open {file}: {printable(error)}"
            ) from error
        self.dim: int | None = shape[-1] if shape else None

    def run(self, ids: list[int]) -> NDArray[np.float32]:
        """Return what the network makes of one text, shape (dim,).

        Raises:
            EncoderError: It fails, takes too long or too much memory, or makes something else.
        """
        row = np.array([ids], dtype=np.int64)
        given = {"input_ids": row, "attention_mask": np.ones_like(row)}
        if self._trusted:
            made: NDArray[np.float32] = self._session.run(None, given)[0][0]
            return made
        try:
            with _in_time() as options:
                out = self._session.run(None, given, options)[0]
        except _ort_errors() as error:
            raise EncoderError(f"{self._file} fails on a text: {printable(error)}.") from error
        if not isinstance(out, np.ndarray) or out.shape != (1, self.dim) or out.dtype.kind != "f":
            raise EncoderError(f"{self._file} makes something else than {self.dim} numbers of a text.")
        if not np.isfinite(out).all():
            raise EncoderError(f"{self._file} makes numbers of a text that are not finite.")
        bounded: NDArray[np.float32] = out[0].astype(np.float32)
        return bounded


@contextmanager
def _in_time() -> Iterator[RunOptions]:
    """Yield options of a run that ends when its time is over."""
    import onnxruntime as ort

    options = ort.RunOptions()
    watch = threading.Timer(SECONDS, setattr, (options, "terminate", True))
    watch.daemon = True
    watch.start()
    try:
        yield options
    finally:
        watch.cancel()


def _options(trusted: bool) -> SessionOptions:
    """Return options of a session on one thread: texts run side by side, which beats sharing each one out."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if not trusted:
        _Bounded.prepare()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    return options


class _Bounded:
    """The one memory that all networks of strangers work in."""

    prepared = False

    @classmethod
    def prepare(cls) -> None:
        import onnxruntime as ort

        if cls.prepared:
            return
        where = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        bounds = {"max_mem": MEMORY, "arena_extend_strategy": 1}  # 1: no more than is asked for
        try:
            ort.create_and_register_allocator(where, ort.OrtArenaCfg(bounds))
        except _ort_errors():  # the program that we are in has one already; then its bounds hold
            pass
        cls.prepared = True


def _providers(on_gpu: bool) -> list[str]:
    """Return where to run a network, best first; a GPU that cannot be used is passed over by ONNX Runtime."""
    import onnxruntime as ort

    offered = set(ort.get_available_providers()) if on_gpu else set()
    return [*(name for name in _GPUS if name in offered), "CPUExecutionProvider"]


def _ort_errors() -> tuple[type[Exception], ...]:
    """Return all that ONNX Runtime raises: errors of its own, and those of the standard library."""
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

    own: list[Any] = [e for e in vars(ort_errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    return (*own, RuntimeError, ValueError, TypeError, IndexError, MemoryError)
