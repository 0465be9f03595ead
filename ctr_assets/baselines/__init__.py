"""What Wide & Deep is held against: each baseline's configuration, fitting and scoring.

A configuration imports no engine, and no scoring needs the engine that fitted.
"""
