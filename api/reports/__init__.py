"""Reports for people: what a verification found, as a page (`html`), as a PDF (`pdf`) and for a terminal (`terminal`).

All of them tell the same (`content`), in Vietnamese or English, with the words of `api.locale`; the JSON is made in
`api.render`. Nothing is judged here, and no document is read: pictures of pages are drawn by a worker.

    told = content.told(report, language="vi", zone=zone, portrait=portrait)
    html.page(told)      # str
    pdf.typeset(told)    # bytes
"""
