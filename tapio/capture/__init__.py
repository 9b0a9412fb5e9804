"""Captures, written and read: what passes a wire, into files and out of them again. docs/capture.md."""

from tapio.capture.comments import Comments as Comments
from tapio.capture.pcapng import PcapngWriter as PcapngWriter
from tapio.capture.reader import Reader as Reader
from tapio.capture.reader import frames_of as frames_of
from tapio.capture.replay import Replay as Replay
from tapio.capture.rotation import RotatingPcapng as RotatingPcapng
from tapio.capture.sniff import Sink as Sink
from tapio.capture.sniff import Sniff as Sniff
from tapio.capture.source import Captured as Captured
from tapio.capture.source import CaptureError as CaptureError
from tapio.capture.text import TextTrace as TextTrace
