"""Images as squares of grey."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import DataError, UsageError
from sunhwan.text.decoding import normalize, read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
)
"""The names of files that are taken for images."""


def read_image(path: str | Path, size: int) -> NDArray[np.float32]:
    """Read an image as (size, size) float32 from 0, black, to 1, white.

    It is turned as its EXIF data say, laid over white where it is transparent, made grey (ITU-R
    601), and resized by averaging boxes, without regard to its proportions. Of a moving image the
    first one counts.

    Raises:
        TextError: the file is missing or unreadable.
        DataError: it is no image, damaged, or has more pixels than Pillow deems safe.
        UsageError: the size is below 1.
    """
    if size < 1:
        raise UsageError(f"The size of images is {size}, but it must be at least 1.")
    path = Path(path)
    name = normalize(str(path))
    data = read_bytes(path)
    import PIL.Image
    import PIL.ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data)) as image:
                grey = _grey(PIL.ImageOps.exif_transpose(image))
                grey = grey.resize((size, size), PIL.Image.Resampling.BOX)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise DataError(
            f"{name} has more than the {PIL.Image.MAX_IMAGE_PIXELS} pixels that are safe to "
            "unpack; make it smaller."
        ) from None
    except PIL.UnidentifiedImageError:
        raise DataError(f"{name} is no image of a known kind; save it as PNG or JPEG.") from None
    # A damaged file ends in one of a dozen kinds of exceptions, of Pillow, zlib and struct.
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DataError(f"{name} is a damaged image ({reason}); save it again.") from None
    return np.asarray(grey, dtype=np.float32).clip(0, 1)


def _grey(image: "Image") -> "Image":
    """Floats from 0 to 1, one channel."""
    import PIL.Image

    if image.mode.startswith("I"):  # 16 bits, which conversion to 8 would cut off at 255
        values = np.asarray(image, dtype=np.float32) / 65535
    elif image.mode == "F":
        values = np.asarray(image, dtype=np.float32)
        if not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinity")
    else:
        if image.has_transparency_data:
            colours = image.convert("RGBA")
            image = PIL.Image.new("RGBA", image.size, "white")
            image.alpha_composite(colours)
        values = np.asarray(image.convert("L"), dtype=np.float32) / 255
    return PIL.Image.fromarray(values)
