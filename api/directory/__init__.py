"""Who is who: organisations in a tree, people with posts, delegations, certificates and keys, all of it in time.

The door is `Directory` (questions); `importing.run` and `erasing.erase` change it. See README.md beside this file.
"""

from api.directory.answers import Directory
from api.directory.model import (
    Authority,
    Delegation,
    Holder,
    KeyOwner,
    Organisation,
    OrganisationId,
    Person,
    PersonId,
    Post,
    Refusal,
    Role,
)

__all__ = [
    "Authority",
    "Delegation",
    "Directory",
    "Holder",
    "KeyOwner",
    "Organisation",
    "OrganisationId",
    "Person",
    "PersonId",
    "Post",
    "Refusal",
    "Role",
]
