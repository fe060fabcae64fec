"""States of the appliance, canary signatures, set-up and ceremony: the parts."""
