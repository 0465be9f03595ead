"""Stands in for the job's main file: says what Spark started it with."""

import json
import os
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
conf = spark.sparkContext.getConf()
told = {
    "arguments": sys.argv[1:],
    "bind_address": conf.get("spark.driver.bindAddress"),
    "block_size": conf.get("spark.hadoop.fs.gs.block.size"),
    "python": sys.executable,
    "rows": spark.range(3).count(),
}
with open(os.environ["PROBE"], "w") as file:
    json.dump(told, file)
spark.stop()
