"""Decoding of a text decoder with its key/value cache: greedy, or with beams.

    step 0     input_ids [start]   first cache      -> logits, present.*
    step n     input_ids [last]    present.* of n-1 -> logits, present.*

Names, heads and sizes come from the graphs. What the decoder calls `past_key_values.X` begins as `present.X`
of the vision encoder where that gives one (the picture as prefix, or as cross-attention), else empty. Caches
of cross-attention (`.encoder.`) are filled once. A decoder may be "merged": then `use_cache_branch` tells the
first step from the others. All of it stays where the graph runs; only logits come back.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.beam import Beams
from edge.graph import Graph, ModelError, Port, RunError, Value

_PAST, _PRESENT = "past_key_values.", "present."
_KNOWN = {
    "input_ids", "position_ids", "attention_mask", "use_cache_branch",
    "encoder_hidden_states", "encoder_attention_mask",
}  # fmt: skip
HIDDEN = "last_hidden_state"

Ids = NDArray[np.int64]
Ban = Callable[[Sequence[int]], Ids]  # tokens that may not follow those said so far


@dataclass(frozen=True, slots=True)
class Speech:
    """How sentences begin and end, and how many of them are followed at once."""

    start: int
    end: int
    max_tokens: int
    beams: int = 1

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise ValueError(f"beams is {self.beams}, not 1 or more")


class Decoder:
    """Turns what the vision encoder saw into token ids. `seen` names the encoder's outputs.

    What `ban` names is as if it had no chance at all; the end may always come.
    """

    def __init__(self, graph: Graph, speech: Speech, seen: Collection[str]) -> None:
        self._graph = graph
        self._speech = speech
        self.ban: Ban | None = None
        self._wiring = _Wiring.of(graph, seen)
        ids = graph.inputs["input_ids"].shape
        if speech.beams > 1 and ids is not None and ids[0] not in (None, speech.beams):
            raise ModelError(f"{graph.path}: input_ids is for {ids[0]} sentence, so beams can only be 1")

    def warm_up(self, seen: Mapping[str, Value]) -> None:
        """Run a first and a second step, so that the first caption takes no longer than others."""
        sentence = _Sentence(self._graph, self._wiring, seen, self._speech.beams)
        start = np.full((self._speech.beams, 1), self._speech.start, np.int64)
        vocabulary = sentence.step(start).shape[1]
        if not max(self._speech.start, self._speech.end) < vocabulary:
            raise ModelError(
                f"{self._graph.path}: has logits for {vocabulary} tokens, but captioner.start_token is "
                f"{self._speech.start} and captioner.end_token is {self._speech.end}"
            )
        sentence.step(start)

    def decode(self, seen: Mapping[str, Value]) -> list[int]:
        """Token ids that follow the start token, up to the end token or the limit."""
        sentence = _Sentence(self._graph, self._wiring, seen, self._speech.beams)
        return self._greedy(sentence) if self._speech.beams == 1 else self._search(sentence)

    def _greedy(self, sentence: "_Sentence") -> list[int]:
        said: list[int] = []
        token = np.array([[self._speech.start]], np.int64)
        while len(said) < self._speech.max_tokens:
            logits = self._allowed(sentence.step(token), [said])[0]
            choice = int(logits.argmax())  # the first that is no number, if there is one
            self._check_number(float(logits[choice]))
            if choice == self._speech.end:
                break
            said.append(choice)
            token = np.array([[choice]], np.int64)
        return said

    def _search(self, sentence: "_Sentence") -> list[int]:
        speech = self._speech
        beams = Beams(speech.beams, speech.end, speech.max_tokens)
        logits = sentence.step(np.full((speech.beams, 1), speech.start, np.int64))
        self._check_number(float(logits.max()))
        while beams.advance(self._allowed(logits, beams.said)):
            sentence.reorder(beams.origins)
            logits = sentence.step(beams.tokens[:, None])
            self._check_number(float(logits.max()))
        return beams.best()

    def _allowed(
        self, logits: NDArray[np.floating], sentences: Sequence[Sequence[int]]
    ) -> NDArray[np.floating]:
        """Take all chance from what may not follow each of the sentences; logits (rows, V)."""
        if self.ban is None:
            return logits
        logits = logits.copy()
        for row, said in enumerate(sentences):
            banned = self.ban(said)
            logits[row, banned[(banned < logits.shape[1]) & (banned != self._speech.end)]] = -np.inf
        return logits

    def _check_number(self, largest: float) -> None:
        if math.isnan(largest):
            raise RunError(f"{self._graph.path}: gave logits that are no numbers")


@dataclass(frozen=True, slots=True)
class _Wiring:
    """Which cache is which. All are names of the decoder's inputs, mapped to names of outputs.

    moving: given back longer at each step; filled: given back by the first step only; fixed: the encoder's.
    """

    moving: Mapping[str, str]
    filled: Mapping[str, str]
    fixed: Mapping[str, str]
    begun: Mapping[str, str]
    merged: bool

    @classmethod
    def of(cls, graph: Graph, seen: Collection[str]) -> "_Wiring":
        """Find out by the names, or raise ModelError for a graph that is no caption decoder."""
        _check_names(graph, seen)
        moving: dict[str, str] = {}
        filled: dict[str, str] = {}
        fixed: dict[str, str] = {}
        begun: dict[str, str] = {}
        for past in (name for name in graph.inputs if name.startswith(_PAST)):
            present = past.replace(_PAST, _PRESENT)
            if present in seen and (".encoder." in past or present not in graph.outputs):
                fixed[past] = present
            elif present not in graph.outputs:
                raise ModelError(f"{graph.path}: wants {past}, but gives no {present}, nor does the encoder")
            else:
                (filled if ".encoder." in past else moving)[past] = present
                if present in seen:
                    begun[past] = present
        if not (fixed or begun or "encoder_hidden_states" in graph.inputs):
            given = ", ".join(sorted(seen))
            raise ModelError(f"{graph.path}: takes nothing of what the encoder gives ({given}): it is blind")
        return cls(moving, filled, fixed, begun, "use_cache_branch" in graph.inputs)


def _check_names(graph: Graph, seen: Collection[str]) -> None:
    missing = sorted({"input_ids"} - graph.inputs.keys()) + sorted({"logits"} - graph.outputs.keys())
    if missing:
        raise ModelError(f"{graph.path}: has no {', '.join(missing)}: not a caption decoder")
    unknown = sorted(name for name in graph.inputs.keys() - _KNOWN if not name.startswith(_PAST))
    if unknown:
        raise ModelError(f"{graph.path}: wants {', '.join(unknown)}, which nothing here gives")
    if "encoder_hidden_states" in graph.inputs and HIDDEN not in seen:
        raise ModelError(f"{graph.path}: wants encoder_hidden_states, but the encoder gives no {HIDDEN}")


class _Sentence:
    """The steps of one caption (or `rows` of them): what goes from each call into the next."""

    def __init__(self, graph: Graph, wiring: _Wiring, seen: Mapping[str, Value], rows: int) -> None:
        self._graph = graph
        self._wiring = wiring
        self._rows = rows
        self._call = graph.call(on_host=("logits",))
        self._inputs = graph.inputs.keys()
        self._cached = bool(wiring.moving)
        self._past = 0  # tokens in the cache of self-attention
        self._steps = 0
        self._said = np.empty((rows, 0), np.int64)  # only without a cache
        self._moving: dict[str, Value] = {}
        self._begin(seen)

    def step(self, ids: Ids) -> NDArray[np.floating]:
        """Go on with tokens (rows, 1); give the logits (rows, V) of what follows."""
        self._steps += 1
        if not self._cached:
            ids = self._said = np.concatenate((self._said, ids), axis=1)
        self._feed(ids)
        results = self._call.run()
        self._keep(results)
        return np.asarray(results["logits"].numpy())[:, -1]

    def reorder(self, origins: NDArray[np.int64]) -> None:
        """Let row r go on as row origins[r] did. A change of order passes through the processor's memory."""
        if np.array_equal(origins, np.arange(self._rows)):
            return
        if not self._cached:
            self._said = self._said[origins]
        for name, value in self._moving.items():
            self._moving[name] = self._graph.value(np.asarray(value.numpy())[origins])
            self._call.give(name, self._moving[name])

    def _begin(self, seen: Mapping[str, Value]) -> None:
        wiring = self._wiring
        attended = None
        for past, present in wiring.fixed.items():
            self._call.give(past, self._spread(seen[present]))
            attended = seen[present].shape()[2]
        if "encoder_hidden_states" in self._inputs:
            attended = seen[HIDDEN].shape()[1]
            self._call.give("encoder_hidden_states", self._spread(seen[HIDDEN]))
        if "encoder_attention_mask" in self._inputs:
            self._call.feed("encoder_attention_mask", np.ones((self._rows, attended or 1), np.int64))
        for past in (*wiring.moving, *wiring.filled):
            known = wiring.begun.get(past)
            value = self._empty(self._graph.inputs[past]) if known is None else self._spread(seen[known])
            self._call.give(past, value)
            if known is not None and past in wiring.moving:
                self._past = value.shape()[2]

    def _feed(self, ids: Ids) -> None:
        call, inputs = self._call, self._inputs
        call.feed("input_ids", ids)
        if self._wiring.merged and self._steps <= 2:  # bound for all later steps too
            call.feed("use_cache_branch", np.array([self._steps > 1]))
        if "position_ids" in inputs:
            declared = self._graph.inputs["position_ids"].shape
            rows = 1 if declared is not None and declared[0] == 1 else self._rows
            call.feed("position_ids", np.full((rows, 1), self._steps - 1, np.int64))
        if "attention_mask" in inputs:
            call.feed("attention_mask", np.ones((self._rows, self._past + ids.shape[1]), np.int64))

    def _keep(self, results: Mapping[str, Value]) -> None:
        for past, present in self._wiring.moving.items():
            value = self._moving[past] = results[present]
            self._call.give(past, value)
        if self._cached:
            self._past += 1
        if self._steps == 1:  # a merged graph gives back nothing of use here after the first step
            for past, present in self._wiring.filled.items():
                self._call.give(past, results[present])

    def _spread(self, value: Value) -> Value:
        """Repeat what was seen (1, ...) for every row."""
        if self._rows == 1:
            return value
        return self._graph.value(np.asarray(value.numpy()).repeat(self._rows, axis=0))

    def _empty(self, port: Port) -> Value:
        shape = port.shape or ()
        if len(shape) != 4 or shape[1] is None or shape[3] is None:
            raise ModelError(
                f"{self._graph.path}: {port.name} has shape {shape}, expected (batch, heads, length, size)"
            )
        # A merged graph does not read the cache at the first step, but must be given one that is not empty.
        length = 1 if self._wiring.merged else 0
        return self._graph.value(np.zeros((self._rows, shape[1], length, shape[3]), port.dtype))
