"""What ACKs say of loss, and what is done about it: made when loss is first suspected, calm when all is repaired.

It marks what is lost (RFC 8985; from duplicate ACKs alone RFC 5681 3.2 and 6582), reduces the window (RFC 6937), and
takes that back where it was in vain (`undo`; RFC 5682 after a time-out). Limited transmit (RFC 3042) follows from what
is in the network. Sends nothing, runs no timer: `reorder_at` says when to ask again. States are named as in Linux.
"""

from __future__ import annotations

from stack.tcp.congestion import CongestionControl
from stack.tcp.heard import Heard
from stack.tcp.prr import Prr
from stack.tcp.rack import DUPLICATE_THRESHOLD, Rack
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Scoreboard
from stack.tcp.sender import Sender
from stack.tcp.undo import Undo

OPEN, DISORDER, CWR, RECOVERY, LOSS = range(5)  # Recovery.state; CWR: the window is reduced, but nothing is lost


class Recovery:
    __slots__ = (
        "calm",
        "counted_at",
        "dsack_bytes",
        "dsacks",
        "duplicates",
        "entered",
        "frto",
        "limited_at",
        "prr",
        "rack",
        "recover",
        "reneged",
        "reorder_at",
        "resent_bytes",
        "sack",
        "segments",
        "state",
        "stride",
        "tlp_end",
        "tlp_retrans",
        "tlps",
        "undo",
        "undone",
    )

    def __init__(self, sack: bool, snd_una: int, rtt: float) -> None:
        self.sack = sack  # both sides do
        self.state = OPEN
        self.calm = True  # an ACK of new data needs no second thought
        self.recover = snd_una - 1  # snd_nxt when loss was last met (RFC 6582)
        self.limited_at = snd_una  # snd_nxt when disorder began: what follows is limited transmit (RFC 3042)
        self.duplicates = 0  # in a row, of those that count where there is no SACK
        self.counted_at = snd_una
        self.segments = 0  # that SACK told of, since the last hole was filled
        self.stride = 0  # bytes to send again at once, without SACK
        self.rack = Rack(snd_una, rtt)
        self.prr: Prr | None = None
        self.undo = Undo()
        self.frto = False  # in LOSS: the time-out may have been in vain
        self.reorder_at: float | None = None  # when to look whether what was overtaken has come
        self.tlp_end: int | None = None  # snd_nxt when a loss probe was sent that nothing has answered
        self.tlp_retrans = False
        self.tlps = 0  # loss probes
        self.entered = 0  # fast recoveries
        self.dsacks = 0  # segments that the peer had twice
        self.dsack_bytes = 0
        self.resent_bytes = 0
        self.reneged = 0  # times when the peer threw away what it held
        self.undone = 0  # reductions of the window taken back

    # what is heard

    def heard(self, heard: Heard, sender: Sender, congestion: CongestionControl, rtt: RttEstimator, now: float) -> None:
        """An ACK of what was sent at some time; `heard.sample` is the round trip that it measures."""
        if self.calm:
            self.rack.rtt = rtt.latest
            self.rack.fack = sender.snd_una
        flight = sender.flying()
        reducing = self.prr is not None
        board = sender.scoreboard()
        if board is not None:
            heard.marked, heard.relost = board.marked, board.relost
        heard.read(sender, board, now)
        heard.measure(rtt.min_rtt, now)
        if heard.sample is not None:
            rtt.sample(heard.sample, now)
        board = sender.board
        heard.count(sender, board, self.sack)
        sender.patient = False
        if self.sack:
            self._weigh(heard, sender, rtt, now)
        if self._decide(heard, sender, congestion, now):
            if self.sack:
                self._detect(sender, rtt, now)
            elif heard.duplicate:
                self._count_duplicate(heard, sender)
            self._conclude(heard, sender, congestion, now)
        if self.prr is not None:
            self._reduce(heard, sender, congestion)
        elif not reducing and heard.delivered and heard.ack > heard.prior_una:
            congestion.acknowledged(heard.delivered, flight, heard.sample, now)
        self._settle(sender)

    def _weigh(self, heard: Heard, sender: Sender, rtt: RttEstimator, now: float) -> None:
        """RFC 8985 6.2 steps 1 to 4, and DSACKs."""
        rack, board = self.rack, sender.board
        mss = sender.mss
        if rack.dsack_round is not None and sender.snd_una >= rack.dsack_round:
            rack.dsack_round = None
        if board is None or not board.sacked_bytes:
            self.segments = 0
        elif heard.sacked:
            self.segments += sum(-(-(end - seq) // mss) for seq, end, _, _ in heard.news)
        if heard.news:
            rack.delivered(heard.news, heard.ack, rtt.min_rtt, heard.echo, now)
        if heard.dsack is not None:
            start, end = heard.dsack
            segments = -(-(end - start) // mss)
            if self.dsack_bytes + end - start > self.resent_bytes:
                heard.dsack = None  # more than was ever sent twice: the network's doing, or a lie
                return
            self.dsack_bytes += end - start
            self.dsacks += segments
            self.undo.duplicate(start, end, sender.snd_una)
            if not (self.tlp_end == end and self.tlp_retrans):
                rack.duplicate_heard(sender.snd_nxt)

    def _detect(self, sender: Sender, rtt: RttEstimator, now: float) -> None:
        """RFC 8985 6.2 step 5"""
        board = sender.board
        self.reorder_at = None
        if board is not None:
            self.rack.update_window(rtt.srtt, rtt.min_rtt, self.segments, self.state >= RECOVERY)
            self.reorder_at = self.rack.detect(board, now)

    def _count_duplicate(self, heard: Heard, sender: Sender) -> None:
        """RFC 5681 3.2, RFC 6582 3.2 (2): duplicates of what a time-out sent again are no new loss."""
        board = sender.board
        if board is None:
            return
        if self.counted_at != sender.snd_una:
            self.counted_at = sender.snd_una
            self.duplicates = 0
        self.duplicates += 1
        mss = sender.mss
        if self.state < RECOVERY and sender.snd_una <= self.recover:
            return
        if self.state == LOSS and sender.snd_nxt <= self.recover:
            return
        heard.delivered = board.duplicate(mss)
        if self.state < RECOVERY and self.duplicates == DUPLICATE_THRESHOLD:
            self.stride = mss
            board.lose_head(mss)

    # what it means

    def _decide(self, heard: Heard, sender: Sender, congestion: CongestionControl, now: float) -> bool:
        """Is it over, or was it in vain? False: nothing more is to be found lost now."""
        advanced = heard.ack > heard.prior_una
        state = self.state
        if self.tlp_end is not None:
            self._answer_probe(heard, sender, congestion, now)
        if state in (CWR, RECOVERY) and sender.snd_una >= self.recover:
            self._complete(heard, sender, congestion, now)
        elif state == LOSS:
            return self._after_time_out(heard, advanced, sender, congestion)
        elif state == RECOVERY and advanced:
            if self.undo.delayed(heard.echo):
                if sender.board is not None and sender.board.flying_again():
                    return False  # the hole was filled by what had been sent first: wait for what that brings
                self._take_back(sender, congestion)
            elif not self.sack and sender.board is not None:
                self._next_hole(heard, sender.board, sender.mss)
        if heard.dsack is not None and self.state != CWR and self.undo.all_in_vain():
            self._take_back(sender, congestion)
        return True

    def _next_hole(self, heard: Heard, board: Scoreboard, mss: int) -> None:
        """RFC 6582 3.2 (3): a partial ACK.

        A hole that goes on where what was sent again ends is of a super-frame: twice as much is resent each time, lest
        it take a round trip for each of its forty segments.
        """
        self.stride = 2 * self.stride if heard.ack - heard.prior_una <= self.stride else mss
        if not board.ranges[0].retransmitted:
            board.lose_head(self.stride)
            board.forced = self.stride

    def _complete(self, heard: Heard, sender: Sender, congestion: CongestionControl, now: float) -> None:
        """All that was in flight when the window was reduced is acknowledged."""
        vain = self.undo.all_in_vain() or (heard.ack > heard.prior_una and self.undo.delayed(heard.echo))
        if self.state == RECOVERY and vain:
            self._take_back(sender, congestion)
            return
        if self.state == RECOVERY:
            self.rack.recovered()
        congestion.recovered(sender.flying(), now)
        self.state = OPEN
        self.prr = self.undo.stamp = None

    def _after_time_out(self, heard: Heard, advanced: bool, sender: Sender, congestion: CongestionControl) -> bool:
        """RFC 5682: was it in vain? Else go on in slow start until all is acknowledged."""
        undo = self.undo
        if advanced and (undo.all_in_vain() or undo.delayed(heard.echo)):
            self._take_back(sender, congestion)
            return True
        if self.frto:
            if heard.original(self.recover, self.sack):  # step 3.b
                self._take_back(sender, congestion)
                return True
            if sender.snd_nxt > self.recover:
                if heard.sacked or heard.duplicate:
                    self.frto = False  # step 3.a: the loss was real
            elif advanced and sender.snd_una < self.recover:
                self.frto = sender.patient = sender.unsent_bytes > 0  # step 2.b: try what was never sent
            elif heard.duplicate and not self.sack:
                self.frto = False  # step 2.a
        if sender.snd_una >= self.recover:
            self.rack.recovered()
            self.state = OPEN
            self.undo.stamp = None
        return True

    def _take_back(self, sender: Sender, congestion: CongestionControl) -> None:
        """It was in vain: what was found lost is under way, and the window as it was (RFC 4015 3.2).

        What came of itself although later segments had come before was reordered.
        """
        if self.state == RECOVERY:
            self.rack.reordering_seen = True
        if sender.board is not None:
            sender.board.unlose()
        if self.undo.marker is not None:
            congestion.undo()
            self.undone += 1
            self.undo.end()
        self.prr = None
        self.state = OPEN

    def _conclude(self, heard: Heard, sender: Sender, congestion: CongestionControl, now: float) -> None:
        board = sender.board
        if board is None:
            if self.state == DISORDER:
                self.state = OPEN
        elif self.state < RECOVERY:
            if board.marked > heard.marked:
                self._enter(heard.delivered, sender, congestion, now)
            elif self.state != CWR:
                if self.state == OPEN:
                    self.limited_at = sender.snd_nxt
                self.state = OPEN if board.trivial() else DISORDER
        elif self.state == LOSS and board.relost > heard.relost:
            self._enter(heard.delivered, sender, congestion, now)  # RFC 5681 4.3: what was sent again is lost again

    def _enter(self, delivered: int, sender: Sender, congestion: CongestionControl, now: float) -> None:
        """Fast recovery begins."""
        board = sender.board
        assert board is not None
        una = sender.snd_una
        if self.prr is not None:
            self.undo.end()  # the network asked for it
        else:
            self.undo.begin(una, board.again_bytes())
            # RFC 5681 3.2: what limited transmit has sent does not count
            flight = (self.limited_at if self.state == DISORDER and self.limited_at > una else sender.snd_nxt) - una
            congestion.reduce(flight, now)
            self.prr = Prr(sender.snd_nxt - una - board.sacked_bytes - board.guessed + delivered)
        self.state = RECOVERY
        self.recover = sender.snd_nxt
        self.entered += 1
        self.tlp_end = None
        self.calm = False

    def _reduce(self, heard: Heard, sender: Sender, congestion: CongestionControl) -> None:
        """RFC 6937: as much may be sent as keeps pace with what has arrived."""
        assert self.prr is not None
        if heard.delivered:
            board = sender.board
            safe = heard.ack > heard.prior_una and (board is None or board.marked == heard.marked)
            congestion.cwnd = self.prr.window(heard.delivered, sender.flying(), congestion.ssthresh, sender.mss, safe)

    def _settle(self, sender: Sender) -> None:
        """Nothing is kept that does not say anything any more."""
        board = sender.board
        if board is not None and self.state == OPEN and board.trivial():
            board = sender.board = None
        self.calm = self.state == OPEN and board is None and self.tlp_end is None
        if board is None:
            self.reorder_at = None
        if self.calm:
            self.undo.stamp = None

    # what the timer says

    def overtaken(self, sender: Sender, congestion: CongestionControl, rtt: RttEstimator, now: float) -> None:
        """`reorder_at` has come: what was overtaken, and has not come since, is lost."""
        board = sender.board
        marked = 0 if board is None else board.marked
        self._detect(sender, rtt, now)
        if board is None or board.marked == marked:
            return
        if self.state < RECOVERY:
            self._enter(0, sender, congestion, now)
        if self.prr is not None:
            congestion.cwnd = self.prr.window(1, sender.flying(), congestion.ssthresh, sender.mss, False)

    def timed_out(
        self, again: bool, sender: Sender, congestion: CongestionControl, rtt: RttEstimator, now: float
    ) -> None:
        """The retransmission timer has expired, or has `again` without an ACK in between (RFC 8985 6.3)."""
        board = sender.scoreboard()
        assert board is not None
        if self.calm:
            self.rack.rtt = rtt.latest
        if board.reneged():
            self.reneged += 1
            board.forget_sacked()
            board.lose_all()
        elif self.sack:
            self.rack.timed_out(board, now)
        else:
            board.lose_all()
        una = sender.snd_una
        first = self.state < CWR or una >= self.recover or (self.state == LOSS and not again)
        congestion.timed_out(sender.snd_nxt - una, first, now)
        if first:
            self.undo.begin(una, board.again_bytes())
        self.frto = self.state < RECOVERY or again
        self.state = LOSS
        self.recover = sender.snd_nxt
        self.duplicates = 0
        self.prr = self.reorder_at = self.tlp_end = None
        self.calm = sender.patient = False

    @staticmethod
    def doubt(srtt: float | None) -> float:
        """How long the peer may take to say that it still has what it seems to have thrown away (as Linux does)."""
        return 0.01 if srtt is None else max(srtt / 2, 0.01)

    # what others say

    def slow_down(self, ack: int, sender: Sender, congestion: CongestionControl, now: float) -> bool:
        """The network asks for less (RFC 3168 6.1.2): once a round trip. False: the window has been reduced anyway."""
        if self.state >= CWR or ack <= self.recover:
            return False
        congestion.reduce(sender.snd_nxt - sender.snd_una, now)
        self.prr = Prr(sender.flying())
        self.undo.end()  # a mark is never in vain
        self.state = CWR
        self.recover = sender.snd_nxt
        self.calm = False
        return True

    def resent(self, size: int, now: float) -> None:
        """`size` bytes were sent that had been sent before."""
        self.resent_bytes += size
        self.undo.resent(size, now)

    # RFC 8985 7: tail loss probes

    def may_probe(self) -> bool:
        return self.calm or (self.state == CWR and self.tlp_end is None)

    def probed(self, again: bool, snd_nxt: int) -> None:
        """A loss probe was sent: of the last bytes `again`, or of the next ones."""
        self.tlps += 1
        self.tlp_end = snd_nxt
        self.tlp_retrans = again
        self.calm = False

    def _answer_probe(self, heard: Heard, sender: Sender, congestion: CongestionControl, now: float) -> None:
        """RFC 8985 7.4.2: what the ACK of a probe tells of the loss that it may have repaired."""
        end = self.tlp_end
        assert end is not None
        if heard.ack < end:
            return
        if not self.tlp_retrans or (heard.dsack is not None and heard.dsack[1] == end):
            self.tlp_end = None
        elif heard.ack > end:
            self.tlp_end = None
            if self.state < CWR:
                congestion.reduce(end - heard.prior_una, now)
                congestion.recovered(sender.flying(), now)
        elif heard.duplicate and not heard.blocks:
            self.tlp_end = None  # both the segment and its copy have arrived
