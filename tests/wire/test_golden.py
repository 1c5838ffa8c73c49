"""Golden outputs: fed as stored, compared number by number."""

import numpy as np
import pytest

from wire.golden import Golden, GoldenError, agreement

PICTURES = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)


def test_samples_are_fed_one_by_one() -> None:
    golden = Golden({"a.onnx|in|x": np.arange(6.0).reshape(2, 3), "a.onnx|out|y": np.array([[1], [2]])})
    assert golden.graphs() == ("a.onnx",)
    second = golden.samples("a.onnx")[1]
    assert second.feeds["x"].tolist() == [[3, 4, 5]]
    assert second.results["y"].tolist() == [[2]]


def test_pictures_are_enlarged_and_normalised() -> None:
    mean, std = np.array([0.5, 0.5, 0.25]), np.array([0.5, 1.0, 0.25])
    arrays = {
        "a.onnx|in|x": PICTURES,
        "a.onnx|mean|x": mean,
        "a.onnx|std|x": std,
        "a.onnx|enlarge|x": np.array(3),
        "a.onnx|out|y": np.zeros((2, 1)),
    }
    fed = Golden(arrays).samples("a.onnx")[1].feeds["x"]
    assert fed.shape == (1, 3, 6, 6)
    assert fed.dtype == np.float32
    blue = PICTURES[1, 1, 0, 2]
    assert fed[0, 2, 5, 2] == pytest.approx((blue / 255 - 0.25) / 0.25)


def test_of_a_large_output_some_elements_are_compared() -> None:
    picked = np.array([1, 5])
    arrays = {"a|in|x": np.zeros((1, 1)), "a|out|y": np.array([[2.0, 6.0]]), "a|pick|y": picked}
    sample = Golden(arrays).samples("a")[0]
    found = np.arange(1.0, 7.0).reshape(1, 2, 3)
    assert sample.agreement({"y": found}).max_abs_error == 0
    assert sample.agreement({"y": np.where(found == 6, 7.0, found)}).max_abs_error == 1


def test_grids_come_with_their_captions() -> None:
    golden = Golden(
        {
            "captions|grids": PICTURES,
            "captions|enlarge": np.array(2),
            "captions|tokens": np.array([[4, 5, -1], [6, -1, -1]]),
        }
    )
    assert golden.grids().shape == (2, 4, 4, 3)
    assert golden.tokens() == [[4, 5], [6]]
    assert golden.graphs() == ()
    assert len(Golden({}).grids()) == 0


@pytest.mark.parametrize(
    "arrays",
    [
        {"a|in|x": np.zeros((2, 1))},
        {"a|out|y": np.zeros((2, 1))},
        {"a|in|x": np.zeros((2, 1)), "a|out|y": np.zeros((3, 1))},
        {"a|in|x": np.zeros((1, 4)), "a|mean|x": np.zeros(3), "a|std|x": np.ones(3), "a|out|y": np.ones(1)},
        {"a|in|x": PICTURES, "a|mean|x": np.zeros(3), "a|out|y": np.zeros((2, 1))},
        {"a|in|x": np.array(1), "a|out|y": np.zeros((2, 1))},
        {"a|in|x": PICTURES, "a|mean|x": np.zeros(3), "a|std|x": np.zeros(3), "a|out|y": np.zeros((2, 1))},
        {"a|in|x": PICTURES, "a|mean|x": np.zeros(4), "a|std|x": np.ones(4), "a|out|y": np.zeros((2, 1))},
        {"a|in|x": np.zeros((1, 1)), "a|out|y": np.ones((1, 1)), "a|pick|y": np.array([-1])},
        {"a|in|x": np.zeros((1, 1)), "a|out|y": np.ones((1, 1)), "a|pick|y": np.array([0.0])},
    ],
)
def test_data_that_do_not_fit_are_named(arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype]]) -> None:
    with pytest.raises(GoldenError, match="golden data of a"):
        Golden(arrays).samples("a")


@pytest.mark.parametrize(
    "arrays",
    [
        {"captions|grids": PICTURES[0]},
        {"captions|grids": PICTURES.astype(np.float32)},
        {"captions|grids": PICTURES, "captions|enlarge": np.array([2, 2])},
        {"captions|grids": PICTURES, "captions|enlarge": np.array(2.0)},
        {"captions|grids": PICTURES, "captions|enlarge": np.array(0)},
        {"captions|grids": PICTURES, "captions|enlarge": np.array(2**40)},
        {"captions|grids": np.zeros((1, 400, 400, 3), np.uint8), "captions|enlarge": np.array(64)},
    ],
)
def test_grids_that_are_no_pictures_are_refused(
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype]],
) -> None:
    with pytest.raises(GoldenError, match="captions"):
        Golden(arrays).grids()


@pytest.mark.parametrize("tokens", [np.array(3), np.array([3]), np.array([[0.5]])])
def test_tokens_that_are_no_rows_of_numbers_are_refused(
    tokens: np.ndarray[tuple[int, ...], np.dtype],
) -> None:
    with pytest.raises(GoldenError, match=r"captions\|tokens are"):
        Golden({"captions|tokens": tokens}).tokens()


def test_an_element_that_an_output_lacks_is_named() -> None:
    arrays = {"a|in|x": np.zeros((1, 1)), "a|out|y": np.ones((1, 1)), "a|pick|y": np.array([6])}
    sample = Golden(arrays).samples("a")[0]
    with pytest.raises(GoldenError, match="output y has 6 elements, expected more than 6"):
        sample.agreement({"y": np.ones((1, 2, 3))})


def test_agreement_is_that_of_the_worst_output() -> None:
    wanted = {"a": np.array([1.0, 0.0]), "b": np.array([3, 4, 5, 6])}
    found = agreement(wanted, {"a": np.array([1.0, 0.5]), "b": np.array([3, 4, 5, 7])})
    assert found.max_abs_error == 0.5
    assert found.cosine == pytest.approx(1 / np.hypot(1, 0.5))
    assert found.equal == 0.75


def test_a_number_that_is_none_agrees_with_nothing() -> None:
    found = agreement({"a": np.ones(2)}, {"a": np.array([1.0, np.nan])})
    assert found.cosine == -1
    assert found.max_abs_error == float("inf")


def test_nothing_agrees_with_a_number_that_is_none() -> None:
    assert agreement({"a": np.array([1.0, np.nan])}, {"a": np.ones(2)}).cosine == -1


@pytest.mark.parametrize("found", [{}, {"a": np.ones(3)}])
def test_an_output_that_is_missing_or_of_another_shape_is_named(
    found: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]],
) -> None:
    with pytest.raises(GoldenError, match=r"output a is .*expected \(2,\)"):
        agreement({"a": np.ones(2)}, found)
