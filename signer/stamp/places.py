"""Where a look stands on its page, by the profile's rule, and that it stands over nobody else's field.

1. `top-right`: of what is seen of page 1; under the fields that stand there already.
2. `over-signature`: the seal's right edge a third into the picture of the person's signature, at its height.

    place = by_rule(writer, order, held, fields, planned=places)
    require_free(writer, place, held, fields)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from signer import fields as forms
from signer.errors import FieldNotFound, OrderInvalid, PlaceOutsidePage, PlaceOverField
from signer.fields import Box, Field
from signer.model import Place, SignOrder
from signer.stamp import looks
from signer.stamp.looks import Held
from signer.stamp.views import POINTS, View, overlap, rectangle
from verify.document import Limits
from verify.pdf import UNEXPECTED, get

_SPACE = 2 * POINTS
"""Between one field and the next below it."""
_HIDDEN = 2 | 32
"""Flags of an annotation that nobody sees (ISO 32000-1 Table 165)."""


def by_rule(
    writer: IncrementalPdfFileWriter,
    order: SignOrder,
    held: Held,
    fields: Mapping[str, Field],
    *,
    planned: Sequence[Place] = (),
) -> Place | None:
    """The place that the look's rule gives; None where the order has to. Raises PlaceOutsidePage, PlaceOverField,
    FieldNotFound, OrderInvalid."""
    if held.look.place == "given":
        return None
    width, height = looks.natural_size(held)
    if held.look.place == "top-right":
        page = forms.page_of(writer, 1)
        view = View.of(page)
        taken = [box for box, _ in _widgets(page)] + [place.box for place in planned if place.page == 1]
        box = _top_right(view, held, (width, height), [view.to_view(one) for one in taken])
        return Place(1, _rounded(view.to_page(box)))
    number, page, person = _person(writer, order, fields)
    view = View.of(page)
    picture = _picture_of(view, person)
    right = picture[0] + (picture[2] - picture[0]) / 3
    middle = (picture[1] + picture[3]) / 2
    box = (right - width, middle - height / 2, right, middle + height / 2)
    if box[0] < 0 or box[1] < 0 or box[2] > view.width or box[3] > view.height:
        raise PlaceOutsidePage("the seal would leave the page", page=number, reason="seal")
    return Place(number, _rounded(view.to_page(box)))


def require_free(writer: IncrementalPdfFileWriter, place: Place, held: Held) -> None:
    """Raises PlaceOverField if a new field stands over another one. A seal over a signature may, over signatures."""
    page = forms.page_of(writer, place.page)
    View.of(page)
    for box, kind in _widgets(page):
        if overlap(box, place.box) and not (held.look.place == "over-signature" and kind == "/Sig"):
            raise PlaceOverField(page=place.page)


def _top_right(view: View, held: Held, size: tuple[float, float], taken: list[Box]) -> Box:
    """In the corner, or below what stands there, as near to it as can be."""
    across, down = (margin * POINTS for margin in held.look.margin_mm)
    right, top = view.width - across, view.height - down
    for _ in range(len(taken) + 1):
        box = (right - size[0], top - size[1], right, top)
        if box[0] < 0 or box[1] < 0:
            raise PlaceOutsidePage("the page has no room at its top right", page=1, reason="top-right")
        under = [one for one in taken if overlap(box, one)]
        if not under:
            return box
        top = min(one[1] for one in under) - _SPACE
    raise PlaceOverField(page=1)


def _widgets(page: generic.DictionaryObject) -> Iterator[tuple[Box, str]]:
    """Rectangles of the fields that are seen on a page, and what kind they are."""
    annotations = get(page, "/Annots")
    if not isinstance(annotations, generic.ArrayObject):
        return
    for at in range(min(len(annotations), Limits().fields)):
        try:
            one = annotations[at]
            if not isinstance(one, generic.DictionaryObject) or get(one, "/Subtype") != "/Widget":
                continue
            flags, box = get(one, "/F"), rectangle(one)
        except UNEXPECTED:
            continue
        if box is not None and not (isinstance(flags, int) and flags & _HIDDEN):
            yield box, str(get(one, "/FT") or get(get(one, "/Parent"), "/FT"))


def _person(
    writer: IncrementalPdfFileWriter, order: SignOrder, fields: Mapping[str, Field]
) -> tuple[int, generic.DictionaryObject, generic.DictionaryObject]:
    """Page number, page and widget of the signature that the seal goes over."""
    assert order.look is not None
    found = {}
    for name, field in fields.items():
        if field.is_signed and (order.look.over is None or name == order.look.over):
            widget = field.widgets[0].get_object()
            if isinstance(widget, generic.DictionaryObject) and rectangle(widget) is not None:
                found[name] = widget
    if not found:
        raise FieldNotFound("there is no visible signature for the seal", field=order.look.over or "")
    if len(found) > 1:
        raise OrderInvalid("several signatures are seen: name one", reason="look-over", fields=", ".join(found))
    ((name, widget),) = found.items()
    for number, page in enumerate(_pages(writer), start=1):
        annotations = get(page, "/Annots")
        if isinstance(annotations, generic.ArrayObject) and any(
            isinstance(one, generic.IndirectObject) and one.reference == fields[name].widgets[0].reference
            for one in list.__iter__(annotations)
        ):
            return number, page, widget
    raise FieldNotFound("the signature is on no page", field=name)


def _pages(writer: IncrementalPdfFileWriter) -> Iterator[generic.DictionaryObject]:
    """All pages in their order. A node is visited once: a hostile tree may be its own parent."""
    todo, seen = [writer.root.raw_get("/Pages")], set()
    while todo:
        item = todo.pop()
        if isinstance(item, generic.IndirectObject):
            if item.reference in seen:
                continue
            seen.add(item.reference)
        node = item.get_object()
        if not isinstance(node, generic.DictionaryObject):
            continue
        kids = get(node, "/Kids")
        if isinstance(kids, generic.ArrayObject):
            todo.extend(reversed(list(list.__iter__(kids))))
        else:
            yield node


def _picture_of(view: View, widget: generic.DictionaryObject) -> Box:
    """Where the picture in a signature's box is seen; the whole box where it is not ours to know."""
    box = rectangle(widget)
    assert box is not None
    seen = view.to_view(box)
    form = get(get(widget, "/AP"), "/N")
    inner, outer = get(form, looks.PICTURE_KEY), get(form, "/BBox")
    if not isinstance(inner, generic.ArrayObject) or not isinstance(outer, generic.ArrayObject):
        return seen
    try:
        x0, y0, x1, y1 = (float(side) for side in inner)
        _, _, wide, high = (float(side) for side in outer)
    except (TypeError, ValueError):
        return seen
    if not (0 <= x0 < x1 <= wide + 1 and 0 <= y0 < y1 <= high + 1):
        return seen
    across, up = (seen[2] - seen[0]) / wide, (seen[3] - seen[1]) / high
    return seen[0] + x0 * across, seen[1] + y0 * up, seen[0] + x1 * across, seen[1] + y1 * up


def _rounded(box: Box) -> Box:
    left, bottom, right, top = (round(edge, 2) for edge in box)
    return left, bottom, right, top
