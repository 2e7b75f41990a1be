"""What programs send and get, as the OpenAPI document describes it."""
