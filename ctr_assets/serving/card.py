"""The model card of an exported model: what it is, what it learnt from, how good it was, and what it is not for.

The form follows Mitchell et al., "Model cards for model reporting" (FAT* 2019).
"""

from collections.abc import Mapping
from typing import Any, Final

from ctr_assets.plain_text import in_markdown, markdown_table
from ctr_assets.serving import TOLERANCE
from ctr_assets.serving.equality import Comparison

CARD_NAME: Final = "model_card.md"
_FIGURES: Final = {
    "logloss": "Logloss (nats a row)",
    "normalized_entropy": "Normalized entropy (1: no better than the click rate)",
    "roc_auc": "ROC AUC",
    "calibration_ratio": "Mean prediction / click rate",
    "expected_calibration_error": "Expected calibration error",
    "rows": "Test rows",
}


def render_card(
    trained: Mapping[str, Any], champion: Mapping[str, Any], comparison: Comparison, columns: tuple[str, ...]
) -> str:
    """The card as Markdown: ``trained`` is the card of the trained model, ``champion`` its manifest's properties."""
    window, figures = trained["window"], champion.get("test_metrics", {})
    measured = [(words, f"{figures[name]:,.6g}") for name, words in _FIGURES.items() if figures.get(name) is not None]
    sizes = trained["vocabulary_sizes"]
    known = [(name, f"{size:,}") for name, size in sorted(sizes.items(), key=lambda item: -item[1])]
    return f"""# Click-through rate, Wide & Deep, {in_markdown(trained["day"])}

The probability that an impression is clicked, from its raw values. One file, `model.onnx`: it runs wherever onnxruntime
does and needs nothing else.

```python
import numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
impression = {{each.name: numpy.array(["…"], dtype=object) for each in session.get_inputs()}}
session.run(["click_probability"], impression)
```

## Inputs

Strings as they are delivered, `hour` as YYMMDDHH (UTC): {", ".join(f"`{name}`" for name in columns)}.

## Learnt from

Impressions of {window[0]} to {window[-1]}: {trained["train_rows"]:,} training rows, of which
{trained["base_rate"]:.2%} were clicked. {trained["parameters"]:,} parameters, preset `{trained["features"]["preset"]}`.

## How good it was

On test rows of the same days, which it has not learnt from:

{markdown_table(("figure", "value"), measured) if measured else "No figures were kept."}

On {comparison.rows:,} test rows of {in_markdown(trained["day"])} this file and the trained model differ by at most
{comparison.greatest_difference:.1e} (allowed: {TOLERANCE:g}).

## Limits

* It knows the log that it learnt from and no other: values that it never met count as unknown, one unknown is like
  another, and the more of them, the closer the answer is to that of an average impression.
* It ages. The days that followed its own are not in these figures; `champion_validation` of those days has them.
* It predicts clicks, not their worth, and says nothing about a person: no input identifies one.

## Values it knows

{markdown_table(("feature", "values"), known)}
"""
