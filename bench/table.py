"""The table of all figures in target/bench/results.jsonl."""

import json

from lib import RESULTS, line

entries = [json.loads(text) for text in RESULTS.read_text().splitlines()]
print("\nFigure by figure; ratios are medians of rounds, each against the floor of its own round.")
for entry in entries:
    if entry["kind"] == "row":
        print(line(entry["bench"], entry))
for entry in entries:
    if entry["kind"] == "broken":
        print(f"BROKEN  {entry['bench']}: {entry['message']}")
