"""What the model card of an exported model says besides: how to ask the file, and how near the trained model it is."""

from ctr_assets.plain_text import in_markdown
from ctr_assets.serving import TOLERANCE
from ctr_assets.serving.equality import Comparison


def how_to_ask(day: str, comparison: Comparison, columns: tuple[str, ...]) -> str:
    """A section of the card, in Markdown; ``comparison`` is of test rows of ``day``."""
    return f"""## How to ask it

One file, `model.onnx`: it runs wherever onnxruntime does and needs nothing else.

```python
import numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
impression = {{each.name: numpy.array(["…"], dtype=object) for each in session.get_inputs()}}
session.run(["click_probability"], impression)
```

Its inputs are strings as they are delivered, `hour` as YYMMDDHH (UTC): {", ".join(f"`{name}`" for name in columns)}.

On {comparison.rows:,} test rows of {in_markdown(day)} this file and the trained model differ by at most
{comparison.greatest_difference:.1e} (allowed: {TOLERANCE:g})."""
