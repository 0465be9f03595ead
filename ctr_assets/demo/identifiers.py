"""Made-up identifiers without tables: a bijective mixing function turns a counter into a random-looking 8-hex-digit
value or a decimal impression id, so that neither repeats however many there are."""

import numpy as np
from numpy.typing import NDArray

# Finalisers of MurmurHash3 (32 bits) and SplitMix64 (64 bits): every step can be inverted, so distinct stays distinct.
_MURMUR_1, _MURMUR_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_SPLITMIX_1, _SPLITMIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_DAY_ID_BITS = 40  # Room for 10^12 impressions a day before two days could share a counter.

_HEX_PAIRS = np.array([f"{i:02x}" for i in range(256)], dtype="S2")
_DECIMAL_QUADS = np.array([f"{i:04d}" for i in range(10_000)], dtype="S4")
ID_DIGITS = 20  # 2^64 - 1 has 20 decimal digits.


def mix32(counters: NDArray[np.uint32], salt: int) -> NDArray[np.uint32]:
    """A bijection of the 32-bit numbers, another one for every salt; shape (n,) in and out."""
    x = counters ^ np.uint32(salt & 0xFFFFFFFF)
    x = (x ^ (x >> np.uint32(16))) * _MURMUR_1
    x = (x ^ (x >> np.uint32(13))) * _MURMUR_2
    return x ^ (x >> np.uint32(16))


def mix64(counters: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """A bijection of the 64-bit numbers, another one for every salt; shape (n,) in and out."""
    x = counters ^ np.uint64(salt & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * _SPLITMIX_1
    x = (x ^ (x >> np.uint64(27))) * _SPLITMIX_2
    return x ^ (x >> np.uint64(31))


def hex_values(counters: NDArray[np.uint32], salt: int) -> NDArray[np.bytes_]:
    """Distinct 8-hex-digit values for distinct counters; shape (n,), dtype S8."""
    pairs = _HEX_PAIRS[mix32(counters, salt).view(np.uint8)]
    return pairs.view("S8")


def impression_ids(day_ordinal: int, first_row: int, rows: int, seed: int) -> NDArray[np.bytes_]:
    """Distinct decimal ids of up to 20 digits; shape (rows,), dtype S20, with NUL bytes in place of leading zeros.

    Args:
        day_ordinal: `date.toordinal()` of the day, so that no two days share an id.
        first_row: row number within the day of the first id.
        rows: how many.
        seed: the run's seed: another seed gives other ids.
    """
    counters = np.arange(first_row, first_row + rows, dtype=np.uint64) + np.uint64(day_ordinal << _DAY_ID_BITS)
    numbers = mix64(counters, seed * 0x9E3779B97F4A7C15)
    quads = np.empty((rows, ID_DIGITS // 4), dtype="S4")
    for position in range(ID_DIGITS // 4 - 1, -1, -1):
        numbers, low = np.divmod(numbers, np.uint64(10_000))
        quads[:, position] = _DECIMAL_QUADS[low]
    digits = quads.view(np.uint8)
    leading = digits[:, :-1]  # The last digit stays, even where it is zero.
    leading[np.logical_and.accumulate(leading == ord("0"), axis=1)] = 0
    return digits.view(f"S{ID_DIGITS}").ravel()
