"""Ends with 0 where the appliance in this container answers: the image's HEALTHCHECK.

It asks by the port and the protocol that the settings of the container name. The rule that must
not break: it needs nothing but Python, and less than the five seconds that Docker gives it.
"""

import http.client
import os
import ssl
import sys

PORT = int(os.environ.get("APPLIANCE_PORT", "8000"))
WAIT_S = 4

if os.environ.get("APPLIANCE_TLS_CERT"):
    # The certificate names the box and not this loopback address.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=WAIT_S, context=context)
else:
    asked = http.client.HTTPConnection("127.0.0.1", PORT, timeout=WAIT_S)
try:
    asked.request("GET", "/healthz")
    sys.exit(asked.getresponse().status != 200)
except OSError as error:
    sys.exit(f"no answer: {error}")
