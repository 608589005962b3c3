"""An S3 server for reports/tasks/tests/deliveries/real_parts.rs: moto on a free port of the loopback, with a bucket.

The address is the first line printed. Each line on standard input is answered with one line: the objects
of the bucket `reports` with their content, media type and metadata, and how often each was put.
"""

import json
import sys

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"
client = boto3.client(
    "s3",
    endpoint_url=address,
    region_name="ap-northeast-2",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(s3={"addressing_style": "path"}),
)
client.create_bucket(
    Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"}
)
client.put_bucket_versioning(Bucket="reports", VersioningConfiguration={"Status": "Enabled"})
print(address, flush=True)
for line in sys.stdin:
    if line.startswith("put "):
        _, key, content = line.strip().split(maxsplit=2)
        client.put_object(Bucket="reports", Key=key, Body=content.encode())
    versions = client.list_object_versions(Bucket="reports").get("Versions", [])
    objects = {}
    for key in sorted({one["Key"] for one in versions}):
        got = client.get_object(Bucket="reports", Key=key)
        objects[key] = {
            "content": got["Body"].read().decode(),
            "media_type": got["ContentType"],
            "metadata": got["Metadata"],
            "puts": sum(one["Key"] == key for one in versions),
        }
    print(json.dumps(objects), flush=True)
server.stop()
