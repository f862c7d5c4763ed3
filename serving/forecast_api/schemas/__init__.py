"""What callers send and get, as typed schemas: the OpenAPI document is made from these."""
