"""The table building of the study that this project replaces: Spark SQL and pyspark.ml, out comes dense CSV text.

``python -m ctr_assets_tests.benchmarks.tables_original LANDING_FOLDER OUT_FOLDER``

A job for every column and cross counts its distinct values, those with at most 100 become one-hot, five fields become
labels. As the study does, it reads the CSV again for each job. Kinder than the study where the result stays the same:
no schema is inferred, one pass indexes all columns, the text is made in the JVM instead of a Python function (a quarter
of its time), and all cores write it, once.
"""

import argparse
from pathlib import Path

from pyspark.ml import Pipeline
from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, Observation, SparkSession, functions

from ctr_assets.crosses import CROSS_SEPARATOR
from ctr_assets.features import FEATURE_SELECTIONS, FEATURES, HOUR_OF_DAY
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session
from ctr_assets_tests.benchmarks.clock import Clock

WIDE_MAX_DISTINCT = 100
DEEP = list(FEATURE_SELECTIONS["original"].deep)
INDEX, ONE_HOT = "_index", "_one_hot"


def read_landing(spark: SparkSession, landing: Path) -> DataFrame:
    """All delivered rows, every column a string, with the derived column and the crosses."""
    frame = spark.read.csv(f"{landing.resolve()}/day=*/*.csv*", header=True)
    frame = frame.withColumn(HOUR_OF_DAY, functions.substring("hour", 7, 2))
    return frame.withColumns({f.name: functions.concat_ws(CROSS_SEPARATOR, *f.columns) for f in FEATURES if f.is_cross})


def count_distinct(frame: DataFrame) -> dict[str, int]:
    """Distinct values of each feature: a job, and a pass over the CSV, each."""
    return {f.name: frame.select(functions.count_distinct(f.name)).collect()[0][0] for f in FEATURES}


def pipeline(wide: list[str], deep: list[str]) -> Pipeline:
    indexed = [*wide, *(name for name in deep if name not in wide)]
    return Pipeline(
        stages=[
            StringIndexer(inputCols=indexed, outputCols=[name + INDEX for name in indexed]),
            OneHotEncoder(
                inputCols=[name + INDEX for name in wide],
                outputCols=[name + ONE_HOT for name in wide],
                dropLast=False,
                handleInvalid="keep",
            ),
            VectorAssembler(inputCols=[name + ONE_HOT for name in wide], outputCol="wide"),
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("landing", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--driver-memory", default="8g", help="default: %(default)s")
    options = p.parse_args(arguments)
    spark = start_session({**LOCAL_SPARK_CONFIG, "spark.driver.memory": options.driver_memory})
    clock, written = Clock(), Observation()
    with clock.step("count_distinct"):
        frame = read_landing(spark, options.landing)
        distinct = count_distinct(frame)
    wide = [name for name, count in distinct.items() if count <= WIDE_MAX_DISTINCT]
    with clock.step("fit_encoders"):
        encoders = pipeline(wide, DEEP).fit(frame)
    with clock.step("write_csv"):
        # As JSON: 200,000 rows took 5 s, joining an array of strings 10 s.
        zeros_and_ones = functions.to_json(vector_to_array(functions.col("wide")).cast("array<tinyint>"))
        encoders.transform(frame).select(
            functions.col("click").alias("label"),
            zeros_and_ones.alias("wide"),
            *(functions.col(name + INDEX).cast("int").alias(name) for name in DEEP),
        ).observe(written, functions.count(functions.lit(1)).alias("rows")).write.csv(
            str(options.out.resolve()), mode="overwrite", header=True
        )
    size = sum(file.stat().st_size for file in options.out.glob("part-*"))
    clock.report("original", written.get["rows"], size)
    spark.stop()


if __name__ == "__main__":
    main()
