"""Where elements of a well-formed XML document stand in its bytes, so that markup can be put between them.

lxml knows nodes and no offsets. This scanner knows tags, comments, CDATA and processing instructions, and nothing else:
it is used on documents that lxml has read without a DTD, where `<` stands at the beginning of one of these and nowhere
else. An element is found by counting, so that prefixes and namespaces need not be resolved a second time: the n-th
element called Signature, then its third child, then that one's first.

>>> text = Text.of(b'<a><!-- <Signature> --><s:Signature xmlns:s="x"><s:b/><s:c>1</s:c></s:Signature></a>')
>>> text.element(0, path=(1,)).content
(59, 60)
>>> text.splice([text.element(0, path=(0,)).append("<d/>")])[48:75]
b'<s:b><d/></s:b><s:c>1</s:c>'
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from signer.errors import SignerError

_NAMES = re.compile(r"(utf-?8|(us-)?ascii|iso[-_]?8859-\d+|latin-?\d|(windows-|cp)125\d|koi8-[ru])\Z", re.IGNORECASE)
"""Encodings in which an ASCII character is its own byte and no other character contains it."""
_SIGNATURES = r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|(<(?:[^\s/>!?:]*:)?Signature(?=[\s/>]))"
_TAGS = r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|(</[^>]*>)|(<(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*>)"


class EncodingNotSupported(SignerError):
    """The document's character encoding is not one in which a signature can be added to."""

    code = "encoding-not-supported"


@dataclass(frozen=True)
class Edit:
    """The characters [`start`, `end`) are replaced by `markup`."""

    start: int
    end: int
    markup: str


@dataclass(frozen=True)
class Element:
    """An element in the text: [`start`, `stop`) from its first to behind its last character, `content` between its
    tags; `name` as it is written. Of an empty-element tag `content` is None."""

    name: str
    start: int
    stop: int
    content: tuple[int, int] | None

    def append(self, markup: str) -> Edit:
        """Put this behind the element's last child."""
        if self.content is None:
            return Edit(self.stop - 2, self.stop - 1, f">{markup}</{self.name}")  # the bracket stays
        return Edit(self.content[1], self.content[1], markup)

    def prepend(self, markup: str) -> Edit:
        """Put this before the element's first child."""
        return self.append(markup) if self.content is None else Edit(self.content[0], self.content[0], markup)


@dataclass(frozen=True)
class Text:
    """A document as it is written. Offsets are of bytes, or of characters where one has two bytes."""

    data: bytes
    text: bytes | str
    encoding: str
    """Of what is put in: ASCII, and names that were taken from the text."""

    @classmethod
    def of(cls, data: bytes, encoding: str | None = None) -> Text:
        """`encoding` is the one that the XML declaration gives. Raises EncodingNotSupported."""
        for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
            if data.startswith((mark, "<?".encode(name))):  # without a mark there is a declaration (XML 1.0 §4.3.3)
                return cls(data, data.decode(name), name)
        if not _NAMES.match(encoding or "utf-8"):
            raise EncodingNotSupported(encoding=(encoding or "")[:40])
        return cls(data, data, "latin-1")

    def element(self, signature: int, *, path: Sequence[int] = ()) -> Element:
        """The element under the `signature`-th one called Signature (in the order of the document, whatever its
        namespace) that `path` leads to: each number counts elements among the children of the one before."""
        if signature >= len(self._signatures):
            raise LookupError("there is no such signature")
        return self._descend(self._signatures[signature], list(path))

    @cached_property
    def _signatures(self) -> list[int]:
        """Where each tag begins that opens an element called Signature."""
        return [match.start() for match in _finditer(_SIGNATURES, self.text) if match.group(1) is not None]

    def _descend(self, start: int, path: list[int]) -> Element:
        """`counts` numbers the children of each tag that is open; the first `on_path` of those tags lie on the path."""
        counts: list[int] = []
        on_path = 0
        found: re.Match[bytes] | re.Match[str] | None = None
        for tag, is_end in self._tags(start):
            if is_end:
                counts.pop()
                if len(counts) < on_path:
                    on_path = len(counts)
                    if found is not None:
                        return Element(_name(found), found.start(), tag.end(), (found.end(), tag.start()))
                if not counts:
                    break
                continue
            depth = len(counts)
            is_on_path = depth == on_path <= len(path) and (depth == 0 or counts[-1] == path[depth - 1])
            is_empty = _plain(tag)[-2] == "/"
            if is_on_path and depth == len(path):
                if is_empty:
                    return Element(_name(tag), tag.start(), tag.end(), None)
                found = tag
            if depth:
                counts[-1] += 1
            if not is_empty:
                counts.append(0)
                on_path += is_on_path
            elif not depth:
                break
        raise LookupError("there is no such element")

    def _tags(self, start: int) -> Iterator[tuple[re.Match[bytes] | re.Match[str], bool]]:
        for match in _finditer(_TAGS, self.text, start):
            if match.group(1) is not None:
                yield match, True
            elif match.group(2) is not None:
                yield match, False

    def splice(self, edits: Iterable[Edit]) -> bytes:
        """The document with these, which must not overlap; all other bytes stay as they are."""
        parts: list[bytes] = []
        at = 0
        for edit in sorted(edits, key=lambda one: (one.start, one.end)):
            if edit.start < at:
                raise ValueError("edits overlap")
            parts.append(self.data[self.offset(at) if at else 0 : self.offset(edit.start)])
            parts.append(edit.markup.encode(self.encoding))
            at = edit.end
        parts.append(self.data[self.offset(at) if at else 0 :])
        return b"".join(parts)

    def offset(self, index: int) -> int:
        """The byte at which the character at `index` begins."""
        if isinstance(self.text, bytes):
            return index
        return len(self.text[:index].encode(self.encoding, "surrogatepass"))


def _finditer(pattern: str, text: bytes | str, start: int = 0) -> Iterator[re.Match[bytes]] | Iterator[re.Match[str]]:
    if isinstance(text, bytes):
        return re.compile(pattern.encode("ascii"), re.DOTALL).finditer(text, start)
    return re.compile(pattern, re.DOTALL).finditer(text, start)


def _plain(tag: re.Match[bytes] | re.Match[str]) -> str:
    written = tag.group()
    return written if isinstance(written, str) else written.decode("latin-1")


def _name(tag: re.Match[bytes] | re.Match[str]) -> str:
    return re.split(r"[\s/>]", _plain(tag)[1:], maxsplit=1)[0]
