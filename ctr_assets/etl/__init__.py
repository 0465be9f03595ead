"""Spark jobs over the tables: Spark places, retries and shuffles; inside a task Arrow does the work on dictionaries."""
