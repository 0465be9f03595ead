import numpy as np

from ctr_assets.baselines.one_hot import OneHot

ONE_HOT = OneHot({"C1": 2, "banner_pos": 1})


def test_each_id_is_a_column_of_its_own_and_unknown_too():
    matrix = ONE_HOT.matrix(np.array([[0, 0], [2, 0], [1, 1]], np.int32))
    assert matrix.toarray().tolist() == [[1, 0, 0, 1, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]


def test_an_id_beyond_the_vocabulary_is_read_as_unknown():
    matrix = ONE_HOT.matrix(np.array([[3, 9]], np.int32))
    assert matrix.toarray().tolist() == [[1, 0, 0, 1, 0]]


def test_no_rows_are_a_matrix_without_rows():
    assert ONE_HOT.matrix(np.zeros((0, 2), np.int32)).shape == (0, 5)
