"""
moto_server with conditional writes that are atomic, as S3's are. Its own are not: each request has a thread, and one that passes
the check of If-Match or If-None-Match writes without a lock, so of two with the same etag both may be told that they won.
"""

import sys
import threading

from moto.s3.responses import S3Response
from moto.server import main

put_object = S3Response.put_object
one_at_a_time = threading.Lock()


def put_object_alone(self):
    with one_at_a_time:
        return put_object(self)


S3Response.put_object = put_object_alone
sys.exit(main())
