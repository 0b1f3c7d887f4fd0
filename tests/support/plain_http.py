"""HTTP to the servers of this machine: one client a process, since httpx reads the certificates for TLS in each."""

import httpx
from waiting import PATIENCE

plain = httpx.Client(verify=False, timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))
