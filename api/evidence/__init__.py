"""Evidence to carry away: a ZIP with everything that one judgement rested on, and the same judgement made from it elsewhere.

`manifest` says what is in it, `collecting` gathers it, `writing` and `reading` turn it into a file and back, `howto` tells
a person how to check it without Kyso. The use cases are in `api.workflows.evidence`.
"""
