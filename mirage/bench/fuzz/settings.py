"""Valid settings files, manifests, recipes and engine indices to begin with."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from edge.engine import EngineKey, Entry, Index, StoredFile
from edge.gpu import Host
from wire.golden import Agreement

_CONTENT: Final = b"weights"
_GRAPHS: Final = ("e.onnx", "d.onnx", "a.onnx", "v.onnx", "r.onnx")
_FILES: Final = (*_GRAPHS, "tokenizer.json", "text.npz", "a.npz", "v.npz", "g.npz")
HOST: Final = Host("10.3.0", "Orin", "8.7", "36.4")

EDGE: Final = b"""\
[device]
tenant = "acme"
site = "north"
id = "edge-1"
key = "credential:device-key"
certificate = "device.pem"
[broker]
host = "127.0.0.1"
port = 8883
ca = "ca.pem"
cloud_key = "cloud.pub"
envelope = "sealed"
keepalive_s = 120
[network]
bytes_per_s = 1000.5
burst_bytes = 16384
[bundle]
path = "../models/tiny"
engine_cache = "engines"
[spool]
path = "spool.db"
max_bytes = 67108864
[encode]
segment_ms = 2000
threads = 2
still_bytes = 116
planes = 12
vector = true
beams = 4
[sender]
preset = "balanced"
words = ["gender"]
[sender.receiver]
keep_days = 7
[[camera]]
name = "door"
source = "rtsp://127.0.0.1:8554/door"
zones = [{ box = [0.6, 0.0, 1.0, 0.5] }]
[[camera]]
name = "yard"
source = "yard.mp4"
"""
CLOUD: Final = b"""\
[broker]
host = "127.0.0.1"
port = 1883
group = "cloud"
client = "mirage-cloud"
ack_interval_s = 5.0
envelope = "none"
ca = "ca.pem"
certificate = "cloud.pem"
key = "cloud-tls.key"
[security]
key = "credential:cloud-key"
old_keys = ["older.key"]
[limits]
device_packets_per_s = 100.0
device_burst = 2000
[store]
url = "sqlite:///cloud.db"
objects = "cloud-objects"
[bundle]
paths = ["../models/tiny", "b"]
[serve]
host = "127.0.0.1"
port = 8080
[render]
policy = "on-demand"
threads = 4
"""
POLICY: Final = b"""\
[broker]
host = "b"
[bundle]
paths = ["t"]
[render]
long_side_px = 256
steps = 4
fps = 12.5
frames = 49
guidance = 3.0
style_prompt = "at dusk, rain"
negative_prompt = "text, logo"
anchors = ["yard.jpg"]
"""
TABLES: Final = b"""\
[sender]
preset = "private"
faces = "redact"
words = ["gender", "uniform"]
layers = ["caption", "motion", "appearance-tokens"]
planes = 8
picture_px = 64
noise = 4.5
hours = ["22:00-06:00"]
timezone = "Europe/Berlin"
zones = [{ see = "only", points = [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0]] }, { box = [0.5, 0.0, 1.0, 0.5] }]
[sender.receiver]
largest_px = 512
anchors = "places"
keep_days = 7
viewers = "operator"
[network]
bytes_per_s = 62.5
latency_ms = 4000
[receiver]
long_side_px = 512
style_prompt = "oil painting"
anchors = ["yard.jpg"]
"""
FLEET: Final = b"""\
[fleet]
name = "acme-cameras"
tenant = "acme"
[release]
version = "0.1.0"
[release.archives]
jetpack6 = "release/mirage-0.1.0-jetpack6.tar"
[release.images]
amd64 = "release/mirage-0.1.0-amd64.img"
[bundle]
path = "../models/tiny"
[broker]
host = "mqtt.example.com"
port = 8883
ca = "pki/ca.pem"
[cloud]
key = "pki/cloud.pub"
enrolment = "https://cloud.example.com:8443/v1/enrol"
claims = "claims"
[update]
url = "https://cloud.example.com:8444/v1/releases"
waves = ["canary", "rest"]
health_minutes = 10
halt_after_failures = 1
bytes_per_s = 20000
[access]
user = "mirage-admin"
ssh_keys = []
[system]
ntp = ["pool.ntp.org"]
journal_megabytes = 200
[jetson]
power_mode = 0
[jetson.bsp]
jetpack6 = "bsp/jetpack6/Linux_for_Tegra"
[[site]]
id = "north"
bytes_per_s = 200
[[device]]
id = "north-gate"
site = "north"
board = "orin-nano"
jetpack = 6
serial = "1421223012345"
wave = "canary"
cameras = [{ name = "gate", source = "rtsp://10.0.0.11:554/stream" }]
[[device]]
id = "north-yard"
site = "north"
board = "generic-amd64"
mac = "02:00:00:00:00:01"
cameras = [{ name = "yard", source = "/dev/video0" }, { name = "ramp", source = "rtsp://10.0.0.12/stream" }]
network = { address = "10.0.0.21/24", gateway = "10.0.0.1", dns = ["10.0.0.1"] }
"""
CERTIFICATE: Final = b"""\
-----BEGIN CERTIFICATE-----
MIIBvzCCAWWgAwIBAgIUPMaksahIsxufjYcTrBthwI1FMyMwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFZmxlZXQwHhcNMjYwMTAxMDAwMDAwWhcNMzYwMTAxMDAwMDAw
WjARMQ8wDQYDVQQDDAZlZGdlLTEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQm
7869DunjSmaRh+GLOpEisvczlFtknMn5+SHp+drYEpAji96cx7szDRUMZ3BN0lrn
BVIFdEtvMb9AcHRYctDmo4GbMIGYMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQD
AgeAMBMGA1UdJQQMMAoGCCsGAQUFBwMCMB0GA1UdDgQWBBTlUNhIFkUXmdzZohI6
0vrTCQdfhzAfBgNVHSMEGDAWgBTZncEvDBWnD1bXuwP1VkS5pjquFDAjBgNVHREE
HDAahhhtaXJhZ2U6YWNtZS9ub3J0aC9lZGdlLTEwCgYIKoZIzj0EAwIDSAAwRQIg
YXGWX0EvaW4wb8YpzhkNC3HdPak8x/J9QDTyxXqKG1ECIQDxFBCFMaLBApHcZcC8
roaxHkZxngwxekfAayySwVq1ng==
-----END CERTIFICATE-----
"""
REQUEST: Final = b"""\
-----BEGIN CERTIFICATE REQUEST-----
MIIBAzCBqQIBADARMQ8wDQYDVQQDDAZlZGdlLTEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQm7869DunjSmaRh+GLOpEisvczlFtknMn5+SHp+drYEpAji96cx7sz
DRUMZ3BN0lrnBVIFdEtvMb9AcHRYctDmoDYwNAYJKoZIhvcNAQkOMScwJTAjBgNV
HREEHDAahhhtaXJhZ2U6YWNtZS9ub3J0aC9lZGdlLTEwCgYIKoZIzj0EAwIDSQAw
RgIhAOUgBtrmNRdBrHG4ZCRF4cKqW22y9jdo1rq818WoV4azAiEAuTiIiXTUIBS2
T6IOf7xdDlFzAggc828hB43SX2B7dyw=
-----END CERTIFICATE REQUEST-----
"""
RECIPE: Final = b"""\
schema = 1
name = "mine"
licence = "Apache-2.0"
[captioner]
model = "owner/captioner"
revision = "0123456789abcdef0123456789abcdef01234567"
layout = ["frame", "flow"]
max_tokens = 24
[appearance]
model = "./tokenizer"
input_px = 256
coarse_planes = 2
default_planes = 3
[vector]
model = "/models/clip"
subfolder = "image_encoder"
hold = 0.95
[renderer]
backend = "diffusers"
[renderer.models.base]
model = "owner/base"
revision = "0123456789abcdef0123456789abcdef01234567"
weights = "ip.safetensors"
[renderer.options]
pipeline = "ltx"
steps = 2
guidance = 2.5
fast = true
"""
_MANIFEST: Final = """\
schema = 1
name = "sample"
licence = "Apache-2.0"
precision = "fp16"
golden = "g.npz"
[captioner]
encoder = "e.onnx"
decoder = "d.onnx"
tokenizer = "tokenizer.json"
max_tokens = 24
start_token = 1
end_token = 2
tile_px = 160
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.5, 0.5]
layout = ["frame", "flow"]
[appearance]
encoder = "a.onnx"
tables = "a.npz"
input_px = 128
grid = [4, 4]
levels = 8
planes = 4
coarse_planes = 2
default_planes = 4
[vector]
encoder = "v.onnx"
tables = "v.npz"
input_px = 224
size = 64
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
hold = 0.9
[text]
tables = "text.npz"
[renderer]
backend = "diffusers"
denoiser = "r.onnx"
[renderer.models.base]
model = "./base"
[renderer.options]
steps = 4
guidance = 2.5
[training]
loss = 0.25
[files]
"""


def manifest() -> bytes:
    """Give the manifest of the bundle that `write_bundle` writes."""
    sha256 = hashlib.sha256(_CONTENT).hexdigest()
    return (_MANIFEST + "".join(f'"{name}" = "{sha256}"\n' for name in _FILES)).encode()


def write_files(folder: Path) -> None:
    """Write the files that the manifest and the engine index name."""
    for name in (*_FILES, "e.engine"):
        (folder / name).write_bytes(_CONTENT)


def engine_index() -> bytes:
    """Give an index of two engines whose files are there."""
    sha256 = hashlib.sha256(_CONTENT).hexdigest()
    engines = {}
    for graph in ("e.onnx", "d.onnx"):
        onnx = hashlib.sha256(graph.encode()).hexdigest()
        stored = StoredFile("e.engine", sha256, len(_CONTENT)), StoredFile("e.onnx", sha256, len(_CONTENT))
        key = EngineKey(onnx, HOST, "fp16", "x: 1x3x224x224")
        engines[onnx] = Entry(graph, key, "NvTensorRTRTX", *stored, Agreement(0.01, 0.999, 1.0, 3.0))
    return msgspec.json.format(msgspec.json.encode(Index(engines=engines)), indent=1)
