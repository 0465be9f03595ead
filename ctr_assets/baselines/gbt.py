"""The GBT baseline: fits Spark ML's GBTClassifier on a window's training rows and saves it as a file of trees."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyspark
from pyspark.ml.classification import GBTClassificationModel, GBTClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame, SparkSession, functions

from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.baselines.publish import card_of, publish
from ctr_assets.baselines.trees import (
    TREES_NAME,
    CategorySplit,
    Leaf,
    ThresholdSplit,
    Trees,
    WeightedTree,
)
from ctr_assets.features import FEATURES, UNKNOWN_ID, Split
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import GBT_BASELINE
from ctr_assets.training.window import resolve_window

GBT_FEATURES: Final = tuple(feature.name for feature in FEATURES if not feature.is_cross)
"""All single fields; a tree crosses fields by itself."""


@dataclass(frozen=True)
class FittedGbt:
    """A committed baseline and what it learned from."""

    manifest: Manifest
    train_rows: int
    trees: int
    importances: dict[str, float]
    """Spark's feature importances, largest first; they sum to 1."""


def train_gbt(
    spark: SparkSession,
    store: Store,
    day: str,
    window: Sequence[str],
    config: GbtConfig,
    created_by: Mapping[str, str],
) -> FittedGbt:
    """Fit the baseline of ``day`` on the training rows of ``window`` and commit it."""
    started = time.monotonic()
    resolved = resolve_window(store, day, window)
    sizes = {name: int(resolved.vocabulary.properties["sizes"][name]) for name in GBT_FEATURES}
    rows = read_train_rows(spark, store, resolved.encoded, sizes, config).cache()
    try:
        train_rows, clicks = rows.select(functions.count("*"), functions.sum("label")).first() or (0, 0)
        card = card_of(resolved, train_rows, int(clicks or 0))
        model = fit(rows, sizes, config)
    finally:
        rows.unpersist()
    trees = export_trees(model, sizes)
    importances = dict(zip(GBT_FEATURES, map(float, model.featureImportances.toArray()), strict=True))
    importances = dict(sorted(importances.items(), key=lambda item: -item[1]))
    card |= {
        "config": config.model_dump(),
        "categorical": [name for name in GBT_FEATURES if is_categorical(sizes[name], config)],
        "feature_importances": importances,
        "spark_version": pyspark.__version__,
    }
    content = trees.model_dump_json().encode()
    manifest = publish(store, GBT_BASELINE, resolved, (TREES_NAME, content), card, started, created_by)
    return FittedGbt(manifest, train_rows, len(trees.trees), importances)


def read_train_rows(
    spark: SparkSession, store: Store, days: Sequence[Manifest], sizes: Mapping[str, int], config: GbtConfig
) -> DataFrame:
    """Columns ``label`` (double) and ``features`` (vector) of the training rows, from the files that ``days`` name.

    Row groups of other splits are skipped by their statistics.
    """
    for day in days:
        for file in day.files:
            store.open_file(day, file).close()  # of a file that is damaged Spark would tell neither day nor remedy
    urls = [store.fs.unstrip_protocol(store.file_path(day, file)) for day in days for file in day.files]
    # Every character of a store's name stands for itself; Hadoop would take these for a pattern.
    literal = (re.sub(r"([*?{}\[\]\\])", r"\\\1", url) for url in urls)
    read = spark.read.parquet(*literal).where(functions.col("split") == Split.TRAIN.code)
    if config.max_rows is not None:
        total = sum(int(day.properties["splits"][Split.TRAIN.value]) for day in days)
        if total > config.max_rows:
            read = read.sample(fraction=config.max_rows / total, seed=config.seed)
    columns = [
        functions.when(functions.col(name) <= size, functions.col(name)).otherwise(UNKNOWN_ID).alias(name)
        for name, size in sizes.items()
    ]
    rows = read.select(functions.col("label").cast("double").alias("label"), *columns)
    rows = rows.coalesce(spark.sparkContext.defaultParallelism)
    assembled = VectorAssembler(inputCols=list(sizes), outputCol="features").transform(rows)
    # On the vector, not on its inputs: VectorAssembler makes a nominal input numeric unless it lists its values.
    return assembled.select("label", functions.col("features").alias("features", metadata=attributes(sizes, config)))


def is_categorical(size: int, config: GbtConfig) -> bool:
    """Whether a field of ``size`` values, and unknown, is split by sets of values; larger ones by the order of ids."""
    return size + 1 <= config.max_bins


def attributes(sizes: Mapping[str, int], config: GbtConfig) -> dict[str, Any]:
    """Spark ML's metadata of the feature vector: which positions hold categories, and how many; the rest is ordered."""
    nominal, numeric = [], []
    for index, (name, size) in enumerate(sizes.items()):
        if is_categorical(size, config):
            nominal.append({"idx": index, "name": name, "type": "nominal", "num_vals": size + 1})
        else:
            numeric.append({"idx": index, "name": name, "type": "numeric"})
    attributes_of_kind = {"nominal": nominal, "numeric": numeric}
    return {
        "ml_attr": {
            "attrs": {kind: attributes for kind, attributes in attributes_of_kind.items() if attributes},
            "num_attrs": len(sizes),
        }
    }


def fit(rows: DataFrame, sizes: Mapping[str, int], config: GbtConfig) -> GBTClassificationModel:
    """Fit the classifier on columns ``label`` and ``features``."""
    classifier = GBTClassifier(
        maxIter=config.max_iter,
        maxDepth=config.max_depth,
        stepSize=config.step_size,
        maxBins=config.max_bins,
        minInstancesPerNode=config.min_instances_per_node,
        subsamplingRate=config.subsampling_rate,
        seed=config.seed,
    )
    model: GBTClassificationModel = classifier.fit(rows)
    return model


def export_trees(model: GBTClassificationModel, sizes: Mapping[str, int]) -> Trees:
    """The fitted ensemble as plain data, read from the JVM node by node (some 60 nodes a tree)."""
    names = list(sizes)
    trees = [
        WeightedTree(weight=float(weight), root=_node(tree._call_java("rootNode"), names))
        for tree, weight in zip(model.trees, model.treeWeights, strict=True)
    ]
    return Trees(vocabulary_sizes=dict(sizes), trees=tuple(trees))


def _node(node: Any, names: Sequence[str]) -> Leaf | ThresholdSplit | CategorySplit:
    if node.subtreeDepth() == 0:
        return Leaf(prediction=node.prediction())
    split = node.split()
    feature, left, right = names[split.featureIndex()], _node(node.leftChild(), names), _node(node.rightChild(), names)
    kind = split.getClass().getSimpleName()
    if kind == "ContinuousSplit":
        return ThresholdSplit(feature=feature, threshold=split.threshold(), left=left, right=right)
    if kind == "CategoricalSplit":
        left_ids = tuple(int(value) for value in split.leftCategories())
        return CategorySplit(feature=feature, left_ids=left_ids, left=left, right=right)
    raise TypeError(f"Spark returned a split of kind {kind}: export_trees knows ContinuousSplit and CategoricalSplit")
