"""Sound as log-mel frames."""

import io
import math
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import DataError, UsageError

AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au"))
RATES = (1000, 768_000)
"""The lowest and the highest number of samples a second."""
BANDS = (3, 512)
"""The lowest and the highest number of mel bands; low rates allow fewer."""

LOUDEST = 1e6
"""What no sample may exceed; sound lies within 1, and the energies of 1e6 are still finite."""

_WINDOW, _SHIFT = 25, 10  # milliseconds


def log_mel(data: bytes, name: str, *, sample_rate: int, mel: int) -> NDArray[np.float32]:
    """The log-mel energies of a sound file's bytes: (T, mel), a frame of 25 ms every 10 ms.

    Channels are averaged, another rate is resampled, and samples are scaled to 16 bits, as Kaldi
    (Povey et al., 2011) has them, whose filter bank this is, without dither: alike every time. The
    last frame is the last one that is whole.

    Raises:
        DataError: the file is no sound or damaged, shorter than a frame, or of a rate out of range.
        UsageError: the libraries are missing, or `sample_rate` or `mel` is out of range.
    """
    if not RATES[0] <= sample_rate <= RATES[1]:
        raise UsageError(f"The sample rate is {sample_rate}, but it must be {RATES[0]}…{RATES[1]}.")
    if not BANDS[0] <= mel <= BANDS[1]:
        raise UsageError(f"{mel} mel bands are asked for, but there must be {BANDS[0]}…{BANDS[1]}.")
    soundfile, fbank = _libraries()
    options = fbank.FbankOptions()
    options.frame_opts.samp_freq = sample_rate
    options.frame_opts.frame_length_ms = _WINDOW
    options.frame_opts.frame_shift_ms = _SHIFT
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = mel
    try:
        frames = fbank.OnlineFbank(options)
    except ValueError:
        raise UsageError(
            f"At {sample_rate} samples a second, {mel} mel bands are more than a frame can tell "
            "apart; take fewer, such as 40 at 16000."
        ) from None
    samples = _samples(soundfile, data, name, sample_rate)
    if 1000 * len(samples) < _WINDOW * sample_rate:
        raise DataError(
            f"{name} lasts {1000 * len(samples) / sample_rate:.0f} ms, but one frame needs "
            f"{_WINDOW}; give a longer recording."
        )
    frames.accept_waveform(sample_rate, (samples * 32768).astype(np.float32))
    frames.input_finished()
    return np.stack([frames.get_frame(t) for t in range(frames.num_frames_ready)])


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import kaldi_native_fbank
        import soundfile
    except (ImportError, OSError) as error:  # OSError: soundfile without its C library
        reason = str(error).rstrip(".")
        raise UsageError(
            f"Reading sound needs two libraries ({reason}); pip install 'sunhwan[audio]'."
        ) from None
    return soundfile, kaldi_native_fbank


def _samples(
    soundfile: ModuleType, data: bytes, name: str, sample_rate: int
) -> NDArray[np.float32]:
    """One channel at `sample_rate`: (samples,)."""
    try:
        channels, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "too long"
        raise DataError(
            f"{name} is no sound that can be read ({reason}); save it as WAV, FLAC, OGG or MP3 again."
        ) from None
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(
            f"{name} has {rate} samples a second, but {RATES[0]}…{RATES[1]} are possible; "
            "convert it to 16000."
        )
    loud = np.flatnonzero(~(np.abs(channels) <= LOUDEST).all(axis=1))  # NaN is not below either
    if len(loud):
        raise DataError(
            f"{name}, {loud[0] / rate:.3f} s after its start: a sample is NaN, infinite or far "
            f"above 1, as are {len(loud)} of {len(channels)}; write samples from -1 to 1."
        )
    samples = channels.mean(axis=1, dtype=np.float32)
    if rate != sample_rate and len(samples):
        from scipy.signal import resample_poly

        common = math.gcd(rate, sample_rate)
        samples = resample_poly(samples, sample_rate // common, rate // common)
    return np.asarray(samples, dtype=np.float32)
