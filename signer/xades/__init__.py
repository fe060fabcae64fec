"""XAdES signatures: the same three steps as every other, for XML documents and for files beside them."""
