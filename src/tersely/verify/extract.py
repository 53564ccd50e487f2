"""The final answer of a response, in time linear in its length.

Rules, in this order.
1. Only text after the last ``</think>`` (or ``\\end{think}``, ``<|end_of_thought|>``) counts, and of it only what comes
   before a chat control token such as ``<|im_end|>``; thinking that is opened and never closed leaves no answer. At
   most the last 20,000 characters are read, and the reason says where that cut something.
2. The last ``\\boxed{...}`` (or ``\\fbox``) with balanced braces, the outermost one. It beats everything else but an
   ``<answer>X</answer>`` that follows it. An empty one, or one that quotes the instruction (``\\boxed{...}``), is
   passed over. A last one that never closes, or one that is denied ("not \\boxed{5}", "\\boxed{5} is wrong") or a part
   of something larger ("-\\boxed{5}", "\\boxed{5}\\pi"), is no answer; other prose around it is not read. Boxes joined
   by nothing but "or", "and" or a comma, or labelled alike ("a=\\boxed{3} and b=\\boxed{8}"), are one list of answers.
3. Without any box: the last ``<answer>X</answer>``, the last one open at the end too; else the last line ``#### X``;
   else the last "(final) answer is X", "Answer: X" or X under such a heading, with no number or doubt after it (but
   for a paragraph that calls itself an explanation); else a last line that is all bold or all mathematics; else a
   response that is nothing but a short answer. Of a sentence ("The area is 45.") its last value counts.
4. Nothing is guessed from the last number of some prose.
"""

from __future__ import annotations

from tersely.verify.boxes import Box, answer, boxes_of, has_placeholder, is_part
from tersely.verify.statements import Extraction, from_prose, from_tags, tagged
from tersely.verify.visible import TAIL, graded

CUT = f"only the last {TAIL:,} characters were read"


def _from_boxes(boxes: list[Box], text: str) -> Extraction:
    if boxes[-1].content is None:
        return Extraction(None, "the last box never closes")
    if is_part(boxes[-1], text):
        return Extraction(None, "the box is denied or only a part of the answer")
    return Extraction(answer(boxes, text), "box")


def extract(response: str) -> Extraction:
    """The one final answer of ``response`` by the rules above. Never raises, whatever the text."""
    text = graded(response)
    if text is None:
        return Extraction(None, "the thinking never ends")
    found = _extract(text[-TAIL:])
    return Extraction(found.answer, f"{found.reason}; {CUT}") if len(text) > TAIL else found


def _extract(text: str) -> Extraction:
    boxes, tags = boxes_of(text), tagged(text)
    if boxes and (tags is None or tags.start() < boxes[-1].end):
        return _from_boxes(boxes, text)
    if tags is not None:
        return from_tags(tags, text)
    prose = from_prose(text)
    if prose.answer is None and has_placeholder(text):
        return Extraction(None, "empty box")
    return prose


__all__ = ["CUT", "TAIL", "Extraction", "extract"]
