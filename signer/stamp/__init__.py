"""What is seen of a signature: plain lines of text, or a look that a profile prescribes (image, seal, text, place).

`plain` is what a signature shows when no look is asked for. `looks` draws a look of a profile (`profiles`), `views` and
`places` say where it stands on the page, `images` admits the pictures of hands and seals, `qr` draws a link.

    form = build(writer, width=200, height=60, lines=default_lines(certificate, ...), border=True)
"""

from signer.stamp.plain import LONGEST, VIETNAM, build, default_lines, preload
from signer.stamp.rows import LARGEST, READABLE, SMALLEST

__all__ = ["LARGEST", "LONGEST", "READABLE", "SMALLEST", "VIETNAM", "build", "default_lines", "preload"]
