"""What ``streamscribe models pull`` converts with: entry points of ``streamscribe.converters``.

Loading this module loads onnx, so that its absence is noticed before anything is fetched.
"""

import onnx  # noqa: F401

from streamscribe_export.moonshine.converting import convert_moonshine
from streamscribe_export.whisper.converting import convert_ctranslate2

__all__ = ["convert_ctranslate2", "convert_moonshine"]
