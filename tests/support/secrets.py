"""A secret for tests that need any whole one."""

import base64

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
